//! A server that keeps its instances in a file: what an embedder's own may start from.
//!
//! `cargo run --example server --features sqlite -- --help`.

mod arguments;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::SpaceId;
use octopus_argo_proto::session::Config;
use octopus_argo_server::listen::{Identity, Listen};
use octopus_argo_server::{
    GatewayId, InstanceQuery, InstanceStore, MemoryStore, Registration, Server, ServerEvent, SqliteStore,
    StoreError,
};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;

use crate::arguments::{Arguments, Database, HELP};

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("server: {error}\nTry `--help`.");
            return ExitCode::from(2);
        }
    };
    let done = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(arguments)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("server: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let identity = identity(&arguments)?;
    let store: Arc<dyn InstanceStore> = match &arguments.database {
        Database::Memory => Arc::new(MemoryStore::default()),
        Database::File(path) => Arc::new(SqliteStore::open(path).await?),
    };
    let mut config = Config::default().software("server-example", env!("CARGO_PKG_VERSION"));
    if let Some(version) = &arguments.recommend {
        config = config.recommended_gateway_version(version);
    }
    let server = Server::with_config(store, config);
    let events = server.events();
    for name in &arguments.register {
        register(&server, name).await?;
    }
    let listener = TcpListener::bind(arguments.listen).await?;
    let serving = Listen::tls(&identity)?.serve(listener, server.services())?;
    println!(
        "listening on {}, thumbprint {}",
        serving.local_addr(),
        identity.thumbprint()
    );
    show_instances(&server).await?;

    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        () = tell(events, &server) => {}
    }
    println!("ending: open calls have ten seconds");
    let grace = Duration::from_secs(10);
    // First the gateways are told, then the connections are closed.
    server.shutdown(grace).await;
    serving.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

/// The certificate that was named, or one for this run.
fn identity(arguments: &Arguments) -> Result<Identity, Box<dyn Error>> {
    if let Some((certificate, key)) = &arguments.certificate {
        return Ok(Identity::from_pem(
            &std::fs::read(certificate)?,
            &std::fs::read(key)?,
        )?);
    }
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (certificate, key) = (key.cert.pem(), key.signing_key.serialize_pem());
    Ok(Identity::from_pem(certificate.as_bytes(), key.as_bytes())?)
}

/// Gives a gateway a record, and prints its credentials this once. One that has the name already stays as it is.
async fn register(server: &Server, name: &str) -> Result<(), Box<dyn Error>> {
    let registration = Registration::new(SpaceId::default(), name.parse()?, new_client_id()?);
    match server.instances().register(registration).await {
        Ok(enrolment) => {
            let token = enrolment.token.ok_or("a new gateway has no token")?;
            println!(
                "registered {name} as {}\n  client id {}\n  token     {}",
                enrolment.instance.id,
                enrolment.instance.gateway,
                token.secret().expose_secret()
            );
        }
        Err(StoreError::DuplicateName { .. }) => println!("{name} is registered already"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// A random GUID.
fn new_client_id() -> Result<GatewayId, Box<dyn Error>> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(octopus_argo_core::Uid::from_bytes(bytes).to_string().parse()?)
}

async fn show_instances(server: &Server) -> Result<(), StoreError> {
    let page = server.instances().list(&InstanceQuery::default()).await?;
    if page.instances.is_empty() {
        println!("no instances; `--register NAME` makes one");
    }
    for instance in page.instances {
        let seen = match instance.facts.last_seen {
            Some(at) => format!("last seen {} s ago", at.elapsed().unwrap_or_default().as_secs()),
            None => "never seen".to_owned(),
        };
        let version = instance.facts.installation.gateway_version;
        println!(
            "{} {} {} {} {seen}",
            instance.id,
            instance.space,
            instance.name,
            version.as_deref().unwrap_or("-"),
        );
    }
    Ok(())
}

/// Prints what happens, a line each.
async fn tell(mut events: tokio::sync::broadcast::Receiver<ServerEvent>, server: &Server) {
    loop {
        match events.recv().await {
            Ok(ServerEvent::Connected { gateway, version }) => {
                println!("{gateway} connected, version {version}");
            }
            Ok(ServerEvent::Disconnected { gateway, reason }) => println!("{gateway} disconnected: {reason}"),
            Ok(ServerEvent::InventoryComplete {
                gateway,
                applications,
            }) => println!("{gateway} has {applications} applications"),
            // One line for each that changes would be too many on a busy fleet.
            Ok(ServerEvent::InventoryChanged { .. }) => {}
            Ok(ServerEvent::Refused { gateway }) => {
                let gateway = gateway.map_or_else(|| "somebody".to_owned(), |gateway| gateway.to_string());
                println!("{gateway} was refused");
            }
            Ok(other) => println!("{other:?}"),
            Err(RecvError::Lagged(missed)) => {
                println!("{missed} events were missed; the instances are now:");
                if let Err(error) = show_instances(server).await {
                    println!("{}", with_causes(&error));
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
