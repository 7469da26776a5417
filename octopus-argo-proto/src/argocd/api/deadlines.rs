//! How long calls may take.

use std::time::Duration;

use super::Call;

/// How long each kind of call may take, from its beginning to the end of its answer. There is no call without a limit:
/// Argo CD sets none of its own, and several of its calls block for as long as they like.
///
/// Each limit is sent along as `grpc-timeout` and kept on this side as well.
///
/// ```
/// use std::time::Duration;
/// use octopus_argo_proto::argocd::{Call, Deadlines};
///
/// let deadlines = Deadlines::default().with_read(Duration::from_secs(5));
/// assert_eq!(deadlines.of(Call::Get), Duration::from_secs(5));
/// assert_eq!(deadlines.of(Call::List), Deadlines::LIST);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    read: Duration,
    slow: Duration,
    list: Duration,
    stream: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            read: Self::READ,
            slow: Self::SLOW,
            list: Self::LIST,
            stream: Self::STREAM,
        }
    }
}

impl Deadlines {
    /// Default for calls that Argo CD answers from what it has: 30 s. Also for Sync and `TerminateOperation`, which only
    /// begin something.
    pub const READ: Duration = Duration::from_secs(30);
    /// Default for calls that may wait for a reconciliation, a clone or a cluster: 2 min.
    pub const SLOW: Duration = Duration::from_secs(120);
    /// Default for a List of applications: 2 min, for 200 MiB.
    pub const LIST: Duration = Duration::from_secs(120);
    /// Default for the whole of a stream: 1 h. Streams that are meant to go on are begun anew then.
    pub const STREAM: Duration = Duration::from_secs(3600);

    /// For calls that Argo CD answers from what it has. Default: [`Deadlines::READ`].
    #[must_use]
    pub fn with_read(mut self, limit: Duration) -> Self {
        self.read = limit;
        self
    }

    /// For Get with a refresh, trees, manifests, live resources, events and revisions. Default: [`Deadlines::SLOW`].
    #[must_use]
    pub fn with_slow(mut self, limit: Duration) -> Self {
        self.slow = limit;
        self
    }

    /// For List. Default: [`Deadlines::LIST`].
    #[must_use]
    pub fn with_list(mut self, limit: Duration) -> Self {
        self.list = limit;
        self
    }

    /// For the whole of a stream. Default: [`Deadlines::STREAM`].
    #[must_use]
    pub fn with_stream(mut self, limit: Duration) -> Self {
        self.stream = limit;
        self
    }

    /// The limit of a call. A Get with a refresh has that of the slow ones.
    #[must_use]
    pub const fn of(&self, call: Call) -> Duration {
        match call {
            Call::List => self.list,
            Call::Watch | Call::WatchResourceTree | Call::PodLogs => self.stream,
            Call::ResourceTree
            | Call::ManagedResources
            | Call::GetManifests
            | Call::GetResource
            | Call::ListResourceEvents
            | Call::RevisionMetadata
            | Call::RevisionChartDetails => self.slow,
            _ => self.read,
        }
    }

    pub(super) const fn slow(&self) -> Duration {
        self.slow
    }
}
