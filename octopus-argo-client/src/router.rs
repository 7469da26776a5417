//! Which service answers which call.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower_service::Service;

/// The answer of a service, some time later.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

type Answerer = Arc<dyn Fn(Request<Body>) -> Answer + Send + Sync>;

/// The services that the server can call through the tunnel.
///
/// ```no_run
/// use octopus_argo_client::Router;
/// # fn example<S>(mine: S) -> Router
/// # where
/// #     S: tower_service::Service<
/// #             http::Request<tonic::body::Body>,
/// #             Response = http::Response<tonic::body::Body>,
/// #             Error = std::convert::Infallible,
/// #             Future: Send,
/// #         > + tonic::server::NamedService + Clone + Send + Sync + 'static,
/// # {
/// // `mine` is a server that tonic generated, for example.
/// Router::default().with(mine)
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Router {
    services: HashMap<String, Answerer>,
}

impl Router {
    /// Adds a service under its gRPC name. One that was there under that name is replaced.
    #[must_use]
    pub fn with<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.insert(S::NAME, service);
        self
    }

    pub(crate) fn insert<S>(&mut self, name: &str, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let answerer = move |request| {
            let mut service = service.clone();
            let answer: Answer = Box::pin(async move {
                let Ok(()) = std::future::poll_fn(|cx| service.poll_ready(cx)).await;
                let Ok(response) = service.call(request).await;
                response
            });
            answer
        };
        self.services.insert(name.to_owned(), Arc::new(answerer));
    }

    /// Answers a call; one for a service that is not here is UNIMPLEMENTED.
    pub(crate) fn answer(&self, request: Request<Body>) -> Answer {
        let path = request.uri().path();
        let service = path
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'))
            .map(|(service, _)| service);
        if let Some(answerer) = service.and_then(|service| self.services.get(service)) {
            answerer(request)
        } else {
            let status = Status::unimplemented("the gateway has no such service");
            Box::pin(std::future::ready(status.into_http()))
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.services.keys().collect();
        names.sort();
        f.debug_struct("Router").field("services", &names).finish()
    }
}
