//! What a check of reachability dials, and what it need not even dial.

use std::net::IpAddr;

use crate::address::{AddressError, read_host, read_port, split_port};

/// Why a text gives nothing to dial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing can be dialled at this address")]
#[non_exhaustive]
pub struct ProbeTargetError {
    source: AddressError,
}

impl ProbeTargetError {
    /// What is wrong with it.
    #[must_use]
    pub fn reason(&self) -> &AddressError {
        &self.source
    }
}

/// Host and port that a check before an installation dials.
///
/// Its rules are not those of [`ServerAddress`](crate::ServerAddress): they are for any address that a gateway will use,
/// Argo CD's and Octopus's, and follow the scheme. `http` and `grpc` mean port 80 and any other scheme means 443 where
/// none is written; without a scheme the port has to be written.
///
/// ```
/// use octopus_argo_core::setup::ProbeTarget;
///
/// let target: ProbeTarget = "grpc://argocd-server.argocd.svc".parse()?;
/// assert_eq!((target.host(), target.port()), ("argocd-server.argocd.svc", 80));
/// assert!("localhost:8443".parse::<ProbeTarget>()?.is_loopback());
/// assert!("octopus.example.com".parse::<ProbeTarget>().is_err());
/// # Ok::<(), octopus_argo_core::setup::ProbeTargetError>(())
/// ```
///
/// Rule: OctopusDeploy/cli `pkg/kubernetes/preflight.go`. Cases: `vectors/connection.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTarget {
    host: String,
    port: u16,
}

impl ProbeTarget {
    /// A DNS name as it was written, or an IP address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is the machine itself, as seen from wherever it is dialled: a gateway's pod would find nothing there.
    /// True for `localhost`, loopback addresses, and `0.0.0.0` and `::`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let name = self.host.strip_suffix('.').unwrap_or(&self.host);
        name.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| {
                let ip = ip.to_canonical();
                ip.is_loopback() || ip.is_unspecified()
            })
    }
}

impl std::str::FromStr for ProbeTarget {
    type Err = ProbeTargetError;

    fn from_str(text: &str) -> Result<Self, ProbeTargetError> {
        read(text.trim()).map_err(|source| ProbeTargetError { source })
    }
}

fn read(text: &str) -> Result<ProbeTarget, AddressError> {
    if text.is_empty() {
        return Err(AddressError::Blank);
    }
    let (authority, default) = match text.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, _) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            let plain = ["http", "grpc"]
                .iter()
                .any(|plain| plain.eq_ignore_ascii_case(scheme));
            let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            (authority, Some(if plain { 80 } else { 443 }))
        }
        None => (text, None),
    };
    let (host, port) = split_port(authority)?;
    let port = match (port, default) {
        // A colon with nothing after it, in an address with a scheme, is as good as none.
        (None | Some(""), Some(default)) => default,
        (Some(port), _) => read_port(port)?.get(),
        (None, None) => return Err(AddressError::Port { port: "".into() }),
    };
    read_host(host)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    Ok(ProbeTarget {
        host: bare.unwrap_or(host).to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> (String, u16) {
        let target: ProbeTarget = text.parse().unwrap();
        (target.host, target.port)
    }

    #[test]
    fn the_port_follows_the_scheme_where_none_is_written() {
        assert_eq!(target("https://a/b?c"), ("a".to_owned(), 443));
        assert_eq!(target("GRPC://a"), ("a".to_owned(), 80));
        assert_eq!(target("http://u:p@a/"), ("a".to_owned(), 80));
        assert_eq!(target("grpcs://a"), ("a".to_owned(), 443));
        assert_eq!(target("grpc://[fd00::5]:8443"), ("fd00::5".to_owned(), 8443));
        assert_eq!(target("[fd00::5]:1"), ("fd00::5".to_owned(), 1));
        assert_eq!(target(" a:8443 "), ("a".to_owned(), 8443));
        assert_eq!(target("https://a:"), ("a".to_owned(), 443));
    }

    #[test]
    fn what_cannot_be_dialled_is_refused() {
        for text in [
            "",
            " ",
            "a",
            "a:",
            "a:b",
            "a:0",
            "a:65536",
            ":443",
            "https://",
            "https://:1",
            "fd00::5:1",
            "a b:1",
        ] {
            assert!(text.parse::<ProbeTarget>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_machine_itself_is_known_in_every_spelling() {
        for host in [
            "localhost",
            "LocalHost.",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "0.0.0.0",
            "[::]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(
                format!("{host}:1").parse::<ProbeTarget>().unwrap().is_loopback(),
                "{host}"
            );
        }
        for host in ["localhost.example.com", "128.0.0.1", "[fd00::1]"] {
            assert!(
                !format!("{host}:1").parse::<ProbeTarget>().unwrap().is_loopback(),
                "{host}"
            );
        }
    }
}
