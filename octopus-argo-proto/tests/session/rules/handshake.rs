//! Hello and Welcome, and what may go wrong with them.

use octopus_argo_proto::session::OpenError;

use super::super::pair::{MS, S};
use super::*;

#[test]
fn nothing_is_sent_or_opened_before_the_handshake() {
    let mut server = Bench::new_server();
    assert!(server.packets().is_empty());
    let refused = server.session.open(Request::new(PATH), server.now);
    assert_eq!(refused, Err(OpenError::NotEstablished));

    let mut gateway = Bench::new_gateway_with(Config::default());
    let packets = gateway.packets();
    assert_eq!(packets.len(), 1);
    assert_eq!((packets[0].seq, packets[0].ack), (0, 0));
    assert!(!gateway.session.is_established());
}

#[test]
fn both_are_told_of_each_other() {
    let mut server = Bench::new_server();
    let software = Some(v1::Software {
        name: "other".into(),
        version: "3.2.1".into(),
    });
    server.feed_unnumbered([Body::Hello(v1::Hello {
        software,
        revision: 9,
        ..hello()
    })]);
    let [Event::Established(peer)] = &server.events()[..] else {
        panic!()
    };
    assert_eq!((&*peer.software, &*peer.version), ("other", "3.2.1"));
    assert_eq!(peer.instance, Some(InstanceId::from_bytes([7; 16])));
    assert_eq!(peer.revision, 1, "the newest that both speak");
    let [Body::Welcome(welcome)] = &server.frames()[..] else {
        panic!()
    };
    assert_eq!((welcome.revision, welcome.attachment), (1, 1));
}

#[test]
fn a_call_frame_before_the_handshake_is_a_breach() {
    let mut server = Bench::new_server();
    server.feed([head(1)]);
    server.assert_goodbye(GoodbyeReason::ProtocolError);

    let mut gateway = Bench::new_gateway_with(Config::default());
    assert_eq!(gateway.frames().len(), 1);
    gateway.feed([open(1)]);
    gateway.assert_goodbye(GoodbyeReason::ProtocolError);
}

#[test]
fn a_call_frame_behind_the_hello_is_a_breach() {
    let mut server = Bench::new_server();
    server.feed_unnumbered([Body::Hello(hello()), head(1)]);
    server.assert_goodbye(GoodbyeReason::ProtocolError);
}

#[test]
fn one_hello_and_one_welcome() {
    let mut server = Bench::server();
    server.feed_unnumbered([Body::Hello(hello())]);
    server.assert_goodbye(GoodbyeReason::ProtocolError);

    let mut gateway = Bench::gateway();
    gateway.feed_unnumbered([Body::Welcome(welcome())]);
    gateway.assert_goodbye(GoodbyeReason::ProtocolError);
}

#[test]
fn hello_and_welcome_have_a_direction() {
    let mut server = Bench::new_server();
    server.feed_unnumbered([Body::Welcome(welcome())]);
    server.assert_goodbye(GoodbyeReason::ProtocolError);

    let mut gateway = Bench::new_gateway_with(Config::default());
    gateway.feed_unnumbered([Body::Hello(hello())]);
    gateway.assert_goodbye(GoodbyeReason::ProtocolError);
}

#[test]
fn both_sides_give_the_handshake_five_seconds() {
    for mut bench in [Bench::new_server(), Bench::new_gateway_with(Config::default())] {
        let _hello = bench.frames();
        let deadline = bench.now + 5 * S;
        assert_eq!(bench.session.next_timeout(), Some(deadline));
        bench.wait(4999 * MS);
        assert!(bench.events().is_empty());
        bench.wait(MS);
        bench.assert_goodbye(GoodbyeReason::HandshakeTimeout);
    }
}

#[test]
fn revisions_without_one_in_common() {
    for (oldest_revision, revision) in [(2, 3), (0, 0)] {
        let mut server = Bench::new_server();
        server.feed_unnumbered([Body::Hello(v1::Hello {
            revision,
            oldest_revision,
            ..hello()
        })]);
        server.assert_goodbye(GoodbyeReason::Incompatible);
    }
    for revision in [0, 2] {
        let mut gateway = Bench::new_gateway_with(Config::default());
        let _hello = gateway.frames();
        gateway.feed_unnumbered([Body::Welcome(v1::Welcome {
            revision,
            ..welcome()
        })]);
        gateway.assert_goodbye(GoodbyeReason::Incompatible);
    }
}

#[test]
fn instance_and_session_have_sixteen_bytes() {
    for size in [0, 15, 17] {
        let id = Bytes::from(vec![1; size]);
        let mut server = Bench::new_server();
        server.feed_unnumbered([Body::Hello(v1::Hello {
            instance_id: id.clone(),
            ..hello()
        })]);
        server.assert_goodbye(GoodbyeReason::ProtocolError);

        let mut gateway = Bench::new_gateway_with(Config::default());
        let _hello = gateway.frames();
        gateway.feed_unnumbered([Body::Welcome(v1::Welcome {
            session_id: id,
            ..welcome()
        })]);
        gateway.assert_goodbye(GoodbyeReason::ProtocolError);
    }
}

#[test]
fn a_resume_is_answered_by_a_new_session() {
    let mut server = Bench::new_server();
    server.feed_unnumbered([Body::Hello(v1::Hello {
        resume: Some(v1::Resume::default()),
        ..hello()
    })]);
    let [Body::Welcome(welcome)] = &server.frames()[..] else {
        panic!()
    };
    assert_eq!(welcome.resume_refusal(), v1::ResumeRefusal::NotSupported);
    assert!(welcome.resumed.is_none() && welcome.resume_token.is_empty());
}

#[test]
fn names_go_to_logs_without_control_characters_and_short() {
    let mut server = Bench::new_server();
    let software = Some(v1::Software {
        name: "\u{1b}[31mgate\nway\u{9b}".into(),
        version: "1".repeat(5000),
    });
    server.feed_unnumbered([Body::Hello(v1::Hello { software, ..hello() })]);
    let events = server.events();
    let [Event::Established(peer)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(peer.software, "[31mgateway");
    assert_eq!(peer.version.len(), 100);
}
