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

#[test]
fn who_never_acknowledges_is_left() {
    let (mut server, call) = Bench::server_with_call();
    let _ = server.session.send(call, Bytes::from(vec![1; 60_000])).unwrap();
    let _sent = server.packets();
    let start = server.now;
    // It is alive, and says nothing of what it has.
    while server.now + super::super::pair::S < start + Config::DEAD_AFTER {
        server.now += super::super::pair::S;
        server.feed_unnumbered([Body::Ping(v1::Ping { id: 1 })]);
        server.session.tick(server.now);
    }
    assert!(server.session.is_established());
    server.wait(super::super::pair::S);
    server.packets_until_goodbye(GoodbyeReason::LimitExceeded);
}

#[test]
fn who_never_acknowledges_costs_no_more_than_the_replay_buffer() {
    let limits = v1::Limits {
        initial_credit: u32::MAX,
        ..v1::Limits::default()
    };
    let mut server = Bench::server_with(limits);
    for _ in 0..100 {
        let call = server.open();
        let _ = server.session.send(call, Bytes::from(vec![1; 1 << 20])).unwrap();
    }
    let sent: usize = server.packets().iter().map(Message::encoded_len).sum();
    assert!(sent as u64 <= Config::REPLAY_BUFFER, "{sent}");
    assert!(sent as u64 > Config::REPLAY_BUFFER * 9 / 10, "{sent}");
    assert!(server.session.buffered_bytes() <= Config::REPLAY_BUFFER);
}

#[test]
fn old_packets_again_and_again_end_the_session() {
    let mut gateway = Bench::gateway();
    gateway.feed([open(1)]);
    for _ in 0..100_000 {
        gateway.feed_packet(1, 0, [open(1)]);
    }
    assert_eq!(gateway.session.open_calls(), 1, "none of them counts");
    gateway.feed_packet(1, 0, [open(1)]);
    assert_eq!(goodbye_of(&mut gateway), GoodbyeReason::ProtocolError);
}

#[test]
fn a_call_without_a_method_is_not_executed() {
    let mut gateway = Bench::gateway();
    for (call, path) in (1..).zip(["", "/", "/a.B/", "//c", "a.B/c", "/a.B/c/d"]) {
        gateway.feed([Body::Open(v1::Open {
            call,
            path: path.to_owned(),
            ..v1::Open::default()
        })]);
        assert!(gateway.events().is_empty(), "{path:?}");
        let [Body::End(end)] = &gateway.frames()[..] else {
            panic!("{path:?} has no end")
        };
        assert_eq!(
            (end.status, end.cause()),
            (12, v1::TunnelCause::Breach),
            "{path:?}"
        );
    }
    assert!(gateway.session.is_established());
}

#[test]
fn empty_packets_and_frames_cost_nothing_that_lasts() {
    let (mut gateway, call) = Bench::gateway_with_call();
    for _ in 0..10_000 {
        gateway.feed([]);
    }
    let mut accepted = 0;
    while gateway.session.open_calls() == 1 {
        gateway.feed([data(1, 0)]);
        accepted += 1;
    }
    assert!(accepted <= 2_000, "{accepted} empty frames without being taken");
    assert!(
        matches!(gateway.events().last(), Some(Event::Cancelled { call: cancelled }) if *cancelled == call)
    );
    assert!(gateway.session.buffered_bytes() <= 200_000);
}
