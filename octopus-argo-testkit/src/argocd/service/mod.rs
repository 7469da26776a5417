//! The gRPC services, and the way of a request to them.

mod application;
mod deadline;
mod gate;
mod pod_logs;
mod session;
mod sync;
mod version;
mod watch;

use std::convert::Infallible;

use http::{Request, Response};
use hyper::body::Incoming;
use octopus_argo_proto::argocd::application::application_service_server::ApplicationServiceServer;
use octopus_argo_proto::argocd::session::session_service_server::SessionServiceServer;
use octopus_argo_proto::argocd::version::version_service_server::VersionServiceServer;
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;

use super::accounts::Caller;
use super::{Accounts, ArgoCdVersion, Fleet};

/// What the services work on.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) fleet: Fleet,
    pub(super) accounts: Accounts,
    pub(super) version: ArgoCdVersion,
    /// Bytes, both ways.
    pub(super) message_limit: usize,
}

impl Api {
    /// Answers one call within the time that its caller allows. Unknown services are answered before authentication, as
    /// Argo CD does.
    pub(super) async fn answer(self, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let Some(service) = Known::of_path(request.uri().path()) else {
            let name = service_name(request.uri().path());
            return Ok(Status::unimplemented(format!("unknown service {name}")).into_http());
        };
        let caller = match (self.accounts.authenticate(request.headers()), service) {
            (Ok(caller), _) => caller,
            // These look at the caller, but take anyone.
            (Err(_), Known::Session | Known::Version) => Caller::Anonymous,
            (Err(status), Known::Application) => return Ok(status.into_http()),
        };
        request.extensions_mut().insert(caller);
        let allowed = deadline::allowed(request.headers());
        deadline::bounded(allowed, self.serve(service, request)).await
    }

    async fn serve(self, service: Known, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let limit = self.message_limit;
        match service {
            Known::Application => {
                let server = ApplicationServiceServer::new(self);
                server.max_decoding_message_size(limit).call(request).await
            }
            Known::Session => SessionServiceServer::new(self).call(request).await,
            Known::Version => VersionServiceServer::new(self).call(request).await,
        }
    }

    /// Lets an answer pass that is not too large.
    ///
    /// Rule: grpc-go `stream.go` (`SendMsg`), with the limit of Argo CD `pkg/apiclient/apiclient.go`
    /// (`MaxGRPCMessageSize`).
    fn fitting<M: Message>(&self, message: M) -> Result<M, Status> {
        let (length, limit) = (message.encoded_len(), self.message_limit);
        if length > limit {
            return Err(Status::resource_exhausted(format!(
                "grpc: trying to send message larger than max ({length} vs. {limit})"
            )));
        }
        Ok(message)
    }
}

/// The services that are simulated.
#[derive(Clone, Copy, Debug)]
enum Known {
    Application,
    Session,
    Version,
}

impl Known {
    fn of_path(path: &str) -> Option<Self> {
        match service_name(path) {
            "application.ApplicationService" => Some(Self::Application),
            "session.SessionService" => Some(Self::Session),
            "version.VersionService" => Some(Self::Version),
            _ => None,
        }
    }
}

/// The service's part of `/package.Service/Method`.
fn service_name(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.rsplit_once('/').map_or(path, |(service, _)| service)
}

/// Who sent this request. [`Api::answer`] has put it there.
fn caller<T>(request: &tonic::Request<T>) -> Caller {
    request.extensions().get().cloned().unwrap_or(Caller::Anonymous)
}
