//! A service of your own, reachable through the tunnel: `cargo run --example custom_service`
//!
//! The gateway runs where something is that the server wants to know: here the nodes of a cluster. Nothing in the cluster
//! listens: the gateway dials out, and the server calls the service through that connection as if it were next door.
//!
//! `cluster.rs` is what tonic-prost-build makes of `cluster.proto`; a project of your own does that in its build script.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_client::connection::Config;
use octopus_argo_client::credentials::Credentials;
use octopus_argo_client::tls::Tls;
use octopus_argo_client::{Gateway, Router};
use octopus_argo_server::listen::{Identity, Listen};
use octopus_argo_server::{GatewayId, GatewayToken, MemoryStore, Server, ServerEvent, TunnelError};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use cluster::cluster_client::ClusterClient;
use cluster::cluster_server::{Cluster, ClusterServer};
use cluster::{Event, NodesRequest, NodesResponse, WatchRequest};

#[rustfmt::skip]
#[allow(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    clippy::use_self,
    rust_2018_idioms,
    unused_qualifications,
    reason = "generated"
)]
mod cluster;

/// The service, written as for any tonic server.
struct ThisCluster {
    nodes: Vec<String>,
}

#[tonic::async_trait]
impl Cluster for ThisCluster {
    async fn nodes(&self, _: Request<NodesRequest>) -> Result<Response<NodesResponse>, Status> {
        let names = self.nodes.clone();
        Ok(Response::new(NodesResponse { names }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let namespace = request.into_inner().namespace;
        if namespace.is_empty() {
            return Err(Status::invalid_argument("which namespace?"));
        }
        let events = (1_u32..).map(move |number| {
            let text = format!("{namespace}: event {number}");
            Ok(Event { text })
        });
        Ok(Response::new(Box::pin(tokio_stream::iter(events))))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The server's side: whom it lets in, and where it listens.
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (chain, private) = (key.cert.pem(), key.signing_key.serialize_pem());
    let identity = Identity::from_pem(chain.as_bytes(), private.as_bytes())?;
    let store = Arc::new(MemoryStore::default());
    let id: GatewayId = "0d5f6c1e-9a63-4b07-8f0e-3f9b1f1f2a11".parse()?;
    let token = GatewayToken::generate()?;
    store.set_credential(&id, &token);
    let server = Server::new(store);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let serving = Listen::tls(&identity)?.serve(listener, server.services())?;
    let mut events = server.events();

    // The gateway's side. The line with `services` is all that makes the service reachable.
    let credentials = Credentials::new(id.as_str().parse()?, token.secret().expose_secret().parse()?);
    let address = serving.local_addr().to_string().parse()?;
    let config = Config::new(address, &Tls::pinned(identity.thumbprint()), credentials)?;
    let this_cluster = ThisCluster {
        nodes: vec!["node-a".to_owned(), "node-b".to_owned()],
    };
    let gateway = Gateway::builder(config)
        .services(Router::default().with(ClusterServer::new(this_cluster)))
        .start()?;
    while !matches!(events.recv().await?, ServerEvent::Connected { .. }) {}

    // The server calls it with the client that tonic generated.
    let mut client = ClusterClient::new(server.gateway(&id));
    let nodes = client.nodes(NodesRequest {}).await?.into_inner().names;
    println!("the nodes behind the gateway: {}", nodes.join(", "));

    let namespace = "payments".to_owned();
    let watched = client.watch(WatchRequest { namespace }).await?;
    let mut watched = watched.into_inner().take(3);
    while let Some(event) = watched.next().await {
        println!("{}", event?.text);
    }
    // Who has enough drops the stream, which ends the call on the gateway.
    drop(watched);

    let refused = client.watch(WatchRequest::default()).await;
    let Err(status) = refused else {
        return Err("it must not accept that".into());
    };
    println!(
        "the service's own errors come as they are: {:?}, {}",
        status.code(),
        status.message()
    );

    gateway.shutdown(Duration::from_secs(5)).await;
    while !matches!(events.recv().await?, ServerEvent::Disconnected { .. }) {}
    let Err(status) = client.nodes(NodesRequest {}).await else {
        return Err("nobody is there".into());
    };
    if let Some(error) = TunnelError::find(&status) {
        println!("and the tunnel's errors say so: {error}");
    }
    server.shutdown(Duration::from_secs(5)).await;
    serving.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
