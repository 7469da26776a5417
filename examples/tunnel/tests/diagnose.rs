//! The example `diagnose`, run as an operator runs it.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which the lint's exception misses"
)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use octopus_argo_server::listen::{Identity, Listen, Serving};
use octopus_argo_server::{GatewayToken, MemoryStore, Server};
use secrecy::ExposeSecret as _;

const GATEWAY: &str = "0d5f6c1e-9a63-4b07-8f0e-3f9b1f1f2a11";

/// The built example, which `cargo test` puts beside the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let name = format!("diagnose{}", std::env::consts::EXE_SUFFIX);
    profile.join("examples").join(name)
}

/// Its exit code, and what it wrote to both.
async fn run(arguments: &[&str], token: &str) -> (i32, String) {
    let run = tokio::process::Command::new(example())
        .args(arguments)
        .env("DIAGNOSE_TEST_TOKEN", token)
        .stdin(Stdio::null())
        .output();
    let limit = std::time::Duration::from_secs(60);
    let output = tokio::time::timeout(limit, run).await.expect("it ends by itself");
    let output = output.expect("`cargo test` builds the examples");
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

struct Octopus {
    serving: Serving,
    thumbprint: String,
    token: String,
    _server: Server,
}

async fn octopus() -> Octopus {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = (key.cert.pem(), key.signing_key.serialize_pem());
    let identity = Identity::from_pem(pem.0.as_bytes(), pem.1.as_bytes()).unwrap();
    let store = Arc::new(MemoryStore::default());
    let token = GatewayToken::generate().unwrap();
    store.set_credential(&GATEWAY.parse().unwrap(), &token);
    let server = Server::new(store);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = Listen::tls(&identity).unwrap().serve(listener, server.services());
    Octopus {
        serving: serving.unwrap(),
        thumbprint: identity.thumbprint().to_string(),
        token: token.secret().expose_secret().to_owned(),
        _server: server,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_says_whether_a_gateway_would_connect() {
    let octopus = octopus().await;
    let address = format!("grpc://{}", octopus.serving.local_addr());
    let known = [
        "--client-id",
        GATEWAY,
        "--token-env",
        "DIAGNOSE_TEST_TOKEN",
        "--thumbprint",
    ];

    let right = [&known[..], &[&octopus.thumbprint, &address]].concat();
    let (code, text) = run(&right, &octopus.token).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("nothing is wrong\n"), "{text}");
    assert!(!text.contains(&octopus.token), "{text}");

    let other = "0".repeat(40);
    let wrong = [&known[..], &[&other, &address]].concat();
    let (code, text) = run(&wrong, &octopus.token).await;
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains(&other) && text.contains(&octopus.thumbprint),
        "{text}"
    );

    let (code, text) = run(&right, "another-token").await;
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("[token-refused]") && !text.contains("another-token"),
        "{text}"
    );

    // Without credentials the way is walked as far as it goes.
    let (code, text) = run(&["--thumbprint", &octopus.thumbprint, &address], "").await;
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("ok   http2") && text.contains("[no-credentials]"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_make_no_sense_are_named() {
    for (arguments, expected) in [
        (&[][..], "an address is missing"),
        (&["ftp://a"], "unknown scheme"),
        (&["a", "--compatible"], "--compatible goes with one --thumbprint"),
        (&["a", "--client-id", "x"], "go together"),
        (&["a", "--thumbprint", "AA:BB"], "hexadecimal"),
        (&["a", "--proxy", "https://b"], "http://"),
        (&["a", "--ca", "/nowhere/at/all.pem"], "/nowhere/at/all.pem"),
        (&["a", "b"], "b"),
    ] {
        let (code, text) = run(arguments, "").await;
        assert_eq!(code, 2, "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    let (code, text) = run(&["--help"], "").await;
    assert_eq!(code, 0);
    assert!(text.contains("Exit code"), "{text}");
}
