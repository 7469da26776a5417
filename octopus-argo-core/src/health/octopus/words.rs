//! The words of Octopus: codes that programs exchange, and labels that people read.

use crate::health::{HealthStatus, SyncStatus};
use crate::open_enum::{labels, open_enum};

open_enum! {
    /// The health of a project in an environment, and for a tenant where it has any.
    ///
    /// Rule: Octopus docs, "Live object status"; `Stale` from the API reference, `NotSupported` from the CLI. The codes
    /// of `Waiting` and `Unavailable` are assumed to read like their labels.
    ///
    /// ```
    /// use octopus_argo_core::health::octopus::ProjectHealth;
    ///
    /// assert_eq!(ProjectHealth::from("Not Supported"), ProjectHealth::NotSupported);
    /// assert_eq!(ProjectHealth::NotSupported.as_str(), "NotSupported");
    /// ```
    ProjectHealth {
        /// The objects match Git and run.
        Healthy = "Healthy",
        /// At least one object is on its way.
        Progressing = "Progressing",
        /// Objects have errors after the deployment.
        Degraded = "Degraded",
        /// At least one wanted object is absent.
        Missing = "Missing",
        /// Updates are not coming through.
        Unknown = "Unknown",
        /// The last deployment failed.
        Unavailable = "Unavailable",
        /// A deployment is running.
        Waiting = "Waiting",
        /// What is known is too old.
        Stale = "Stale",
        /// There is no live status for this kind of deployment.
        NotSupported = "NotSupported" | "Not Supported",
    }
}

labels! {
    ProjectHealth {
        NotSupported = "Not Supported",
    }
}

open_enum! {
    /// Whether what Octopus deployed is in Git and in the cluster: of an application or of a whole project.
    ///
    /// Rule: Octopus docs, "Git drift detection". The codes are those of the Kubernetes monitor and of the server.
    ///
    /// ```
    /// use octopus_argo_core::health::octopus::ProjectSync;
    ///
    /// let sync: ProjectSync = serde_json::from_str(r#""Git Drift""#)?;
    /// assert_eq!((sync.as_str(), sync.label()), ("GitDrift", "Git Drift"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ProjectSync {
        /// What Octopus wrote is in Git, and the cluster has it.
        InSync = "InSync" | "In Sync",
        /// The cluster differs from Git.
        OutOfSync = "OutOfSync" | "Out of Sync",
        /// Git no longer holds what Octopus wrote.
        GitDrift = "GitDrift" | "Git Drift",
        /// It cannot be told.
        Unknown = "Unknown",
        /// The last deployment failed.
        Unavailable = "Unavailable",
        /// A deployment is running.
        Waiting = "Waiting",
        /// There is no live status for this kind of deployment.
        NotSupported = "NotSupported" | "Not Supported",
    }
}

labels! {
    ProjectSync {
        InSync = "In Sync",
        OutOfSync = "Out of Sync",
        GitDrift = "Git Drift",
        NotSupported = "Not Supported",
    }
}

open_enum! {
    /// The status of one object in the live status table.
    ///
    /// Rule: Octopus docs, "Live object status".
    ObjectStatus {
        /// On its way.
        Progressing = "Progressing",
        /// In sync, and working.
        Healthy = "Healthy",
        /// It cannot be told.
        Unknown = "Unknown",
        /// Failed.
        Degraded = "Degraded",
        /// The cluster differs from Git.
        OutOfSync = "OutOfSync" | "Out of Sync",
        /// Wanted, and absent.
        Missing = "Missing",
        /// In sync, and of a kind without a health of its own.
        InSync = "InSync" | "In Sync",
        /// Paused on purpose.
        Suspended = "Suspended",
    }
}

labels! {
    ObjectStatus {
        OutOfSync = "Out of Sync",
        InSync = "In Sync",
    }
}

open_enum! {
    /// Where live status comes from.
    ///
    /// Rule: Octopus API reference, observability.
    StatusSource {
        /// The Kubernetes monitor.
        KubernetesMonitor = "KubernetesMonitor",
        /// An Argo CD instance.
        ArgoCdInstance = "ArgoCDInstance",
        /// An application of an Argo CD instance.
        ArgoCdApplication = "ArgoCDApplication",
    }
}

open_enum! {
    /// The state of the task that deployed last.
    ///
    /// Rule: Octopus API reference, tasks.
    DeploymentState {
        /// Not begun.
        Queued = "Queued",
        /// Running.
        Executing = "Executing",
        /// Ended with an error.
        Failed = "Failed",
        /// Was cancelled.
        Canceled = "Canceled",
        /// Ran out of time.
        TimedOut = "TimedOut",
        /// Ended well.
        Success = "Success",
        /// Being cancelled.
        Cancelling = "Cancelling",
    }
}

impl From<&HealthStatus> for ProjectHealth {
    /// The label of a project that consists of one thing with this health.
    ///
    /// Projects have no label Suspended: it reads Healthy. An unknown text is [`ProjectHealth::Unknown`].
    fn from(health: &HealthStatus) -> Self {
        match health {
            HealthStatus::Healthy | HealthStatus::Suspended => Self::Healthy,
            HealthStatus::Progressing => Self::Progressing,
            HealthStatus::Missing => Self::Missing,
            HealthStatus::Degraded => Self::Degraded,
            HealthStatus::Unknown | HealthStatus::Other(_) => Self::Unknown,
        }
    }
}

impl From<&SyncStatus> for ProjectSync {
    /// What Argo CD's word alone comes to, without a look into Git. An unknown text is [`ProjectSync::Unknown`].
    fn from(sync: &SyncStatus) -> Self {
        match sync {
            SyncStatus::Synced => Self::InSync,
            SyncStatus::OutOfSync => Self::OutOfSync,
            SyncStatus::Unknown | SyncStatus::Other(_) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_either_can_be_written() {
        #[derive(serde::Serialize)]
        struct Row {
            code: ProjectSync,
            #[serde(serialize_with = "ProjectSync::serialize_label")]
            label: ProjectSync,
        }
        let row = Row {
            code: "Out of Sync".into(),
            label: "OutOfSync".into(),
        };
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(json, r#"{"code":"OutOfSync","label":"Out of Sync"}"#);
        for status in ObjectStatus::KNOWN {
            assert_eq!(&ObjectStatus::from(status.label()), status);
        }
        assert_eq!(ProjectSync::from("in sync").label(), "in sync");
    }

    #[test]
    fn unknown_texts_are_never_good_news() {
        assert_eq!(
            ProjectHealth::from(&HealthStatus::from("healthy")),
            ProjectHealth::Unknown
        );
        assert_eq!(ProjectSync::from(&SyncStatus::from("")), ProjectSync::Unknown);
    }
}
