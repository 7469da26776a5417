//! Where Octopus's REST API is.

use std::fmt;
use std::str::FromStr;

use octopus_argo_core::{AddressError, ServerAddress};

/// Why a text is not an [`ApiAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiAddressError {
    /// It does not begin with `https://` or `http://`.
    #[error("the address of Octopus starts with https://, or http:// where there is no TLS")]
    Scheme,
    /// It goes on after the path.
    #[error("the address of Octopus has no query and no fragment")]
    Query,
    /// A path with something in it that would have to be escaped.
    #[error("the path of the address of Octopus holds letters, digits and -._~/ only")]
    Path,
    /// Host or port.
    #[error(transparent)]
    Authority(#[from] AddressError),
}

/// The web address of an Octopus server, as people type it into a browser: chart value `registration.octopus.serverApiUrl`.
///
/// ```
/// use octopus_argo_client::registration::ApiAddress;
///
/// let address: ApiAddress = "https://octopus.example.com/deploy/".parse()?;
/// assert_eq!(address.to_string(), "https://octopus.example.com/deploy");
/// # Ok::<(), octopus_argo_client::registration::ApiAddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAddress {
    tls: bool,
    server: ServerAddress,
    path: String,
}

impl ApiAddress {
    /// Whether it is `https`.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        self.tls
    }

    /// Host and port: 443, or 80 without TLS, if none was given.
    #[must_use]
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// What paths of the API begin with: nothing, or a path without a slash at its end.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The host, with the port where it is not the usual one.
    pub(super) fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.server.port() == usual {
            self.server.host().to_string()
        } else {
            self.server.authority()
        }
    }
}

impl FromStr for ApiAddress {
    type Err = ApiAddressError;

    fn from_str(text: &str) -> Result<Self, ApiAddressError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(ApiAddressError::Scheme)?;
        let tls = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => true,
            _ if scheme.eq_ignore_ascii_case("http") => false,
            _ => return Err(ApiAddressError::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(ApiAddressError::Query);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = path.trim_end_matches('/');
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if !path.bytes().all(legal) {
            return Err(ApiAddressError::Path);
        }
        let server = ServerAddress::with_default_port(authority, if tls { 443 } else { 80 })?;
        Ok(Self {
            tls,
            server,
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for ApiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_mistakes() {
        let read = |text: &str| text.parse::<ApiAddress>().map(|address| address.to_string());
        assert_eq!(read(" HTTPS://Octopus:443/ ").unwrap(), "https://octopus");
        assert_eq!(read("http://octopus:8080/a//").unwrap(), "http://octopus:8080/a");
        assert_eq!(read("https://[fd00::5]").unwrap(), "https://[fd00::5]");
        assert_eq!(read("octopus.example.com"), Err(ApiAddressError::Scheme));
        assert_eq!(read("grpc://octopus"), Err(ApiAddressError::Scheme));
        assert_eq!(read("https://octopus/app#/Spaces-1"), Err(ApiAddressError::Query));
        assert_eq!(read("https://octopus/a b"), Err(ApiAddressError::Path));
        assert_eq!(read("https://me:pw@octopus"), Err(AddressError::UserInfo.into()));
    }
}
