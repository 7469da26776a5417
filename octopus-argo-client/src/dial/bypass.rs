//! Which servers are dialled without a proxy.

use std::net::IpAddr;
use std::str::FromStr;

use octopus_argo_core::{Host, ServerAddress};

/// Rules in the notation of the variable `NO_PROXY`. This crate does not read that variable: pass its value in.
///
/// Rules are separated by commas. A rule is one of these, each with or without `:port` at its end, and letter case makes no
/// difference:
///
/// | rule | what it is for |
/// |---|---|
/// | `*` | everything |
/// | `example.com` | this name and all names below it |
/// | `.example.com`, `*.example.com` | all names below it |
/// | `10.1.2.3`, `fd00::5`, `[fd00::5]` | this address |
/// | `10.0.0.0/8`, `fd00::/8` | the addresses in this network |
///
/// Names are not looked up: a network is for a server that is given by its address. Nothing else is exempt, loopback neither.
///
/// ```
/// use octopus_argo_client::dial::Bypass;
///
/// let bypass: Bypass = ".svc, octopus.example.com:8443, 10.0.0.0/8".parse()?;
/// assert!(bypass.matches(&"octopus.example.com".parse()?));
/// assert!(bypass.matches(&"10.20.30.40".parse()?));
/// assert!(!bypass.matches(&"octopus.example.com:443".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Rule: what Go's `net/http` makes of `NO_PROXY`, but for its exception for `localhost`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bypass(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    host: HostRule,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostRule {
    Any,
    Name(Box<str>),
    Below(Box<str>),
    Network(IpAddr, u8),
}

/// Why a text is no [`Bypass`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a rule for going without a proxy: {rule:?}")]
#[non_exhaustive]
pub struct BypassError {
    /// The rule that could not be read.
    pub rule: Box<str>,
}

impl Bypass {
    /// Whether `server` is to be dialled without the proxy.
    #[must_use]
    pub fn matches(&self, server: &ServerAddress) -> bool {
        self.0.iter().any(|rule| rule.matches(server))
    }
}

impl FromStr for Bypass {
    type Err = BypassError;

    /// Empty rules, as in `a,,b`, are passed over.
    fn from_str(text: &str) -> Result<Self, BypassError> {
        text.split(',')
            .map(str::trim)
            .filter(|rule| !rule.is_empty())
            .map(|rule| Rule::read(rule).ok_or_else(|| BypassError { rule: rule.into() }))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Rule {
    fn read(text: &str) -> Option<Self> {
        if let Some((address, bits)) = text.split_once('/') {
            let ip: IpAddr = address.parse().ok()?;
            let bits = bits.parse().ok().filter(|bits| *bits <= width(ip))?;
            return Some(Self {
                host: HostRule::Network(ip, bits),
                port: None,
            });
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Self {
                host: HostRule::Network(ip, width(ip)),
                port: None,
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0)?)),
            None => (text, None),
        };
        Some(Self {
            host: HostRule::read(host)?,
            port,
        })
    }

    fn matches(&self, server: &ServerAddress) -> bool {
        if self.port.is_some_and(|port| port != server.port()) {
            return false;
        }
        match (&self.host, server.host()) {
            (HostRule::Any, _) => true,
            (HostRule::Name(rule), Host::Name(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name == &**rule || is_below(name, rule)
            }
            (HostRule::Below(rule), Host::Name(name)) => {
                is_below(name.strip_suffix('.').unwrap_or(name), rule)
            }
            (HostRule::Network(network, bits), Host::Ip(ip)) => is_within(*ip, *network, *bits),
            _ => false,
        }
    }
}

impl HostRule {
    fn read(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        if let Ok(ip) = inner.unwrap_or(text).parse::<IpAddr>() {
            return Some(Self::Network(ip, width(ip)));
        }
        let below = text.strip_prefix("*.").or_else(|| text.strip_prefix('.'));
        let name = below.unwrap_or(text);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(legal) {
            return None;
        }
        Some(match below {
            Some(_) => Self::Below(name.into()),
            None => Self::Name(name.into()),
        })
    }
}

fn is_below(name: &str, above: &str) -> bool {
    name.strip_suffix(above)
        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

fn is_within(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let differing = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => (ip.to_bits() ^ network.to_bits()).leading_zeros(),
        (IpAddr::V6(ip), IpAddr::V6(network)) => (ip.to_bits() ^ network.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= u32::from(bits)
}

fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(rules: &str, server: &str) -> bool {
        rules.parse::<Bypass>().unwrap().matches(&server.parse().unwrap())
    }

    #[test]
    fn each_kind_of_rule_has_its_reach() {
        for (rule, inside, outside) in [
            (
                "example.com",
                &["example.com", "a.example.com", "EXAMPLE.com.", "b.a.example.com"][..],
                &["notexample.com", "example.com.org", "1.2.3.4"][..],
            ),
            (
                ".example.com",
                &["a.example.com"],
                &["example.com", "xexample.com"],
            ),
            ("*.Example.com", &["a.example.com"], &["example.com"]),
            ("*", &["anything", "1.2.3.4", "[::1]"], &[]),
            ("a:443", &["a:443", "x.a:443"], &["a:8443"]),
            (
                "10.0.0.0/8",
                &["10.255.0.1", "10.0.0.0"],
                &["11.0.0.0", "name", "[::1]"],
            ),
            ("0.0.0.0/0", &["1.2.3.4"], &["[::1]"]),
            ("10.1.2.3", &["10.1.2.3"], &["10.1.2.4"]),
            ("10.1.2.3:443", &["10.1.2.3:443"], &["10.1.2.3"]),
            ("fd00::/8", &["[fd12::1]"], &["[fe00::1]", "1.2.3.4"]),
            ("fd00::5", &["[fd00::5]"], &["[fd00::6]"]),
            ("[fd00::5]:443", &["[fd00::5]:443"], &["[fd00::5]:8443"]),
            ("", &[], &["a", "1.2.3.4", "localhost", "127.0.0.1"]),
            (" , b ,", &["b"], &["a"]),
        ] {
            for server in inside {
                assert!(matches(rule, server), "{rule} {server}");
            }
            for server in outside {
                assert!(!matches(rule, server), "{rule} {server}");
            }
        }
    }

    #[test]
    fn nonsense_is_named() {
        for rule in [
            "10.0.0.0/33",
            "fd00::/129",
            "a b",
            "a:0",
            "a:x",
            ".",
            "*.",
            "10.0.0/8",
            "http://a",
            "[::1",
        ] {
            let error = format!("ok, {rule}").parse::<Bypass>().unwrap_err();
            assert_eq!(&*error.rule, rule);
        }
    }
}
