//! Who a gateway is, and how it proves that: two headers on every call.
//!
//! | key | value |
//! |---|---|
//! | `client-id` | the client id under which the gateway is registered |
//! | `authorization` | `Bearer ` and the access token that registration returned |
//!
//! They belong to the connection and not to single calls, so that health checks carry them too.
//!
//! Rule: OctopusDeploy/octopus-grpc `go/pkg/connection/credentials.go`.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

mod layer;
pub use layer::{Authenticate, AuthenticateLayer};

/// The longest [`ClientId`] and [`AccessToken`], in bytes: 8 KiB, what most proxies take in one header.
pub const MAX_CREDENTIAL_LENGTH: usize = 8 * 1024;

/// Why a text is not a [`ClientId`] or an [`AccessToken`]. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialTextError {
    /// Nothing is left after trimming.
    #[error("must not be blank")]
    Blank,
    /// White space or a control character inside, or something beyond ASCII: it could not be sent in a header.
    #[error("must hold visible ASCII characters only")]
    Character,
    /// Longer than [`MAX_CREDENTIAL_LENGTH`].
    #[error("must not be longer than {MAX_CREDENTIAL_LENGTH} bytes")]
    TooLong,
}

/// The id under which a gateway is registered: text that the client chose, a GUID by custom. Compared exactly.
///
/// ```
/// use octopus_argo_client::credentials::ClientId;
///
/// let id: ClientId = "0d5f6c1e-9a63-4b07-8f0e-3f9b1f1f2a11".parse()?;
/// assert_eq!(id.as_str(), "0d5f6c1e-9a63-4b07-8f0e-3f9b1f1f2a11");
/// # Ok::<(), octopus_argo_client::credentials::CredentialTextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// The text as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientId {
    type Err = CredentialTextError;

    fn from_str(text: &str) -> Result<Self, CredentialTextError> {
        header_text(text).map(|text| Self(text.into()))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The gateway's access token, as registration returned it. It is not an API key.
///
/// It has no `Display` and cannot be serialised, its `Debug` hides it, and its memory is wiped when it is dropped.
///
/// ```
/// use octopus_argo_client::credentials::AccessToken;
///
/// let token: AccessToken = "eyJhbGciOi...".parse()?;
/// assert_eq!(format!("{token:?}"), "AccessToken([REDACTED])");
/// # Ok::<(), octopus_argo_client::credentials::CredentialTextError>(())
/// ```
#[derive(Clone)]
pub struct AccessToken(SecretString);

impl AccessToken {
    /// The token itself, for a place that has to send or store it. Do not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl FromStr for AccessToken {
    type Err = CredentialTextError;

    fn from_str(text: &str) -> Result<Self, CredentialTextError> {
        header_text(text).map(|text| Self(text.into()))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([REDACTED])")
    }
}

/// What a gateway presents on a connection: an id, a token, and over which transports it may be sent.
#[derive(Clone, Debug)]
pub struct Credentials {
    client_id: ClientId,
    token: AccessToken,
    plaintext: Plaintext,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plaintext {
    Refused,
    Allowed,
}

impl Credentials {
    /// Credentials that are sent over TLS only.
    #[must_use]
    pub fn new(client_id: ClientId, token: AccessToken) -> Self {
        Self {
            client_id,
            token,
            plaintext: Plaintext::Refused,
        }
    }

    /// Lets these credentials be sent over a connection without TLS too, where everyone on the way can read them.
    ///
    /// For a service mesh that encrypts by itself, and for tests. A connection without TLS has to be asked for besides.
    #[must_use]
    pub fn danger_allow_plaintext(self) -> Self {
        Self {
            plaintext: Plaintext::Allowed,
            ..self
        }
    }

    /// Whether [`danger_allow_plaintext`](Self::danger_allow_plaintext) was called.
    #[must_use]
    pub fn allows_plaintext(&self) -> bool {
        self.plaintext == Plaintext::Allowed
    }

    /// The id.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &AccessToken {
        &self.token
    }
}

/// Where credentials come from. It is asked anew for every connection, so that a rotated token needs no restart.
///
/// [`Credentials`] implement it themselves, for a token that never changes.
///
/// ```
/// use octopus_argo_client::credentials::{ClientId, CredentialProvider, Credentials, CredentialsError};
///
/// #[derive(Debug)]
/// struct TokenFile(ClientId, std::path::PathBuf);
///
/// #[async_trait::async_trait]
/// impl CredentialProvider for TokenFile {
///     async fn credentials(&self) -> Result<Credentials, CredentialsError> {
///         // A missing file may appear yet; a file with nonsense in it will not get better by waiting.
///         let text = std::fs::read_to_string(&self.1).map_err(CredentialsError::temporary)?;
///         let token = text.parse().map_err(CredentialsError::permanent)?;
///         Ok(Credentials::new(self.0.clone(), token))
///     }
/// }
/// ```
#[async_trait]
pub trait CredentialProvider: fmt::Debug + Send + Sync {
    /// The credentials for the connection that is about to be made. Nothing limits how long this takes but itself.
    ///
    /// # Errors
    /// [`CredentialsError`] says whether asking again can help.
    ///
    /// # Cancel safety
    /// Must be cancel-safe: the future is dropped when whoever connects gives up.
    async fn credentials(&self) -> Result<Credentials, CredentialsError>;
}

#[async_trait]
impl CredentialProvider for Credentials {
    async fn credentials(&self) -> Result<Self, CredentialsError> {
        Ok(self.clone())
    }
}

/// Why a [`CredentialProvider`] has no credentials now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the credential provider has no credentials")]
pub struct CredentialsError {
    retryable: bool,
    source: Arc<dyn Error + Send + Sync>,
}

impl CredentialsError {
    /// A failure that may pass: asking again can help. `source` must not hold a secret.
    pub fn temporary(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            retryable: true,
            source: source.into().into(),
        }
    }

    /// A failure that stays until someone acts. `source` must not hold a secret.
    pub fn permanent(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            retryable: false,
            source: source.into().into(),
        }
    }

    /// Whether asking again can help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }
}

/// Text that may stand in a header as it is, trimmed.
fn header_text(text: &str) -> Result<&str, CredentialTextError> {
    let text = text.trim();
    if text.is_empty() {
        Err(CredentialTextError::Blank)
    } else if text.len() > MAX_CREDENTIAL_LENGTH {
        Err(CredentialTextError::TooLong)
    } else if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(CredentialTextError::Character)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_text_holds_the_token() {
        let token: AccessToken = "hunter2".parse().unwrap();
        let credentials = Credentials::new("c1".parse().unwrap(), token.clone());
        let layer = AuthenticateLayer::new(&credentials);
        for text in [
            format!("{token:?}"),
            format!("{credentials:#?}"),
            format!("{layer:?}"),
        ] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert_eq!(token.expose(), "hunter2");
    }

    #[test]
    fn only_what_fits_a_header_is_taken() {
        assert_eq!(" c1\n".parse::<ClientId>().unwrap().as_str(), "c1");
        assert_eq!(" ".parse::<ClientId>(), Err(CredentialTextError::Blank));
        for text in ["a b", "a\nb", "ä", "a\u{7f}"] {
            assert_eq!(
                text.parse::<AccessToken>().unwrap_err(),
                CredentialTextError::Character
            );
        }
        let long = "a".repeat(MAX_CREDENTIAL_LENGTH + 1);
        assert_eq!(
            long.parse::<AccessToken>().unwrap_err(),
            CredentialTextError::TooLong
        );
        assert!(long[1..].parse::<AccessToken>().is_ok());
    }
}
