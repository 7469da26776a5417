//! Who ends a call, and when.

use std::time::Duration;

use tonic::Code;

use crate::call::{Call, GiveUp, KINDS, Kind};
use crate::ground::Ground;
use crate::probe::page;

#[tokio::test]
async fn the_service_goes_on_when_the_request_is_over() {
    let mut ground = Ground::new().await;
    let call = Call::new(Kind::Both, "after-end 50 3000").messages((0..5).map(|number| page(number, 100)));
    let outcome = ground.same("half closed", &call).await;
    assert_eq!((outcome.messages.len(), outcome.code()), (51, Code::Ok));
    assert_eq!(outcome.told, ["over", "request complete"]);
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn an_answer_before_the_request_is_over() {
    let mut ground = Ground::new().await;
    for kind in [Kind::Up, Kind::Both] {
        let outcome = ground.same("early", &Call::new(kind, "early").open()).await;
        assert_eq!((outcome.messages.len(), outcome.code()), (1, Code::Ok));
        // With more on its way than anybody will read.
        let many = (0..200).map(|number| page(number, 50_000));
        let outcome = ground
            .same("early", &Call::new(kind, "early").messages(many))
            .await;
        assert_eq!((outcome.messages.len(), outcome.code()), (1, Code::Ok));
    }
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn the_caller_gives_up() {
    let mut ground = Ground::new().await;
    for kind in KINDS {
        let call = Call::new(kind, "hang").give_up(GiveUp::Begun);
        let outcome = ground.same("given up", &call).await;
        assert_eq!(outcome.told, ["began", "over"]);
        let outcome = ground.same("given up", &call.open()).await;
        assert_eq!(outcome.told, ["began", "over"]);
    }
    for kind in [Kind::Down, Kind::Both] {
        let call = Call::new(kind, "hang-later 3 1000").give_up(GiveUp::After(3));
        assert_eq!(ground.same("given up", &call).await.told, ["over"]);
        // With more on its way than was read.
        let call = Call::new(kind, "pages 1000 10000").give_up(GiveUp::After(2));
        assert_eq!(ground.same("given up", &call).await.told, ["over"]);
    }
    ground.nothing_is_left().await;
}

/// Without a comparison: over hyper's client a call whose answer is dropped goes on for as long as its request is open,
/// because the request's body is sent by a task of its own. Through the tunnel it ends.
#[tokio::test]
async fn the_caller_gives_up_while_its_request_is_open() {
    let mut ground = Ground::new().await;
    let call = Call::new(Kind::Both, "listen").open().give_up(GiveUp::After(1));
    assert_eq!(ground.tunnel.make(&call, true).await.told, ["over"]);
    assert_eq!(ground.behind.make(&call, true).await.told, ["over"]);
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn the_deadline_passes() {
    let mut ground = Ground::new().await;
    for kind in KINDS {
        let mut call = Call::new(kind, "hang");
        call.timeout = Some(Duration::from_millis(300));
        let outcome = ground.same("deadline", &call).await;
        assert_eq!(outcome.told, ["began", "over"]);
        // One that is met does nothing.
        let mut call = Call::new(kind, "echo");
        call.timeout = Some(Duration::from_secs(50));
        assert_eq!(ground.same("in time", &call).await.code(), Code::Ok);
    }
    ground.nothing_is_left().await;
}
