//! The record of an Argo CD instance in one space.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use octopus_argo_core::SpaceId;
use octopus_argo_core::health::octopus::InstanceHealth;

use crate::{EnvironmentId, GatewayId, InstanceId, TenantId, WebUiAddress};

/// An instance of Argo CD as one space knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// The record's id.
    pub id: InstanceId,
    /// The space that it belongs to.
    pub space: SpaceId,
    /// Its name, unique in the space.
    pub name: InstanceName,
    /// The gateway that reaches it.
    pub gateway: GatewayId,
    /// The environments that it may serve. Empty: all of them.
    pub environments: BTreeSet<EnvironmentId>,
    /// The tenants that it may serve. Empty: all of them.
    pub tenants: BTreeSet<TenantId>,
    /// Where people see this Argo CD in a browser, where somebody said so.
    pub web_ui: Option<WebUiAddress>,
    /// What is known of the gateway, and so the same in all its records.
    pub facts: GatewayFacts,
}

impl Instance {
    /// A record with this id, in the default space.
    #[must_use]
    pub fn new(id: InstanceId, name: InstanceName, gateway: GatewayId) -> Self {
        Self {
            id,
            space: SpaceId::default(),
            name,
            gateway,
            environments: BTreeSet::new(),
            tenants: BTreeSet::new(),
            web_ui: None,
            facts: GatewayFacts::default(),
        }
    }

    /// The same in this space.
    #[must_use]
    pub fn in_space(mut self, space: SpaceId) -> Self {
        self.space = space;
        self
    }
}

/// What is known of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayFacts {
    /// Whether it has a credential.
    pub credential: CredentialState,
    /// What runs where.
    pub installation: Installation,
    /// When it was last connected, to the millisecond; `None` before it has ever been.
    pub last_seen: Option<SystemTime>,
    /// What the last health check found, once there was one.
    pub health: Option<HealthReport>,
}

/// Whether a gateway has a credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialState {
    /// It has one.
    #[default]
    Issued,
    /// It was taken away. A new one is issued by rotating it, or by registering again without asking to keep it.
    Revoked,
}

/// What runs where: as the gateway or whoever installed it says. Shown to people, never decided by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installation {
    /// The version of the gateway's program.
    pub gateway_version: Option<String>,
    /// The version of the Helm chart.
    pub chart_version: Option<String>,
    /// The name of the Helm release.
    pub release: Option<String>,
    /// The namespace that the gateway runs in.
    pub namespace: Option<String>,
    /// The version of Argo CD.
    pub argo_cd_version: Option<String>,
}

impl Installation {
    /// The same, with what `other` knows in place of what was known.
    #[must_use]
    pub fn updated_by(self, other: &Self) -> Self {
        let newer = |new: &Option<String>, old: Option<String>| new.clone().or(old);
        Self {
            gateway_version: newer(&other.gateway_version, self.gateway_version),
            chart_version: newer(&other.chart_version, self.chart_version),
            release: newer(&other.release, self.release),
            namespace: newer(&other.namespace, self.namespace),
            argo_cd_version: newer(&other.argo_cd_version, self.argo_cd_version),
        }
    }
}

/// What a health check found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthReport {
    /// The health.
    pub health: InstanceHealth,
    /// When it was found, to the millisecond.
    pub checked: SystemTime,
}

impl HealthReport {
    /// What was found then.
    #[must_use]
    pub fn new(health: InstanceHealth, checked: SystemTime) -> Self {
        Self { health, checked }
    }
}

/// The name of an instance: trimmed, not blank, at most 200 characters, none of them a control character.
///
/// Two instances of one space do not have names that differ in case only.
///
/// Rule: what Octopus does about case is not public; to refuse both is safe either way.
///
/// ```
/// use octopus_argo_server::InstanceName;
///
/// let name: InstanceName = " Cluster EU ".parse()?;
/// assert_eq!((name.as_str(), name.folded().as_str()), ("Cluster EU", "cluster eu"));
/// # Ok::<(), octopus_argo_server::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceName(Arc<str>);

impl InstanceName {
    /// The most characters that a name has.
    pub const LONGEST: usize = 200;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What has to be unique in a space: the name in lower case.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing is left after trimming.
    #[error("a name must not be blank")]
    Blank,
    /// It has more than [`InstanceName::LONGEST`] characters.
    #[error("a name must not be longer than 200 characters")]
    TooLong,
    /// It has a control character.
    #[error("a name must not have control characters")]
    Control,
}

impl FromStr for InstanceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text.is_empty() {
            Err(NameError::Blank)
        } else if text.chars().nth(Self::LONGEST).is_some() {
            Err(NameError::TooLong)
        } else if text.contains(char::is_control) {
            Err(NameError::Control)
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl PartialEq<str> for InstanceName {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for InstanceName {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceName({:?})", self.as_str())
    }
}

/// A space: what an Octopus server is divided into.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Space {
    /// Its id.
    pub id: SpaceId,
    /// Its name, for people.
    pub name: String,
}

impl Space {
    /// A space with this id and name.
    #[must_use]
    pub fn new(id: SpaceId, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
        }
    }
}

impl Default for Space {
    /// The space that every Octopus server is created with.
    fn default() -> Self {
        Self::new(SpaceId::default(), "Default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_could_read_are_refused() {
        let parse = |text: &str| text.parse::<InstanceName>();
        assert_eq!(parse(" \t "), Err(NameError::Blank));
        assert_eq!(parse("a\u{0}b"), Err(NameError::Control));
        assert_eq!(parse(&"\u{e4}".repeat(201)), Err(NameError::TooLong));
        assert!(parse(&"\u{e4}".repeat(200)).is_ok());
    }
}
