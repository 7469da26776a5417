//! What streams really end with, and what is made of it: over a connection of ours, and over tonic's own channel.

use std::pin::Pin;

use h2::Reason;
use octopus_argo_client::connection::{connect, stream_end};
use octopus_argo_core::connection::StreamAction;
use octopus_argo_server::listen::Listen;
use tokio::net::TcpStream;
use tonic::Status;
use tonic::transport::Endpoint;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::support::{accept_one, plain_config, serve, within};

/// How a stream that a test began ends.
type Ending = Pin<Box<dyn Future<Output = Option<Status>>>>;

/// Begins a stream with `client` and gives back its end; `begun` once an answer has come.
macro_rules! stream {
    ($channel:expr) => {{
        let mut client = HealthClient::new($channel);
        let stream = client.watch(HealthCheckRequest::default()).await;
        stream.map(|answer| {
            let mut stream = answer.into_inner();
            Box::pin(async move {
                loop {
                    match stream.message().await {
                        Ok(Some(HealthCheckResponse { .. })) => {}
                        Ok(None) => return None,
                        Err(status) => return Some(status),
                    }
                }
            }) as Ending
        })
    }};
}

/// The end of a stream over each kind of channel to `to`, which takes one connection each.
async fn both(to: [std::net::SocketAddr; 2]) -> [Option<Status>; 2] {
    let ours = connect(&plain_config(to[0])).await.unwrap();
    let ours = match stream!(ours) {
        Ok(end) => end.await,
        Err(status) => Some(status),
    };
    let theirs = Endpoint::try_from(format!("http://{}", to[1])).unwrap();
    let theirs = match stream!(theirs.connect().await.unwrap()) {
        Ok(end) => end.await,
        Err(status) => Some(status),
    };
    [ours, theirs]
}

fn actions(ends: &[Option<Status>; 2]) -> [StreamAction; 2] {
    [0, 1].map(|index| {
        let status = ends[index].as_ref().unwrap();
        stream_end(status).action()
    })
}

/// A server that answers one call with a head, and then does something else.
async fn then(what: Then) -> std::net::SocketAddr {
    accept_one(move |socket: TcpStream| async move {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let Some(Ok((_, mut respond))) = connection.accept().await else {
            return;
        };
        let head = http::Response::builder().header("content-type", "application/grpc");
        let mut body = respond.send_response(head.body(()).unwrap(), false).unwrap();
        match what {
            Then::Reset(reason) => body.send_reset(reason),
            Then::Goaway(reason) => connection.abrupt_shutdown(reason),
            Then::Cut => {
                // The head goes out first.
                let _ = tokio::time::timeout(std::time::Duration::from_millis(50), connection.accept()).await;
                return;
            }
        }
        while let Some(Ok(_)) = connection.accept().await {}
    })
    .await
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Reset(Reason),
    Goaway(Reason),
    Cut,
}

#[tokio::test]
async fn what_the_transport_does_is_retried_whatever_the_status_says() {
    within(async {
        for what in [
            // An AWS balancer ends idle streams so.
            Then::Reset(Reason::PROTOCOL_ERROR),
            Then::Reset(Reason::INTERNAL_ERROR),
            Then::Reset(Reason::REFUSED_STREAM),
            Then::Reset(Reason::ENHANCE_YOUR_CALM),
            Then::Goaway(Reason::INTERNAL_ERROR),
            Then::Goaway(Reason::PROTOCOL_ERROR),
            Then::Cut,
        ] {
            let ends = both([then(what).await, then(what).await]).await;
            assert_eq!(actions(&ends), [StreamAction::Retry; 2], "{what:?}: {ends:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_listener_that_is_dropped_is_come_back_to() {
    within(async {
        let (serving, _) = serve(Listen::danger_plaintext()).await;
        let ours = stream!(connect(&plain_config(serving.local_addr())).await.unwrap());
        let theirs = Endpoint::try_from(format!("http://{}", serving.local_addr())).unwrap();
        let theirs = stream!(theirs.connect().await.unwrap());
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        drop(serving);
        let ends = [ours.await, theirs.await];
        assert_eq!(actions(&ends), [StreamAction::Retry; 2], "{ends:?}");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_come_back_to() {
    within(async {
        // Port 1 of loopback refuses.
        let nowhere = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        let status = stream!(nowhere).err().unwrap();
        assert_eq!(stream_end(&status).action(), StreamAction::Retry, "{status:?}");
        let error = connect(&plain_config(([127, 0, 0, 1], 1).into()))
            .await
            .unwrap_err();
        assert_eq!(stream_end(&error).action(), StreamAction::Retry);
    })
    .await;
}

#[tokio::test]
async fn what_the_server_says_is_judged_by_its_code() {
    within(async {
        let (serving, _) = serve(Listen::danger_plaintext()).await;
        let connection = connect(&plain_config(serving.local_addr())).await.unwrap();
        let request = HealthCheckRequest {
            service: "nobody knows this one".to_owned(),
        };
        let status = HealthClient::new(connection).check(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::NotFound);
        assert_eq!(stream_end(&status).action(), StreamAction::Fatal);
    })
    .await;
}
