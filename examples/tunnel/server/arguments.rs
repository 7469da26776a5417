//! What the command line says.

use std::net::SocketAddr;
use std::path::PathBuf;

use lexopt::ValueExt as _;
use lexopt::prelude::Long;

pub const HELP: &str = "\
A server for gateways: accepts them, keeps their records in a file, and prints what happens. Ends with Ctrl-C.

Usage: cargo run --example server --features sqlite [-- OPTIONS]

Options:
  --listen ADDRESS        where gateways connect to; default 127.0.0.1:8443, port 0 takes a free one
  --certificate PATH      a PEM file: its certificate, then those that sign it
  --key PATH              a PEM file: the key of that certificate. Without the two, a certificate is made for this run;
                          gateways then trust it by the thumbprint that is printed
  --database PATH         the SQLite file with the instances; default octopus-argo.db, made if it is not there
  --memory                no file: everything is forgotten when the server ends
  --register NAME         gives a gateway a record with this name in the default space, and prints its client id and
                          token, this once. Nothing happens if there is one. May be repeated
  --recommend VERSION     the gateway version to recommend to those that are older
  --help                  this text

Then, beside Argo CD: `cargo run --example gateway -- --help`.

Exit code: 0 it was ended; 1 something does not work; 2 the arguments are wrong.
";

pub struct Arguments {
    pub listen: SocketAddr,
    /// The certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    pub database: Database,
    pub register: Vec<String>,
    pub recommend: Option<String>,
}

pub enum Database {
    Memory,
    File(PathBuf),
}

impl Arguments {
    /// `None` if only help is wanted.
    pub fn read() -> Result<Option<Self>, lexopt::Error> {
        let mut parser = lexopt::Parser::from_env();
        let (mut certificate, mut key, mut file, mut memory) = (None, None, None, false);
        let mut arguments = Self {
            listen: ([127, 0, 0, 1], 8443).into(),
            certificate: None,
            database: Database::Memory,
            register: Vec::new(),
            recommend: None,
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("listen") => arguments.listen = parser.value()?.parse()?,
                Long("certificate") => certificate = Some(parser.value()?.into()),
                Long("key") => key = Some(parser.value()?.into()),
                Long("database") => file = Some(parser.value()?.into()),
                Long("memory") => memory = true,
                Long("register") => arguments.register.push(parser.value()?.string()?),
                Long("recommend") => arguments.recommend = Some(parser.value()?.string()?),
                Long("help") => return Ok(None),
                other => return Err(other.unexpected()),
            }
        }
        arguments.certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("--certificate and --key belong together".into()),
        };
        arguments.database = match (file, memory) {
            (Some(_), true) => return Err("--database and --memory exclude each other".into()),
            (None, true) => Database::Memory,
            (file, false) => Database::File(file.unwrap_or_else(|| "octopus-argo.db".into())),
        };
        Ok(Some(arguments))
    }
}
