//! What the server may ask of Argo CD. The gateway decides alone: a server can never widen it.

use std::collections::BTreeSet;

/// Argo CD's services, as far as any policy can allow calls of them.
pub(super) const SERVICES: [&str; 7] = [
    "application.ApplicationService",
    "cluster.ClusterService",
    "cluster.SettingsService",
    "version.VersionService",
    "session.SessionService",
    "account.AccountService",
    "project.ProjectService",
];

/// The methods that only read.
const READING: [&str; 22] = [
    "/application.ApplicationService/List",
    "/application.ApplicationService/Get",
    "/application.ApplicationService/Watch",
    "/application.ApplicationService/ResourceTree",
    "/application.ApplicationService/WatchResourceTree",
    "/application.ApplicationService/ManagedResources",
    "/application.ApplicationService/GetManifests",
    "/application.ApplicationService/GetResource",
    "/application.ApplicationService/ListResourceEvents",
    "/application.ApplicationService/PodLogs",
    "/application.ApplicationService/RevisionMetadata",
    "/application.ApplicationService/RevisionChartDetails",
    "/application.ApplicationService/GetApplicationSyncWindows",
    "/application.ApplicationService/ListLinks",
    "/cluster.ClusterService/List",
    "/cluster.ClusterService/Get",
    "/cluster.SettingsService/Get",
    "/version.VersionService/Version",
    "/session.SessionService/GetUserInfo",
    "/account.AccountService/CanI",
    "/project.ProjectService/List",
    "/project.ProjectService/Get",
];

/// A gRPC path, `/package.Service/Method`.
pub type Method = String;

/// Which calls the server may make. Everything else is denied.
///
/// ```
/// use octopus_argo_client::Policy;
///
/// let policy = Policy::read_only();
/// assert!(policy.allows("/application.ApplicationService/List"));
/// assert!(!policy.allows("/application.ApplicationService/Sync"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    allowed: BTreeSet<Method>,
}

/// What is to be done with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Allow,
    /// Allowed unless the request asks Argo CD to compare the application anew.
    WithoutRefresh,
    Deny,
}

impl Policy {
    /// Allows nothing.
    #[must_use]
    pub fn deny_all() -> Self {
        Self {
            allowed: BTreeSet::new(),
        }
    }

    /// Allows what only reads. `Get` with a refresh does not: it makes Argo CD work and writes an annotation.
    #[must_use]
    pub fn read_only() -> Self {
        Self {
            allowed: READING.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Takes a method away.
    #[must_use]
    pub fn without(mut self, method: &str) -> Self {
        self.allowed.remove(method);
        self
    }

    /// Whether the method may be called, in some way at least.
    #[must_use]
    pub fn allows(&self, method: &str) -> bool {
        self.allowed.contains(method)
    }

    pub(super) fn rule(&self, method: &str) -> Rule {
        if !self.allows(method) {
            Rule::Deny
        } else if method == "/application.ApplicationService/Get" {
            Rule::WithoutRefresh
        } else {
            Rule::Allow
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_denied() {
        let policy = Policy::read_only();
        for method in [
            "/application.ApplicationService/Sync",
            "/application.ApplicationService/TerminateOperation",
            "/application.ApplicationService/Delete",
            "/application.ApplicationService/list",
            "/cluster.ClusterService/Delete",
            "/session.SessionService/Create",
            "",
        ] {
            assert_eq!(policy.rule(method), Rule::Deny, "{method}");
        }
        assert_eq!(
            policy.rule("/application.ApplicationService/Get"),
            Rule::WithoutRefresh
        );
        assert_eq!(
            Policy::deny_all().rule("/version.VersionService/Version"),
            Rule::Deny
        );
        let less = policy.without("/application.ApplicationService/PodLogs");
        assert_eq!(less.rule("/application.ApplicationService/PodLogs"), Rule::Deny);
    }
}
