//! A verification over time.

use std::sync::Arc;
use std::time::Duration;

use super::conditions::{Conditions, ConditionsError};
use super::look::{Look, Observed, out_of_reach, verify};
use super::words::Outcome;

/// A verification over time: fed with what is seen, it answers once.
///
/// It has no clock. Times are durations since an origin of the caller's choice, the same for all calls. Only looks
/// count: a state between two of them is not seen, and time alone ends nothing. So look once more at
/// [`Verification::deadline`].
///
/// ```
/// use octopus_argo_core::health::verify::{Conditions, Observed, Outcome, Seen, Step, Verification};
/// use std::time::Duration;
///
/// let mut run = Verification::new(Ok(Conditions::exists("1".parse()?)), Duration::ZERO);
/// let none = run.observe(Seen::Applications(&[]), Duration::from_secs(20));
/// assert!(matches!(none, Step::Pending(_)));
/// let one = run.observe(Seen::Applications(&[Observed::default()]), Duration::from_secs(40));
/// assert!(matches!(one, Step::Done(verdict) if verdict.outcome == Outcome::Synced));
/// // It never answers twice.
/// assert!(matches!(run.observe(Seen::Applications(&[]), Duration::from_secs(60)), Step::Over));
/// # Ok::<(), octopus_argo_core::health::verify::ConditionsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Verification {
    conditions: Result<Conditions, ConditionsError>,
    started: Duration,
    over: bool,
}

impl Verification {
    /// A verification that begins at `started`.
    ///
    /// Inputs that make no sense may be handed over as they are: it then fails at the first look, as Octopus does.
    #[must_use]
    pub fn new(conditions: Result<Conditions, ConditionsError>, started: Duration) -> Self {
        Self {
            conditions,
            started,
            over: false,
        }
    }

    /// When the time is up: look once more then. `None` without a timeout, and once it is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let timeout = self.conditions.as_ref().ok()?.timeout?;
        (!self.over).then(|| self.started.saturating_add(timeout))
    }

    /// Whether it has answered.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Takes in what was seen at `now`.
    pub fn observe(&mut self, seen: Seen<'_>, now: Duration) -> Step {
        if self.over {
            return Step::Over;
        }
        let elapsed = now.saturating_sub(self.started);
        let look = match (&self.conditions, seen) {
            (Err(error), _) => {
                let failure = Failure::Conditions(error.clone());
                return self.fail(failure, now);
            }
            (Ok(_), Seen::Fatal(message)) => return self.fail(Failure::Fatal(message.into()), now),
            (Ok(conditions), Seen::Applications(applications)) => {
                verify(conditions, applications.iter().copied(), elapsed)
            }
            (Ok(conditions), Seen::Unreachable) => out_of_reach(conditions, elapsed),
        };
        let Some(outcome) = look.outcome.clone() else {
            return Step::Pending(look);
        };
        self.over = true;
        Step::Done(Verdict {
            outcome,
            at: now,
            look: Some(look),
            failure: None,
        })
    }

    fn fail(&mut self, failure: Failure, now: Duration) -> Step {
        self.over = true;
        Step::Done(Verdict {
            outcome: Outcome::Failed,
            at: now,
            look: None,
            failure: Some(failure),
        })
    }
}

/// What was seen at one moment.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Seen<'a> {
    /// The applications in the deployment's scope.
    Applications(&'a [Observed<'a>]),
    /// Nothing: the gateway could not be reached. That waits, at most until the timeout.
    Unreachable,
    /// An error after which waiting makes no sense, in words for a person.
    Fatal(&'a str),
}

/// What an observation led to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// Keep waiting.
    Pending(Look),
    /// The answer. It is given once.
    Done(Verdict),
    /// It was answered before.
    Over,
}

/// The answer of a verification.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// When, by the caller's clock: the time of the deciding look.
    pub at: Duration,
    /// The deciding look, unless it failed.
    pub look: Option<Look>,
    /// Why it failed, where it did.
    pub failure: Option<Failure>,
}

/// Why a verification failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Its inputs make no sense.
    #[error(transparent)]
    Conditions(ConditionsError),
    /// Something else went wrong, in the words of whoever noticed.
    #[error("{0}")]
    Fatal(Arc<str>),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_unreachable_gateway_waits_for_the_timeout() {
        let conditions = Conditions::exists("1".parse().unwrap());
        let mut run = Verification::new(Ok(conditions), Duration::from_secs(5));
        assert_eq!(run.deadline(), Some(Duration::from_secs(185)));
        assert!(matches!(
            run.observe(Seen::Unreachable, Duration::from_secs(184)),
            Step::Pending(_)
        ));
        let Step::Done(verdict) = run.observe(Seen::Unreachable, Duration::from_secs(185)) else {
            panic!("the time is up");
        };
        assert_eq!((verdict.outcome, run.deadline()), (Outcome::Timeout, None));
    }

    #[test]
    fn inputs_without_sense_fail_at_the_first_look() {
        let conditions = "0"
            .parse()
            .map_err(ConditionsError::Count)
            .map(Conditions::exists);
        let mut run = Verification::new(conditions, Duration::ZERO);
        let step = run.observe(Seen::Unreachable, Duration::from_secs(1));
        assert!(matches!(step, Step::Done(verdict) if verdict.outcome == Outcome::Failed));
    }

    proptest! {
        #[test]
        fn it_never_answers_twice(
            looks in proptest::collection::vec((0_u64..400, 0_usize..4, 0_u8..8), 0..20),
            timeout in proptest::option::of(0_u64..300),
        ) {
            let conditions = Conditions::exists("2".parse().unwrap()).timeout(timeout.map(Duration::from_secs));
            let mut run = Verification::new(Ok(conditions), Duration::from_secs(10));
            let mut answers = 0;
            for (at, count, kind) in looks {
                let applications = vec![Observed::default(); count];
                let seen = match kind {
                    0 => Seen::Fatal("credentials not found"),
                    1 => Seen::Unreachable,
                    _ => Seen::Applications(&applications),
                };
                let was_over = run.is_over();
                let step = run.observe(seen, Duration::from_secs(at));
                answers += usize::from(matches!(step, Step::Done(_)));
                prop_assert_eq!(matches!(step, Step::Over), was_over);
                prop_assert_eq!(run.is_over(), answers == 1);
            }
            prop_assert!(answers <= 1);
        }
    }
}
