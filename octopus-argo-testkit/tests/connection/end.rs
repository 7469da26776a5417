//! How connections and listeners end.

use std::pin::pin;
use std::time::Duration;

use octopus_argo_client::connection::{Connection, connect};
use octopus_argo_server::listen::{Ended, Listen};
use tonic::{Code, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::support::{below, check, plain_config, serve, within};

/// A call that stays open.
async fn watch(connection: &Connection) -> Streaming<HealthCheckResponse> {
    let mut client = HealthClient::new(connection.clone());
    let mut stream = client
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    stream.message().await.unwrap().unwrap();
    stream
}

#[tokio::test]
async fn an_idle_listener_drains_at_once_and_clients_are_told() {
    within(async {
        let (serving, _) = serve(Listen::danger_plaintext()).await;
        let connection = connect(&plain_config(serving.local_addr())).await.unwrap();
        check(&connection).await.unwrap();
        assert_eq!(serving.shutdown(Duration::from_secs(60)).await, Ended::Drained);
        assert!(connection.closed().await.is_clean());
        let status = check(&connection).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(below(&status).is_some());
    })
    .await;
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_when_the_grace_is_over() {
    within(async {
        let (serving, _) = serve(Listen::danger_plaintext()).await;
        let connection = connect(&plain_config(serving.local_addr())).await.unwrap();
        let mut stream = watch(&connection).await;
        assert_eq!(serving.shutdown(Duration::from_millis(20)).await, Ended::Aborted);
        assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_ends_within_the_grace_is_waited_for() {
    within(async {
        let (serving, _) = serve(Listen::danger_plaintext()).await;
        let connection = connect(&plain_config(serving.local_addr())).await.unwrap();
        let stream = watch(&connection).await;
        let mut shutdown = pin!(serving.shutdown(Duration::from_secs(60)));
        assert!(
            tokio::time::timeout(Duration::from_millis(50), &mut shutdown)
                .await
                .is_err()
        );
        drop(stream);
        assert_eq!(shutdown.await, Ended::Drained);
    })
    .await;
}

#[tokio::test]
async fn dropping_a_listener_ends_its_connections() {
    within(async {
        let (serving, _) = serve(Listen::danger_plaintext()).await;
        let connection = connect(&plain_config(serving.local_addr())).await.unwrap();
        let mut stream = watch(&connection).await;
        drop(serving);
        let status = stream.message().await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        connection.closed().await;
    })
    .await;
}

#[tokio::test]
async fn a_stream_keeps_its_connection_and_the_last_handle_ends_it() {
    within(async {
        let (serving, _) = serve(Listen::danger_plaintext()).await;
        let connection = connect(&plain_config(serving.local_addr())).await.unwrap();
        let mut stream = watch(&connection).await;
        drop(connection);
        // Nothing comes, and that is the point: a stream that was cut would give an error at once.
        assert!(
            tokio::time::timeout(Duration::from_millis(50), stream.message())
                .await
                .is_err()
        );
        let (ended, ()) = tokio::join!(serving.shutdown(Duration::from_secs(60)), async { drop(stream) });
        assert_eq!(ended, Ended::Drained);
    })
    .await;
}

#[tokio::test]
async fn closing_ends_the_connection_for_its_clones() {
    within(async {
        let (serving, _) = serve(Listen::danger_plaintext()).await;
        let connection = connect(&plain_config(serving.local_addr())).await.unwrap();
        let clone = connection.clone();
        let mut stream = watch(&connection).await;
        connection.close().await;
        assert!(clone.is_closed());
        assert!(clone.closed().await.is_clean());
        assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(check(&clone).await.unwrap_err().code(), Code::Unavailable);
        drop(serving);
    })
    .await;
}
