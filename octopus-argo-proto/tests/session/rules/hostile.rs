//! A side that asks for much and reads nothing, or promises less than a frame.

use super::*;

/// What waits for a gateway's peer that has read nothing, as frames.
fn goodbye_of(bench: &mut Bench) -> GoodbyeReason {
    let frames = bench.frames();
    let goodbye = frames.iter().find_map(|frame| match frame {
        Body::Goodbye(goodbye) => Some(goodbye.reason()),
        _ => None,
    });
    match goodbye {
        Some(v1::GoodbyeReason::LimitExceeded) => GoodbyeReason::LimitExceeded,
        Some(v1::GoodbyeReason::ProtocolError) => GoodbyeReason::ProtocolError,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flood_of_pings_costs_one_answer() {
    let mut gateway = Bench::gateway();
    for id in 1..=10_000 {
        gateway.feed_unnumbered([Body::Ping(v1::Ping { id })]);
    }
    let frames = gateway.frames();
    assert!(
        matches!(frames[..], [Body::Pong(v1::Pong { id: 10_000 })]),
        "{} frames",
        frames.len()
    );
}

#[test]
fn opening_and_cancelling_without_reading_ends_the_session() {
    let mut gateway = Bench::gateway();
    let mut fed = 0;
    for call in 1..=20_000 {
        let open = v1::Open {
            call,
            path: "no path".to_owned(),
            ..v1::Open::default()
        };
        gateway.feed([Body::Open(open)]);
        fed += 1;
        if !gateway.session.is_established() {
            break;
        }
    }
    assert!(fed < 10_000, "{fed} refusals wait");
    assert_eq!(goodbye_of(&mut gateway), GoodbyeReason::LimitExceeded);
}

#[test]
fn credit_for_less_than_a_frame_is_refused() {
    let mut server = Bench::new_server();
    let limits = v1::Limits {
        initial_credit: 64,
        ..v1::Limits::default()
    };
    server.feed_unnumbered([Body::Hello(v1::Hello {
        limits: Some(limits),
        ..hello()
    })]);
    assert_eq!(goodbye_of(&mut server), GoodbyeReason::ProtocolError);
}

#[test]
fn an_end_that_is_too_large_keeps_its_code() {
    let (mut gateway, call) = Bench::gateway_with_call();
    let end = CallEnd::new(Code::from_number(9), "ä".repeat(20_000)).details(vec![1; 5 << 20].into());
    gateway.session.end(call, end).unwrap();
    let frames = gateway.frames();
    let [Body::End(end)] = &frames[..] else {
        panic!("{} frames", frames.len())
    };
    assert_eq!((end.status, end.details.len()), (9, 0));
    assert!(end.message.len() <= 16 << 10 && end.message.len() > 16_000);
}

#[test]
fn headers_that_are_too_large_end_the_call() {
    let (mut gateway, call) = Bench::gateway_with_call();
    let metadata = vec![Metadata {
        key: "x".to_owned(),
        value: vec![b'x'; 20_000].into(),
    }];
    assert!(gateway.session.head(call, metadata).is_err());
    let frames = gateway.frames();
    let [Body::End(end)] = &frames[..] else {
        panic!("{} frames", frames.len())
    };
    assert_eq!(end.status, Code::RESOURCE_EXHAUSTED.number());
}
