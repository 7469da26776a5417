//! What stands between a gateway and its server, stage by stage, in words for an operator.
//!
//! ```no_run
//! use octopus_argo_client::diagnosis::{Options, diagnose};
//! # async fn example(config: octopus_argo_client::connection::Config) {
//! let diagnosis = diagnose(&config, &Options::new()).await;
//! println!("{diagnosis}");
//! for finding in diagnosis.findings() {
//!     eprintln!("{}: {finding}\n{}", finding.code(), finding.advice());
//! }
//! # }
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

mod finding;
pub use finding::{Finding, Severity};

mod report;
pub use report::{Diagnosis, Outcome, Stage, Step};

mod ask;
mod clock;
mod idle;
mod inspect;
mod walk;

use crate::connection::Config;

/// Walks the whole way to the server once, and says where it ends and what to do about it.
///
/// It changes nothing: the tunnel is asked for and no session is begun in it, so that a gateway that runs with the same
/// credentials goes on undisturbed. Where TLS fails, a second connection is made on which nothing is verified, nothing
/// secret is sent, and only the server's clock is asked for.
///
/// It takes as long as the limits of `config` allow at each stage: seconds, as a rule, and at most about two minutes. What
/// [`Options::idle`] asks for comes on top.
///
/// # Cancel safety
/// Cancel-safe: what was opened is closed, and nothing is told.
pub async fn diagnose(config: &Config, options: &Options) -> Diagnosis {
    walk::walk(config, options).await
}

/// What [`diagnose`] is to look at besides.
#[derive(Clone)]
pub struct Options {
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    idle: Option<Duration>,
}

impl Options {
    /// This machine's clock, and no test of idle connections.
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: Arc::new(SystemTime::now),
            idle: None,
        }
    }

    /// Leaves a connection idle for so long, and sees whether something on the way cuts it. Default: not done, because it
    /// takes all that time. What cuts, mostly does after 60 s; a gateway's own checks come every 30 s.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// The clock that certificates are checked by, and that is compared with the server's.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}
