//! The calls that are simulated.

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $path:literal, $kind:ident, $authentication:ident;)*) => {
        /// A call of Argo CD's API, for switches that concern one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $($(#[$doc])* $name,)*
        }

        impl Method {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The path without its leading slash, for example `application.ApplicationService/List`.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self {
                    $(Self::$name => $path,)*
                }
            }

            pub(super) const fn kind(self) -> Kind {
                match self {
                    $(Self::$name => Kind::$kind,)*
                }
            }

            pub(super) const fn authentication(self) -> Authentication {
                match self {
                    $(Self::$name => Authentication::$authentication,)*
                }
            }
        }
    };
}

/// How many messages answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unary,
    Stream,
}

/// Whether a call needs a token that is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authentication {
    Needed,
    /// Without a good token the caller is anonymous.
    ///
    /// Rule: Argo CD `AuthFuncOverride` in `server/session`, `server/version` and `server/settings`.
    Optional,
}

methods! {
    /// Every permitted application in one message.
    List = "application.ApplicationService/List", Unary, Needed;
    /// One application, read from Kubernetes; refreshes it on demand.
    Get = "application.ApplicationService/Get", Unary, Needed;
    /// Changes of applications.
    Watch = "application.ApplicationService/Watch", Stream, Needed;
    /// The tree of resources.
    ResourceTree = "application.ApplicationService/ResourceTree", Unary, Needed;
    /// The tree, each time that the controller writes it.
    WatchResourceTree = "application.ApplicationService/WatchResourceTree", Stream, Needed;
    /// Target and live states.
    ManagedResources = "application.ApplicationService/ManagedResources", Unary, Needed;
    /// Rendered manifests.
    GetManifests = "application.ApplicationService/GetManifests", Unary, Needed;
    /// One live object.
    GetResource = "application.ApplicationService/GetResource", Unary, Needed;
    /// Kubernetes events.
    ListResourceEvents = "application.ApplicationService/ListResourceEvents", Unary, Needed;
    /// Log lines.
    PodLogs = "application.ApplicationService/PodLogs", Stream, Needed;
    /// Starts a sync.
    Sync = "application.ApplicationService/Sync", Unary, Needed;
    /// Stops one.
    TerminateOperation = "application.ApplicationService/TerminateOperation", Unary, Needed;
    /// Who committed a revision.
    RevisionMetadata = "application.ApplicationService/RevisionMetadata", Unary, Needed;
    /// What a chart says about itself.
    RevisionChartDetails = "application.ApplicationService/RevisionChartDetails", Unary, Needed;
    /// When syncs may start.
    GetApplicationSyncWindows = "application.ApplicationService/GetApplicationSyncWindows", Unary, Needed;
    /// Deep links.
    ListLinks = "application.ApplicationService/ListLinks", Unary, Needed;
    /// Every permitted cluster.
    ListClusters = "cluster.ClusterService/List", Unary, Needed;
    /// One cluster.
    GetCluster = "cluster.ClusterService/Get", Unary, Needed;
    /// The server's settings. They are in the package `cluster`.
    GetSettings = "cluster.SettingsService/Get", Unary, Optional;
    /// Every permitted project.
    ListProjects = "project.ProjectService/List", Unary, Needed;
    /// One project.
    GetProject = "project.ProjectService/Get", Unary, Needed;
    /// The server's version.
    Version = "version.VersionService/Version", Unary, Optional;
    /// Who the caller is.
    GetUserInfo = "session.SessionService/GetUserInfo", Unary, Optional;
    /// Logs in with a password.
    CreateSession = "session.SessionService/Create", Unary, Optional;
    /// Logs out.
    DeleteSession = "session.SessionService/Delete", Unary, Optional;
    /// Whether the server serves. Needs a token like any other call.
    CheckHealth = "grpc.health.v1.Health/Check", Unary, Needed;
    /// Whether the caller may do something.
    CanI = "account.AccountService/CanI", Unary, Needed;
}

/// Why a path is none of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown<'a> {
    Service(&'a str),
    Method { service: &'a str, method: &'a str },
}

impl Method {
    pub(super) fn of_path(path: &str) -> Result<Self, Unknown<'_>> {
        let path = path.strip_prefix('/').unwrap_or(path);
        if let Some(method) = Self::ALL.iter().find(|method| method.path() == path) {
            return Ok(*method);
        }
        let (service, method) = path.rsplit_once('/').unwrap_or((path, ""));
        let known = Self::ALL.iter().any(|known| {
            let known = known.path().rsplit_once('/');
            known.is_some_and(|(known, _)| known == service)
        });
        Err(if known {
            Unknown::Method { service, method }
        } else {
            Unknown::Service(service)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart() {
        for method in Method::ALL {
            assert_eq!(Method::of_path(&format!("/{}", method.path())), Ok(*method));
        }
        assert_eq!(
            Method::of_path("/settings.SettingsService/Get"),
            Err(Unknown::Service("settings.SettingsService"))
        );
        assert_eq!(
            Method::of_path("/x/application.ApplicationService/List"),
            Err(Unknown::Service("x/application.ApplicationService"))
        );
        assert_eq!(
            Method::of_path("/application.ApplicationService/Fly"),
            Err(Unknown::Method {
                service: "application.ApplicationService",
                method: "Fly"
            })
        );
    }
}
