//! A gateway beside a real Argo CD: what an embedder's own may start from.
//!
//! `cargo run --example gateway -- --help`.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::ValueExt as _;
use lexopt::prelude::Long;
use octopus_argo_client::connection::Config;
use octopus_argo_client::credentials::Credentials;
use octopus_argo_client::tls::{Roots, Tls};
use octopus_argo_client::{ArgoCd, Gateway};
use octopus_argo_core::Thumbprint;
use tokio::sync::broadcast::error::RecvError;

const HELP: &str = "\
A gateway: dials out to a server, and lets it read the applications of an Argo CD. It changes nothing there. Ends with
Ctrl-C, and by itself where trying again cannot help.

Usage: cargo run --example gateway -- --server ADDRESS --client-id ID --token-file PATH [OPTIONS]

Options:
  --server ADDRESS        the server, for example localhost:8443
  --thumbprint HEX        trust the server by the SHA-1 of its certificate; otherwise by its host name
  --roots PATH            a PEM file with certificates to trust besides the system's
  --client-id ID          the client id of the registration
  --token-file PATH       a file with the token of the registration, and nothing else
  --argocd ADDRESS        Argo CD's API server, for example localhost:8080; without it there is only the tunnel
  --argocd-token-file PATH  a file with a token of Argo CD
  --argocd-roots PATH     a PEM file with certificates to trust besides the system's
  --argocd-plaintext      speak to Argo CD without TLS: everybody on the way can read its token
  --help                  this text

Tokens are read from files because arguments are seen by everybody on the machine.

Exit code: 0 it was ended; 1 it stopped by itself; 2 the arguments are wrong.
";

#[derive(Default)]
struct Arguments {
    server: Option<String>,
    thumbprint: Option<Thumbprint>,
    roots: Option<PathBuf>,
    client_id: Option<String>,
    token_file: Option<PathBuf>,
    argo_cd: Option<String>,
    argo_cd_token_file: Option<PathBuf>,
    argo_cd_roots: Option<PathBuf>,
    argo_cd_plaintext: bool,
}

fn main() -> ExitCode {
    let gateway = match arguments().map_err(Into::into).and_then(|arguments| {
        let builder = arguments.map(|arguments| build(&arguments));
        builder.transpose()
    }) {
        Ok(Some(builder)) => builder,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let error: Box<dyn Error> = error;
            eprintln!("gateway: {error}\nTry `--help`.");
            return ExitCode::from(2);
        }
    };
    let done = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(gateway)));
    match done {
        Ok(code) => code,
        Err(error) => {
            let error: Box<dyn Error> = error;
            eprintln!("gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None` if only help is wanted.
fn arguments() -> Result<Option<Arguments>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut arguments = Arguments::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("server") => arguments.server = Some(parser.value()?.string()?),
            Long("thumbprint") => arguments.thumbprint = Some(parser.value()?.parse()?),
            Long("roots") => arguments.roots = Some(parser.value()?.into()),
            Long("client-id") => arguments.client_id = Some(parser.value()?.string()?),
            Long("token-file") => arguments.token_file = Some(parser.value()?.into()),
            Long("argocd") => arguments.argo_cd = Some(parser.value()?.string()?),
            Long("argocd-token-file") => arguments.argo_cd_token_file = Some(parser.value()?.into()),
            Long("argocd-roots") => arguments.argo_cd_roots = Some(parser.value()?.into()),
            Long("argocd-plaintext") => arguments.argo_cd_plaintext = true,
            Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(arguments))
}

/// Everything that may be wrong with the arguments shows here, before anything is dialled.
fn build(arguments: &Arguments) -> Result<octopus_argo_client::GatewayBuilder, Box<dyn Error>> {
    let server = arguments.server.as_ref().ok_or("--server is missing")?;
    let client_id = arguments.client_id.as_ref().ok_or("--client-id is missing")?;
    let token = arguments.token_file.as_ref().ok_or("--token-file is missing")?;
    let credentials = Credentials::new(client_id.parse()?, std::fs::read_to_string(token)?.parse()?);
    let tls = match arguments.thumbprint {
        Some(thumbprint) => Tls::pinned(thumbprint),
        None => Tls::host_name(roots(arguments.roots.as_ref())?),
    };
    let mut builder = Gateway::builder(Config::new(server.parse()?, &tls, credentials)?);
    if let Some(address) = &arguments.argo_cd {
        let token = arguments
            .argo_cd_token_file
            .as_ref()
            .ok_or("--argocd-token-file is missing")?;
        let token = std::fs::read_to_string(token)?.trim().to_owned().into();
        builder = builder.argo_cd(if arguments.argo_cd_plaintext {
            ArgoCd::danger_plaintext(address, token)?
        } else {
            ArgoCd::new(
                address,
                &Tls::host_name(roots(arguments.argo_cd_roots.as_ref())?),
                token,
            )?
        });
    }
    Ok(builder)
}

fn roots(more: Option<&PathBuf>) -> Result<Roots, Box<dyn Error>> {
    let roots = Roots::system();
    Ok(match more {
        Some(path) => roots.with_file(path)?,
        None => roots,
    })
}

async fn run(builder: octopus_argo_client::GatewayBuilder) -> Result<ExitCode, Box<dyn Error>> {
    let gateway = builder.start()?;
    let mut events = gateway.events();
    let told = async {
        loop {
            match events.recv().await {
                Ok(event) => println!("{event}"),
                Err(RecvError::Lagged(missed)) => println!("{missed} events were missed"),
                Err(RecvError::Closed) => return,
            }
        }
    };
    let code = tokio::select! {
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            ExitCode::SUCCESS
        }
        () = told => ExitCode::FAILURE,
        stopped = gateway.stopped() => {
            println!("stopped: {stopped}");
            ExitCode::FAILURE
        }
    };
    gateway.shutdown(Duration::from_secs(10)).await;
    Ok(code)
}
