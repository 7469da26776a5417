//! What a listener grants to peers that are silent, many, or wrong.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use octopus_argo_client::connection::connect;
use octopus_argo_client::tls::Tls;
use octopus_argo_server::listen::Listen;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::{Authority, HOST, attempt, check, plain_config, serve, within};

#[tokio::test]
async fn a_silent_socket_gives_its_place_back() {
    within(async {
        let leaf = Authority::new().identity();
        let tls = Tls::pinned(leaf.identity.thumbprint());
        for listen in [Listen::tls(&leaf.identity).unwrap(), Listen::danger_plaintext()] {
            let plaintext = format!("{listen:?}").contains("tls: false");
            let (serving, _) = serve(
                listen
                    .max_handshakes(1)
                    .handshake_timeout(Duration::from_millis(50)),
            )
            .await;
            let mut silent = TcpStream::connect(serving.local_addr()).await.unwrap();
            // Its place is the only one, so this waits until the silent one has been cut.
            let connection = if plaintext {
                connect(&plain_config(serving.local_addr())).await.unwrap()
            } else {
                attempt(serving.local_addr(), HOST, &tls).await.unwrap()
            };
            assert_eq!(check(&connection).await.unwrap(), 1);
            assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    within(async {
        let (serving, _) = serve(Listen::danger_plaintext().max_connections(1)).await;
        let config = plain_config(serving.local_addr());
        let first = connect(&config).await.unwrap();
        let error = connect(&config.clone().handshake_timeout(Duration::from_millis(50)))
            .await
            .unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        first.close().await;
        check(&connect(&config).await.unwrap()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_listener_of_the_standard_library_will_do() {
    within(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let expected = listener.local_addr().unwrap();
        let (_, health) = tonic_health::server::health_reporter();
        let serving = Listen::danger_plaintext().serve(listener, health).unwrap();
        assert_eq!(serving.local_addr(), expected);
        check(&connect(&plain_config(expected)).await.unwrap())
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn many_cancelled_calls_do_not_end_a_connection() {
    within(async {
        let (serving, seen) = serve(Listen::danger_plaintext()).await;
        let connection = connect(&plain_config(serving.local_addr())).await.unwrap();
        for _ in 0..40 {
            let mut calls: Vec<_> = (0..50).map(|_| Box::pin(check(&connection))).collect();
            for call in &mut calls {
                assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
            }
            // Calls and resets reach the server close together, so that it gets many resets before it looks.
            tokio::task::yield_now().await;
            drop(calls);
            check(&connection).await.unwrap();
        }
        assert!(!connection.is_closed());
        // The forty that were let finish, and some that were not: the calls did go out.
        assert!(seen.lock().unwrap().len() > 40);
    })
    .await;
}
