//! What moves by itself: the controller, where a test does not move it by hand.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::ApplicationName;
use octopus_argo_core::health::{HealthStatus, OperationPhase};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::Fleet;

/// How the simulated controller behaves. The default refreshes at once when it is asked to, and does nothing else: syncs
/// move by [`Fleet::begin_sync`] and [`Fleet::complete_sync`], changes come from the test.
///
/// Times are Tokio's, so a test that pauses them decides when things happen.
///
/// ```
/// use std::time::Duration;
/// use octopus_argo_testkit::argocd::{ArgoCdSim, Controller};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = ArgoCdSim::builder()
///     .without_authentication()
///     .controller(
///         Controller::default()
///             .refresh_after(Duration::from_millis(200))
///             .sync_after(Duration::from_secs(1), Duration::from_secs(5))
///             .reconciliations(83.0) // what 10 000 applications make while nothing happens
///             .health_changes(2.0),
///     )
///     .start()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Controller {
    refresh: Option<Duration>,
    sync: Option<(Duration, Duration)>,
    outcome: Outcome,
    reconciliations: Option<Duration>,
    health_changes: Option<Duration>,
}

type Outcome = Arc<dyn Fn(&ApplicationName) -> OperationPhase + Send + Sync>;

impl Default for Controller {
    fn default() -> Self {
        Self {
            refresh: Some(Duration::ZERO),
            sync: None,
            outcome: Arc::new(|_| OperationPhase::Succeeded),
            reconciliations: None,
            health_changes: None,
        }
    }
}

impl Controller {
    /// Refreshes this long after it is asked to. Real Argo CD: some hundred milliseconds to minutes, with the queue and
    /// the repository.
    #[must_use]
    pub const fn refresh_after(mut self, delay: Duration) -> Self {
        self.refresh = Some(delay);
        self
    }

    /// Leaves refreshes to [`Fleet::reconcile`]: until then `Get` with `refresh`, and `ResourceTree` and
    /// `ManagedResources` of what is not in the cache, wait.
    #[must_use]
    pub const fn refresh_manually(mut self) -> Self {
        self.refresh = None;
        self
    }

    /// Begins each operation after `start`, and ends it after `run` more.
    #[must_use]
    pub const fn sync_after(mut self, start: Duration, run: Duration) -> Self {
        self.sync = Some((start, run));
        self
    }

    /// How the operations that [`Controller::sync_after`] moves end. Default: `Succeeded`.
    #[must_use]
    pub fn outcome(
        mut self,
        outcome: impl Fn(&ApplicationName) -> OperationPhase + Send + Sync + 'static,
    ) -> Self {
        self.outcome = Arc::new(outcome);
        self
    }

    /// Reconciles this many applications a second, in turn: `status.reconciledAt` changes and nothing else, and a Watch
    /// sees `MODIFIED`. Real Argo CD: each application every 120 s to 180 s, so 10 000 make 55 to 83. Not above 0 is none.
    #[must_use]
    pub fn reconciliations(mut self, per_second: f64) -> Self {
        self.reconciliations = interval(per_second);
        self
    }

    /// Changes the health of this many applications a second, in turn: `Progressing`, then `Healthy`. Not above 0 is
    /// none.
    #[must_use]
    pub fn health_changes(mut self, per_second: f64) -> Self {
        self.health_changes = interval(per_second);
        self
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller")
            .field("refresh", &self.refresh)
            .field("sync", &self.sync)
            .finish_non_exhaustive()
    }
}

fn interval(per_second: f64) -> Option<Duration> {
    // A rate that is no number, or too small, is none; one above a million is a million.
    Duration::try_from_secs_f64(1.0 / per_second)
        .ok()
        .map(|interval| interval.max(Duration::from_micros(1)))
}

/// A controller at work, until it is dropped.
#[derive(Debug)]
pub(super) struct Running {
    _tasks: TaskTracker,
    _end: DropGuard,
}

impl Running {
    pub(super) fn start(controller: Controller, fleet: Fleet) -> Self {
        let tasks = TaskTracker::new();
        let end = CancellationToken::new();
        let ended = end.clone();
        tasks.spawn(async move { ended.run_until_cancelled_owned(run(controller, fleet)).await });
        Self {
            _tasks: tasks,
            _end: end.drop_guard(),
        }
    }
}

async fn run(controller: Controller, fleet: Fleet) {
    let mut jobs = JoinSet::new();
    let mut changes = fleet.changes();
    let mut reconciliations = Rate::new(controller.reconciliations);
    let mut health_changes = Rate::new(controller.health_changes);
    loop {
        changes.borrow_and_update();
        if let Some(delay) = controller.refresh {
            for name in fleet.take_refreshes() {
                jobs.spawn(refresh(fleet.clone(), name, delay));
            }
        }
        if let Some((start, run)) = controller.sync {
            for name in fleet.take_operations() {
                jobs.spawn(sync(fleet.clone(), name, start, run, controller.outcome.clone()));
            }
        }
        tokio::select! {
            woken = changes.changed() => {
                if woken.is_err() {
                    return;
                }
            }
            // What became of a job is seen in the fleet.
            Some(_) = jobs.join_next() => {}
            () = reconciliations.next() => {
                if let Some((name, _)) = reconciliations.turn(&fleet) {
                    // It may have been deleted just now; so below.
                    let _ = fleet.reconcile(&name);
                }
            }
            () = health_changes.next() => {
                if let Some((name, round)) = health_changes.turn(&fleet) {
                    let health = if round % 2 == 0 { HealthStatus::Progressing } else { HealthStatus::Healthy };
                    let _ = fleet.set_health(&name, &health);
                }
            }
        }
    }
}

async fn refresh(fleet: Fleet, name: ApplicationName, delay: Duration) {
    wait(delay).await;
    let _ = fleet.reconcile(&name);
}

async fn sync(fleet: Fleet, name: ApplicationName, start: Duration, run: Duration, outcome: Outcome) {
    wait(start).await;
    let _ = fleet.begin_sync(&name);
    wait(run).await;
    let _ = fleet.complete_sync(&name, &outcome(&name));
}

/// Even a sleep of nothing takes a millisecond.
async fn wait(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// Something that happens at a rate, to each application in turn.
struct Rate {
    ticks: Option<tokio::time::Interval>,
    last: Option<ApplicationName>,
    round: u64,
}

impl Rate {
    fn new(interval: Option<Duration>) -> Self {
        let ticks = interval.map(|interval| {
            let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
            // A busy machine catches up, so that the rate holds.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            ticks
        });
        Self {
            ticks,
            last: None,
            round: 0,
        }
    }

    fn next(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        match &mut self.ticks {
            Some(ticks) => Box::pin(async {
                ticks.tick().await;
            }),
            None => Box::pin(std::future::pending()),
        }
    }

    /// Whose turn it is, and in which round.
    fn turn(&mut self, fleet: &Fleet) -> Option<(ApplicationName, u64)> {
        let next = self.last.take().and_then(|last| fleet.name_after(&last));
        let name = if let Some(name) = next {
            name
        } else {
            self.round += 1;
            fleet.first_name()?
        };
        self.last = Some(name.clone());
        Some((name, self.round - 1))
    }
}
