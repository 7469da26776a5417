//! The health of an Argo CD instance from the two hops that lead to it.

use crate::open_enum::open_enum;

open_enum! {
    /// The health of an instance's gateway, in the words that Octopus has for workers and targets.
    ///
    /// Rule: go-octopusdeploy, machines.
    InstanceHealth {
        /// Nothing to find fault with.
        Healthy = "Healthy",
        /// It answers, with a finding that is not critical.
        HasWarnings = "HasWarnings",
        /// It was contacted, and something critical failed.
        Unhealthy = "Unhealthy",
        /// It could not be contacted.
        Unavailable = "Unavailable",
        /// Never checked.
        Unknown = "Unknown",
    }
}

/// The hop between the gateway and Octopus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OctopusLink {
    /// The gateway's stream is open.
    Up,
    /// It is not.
    Down,
}

/// What the gateway found when it last called Argo CD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArgoProbe {
    /// It answered.
    Ok,
    /// It did not answer.
    Unreachable,
    /// It could not prove who it is.
    TlsError,
    /// It refused the token.
    Unauthenticated,
    /// It answered, but the token may not read applications. The symptom is an empty list.
    PermissionDenied,
    /// It was not called.
    NotTested,
}

/// What is known of the two hops to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Connectivity {
    /// No gateway has registered.
    NotRegistered,
    /// A gateway has registered, and nobody has checked it yet. A registration proves nothing about the stream.
    NeverChecked,
    /// A check has run, and found this.
    Checked(OctopusLink, ArgoProbe),
}

impl Connectivity {
    /// The health of the instance.
    ///
    /// Octopus says what a gateway out of reach is called (Unavailable), and one with which nothing is wrong (Healthy).
    /// The rest is ours, in Octopus's definitions for workers: contacted with a critical failure is Unhealthy, and with
    /// a finding that is not critical it has warnings. A gateway that has not called Argo CD is Unknown, since nobody
    /// may call it healthy.
    ///
    /// Rule: Octopus docs, "Argo CD instances". Cases: `vectors/health-rollup.json`.
    ///
    /// ```
    /// use octopus_argo_core::health::octopus::{ArgoProbe, Connectivity, InstanceHealth, OctopusLink};
    ///
    /// let refused = Connectivity::Checked(OctopusLink::Up, ArgoProbe::Unauthenticated);
    /// assert_eq!(refused.health(), InstanceHealth::Unhealthy);
    /// assert_eq!((refused.octopus_reachable(), refused.argo_reachable()), (Some(true), Some(false)));
    /// ```
    #[must_use]
    pub fn health(self) -> InstanceHealth {
        match self {
            Self::NotRegistered
            | Self::NeverChecked
            | Self::Checked(OctopusLink::Up, ArgoProbe::NotTested) => InstanceHealth::Unknown,
            Self::Checked(OctopusLink::Down, _) => InstanceHealth::Unavailable,
            Self::Checked(OctopusLink::Up, probe) => match probe {
                ArgoProbe::Ok => InstanceHealth::Healthy,
                ArgoProbe::PermissionDenied => InstanceHealth::HasWarnings,
                _ => InstanceHealth::Unhealthy,
            },
        }
    }

    /// Whether gateway and Octopus reach each other; `None` where it is not known.
    #[must_use]
    pub const fn octopus_reachable(self) -> Option<bool> {
        match self {
            Self::NotRegistered | Self::NeverChecked => None,
            Self::Checked(link, _) => Some(matches!(link, OctopusLink::Up)),
        }
    }

    /// Whether the gateway reaches Argo CD; `None` where it is not known, as while the other hop is down.
    #[must_use]
    pub const fn argo_reachable(self) -> Option<bool> {
        match self {
            Self::Checked(OctopusLink::Up, probe) => match probe {
                ArgoProbe::Ok | ArgoProbe::PermissionDenied => Some(true),
                ArgoProbe::Unreachable | ArgoProbe::TlsError | ArgoProbe::Unauthenticated => Some(false),
                ArgoProbe::NotTested => None,
            },
            _ => None,
        }
    }
}
