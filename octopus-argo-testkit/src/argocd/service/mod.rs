//! The gRPC services, and the way of a request to them.

mod account;
mod cluster;
mod deadline;
mod exchange;
mod gate;
mod get;
mod json;
mod list;
mod managed;
mod manifests;
mod pod_logs;
mod project;
mod required;
mod resource;
mod revision;
mod session;
mod settings;
mod sync;
mod tree;
mod user_agent;
mod version;
mod watch;
mod web;
mod windows;

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderMap, Request, Response, StatusCode, header};
use hyper::body::{Bytes, Incoming};
use prost::Message;
use tonic::Status;
use tonic::body::Body;

pub(super) use self::exchange::End;
use self::exchange::{Encoding as HttpEncoding, Messages, Opened};
use super::accounts::Caller;
use super::connection::Traffic;
use super::method::{Authentication, Kind, Unknown};
use super::{Accounts, ArgoCdVersion, Faults, Fleet, Method};

/// What the services work on.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) fleet: Fleet,
    pub(super) accounts: Accounts,
    pub(super) faults: Faults,
    pub(super) traffic: Traffic,
    pub(super) options: Arc<Options>,
}

/// What does not change while the server runs.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) version: ArgoCdVersion,
    /// Bytes, both ways.
    pub(super) message_limit: usize,
    /// Before the paths of HTTP/1.1: empty, or with a leading slash and no trailing one.
    pub(super) root_path: String,
    /// Whether answers begin before there is a message.
    pub(super) headers_at_once: bool,
    /// Whether pod logs need a right of their own, where the version leaves it to a setting.
    pub(super) log_rights: bool,
    /// Whether a sync to another revision needs a right of its own.
    pub(super) override_for_revisions: bool,
}

impl Api {
    /// Answers one call over HTTP/2.
    pub(super) async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let is_grpc = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        if !is_grpc {
            // Only a later call of a connection gets here: grpc-go's own check.
            let status = Status::invalid_argument("invalid gRPC request content-type");
            let mut response = exchange::into_http(Opened::Ended(status), HttpEncoding::Grpc);
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Ok(response);
        }
        let headers_at_once = self.options.headers_at_once;
        let renewed = self.accounts.renewed(request.headers());
        let opened = self.open(request, headers_at_once).await;
        let mut response = exchange::into_http(opened, HttpEncoding::Grpc);
        add_token(&mut response, renewed);
        Ok(response)
    }

    /// Carries a call out until its first message, within the time that its caller allows.
    async fn open(self, request: Request<Incoming>, headers_at_once: bool) -> Opened {
        let method = match Method::of_path(request.uri().path()) {
            Ok(method) => method,
            // Before authentication, as Argo CD does.
            Err(unknown) => return Opened::Ended(unimplemented(unknown)),
        };
        let (parts, body) = request.into_parts();
        let message = exchange::read_message(body, self.options.message_limit);
        self.carry_out(method, &parts.headers, message, headers_at_once)
            .await
    }

    /// The same for a request whose message comes from anywhere.
    async fn carry_out(
        self,
        method: Method,
        headers: &HeaderMap,
        message: impl Future<Output = Result<Bytes, Status>> + Send,
        headers_at_once: bool,
    ) -> Opened {
        self.traffic.count_call();
        let deadline = deadline::deadline(headers);
        let faults = self.faults.clone();
        let begun = deadline::bounded(deadline, self.begin(method, headers, message)).await;
        match begun {
            Err(status) => Opened::Ended(status),
            Ok(messages) => {
                let messages = match faults.take_end(method) {
                    Some((count, end)) => exchange::ended_after(messages, count, end),
                    None => messages,
                };
                let messages = deadline::bounded_messages(deadline, messages);
                if headers_at_once && method.kind() == Kind::Stream {
                    Opened::Messages(messages)
                } else {
                    Opened::wait(messages).await
                }
            }
        }
    }

    /// Reads the request, authenticates, and hands it to its method. A unary request is decoded before authentication, a
    /// stream's after it: grpc-go calls its interceptors in between.
    async fn begin(
        self,
        method: Method,
        headers: &HeaderMap,
        message: impl Future<Output = Result<Bytes, Status>> + Send,
    ) -> Result<Messages, Status> {
        let read = async {
            let message = message.await?;
            required::check(method, &message)?;
            Ok::<_, Status>(message)
        };
        let (caller, message) = match method.kind() {
            Kind::Unary => {
                let message = read.await?;
                (self.admit(method, headers)?, message)
            }
            Kind::Stream => (self.admit(method, headers)?, read.await?),
        };
        self.faults.before(method).await?;
        self.dispatch(method, caller, message).await
    }

    /// Who calls, if they may call at all.
    fn admit(&self, method: Method, headers: &HeaderMap) -> Result<Caller, Status> {
        let caller = match (self.accounts.authenticate(headers), method.authentication()) {
            (Ok(caller), _) => caller,
            (Err(_), Authentication::Optional) => Caller::Anonymous,
            (Err(status), Authentication::Needed) => return Err(status),
        };
        let user_agent = headers.get(header::USER_AGENT);
        user_agent::check(user_agent.and_then(|value| value.to_str().ok()))?;
        Ok(caller)
    }

    async fn dispatch(self, method: Method, caller: Caller, message: Bytes) -> Result<Messages, Status> {
        let (api, caller, request) = (&self, &caller, Undecoded { method, message });
        match method {
            Method::List => list::list(api, caller, request.decode()?),
            Method::Get => get::get(api, caller, request.decode()?).await,
            Method::Watch => watch::watch(api, caller, request.decode()?),
            Method::ResourceTree => tree::resource_tree(api, caller, request.decode()?).await,
            Method::WatchResourceTree => tree::watch(api, caller, &request.decode()?),
            Method::ManagedResources => managed::managed_resources(api, caller, request.decode()?).await,
            Method::GetManifests => manifests::get_manifests(api, caller, &request.decode()?),
            Method::GetResource => resource::get(api, caller, &request.decode()?),
            Method::ListResourceEvents => resource::events(api, caller, &request.decode()?),
            Method::PodLogs => pod_logs::pod_logs(api, caller, &request.decode()?),
            Method::Sync => sync::sync(api, caller, request.decode()?),
            Method::TerminateOperation => sync::terminate(api, caller, &request.decode()?),
            Method::RevisionMetadata => revision::metadata(api, caller, &request.decode()?),
            Method::RevisionChartDetails => revision::chart(api, caller, &request.decode()?),
            Method::GetApplicationSyncWindows => windows::windows(api, caller, &request.decode()?),
            Method::ListLinks => windows::links(api, caller, &request.decode()?),
            Method::ListClusters => cluster::list(api, caller, request.decode()?),
            Method::GetCluster => cluster::get(api, caller, request.decode()?),
            Method::GetSettings => settings::get(api, caller),
            Method::ListProjects => project::list(api, caller),
            Method::GetProject => project::get(api, caller, &request.decode()?),
            Method::Version => version::version(api, caller),
            Method::GetUserInfo => session::user_info(api, caller),
            Method::CreateSession => session::create(api, &request.decode()?),
            Method::DeleteSession => session::delete(api),
            Method::CheckHealth => version::health(api),
            Method::CanI => account::can_i(api, caller, &request.decode()?),
        }
    }

    /// An answer of one message, unless it is too large.
    fn reply(&self, message: &impl Message) -> Result<Messages, Status> {
        self.fits(message.encoded_len())?;
        Ok(exchange::one(message.encode_to_vec().into()))
    }

    /// Lets an answer pass that is not too large.
    ///
    /// Rule: grpc-go `stream.go` (`SendMsg`), with the limit of Argo CD `pkg/apiclient/apiclient.go`
    /// (`MaxGRPCMessageSize`).
    fn fits(&self, length: usize) -> Result<(), Status> {
        let limit = self.options.message_limit;
        if length <= limit {
            return Ok(());
        }
        Err(Status::resource_exhausted(format!(
            "grpc: trying to send message larger than max ({length} vs. {limit})"
        )))
    }

    fn version(&self) -> ArgoCdVersion {
        self.options.version
    }
}

/// A request whose bytes have been looked at and not yet decoded.
struct Undecoded {
    method: Method,
    message: Bytes,
}

impl Undecoded {
    fn decode<M: Message + Default>(self) -> Result<M, Status> {
        M::decode(self.message).map_err(|error| required::undecodable(self.method, &error.to_string()))
    }
}

/// Hands out a token in place of one that is about to end.
///
/// Rule: Argo CD `server/server.go` (`Authenticate`, `renewTokenKey`).
fn add_token(response: &mut Response<Body>, renewed: Option<String>) {
    if let Some(token) = renewed.and_then(|token| token.try_into().ok()) {
        response.headers_mut().insert("renew-token", token);
    }
}

fn unimplemented(unknown: Unknown<'_>) -> Status {
    Status::unimplemented(match unknown {
        Unknown::Service(service) => format!("unknown service {service}"),
        Unknown::Method { service, method } => format!("unknown method {method} for service {service}"),
    })
}
