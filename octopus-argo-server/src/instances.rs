//! The records of instances, as programs change them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use octopus_argo_core::SpaceId;
use octopus_argo_core::health::octopus::InstanceHealth;
use octopus_argo_proto::session::GoodbyeReason;

use crate::registry::Registry;
use crate::store::{
    InstanceChange, InstancePage, InstanceQuery, InstanceStore, Observation, Registration, StoreError,
};
use crate::{
    CredentialState, GatewayFacts, GatewayId, GatewayToken, Instance, InstanceId, ServerEvent, Space,
};

/// The records of a server's instances, and what admits their gateways. Cheap to clone.
///
/// Every change is made in the store first. Then sessions whose credential is gone end, and everybody who listens to
/// [`Server::events`](crate::Server::events) is told; when the call returns, all of it has happened.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use octopus_argo_core::SpaceId;
/// use octopus_argo_server::{MemoryStore, Registration, Server};
///
/// let server = Server::new(Arc::new(MemoryStore::default()));
/// let enrolment = server
///     .instances()
///     .register(Registration::new(
///         SpaceId::default(),
///         "cluster-eu".parse()?,
///         "0f8fad5b-d9cb-469f-a165-70867728950e".parse()?,
///     ))
///     .await?;
/// assert_eq!(enrolment.instance.id.as_str(), "ArgoCDGateways-1");
/// let token = enrolment.token.expect("a new gateway gets one");
/// # let _ = token;
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// Reads are safe. A change that was begun goes on by itself when its future is dropped: it happens altogether, and is
/// told of; only its outcome is lost, and with it a new token.
#[derive(Clone)]
pub struct Instances {
    store: Arc<dyn InstanceStore>,
    registry: Arc<Registry>,
}

/// A gateway that has been given a record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Enrolment {
    /// The record.
    pub instance: Instance,
    /// The gateway's new token, to be shown this once. `None`: it keeps the one that it has.
    pub token: Option<GatewayToken>,
}

impl Instances {
    pub(crate) fn new(store: Arc<dyn InstanceStore>, registry: Arc<Registry>) -> Self {
        Self { store, registry }
    }

    /// Gives a gateway a record in a space, and a token unless it is to keep the one that it has.
    ///
    /// A new token shuts out whatever runs with the old one: its sessions end, and have to come with the new one.
    ///
    /// # Errors
    /// As [`InstanceStore::register`], and [`StoreError::Randomness`]; nothing has changed then.
    pub async fn register(&self, registration: Registration) -> Result<Enrolment, StoreError> {
        let token = GatewayToken::generate()?;
        self.complete(|this| async move {
            let registered = this.store.register(&registration, &token.hash()).await?;
            if registered.known && registered.token_issued {
                this.recheck(&registration.gateway, Doubt::Ends).await;
            }
            this.registry.scopes.set(&registered.instance, &this.registry);
            this.registry.tell(ServerEvent::Registered {
                instance: Arc::new(registered.instance.clone()),
                token_issued: registered.token_issued,
            });
            Ok(Enrolment {
                instance: registered.instance,
                token: registered.token_issued.then_some(token),
            })
        })
        .await
    }

    /// A record.
    ///
    /// # Errors
    /// As [`InstanceStore::instance`].
    pub async fn instance(&self, space: &SpaceId, id: &InstanceId) -> Result<Instance, StoreError> {
        self.store.instance(space, id).await
    }

    /// The records that a query asks for, in the order of their ids.
    ///
    /// # Errors
    /// As [`InstanceStore::instances`].
    pub async fn list(&self, query: &InstanceQuery) -> Result<InstancePage, StoreError> {
        self.store.instances(query).await
    }

    /// Changes a record, and gives it as it is then.
    ///
    /// # Errors
    /// As [`InstanceStore::modify`]; nothing has changed then.
    pub async fn modify(
        &self,
        space: &SpaceId,
        id: &InstanceId,
        change: InstanceChange,
    ) -> Result<Instance, StoreError> {
        let (space, id) = (space.clone(), id.clone());
        self.complete(|this| async move {
            let instance = this.store.modify(&space, &id, &change).await?;
            this.registry.scopes.set(&instance, &this.registry);
            this.registry.tell(ServerEvent::Modified {
                instance: Arc::new(instance.clone()),
            });
            Ok(instance)
        })
        .await
    }

    /// Removes a record. With a gateway's last one its credential and its sessions end; otherwise they stay.
    ///
    /// # Errors
    /// As [`InstanceStore::delete`]; nothing has changed then.
    pub async fn delete(&self, space: &SpaceId, id: &InstanceId) -> Result<Instance, StoreError> {
        let (space, id) = (space.clone(), id.clone());
        self.complete(|this| async move {
            let deleted = this.store.delete(&space, &id).await?;
            this.registry.scopes.remove(&deleted.instance.id);
            if deleted.was_last {
                let gateway = &deleted.instance.gateway;
                this.recheck(gateway, Doubt::Ends).await;
                this.registry.forget(gateway);
            }
            this.registry.tell(ServerEvent::Deleted {
                instance: Arc::new(deleted.instance.clone()),
                was_last: deleted.was_last,
            });
            Ok(deleted.instance)
        })
        .await
    }

    /// What is known of a gateway.
    ///
    /// # Errors
    /// [`StoreError::UnknownGateway`].
    pub async fn gateway(&self, gateway: &GatewayId) -> Result<GatewayFacts, StoreError> {
        self.store.gateway(gateway).await
    }

    /// Gives a gateway a new token. A gateway that was revoked is admitted again.
    ///
    /// With [`Overlap::None`] the old token is good no longer, and sessions that came with it end; with
    /// [`Overlap::For`] it is good for that time, and sessions that came with it end within a minute after. They end
    /// as for a replaced connection, so a gateway that has the new token by then comes back with it by itself.
    ///
    /// Rule: that registering anew takes the old token away at once is Octopus's; an overlap is ours.
    ///
    /// # Errors
    /// [`StoreError::UnknownGateway`], [`StoreError::Randomness`].
    pub async fn rotate(&self, gateway: &GatewayId, overlap: Overlap) -> Result<GatewayToken, StoreError> {
        let (gateway, token) = (gateway.clone(), GatewayToken::generate()?);
        self.complete(|this| async move {
            let until = match overlap {
                Overlap::None => None,
                Overlap::For(time) => SystemTime::now().checked_add(time),
            };
            this.store.rotate(&gateway, &token.hash(), until).await?;
            this.recheck(&gateway, Doubt::Ends).await;
            this.registry.tell(ServerEvent::TokenRotated {
                gateway,
                old_until: until,
            });
            Ok(token)
        })
        .await
    }

    /// Takes a gateway's credential away, and ends its sessions at once. Its records stay.
    ///
    /// # Errors
    /// [`StoreError::UnknownGateway`].
    pub async fn revoke(&self, gateway: &GatewayId) -> Result<(), StoreError> {
        let gateway = gateway.clone();
        self.complete(|this| async move {
            this.store.revoke(&gateway).await?;
            this.recheck(&gateway, Doubt::Ends).await;
            this.registry.tell(ServerEvent::Revoked { gateway });
            Ok(())
        })
        .await
    }

    /// Notes what a health check of a gateway found.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn set_health(&self, gateway: &GatewayId, health: InstanceHealth) -> Result<(), StoreError> {
        let gateway = gateway.clone();
        self.complete(|this| async move {
            let observation = Observation::new(gateway.clone(), SystemTime::now()).health(health.clone());
            this.store.observe(&[observation]).await?;
            this.registry.tell(ServerEvent::HealthChecked { gateway, health });
            Ok(())
        })
        .await
    }

    /// The spaces.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn spaces(&self) -> Result<Vec<Space>, StoreError> {
        self.store.spaces().await
    }

    /// Adds a space, or renames the one with its id.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn put_space(&self, space: Space) -> Result<(), StoreError> {
        self.complete(|this| async move {
            this.store.put_space(&space).await?;
            this.registry.tell(ServerEvent::SpacePut { space });
            Ok(())
        })
        .await
    }

    /// Removes a space that has no records.
    ///
    /// # Errors
    /// As [`InstanceStore::remove_space`].
    pub async fn remove_space(&self, space: &SpaceId) -> Result<(), StoreError> {
        let space = space.clone();
        self.complete(|this| async move {
            this.store.remove_space(&space).await?;
            this.registry.tell(ServerEvent::SpaceRemoved { space });
            Ok(())
        })
        .await
    }

    /// Ends the sessions of a gateway that came with a token that is good no longer.
    ///
    /// Whether the store said which those are.
    pub(crate) async fn recheck(&self, gateway: &GatewayId, doubt: Doubt) -> bool {
        for token in self.registry.admissions.tokens(gateway) {
            let reason = match self.store.authenticate(gateway, &token, SystemTime::now()).await {
                Ok(true) => continue,
                Ok(false) => self.why(gateway).await,
                Err(error) if doubt == Doubt::Stays => {
                    tracing::warn!(
                        gateway.id = %gateway,
                        error = &error as &dyn std::error::Error,
                        "its credential cannot be checked, so its sessions go on"
                    );
                    return false;
                }
                Err(error) => {
                    tracing::warn!(
                        gateway.id = %gateway,
                        error = &error as &dyn std::error::Error,
                        "its credential cannot be checked, so its sessions end"
                    );
                    GoodbyeReason::Rotation
                }
            };
            self.registry.admissions.end_token(gateway, &token, reason);
        }
        true
    }

    /// Why a token is good no longer: a gateway that has another one may come back with it.
    async fn why(&self, gateway: &GatewayId) -> GoodbyeReason {
        match self.store.gateway(gateway).await {
            Ok(facts) if facts.credential == CredentialState::Issued => GoodbyeReason::Rotation,
            Err(StoreError::Backend { .. }) => GoodbyeReason::Rotation,
            _ => GoodbyeReason::Revoked,
        }
    }

    /// Does something to its end, whether or not anybody waits for it.
    async fn complete<T, F, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
        W: FnOnce(Self) -> F,
    {
        let task = self.registry.tasks.spawn(work(self.clone()));
        task.await.unwrap_or_else(|error| Err(StoreError::backend(error)))
    }
}

/// What becomes of a session when the store does not say whether its token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It ends, because something was just taken away. A gateway comes back by itself.
    Ends,
    /// It stays: a database that does not answer must not cut a whole fleet off.
    Stays,
}

/// How long the old token is good after a new one was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overlap {
    /// Not at all.
    #[default]
    None,
    /// For this long.
    For(Duration),
}

impl std::fmt::Debug for Instances {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Instances")
    }
}
