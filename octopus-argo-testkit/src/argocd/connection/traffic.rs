//! What has happened on connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of what clients have done, for tests that look at a client from the server's side. A cheap handle; the counts
/// go on over restarts.
///
/// ```
/// # use octopus_argo_testkit::argocd::ArgoCdSim;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = ArgoCdSim::builder().start().await?;
/// assert_eq!(sim.traffic().too_many_pings(), 0, "no client was told to calm down");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    pings: AtomicU64,
    too_many_pings: AtomicU64,
    refused: AtomicU64,
    calls: AtomicU64,
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident, $count:ident;)*) => {
        impl Traffic {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> u64 {
                    self.0.$name.load(Ordering::Relaxed)
                }

                pub(in crate::argocd) fn $count(&self) {
                    self.0.$name.fetch_add(1, Ordering::Relaxed);
                }
            )*
        }
    };
}

counts! {
    /// Connections that were accepted on the socket, whatever they spoke.
    connections, count_connection;
    /// PING frames received, acknowledgements not counted.
    pings, count_ping;
    /// Connections that were ended with `too_many_pings`.
    too_many_pings, count_too_many_pings;
    /// HTTP/2 connections that were closed because their first request was not exactly `application/grpc`.
    refused, count_refused;
    /// Calls of methods that exist, gRPC-Web included, whatever came of them.
    calls, count_call;
}
