//! A server, a gateway and an Argo CD in one process: the whole idea, at work.
//!
//! `cargo run --example quickstart`, and `-- --help` for the rest.

mod manifests;
mod screen;
mod tour;

use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::Long;

const HELP: &str = "\
A server, a gateway and an Argo CD in one process: shows the instance and its applications, resolves a deployment, reads
logs through the tunnel, changes an annotation, cuts the connection. Everything is on loopback, with real TLS and gRPC;
only Argo CD is simulated. Ends by itself.

Usage: cargo run --example quickstart [-- OPTIONS]

Options:
  --applications PATH   Application manifests of your own, a file or a folder, instead of the sample fleet
  --help                this text

Exit code: 0 all of it worked; 1 something did not; 2 the arguments or the manifests are wrong.
";

fn main() -> ExitCode {
    let applications = match arguments() {
        Ok(Some(applications)) => applications,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("quickstart: {error}\nTry `--help`.");
            return ExitCode::from(2);
        }
    };
    let manifests = match manifests::read(&applications) {
        Ok(manifests) => manifests,
        Err(error) => {
            eprintln!("quickstart: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("quickstart: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(tour::run(manifests)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nquickstart: {}", screen::with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Where the manifests are; `None` if only help is wanted.
fn arguments() -> Result<Option<PathBuf>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fleet"));
    while let Some(argument) = parser.next()? {
        match argument {
            Long("applications") => path = parser.value()?.into(),
            Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(path))
}
