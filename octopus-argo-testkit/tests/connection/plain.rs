//! Stages other than TLS: credentials, dialling, HTTP/2.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use octopus_argo_client::connection::{Config, ConnectError, Http2Error, check_health, connect};
use octopus_argo_client::credentials::{ClientId, CredentialProvider, Credentials, CredentialsError};
use octopus_argo_client::dial::{BoxStream, Dial, DialError};
use octopus_argo_client::tls::{Tls, TlsError};
use octopus_argo_core::{ServerAddress, Thumbprint};
use octopus_argo_server::listen::Listen;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    Detour, HOST, TOKEN, accept_one, chain, check, config, credentials, plain_config, serve, within,
};

/// Fails the test if anything is dialled.
#[derive(Debug)]
struct Never;

#[async_trait::async_trait]
impl Dial for Never {
    async fn dial(&self, _: &ServerAddress) -> Result<BoxStream, DialError> {
        panic!("something was dialled")
    }
}

#[tokio::test]
async fn credentials_stay_off_plaintext_unless_both_sides_of_the_setting_agree() {
    within(async {
        let config = Config::danger_plaintext(HOST.parse().unwrap(), credentials()).dial(Never);
        let error = connect(&config).await.unwrap_err();
        assert!(matches!(error, ConnectError::PlaintextCredentials) && !error.is_retryable());

        let (serving, seen) = serve(Listen::danger_plaintext()).await;
        let connection = connect(&plain_config(serving.local_addr())).await.unwrap();
        assert_eq!(check(&connection).await.unwrap(), 1);
        assert_eq!(connection.certificate(), None);
        assert_eq!(
            seen.lock().unwrap()[0].0["authorization"],
            format!("Bearer {TOKEN}")
        );
    })
    .await;
}

/// A token that is another each time.
#[derive(Debug, Default)]
struct Rotating(AtomicUsize);

#[async_trait::async_trait]
impl CredentialProvider for Rotating {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let client_id: ClientId = "c1".parse().unwrap();
        match self.0.fetch_add(1, Ordering::Relaxed) {
            2 => Err(CredentialsError::permanent("the vault is sealed")),
            turn => {
                let token = format!("token-{turn}").parse().unwrap();
                Ok(Credentials::new(client_id, token).danger_allow_plaintext())
            }
        }
    }
}

#[tokio::test]
async fn the_provider_is_asked_for_every_connection() {
    within(async {
        let (serving, seen) = serve(Listen::danger_plaintext()).await;
        let config = Config::danger_plaintext(HOST.parse().unwrap(), Rotating::default())
            .dial(Detour(serving.local_addr()));
        for turn in 0..2 {
            check(&connect(&config).await.unwrap()).await.unwrap();
            assert_eq!(
                seen.lock().unwrap()[turn].0["authorization"],
                format!("Bearer token-{turn}")
            );
        }
        let error = connect(&config).await.unwrap_err();
        assert!(matches!(error, ConnectError::Credentials { .. }) && !error.is_retryable());
        assert!(chain(&error).ends_with("the vault is sealed"));
    })
    .await;
}

#[tokio::test]
async fn a_closed_port_is_a_dial_error_that_retrying_may_help() {
    within(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        drop(listener);
        let error = connect(&plain_config(to)).await.unwrap_err();
        assert!(
            matches!(&error, ConnectError::Dial { source: DialError::Connect { last, tried: 1, .. }, .. } if *last == to),
            "{error:?}"
        );
        assert!(error.is_retryable());
        assert_eq!(error.to_string(), format!("could not reach {HOST}:8443"));
    })
    .await;
}

/// A dialler that never comes back.
#[derive(Debug)]
struct Hanging;

#[async_trait::async_trait]
impl Dial for Hanging {
    async fn dial(&self, _: &ServerAddress) -> Result<BoxStream, DialError> {
        std::future::pending().await
    }
}

/// A dialler to one end of a pipe. What goes in is the other end.
#[derive(Debug)]
pub(crate) struct Pipe(pub(crate) std::sync::Mutex<Option<tokio::io::DuplexStream>>);

#[async_trait::async_trait]
impl Dial for Pipe {
    async fn dial(&self, _: &ServerAddress) -> Result<BoxStream, DialError> {
        let stream = self.0.lock().unwrap().take().ok_or(DialError::NoAddress)?;
        Ok(Box::new(stream))
    }
}

fn pipe() -> (Pipe, tokio::io::DuplexStream) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    (Pipe(std::sync::Mutex::new(Some(near))), far)
}

#[tokio::test(start_paused = true)]
async fn every_stage_has_its_own_limit() {
    let to = ([127, 0, 0, 1], 1).into();
    let error = connect(&plain_config(to).dial(Hanging)).await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Dial {
                source: DialError::Timeout { .. },
                ..
            }
        ) && error.is_retryable()
    );

    let (dial, _far) = pipe();
    let tls = Tls::pinned(Thumbprint::from_sha1([7; 20]));
    let error = connect(&config(to, HOST, &tls).dial(dial)).await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Tls {
                source: TlsError::Timeout { .. },
                ..
            }
        ) && error.is_retryable()
    );

    let (dial, _far) = pipe();
    let config = plain_config(to)
        .dial(dial)
        .handshake_timeout(Duration::from_secs(3));
    let error = connect(&config).await.unwrap_err();
    let ConnectError::Http2 {
        source: Http2Error::Timeout { after, .. },
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(*after, Duration::from_secs(3));
    assert!(error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_ping_is_given_up_after_90_s_of_silence() {
    let (dial, mut far) = pipe();
    far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let connection = connect(&plain_config(([127, 0, 0, 1], 1).into()).dial(dial))
        .await
        .unwrap();
    let start = tokio::time::Instant::now();
    let limit = Duration::from_secs(600);
    let closed = tokio::time::timeout(limit, connection.closed())
        .await
        .expect("no ping was sent");
    assert!(!closed.is_clean());
    assert!(
        (89..=91).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
    assert!(connection.is_closed());
    let status = check(&connection).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_health_check_has_its_own_limit() {
    let (dial, mut far) = pipe();
    far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let config = plain_config(([127, 0, 0, 1], 1).into()).dial(dial);
    let connection = connect(&config).await.unwrap();
    let start = tokio::time::Instant::now();
    let error = check_health(&connection).await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 15);
    assert_eq!(
        error.to_string(),
        "the server did not answer a health check within 15s"
    );
}

#[tokio::test]
async fn what_does_not_speak_http2_is_named() {
    within(async {
        type Case = (&'static [u8], fn(&Http2Error) -> bool);
        let cases: [Case; 3] = [
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", |error| {
                matches!(error, Http2Error::Http1)
            }),
            (b"SSH-2.0-x\r\n", |error| matches!(error, Http2Error::NotHttp2)),
            (b"", |error| matches!(error, Http2Error::Broken { .. })),
        ];
        for (answer, expected) in cases {
            let to = accept_one(move |mut socket| async move {
                let mut first = [0; 24];
                let _ = socket.read_exact(&mut first).await;
                let _ = socket.write_all(answer).await;
            })
            .await;
            let error = connect(&plain_config(to)).await.unwrap_err();
            let ConnectError::Http2 { source, .. } = &error else {
                panic!("{error:?}")
            };
            assert!(expected(source), "{error:?}");
            assert_eq!(error.is_retryable(), answer.is_empty());
        }
    })
    .await;
}

#[test]
fn a_refusal_is_told_from_other_statuses() {
    let refused = ConnectError::refusal(&tonic::Status::unauthenticated("no such token")).unwrap();
    assert!(!refused.is_retryable());
    assert!(chain(&refused).contains("no such token"));
    assert!(ConnectError::refusal(&tonic::Status::unavailable("busy")).is_none());
}

#[test]
fn futures_and_handles_are_send() {
    fn send<T: Send>(_: &T) {}
    fn send_sync<T: Send + Sync + Clone>() {}
    let config = Arc::new(plain_config(([127, 0, 0, 1], 1).into()));
    send(&connect(&config));
    send_sync::<octopus_argo_client::connection::Connection>();
    send_sync::<ConnectError>();
    send_sync::<Config>();
}
