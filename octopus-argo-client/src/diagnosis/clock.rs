//! This machine's clock against the server's.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;

use super::{Diagnosis, Finding, Options};

/// How far the clocks may differ: 60 s. The server's is told in whole seconds and some time before it is read, and
/// certificates and tokens are made with more room than this.
const TOLERANCE: Duration = Duration::from_secs(60);

/// Finds a difference worth telling.
pub(super) fn compare(report: &mut Diagnosis, there: SystemTime, options: &Options) {
    let here = (options.clock)();
    let (by, ahead) = match here.duration_since(there) {
        Ok(by) => (by, true),
        Err(error) => (error.duration(), false),
    };
    if by > TOLERANCE {
        report.find(Finding::ClockSkew { by, ahead });
    }
}

/// The clock in the form that rustls takes.
pub(super) fn for_tls(clock: Arc<dyn Fn() -> SystemTime + Send + Sync>) -> Arc<dyn TimeProvider> {
    Arc::new(Clock(clock))
}

struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let since = (self.0)().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(UnixTime::since_unix_epoch(since))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
