//! How the chart gets its credentials.

use std::str::FromStr;

use secrecy::SecretString;

use super::words::Variable;
use crate::setup::ProjectTokens;

/// A key of a Kubernetes Secret in the gateway's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRef {
    name: String,
    key: String,
}

/// Why something is no [`SecretRef`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretRefError {
    /// The name of a Secret is lower-case letters, digits, hyphens and dots, at most 253 of them.
    #[error("{name:?} is no name of a Secret: lower-case letters, digits, hyphens and dots")]
    #[non_exhaustive]
    Name {
        /// The text.
        name: Box<str>,
    },
    /// A key in a Secret is letters, digits, hyphens, underscores and dots, and does not begin with a digit.
    #[error(
        "{key:?} is no key of a Secret: letters, digits, hyphens, underscores and dots, not beginning with a digit"
    )]
    #[non_exhaustive]
    Key {
        /// The text.
        key: Box<str>,
    },
    /// Not `name/key`.
    #[error("expected the name of a Secret and a key in it, as in argocd-auth-token/ARGOCD_AUTH_TOKEN")]
    NoKey,
}

impl SecretRef {
    /// The key `key` of the Secret `name`.
    ///
    /// # Errors
    /// [`SecretRefError`].
    pub fn new(name: &str, key: &str) -> Result<Self, SecretRefError> {
        check_secret_name(name)?;
        check_secret_key(key)?;
        Ok(Self {
            name: name.to_owned(),
            key: key.to_owned(),
        })
    }

    /// The name of the Secret.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key in it.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    fn known(name: &str, key: &str) -> Self {
        Self {
            name: name.to_owned(),
            key: key.to_owned(),
        }
    }
}

impl FromStr for SecretRef {
    type Err = SecretRefError;

    /// Reads `name/key`.
    fn from_str(text: &str) -> Result<Self, SecretRefError> {
        let (name, key) = text.split_once('/').ok_or(SecretRefError::NoKey)?;
        Self::new(name, key)
    }
}

pub(super) fn check_secret_name(name: &str) -> Result<(), SecretRefError> {
    if is_kubernetes_name(name, 253, true) {
        return Ok(());
    }
    Err(SecretRefError::Name { name: name.into() })
}

/// What `kubectl create secret --from-env-file` takes.
pub(super) fn check_secret_key(key: &str) -> Result<(), SecretRefError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let digit = key.bytes().next().is_none_or(|first| first.is_ascii_digit());
    if !digit && key.len() <= 253 && key.bytes().all(legal) && !key.starts_with("..") && key != "." {
        return Ok(());
    }
    Err(SecretRefError::Key { key: key.into() })
}

/// Whether `text` is a name in Kubernetes: labels of lower-case letters, digits and inner hyphens; several with dots
/// between them where `dots` allows it.
pub(super) fn is_kubernetes_name(text: &str, longest: usize, dots: bool) -> bool {
    let label = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(legal) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= longest
        && if dots {
            text.split('.').all(label)
        } else {
            label(text)
        }
}

/// How one credential gets to the chart.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credential {
    /// From a Secret that exists.
    Existing(SecretRef),
    /// From a Secret that the command makes, out of a variable of the shell. Neither command nor release holds it.
    Stored(SecretRef, Variable),
    /// Inline, out of a variable of the shell. It ends up in the list of processes and in the Helm release. What the
    /// variable holds reaches Helm as it is: tokens have no commas, which Helm would split at.
    DangerInlineVariable(Variable),
    /// Inline. It ends up in the shell's history as well.
    DangerInline(SecretString),
}

impl Credential {
    /// An Argo CD token from `$ARGOCD_TOKEN`, through the Secret that Octopus's documentation uses.
    #[must_use]
    pub fn argo_cd() -> Self {
        Self::Stored(
            SecretRef::known("argocd-auth-token", "ARGOCD_AUTH_TOKEN"),
            Variable::known("ARGOCD_TOKEN"),
        )
    }

    /// An Octopus credential from `$OCTOPUS_TOKEN`, through the Secret that Octopus's documentation uses.
    #[must_use]
    pub fn octopus() -> Self {
        Self::Stored(
            SecretRef::known("octopus-server-access-token", "OCTOPUS_SERVER_ACCESS_TOKEN"),
            Variable::known("OCTOPUS_TOKEN"),
        )
    }
}

/// How the gateway authenticates to Argo CD.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ArgoCdCredential {
    /// With the token of an account, for everything.
    Account(Credential),
    /// With a Secret that exists and holds a key `PROJECT_AUTH_TOKEN_<project>` for each project.
    ExistingProjects {
        /// Its name.
        secret: String,
    },
    /// With a Secret of such keys that the command makes, out of variables of the shell.
    StoredProjects {
        /// Its name.
        secret: String,
        /// Projects, and which variable holds the token of each.
        tokens: Vec<(String, Variable)>,
    },
    /// With tokens inline, out of variables of the shell. See [`Credential::DangerInlineVariable`].
    DangerInlineProjectVariables(Vec<(String, Variable)>),
    /// With tokens inline. See [`Credential::DangerInline`].
    DangerInlineProjects(ProjectTokens),
}

/// What the keys of project tokens begin with.
pub(super) const PROJECT_TOKEN_PREFIX: &str = "PROJECT_AUTH_TOKEN_";
