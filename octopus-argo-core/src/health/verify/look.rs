//! One look at the applications of a verification.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::conditions::{Accept, Conditions, Demand};
use super::words::Outcome;
use crate::Application;
use crate::health::octopus::ProjectSync;
use crate::health::{HealthStatus, SyncStatus};

/// One application, as a look finds it. Blank and missing words satisfy nothing.
///
/// ```
/// use octopus_argo_core::{Application, ApplicationName, health::verify::Observed};
///
/// let application = Application::new(ApplicationName::new(None, "web"));
/// let mut observed = Observed::from(&application);
/// observed.operation_unsettled = true;
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Observed<'a> {
    /// Its labels.
    pub labels: &'a [(Box<str>, Box<str>)],
    /// Argo CD's sync status.
    pub sync: Option<&'a SyncStatus>,
    /// Argo CD's health.
    pub health: Option<&'a HealthStatus>,
    /// The revisions that it is synced to, one per source.
    pub revisions: &'a [Box<str>],
    /// Octopus's sync status, which only [`Conditions::step`] asks for.
    pub octopus_sync: Option<&'a ProjectSync>,
    /// Commits known to be ancestors of its revisions, for [`Accept::Descendants`]. Whoever has the repository finds out.
    pub ancestors: &'a [Box<str>],
    /// An operation has ended, and the status may still tell of the time before it: see [`operation_unsettled`].
    /// Default: false, as Octopus does not look at that.
    pub operation_unsettled: bool,
}

impl<'a> From<&'a Application> for Observed<'a> {
    fn from(application: &'a Application) -> Self {
        let status = application.status.as_ref();
        Self {
            labels: &application.labels,
            sync: status.and_then(|status| status.sync.as_ref()),
            health: status.and_then(|status| status.health.as_ref()),
            revisions: status.map_or(&[], |status| &status.revisions),
            ..Self::default()
        }
    }
}

/// Whether an application's status may still describe the time before its last operation ended.
///
/// Both times are texts as Kubernetes writes them, in UTC to the second: `finishedAt` of the operation and
/// `reconciledAt` of the application. Without an operation that has finished nothing is unsettled.
///
/// Rule: the `argocd app wait` command, which takes an operation for running until then.
///
/// ```
/// use octopus_argo_core::health::verify::operation_unsettled;
///
/// assert!(operation_unsettled(Some("2031-02-01T10:00:05Z"), Some("2031-02-01T10:00:04Z")));
/// assert!(!operation_unsettled(Some("2031-02-01T10:00:05Z"), Some("2031-02-01T10:00:05Z")));
/// ```
#[must_use]
pub fn operation_unsettled(finished_at: Option<&str>, reconciled_at: Option<&str>) -> bool {
    // Of equal length and in one zone, such texts order as the times they write.
    finished_at.is_some_and(|finished| reconciled_at.is_none_or(|reconciled| reconciled < finished))
}

/// What keeps a verification waiting.
///
/// Each has a name for programs: `commit`, `count`, `health`, `operation`, `reach`, `sync`. They are in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Blocker {
    /// An application is synced to none of the commits.
    Commit,
    /// There are more or fewer applications than expected.
    Count,
    /// An application is not Healthy.
    Health,
    /// An application's status may be older than its last operation.
    Operation,
    /// The applications could not be looked at.
    Reach,
    /// An application is not Synced, or not in sync.
    Sync,
}

impl Blocker {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Count => "count",
            Self::Health => "health",
            Self::Operation => "operation",
            Self::Reach => "reach",
            Self::Sync => "sync",
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Look {
    /// `None` for: keep waiting.
    pub outcome: Option<Outcome>,
    /// How many applications pass the label filter.
    pub matched: usize,
    /// What is in the way, in the order of their names. Empty once everything holds.
    pub blockers: BTreeSet<Blocker>,
}

/// Looks once at `applications`, those in the deployment's scope, `elapsed` after the verification began.
///
/// Every application that passes the label filter has to meet the conditions, and their number has to be the expected
/// one. More than expected waits too, since it may be the old ones that are still there; that is ours, as is asking the
/// conditions before the clock, and that the time is up when the timeout is reached and not only when it has passed.
/// Nothing fails early: an application that is Degraded may recover until then.
///
/// Rule: Octopus docs, "Wait for Argo CD applications". Cases: `vectors/verification.json`.
///
/// ```
/// use octopus_argo_core::health::verify::{Blocker, Conditions, Outcome, verify};
/// use std::time::Duration;
///
/// let conditions = Conditions::exists("1".parse()?);
/// let look = verify(&conditions, [], Duration::from_secs(10));
/// assert_eq!(look.outcome, None);
/// assert!(look.blockers.contains(&Blocker::Count));
/// assert_eq!(verify(&conditions, [], Duration::from_secs(180)).outcome, Some(Outcome::Timeout));
/// # Ok::<(), octopus_argo_core::health::verify::ConditionsError>(())
/// ```
#[must_use]
pub fn verify<'a>(
    conditions: &Conditions,
    applications: impl IntoIterator<Item = Observed<'a>>,
    elapsed: Duration,
) -> Look {
    let mut matched = 0;
    let mut blockers = BTreeSet::new();
    for application in applications {
        let labels = application.labels.iter().map(|(key, value)| (&**key, &**value));
        if conditions.filter.matches(labels) {
            matched += 1;
            judge(&conditions.demand, &application, &mut blockers);
        }
    }
    if conditions
        .count
        .is_some_and(|count| usize::try_from(count.number()) != Ok(matched))
    {
        blockers.insert(Blocker::Count);
    }
    conclude(conditions, matched, blockers, elapsed)
}

/// A look at applications that could not be reached: only the clock counts.
pub(super) fn out_of_reach(conditions: &Conditions, elapsed: Duration) -> Look {
    conclude(conditions, 0, BTreeSet::from([Blocker::Reach]), elapsed)
}

fn conclude(conditions: &Conditions, matched: usize, blockers: BTreeSet<Blocker>, elapsed: Duration) -> Look {
    let outcome = if blockers.is_empty() {
        Some(Outcome::Synced)
    } else if conditions.timeout.is_some_and(|timeout| elapsed >= timeout) {
        Some(Outcome::Timeout)
    } else {
        None
    };
    Look {
        outcome,
        matched,
        blockers,
    }
}

fn judge(demand: &Demand, application: &Observed<'_>, blockers: &mut BTreeSet<Blocker>) {
    let in_sync = match demand {
        Demand::Exists => return,
        Demand::Healthy { .. } => application.sync == Some(&SyncStatus::Synced),
        Demand::InSyncAndHealthy => application.octopus_sync == Some(&ProjectSync::InSync),
    };
    if !in_sync {
        blockers.insert(Blocker::Sync);
    }
    if application.health != Some(&HealthStatus::Healthy) {
        blockers.insert(Blocker::Health);
    }
    if application.operation_unsettled {
        blockers.insert(Blocker::Operation);
    }
    if let Demand::Healthy { commits, accept } = demand {
        let accepted = |ids: &[Box<str>]| ids.iter().any(|id| commits.accepts(id));
        let at_commit = commits.is_empty()
            || accepted(application.revisions)
            || (*accept == Accept::Descendants && accepted(application.ancestors));
        if !at_commit {
            blockers.insert(Blocker::Commit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn observed<'a>(sync: &'a SyncStatus, revisions: &'a [Box<str>]) -> Observed<'a> {
        Observed {
            sync: Some(sync),
            health: Some(&HealthStatus::Healthy),
            revisions,
            ..Observed::default()
        }
    }

    #[test]
    fn descendants_count_only_where_asked_for() {
        let conditions = Conditions::healthy("1".parse().unwrap(), "4f9c2a7".parse().unwrap());
        let revisions = ["b07d51ee".into()];
        let ancestors = ["4f9c2a7be1".into()];
        let application = Observed {
            ancestors: &ancestors,
            ..observed(&SyncStatus::Synced, &revisions)
        };
        let look = verify(&conditions, [application], NOW);
        assert_eq!(look.blockers, BTreeSet::from([Blocker::Commit]));
        let look = verify(&conditions.accept(Accept::Descendants), [application], NOW);
        assert_eq!(look.outcome, Some(Outcome::Synced));
    }

    #[test]
    fn git_drift_keeps_a_step_waiting_and_no_applications_do_not() {
        let drifted = Observed {
            octopus_sync: Some(&ProjectSync::GitDrift),
            ..observed(&SyncStatus::Synced, &[])
        };
        let look = verify(&Conditions::step(), [drifted], NOW);
        assert_eq!(
            (look.outcome, look.blockers),
            (None, BTreeSet::from([Blocker::Sync]))
        );
        assert_eq!(
            verify(&Conditions::step(), [], NOW).outcome,
            Some(Outcome::Synced)
        );
    }

    #[test]
    fn every_matching_application_has_to_hold() {
        let conditions = Conditions::healthy("1".parse().unwrap(), "".parse().unwrap());
        let two = [
            observed(&SyncStatus::Synced, &[]),
            observed(&SyncStatus::OutOfSync, &[]),
        ];
        let look = verify(&conditions, two, NOW);
        assert_eq!(look.blockers, BTreeSet::from([Blocker::Count, Blocker::Sync]));
    }

    #[test]
    fn an_unsettled_operation_waits() {
        let application = Observed {
            operation_unsettled: true,
            ..observed(&SyncStatus::Synced, &[])
        };
        let conditions = Conditions::healthy("1".parse().unwrap(), "".parse().unwrap());
        assert_eq!(
            verify(&conditions, [application], NOW).blockers,
            BTreeSet::from([Blocker::Operation])
        );
    }
}
