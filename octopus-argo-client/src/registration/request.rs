//! What is registered, and what comes of it.

use std::fmt;

use octopus_argo_core::{SpaceId, Uid};
use octopus_argo_proto::registration::{GatewaySecret, RegisterRequest};
use secrecy::{ExposeSecret as _, SecretString};

use crate::credentials::{CredentialTextError, Credentials};

/// Why there is no [`Registration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationTextError {
    /// Octopus wants a name.
    #[error("a gateway needs a name")]
    BlankName,
    /// The operating system has no randomness to make a client id from.
    #[error("the operating system has no randomness to make a client id from")]
    Randomness,
}

/// Whether a gateway that is registered already, in another space, keeps its token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenChoice {
    /// A new one is issued. A gateway that runs with the old one loses access.
    #[default]
    Renew,
    /// It keeps the one that it has (`PreserveAuthenticationToken`). Needs
    /// [`ServerVersion::PRESERVES_TOKENS`](super::ServerVersion::PRESERVES_TOKENS).
    Keep,
}

/// A gateway to be registered.
#[derive(Clone, Debug)]
pub struct Registration {
    space: SpaceId,
    name: String,
    environments: Vec<String>,
    client_id: String,
    token: TokenChoice,
}

impl Registration {
    /// A gateway with a new, random client id and no environments. The name is trimmed; it has to be free in the space.
    ///
    /// # Errors
    /// [`RegistrationTextError`].
    pub fn new(space: SpaceId, name: &str) -> Result<Self, RegistrationTextError> {
        let name = name.trim();
        if name.is_empty() {
            return Err(RegistrationTextError::BlankName);
        }
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).map_err(|_| RegistrationTextError::Randomness)?;
        // Version 4, variant 1 of RFC 9562.
        let [.., seventh, _, ninth, _, _, _, _, _, _, _] = &mut bytes;
        *seventh = *seventh & 0x0f | 0x40;
        *ninth = *ninth & 0x3f | 0x80;
        Ok(Self {
            space,
            name: name.to_owned(),
            environments: Vec::new(),
            client_id: Uid::from_bytes(bytes).to_string(),
            token: TokenChoice::default(),
        })
    }

    /// For these environments, by slug or id: [`match_environments`](octopus_argo_core::setup::match_environments) makes
    /// slugs of what people type.
    #[must_use]
    pub fn environments<S: Into<String>>(mut self, environments: impl IntoIterator<Item = S>) -> Self {
        self.environments = environments.into_iter().map(Into::into).collect();
        self
    }

    /// With the client id of a gateway that exists.
    #[must_use]
    pub fn client_id(mut self, client_id: Uid) -> Self {
        self.client_id = client_id.to_string();
        self
    }

    /// Whether the gateway keeps its token. Default: [`TokenChoice::Renew`].
    #[must_use]
    pub fn token(mut self, choice: TokenChoice) -> Self {
        self.token = choice;
        self
    }

    /// The same in another space.
    #[must_use]
    pub fn in_space(mut self, space: SpaceId) -> Self {
        self.space = space;
        self
    }

    /// The space.
    #[must_use]
    pub fn space(&self) -> &SpaceId {
        &self.space
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn choice(&self) -> TokenChoice {
        self.token
    }

    pub(super) fn id(&self) -> &str {
        &self.client_id
    }

    pub(super) fn body(&self) -> RegisterRequest {
        let mut body = RegisterRequest::new(self.space.as_str(), &*self.name, &*self.client_id);
        body.environments.clone_from(&self.environments);
        body.preserve_authentication_token = (self.token == TokenChoice::Keep).then_some(true);
        body
    }
}

/// A gateway's record in one space.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The space.
    pub space: SpaceId,
    /// The record's id, for example `ArgoCDGateways-1`.
    pub id: String,
}

/// A gateway that is registered. `Debug` hides its token.
#[derive(Clone)]
#[non_exhaustive]
pub struct Registered {
    /// Its records, one for each space, in the order in which they were made.
    pub records: Vec<Record>,
    /// Who it is.
    pub client_id: String,
    /// What it connects with, to be kept in the cluster and nowhere else; `None` if it keeps the token that it has.
    pub token: Option<SecretString>,
    /// The SHA-1 thumbprint of the server's gRPC certificate, if the server tells it.
    pub thumbprint: Option<String>,
}

impl Registered {
    /// The content of the Secret that the gateway starts from; `None` if it keeps its token, and so its Secret.
    #[must_use]
    pub fn secret(&self) -> Option<GatewaySecret> {
        let token = self.token.clone()?;
        Some(GatewaySecret::new(
            token,
            &*self.client_id,
            self.thumbprint.clone(),
        ))
    }

    /// What the gateway connects with; `None` if it keeps its token.
    ///
    /// # Errors
    /// [`CredentialTextError`] if the server made something that does not fit into a header.
    pub fn credentials(&self) -> Result<Option<Credentials>, CredentialTextError> {
        let Some(token) = &self.token else { return Ok(None) };
        let token = token.expose_secret().parse()?;
        Ok(Some(Credentials::new(self.client_id.parse()?, token)))
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered")
            .field("records", &self.records)
            .field("client_id", &self.client_id)
            .field("has_token", &self.token.is_some())
            .field("thumbprint", &self.thumbprint)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_are_random_guids_of_version_4() {
        let id = || Registration::new(SpaceId::default(), " EU ").unwrap();
        let one = id();
        assert_eq!(one.name(), "EU");
        assert!(one.id().parse::<Uid>().is_ok());
        assert_eq!(&one.id()[14..15], "4");
        assert!("89ab".contains(&one.id()[19..20]));
        assert_ne!(one.id(), id().id());
        assert!(Registration::new(SpaceId::default(), " ").is_err());
    }
}
