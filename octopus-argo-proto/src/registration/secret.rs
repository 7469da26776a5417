//! The content of the Secret from which a gateway knows who it is.

use std::fmt::{self, Write as _};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{FirstRegistration, or_default};

/// What the Secret [`GatewaySecret::NAME`] holds under [`GatewaySecret::KEY`], as YAML.
///
/// The chart's registration job writes it, or whoever registers in its place, with `registration.register=false`.
///
/// ```
/// use octopus_argo_proto::registration::GatewaySecret;
/// use secrecy::ExposeSecret as _;
///
/// let secret = GatewaySecret::new("gw-secret", "7b3f7c52-0d2e-4a3a-9d1c-1a2b3c4d5e6f", None);
/// let yaml = secret.to_yaml();
/// assert!(yaml.expose_secret().starts_with("octopus-grpc-authentication-token: \"gw-secret\"\n"));
/// assert_eq!(GatewaySecret::from_yaml(yaml.expose_secret())?.client_id, secret.client_id);
/// # Ok::<(), octopus_argo_proto::registration::GatewaySecretError>(())
/// ```
///
/// Rule: OctopusDeploy/cli `pkg/kubernetes/gateway/gateway.go`. Cases: `vectors/connection.json`.
#[derive(Clone)]
#[non_exhaustive]
pub struct GatewaySecret {
    /// What the gateway connects with.
    pub authentication_token: SecretString,
    /// Who it is.
    pub client_id: String,
    /// The SHA-1 thumbprint of the server's certificate, where it is to count.
    pub thumbprint: Option<String>,
}

impl GatewaySecret {
    /// The name of the Secret.
    pub const NAME: &str = "octopus-argocd-gateway-octopus-auth-secret";

    /// The key in it.
    pub const KEY: &str = "octopus-argocd-gateway-octopus-authentication-secret.yaml";

    /// The most that is read: 64 KiB. A real one is a few hundred bytes.
    pub const MAX_LENGTH: usize = 64 * 1024;

    /// What a gateway needs. A blank thumbprint is none.
    pub fn new(
        authentication_token: impl Into<SecretString>,
        client_id: impl Into<String>,
        thumbprint: Option<String>,
    ) -> Self {
        Self {
            authentication_token: authentication_token.into(),
            client_id: client_id.into(),
            thumbprint: thumbprint.filter(|thumbprint| !thumbprint.trim().is_empty()),
        }
    }

    /// The content. It holds the token, hence its type. Every value is in quotes: a token of digits stays text.
    #[must_use]
    pub fn to_yaml(&self) -> SecretString {
        let mut yaml = String::new();
        let values = [
            (TOKEN, Some(self.authentication_token.expose_secret())),
            (CLIENT_ID, Some(self.client_id.as_str())),
            (THUMBPRINT, self.thumbprint.as_deref()),
        ];
        for (key, value) in values {
            if let Some(value) = value {
                // Writing to a text cannot fail.
                let _ = writeln!(yaml, "{key}: {}", Quoted(value));
            }
        }
        yaml.into()
    }

    /// Reads the content. Unknown keys are passed over.
    ///
    /// # Errors
    /// [`GatewaySecretError`], which never holds the token.
    pub fn from_yaml(yaml: &str) -> Result<Self, GatewaySecretError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Content {
            #[serde(rename = "octopus-grpc-authentication-token", deserialize_with = "or_default")]
            token: String,
            #[serde(rename = "octopus-grpc-client-id", deserialize_with = "or_default")]
            client_id: String,
            #[serde(rename = "octopus-grpc-thumbprint")]
            thumbprint: Option<String>,
        }
        if yaml.len() > Self::MAX_LENGTH {
            return Err(GatewaySecretError::TooLong);
        }
        // The parser quotes what it does not understand, which may be the token: only the place is kept.
        let content: Content = serde_saphyr::from_str(yaml).map_err(|error| GatewaySecretError::NotYaml {
            line: error.location().map(|location| location.line()),
        })?;
        let Content {
            token,
            client_id,
            thumbprint,
        } = content;
        for (key, value) in [(TOKEN, &token), (CLIENT_ID, &client_id)] {
            if value.trim().is_empty() {
                return Err(GatewaySecretError::Missing { key });
            }
        }
        Ok(Self::new(token, client_id, thumbprint))
    }
}

/// A text in double quotes. All but letters, digits and ASCII is escaped: YAML does not take every character as it is.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                ' '..='~' => f.write_char(character)?,
                _ if character.is_alphanumeric() => f.write_char(character)?,
                _ => write!(f, "\\U{:08X}", u32::from(character))?,
            }
        }
        f.write_char('"')
    }
}

impl From<FirstRegistration> for GatewaySecret {
    fn from(registration: FirstRegistration) -> Self {
        Self::new(
            registration.token,
            registration.client_id,
            registration.thumbprint,
        )
    }
}

impl fmt::Debug for GatewaySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewaySecret")
            .field("client_id", &self.client_id)
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

/// Why a text is not the content of the Secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatewaySecretError {
    /// It is no YAML mapping of texts. What is wrong is not repeated, because it may be the token.
    #[error("the secret is no YAML mapping of texts{}", at(*line))]
    #[non_exhaustive]
    NotYaml {
        /// The line, from 1, where it is known.
        line: Option<u64>,
    },
    /// A key is missing or blank.
    #[error("the secret has no value for {key}")]
    #[non_exhaustive]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// Longer than [`GatewaySecret::MAX_LENGTH`].
    #[error("the secret is longer than {} bytes", GatewaySecret::MAX_LENGTH)]
    TooLong,
}

fn at(line: Option<u64>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

const TOKEN: &str = "octopus-grpc-authentication-token";
const CLIENT_ID: &str = "octopus-grpc-client-id";
const THUMBPRINT: &str = "octopus-grpc-thumbprint";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_secret_of_others_is_read() {
        let yaml = "# by hand\noctopus-grpc-client-id: c1\nocto: {a: b}\noctopus-grpc-authentication-token: '0123'\n\
                    octopus-grpc-thumbprint: \"\"\n";
        let secret = GatewaySecret::from_yaml(yaml).unwrap();
        assert_eq!(secret.authentication_token.expose_secret(), "0123");
        assert_eq!((secret.client_id.as_str(), secret.thumbprint), ("c1", None));
    }

    #[test]
    fn mistakes_are_named_without_the_token() {
        let error = |yaml: &str| GatewaySecret::from_yaml(yaml).unwrap_err();
        assert_eq!(
            error("octopus-grpc-client-id: c1"),
            GatewaySecretError::Missing { key: TOKEN }
        );
        assert_eq!(
            error("octopus-grpc-authentication-token: x"),
            GatewaySecretError::Missing { key: CLIENT_ID }
        );
        for yaml in [
            "octopus-grpc-authentication-token: [hunter2]",
            "octopus-grpc-authentication-token: \"hunter2",
            "hunter2",
            "- hunter2",
        ] {
            let error = error(yaml);
            assert!(
                matches!(error, GatewaySecretError::NotYaml { .. }),
                "{yaml}: {error:?}"
            );
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        assert_eq!(
            error(&"#".repeat(GatewaySecret::MAX_LENGTH + 1)),
            GatewaySecretError::TooLong
        );
        let secret = GatewaySecret::new("hunter2", "c1", None);
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(token in "[^\\s].{0,40}", id in "[^\\s]\\PC{0,20}", thumbprint in proptest::option::of("[0-9A-F]{1,40}")) {
            let secret = GatewaySecret::new(token.clone(), id.clone(), thumbprint.clone());
            let back = GatewaySecret::from_yaml(secret.to_yaml().expose_secret()).unwrap();
            prop_assert_eq!(back.authentication_token.expose_secret(), token);
            prop_assert_eq!((back.client_id, back.thumbprint), (id, thumbprint));
        }
    }
}
