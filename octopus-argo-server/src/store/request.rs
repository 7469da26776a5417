//! What a store is asked, and what it answers.

use std::collections::BTreeSet;
use std::time::SystemTime;

use octopus_argo_core::SpaceId;
use octopus_argo_core::health::octopus::InstanceHealth;

use crate::{EnvironmentId, GatewayId, Installation, Instance, InstanceName, TenantId, WebUiAddress};

/// A gateway that wants a record in a space.
///
/// ```
/// use octopus_argo_core::SpaceId;
/// use octopus_argo_server::Registration;
///
/// let registration = Registration::new(
///     SpaceId::default(),
///     "cluster-eu".parse()?,
///     "0f8fad5b-d9cb-469f-a165-70867728950e".parse()?,
/// )
/// .environments(["Environments-1".parse()?]);
/// # let _ = registration;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The space.
    pub space: SpaceId,
    /// The name of the record.
    pub name: InstanceName,
    /// The gateway.
    pub gateway: GatewayId,
    /// The environments that it may serve. Empty: all of them.
    pub environments: BTreeSet<EnvironmentId>,
    /// The tenants that it may serve. Empty: all of them.
    pub tenants: BTreeSet<TenantId>,
    /// Where people see this Argo CD in a browser.
    pub web_ui: Option<WebUiAddress>,
    /// What is known of the installation; added to what is known already.
    pub installation: Installation,
    /// Whether a gateway that is known keeps its token.
    pub token: TokenChoice,
}

/// Whether a gateway that is known keeps its token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenChoice {
    /// It gets a new one, and the old one is good no longer: what runs with it is shut out.
    #[default]
    Renew,
    /// It keeps the one that it has, if it has one: `PreserveAuthenticationToken`.
    Preserve,
}

impl Registration {
    /// A record with this name that may serve everything in the space, and a new token.
    #[must_use]
    pub fn new(space: SpaceId, name: InstanceName, gateway: GatewayId) -> Self {
        Self {
            space,
            name,
            gateway,
            environments: BTreeSet::new(),
            tenants: BTreeSet::new(),
            web_ui: None,
            installation: Installation::default(),
            token: TokenChoice::default(),
        }
    }

    /// The same for these environments.
    #[must_use]
    pub fn environments(mut self, environments: impl IntoIterator<Item = EnvironmentId>) -> Self {
        self.environments = environments.into_iter().collect();
        self
    }

    /// The same for these tenants.
    #[must_use]
    pub fn tenants(mut self, tenants: impl IntoIterator<Item = TenantId>) -> Self {
        self.tenants = tenants.into_iter().collect();
        self
    }

    /// The same with the address of the web UI.
    #[must_use]
    pub fn web_ui(mut self, address: WebUiAddress) -> Self {
        self.web_ui = Some(address);
        self
    }

    /// The same with what is known of the installation.
    #[must_use]
    pub fn installation(mut self, installation: Installation) -> Self {
        self.installation = installation;
        self
    }

    /// The same with this choice of token.
    #[must_use]
    pub fn token(mut self, choice: TokenChoice) -> Self {
        self.token = choice;
        self
    }
}

/// What a registration led to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered {
    /// The record.
    pub instance: Instance,
    /// Whether the new token is the gateway's from now on. Otherwise it has the one that it had.
    pub token_issued: bool,
    /// Whether the gateway was known before.
    pub known: bool,
}

impl Registered {
    /// What a store answers.
    #[must_use]
    pub fn new(instance: Instance, token_issued: bool, known: bool) -> Self {
        Self {
            instance,
            token_issued,
            known,
        }
    }
}

/// What to change in a record. What is not mentioned stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceChange {
    /// A new name.
    pub name: Option<InstanceName>,
    /// Other environments; empty: all.
    pub environments: Option<BTreeSet<EnvironmentId>>,
    /// Other tenants; empty: all.
    pub tenants: Option<BTreeSet<TenantId>>,
    /// Another address of the web UI, or none.
    pub web_ui: Option<Option<WebUiAddress>>,
}

impl InstanceChange {
    /// The same with a new name.
    #[must_use]
    pub fn name(mut self, name: InstanceName) -> Self {
        self.name = Some(name);
        self
    }

    /// The same with other environments; none: it may serve all.
    #[must_use]
    pub fn environments(mut self, environments: impl IntoIterator<Item = EnvironmentId>) -> Self {
        self.environments = Some(environments.into_iter().collect());
        self
    }

    /// The same with other tenants; none: it may serve all.
    #[must_use]
    pub fn tenants(mut self, tenants: impl IntoIterator<Item = TenantId>) -> Self {
        self.tenants = Some(tenants.into_iter().collect());
        self
    }

    /// The same with another address of the web UI, or none.
    #[must_use]
    pub fn web_ui(mut self, address: Option<WebUiAddress>) -> Self {
        self.web_ui = Some(address);
        self
    }

    /// Makes the change in a record, as a store does.
    pub fn apply(&self, instance: &mut Instance) {
        let Self {
            name,
            environments,
            tenants,
            web_ui,
        } = self.clone();
        if let Some(name) = name {
            instance.name = name;
        }
        if let Some(environments) = environments {
            instance.environments = environments;
        }
        if let Some(tenants) = tenants {
            instance.tenants = tenants;
        }
        if let Some(web_ui) = web_ui {
            instance.web_ui = web_ui;
        }
    }
}

/// Which record was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// The record as it was.
    pub instance: Instance,
    /// Whether it was the last one of its gateway, whose credential is gone with it.
    pub was_last: bool,
}

impl Deleted {
    /// What a store answers.
    #[must_use]
    pub fn new(instance: Instance, was_last: bool) -> Self {
        Self { instance, was_last }
    }
}

/// Which records to list. Without anything else: all of them.
///
/// ```
/// use octopus_argo_core::SpaceId;
/// use octopus_argo_server::InstanceQuery;
///
/// let query = InstanceQuery::default().in_space(SpaceId::default()).name_contains("eu").take(30);
/// # let _ = query;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceQuery {
    /// Of this space only.
    pub space: Option<SpaceId>,
    /// Of this gateway only.
    pub gateway: Option<GatewayId>,
    /// With this name only, without regard to case.
    pub name: Option<String>,
    /// With a name that has this in it, without regard to case.
    pub name_contains: Option<String>,
    /// How many to pass over.
    pub skip: u32,
    /// How many to give at most.
    pub take: Option<u32>,
}

impl InstanceQuery {
    /// The same in this space.
    #[must_use]
    pub fn in_space(mut self, space: SpaceId) -> Self {
        self.space = Some(space);
        self
    }

    /// The same of this gateway.
    #[must_use]
    pub fn of_gateway(mut self, gateway: GatewayId) -> Self {
        self.gateway = Some(gateway);
        self
    }

    /// The same with this name, without regard to case.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same with this in the name, without regard to case.
    #[must_use]
    pub fn name_contains(mut self, part: impl Into<String>) -> Self {
        self.name_contains = Some(part.into());
        self
    }

    /// The same from the one after so many.
    #[must_use]
    pub fn skip(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// The same with so many at most.
    #[must_use]
    pub fn take(mut self, count: u32) -> Self {
        self.take = Some(count);
        self
    }
}

/// What a query found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstancePage {
    /// The records, in the order of their ids.
    pub instances: Vec<Instance>,
    /// How many there are besides `skip` and `take`.
    pub total: u64,
}

impl InstancePage {
    /// What a store answers.
    #[must_use]
    pub fn new(instances: Vec<Instance>, total: u64) -> Self {
        Self { instances, total }
    }
}

/// What was seen of a gateway at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observation {
    /// The gateway.
    pub gateway: GatewayId,
    /// When.
    pub at: SystemTime,
    /// Whether it was connected then.
    pub connected: bool,
    /// What was learned of the installation.
    pub installation: Installation,
    /// What a health check found.
    pub health: Option<InstanceHealth>,
}

impl Observation {
    /// Nothing was seen of the gateway but what is added.
    #[must_use]
    pub fn new(gateway: GatewayId, at: SystemTime) -> Self {
        Self {
            gateway,
            at,
            connected: false,
            installation: Installation::default(),
            health: None,
        }
    }

    /// The same: it was connected.
    #[must_use]
    pub fn connected(mut self) -> Self {
        self.connected = true;
        self
    }

    /// The same with what was learned of the installation.
    #[must_use]
    pub fn installation(mut self, installation: Installation) -> Self {
        self.installation = installation;
        self
    }

    /// The same with what a health check found.
    #[must_use]
    pub fn health(mut self, health: InstanceHealth) -> Self {
        self.health = Some(health);
        self
    }
}
