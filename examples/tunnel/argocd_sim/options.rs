//! What the command line says.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use lexopt::prelude::{Long, ValueExt as _};
use octopus_argo_testkit::argocd::ArgoCdVersion;

pub const HELP: &str = "\
A simulated Argo CD API server: gRPC over HTTP/2, gRPC-Web and JSON over HTTP/1.1 on one port, with TLS and a self-signed
certificate, filled from manifests. Syncs run for some seconds; nothing is deployed anywhere. Prints its address, a token,
a user and where its certificate is, and runs until Ctrl-C.

Usage: cargo run --example argocd_sim [-- OPTIONS]

Options:
  --applications PATH      Application manifests, a file or a folder (default: the sample fleet)
  --copies N               each application N times, for a large fleet (default: 1)
  --listen ADDRESS         IP address and port (default: 127.0.0.1:8443; port 0 is any that is free)
  --plaintext              no TLS, as `argocd-server --insecure`
  --root-path PATH         where gRPC-Web and JSON are served, as `argocd-server --rootpath`
  --version V              2.8, 2.14, 3.0 or 3.5 (default: 3.5)
  --reconciliations RATE   applications reconciled a second, in turn (default: 0)
  --health-changes RATE    applications that change their health a second, in turn (default: 0)
  --help                   this text

Exit code: 0 ended by Ctrl-C; 1 it could not run; 2 the arguments are wrong.
";

pub struct Options {
    pub applications: PathBuf,
    pub copies: usize,
    pub listen: SocketAddr,
    pub plaintext: bool,
    pub root_path: String,
    pub version: ArgoCdVersion,
    pub reconciliations: f64,
    pub health_changes: f64,
}

impl Options {
    /// `None` if only help is wanted.
    pub fn from_arguments() -> Result<Option<Self>, lexopt::Error> {
        let mut parser = lexopt::Parser::from_env();
        let mut options = Self {
            applications: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fleet")),
            copies: 1,
            listen: (Ipv4Addr::LOCALHOST, 8443).into(),
            plaintext: false,
            root_path: String::new(),
            version: ArgoCdVersion::default(),
            reconciliations: 0.0,
            health_changes: 0.0,
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("applications") => options.applications = parser.value()?.into(),
                Long("copies") => options.copies = parser.value()?.parse()?,
                Long("listen") => options.listen = parser.value()?.parse()?,
                Long("plaintext") => options.plaintext = true,
                Long("root-path") => options.root_path = parser.value()?.string()?,
                Long("version") => options.version = parser.value()?.parse_with(version)?,
                Long("reconciliations") => options.reconciliations = parser.value()?.parse()?,
                Long("health-changes") => options.health_changes = parser.value()?.parse()?,
                Long("help") => return Ok(None),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

fn version(text: &str) -> Result<ArgoCdVersion, &'static str> {
    match text.trim_start_matches('v') {
        "2.8" => Ok(ArgoCdVersion::V2_8),
        "2.14" => Ok(ArgoCdVersion::V2_14),
        "3.0" => Ok(ArgoCdVersion::V3_0),
        "3.5" => Ok(ArgoCdVersion::V3_5),
        _ => Err("the versions are 2.8, 2.14, 3.0 and 3.5"),
    }
}
