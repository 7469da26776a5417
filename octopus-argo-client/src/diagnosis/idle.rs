//! Whether something on the way cuts a connection on which nothing happens.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{Diagnosis, Finding, Outcome, Stage};
use crate::connection::{Connection, check_health};

/// Waits for `limit`, then asks once more. The pings of HTTP/2 go on meanwhile, as they do for a gateway.
pub(super) async fn idle(report: &mut Diagnosis, connection: &Connection, limit: Duration) {
    let start = Instant::now();
    tokio::select! {
        () = cut(connection) => {
            let after = start.elapsed();
            report.step(Stage::Idle, Outcome::Failed, "cut", after);
            report.find(Finding::IdleCut { after });
            return;
        }
        () = sleep(limit) => {}
    }
    if check_health(connection).await.is_ok() {
        report.step(Stage::Idle, Outcome::Passed, "the connection stayed", limit);
    } else {
        report.step(Stage::Idle, Outcome::Failed, "dead", limit);
        report.find(Finding::IdleDropped { after: limit });
    }
}

/// Waits until the connection is cut, or a stream on it: some balancers end streams and keep the connection.
async fn cut(connection: &Connection) {
    let stream = async {
        let mut client = HealthClient::new(connection.clone());
        let Ok(answer) = client.watch(HealthCheckRequest::default()).await else {
            // A server without Watch shows only what happens to the connection.
            return std::future::pending().await;
        };
        let mut stream = answer.into_inner();
        while let Ok(Some(_)) = stream.message().await {}
    };
    tokio::select! {
        _ = connection.closed() => {}
        () = stream => {}
    }
}
