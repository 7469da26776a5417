//! Silence, heartbeats, round trips.

use super::super::pair::{Line, MS, Pair, S, Side};
use super::*;

#[test]
fn asks_after_ten_seconds_and_gives_up_after_twenty_five() {
    for mut bench in [Bench::server(), Bench::gateway()] {
        bench.wait(9_999 * MS);
        assert!(bench.packets().is_empty());
        bench.wait(MS);
        let packets = bench.packets();
        assert_eq!(packets.len(), 1);
        assert_eq!(packets[0].seq, 0);
        assert!(matches!(packets[0].frames[0].body, Some(Body::Ping(_))));
        assert_eq!(bench.session.next_timeout(), Some(bench.now + 15 * S));
        bench.wait(14_999 * MS);
        assert!(bench.packets().is_empty() && bench.events().is_empty());
        bench.wait(MS);
        bench.assert_goodbye(GoodbyeReason::Silence);
    }
}

#[test]
fn whatever_arrives_is_a_sign_of_life() {
    let mut server = Bench::server();
    for _ in 0..5 {
        server.wait(9 * S);
        server.feed_unnumbered([]);
    }
    assert!(server.packets().is_empty() && server.session.is_established());
}

#[test]
fn silence_ends_the_calls() {
    let (mut server, _) = Bench::server_with_call();
    server.wait(10 * S);
    server.wait(15 * S);
    let events = server.events();
    let [Event::Ended { end, .. }, Event::Closed(_)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(end.code, Code::UNAVAILABLE);
}

#[test]
fn a_pong_measures_the_round_trip() {
    let mut server = Bench::server();
    server.wait(10 * S);
    let frames = server.frames();
    let [Body::Ping(ping)] = &frames[..] else {
        panic!("{frames:?}")
    };
    server.wait(70 * MS);
    server.feed_unnumbered([Body::Pong(v1::Pong { id: ping.id + 1 })]);
    assert_eq!(server.session.round_trip(), None, "that was not asked");
    server.feed_unnumbered([Body::Pong(v1::Pong { id: ping.id })]);
    assert_eq!(server.session.round_trip(), Some(70 * MS));
}

#[test]
fn a_ping_is_answered_at_once_with_its_number() {
    let mut gateway = Bench::gateway();
    gateway.feed_unnumbered([Body::Ping(v1::Ping { id: 77 })]);
    let packets = gateway.packets();
    assert_eq!(packets[0].seq, 0);
    assert!(matches!(
        packets[0].frames[0].body,
        Some(Body::Pong(v1::Pong { id: 77 }))
    ));
}

#[test]
fn an_idle_session_lives_for_an_hour() {
    let mut pair = Pair::established(Line {
        latency: 40 * MS,
        ..Line::FAST
    });
    pair.run_for(3600 * S);
    for side in Side::BOTH {
        assert!(pair.session(side).is_established());
        assert!(pair.events(side).is_empty());
    }
    let measured = pair.session(Side::Server).round_trip().unwrap();
    assert!(measured >= 80 * MS && measured < 81 * MS, "{measured:?}");
    assert!(pair.packets < 3 * 2 * 360, "{} packets", pair.packets);
}
