//! The calls, one by one.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use octopus_argo_core::SpaceId;
use octopus_argo_proto::registration::{
    Credential, GatewayResource, ModifyRequest, RegisterResponse, ResourceEnvelope, Summaries, Summary,
    TaskRequest, TaskResource,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::http::Transport;
use super::{
    ApiAddress, ApiAddressError, Record, Registered, Registration, RegistrationError, ServerVersion, Stage,
    TokenChoice,
};
use crate::dial::{Dial, TcpDial};
use crate::tls::{ALPN_H2, Tls, TlsConfigError};

/// Calls Octopus's registration API. Cheap to clone; it holds no connection.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    credential: Credential,
}

/// Which instances a list is to have. A server may let more through: compare names, or use [`Client::find`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameFilter<'a> {
    /// All of them.
    #[default]
    All,
    /// Those of this name.
    Name(&'a str),
    /// Those with this in their name.
    Part(&'a str),
}

/// Whether a record was there to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deleted {
    /// It was, and is gone.
    Now,
    /// It was gone already.
    Before,
}

impl Client {
    /// How long a call may take if nothing else is said: 30 s, from the name look-up to the end of the answer.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// The largest answer if nothing else is said: 4 MiB, enough for thousands of instances in a list.
    pub const MAX_ANSWER: usize = 4 * 1024 * 1024;

    /// Calls to the server at this web address, over TLS.
    ///
    /// # Errors
    /// [`ClientConfigError`].
    pub fn new(address: &str, tls: &Tls, credential: Credential) -> Result<Self, ClientConfigError> {
        let address: ApiAddress = address.parse()?;
        if !address.uses_tls() {
            return Err(ClientConfigError::Plaintext);
        }
        let mut config = tls.client_config()?;
        config.alpn_protocols = vec![ALPN_H2.to_vec(), b"http/1.1".to_vec()];
        Ok(Self::with(address, Some(Arc::new(config)), credential))
    }

    /// Calls without TLS, to an address with `http://`: everyone on the way can read the credential and the gateway's token.
    ///
    /// # Errors
    /// [`ClientConfigError`], for an address with `https://` too.
    pub fn danger_plaintext(address: &str, credential: Credential) -> Result<Self, ClientConfigError> {
        let address: ApiAddress = address.parse()?;
        if address.uses_tls() {
            return Err(ClientConfigError::Tls);
        }
        Ok(Self::with(address, None, credential))
    }

    fn with(address: ApiAddress, tls: Option<Arc<rustls::ClientConfig>>, credential: Credential) -> Self {
        Self {
            transport: Transport {
                address,
                tls,
                dial: Arc::new(TcpDial::new()),
                timeout: Self::TIMEOUT,
                max_answer: Self::MAX_ANSWER,
            },
            credential,
        }
    }

    /// Dials in another way: through a proxy, or in a simulated network.
    #[must_use]
    pub fn dial(mut self, dial: impl Dial + 'static) -> Self {
        self.transport.dial = Arc::new(dial);
        self
    }

    /// Gives a call so long. Default: [`TIMEOUT`](Self::TIMEOUT).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.transport.timeout = timeout;
        self
    }

    /// Takes answers of at most so many bytes. Default: [`MAX_ANSWER`](Self::MAX_ANSWER).
    #[must_use]
    pub fn max_answer(mut self, bytes: usize) -> Self {
        self.transport.max_answer = bytes;
        self
    }

    /// Registers a gateway in one space.
    ///
    /// With [`TokenChoice::Renew`] a token has to come back; a record without one is deleted again, because its gateway
    /// could never connect. With [`TokenChoice::Keep`] the server is asked for its version first: an older one would
    /// take the running gateway's token away.
    ///
    /// # Errors
    /// [`RegistrationError`]. After [`Stage::Unknown`] there may be a record: see [`Client::find`].
    ///
    /// # Cancel safety
    /// Not safe: dropped after it was sent, there may be a record whose token is lost.
    pub async fn register(&self, registration: &Registration) -> Result<Registered, RegistrationError> {
        if registration.choice() == TokenChoice::Keep {
            self.check_version().await?;
        }
        let path = path(registration.space(), &["argocdgateways"]);
        let answer = self.call(Method::POST, &path, Some(&registration.body())).await?;
        let response: RegisterResponse = read(&answer)?;
        let (id, client_id) = response.known_id()?;
        let record = Record {
            space: registration.space().clone(),
            id,
        };
        let client_id = if client_id.is_empty() {
            registration.id().to_owned()
        } else {
            client_id
        };
        if registration.choice() == TokenChoice::Keep {
            let thumbprint = Some(response.certificate_thumbprint).filter(|text| !text.trim().is_empty());
            return Ok(Registered {
                records: vec![record],
                client_id,
                token: response.authentication_token,
                thumbprint,
            });
        }
        match response.into_first() {
            Ok(first) => Ok(Registered {
                records: vec![record],
                client_id,
                token: Some(first.token),
                thumbprint: first.thumbprint,
            }),
            Err(error) => {
                self.give_up(&record).await;
                Err(error.into())
            }
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`RegistrationError`].
    ///
    /// # Cancel safety
    /// Safe: it only reads.
    pub async fn read(&self, space: &SpaceId, id: &str) -> Result<GatewayResource, RegistrationError> {
        let path = path(space, &["argocdgateways", id]);
        let answer = self.call::<()>(Method::GET, &path, None).await?;
        Ok(read::<ResourceEnvelope>(&answer)?.resource)
    }

    /// Changes a record: [`ModifyRequest::unchanged`] makes a request of what was read.
    ///
    /// # Errors
    /// [`RegistrationError`].
    ///
    /// # Cancel safety
    /// Not safe: dropped after it was sent, the record may be changed or not.
    pub async fn modify(
        &self,
        space: &SpaceId,
        id: &str,
        change: &ModifyRequest,
    ) -> Result<GatewayResource, RegistrationError> {
        let path = path(space, &["argocdgateways", id]);
        let answer = self.call(Method::POST, &path, Some(change)).await?;
        // Some servers answer a change with nothing.
        if answer.is_empty() {
            return self.read(space, id).await;
        }
        Ok(read::<ResourceEnvelope>(&answer)?.resource)
    }

    /// Removes a record from its space. With a gateway's last record its token ends.
    ///
    /// # Errors
    /// [`RegistrationError`]. A record that is not there is no error.
    ///
    /// # Cancel safety
    /// Not safe: dropped after it was sent, the record may be gone or not. To ask again does no harm.
    pub async fn delete(&self, space: &SpaceId, id: &str) -> Result<Deleted, RegistrationError> {
        let path = path(space, &["argocdgateways", id]);
        match self.call::<()>(Method::DELETE, &path, None).await {
            Ok(_) => Ok(Deleted::Now),
            Err(RegistrationError::NotFound { .. }) => Ok(Deleted::Before),
            Err(error) => Err(error),
        }
    }

    /// Lists the instances of a space.
    ///
    /// # Errors
    /// [`RegistrationError`].
    ///
    /// # Cancel safety
    /// Safe: it only reads.
    pub async fn summaries(
        &self,
        space: &SpaceId,
        filter: NameFilter<'_>,
    ) -> Result<Summaries, RegistrationError> {
        let mut path = path(space, &["argocdinstances", "summaries"]);
        let (key, text) = match filter {
            NameFilter::All => ("", ""),
            NameFilter::Name(name) => ("?name=", name),
            NameFilter::Part(part) => ("?partialName=", part),
        };
        path.push_str(key);
        escape(&mut path, text);
        let answer = self.call::<()>(Method::GET, &path, None).await?;
        read(&answer)
    }

    /// The instance of this name, in any letter case, if there is one. The server's filters let more through than the name.
    ///
    /// # Errors
    /// [`RegistrationError`].
    ///
    /// # Cancel safety
    /// Safe: it only reads.
    pub async fn find(&self, space: &SpaceId, name: &str) -> Result<Option<Summary>, RegistrationError> {
        let name = name.trim();
        let found = self.summaries(space, NameFilter::Part(name)).await?.resources;
        let mut same = found
            .into_iter()
            .filter(|one| one.name.to_lowercase() == name.to_lowercase());
        Ok(same.next())
    }

    /// Has the server check a gateway's health. A new gateway reads `Unavailable` until this has run.
    ///
    /// # Errors
    /// [`RegistrationError`].
    ///
    /// # Cancel safety
    /// Safe, as far as a second check does no harm.
    pub async fn check_health(&self, space: &SpaceId, id: &str) -> Result<TaskResource, RegistrationError> {
        let task = TaskRequest::health_check(id);
        let answer = self
            .call(Method::POST, &path(space, &["tasks"]), Some(&task))
            .await?;
        read(&answer)
    }

    /// The server's version, by the root of its API; `None` for one that does not tell.
    ///
    /// # Errors
    /// [`RegistrationError`].
    ///
    /// # Cancel safety
    /// Safe: it only reads.
    pub async fn server_version(&self) -> Result<Option<ServerVersion>, RegistrationError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Root {
            version: Option<String>,
        }
        let answer = match self.call::<()>(Method::GET, "/api", None).await {
            Err(error) if error.stage() == Stage::Refused => return Ok(None),
            answer => answer?,
        };
        let root: Option<Root> = serde_json::from_slice(&answer).ok();
        Ok(root.and_then(|root| root.version?.parse().ok()))
    }

    /// A server that does not tell its version is trusted to be new enough.
    async fn check_version(&self) -> Result<(), RegistrationError> {
        match self.server_version().await? {
            Some(found) if found < ServerVersion::PRESERVES_TOKENS => {
                Err(RegistrationError::TooOld { found })
            }
            _ => Ok(()),
        }
    }

    /// Deletes what is of no use. If that fails too, the first failure is the one to tell.
    async fn give_up(&self, record: &Record) {
        if let Err(error) = self.delete(&record.space, &record.id).await {
            tracing::warn!(
                instance.id = record.id,
                error = &error as &dyn std::error::Error,
                "a registration of no use could not be deleted"
            );
        }
    }

    async fn call<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<Bytes, RegistrationError> {
        let body = body
            .map(serde_json::to_vec)
            .transpose()
            .map_err(|error| RegistrationError::Http {
                source: Arc::new(error),
            })?;
        self.transport
            .exchange(&self.credential, method, path, body)
            .await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.transport.address)
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// Why there is no [`Client`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientConfigError {
    /// The address.
    #[error("not the address of an Octopus server")]
    Address(#[from] ApiAddressError),
    /// The address says `http://`, and nobody said that the credential may be sent in clear text.
    #[error("the address starts with http://, and the credential is not to be sent without TLS")]
    Plaintext,
    /// The address says `https://`, and the client is to be without TLS.
    #[error("the address starts with https://, and the client is without TLS")]
    Tls,
    /// TLS.
    #[error("no TLS connection could be made")]
    Trust(#[from] TlsConfigError),
}

fn read<T: DeserializeOwned>(answer: &Bytes) -> Result<T, RegistrationError> {
    serde_json::from_slice(answer).map_err(|error| RegistrationError::Unreadable {
        source: Arc::new(error),
    })
}

/// A path below a space. What is no plain character is escaped: an id cannot lead elsewhere.
fn path(space: &SpaceId, segments: &[&str]) -> String {
    let mut path = String::from("/api/");
    escape(&mut path, space.as_str());
    for segment in segments {
        path.push('/');
        escape(&mut path, segment);
    }
    path
}

fn escape(path: &mut String, text: &str) {
    // A segment of dots would be taken for a way up.
    let dots = !text.is_empty() && text.bytes().all(|byte| byte == b'.');
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && !dots) {
            path.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_leads_elsewhere() {
        let space: SpaceId = "Spaces-1".parse().unwrap();
        assert_eq!(
            path(&space, &["argocdgateways", "../x?y#\u{e4}"]),
            "/api/Spaces-1/argocdgateways/..%2Fx%3Fy%23%C3%A4"
        );
        assert_eq!(path(&space, &[".."]), "/api/Spaces-1/%2E%2E");
    }

    #[test]
    fn a_credential_is_not_sent_in_clear_text_by_mistake() {
        let tls = Tls::pinned(octopus_argo_core::Thumbprint::from_sha1([0; 20]));
        let key = || "API-HUNTER2".parse::<Credential>().unwrap();
        let error = Client::new("http://octopus", &tls, key()).unwrap_err();
        assert!(matches!(error, ClientConfigError::Plaintext));
        assert!(matches!(
            Client::danger_plaintext("https://octopus", key()),
            Err(ClientConfigError::Tls)
        ));
        let client = Client::new("https://octopus", &tls, key()).unwrap();
        assert!(!format!("{client:?}").contains("HUNTER2"));
    }
}
