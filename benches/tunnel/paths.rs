//! The paths that are compared: directly, through an ordinary reverse proxy, through the tunnel.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_client::connection::Config;
use octopus_argo_client::credentials::Credentials;
use octopus_argo_client::tls::Tls;
use octopus_argo_client::{Gateway, Router};
use octopus_argo_core::http2;
use octopus_argo_server::listen::{Identity, Listen, Serving};
use octopus_argo_server::{GatewayId, GatewayToken, MemoryStore, Server, ServerEvent};
use octopus_argo_testkit::relay::Relay;
use rustls::pki_types::CertificateDer;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

use crate::backend::Backend;
use crate::hop::{Failure, Forward, Hop};
use crate::load::{Path, Target};

/// A path with the name that figures have.
pub struct Named {
    pub name: &'static str,
    pub target: Box<dyn Target>,
}

/// The servers, which all paths share.
pub struct Ground {
    identity: Identity,
    certificate: CertificateDer<'static>,
    plain: Serving,
    secure: Serving,
    /// What has to live as long as the paths.
    kept: Vec<Box<dyn Send>>,
}

impl Ground {
    pub async fn new(backend_port: u16) -> Result<Self, Failure> {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (chain, private) = (key.cert.pem(), key.signing_key.serialize_pem());
        let identity = Identity::from_pem(chain.as_bytes(), private.as_bytes())?;
        let plain = TcpListener::bind(("127.0.0.1", backend_port)).await?;
        let secure = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self {
            plain: Listen::danger_plaintext().serve(plain, Backend)?,
            secure: Listen::tls(&identity)?.serve(secure, Backend)?,
            certificate: key.cert.der().clone(),
            identity,
            kept: Vec::new(),
        })
    }

    pub fn backend(&self) -> SocketAddr {
        self.plain.local_addr()
    }

    async fn behind(&mut self, address: SocketAddr, relay: Option<Duration>) -> Result<SocketAddr, Failure> {
        use octopus_argo_testkit::relay::{Faults, Way};
        let Some(round_trip) = relay else {
            return Ok(address);
        };
        let faults = Faults::none().both(Way::clear().delay(round_trip / 2));
        let relay = Relay::start_with(address, faults).await?;
        let address = relay.address();
        self.kept.push(Box::new(relay));
        Ok(address)
    }

    /// A: the caller has a TLS connection to the backend.
    pub async fn direct(&mut self, relay: Option<Duration>, stream_window: u32) -> Result<Named, Failure> {
        let to = self.behind(self.secure.local_addr(), relay).await?;
        let channel = Hop::connect(to, Some(&self.certificate), stream_window).await?;
        Ok(Named {
            name: "direct",
            target: Box::new(Path {
                channel,
                origin: "https://localhost",
            }),
        })
    }

    /// B: the caller has a TLS connection to a reverse proxy, and that a plain one to the backend.
    pub async fn proxy(&mut self, relay: Option<Duration>, stream_window: u32) -> Result<Named, Failure> {
        let inner = Hop::behind(self.backend()).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let serving = Listen::tls(&self.identity)?.serve(listener, Forward(inner))?;
        let to = self.behind(serving.local_addr(), relay).await?;
        self.kept.push(Box::new(serving));
        let channel = Hop::connect(to, Some(&self.certificate), stream_window).await?;
        Ok(Named {
            name: "proxy",
            target: Box::new(Path {
                channel,
                origin: "https://localhost",
            }),
        })
    }

    /// Ours: the gateway has a TLS connection to the server, and a plain one to the backend. The caller has the handle.
    pub async fn tunnel(&mut self, relay: Option<Duration>) -> Result<Named, Failure> {
        let store = Arc::new(MemoryStore::default());
        let server = Server::new(store.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let serving = Listen::tls(&self.identity)?.serve(listener, server.services())?;
        let to = self.behind(serving.local_addr(), relay).await?;
        let (id, credentials) = credential(&store, 0)?;
        let config = Config::new(
            to.to_string().parse()?,
            &Tls::pinned(self.identity.thumbprint()),
            credentials,
        )?;
        let inner = Hop::behind(self.backend()).await?;
        let mut events = server.events();
        let gateway = Gateway::builder(config)
            .services(Router::default().with(Forward(inner)))
            .start()?;
        while !matches!(events.recv().await?, ServerEvent::Connected { .. }) {}
        let channel = server.gateway(&id);
        self.kept.push(Box::new((server, serving, gateway)));
        Ok(Named {
            name: "tunnel",
            target: Box::new(Path {
                channel,
                origin: "http://gateway",
            }),
        })
    }

    /// Somebody else's tunnel, which takes TCP connections and forwards them to the plain backend.
    pub async fn peer(&self, address: SocketAddr) -> Result<Named, Failure> {
        let channel = Hop::connect(address, None, http2::STREAM_WINDOW).await?;
        Ok(Named {
            name: "peer",
            target: Box::new(Path {
                channel,
                origin: "http://localhost",
            }),
        })
    }
}

/// Lets a gateway in, and says how it proves who it is.
pub fn credential(store: &MemoryStore, number: usize) -> Result<(GatewayId, Credentials), Failure> {
    let name = format!("00000000-0000-4000-8000-{number:012}");
    let id: GatewayId = name.parse()?;
    let token = GatewayToken::generate()?;
    store.set_credential(&id, &token);
    let credentials = Credentials::new(name.parse()?, token.secret().expose_secret().parse()?);
    Ok((id, credentials))
}
