//! The calls of Argo CD's API.

use std::fmt;

macro_rules! calls {
    ($( $(#[$doc:meta])* $call:ident = $path:literal, )+) => {
        /// A method of Argo CD's API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Call {
            $( $(#[$doc])* $call, )+
        }

        impl Call {
            /// All of them.
            pub const ALL: &'static [Self] = &[$( Self::$call, )+];

            /// The path on the wire: `/package.Service/Method`.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self {
                    $( Self::$call => $path, )+
                }
            }
        }
    };
}

calls! {
    /// All permitted applications.
    List = "/application.ApplicationService/List",
    /// One application.
    Get = "/application.ApplicationService/Get",
    /// Applications as they change.
    Watch = "/application.ApplicationService/Watch",
    /// The live resources of an application.
    ResourceTree = "/application.ApplicationService/ResourceTree",
    /// The same as they change.
    WatchResourceTree = "/application.ApplicationService/WatchResourceTree",
    /// Desired and live manifests.
    ManagedResources = "/application.ApplicationService/ManagedResources",
    /// Rendered manifests.
    GetManifests = "/application.ApplicationService/GetManifests",
    /// One live resource.
    GetResource = "/application.ApplicationService/GetResource",
    /// Kubernetes events.
    ListResourceEvents = "/application.ApplicationService/ListResourceEvents",
    /// Log lines.
    PodLogs = "/application.ApplicationService/PodLogs",
    /// Starts a sync.
    Sync = "/application.ApplicationService/Sync",
    /// Stops an operation.
    TerminateOperation = "/application.ApplicationService/TerminateOperation",
    /// Who made a commit.
    RevisionMetadata = "/application.ApplicationService/RevisionMetadata",
    /// What a Helm chart says of itself.
    RevisionChartDetails = "/application.ApplicationService/RevisionChartDetails",
    /// When syncs are allowed.
    GetApplicationSyncWindows = "/application.ApplicationService/GetApplicationSyncWindows",
    /// Links for people.
    ListLinks = "/application.ApplicationService/ListLinks",
    /// All permitted clusters.
    ListClusters = "/cluster.ClusterService/List",
    /// One cluster.
    GetCluster = "/cluster.ClusterService/Get",
    /// The version of the server.
    Version = "/version.VersionService/Version",
    /// Whom the server takes the caller for.
    GetUserInfo = "/session.SessionService/GetUserInfo",
    /// Whether the caller may do something.
    CanI = "/account.AccountService/CanI",
    /// The server's settings. They live in the package `cluster`.
    Settings = "/cluster.SettingsService/Get",
    /// All permitted Argo CD projects.
    ListProjects = "/project.ProjectService/List",
    /// One Argo CD project.
    GetProject = "/project.ProjectService/Get",
}

/// The path without its first slash.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.path().trim_start_matches('/'))
    }
}
