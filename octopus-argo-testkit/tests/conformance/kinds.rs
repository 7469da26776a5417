//! All four kinds of calls, with messages of all sizes.

use bytes::Bytes;
use tonic::Code;

use crate::call::{Call, KINDS, Kind};
use crate::ground::Ground;
use crate::outcome::{Digest, End};
use crate::probe::page;

const LARGE: usize = 32 << 20;

#[tokio::test]
async fn every_kind_with_no_some_and_empty_messages() {
    let mut ground = Ground::new().await;
    for kind in KINDS {
        for messages in [
            vec![],
            vec![Bytes::new()],
            vec![page(1, 1), Bytes::new(), page(2, 70_000)],
            (0..300).map(|number| page(number, number)).collect(),
        ] {
            let call = Call::new(kind, "echo").messages(messages.clone());
            let outcome = ground.same("echo", &call).await;
            if kind == Kind::Both {
                let sent: Vec<_> = messages.iter().map(Digest::of).collect();
                assert_eq!(outcome.messages, sent);
            }
            assert_eq!(outcome.code(), Code::Ok);
            let outcome = ground
                .same("count", &Call::new(kind, "count").messages(messages))
                .await;
            assert_eq!(outcome.told, ["over", "request complete"]);
        }
    }
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn pages_of_every_size_near_a_chunk() {
    let mut ground = Ground::new().await;
    let chunk = 64 << 10;
    for size in [
        chunk - 6,
        chunk - 5,
        chunk - 4,
        chunk,
        chunk + 1,
        2 * chunk - 10,
        3 * chunk,
    ] {
        let outcome = ground
            .same("pages", &Call::new(Kind::Down, &format!("pages 3 {size}")))
            .await;
        assert_eq!(outcome.messages.len(), 3);
    }
    let outcome = ground.same("pages", &Call::new(Kind::Down, "pages 0 0")).await;
    assert_eq!((outcome.messages.len(), outcome.code()), (0, Code::Ok));
    ground
        .same("pages", &Call::new(Kind::Down, "pages 2000 100"))
        .await;
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn messages_of_32_mib_go_both_ways() {
    let mut ground = Ground::new().await;
    let large = page(0, LARGE);
    for kind in [Kind::Unary, Kind::Both] {
        let outcome = ground
            .same("large", &Call::new(kind, "echo").messages([large.clone()]))
            .await;
        assert_eq!(outcome.messages, [Digest::of(&large)]);
    }
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn a_message_over_the_callers_limit() {
    let mut ground = Ground::new().await;
    for kind in [Kind::Unary, Kind::Down] {
        let mut call = Call::new(kind, "pages 1 2000");
        call.largest = 1000;
        let outcome = ground.same("over the limit", &call).await;
        assert_eq!(outcome.code(), Code::OutOfRange);
    }
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn compressed_both_ways() {
    let mut ground = Ground::new().await;
    for kind in KINDS {
        for messages in [vec![page(1, 300_000)], vec![Bytes::new(), page(1, 10)]] {
            let mut call = Call::new(kind, "echo")
                .messages(messages.clone())
                .with("x-gzip", "1");
            call.gzip = true;
            let outcome = ground.same("compressed", &call).await;
            let head = outcome.head.unwrap();
            assert!(
                head.contains(&("grpc-encoding".into(), "gzip".into())),
                "{head:?}"
            );
            assert!(matches!(outcome.end, End::Ok(_)));
        }
    }
    // Compressed by the caller, which does not take it itself.
    let mut call = Call::new(Kind::Both, "describe");
    call.gzip = true;
    ground.same("described", &call).await;
    ground.nothing_is_left().await;
}
