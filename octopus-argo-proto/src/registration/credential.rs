//! How a caller of the REST API proves who it is.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};

/// The header of an API key.
pub const API_KEY_HEADER: &str = "X-Octopus-ApiKey";

/// The two kinds of credential, which travel in headers of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialKind {
    /// A key that somebody made in their profile, in [`API_KEY_HEADER`].
    ApiKey,
    /// An access token, in `Authorization` after `Bearer `. The installation wizard makes one that is good for an hour.
    Bearer,
}

impl CredentialKind {
    /// The kind of a credential by its text: `API-` and then only capital letters and digits, at least one, is an API key.
    ///
    /// ```
    /// use octopus_argo_proto::registration::CredentialKind;
    ///
    /// assert_eq!(CredentialKind::of("API-EXAMPLE0123"), CredentialKind::ApiKey);
    /// assert_eq!(CredentialKind::of("API-example0123"), CredentialKind::Bearer);
    /// ```
    ///
    /// Rule: OctopusDeploy/go-octopusdeploy `pkg/constants/constants_client.go`.
    #[must_use]
    pub fn of(credential: &str) -> Self {
        let key = credential.strip_prefix("API-").is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        });
        if key { Self::ApiKey } else { Self::Bearer }
    }

    /// The name of the header.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::ApiKey => API_KEY_HEADER,
            Self::Bearer => "Authorization",
        }
    }

    /// What stands in the header before the credential.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "",
            Self::Bearer => "Bearer ",
        }
    }
}

/// Why a text is no [`Credential`]. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialTextError {
    /// Nothing is left after trimming.
    #[error("a credential must not be blank")]
    Blank,
    /// It could not be sent in a header.
    #[error("a credential must hold visible ASCII characters only")]
    Character,
    /// Longer than [`Credential::MAX_LENGTH`].
    #[error("a credential must not be longer than {} bytes", Credential::MAX_LENGTH)]
    TooLong,
}

/// An API key or an access token for Octopus's REST API. It is not what a gateway connects with.
///
/// It has no `Display` and cannot be serialised, its `Debug` hides it, and its memory is wiped when it is dropped.
///
/// ```
/// use octopus_argo_proto::registration::{Credential, CredentialKind};
///
/// let credential: Credential = " API-EXAMPLE0123\n".parse()?;
/// assert_eq!(credential.kind(), CredentialKind::ApiKey);
/// assert_eq!(format!("{credential:?}"), "Credential(ApiKey, [REDACTED])");
/// # Ok::<(), octopus_argo_proto::registration::CredentialTextError>(())
/// ```
#[derive(Clone)]
pub struct Credential(SecretString);

impl Credential {
    /// The longest credential in bytes: 8 KiB, what most proxies take in one header.
    pub const MAX_LENGTH: usize = 8 * 1024;

    /// Which of the two it is.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        CredentialKind::of(self.0.expose_secret())
    }

    /// What stands in the header [`CredentialKind::header`].
    #[must_use]
    pub fn header_value(&self) -> SecretString {
        let kind = self.kind();
        SecretString::from(format!("{}{}", kind.prefix(), self.0.expose_secret()))
    }

    /// The credential itself, for a place that has to check or store it. Do not log it.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl FromStr for Credential {
    type Err = CredentialTextError;

    fn from_str(text: &str) -> Result<Self, CredentialTextError> {
        let text = text.trim();
        if text.is_empty() {
            Err(CredentialTextError::Blank)
        } else if text.len() > Self::MAX_LENGTH {
            Err(CredentialTextError::TooLong)
        } else if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(CredentialTextError::Character)
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?}, [REDACTED])", self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_as_a_whole_or_not_at_all() {
        assert_eq!(CredentialKind::of("API-A"), CredentialKind::ApiKey);
        for text in [
            "API-",
            "api-A",
            "API-a",
            " API-A",
            "API-A ",
            "API-A-B",
            "XAPI-A",
            "API-\u{c4}",
            "",
        ] {
            assert_eq!(CredentialKind::of(text), CredentialKind::Bearer, "{text:?}");
        }
    }

    #[test]
    fn nothing_that_breaks_a_header_gets_in() {
        let error = |text: &str| text.parse::<Credential>().unwrap_err();
        assert_eq!(error(" \n"), CredentialTextError::Blank);
        assert_eq!(error("a\r\nX-Other: b"), CredentialTextError::Character);
        assert_eq!(error(&"a".repeat(8193)), CredentialTextError::TooLong);
        let bearer: Credential = "abc".parse().unwrap();
        assert_eq!(bearer.header_value().expose_secret(), "Bearer abc");
    }
}
