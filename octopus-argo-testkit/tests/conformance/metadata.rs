//! Headers and trailers, both ways.

use tonic::Code;

use crate::call::{Call, KINDS, Kind};
use crate::ground::Ground;
use crate::outcome::End;

fn marked(call: Call) -> Call {
    call.with("x-m-text", "one")
        .with("x-m-text", "two, three")
        .with("x-m-text", "")
        .with("x-m-text", "one")
        .with("x-m-other", "~!@#$%^&*()_+")
        .with_bin("x-m-some-bin", b"\0\xff\x80")
        .with_bin("x-m-some-bin", b"")
        .with_bin("x-m-some-bin", b"a")
        .with_bin("x-m-some-bin", &[b'='; 500])
}

#[tokio::test]
async fn repeated_and_binary_both_ways() {
    let mut ground = Ground::new().await;
    for kind in KINDS {
        let outcome = ground.same("marked", &marked(Call::new(kind, "echo"))).await;
        let head = outcome.head.unwrap();
        let marks = head.iter().filter(|(name, _)| name.starts_with("x-m-"));
        assert_eq!(marks.count(), 9, "{head:?}");
    }
    for kind in [Kind::Down, Kind::Both] {
        let outcome = ground
            .same("trailers", &marked(Call::new(kind, "trailers")))
            .await;
        let End::Ok(trailers) = outcome.end else {
            panic!("{outcome:?}")
        };
        let marks = trailers.iter().filter(|(name, _)| name.starts_with("x-m-"));
        assert_eq!(marks.count(), 9, "{trailers:?}");
    }
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn the_service_sees_the_same_headers() {
    let mut ground = Ground::new().await;
    for kind in KINDS {
        let call = marked(Call::new(kind, "describe")).with("user-data", "kept");
        let outcome = ground.same("described", &call).await;
        assert_eq!(outcome.code(), Code::Ok);
    }
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn request_metadata_that_are_too_large() {
    let mut ground = Ground::new().await;
    for size in [15_000, 40_000] {
        let call = Call::new(Kind::Unary, "echo").with("x-large", &"a".repeat(size));
        if size < 16_000 {
            assert_eq!(ground.same("large metadata", &call).await.code(), Code::Ok);
        } else {
            ground.same_before_service("too large metadata", &call).await;
        }
    }
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn response_metadata_that_are_too_large() {
    let mut ground = Ground::new().await;
    // They come back, and a little more beside them.
    let call = Call::new(Kind::Down, "echo").with("x-m-large", &"a".repeat(15_000));
    assert_eq!(ground.same("large metadata", &call).await.code(), Code::Ok);
    ground.nothing_is_left().await;
}
