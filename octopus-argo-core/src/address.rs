//! Addresses of Octopus servers.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The port on which Octopus Server takes gRPC connections where an address names none.
///
/// Web pages and REST use 443, so a proxy that forwards only 443 lets registration succeed and the gateway fail.
///
/// Rule: Octopus docs, "Argo CD instances"; setting `gateway.octopus.serverGrpcUrl`.
pub const DEFAULT_GRPC_PORT: u16 = 8443;

/// Why a text is not a [`ServerAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is blank.
    #[error("an address must not be blank")]
    Blank,
    /// The text before `://` is none of `grpc`, `grpcs`, `https` and `http`.
    #[error("unknown scheme {scheme:?}: expected grpc, grpcs, https or http")]
    #[non_exhaustive]
    Scheme {
        /// What stood before `://`.
        scheme: Box<str>,
    },
    /// A web address has no `://`, so that no host can be told apart in it.
    #[error("a web address starts with a scheme such as https://")]
    NoScheme,
    /// A user name or a password stands before the host. It is not repeated here, because it may be a secret.
    #[error("an address must not hold a user name or password")]
    UserInfo,
    /// Something follows the port. A gRPC address has no path, query or fragment.
    #[error("an address ends with its port: unexpected {rest:?}")]
    #[non_exhaustive]
    Path {
        /// What follows the port.
        rest: Box<str>,
    },
    /// The host is neither a DNS name, nor an IPv4 address, nor an IPv6 address in brackets.
    #[error("not a host: {host:?}")]
    #[non_exhaustive]
    Host {
        /// What stood in the place of the host.
        host: Box<str>,
    },
    /// An IPv6 address without brackets, where the port cannot be told from the address.
    #[error("an IPv6 address needs brackets, as in [fd00::5]:8443")]
    Ipv6Brackets,
    /// The port is not a number from 1 to 65535.
    #[error("not a port: {port:?}")]
    #[non_exhaustive]
    Port {
        /// What followed the colon.
        port: Box<str>,
    },
}

/// The host of a [`ServerAddress`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Host {
    /// A DNS name, in lower case.
    Name(Arc<str>),
    /// An address that needs no look-up.
    Ip(IpAddr),
}

impl fmt::Display for Host {
    /// As it stands in an address: IPv6 in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// Where an Octopus server takes gRPC connections: a host and a port.
///
/// Read from `grpc://`, `grpcs://`, `https://` and `http://` addresses and from bare `host` and `host:port`. The port is
/// [`DEFAULT_GRPC_PORT`] where none is written, whatever the scheme. The scheme does not choose between TLS and
/// plaintext: that is a setting of its own, so that a typing error never gives encryption up.
///
/// ```
/// use octopus_argo_core::ServerAddress;
///
/// let address: ServerAddress = "https://Octopus.example.com".parse()?;
/// assert_eq!(address.to_string(), "grpc://octopus.example.com:8443");
/// assert_eq!(address.authority(), "octopus.example.com:8443");
/// assert_eq!("[fd00::5]:443".parse::<ServerAddress>()?.authority(), "[fd00::5]:443");
/// # Ok::<(), octopus_argo_core::AddressError>(())
/// ```
///
/// Rule: Octopus docs, "Argo CD instances", and OctopusDeploy/octopus-grpc `go/pkg/connection/config.go`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerAddress {
    host: Host,
    port: NonZeroU16,
}

impl ServerAddress {
    /// The address that belongs to the web address of an Octopus server: the same host, port [`DEFAULT_GRPC_PORT`].
    ///
    /// Surrounding white space, the web port, user name, path and query are dropped. An IPv6 host keeps its brackets.
    ///
    /// ```
    /// use octopus_argo_core::ServerAddress;
    ///
    /// let address = ServerAddress::from_web_url("https://deploy.example.com:4443/app#/Spaces-1")?;
    /// assert_eq!(address.to_string(), "grpc://deploy.example.com:8443");
    /// # Ok::<(), octopus_argo_core::AddressError>(())
    /// ```
    ///
    /// # Errors
    /// [`AddressError::NoScheme`] without `://`; otherwise as for parsing an address, with any scheme allowed.
    ///
    /// Rule: OctopusDeploy/cli `pkg/kubernetes/octopus.go`, except for the brackets, which it loses.
    pub fn from_web_url(url: &str) -> Result<Self, AddressError> {
        let url = url.trim();
        if url.is_empty() {
            return Err(AddressError::Blank);
        }
        let (_, rest) = url.split_once("://").ok_or(AddressError::NoScheme)?;
        let (authority, _) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = split_port(host)?;
        // The number does not matter, but with anything else there the text is no web address.
        if let Some(port) = port.filter(|port| !port.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(AddressError::Port { port: port.into() });
        }
        Ok(Self {
            host: read_host(host)?,
            port: DEFAULT_PORT,
        })
    }

    /// The host: what is looked up, and what a certificate is checked against.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.get()
    }

    /// `host:port`, with brackets about an IPv6 host: the HTTP/2 `:authority`, and the target to dial.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::read(text, DEFAULT_PORT)
    }
}

impl ServerAddress {
    /// As parsing, with another port where the text gives none: other servers have other defaults.
    ///
    /// ```
    /// use octopus_argo_core::ServerAddress;
    ///
    /// let argo_cd = ServerAddress::with_default_port("argocd-server.argocd.svc", 443)?;
    /// assert_eq!(argo_cd.authority(), "argocd-server.argocd.svc:443");
    /// # Ok::<(), octopus_argo_core::AddressError>(())
    /// ```
    ///
    /// # Errors
    /// As for parsing; [`AddressError::Port`] also for a default of 0.
    pub fn with_default_port(text: &str, port: u16) -> Result<Self, AddressError> {
        let port = NonZeroU16::new(port).ok_or_else(|| AddressError::Port {
            port: port.to_string().into(),
        })?;
        Self::read(text, port)
    }

    fn read(text: &str, default_port: NonZeroU16) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Blank);
        }
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)) => rest,
            Some((scheme, _)) => {
                return Err(AddressError::Scheme {
                    scheme: scheme.into(),
                });
            }
            None => text,
        };
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(AddressError::UserInfo);
        }
        if !matches!(tail, "" | "/") {
            return Err(AddressError::Path { rest: tail.into() });
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            Some(text) => read_port(text)?,
            None => default_port,
        };
        Ok(Self {
            host: read_host(host)?,
            port,
        })
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<ServerAddress> for String {
    fn from(address: ServerAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ServerAddress {
    /// The canonical form, `grpc://host:port`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grpc://{}:{}", self.host, self.port)
    }
}

/// `host:port` taken apart, or the host alone.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<&str>), AddressError> {
    if authority.starts_with('[') {
        let end = authority.find(']').ok_or_else(|| not_a_host(authority))?;
        let (host, rest) = authority.split_at(end + 1);
        return match rest.strip_prefix(':') {
            _ if rest.is_empty() => Ok((host, None)),
            Some(port) => Ok((host, Some(port))),
            None => Err(not_a_host(authority)),
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(AddressError::Ipv6Brackets),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

pub(crate) fn read_port(text: &str) -> Result<NonZeroU16, AddressError> {
    // `parse` alone would let a plus sign through.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| AddressError::Port { port: text.into() })
}

pub(crate) fn read_host(text: &str) -> Result<Host, AddressError> {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let ip: Ipv6Addr = inner.parse().map_err(|_| not_a_host(text))?;
        return Ok(Host::Ip(ip.into()));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Host::Ip(ip));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // A last label of digits alone is a mistyped IPv4 address; no top-level domain looks like that.
    let numeric = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if name.len() > 253 || numeric || !name.split('.').all(label) {
        return Err(not_a_host(text));
    }
    Ok(Host::Name(text.to_ascii_lowercase().into()))
}

fn not_a_host(text: &str) -> AddressError {
    AddressError::Host { host: text.into() }
}

const SCHEMES: [&str; 4] = ["grpc", "grpcs", "https", "http"];

const DEFAULT_PORT: NonZeroU16 = NonZeroU16::new(DEFAULT_GRPC_PORT).unwrap();

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn authority(text: &str) -> String {
        text.parse::<ServerAddress>().unwrap().authority()
    }

    fn error(text: &str) -> AddressError {
        text.parse::<ServerAddress>().unwrap_err()
    }

    #[test]
    fn every_form_that_octopus_documents_is_read() {
        assert_eq!(
            authority("grpc://octopus.example.com:8443"),
            "octopus.example.com:8443"
        );
        assert_eq!(
            authority("grpcs://octopus.example.com"),
            "octopus.example.com:8443"
        );
        assert_eq!(
            authority("HTTPS://octopus.example.com:443/"),
            "octopus.example.com:443"
        );
        assert_eq!(
            authority("http://octopus.example.com"),
            "octopus.example.com:8443"
        );
        assert_eq!(authority("octopus.example.com:443"), "octopus.example.com:443");
        assert_eq!(authority(" octopus "), "octopus:8443");
        assert_eq!(authority("10.20.30.40"), "10.20.30.40:8443");
        assert_eq!(authority("grpc://[fd00::5]"), "[fd00::5]:8443");
        assert_eq!(authority("[FD00:0::5]:1"), "[fd00::5]:1");
    }

    #[test]
    fn each_mistake_has_its_own_error() {
        assert_eq!(error("  "), AddressError::Blank);
        assert_eq!(error("ftp://a"), AddressError::Scheme { scheme: "ftp".into() });
        assert_eq!(error("grpc://user:secret@a"), AddressError::UserInfo);
        assert_eq!(
            error("grpc://a:1/path"),
            AddressError::Path { rest: "/path".into() }
        );
        assert_eq!(error("grpc://fd00::5:8443"), AddressError::Ipv6Brackets);
        for port in ["", "0", "65536", "+1", "x"] {
            assert_eq!(
                error(&format!("a:{port}")),
                AddressError::Port { port: port.into() }
            );
        }
        for host in [
            "[fd00::5",
            "[fd00::5]x",
            "[10.0.0.1]",
            "a b",
            "a..b",
            "zürich.example",
            "1.2.3",
            "",
            "-a/",
        ] {
            assert!(
                format!("grpc://{host}").parse::<ServerAddress>().is_err() || host == "-a/",
                "{host}"
            );
        }
    }

    #[test]
    fn errors_do_not_repeat_a_password() {
        let error = error("grpc://user:hunter2@a");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn a_web_address_gives_host_and_default_port() {
        let derive = |url: &str| ServerAddress::from_web_url(url).map(|address| address.to_string());
        assert_eq!(
            derive("https://acme.octopus.app").unwrap(),
            "grpc://acme.octopus.app:8443"
        );
        assert_eq!(
            derive("https://deploy.example.com:4443/").unwrap(),
            "grpc://deploy.example.com:8443"
        );
        assert_eq!(
            derive("http://10.20.30.40:8080").unwrap(),
            "grpc://10.20.30.40:8443"
        );
        assert_eq!(
            derive("  https://deploy.example.com/a/b  ").unwrap(),
            "grpc://deploy.example.com:8443"
        );
        assert_eq!(
            derive("https://me:pw@deploy.example.com?x").unwrap(),
            "grpc://deploy.example.com:8443"
        );
        assert_eq!(derive("https://[fd00::5]:443").unwrap(), "grpc://[fd00::5]:8443");
        assert_eq!(derive(""), Err(AddressError::Blank));
        assert_eq!(derive("deploy.example.com"), Err(AddressError::NoScheme));
        assert_eq!(
            derive("https://deploy.example.com:").unwrap(),
            "grpc://deploy.example.com:8443"
        );
        assert_eq!(
            derive("https://deploy.example.com:web"),
            Err(AddressError::Port { port: "web".into() })
        );
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_printed_reads_back(text in "\\PC{0,40}|[a-z0-9.:/@\\[\\]-]{0,24}") {
            let _ = ServerAddress::from_web_url(&text);
            if let Ok(address) = text.parse::<ServerAddress>() {
                prop_assert_eq!(address.to_string().parse::<ServerAddress>(), Ok(address.clone()));
                prop_assert_eq!(address.authority().parse::<ServerAddress>(), Ok(address));
            }
        }
    }
}
