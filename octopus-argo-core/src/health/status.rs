//! The status words of Argo CD.

use crate::open_enum::open_enum;

open_enum! {
    /// What Argo CD says of an application's or a resource's health.
    ///
    /// ```
    /// use octopus_argo_core::health::HealthStatus;
    ///
    /// assert_eq!(HealthStatus::from("Degraded"), HealthStatus::Degraded);
    /// // What a newer Argo CD invents is kept, and is never taken for healthy.
    /// assert_eq!(HealthStatus::from("Sleepy").as_str(), "Sleepy");
    /// ```
    HealthStatus {
        /// Everything works.
        Healthy = "Healthy",
        /// Paused on purpose, for example a rollout that waits for a person.
        Suspended = "Suspended",
        /// Not healthy yet, but may still become so.
        Progressing = "Progressing",
        /// Not there at all.
        Missing = "Missing",
        /// Failed, or did not become healthy in time.
        Degraded = "Degraded",
        /// The check failed, or there is nothing to say.
        Unknown = "Unknown",
    }
}

open_enum! {
    /// Whether the cluster holds what Git says.
    SyncStatus {
        /// It does.
        Synced = "Synced",
        /// It does not.
        OutOfSync = "OutOfSync",
        /// The comparison could not be made.
        Unknown = "Unknown",
    }
}

open_enum! {
    /// How far an operation, such as a sync, has come.
    OperationPhase {
        /// Under way.
        Running = "Running",
        /// Being stopped.
        Terminating = "Terminating",
        /// Ended because a resource or a hook failed.
        Failed = "Failed",
        /// Ended because it could not be carried out.
        Error = "Error",
        /// Ended well.
        Succeeded = "Succeeded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_round_trip_and_unknown_ones_are_kept() {
        for status in HealthStatus::KNOWN {
            assert_eq!(&HealthStatus::from(status.as_str()), status);
        }
        let odd = SyncStatus::from("synced");
        assert_eq!(odd, SyncStatus::Other("synced".into()));
        let json = serde_json::to_string(&odd).unwrap();
        assert_eq!(serde_json::from_str::<SyncStatus>(&json).unwrap(), odd);
    }
}
