//! Numbers, acknowledgements, unknown frames.

use super::super::pair::MS;
use super::*;

#[test]
fn an_unknown_frame_is_ignored() {
    let mut server = Bench::server();
    let packet = unknown_frame(false);
    assert_eq!(packet.frames.len(), 1);
    server.receive(packet);
    assert!(server.session.is_established() && server.events().is_empty());
}

#[test]
fn an_unknown_frame_that_has_to_be_understood_ends_the_session() {
    for mut bench in [Bench::server(), Bench::gateway(), Bench::new_server()] {
        bench.receive(unknown_frame(true));
        bench.assert_goodbye(GoodbyeReason::Incompatible);
    }
}

#[test]
fn call_frames_need_a_number() {
    let (mut server, _) = Bench::server_with_call();
    server.feed_unnumbered([head(1)]);
    server.assert_goodbye(GoodbyeReason::ProtocolError);

    let mut gateway = Bench::gateway();
    gateway.feed_unnumbered([open(1)]);
    gateway.assert_goodbye(GoodbyeReason::ProtocolError);

    let mut gateway = Bench::gateway();
    gateway.feed_unnumbered([Body::Drain(v1::Drain::default())]);
    gateway.assert_goodbye(GoodbyeReason::ProtocolError);
}

#[test]
fn a_packet_that_comes_again_is_taken_once() {
    let (mut gateway, _) = Bench::gateway_with_call();
    gateway.feed([data(1, 10)]);
    gateway.feed_packet(gateway.seq, 0, [data(1, 10)]);
    gateway.feed_packet(1, 0, [open(1)]);
    assert!(matches!(gateway.events()[..], [Event::Data { .. }]));
    gateway.feed([data(1, 10)]);
    assert!(matches!(gateway.events()[..], [Event::Data { .. }]));
}

#[test]
fn a_gap_ends_the_session() {
    let mut gateway = Bench::gateway();
    gateway.feed_packet(2, 0, [open(1)]);
    gateway.assert_goodbye(GoodbyeReason::ProtocolError);
}

#[test]
fn an_acknowledgement_of_the_future_ends_the_session() {
    let (mut server, _) = Bench::server_with_call();
    server.feed_packet(0, 1, []);
    assert!(server.session.is_established());
    server.feed_packet(0, 2, []);
    server.assert_goodbye(GoodbyeReason::ProtocolError);
}

#[test]
fn numbers_count_from_one_and_only_call_frames_have_one() {
    let (mut server, call) = Bench::server_with_call();
    server.session.half_close(call).unwrap();
    server.feed_unnumbered([Body::Ping(v1::Ping { id: 1 })]);
    let seqs: Vec<u64> = server.packets().iter().map(|packet| packet.seq).collect();
    assert_eq!(seqs, [0, 2], "the pong, then the half close behind the open");
}

#[test]
fn acknowledges_after_fifty_milliseconds() {
    let mut gateway = Bench::gateway();
    gateway.opened(1);
    assert!(gateway.packets().is_empty());
    assert_eq!(gateway.session.next_timeout(), Some(gateway.now + 50 * MS));
    gateway.wait(50 * MS);
    let packets = gateway.packets();
    assert_eq!(packets.len(), 1);
    assert_eq!(
        (packets[0].seq, packets[0].ack, packets[0].frames.len()),
        (0, 1, 0)
    );
    gateway.wait(50 * MS);
    assert!(
        gateway.packets().is_empty(),
        "an acknowledgement is not acknowledged"
    );
}

#[test]
fn acknowledges_after_a_quarter_of_a_mebibyte() {
    let config = Config::default().max_calls(16);
    let mut gateway = Bench::gateway_with(config);
    for call in 1..=4 {
        gateway.opened(call);
        gateway.feed([data(call, 64 << 10)]);
        assert!(matches!(gateway.events()[..], [Event::Data { .. }]));
        let acks = gateway.packets().len();
        assert_eq!(acks, usize::from(call == 4), "call {call}");
    }
}

#[test]
fn an_acknowledgement_that_the_connection_cannot_take_is_not_due_again_and_again() {
    let mut gateway = Bench::gateway();
    gateway.opened(1);
    gateway.wait(50 * MS);
    let next = gateway.session.next_timeout().unwrap();
    assert!(next > gateway.now, "a driver with a full connection would spin");
    assert_eq!(gateway.packets().len(), 1, "it is still sent");
}
