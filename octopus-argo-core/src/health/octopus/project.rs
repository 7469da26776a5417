//! The health and the sync status of a project.

use std::time::Duration;

use super::policy::{HealthCode, RollupPolicy};
use super::words::{DeploymentState, ProjectHealth, ProjectSync};
use crate::health::HealthStatus;

/// What the last deployment means for live status.
///
/// ```
/// use octopus_argo_core::health::octopus::{DeploymentState, Gate};
///
/// assert_eq!(Gate::of(Some(&DeploymentState::TimedOut)), Gate::Unavailable);
/// // An application with annotations has live status before anything was ever deployed.
/// assert_eq!(Gate::of(None), Gate::Open);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Gate {
    /// Live status counts.
    Open,
    /// A deployment is under way.
    Waiting,
    /// The last deployment did not succeed.
    Unavailable,
    /// The deployment is in a state that this version does not know.
    Unknown,
}

impl Gate {
    /// What the state of the last deployment means; `None` where there was none.
    ///
    /// Waiting while it is Queued, Executing or Cancelling; Unavailable after Failed. Timed out and cancelled ones are
    /// taken for Unavailable too, because they did not succeed either. A state that is new to this library is Unknown
    /// rather than a guess that might come out as Healthy. Both are ours.
    ///
    /// Rule: Octopus docs, "Live object status".
    #[must_use]
    pub fn of(deployment: Option<&DeploymentState>) -> Self {
        match deployment {
            None | Some(DeploymentState::Success) => Self::Open,
            Some(DeploymentState::Queued | DeploymentState::Executing | DeploymentState::Cancelling) => {
                Self::Waiting
            }
            Some(DeploymentState::Failed | DeploymentState::TimedOut | DeploymentState::Canceled) => {
                Self::Unavailable
            }
            Some(DeploymentState::Other(_)) => Self::Unknown,
        }
    }
}

/// Whether the gateway of an application's instance can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reach {
    /// It can.
    #[default]
    Connected,
    /// It cannot: what was heard last is not frozen but counts as Unknown.
    Unreachable,
}

/// What is known of one application of a project.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApplicationFacts<'a, O> {
    /// Its own health, as Argo CD reports it; `None` where it reports none, which counts as Unknown.
    pub health: Option<&'a HealthStatus>,
    /// The health of its managed objects, those that have one. Leave out hooks, and children such as pods.
    pub objects: O,
    /// Whether its instance can be reached. Default: yes.
    pub reach: Reach,
    /// How long ago it was last heard of; `None` where nobody counts.
    pub age: Option<Duration>,
}

impl<'a> ApplicationFacts<'a, [&'a HealthStatus; 0]> {
    /// An application within reach, of whose objects nothing is known.
    #[must_use]
    pub const fn new(health: Option<&'a HealthStatus>) -> Self {
        ApplicationFacts {
            health,
            objects: [],
            reach: Reach::Connected,
            age: None,
        }
    }
}

impl<'a, O: IntoIterator<Item = &'a HealthStatus>> ApplicationFacts<'a, O> {
    /// The same with these objects.
    #[must_use]
    pub fn with_objects<P: IntoIterator<Item = &'a HealthStatus>>(
        self,
        objects: P,
    ) -> ApplicationFacts<'a, P> {
        ApplicationFacts {
            health: self.health,
            objects,
            reach: self.reach,
            age: self.age,
        }
    }

    /// The same, last heard of so long ago, over an instance within this reach.
    #[must_use]
    pub fn seen(self, age: Option<Duration>, reach: Reach) -> Self {
        Self { reach, age, ..self }
    }

    /// The rank of the worst of what this application brings in.
    fn worst(self, policy: &RollupPolicy) -> usize {
        if self.reach == Reach::Unreachable {
            return policy.health_rank(HealthCode::Unknown);
        }
        if policy.is_stale(self.age) {
            return policy.health_rank(HealthCode::Stale);
        }
        let own = self.health.map_or(HealthCode::Unknown, HealthCode::from);
        // A blank text is how Argo CD writes that there is no check.
        let objects = self
            .objects
            .into_iter()
            .filter(|health| !health.as_str().is_empty());
        let ranks = objects.map(|health| policy.health_rank(health.into()));
        ranks.fold(policy.health_rank(own), usize::min)
    }
}

/// The health of a project, from the state of its last deployment and its applications.
///
/// The deployment decides first ([`Gate`]). Without any application it is Unknown. Otherwise it is the worst of what
/// the applications and their objects say, by the order of `policy`; Suspended is printed as Healthy. Neither order nor
/// duplicates matter, and no unknown text ever makes it Healthy.
///
/// Octopus calls this a roll-up of all objects and gives no precedence, so these are ours. Objects are collected besides
/// the application, because Missing is documented per object while Argo CD since 3.4 no longer shows single gaps in the
/// application's health. Children stay out: the Kubernetes monitor has a check "no replica is ready" made for the
/// roll-up, which would be pointless if pods were counted.
///
/// Rule: Octopus docs, "Live object status". Cases: `vectors/health-rollup.json`.
///
/// ```
/// use octopus_argo_core::health::HealthStatus;
/// use octopus_argo_core::health::octopus::{ApplicationFacts, ProjectHealth, RollupPolicy, project_health};
///
/// let web = ApplicationFacts::new(Some(&HealthStatus::Healthy)).with_objects([&HealthStatus::Missing]);
/// let health = project_health(&RollupPolicy::default(), None, [web]);
/// assert_eq!(health, ProjectHealth::Missing);
/// ```
#[must_use]
pub fn project_health<'a, O: IntoIterator<Item = &'a HealthStatus>>(
    policy: &RollupPolicy,
    deployment: Option<&DeploymentState>,
    applications: impl IntoIterator<Item = ApplicationFacts<'a, O>>,
) -> ProjectHealth {
    match Gate::of(deployment) {
        Gate::Open => {}
        Gate::Waiting => return ProjectHealth::Waiting,
        Gate::Unavailable => return ProjectHealth::Unavailable,
        Gate::Unknown => return ProjectHealth::Unknown,
    }
    let worst = applications
        .into_iter()
        .map(|application| application.worst(policy))
        .min();
    match worst.map(|rank| policy.health_at(rank)) {
        Some(HealthCode::Healthy | HealthCode::Suspended) => ProjectHealth::Healthy,
        Some(HealthCode::Progressing) => ProjectHealth::Progressing,
        Some(HealthCode::Missing) => ProjectHealth::Missing,
        Some(HealthCode::Degraded) => ProjectHealth::Degraded,
        Some(HealthCode::Stale) => ProjectHealth::Stale,
        Some(HealthCode::Unknown) | None => ProjectHealth::Unknown,
    }
}

/// The sync status of a project, from the state of its last deployment and the status of its applications.
///
/// The deployment decides first ([`Gate`]). Without any application it is Unknown. Otherwise it is the worst by the
/// order of `policy`; a status that an application cannot have counts as Unknown.
///
/// Rule: Octopus docs, "Git drift detection"; the precedence is ours. Cases: `vectors/sync-and-drift.json`.
///
/// ```
/// use octopus_argo_core::health::octopus::{ProjectSync, RollupPolicy, project_sync};
///
/// let sync = project_sync(&RollupPolicy::default(), None, &[ProjectSync::OutOfSync, ProjectSync::GitDrift]);
/// assert_eq!(sync, ProjectSync::GitDrift);
/// ```
#[must_use]
pub fn project_sync<'a>(
    policy: &RollupPolicy,
    deployment: Option<&DeploymentState>,
    applications: impl IntoIterator<Item = &'a ProjectSync>,
) -> ProjectSync {
    match Gate::of(deployment) {
        Gate::Open => {}
        Gate::Waiting => return ProjectSync::Waiting,
        Gate::Unavailable => return ProjectSync::Unavailable,
        Gate::Unknown => return ProjectSync::Unknown,
    }
    let worst = applications.into_iter().map(|sync| policy.sync_rank(sync)).min();
    worst.map_or(ProjectSync::Unknown, |rank| policy.sync_at(rank))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_deployment_decides_first() {
        let healthy = ApplicationFacts::new(Some(&HealthStatus::Healthy));
        let health = |state: &str| {
            let state = DeploymentState::from(state);
            project_health(&RollupPolicy::default(), Some(&state), [healthy.clone()]).to_string()
        };
        for (state, expected) in [
            ("Queued", "Waiting"),
            ("Executing", "Waiting"),
            ("Cancelling", "Waiting"),
            ("Failed", "Unavailable"),
            ("TimedOut", "Unavailable"),
            ("Canceled", "Unavailable"),
            ("Success", "Healthy"),
            ("Succeeded", "Unknown"),
        ] {
            assert_eq!(health(state), expected, "{state}");
        }
    }

    #[test]
    fn no_application_is_unknown() {
        let none: [ApplicationFacts<'_, [&HealthStatus; 0]>; 0] = [];
        assert_eq!(
            project_health(&RollupPolicy::default(), None, none),
            ProjectHealth::Unknown
        );
        assert_eq!(
            project_sync(&RollupPolicy::default(), None, []),
            ProjectSync::Unknown
        );
    }

    #[test]
    fn another_precedence_is_followed() {
        let mut order = RollupPolicy::SYNC_WORST_FIRST;
        order.swap(1, 2);
        let policy = RollupPolicy::default().sync_worst_first(order).unwrap();
        let both = [ProjectSync::GitDrift, ProjectSync::OutOfSync];
        assert_eq!(project_sync(&policy, None, &both), ProjectSync::OutOfSync);
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => proptest::sample::select(HealthStatus::KNOWN).prop_map(|status| status.to_string()),
            1 => "[A-Za-z ]{0,12}",
        ]
    }

    proptest! {
        #[test]
        fn order_and_duplicates_do_not_matter_and_unknown_texts_are_never_healthy(
            mut applications in proptest::collection::vec((any_text(), proptest::collection::vec(any_text(), 0..4)), 1..6),
        ) {
            let roll_up = |applications: &[(String, Vec<String>)]| {
                let parsed: Vec<(HealthStatus, Vec<HealthStatus>)> = applications
                    .iter()
                    .map(|(own, objects)| ((&**own).into(), objects.iter().map(|text| (&**text).into()).collect()))
                    .collect();
                let facts = parsed.iter().map(|(own, objects)| ApplicationFacts::new(Some(own)).with_objects(objects));
                project_health(&RollupPolicy::default(), None, facts)
            };
            let health = roll_up(&applications);
            let odd = applications
                .iter()
                .flat_map(|(own, objects)| objects.iter().filter(|text| !text.is_empty()).chain([own]))
                .any(|text| matches!(HealthStatus::from(&**text), HealthStatus::Other(_)));
            prop_assert!(!odd || health == ProjectHealth::Unknown);
            let doubled: Vec<_> = applications.iter().chain(&applications).cloned().collect();
            prop_assert_eq!(&roll_up(&doubled), &health);
            applications.reverse();
            prop_assert_eq!(&roll_up(&applications), &health);
        }

        #[test]
        fn a_project_is_in_sync_only_if_every_application_is(
            mut applications in proptest::collection::vec(
                prop_oneof![
                    6 => proptest::sample::select(ProjectSync::KNOWN),
                    1 => "[A-Za-z ]{0,12}".prop_map(|text| ProjectSync::from(&*text)),
                ],
                0..6,
            ),
        ) {
            let policy = RollupPolicy::default();
            let sync = project_sync(&policy, None, &applications);
            let all = !applications.is_empty() && applications.iter().all(|sync| *sync == ProjectSync::InSync);
            prop_assert_eq!(sync == ProjectSync::InSync, all);
            let doubled: Vec<_> = applications.iter().chain(&applications).cloned().collect();
            prop_assert_eq!(&project_sync(&policy, None, &doubled), &sync);
            applications.reverse();
            prop_assert_eq!(&project_sync(&policy, None, &applications), &sync);
        }
    }
}
