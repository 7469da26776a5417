//! Calls that fail.

use tonic::Code;

use crate::call::{Call, KINDS, Kind};
use crate::ground::Ground;
use crate::outcome::End;
use crate::probe::DETAILS;

const MESSAGES: [&str; 8] = [
    "",
    "plain words",
    "100 % sure",
    "two\nlines\r\n and a tab\t",
    "Grüße, 世界 🎉",
    "already %20 encoded",
    "\u{7f}\u{0}",
    " leading and trailing ",
];

fn refusal(kind: Kind, code: u8, message: &str) -> Call {
    Call::new(kind, "refuse")
        .with("x-code", &code.to_string())
        .with_bin("x-message-bin", message.as_bytes())
        .with("x-m-trailer", "one")
        .with("x-m-trailer", "two")
        .with_bin("x-m-trailer-bin", b"\0\x01")
}

#[tokio::test]
async fn every_code_with_details_and_trailers() {
    let mut ground = Ground::new().await;
    for kind in KINDS {
        for code in 1..=16 {
            let outcome = ground.same("refused", &refusal(kind, code, "not so")).await;
            let End::Status {
                code: seen,
                details,
                trailers,
                ..
            } = outcome.end
            else {
                panic!("{outcome:?}")
            };
            assert_eq!(seen, Code::from_i32(code.into()));
            assert_eq!(details, DETAILS);
            assert_eq!(
                trailers
                    .iter()
                    .filter(|(name, _)| name.starts_with("x-m-"))
                    .count(),
                3
            );
            ground
                .same("refused", &refusal(kind, code, "").with("x-plain", "1"))
                .await;
        }
    }
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn messages_of_all_characters() {
    let mut ground = Ground::new().await;
    for message in MESSAGES {
        for kind in [Kind::Unary, Kind::Both] {
            let outcome = ground.same("words", &refusal(kind, 9, message)).await;
            let End::Status { message: seen, .. } = outcome.end else {
                panic!("{outcome:?}")
            };
            assert_eq!(seen, message);
        }
        let mut call = refusal(Kind::Down, 3, message);
        call.metadata.insert("x-do", "fail 1 10".parse().unwrap());
        ground.same("words", &call).await;
    }
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn an_error_after_data() {
    let mut ground = Ground::new().await;
    for (count, size) in [(0, 0), (1, 0), (3, 100_000), (200, 10)] {
        for kind in [Kind::Down, Kind::Both] {
            let mut call = refusal(kind, 11, "enough");
            let order = format!("fail {count} {size}");
            call.metadata.insert("x-do", order.parse().unwrap());
            let outcome = ground.same("an error after data", &call).await;
            assert_eq!(
                (outcome.messages.len(), outcome.code()),
                (count, Code::OutOfRange)
            );
        }
    }
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn a_refusal_while_the_request_goes_on() {
    let mut ground = Ground::new().await;
    for kind in [Kind::Up, Kind::Both] {
        let outcome = ground.same("refused", &refusal(kind, 7, "no").open()).await;
        assert_eq!(outcome.code(), Code::PermissionDenied);
    }
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn methods_and_services_that_are_not_there() {
    let mut ground = Ground::new().await;
    for kind in KINDS {
        let mut call = Call::new(kind, "echo");
        call.path = Some("/conformance.Probe/Nothing");
        let outcome = ground.same_before_service("no method", &call).await;
        assert_eq!(outcome.code(), Code::Unimplemented);
        call.path = Some("/conformance.Nobody/Unary");
        let outcome = ground.same_before_service("no service", &call).await;
        assert_eq!(outcome.code(), Code::Unimplemented);
    }
    ground.nothing_is_left().await;
}
