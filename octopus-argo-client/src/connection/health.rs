//! One health check.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Request, Response};
use octopus_argo_core::connection::{KeepAliveConfig, ProbeOutcome};
use tokio::time::timeout;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower_service::Service;

use super::{CallError, Connection, ResponseBody};

/// Asks the server whether it is healthy: `grpc.health.v1.Health/Check` with the empty name, credentials included.
///
/// A [`Gateway`](crate::Gateway) does so by itself. It takes at most 15 s
/// ([`KeepAliveConfig::PROBE_TIMEOUT`]).
///
/// # Errors
/// [`HealthError`] for everything but `SERVING`.
///
/// # Cancel safety
/// Cancel-safe: the call is cancelled.
///
/// Rule: OctopusDeploy/octopus-grpc, version 0.5.0 and later.
pub async fn check_health(connection: &Connection) -> Result<(), HealthError> {
    ask_health(connection.clone()).await.0
}

/// Asks over any service, and notes what the server's clock says, where it says so.
pub(crate) async fn ask_health<S>(service: S) -> (Result<(), HealthError>, Option<SystemTime>)
where
    S: Service<Request<Body>, Response = Response<ResponseBody>, Error = CallError>,
{
    let mut client = HealthClient::new(service);
    let limit = KeepAliveConfig::PROBE_TIMEOUT;
    let call = client.check(HealthCheckRequest::default());
    let Ok(answer) = timeout(limit, call).await else {
        return (Err(HealthError::Timeout { after: limit }), None);
    };
    let date = match &answer {
        Ok(response) => date(response.metadata()),
        Err(status) => date(status.metadata()),
    };
    (answer.map_err(HealthError::from).and_then(judge), date)
}

fn judge(answer: tonic::Response<HealthCheckResponse>) -> Result<(), HealthError> {
    let status = answer.into_inner().status;
    match ServingStatus::try_from(status) {
        Ok(ServingStatus::Serving) => Ok(()),
        Ok(known) => Err(HealthError::NotServing {
            status: known.as_str_name().to_owned(),
        }),
        Err(_) => Err(HealthError::NotServing {
            status: status.to_string(),
        }),
    }
}

fn date(metadata: &MetadataMap) -> Option<SystemTime> {
    httpdate::parse_http_date(metadata.get("date")?.to_str().ok()?).ok()
}

/// Why a server does not count as healthy.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HealthError {
    /// It answered, and not with `SERVING`.
    #[error("the server says {status}")]
    #[non_exhaustive]
    NotServing {
        /// The status by its name in the protocol, or its number where it has none.
        status: String,
    },
    /// It did not answer in time: often a load balancer that drops an idle connection without a word.
    #[error("the server did not answer a health check within {after:?}")]
    #[non_exhaustive]
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// It has no health service. Mount one beside the tunnel, or switch the checks off.
    #[error("the server has no health service")]
    #[non_exhaustive]
    NoHealthService {
        /// The server's answer.
        source: Arc<Status>,
    },
    /// It does not accept the credentials.
    #[error("the server refused the credentials of a health check")]
    #[non_exhaustive]
    Refused {
        /// The server's answer.
        source: Arc<Status>,
    },
    /// The call failed.
    #[error("the health check failed")]
    #[non_exhaustive]
    Call {
        /// What it ended with.
        source: Arc<Status>,
    },
}

impl HealthError {
    /// What the machine that counts probes makes of it.
    pub(crate) fn outcome(&self) -> ProbeOutcome {
        match self {
            Self::NotServing { .. } => ProbeOutcome::NotServing,
            _ => ProbeOutcome::Failed,
        }
    }
}

impl From<Status> for HealthError {
    fn from(status: Status) -> Self {
        let code = status.code();
        let source = Arc::new(status);
        match code {
            Code::Unimplemented => Self::NoHealthService { source },
            Code::Unauthenticated | Code::PermissionDenied => Self::Refused { source },
            _ => Self::Call { source },
        }
    }
}
