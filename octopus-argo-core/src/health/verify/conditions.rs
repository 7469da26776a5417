//! What a verification asks for.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::commits::{CommitIds, CommitIdsError};
use super::label::{LabelFilter, LabelFilterError};

/// Why the inputs of a verification make no sense. Waiting will not help: the verification has failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionsError {
    /// The expected count.
    #[error(transparent)]
    Count(#[from] ExpectedCountError),
    /// The label filter.
    #[error(transparent)]
    LabelFilter(#[from] LabelFilterError),
    /// The commit ids.
    #[error(transparent)]
    Commits(#[from] CommitIdsError),
}

/// Why a text is not an expected count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number of applications, 1 or more")]
#[non_exhaustive]
pub struct ExpectedCountError;

/// How many applications there have to be: a whole number, 1 or more.
///
/// Octopus lets people write a variable expression; this reads what it came to.
///
/// ```
/// use octopus_argo_core::health::verify::ExpectedCount;
///
/// assert_eq!(" 3 ".parse::<ExpectedCount>()?.number(), 3);
/// assert!("0".parse::<ExpectedCount>().is_err() && "#{Count}".parse::<ExpectedCount>().is_err());
/// # Ok::<(), octopus_argo_core::health::verify::ExpectedCountError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExpectedCount(NonZeroU32);

impl ExpectedCount {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

impl From<NonZeroU32> for ExpectedCount {
    fn from(number: NonZeroU32) -> Self {
        Self(number)
    }
}

impl FromStr for ExpectedCount {
    type Err = ExpectedCountError;

    fn from_str(text: &str) -> Result<Self, ExpectedCountError> {
        text.trim().parse().map(Self).map_err(|_| ExpectedCountError)
    }
}

/// What is asked of each application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Nothing more than to be there.
    Exists,
    /// Synced and Healthy for Argo CD, at one of the commits if there are any.
    Healthy { commits: CommitIds, accept: Accept },
    /// In sync for Octopus, and Healthy for Argo CD.
    InSyncAndHealthy,
}

/// Which revisions satisfy a commit id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Accept {
    /// The commit itself.
    #[default]
    ExactCommit,
    /// The commit itself, or one that has it among its ancestors; see [`Observed::ancestors`](super::Observed).
    Descendants,
}

/// What a verification asks for.
///
/// ```
/// use octopus_argo_core::health::verify::{Conditions, LabelFilter};
/// use std::time::Duration;
///
/// let conditions = Conditions::healthy("2".parse()?, "4f9c2a7be1".parse()?)
///     .label_filter(LabelFilter::default())
///     .timeout(Some(Duration::from_secs(600)));
/// # Ok::<(), octopus_argo_core::health::verify::ConditionsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conditions {
    pub(super) demand: Demand,
    /// `None` where any number will do.
    pub(super) count: Option<ExpectedCount>,
    pub(super) filter: LabelFilter,
    pub(super) timeout: Option<Duration>,
}

impl Conditions {
    /// Default of [`Conditions::timeout`], as in Octopus.
    pub const TIMEOUT: Duration = Duration::from_secs(180);

    /// Wait until `count` applications exist, in whatever state.
    #[must_use]
    pub fn exists(count: ExpectedCount) -> Self {
        Self::new(Demand::Exists, Some(count))
    }

    /// Wait until `count` applications exist and all are Synced and Healthy, at one of `commits` if there are any.
    #[must_use]
    pub fn healthy(count: ExpectedCount, commits: CommitIds) -> Self {
        let accept = Accept::ExactCommit;
        Self::new(Demand::Healthy { commits, accept }, Some(count))
    }

    /// Wait until all applications of a step, however many, are in sync for Octopus and Healthy for Argo CD.
    ///
    /// This is the verification within a step that updates applications, method `ArgoCDApplicationHealthy`. Git drift
    /// keeps it waiting. A step without applications has nothing to wait for.
    #[must_use]
    pub fn step() -> Self {
        Self::new(Demand::InSyncAndHealthy, None)
    }

    /// Look only at applications whose labels pass this filter. Default: at all.
    #[must_use]
    pub fn label_filter(mut self, filter: LabelFilter) -> Self {
        self.filter = filter;
        self
    }

    /// How long to wait; `None` for ever. Default: [`Conditions::TIMEOUT`].
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Which revisions satisfy a commit id. Default: the commit itself. Only [`Conditions::healthy`] has any.
    #[must_use]
    pub fn accept(mut self, which: Accept) -> Self {
        if let Demand::Healthy { accept, .. } = &mut self.demand {
            *accept = which;
        }
        self
    }

    fn new(demand: Demand, count: Option<ExpectedCount>) -> Self {
        Self {
            demand,
            count,
            filter: LabelFilter::default(),
            timeout: Some(Self::TIMEOUT),
        }
    }
}
