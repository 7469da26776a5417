//! `connection.json`, as far as this crate owns it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::{HeaderMap, Request};
use octopus_argo_client::connection::{self, Config, ConnectError};
use octopus_argo_client::credentials::{AuthenticateLayer, Credentials};
use octopus_argo_client::dial::{BoxStream, Dial, DialError};
use octopus_argo_client::tls;
use octopus_argo_core::ServerAddress;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_layer::Layer as _;
use tower_service::Service;

use crate::loader::{self, Input, Unreadable};
use crate::owners;

#[test]
fn connection() {
    let owner = env!("CARGO_PKG_NAME");
    loader::run_own(
        "connection.json",
        owners::CONNECTION,
        owner,
        |op, input| match op {
            "thumbprint" => thumbprint(input),
            "call_metadata" => call_metadata(input),
            _ => Err(Unreadable(format!("nothing here runs {op:?}"))),
        },
    );
}

fn thumbprint(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Certificate {
        der_base64: String,
        expected: Option<String>,
    }
    let input: Certificate = input.read()?;
    // What is in a PEM section is base64.
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        input.der_base64
    );
    let der =
        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| Unreadable(format!("{error:?}")))?;
    let thumbprint = tls::thumbprint(&der);
    let matches = input
        .expected
        .is_some_and(|expected| thumbprint.matches(&expected));
    Ok(json!({"thumbprint": thumbprint.to_string(), "matches": matches}))
}

#[derive(Deserialize)]
struct Call {
    client_id: String,
    token: String,
    credential_variant: String,
    transport: String,
}

fn call_metadata(input: Input) -> Result<Value, Unreadable> {
    let call: Call = input.read()?;
    let unreadable = |error| Unreadable(format!("{error}"));
    let mut credentials = Credentials::new(
        call.client_id.parse().map_err(unreadable)?,
        call.token.parse().map_err(unreadable)?,
    );
    if call.credential_variant != "tls_only" {
        credentials = credentials.danger_allow_plaintext();
    }
    if call.transport == "plaintext" && refuses_plaintext(credentials.clone())? {
        return Ok(json!({"error": "transport_security_required"}));
    }
    let request = Request::new(());
    let mut service = AuthenticateLayer::new(&credentials).layer(Headers);
    let Ok(headers) = service.call(request).into_inner();
    let metadata: Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), Value::from(value.to_str().unwrap())))
        .collect();
    Ok(json!({"metadata": metadata}))
}

/// Whether these credentials stop a connection without TLS before anything is dialled.
fn refuses_plaintext(credentials: Credentials) -> Result<bool, Unreadable> {
    let server: ServerAddress = "octopus.example.test".parse().unwrap();
    let config = Config::danger_plaintext(server, credentials).dial(Nowhere);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    match runtime.unwrap().block_on(connection::connect(&config)) {
        Err(ConnectError::PlaintextCredentials) => Ok(true),
        Err(ConnectError::Dial { .. }) => Ok(false),
        other => Err(Unreadable(format!("{other:?}"))),
    }
}

/// Leads nowhere: whoever gets so far was let through.
#[derive(Debug)]
struct Nowhere;

#[async_trait::async_trait]
impl Dial for Nowhere {
    async fn dial(&self, _: &ServerAddress) -> Result<BoxStream, DialError> {
        Err(DialError::NoAddress)
    }
}

/// Answers a request with its headers.
struct Headers;

impl Service<Request<()>> for Headers {
    type Response = HeaderMap;
    type Error = Infallible;
    type Future = Ready<Result<HeaderMap, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        ready(Ok(request.into_parts().0.headers))
    }
}
