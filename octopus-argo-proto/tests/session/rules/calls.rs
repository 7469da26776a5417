//! The frames of a call: their order, their limits, and calls that are over.

use octopus_argo_proto::session::OpenError;

use super::super::pair::{MS, S};
use super::*;

#[test]
fn call_numbers_count_up() {
    for id in [0, 4, 5] {
        let mut gateway = Bench::gateway();
        gateway.opened(5);
        gateway.feed([open(id)]);
        gateway.assert_goodbye(GoodbyeReason::ProtocolError);
    }
    let mut gateway = Bench::gateway();
    gateway.opened(5);
    gateway.opened(900);
}

#[test]
fn only_the_server_opens() {
    let mut server = Bench::server();
    server.feed([open(1)]);
    server.assert_goodbye(GoodbyeReason::ProtocolError);

    let mut gateway = Bench::gateway();
    let refused = gateway.session.open(Request::new(PATH), gateway.now);
    assert_eq!(refused, Err(OpenError::NotEstablished));
}

#[test]
fn the_opener_keeps_to_the_number_of_calls_that_the_gateway_allows() {
    let mut server = Bench::server_with(v1::Limits {
        max_calls: 2,
        ..v1::Limits::default()
    });
    let first = server.open();
    server.open();
    let refused = server.session.open(Request::new(PATH), server.now);
    assert!(matches!(refused, Err(OpenError::TooManyCalls { limit: 2, .. })));
    server.session.cancel(first);
    server.open();
}

#[test]
fn the_answerer_ends_a_call_too_many() {
    let mut gateway = Bench::gateway_with(Config::default().max_calls(2));
    gateway.opened(1);
    gateway.opened(2);
    gateway.feed([open(3), data(3, 10)]);
    let frames = gateway.frames();
    let [Body::End(end)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!((end.call, end.cause()), (3, v1::TunnelCause::Limit));
    assert_eq!(end.status, Code::RESOURCE_EXHAUSTED.number());
    assert!(gateway.events().is_empty());
    assert_eq!(gateway.session.open_calls(), 2);
    gateway.feed([cancel(1)]);
    let _cancelled = gateway.events();
    gateway.opened(4);
}

#[test]
fn the_opener_keeps_to_the_metadata_that_the_gateway_allows() {
    let mut server = Bench::server_with(v1::Limits {
        max_metadata_bytes: 1000,
        ..v1::Limits::default()
    });
    let request = Request::new(PATH).metadata(metadata(1001));
    let refused = server.session.open(request, server.now);
    let Err(OpenError::MetadataTooLarge { size, limit, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((size, limit), (1001, 1000));
    let request = Request::new(PATH).metadata(metadata(1000));
    server.session.open(request, server.now).unwrap();
}

#[test]
fn the_answerer_ends_a_call_with_too_many_metadata() {
    let mut gateway = Bench::gateway();
    let with = |call, size| {
        Body::Open(v1::Open {
            call,
            path: PATH.into(),
            metadata: metadata(size),
            timeout_ns: None,
        })
    };
    gateway.feed([with(1, 16 << 10)]);
    assert!(matches!(gateway.events()[..], [Event::Opened { .. }]));
    gateway.feed([with(2, (16 << 10) + 1)]);
    assert!(gateway.events().is_empty());
    let frames = gateway.frames();
    let [Body::End(end)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!((end.call, end.cause()), (2, v1::TunnelCause::Limit));
}

#[test]
fn an_answer_with_too_many_metadata_is_a_breach() {
    let (mut server, call) = Bench::server_with_call();
    let metadata = metadata((16 << 10) + 1);
    server.feed([Body::Head(v1::Head { call: 1, metadata })]);
    server.assert_breach(call);

    let (mut server, call) = Bench::server_with_call();
    let message = "x".repeat((16 << 10) + 1);
    server.feed([Body::End(v1::End {
        call: 1,
        message,
        ..v1::End::default()
    })]);
    server.assert_breach(call);
}

#[test]
fn a_path_has_a_service_and_a_method() {
    for path in [
        "",
        "/",
        "service/method",
        "/service",
        "/service/",
        "//method",
        "/a/b/c",
    ] {
        let mut server = Bench::server();
        let refused = server.session.open(Request::new(path), server.now);
        assert_eq!(refused, Err(OpenError::Path), "{path}");

        let mut gateway = Bench::gateway();
        gateway.feed([Body::Open(v1::Open {
            call: 1,
            path: path.into(),
            ..v1::Open::default()
        })]);
        let frames = gateway.frames();
        let [Body::End(end)] = &frames[..] else {
            panic!("{path}: {frames:?}")
        };
        assert_eq!(end.status, Code::UNIMPLEMENTED.number(), "{path}");
        assert!(gateway.events().is_empty() && gateway.session.is_established());
    }
}

#[test]
fn data_before_the_head_is_a_breach_of_the_call() {
    let (mut server, call) = Bench::server_with_call();
    server.feed([data(1, 10)]);
    server.assert_breach(call);
}

#[test]
fn a_second_head_is_a_breach_of_the_call() {
    let (mut server, call) = Bench::server_with_call();
    server.feed([head(1), head(1)]);
    server.assert_breach(call);
}

#[test]
fn a_second_half_close_is_a_breach_of_the_call() {
    let (mut gateway, call) = Bench::gateway_with_call();
    gateway.feed([half_close(1), half_close(1)]);
    gateway.assert_breach(call);
}

#[test]
fn data_behind_a_half_close_is_a_breach_of_the_call() {
    let (mut gateway, call) = Bench::gateway_with_call();
    gateway.feed([half_close(1), data(1, 1)]);
    gateway.assert_breach(call);
}

#[test]
fn frames_of_the_opener_do_not_come_from_the_answerer_nor_the_other_way_round() {
    for frame in [cancel(1), half_close(1)] {
        let (mut server, call) = Bench::server_with_call();
        server.feed([frame]);
        server.assert_breach(call);
    }
    for frame in [head(1), end(1)] {
        let (mut gateway, call) = Bench::gateway_with_call();
        gateway.feed([frame]);
        gateway.assert_breach(call);
    }
}

#[test]
fn late_frames_of_a_call_that_is_over_are_ignored() {
    let (mut server, call) = Bench::server_with_call();
    server.session.cancel(call);
    server.feed([head(1), data(1, 10), credit(1, 10), end(1), end(1)]);
    assert!(server.events().is_empty());
    assert!(server.session.is_established());

    let (mut gateway, _) = Bench::gateway_with_call();
    gateway.feed([cancel(1), cancel(1), data(1, 10), half_close(1), credit(1, 10)]);
    assert!(matches!(gateway.events()[..], [Event::Cancelled { .. }]));
    assert!(gateway.session.is_established() && gateway.frames().is_empty());
}

#[test]
fn a_frame_for_a_call_that_was_never_opened_ends_the_session() {
    for id in [0, 2, u64::MAX] {
        for frame in [head(id), data(id, 1), end(id), credit(id, 1)] {
            let (mut server, _) = Bench::server_with_call();
            server.feed([frame]);
            server.assert_goodbye(GoodbyeReason::ProtocolError);
        }
        for frame in [data(id, 1), half_close(id), cancel(id), credit(id, 1)] {
            let (mut gateway, _) = Bench::gateway_with_call();
            gateway.feed([frame]);
            gateway.assert_goodbye(GoodbyeReason::ProtocolError);
        }
    }
}

#[test]
fn the_openers_deadline_ends_the_call_and_cancels() {
    let mut server = Bench::server();
    let call = server
        .session
        .open(Request::new(PATH).timeout(80 * MS), server.now)
        .unwrap();
    let frames = server.frames();
    let [Body::Open(open)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!(open.timeout_ns, Some(80_000_000));
    assert_eq!(server.session.next_timeout(), Some(server.now + 80 * MS));
    server.wait(79 * MS);
    assert!(server.events().is_empty());
    server.wait(MS);
    let events = server.events();
    let [Event::Ended { call: ended, end }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((*ended, end.code), (call, Code::DEADLINE_EXCEEDED));
    assert_eq!(end.cause, Some(EndCause::Deadline));
    assert!(matches!(server.frames()[..], [Body::Cancel(_)]));
    assert!(
        server.session.next_timeout().unwrap() > server.now + S,
        "the deadline is gone"
    );
}

#[test]
fn the_answerers_deadline_ends_the_call_too() {
    let mut gateway = Bench::gateway();
    gateway.feed([Body::Open(v1::Open {
        call: 1,
        path: PATH.into(),
        metadata: Vec::new(),
        timeout_ns: Some(80_000_000),
    })]);
    let events = gateway.events();
    let [Event::Opened { timeout, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*timeout, Some(80 * MS));
    gateway.wait(80 * MS);
    assert!(matches!(gateway.events()[..], [Event::Cancelled { .. }]));
    let frames = gateway.frames();
    let [Body::End(end)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!(end.status, Code::DEADLINE_EXCEEDED.number());
}

#[test]
fn a_deadline_goes_with_its_call() {
    let mut server = Bench::server();
    for _ in 0..3 {
        let request = Request::new(PATH).timeout(S);
        server.session.open(request, server.now).unwrap();
    }
    let _opens = server.frames();
    server.feed([end(1)]);
    let (first, idle) = (server.now + S, server.now + 10 * S);
    let _ended = server.events();
    assert!(server.session.next_timeout().unwrap() <= first);
    server.feed([end(2), end(3)]);
    server.wait(50 * MS);
    let _acknowledgement = server.packets();
    assert_eq!(server.session.next_timeout(), Some(idle));
    let _ended = server.events();

    let call = server
        .session
        .open(Request::new(PATH).timeout(S), server.now)
        .unwrap();
    server.session.cancel(call);
    let _cancel = server.frames();
    assert_eq!(server.session.next_timeout(), Some(idle), "a cancel too");
    server.wait(2 * S);
    assert!(server.events().is_empty());
}

#[test]
fn the_longest_deadline_is_no_deadline() {
    let mut gateway = Bench::gateway();
    gateway.feed([Body::Open(v1::Open {
        call: 1,
        path: PATH.into(),
        metadata: Vec::new(),
        timeout_ns: Some(u64::MAX),
    })]);
    assert!(matches!(gateway.events()[..], [Event::Opened { .. }]));
    let mut server = Bench::server();
    let request = Request::new(PATH).timeout(Duration::MAX);
    server.session.open(request, server.now).unwrap();
}

#[test]
fn trailers_details_and_unknown_codes_pass_unchanged() {
    let (mut gateway, call) = Bench::gateway_with_call();
    let sent = CallEnd::new(Code::from_number(77), "tab\there, ünïcode")
        .details(Bytes::from_static(b"\x08\x05"))
        .trailers(metadata(100));
    gateway.session.end(call, sent.clone()).unwrap();
    let frames = gateway.frames();
    let (mut server, _) = Bench::server_with_call();
    server.feed(frames);
    let events = server.events();
    let [Event::Ended { end, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*end, sent, "trailers only: no head came before");
}

#[test]
fn a_call_that_was_not_sent_yet_cannot_be_answered() {
    let mut server = Bench::server();
    server.open();
    server.feed([end(1)]);
    server.assert_goodbye(GoodbyeReason::ProtocolError);
}

#[test]
fn each_side_has_its_own_wishes() {
    // The opener does not answer, and the answerer does not half-close.
    let (mut server, call) = Bench::server_with_call();
    assert!(server.session.head(call, Vec::new()).is_err());
    assert!(server.session.end(call, CallEnd::new(Code::OK, "")).is_err());
    assert!(server.frames().is_empty());
    assert_eq!(server.session.open_calls(), 1);

    let (mut gateway, call) = Bench::gateway_with_call();
    assert!(gateway.session.half_close(call).is_err());
    gateway.session.cancel(call);
    assert!(gateway.frames().is_empty());
    assert_eq!(gateway.session.open_calls(), 1);
}
