//! The three ways to the same service.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use octopus_argo_client::connection::{Config, Connection, connect};
use octopus_argo_client::credentials::Credentials;
use octopus_argo_client::tls::Tls;
use octopus_argo_client::{Gateway, GatewayStats, Router};
use octopus_argo_server::listen::{Identity, Listen, Serving};
use octopus_argo_server::{GatewayId, GatewayToken, MemoryStore, Server, ServerEvent};
use octopus_argo_testkit::relay::{Faults, Relay};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::server::NamedService;
use tonic::transport::Channel;
use tower_service::Service;

use crate::call::{Call, Kind};
use crate::outcome::{Outcome, compare};
use crate::probe::Probe;

/// What a test waits for comes within this time, or never.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let waited = tokio::time::timeout(Duration::from_secs(60), future).await;
    waited.expect("nothing came in time")
}

/// A way to the service, and what the service tells.
pub(crate) struct Way<S> {
    pub(crate) channel: S,
    told: mpsc::UnboundedReceiver<String>,
}

impl<S> Way<S>
where
    S: GrpcService<Body> + Clone + Send,
    S::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    /// Makes a call, and waits until its service is done with it, unless it does not come as far.
    pub(crate) async fn make(&mut self, call: &Call, reaches: bool) -> Outcome {
        let mut told = Vec::new();
        let begun = async {
            while told.last().is_none_or(|last| last != "began") {
                told.push(self.told.recv().await.unwrap());
            }
        };
        let mut outcome = soon(call.make(self.channel.clone(), begun)).await;
        while reaches && told.last().is_none_or(|last| last != "over") {
            let next = tokio::time::timeout(Duration::from_secs(30), self.told.recv()).await;
            let next = next.unwrap_or_else(|_| panic!("{call:?} goes on after {told:?} and {outcome:?}"));
            told.push(next.unwrap());
        }
        told.sort();
        outcome.told = told;
        outcome
    }
}

pub(crate) struct Ground {
    pub(crate) direct: Way<Channel>,
    pub(crate) tunnel: Way<octopus_argo_server::Gateway>,
    pub(crate) behind: Way<octopus_argo_server::Gateway>,
    /// What stands between the gateways and the server.
    pub(crate) relay: Relay,
    tasks: usize,
    server: Server,
    _serving: (Serving, JoinSet<()>),
    gateways: Vec<Gateway>,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (probe, direct_told) = Probe::new();
        let mut tonic_server = JoinSet::new();
        let routes = tonic::transport::Server::builder().add_service(probe);
        let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
        tonic_server.spawn(async move { routes.serve_with_incoming(incoming).await.unwrap() });
        let uri = format!("http://{address}");
        let channel = Channel::from_shared(uri).unwrap().connect().await.unwrap();

        // The service behind a gateway is one of its own, so that what it tells is not mixed up.
        let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner_address = inner.local_addr().unwrap();
        let (probe, behind_told) = Probe::new();
        let routes = tonic::transport::Server::builder()
            .http2_max_pending_accept_reset_streams(Some(20_000))
            .add_service(probe);
        let incoming = tonic::transport::server::TcpIncoming::from(inner).with_nodelay(Some(true));
        tonic_server.spawn(async move { routes.serve_with_incoming(incoming).await.unwrap() });
        let credentials = Credentials::new("c".parse().unwrap(), "t".parse().unwrap());
        let credentials = credentials.danger_allow_plaintext();
        let address = inner_address.to_string().parse().unwrap();
        let connection = connect(&Config::danger_plaintext(address, credentials))
            .await
            .unwrap();

        let (probe, tunnel_told) = Probe::new();
        let store = Arc::new(MemoryStore::default());
        let server = Server::new(store.clone());
        let identity = identity();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = Listen::tls(&identity).unwrap();
        let serving = serving.serve(listener, server.services()).unwrap();
        let relay = Relay::start(serving.local_addr()).await.unwrap();
        let mut events = server.events();
        let mut gateways = Vec::new();
        let mut ids = Vec::new();
        let services = [
            Router::default().with(probe),
            Router::default().with(Forward(connection)),
        ];
        for (number, router) in services.into_iter().enumerate() {
            let id = format!("0d5f6c1e-9a63-4b07-8f0e-3f9b1f1f2a1{number}");
            let token = GatewayToken::generate().unwrap();
            let gateway: GatewayId = id.parse().unwrap();
            store.set_credential(&gateway, &token);
            let token = token.secret().expose_secret().parse().unwrap();
            let config = Config::new(
                relay.address().to_string().parse().unwrap(),
                &Tls::pinned(identity.thumbprint()),
                Credentials::new(id.parse().unwrap(), token),
            );
            gateways.push(
                Gateway::builder(config.unwrap())
                    .services(router)
                    .start()
                    .unwrap(),
            );
            ids.push(gateway);
        }
        let mut connected = 0;
        while connected < gateways.len() {
            connected += usize::from(matches!(
                soon(events.recv()).await.unwrap(),
                ServerEvent::Connected { .. }
            ));
        }
        let way = |id, told| Way {
            channel: server.gateway(id),
            told,
        };
        let mut ground = Self {
            direct: Way {
                channel,
                told: direct_told,
            },
            tunnel: way(&ids[0], tunnel_told),
            behind: way(&ids[1], behind_told),
            relay,
            tasks: 0,
            server,
            _serving: (serving, tonic_server),
            gateways,
        };
        // Whatever is made with the first call is there now.
        let first = Call::new(Kind::Unary, "echo");
        ground.direct.make(&first, true).await;
        ground.tunnel.make(&first, true).await;
        ground.behind.make(&first, true).await;
        ground.tasks = ground.at_rest().await;
        ground
    }

    /// How many tasks there are when their number does not change any more.
    async fn at_rest(&self) -> usize {
        let count = || Handle::current().metrics().num_alive_tasks();
        let (mut tasks, mut same) = (count(), 0);
        while same < 200 {
            tokio::task::yield_now().await;
            let now = count();
            same = if now == tasks { same + 1 } else { 0 };
            tasks = now;
        }
        tasks
    }

    /// Makes a call on all ways, and fails unless they agree. What the direct one gave.
    pub(crate) async fn same(&mut self, case: &str, call: &Call) -> Outcome {
        self.compared(case, call, true).await
    }

    /// The same with a call that does not come as far as the service.
    pub(crate) async fn same_before_service(&mut self, case: &str, call: &Call) -> Outcome {
        self.compared(case, call, false).await
    }

    async fn compared(&mut self, case: &str, call: &Call, reaches: bool) -> Outcome {
        let direct = self.direct.make(call, reaches).await;
        compare(case, "tunnel", &direct, &self.tunnel.make(call, reaches).await);
        compare(case, "behind", &direct, &self.behind.make(call, reaches).await);
        direct
    }

    /// Fails unless everything is as it was in the beginning: tasks, calls, and what is kept of them at both ends.
    pub(crate) async fn nothing_is_left(self) {
        self.relay.set(Faults::none());
        let back = async {
            loop {
                let tasks = Handle::current().metrics().num_alive_tasks();
                if tasks <= self.tasks && self.holds_nothing() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let back = tokio::time::timeout(Duration::from_secs(20), back).await;
        let tasks = Handle::current().metrics().num_alive_tasks();
        let gateways: Vec<_> = self.gateways.iter().map(Gateway::stats).collect();
        assert!(
            back.is_ok(),
            "{tasks} tasks where {} were, {:#?}, {gateways:#?}",
            self.tasks,
            self.server.stats()
        );
    }

    /// Whether nothing is kept of any call. There is no inventory here, and so no call that has no end.
    fn holds_nothing(&self) -> bool {
        let stats = self.server.stats();
        let kept = (
            stats.open_calls,
            stats.held_calls,
            stats.waiting_calls,
            stats.buffered_bytes,
        );
        stats.sessions == self.gateways.len()
            && kept == (0, 0, 0, 0)
            && self
                .gateways
                .iter()
                .all(|gateway| gateway.stats() == GatewayStats::default())
    }
}

fn identity() -> Identity {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = (key.cert.pem(), key.signing_key.serialize_pem());
    Identity::from_pem(pem.0.as_bytes(), pem.1.as_bytes()).unwrap()
}

/// Calls the service behind a gateway, over a connection as Argo CD has one.
#[derive(Clone)]
struct Forward(Connection);

impl Service<Request<Body>> for Forward {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = Service::call(&mut self.0, request);
        Box::pin(async move {
            Ok(answer.await.map_or_else(
                |error| Status::from_error(error.into()).into_http(),
                |response| response.map(Body::new),
            ))
        })
    }
}

impl NamedService for Forward {
    const NAME: &'static str = Probe::NAME;
}
