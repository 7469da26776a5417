//! What the server says: to the credentials, of its health, and to the wish for a tunnel.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_proto::session::Config as SessionConfig;
use octopus_argo_proto::v1::Packet;
use octopus_argo_proto::v1::tunnel_client::TunnelClient;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};

use super::{Diagnosis, Finding, Options, Outcome, Stage, clock};
use crate::connection::{Connection, HealthError, ask_health};

pub(super) async fn ask(report: &mut Diagnosis, connection: &Connection, options: &Options) {
    let start = Instant::now();
    let (health, there) = ask_health(connection.clone()).await;
    let health_took = start.elapsed();
    if let Some(there) = there {
        clock::compare(report, there, options);
    }
    let start = Instant::now();
    let tunnel = open(connection).await;
    let tunnel_took = start.elapsed();

    // Either answer may be the refusal; one is enough to tell.
    let refusal = match (&health, &tunnel) {
        (Err(HealthError::Refused { source }), _) | (_, Err(Finding::TokenRefused { source })) => {
            Some(source.clone())
        }
        _ => None,
    };
    let refused = refusal.is_some();
    if let Some(source) = refusal {
        report.step(Stage::Authentication, Outcome::Failed, "refused", Duration::ZERO);
        report.find(Finding::TokenRefused { source });
    } else if answered(&health) || tunnel.is_ok() {
        report.step(
            Stage::Authentication,
            Outcome::Passed,
            "the token is accepted",
            Duration::ZERO,
        );
    } else {
        report.step(
            Stage::Authentication,
            Outcome::Skipped,
            "the server did not say",
            Duration::ZERO,
        );
    }
    match health {
        Ok(()) => report.step(Stage::Health, Outcome::Passed, "SERVING", health_took),
        Err(HealthError::Refused { .. }) => {
            report.step(
                Stage::Health,
                Outcome::Skipped,
                "not asked without a token",
                health_took,
            );
        }
        Err(source) => {
            report.step(Stage::Health, Outcome::Failed, source.to_string(), health_took);
            report.find(Finding::Unhealthy { source });
        }
    }
    match tunnel {
        Ok(()) => report.step(
            Stage::Tunnel,
            Outcome::Passed,
            "the server would open it",
            tunnel_took,
        ),
        Err(_) if refused => report.step(
            Stage::Tunnel,
            Outcome::Skipped,
            "not opened without a token",
            tunnel_took,
        ),
        Err(finding) => {
            report.step(Stage::Tunnel, Outcome::Failed, "not opened", tunnel_took);
            report.find(finding);
        }
    }
}

/// Whether the answer shows that the credentials were taken, as far as that goes: some servers do not look.
fn answered(health: &Result<(), HealthError>) -> bool {
    matches!(health, Ok(()) | Err(HealthError::NotServing { .. }))
}

/// Asks for the stream of a tunnel and says no hello in it, so that no session begins: another gateway may run with these
/// credentials, and would be superseded by one.
async fn open(connection: &Connection) -> Result<(), Finding> {
    let after = SessionConfig::HANDSHAKE_TIMEOUT;
    let mut client = TunnelClient::new(connection.clone());
    match timeout(after, client.open(tokio_stream::empty::<Packet>())).await {
        Ok(Ok(_)) => Ok(()),
        // The server's own word for a stream that ended before a hello: it would have gone on with one.
        Ok(Err(status)) if status.code() == Code::Cancelled && status.source().is_none() => Ok(()),
        Ok(Err(status)) => Err(refused(status)),
        Err(_) => Err(Finding::TunnelHeldUp { after }),
    }
}

fn refused(status: Status) -> Finding {
    match status.code() {
        Code::Unimplemented => Finding::NoTunnel,
        Code::Unauthenticated | Code::PermissionDenied => Finding::TokenRefused {
            source: Arc::new(status),
        },
        _ => Finding::TunnelRefused {
            source: Arc::new(status),
        },
    }
}
