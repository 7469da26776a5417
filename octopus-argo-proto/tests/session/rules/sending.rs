//! In which order things are sent.

use octopus_argo_proto::session::MAX_CHUNK;

use super::*;

/// A server with credit without end and this many calls, all sent.
fn server_with_calls(count: usize) -> (Bench, Vec<CallId>) {
    let mut server = Bench::server_with(v1::Limits {
        initial_credit: u32::MAX,
        ..v1::Limits::default()
    });
    let calls = (0..count).map(|_| server.open()).collect();
    let _opens = server.packets();
    (server, calls)
}

#[test]
fn control_frames_overtake_data_that_waits() {
    let (mut server, calls) = server_with_calls(2);
    let _ = server
        .session
        .send(calls[0], Bytes::from(vec![1; 20 * MAX_CHUNK]))
        .unwrap();
    assert!(server.next().is_some());
    server.session.cancel(calls[1]);
    let next = bodies(server.next().unwrap());
    assert!(matches!(next[0], Body::Cancel(_)), "{next:?}");
    server.feed_unnumbered([Body::Ping(v1::Ping { id: 3 })]);
    let next = bodies(server.next().unwrap());
    assert!(matches!(next[..], [Body::Pong(_)]), "{next:?}");
    server.open();
    let next = bodies(server.next().unwrap());
    assert!(matches!(next[..], [Body::Open(_), Body::Data(_)]), "{next:?}");
}

#[test]
fn a_goodbye_overtakes_everything() {
    let (mut server, calls) = server_with_calls(1);
    let _ = server
        .session
        .send(calls[0], Bytes::from(vec![1; 20 * MAX_CHUNK]))
        .unwrap();
    server.open();
    server.session.leave(GoodbyeReason::Rotation, "");
    server.assert_goodbye(GoodbyeReason::Rotation);
}

#[test]
fn a_body_does_not_overtake_its_open() {
    let mut server = Bench::server();
    let call = server.open();
    let _ = server.session.send(call, Bytes::from_static(b"x")).unwrap();
    server.session.half_close(call).unwrap();
    let frames = server.frames();
    assert!(
        matches!(frames[..], [Body::Open(_), Body::Data(_), Body::HalfClose(_)]),
        "{frames:?}"
    );
}

#[test]
fn bodies_do_not_overtake_opens_that_fill_packets() {
    let mut server = Bench::server();
    for _ in 0..30 {
        let request = Request::new(PATH).metadata(metadata(16 << 10));
        let call = server.session.open(request, server.now).unwrap();
        let _ = server.session.send(call, Bytes::from_static(b"body")).unwrap();
        server.session.half_close(call).unwrap();
    }
    let mut opened = 0;
    let (mut data, mut closed) = (0, 0);
    for body in server.frames() {
        match body {
            Body::Open(open) => opened = open.call,
            Body::Data(frame) => {
                assert!(frame.call <= opened);
                data += 1;
            }
            Body::HalfClose(_) => closed += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((opened, data, closed), (30, 30, 30));
}

#[test]
fn calls_with_data_take_turns() {
    let (mut server, calls) = server_with_calls(8);
    for call in &calls {
        let _ = server
            .session
            .send(*call, Bytes::from(vec![1; 200 * MAX_CHUNK]))
            .unwrap();
    }
    let mut sent = [0_usize; 8];
    for round in 1..=800 {
        let packet = server.next().unwrap();
        server.feed_packet(0, packet.seq, []);
        for body in bodies(packet) {
            let Body::Data(data) = body else {
                panic!("another frame than data")
            };
            sent[usize::try_from(data.call - 1).unwrap()] += data.payload.len();
        }
        let (most, least) = (*sent.iter().max().unwrap(), *sent.iter().min().unwrap());
        assert!(most - least <= MAX_CHUNK, "round {round}: {sent:?}");
        // From the sixth turn of each call on, a chunk is less than a fifth of what went before.
        assert!(round < 48 || most * 10 <= least * 12, "round {round}: {sent:?}");
    }
}

#[test]
fn small_calls_share_a_packet() {
    let mut server = Bench::server();
    for _ in 0..20 {
        let call = server.open();
        let _ = server.session.send(call, Bytes::from_static(b"small")).unwrap();
        server.session.half_close(call).unwrap();
    }
    let packets = server.packets();
    assert_eq!(packets.len(), 1);
    assert_eq!(packets[0].frames.len(), 60);
}

#[test]
fn packets_are_not_much_larger_than_their_target() {
    let (mut server, calls) = server_with_calls(5);
    for (index, call) in calls.iter().enumerate() {
        for _ in 0..20 {
            let _ = server
                .session
                .send(*call, Bytes::from(vec![1; 1 + index * 20_000]))
                .unwrap();
        }
    }
    while let Some(packet) = server.next() {
        server.feed_packet(0, packet.seq, []);
        assert!(
            packet.encoded_len() < MAX_CHUNK + 2_000,
            "{}",
            packet.encoded_len()
        );
    }
}

#[test]
fn a_cancel_drops_what_waits() {
    let (mut server, calls) = server_with_calls(1);
    let _ = server
        .session
        .send(calls[0], Bytes::from(vec![1; 20 * MAX_CHUNK]))
        .unwrap();
    server.session.cancel(calls[0]);
    assert!(matches!(server.frames()[..], [Body::Cancel(_)]));
    assert!(server.events().is_empty(), "who cancels needs no answer");
}
