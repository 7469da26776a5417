//! What may be sent on a call, and what that costs.

use octopus_argo_proto::session::{FRAME_COST, MAX_CHUNK, Room};

use super::*;

fn data_bytes(frames: &[Body]) -> usize {
    frames
        .iter()
        .map(|frame| match frame {
            Body::Data(data) => data.payload.len(),
            _ => 0,
        })
        .sum()
}

/// A server whose gateway gives each call this credit, and a call.
fn server_with_credit(initial_credit: u32) -> (Bench, CallId) {
    let mut server = Bench::server_with(v1::Limits {
        initial_credit,
        ..v1::Limits::default()
    });
    let call = server.open();
    let _open = server.frames();
    (server, call)
}

#[test]
fn a_sender_stops_where_its_credit_ends() {
    let (mut server, call) = server_with_credit(100_000);
    let _ = server.session.send(call, Bytes::from(vec![1; 300_000])).unwrap();
    let frames = server.frames();
    assert_eq!(frames.len(), 2);
    assert_eq!(data_bytes(&frames), 100_000 - 2 * 64);
    server.feed([credit(1, 64)]);
    assert!(server.frames().is_empty(), "that pays for no byte");
    server.feed([credit(1, 1)]);
    assert_eq!(data_bytes(&server.frames()), 1);
    server.feed([credit(1, u64::MAX), credit(1, u64::MAX)]);
    assert_eq!(data_bytes(&server.frames()), 200_128 - 1);
}

#[test]
fn an_end_waits_behind_the_data_before_it() {
    let (mut gateway, call) = Bench::gateway_with_call();
    gateway.session.head(call, Vec::new()).unwrap();
    let _ = gateway.session.send(call, Bytes::from(vec![1; 300_000])).unwrap();
    gateway.session.end(call, CallEnd::new(Code::OK, "")).unwrap();
    let frames = gateway.frames();
    assert!(!frames.iter().any(|frame| matches!(frame, Body::End(_))));
    assert_eq!(gateway.session.open_calls(), 1);
    gateway.feed([credit(1, 1 << 20)]);
    let frames = gateway.frames();
    assert!(
        matches!(frames[..], [Body::Data(_), .., Body::End(_)]),
        "{frames:?}"
    );
    assert_eq!(gateway.session.open_calls(), 0);
}

#[test]
fn data_beyond_the_credit_is_a_breach_of_the_call() {
    let mut gateway = Bench::gateway_with(Config::default().guaranteed_credit(70_000).initial_credit(70_000));
    let call = gateway.opened(1);
    gateway.feed([data(1, MAX_CHUNK), data(1, 70_000 - MAX_CHUNK - 128)]);
    assert_eq!(gateway.events().len(), 2, "exactly the window");
    gateway.feed([data(1, 0)]);
    gateway.assert_breach(call);
}

#[test]
fn data_beyond_sixty_four_kibibytes_is_a_breach_of_the_call() {
    let (mut gateway, call) = Bench::gateway_with_call();
    gateway.feed([data(1, MAX_CHUNK)]);
    assert!(matches!(gateway.events()[..], [Event::Data { .. }]));
    gateway.feed([data(1, MAX_CHUNK + 1)]);
    gateway.assert_breach(call);
}

#[test]
fn empty_frames_cost_credit() {
    let mut gateway = Bench::gateway_with(Config::default().guaranteed_credit(1).initial_credit(1));
    let call = gateway.opened(1);
    let window = MAX_CHUNK as u64 + FRAME_COST;
    for _ in 0..window / FRAME_COST {
        gateway.feed([data(1, 0)]);
        assert!(matches!(gateway.events()[..], [Event::Data { .. }]));
    }
    gateway.feed([data(1, 0)]);
    gateway.assert_breach(call);
}

#[test]
fn what_is_taken_comes_back_in_eighths_and_never_more_than_was_spent() {
    let window = 80_000;
    let mut gateway = Bench::gateway_with(
        Config::default()
            .guaranteed_credit(window)
            .initial_credit(window)
            .largest_credit(window),
    );
    let call = gateway.opened(1);
    let mut granted = 0;
    for _ in 0..8 {
        gateway.feed([data(1, 9_936)]);
        gateway.taken(call, 9_936);
        let frames = gateway.frames();
        let [Body::Credit(credit)] = &frames[..] else {
            panic!("{frames:?}")
        };
        assert_eq!(credit.bytes, 10_000);
        granted += credit.bytes;
    }
    assert_eq!(granted, u64::from(window));
    gateway.taken(call, 50_000);
    assert!(
        gateway.frames().is_empty(),
        "nothing is open that could be given back"
    );
}

#[test]
fn a_little_that_is_taken_is_not_worth_a_frame() {
    let (mut gateway, call) = Bench::gateway_with_call();
    gateway.feed([data(1, 100)]);
    gateway.taken(call, 100);
    assert!(gateway.frames().is_empty());
}

#[test]
fn a_complete_body_needs_no_credit() {
    let (mut gateway, call) = Bench::gateway_with_call();
    gateway.feed([data(1, MAX_CHUNK), half_close(1)]);
    gateway.taken(call, MAX_CHUNK);
    assert!(gateway.frames().is_empty());
}

#[test]
fn a_full_call_says_so_and_says_when_there_is_room_again() {
    let (mut server, call) = server_with_credit(1 << 20);
    let piece = || Bytes::from(vec![1; MAX_CHUNK]);
    assert_eq!(server.session.send(call, piece()), Ok(Room::Ready));
    assert_eq!(server.session.send(call, piece()), Ok(Room::Full));
    assert_eq!(server.session.send(call, piece()), Ok(Room::Full));
    assert!(server.next().is_some());
    assert!(server.events().is_empty(), "two still wait");
    assert!(server.next().is_some());
    assert!(matches!(server.events()[..], [Event::Writable { call: room }] if room == call));
    let _rest = server.packets();
    assert!(server.events().is_empty(), "told once");
}

#[test]
fn who_has_ended_a_body_is_not_told_of_room() {
    let (mut server, call) = server_with_credit(1 << 20);
    assert_eq!(
        server.session.send(call, Bytes::from(vec![1; 200_000])),
        Ok(Room::Full)
    );
    server.session.half_close(call).unwrap();
    let _all = server.packets();
    assert!(server.events().is_empty());
    assert!(server.session.send(call, Bytes::new()).is_err());
    assert!(server.session.half_close(call).is_err(), "twice");
}
