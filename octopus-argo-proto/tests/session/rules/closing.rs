//! Goodbye, drain, and a lost connection.

use octopus_argo_proto::session::{Execution, OpenError};

use super::super::pair::{Line, Pair, S, Side};
use super::*;

fn goodbye(message: &str) -> Body {
    Body::Goodbye(v1::Goodbye {
        reason: v1::GoodbyeReason::Revoked.into(),
        message: message.into(),
        retry_after_ms: 1500,
    })
}

#[test]
fn a_goodbye_that_arrives_ends_the_calls_and_then_the_session() {
    let (mut server, call) = Bench::server_with_call();
    server.feed_unnumbered([goodbye("a new\u{1b}[2J token\r\n is needed\u{0}\u{9b}")]);
    let events = server.events();
    let [
        Event::Ended { call: ended, end },
        Event::Closed(CloseReason::Goodbye {
            reason,
            message,
            retry_after,
        }),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(*ended, call);
    let cause = EndCause::Goodbye {
        reason: GoodbyeReason::Revoked,
        execution: Execution::Possible,
    };
    assert_eq!((end.code, end.cause), (Code::UNAVAILABLE, Some(cause)));
    assert_eq!(*reason, GoodbyeReason::Revoked);
    assert_eq!(
        message, "a new[2J token is needed",
        "control characters are dropped"
    );
    assert_eq!(*retry_after, Duration::from_millis(1500));
    assert!(server.session.is_over());
    assert!(server.packets().is_empty(), "a goodbye is not answered");
}

#[test]
fn a_long_goodbye_is_shortened() {
    let mut gateway = Bench::gateway();
    gateway.feed_unnumbered([goodbye(&"ä".repeat(5000))]);
    let events = gateway.events();
    let [Event::Closed(CloseReason::Goodbye { message, .. })] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(message.chars().count(), 200);
}

#[test]
fn a_goodbye_refuses_a_hello() {
    let mut gateway = Bench::new_gateway_with(Config::default());
    let _hello = gateway.frames();
    gateway.feed_unnumbered([goodbye("")]);
    assert!(matches!(
        gateway.events()[..],
        [Event::Closed(CloseReason::Goodbye { .. })]
    ));
}

#[test]
fn leaving_sends_reason_message_and_wait() {
    let (mut server, call) = Bench::server_with_call();
    server
        .session
        .send(call, Bytes::from_static(b"never sent"))
        .map(drop)
        .unwrap();
    server
        .session
        .leave_for(GoodbyeReason::Rotation, "see you", 3 * S);
    let events = server.events();
    let [
        Event::Ended { end, .. },
        Event::Closed(CloseReason::Ended(GoodbyeReason::Rotation)),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    let cause = EndCause::EndedHere {
        reason: GoodbyeReason::Rotation,
        execution: Execution::Possible,
    };
    assert_eq!(end.cause, Some(cause));
    let frames = server.frames();
    let [Body::Goodbye(sent)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!((&*sent.message, sent.retry_after_ms), ("see you", 3000));
    assert!(server.session.is_over());
}

#[test]
fn nothing_happens_after_the_end() {
    let (mut gateway, call) = Bench::gateway_with_call();
    gateway.session.leave(GoodbyeReason::Rotation, "");
    gateway.session.leave(GoodbyeReason::Internal, "twice");
    assert!(matches!(
        gateway.events()[..],
        [Event::Cancelled { .. }, Event::Closed(_)]
    ));
    gateway.feed([open(2)]);
    gateway.session.tick(gateway.now + 100 * S);
    gateway.taken(call, 5);
    gateway.session.drain(GoodbyeReason::Shutdown);
    assert!(gateway.session.head(call, Vec::new()).is_err());
    assert_eq!(gateway.frames().len(), 1, "the goodbye");
    gateway.session.lost();
    gateway.feed([open(3)]);
    assert!(gateway.events().is_empty() && gateway.packets().is_empty());
}

#[test]
fn a_drain_refuses_new_calls_and_waits_for_the_last_one() {
    let mut pair = Pair::established(Line::FAST);
    let call = pair
        .with(Side::Server, |session, now| session.open(Request::new(PATH), now))
        .unwrap();
    pair.settle();
    pair.with(Side::Gateway, |session, _| session.drain(GoodbyeReason::Shutdown));
    pair.settle();
    assert!(matches!(pair.events(Side::Gateway)[..], [Event::Opened { .. }]));
    assert!(matches!(
        pair.events(Side::Server)[..],
        [Event::Draining(GoodbyeReason::Shutdown)]
    ));
    let refused = pair.with(Side::Server, |session, now| session.open(Request::new(PATH), now));
    assert_eq!(refused, Err(OpenError::Draining));
    pair.with(Side::Gateway, |session, _| {
        session.end(call, CallEnd::new(Code::OK, ""))
    })
    .unwrap();
    pair.settle();
    assert!(matches!(pair.events(Side::Gateway)[..], [Event::Drained]));
    assert!(matches!(pair.events(Side::Server)[..], [Event::Ended { .. }]));
}

#[test]
fn an_open_that_crosses_a_drain_ends_without_execution() {
    let mut gateway = Bench::gateway();
    gateway.session.drain(GoodbyeReason::Shutdown);
    gateway.session.drain(GoodbyeReason::Shutdown);
    assert!(matches!(gateway.events()[..], [Event::Drained]));
    gateway.feed([open(1), data(1, 10), half_close(1)]);
    let frames = gateway.frames();
    let [Body::Drain(_), Body::End(end)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!(end.cause(), v1::TunnelCause::Draining);
    assert_eq!(end.status, Code::UNAVAILABLE.number());
    assert!(gateway.events().is_empty());
}

#[test]
fn a_lost_connection_says_whether_a_call_was_sent() {
    let (mut server, sent) = Bench::server_with_call();
    let unsent = server.open();
    server.session.lost();
    let events = server.events();
    let ends: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Ended { call, end } => Some((*call, end.cause, end.code)),
            _ => None,
        })
        .collect();
    let lost = |execution| Some(EndCause::Lost(execution));
    assert_eq!(
        ends,
        [
            (sent, lost(Execution::Possible), Code::UNAVAILABLE),
            (unsent, lost(Execution::NotSent), Code::UNAVAILABLE),
        ]
    );
    assert!(matches!(events.last(), Some(Event::Closed(CloseReason::Lost))));
    assert!(server.session.is_over() && server.packets().is_empty());
}

#[test]
fn a_lost_connection_cancels_what_was_answered() {
    let (mut gateway, call) = Bench::gateway_with_call();
    gateway.session.lost();
    let events = gateway.events();
    assert!(
        matches!(events[..], [Event::Cancelled { call: lost }, Event::Closed(CloseReason::Lost)] if lost == call)
    );
}

#[test]
fn a_refused_call_without_a_connection_was_not_executed() {
    let mut server = Bench::new_server();
    server.session.lost();
    assert!(matches!(server.events()[..], [Event::Closed(CloseReason::Lost)]));
    let refused = server.session.open(Request::new(PATH), server.now);
    assert_eq!(refused, Err(OpenError::NotEstablished));
}

#[test]
fn drained_comes_behind_the_end_of_the_last_call() {
    // Ended by the other side, by its deadline, and by a breach.
    for way in 0..3 {
        let mut server = Bench::server();
        let request = Request::new(PATH).timeout(S);
        server.session.open(request, server.now).unwrap();
        let _open = server.frames();
        server.session.drain(GoodbyeReason::Rotation);
        match way {
            0 => server.feed([end(1)]),
            1 => server.wait(S),
            _ => server.feed([data(1, 1)]),
        }
        let events = server.events();
        assert!(
            matches!(events[..], [Event::Ended { .. }, Event::Drained]),
            "{way}: {events:?}"
        );
    }
    let (mut gateway, _) = Bench::gateway_with_call();
    gateway.session.drain(GoodbyeReason::Rotation);
    gateway.feed([cancel(1)]);
    let events = gateway.events();
    assert!(
        matches!(events[..], [Event::Cancelled { .. }, Event::Drained]),
        "{events:?}"
    );
}
