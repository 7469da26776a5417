//! Where people see an Argo CD and its applications in a browser.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use octopus_argo_core::ApplicationName;

/// The address of an Argo CD's web UI: `http` or `https`, with a host and perhaps a path, and nothing secret in it.
///
/// ```
/// use octopus_argo_core::ApplicationName;
/// use octopus_argo_server::WebUiAddress;
///
/// let address: WebUiAddress = "https://argo.example.test/eu/".parse()?;
/// assert_eq!(address.as_str(), "https://argo.example.test/eu");
/// assert_eq!(
///     address.application(&ApplicationName::new(Some("argocd"), "shop")),
///     "https://argo.example.test/eu/applications/argocd/shop",
/// );
/// # Ok::<(), octopus_argo_server::WebUiError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WebUiAddress(Arc<str>);

/// Why a text is not the address of a web UI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebUiError {
    /// It is not an absolute address with a host, or is longer than 2048 bytes.
    #[error("expected an address such as https://argo.example.test")]
    Address,
    /// It is neither `http` nor `https`, so a browser might run it.
    #[error("expected http or https")]
    Scheme,
    /// It has a user name or a password, which would be shown to everybody.
    #[error("expected an address without user name and password")]
    Credentials,
    /// It has a query or a fragment, so that no path can follow.
    #[error("expected an address without query and fragment")]
    Query,
}

/// As much as browsers take.
const LONGEST: usize = 2048;

impl WebUiAddress {
    /// The address, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where an application is shown.
    ///
    /// Rule: Argo CD's UI, route `/applications/{namespace}/{name}`, and `/applications/{name}` where no namespace is
    /// known.
    #[must_use]
    pub fn application(&self, name: &ApplicationName) -> String {
        let mut address = format!("{}/applications", self.0);
        for segment in name.namespace().into_iter().chain([name.name()]) {
            address.push('/');
            for byte in segment.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    address.push(char::from(byte));
                } else {
                    // Writing to a text cannot fail.
                    let _ = write!(address, "%{byte:02X}");
                }
            }
        }
        address
    }
}

impl FromStr for WebUiAddress {
    type Err = WebUiError;

    fn from_str(text: &str) -> Result<Self, WebUiError> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(WebUiError::Address);
        }
        if text.contains(['?', '#']) {
            return Err(WebUiError::Query);
        }
        let uri: Uri = text.parse().map_err(|_| WebUiError::Address)?;
        let authority = uri.authority().ok_or(WebUiError::Address)?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            Some(_) => return Err(WebUiError::Scheme),
            None => return Err(WebUiError::Address),
        }
        if authority.as_str().contains('@') {
            return Err(WebUiError::Credentials);
        }
        if authority.host().is_empty() {
            return Err(WebUiError::Address);
        }
        Ok(Self(text.trim_end_matches('/').into()))
    }
}

impl fmt::Display for WebUiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for WebUiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebUiAddress({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_shows_is_an_address() {
        let why = |text: &str| text.parse::<WebUiAddress>().unwrap_err();
        assert_eq!(why("javascript:alert(1)"), WebUiError::Address);
        assert_eq!(why("ftp://argo.example.test"), WebUiError::Scheme);
        assert_eq!(why("argo.example.test"), WebUiError::Address);
        assert_eq!(why(""), WebUiError::Address);
        assert_eq!(why("/applications"), WebUiError::Address);
        assert_eq!(
            why("https://user:secret@argo.example.test"),
            WebUiError::Credentials
        );
        assert_eq!(why("https://argo.example.test?a=b"), WebUiError::Query);
        assert_eq!(why("https://argo.example.test/#a"), WebUiError::Query);
        assert_eq!(why(&format!("https://{}", "a".repeat(2048))), WebUiError::Address);
        for text in [
            "http://[fd00::5]:8080/argo",
            "HTTPS://argo.example.test",
            "https://10.0.0.1",
        ] {
            assert!(text.parse::<WebUiAddress>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_link() {
        let address: WebUiAddress = "https://argo.example.test".parse().unwrap();
        let link = |namespace, name| address.application(&ApplicationName::new(namespace, name));
        assert_eq!(link(None, "shop"), "https://argo.example.test/applications/shop");
        assert_eq!(
            link(Some("a/b"), "c?d#\u{e4}\""),
            "https://argo.example.test/applications/a%2Fb/c%3Fd%23%C3%A4%22"
        );
    }
}
