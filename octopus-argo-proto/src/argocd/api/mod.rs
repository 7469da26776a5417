//! Typed calls of Argo CD's API.

mod applications;
mod call;
mod deadlines;
mod error;
mod explain;
mod logs;
mod others;
mod probe;
mod sync;
mod target;
mod transport;
mod tree;
mod wait;

pub use applications::{Fetched, Refresh, Watch, WatchEvent};
pub use call::Call;
pub use deadlines::Deadlines;
pub use error::{ApiError, Denied, REFUSED_BY_GATEWAY, Reason, Refusal};
pub use logs::{Case, LogLine, LogQuery, Logs, LogsEnd};
pub use others::{ManagedState, SourceIndex};
pub use probe::{Needs, Probe, Right, RightState, User};
pub use sync::{Strategy, SyncRequest};
pub use target::{Filter, Target};
pub use transport::Channel;
pub use tree::TreeWatch;
pub use wait::{SyncFailure, Synced};

use std::time::Duration;

use prost::Message;

/// Argo CD's API over any channel: a direct one, or a gateway's handle on a server. Cheap to clone.
///
/// What it does for its callers:
/// - a field that is not meant is not sent, because Argo CD takes a present empty text for another request;
/// - the project is sent wherever the [`Target`] has it, so that an application that is gone is told from one that may not
///   be seen;
/// - an error says what its code means here: 7 is not only "forbidden", and 9 has several causes ([`ApiError`]);
/// - every call has a deadline ([`Deadlines`]);
/// - messages may have the 200 MiB that Argo CD sends, and List is read one application at a time.
///
/// ```no_run
/// use octopus_argo_core::ApplicationName;
/// use octopus_argo_proto::argocd::{Api, Channel, Denied, Reason, Target};
///
/// # async fn example<S: Channel>(channel: S) -> Result<(), Box<dyn std::error::Error>> {
/// let argo_cd = Api::new(channel);
/// println!("Argo CD {}", argo_cd.version().await?.version);
///
/// let web = Target::new(&ApplicationName::new(None, "web")).in_project("shop");
/// match argo_cd.get(&web).await {
///     Ok(fetched) => println!("{:?}", fetched.application.status),
///     Err(error) if *error.reason() == Reason::NotFound => println!("gone"),
///     Err(error) if *error.reason() == Reason::Denied(Denied::Forbidden) => println!("not for us"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// Every call may be dropped: it is then cancelled. One that changes something may have been carried out all the same.
/// The `next` of each stream is cancel-safe.
///
/// # Panics
/// Outside a Tokio runtime with time, which the deadlines need.
#[derive(Clone, Debug)]
pub struct Api<S> {
    service: S,
    deadlines: Deadlines,
    largest: usize,
    control_plane: Box<str>,
}

impl<S: Channel> Api<S> {
    /// The most bytes that one message may have, as with Argo CD: 200 MiB. tonic alone takes 4 MiB.
    ///
    /// A List of applications is never held as a whole. Every other answer is, once, while it is decoded.
    ///
    /// Rule: Argo CD `pkg/apiclient/apiclient.go` (`MaxGRPCMessageSize`).
    pub const LARGEST_MESSAGE: usize = 200 << 20;

    /// Calls over this channel, which presents a token by itself.
    pub fn new(channel: S) -> Self {
        Self {
            service: channel,
            deadlines: Deadlines::default(),
            largest: Self::LARGEST_MESSAGE,
            control_plane: target::CONTROL_PLANE.into(),
        }
    }

    /// How long calls may take. Default: [`Deadlines::default`].
    #[must_use]
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// The most bytes that one message may have. Default: [`Api::LARGEST_MESSAGE`].
    #[must_use]
    pub fn largest_message(mut self, bytes: usize) -> Self {
        self.largest = bytes;
        self
    }

    /// The namespace that Argo CD itself runs in, whose applications policies name without it. Default: `argocd`.
    #[must_use]
    pub fn control_plane(mut self, namespace: &str) -> Self {
        self.control_plane = namespace.into();
        self
    }

    /// The channel.
    pub const fn channel(&self) -> &S {
        &self.service
    }

    async fn unary<Q, A>(&self, call: Call, request: Q) -> Result<A, ApiError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.within(call, self.deadlines.of(call), request).await
    }

    async fn within<Q, A>(&self, call: Call, limit: Duration, request: Q) -> Result<A, ApiError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        transport::unary(&self.service, call, limit, self.largest, request).await
    }

    fn stream<Q, A>(&self, call: Call, request: Q) -> transport::Answers<A>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        transport::Answers::open(
            &self.service,
            call,
            self.deadlines.of(call),
            self.largest,
            request,
        )
    }
}
