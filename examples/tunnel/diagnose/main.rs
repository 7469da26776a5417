//! What stands between this machine and an Octopus server, for an operator whose gateway does not connect.
//!
//! `cargo run --example diagnose -- grpc://octopus.example.com:8443`, and `-- --help` for the rest.

mod arguments;

use std::process::ExitCode;

use octopus_argo_client::diagnosis::diagnose;

use arguments::Asked;

const HELP: &str = "\
Walks the way from this machine to an Octopus server: name, TCP, proxy, TLS, HTTP/2, authentication, health, tunnel. Says where
it ends and what to do about it. Changes nothing: a gateway that runs with the same credentials goes on undisturbed.

Usage: cargo run --example diagnose -- [OPTIONS] ADDRESS

ADDRESS is grpc://HOST[:PORT] or HOST[:PORT]; the port is 8443 where none is given.

Who the gateway is (without these the way is walked up to HTTP/2):
  --client-id ID             the id under which it is registered
  --token-file PATH          a file with its access token
  --token-env NAME           the environment variable with its access token

What is trusted (by default the operating system's roots, with the host name checked):
  --ca PATH                  also the roots in this PEM file, or in the .pem files below this folder; may be repeated
  --thumbprint HEX           this certificate (SHA-1) and nothing else; may be repeated
  --key HEX                  this public key (SHA-256) and nothing else; may be repeated
  --compatible               with one --thumbprint: what Octopus's own gateway does without pinning, any trusted chain for any
                             host name or else the thumbprint
  --plaintext                no TLS at all. The token is readable on the whole way

How it is reached:
  --proxy ADDRESS            an HTTP proxy, http://HOST:PORT
  --proxy-user NAME          its user
  --proxy-password-env NAME  the environment variable with the password
  --no-proxy RULES           servers without the proxy, as in NO_PROXY
  --idle SECONDS             also leaves a connection idle for so long, and sees whether something cuts it
  --help                     this text

Nothing but the variables named here is read from the environment; secrets are not taken as arguments, which others can see.

Exit code: 0 a gateway would connect; 1 something stands in the way; 2 the arguments are wrong.
";

fn main() -> ExitCode {
    let asked = match arguments::read(std::env::args_os()) {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("diagnose: {}\nTry `--help`.", with_causes(&*error));
            return ExitCode::from(2);
        }
    };
    let Asked { config, options } = asked;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("diagnose: {error}");
            return ExitCode::FAILURE;
        }
    };
    let diagnosis = runtime.block_on(diagnose(&config, &options));
    println!("{diagnosis}");
    if diagnosis.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
