//! Going on after a cut.

use octopus_argo_proto::session::{OpenError, Outgoing, ResumeRefusal, ResumeToken};

use super::super::pair::S;
use super::*;

/// A server and a gateway that can be cut apart and brought together again.
struct Two {
    server: Session,
    gateway: Session,
    now: Instant,
    /// As each of them counts.
    via: [Attachment; 2],
}

impl Two {
    fn new() -> Self {
        Self::with(plain(), plain())
    }

    fn with(server: Config, gateway: Config) -> Self {
        let now = Instant::now();
        let id = SessionId::from_bytes([1; 16]);
        let mut two = Self {
            server: Session::server(server, id, now).resumable(ResumeToken::from_bytes([9; 32])),
            gateway: Session::gateway(gateway, InstanceId::from_bytes([7; 16]), now),
            now,
            via: [Attachment::FIRST; 2],
        };
        two.exchange();
        assert!(matches!(events(&mut two.server)[..], [Event::Established(_)]));
        assert!(matches!(events(&mut two.gateway)[..], [Event::Established(_)]));
        two
    }

    /// Carries packets until neither has any.
    fn exchange(&mut self) {
        loop {
            let down = self.server.next_packet(self.via[0], self.now);
            if let Some(packet) = &down {
                self.gateway.receive(self.via[1], Packet::from(packet), self.now);
            }
            let up = self.gateway.next_packet(self.via[1], self.now);
            if let Some(packet) = &up {
                self.server.receive(self.via[0], Packet::from(packet), self.now);
            }
            if down.is_none() && up.is_none() {
                return;
            }
        }
    }

    /// Everything that the server sends gets lost.
    fn lose(&mut self) -> usize {
        std::iter::from_fn(|| self.server.next_packet(self.via[0], self.now)).count()
    }

    fn cut(&mut self) {
        self.server.detach(self.via[0], self.now);
        self.gateway.detach(self.via[1], self.now);
    }

    /// The gateway's hello over a new connection.
    fn hello(&mut self) -> Outgoing {
        self.via[1] = self.gateway.attach(self.now).unwrap();
        self.gateway.next_packet(self.via[1], self.now).unwrap()
    }

    fn resume(&mut self) {
        let hello = self.hello();
        self.via[0] = self.server.resume(&Packet::from(&hello), self.now).unwrap();
        self.exchange();
    }

    fn open(&mut self) -> CallId {
        let call = self.server.open(Request::new(PATH), self.now).unwrap();
        self.exchange();
        assert!(matches!(events(&mut self.gateway)[..], [Event::Opened { .. }]));
        call
    }
}

fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.next_event()).collect()
}

fn datas(events: Vec<Event>) -> Vec<Bytes> {
    let data = |event| match event {
        Event::Data { payload, .. } => Some(payload),
        _ => None,
    };
    events.into_iter().filter_map(data).collect()
}

#[test]
fn what_was_lost_comes_again_and_nothing_twice() {
    let mut two = Two::new();
    let call = two.open();
    let _ = two.server.send(call, Bytes::from_static(b"one")).unwrap();
    two.exchange();
    let _ = two.server.send(call, Bytes::from_static(b"two")).unwrap();
    assert_eq!(two.lose(), 1);
    two.cut();
    assert!(matches!(events(&mut two.server)[..], [Event::Detached { .. }]));
    let _ = two.server.send(call, Bytes::from_static(b"three")).unwrap();
    assert!(
        two.server.next_packet(two.via[0], two.now).is_none(),
        "there is no connection"
    );
    two.resume();
    let seen = events(&mut two.gateway);
    assert!(matches!(seen[1], Event::Detached { .. }), "{seen:?}");
    assert!(seen.iter().any(|event| matches!(event, Event::Resumed)));
    assert_eq!(datas(seen), [&b"one"[..], b"two", b"three"]);
    assert!(matches!(events(&mut two.server)[..], [Event::Resumed]));
}

#[test]
fn a_call_that_is_opened_without_a_connection_waits_for_the_next() {
    let mut two = Two::new();
    two.cut();
    let call = two.server.open(Request::new(PATH), two.now).unwrap();
    let given_up = two.server.open(Request::new(PATH), two.now).unwrap();
    two.server.cancel(given_up);
    two.resume();
    let opened = events(&mut two.gateway);
    assert!(matches!(
        opened[..],
        [Event::Detached { .. }, Event::Resumed, Event::Opened { .. }]
    ));
    assert_eq!(two.server.open_calls(), 1);
    two.server.cancel(call);
}

#[test]
fn after_the_grace_the_session_is_over() {
    let grace = 7 * S;
    let mut two = Two::with(plain().resume_grace(grace), plain());
    let call = two.open();
    two.cut();
    let waiting = two.server.open(Request::new(PATH), two.now).unwrap();
    for session in [&mut two.server, &mut two.gateway] {
        assert_eq!(session.detached_until(), Some(two.now + grace));
        assert_eq!(session.next_timeout(), Some(two.now + grace));
        session.tick(two.now + 6 * S);
        assert!(session.is_established());
        session.tick(two.now + grace);
        assert!(session.is_over());
        assert_eq!(session.open_calls(), 0);
        assert_eq!(session.buffered_bytes(), 0);
    }
    let ended = events(&mut two.server);
    let [
        Event::Detached { .. },
        Event::Ended {
            call: first,
            end: possible,
        },
        Event::Ended {
            call: second,
            end: not_sent,
        },
        Event::Closed(CloseReason::Lost),
    ] = &ended[..]
    else {
        panic!("{ended:?}")
    };
    assert_eq!((*first, *second), (call, waiting));
    assert_eq!(
        possible.cause,
        Some(EndCause::Lost(octopus_argo_proto::session::Execution::Possible))
    );
    assert_eq!(
        not_sent.cause,
        Some(EndCause::Lost(octopus_argo_proto::session::Execution::NotSent))
    );
    let hello = two.gateway.attach(two.now + grace);
    assert_eq!(hello, None, "it is over on this side too");
}

#[test]
fn only_the_same_process_with_the_token_goes_on() {
    let mut two = Two::new();
    two.cut();
    let hello = Packet::from(&two.hello());
    let with = |change: fn(&mut v1::Hello)| {
        let mut packet = hello.clone();
        if let Some(Body::Hello(hello)) = &mut packet.frames[0].body {
            change(hello);
        }
        packet
    };
    let mut refusal = |packet: Packet| two.server.resume(&packet, two.now).unwrap_err();
    let another_token =
        with(|hello| hello.resume.as_mut().unwrap().resume_token = Bytes::from_static(&[8; 32]));
    assert_eq!(refusal(another_token), ResumeRefusal::NotYours);
    let no_token = with(|hello| hello.resume.as_mut().unwrap().resume_token = Bytes::new());
    assert_eq!(refusal(no_token), ResumeRefusal::NotYours);
    let another_process = with(|hello| hello.instance_id = Bytes::from_static(&[6; 16]));
    assert_eq!(refusal(another_process), ResumeRefusal::NotYours);
    let another_session =
        with(|hello| hello.resume.as_mut().unwrap().session_id = Bytes::from_static(&[2; 16]));
    assert_eq!(refusal(another_session), ResumeRefusal::UnknownSession);
    let of_the_future = with(|hello| hello.resume.as_mut().unwrap().received = 99);
    assert_eq!(refusal(of_the_future), ResumeRefusal::Gap);
    let no_resume = with(|hello| hello.resume = None);
    assert_eq!(refusal(no_resume), ResumeRefusal::UnknownSession);
    // None of it did any harm.
    two.via[0] = two.server.resume(&hello, two.now).unwrap();
    two.exchange();
    assert!(matches!(
        events(&mut two.server)[..],
        [Event::Detached { .. }, Event::Resumed]
    ));
}

/// A connection takes over from one that stands: its hello is under way for long, and what arrives meanwhile is acknowledged
/// over the one before.
#[test]
fn a_hello_that_acknowledgements_have_overtaken_is_as_good() {
    let mut two = Two::new();
    let call = two.open();
    let before = two.via;
    let hello = two.hello();
    let joining = std::mem::replace(&mut two.via, before)[1];
    for text in [&b"one"[..], b"two"] {
        let _ = two.server.send(call, Bytes::from_static(text)).unwrap();
    }
    two.exchange();
    two.now += S;
    two.gateway.tick(two.now);
    two.exchange();
    assert_eq!(two.server.buffered_bytes(), 0, "both are acknowledged");
    let _ = two.server.send(call, Bytes::from_static(b"three")).unwrap();
    assert_eq!(two.lose(), 1);

    let via = two.server.resume(&Packet::from(&hello), two.now).unwrap();
    two.via = [via, joining];
    two.exchange();
    assert_eq!(datas(events(&mut two.gateway)), [&b"one"[..], b"two", b"three"]);
    assert!(matches!(events(&mut two.server)[..], [Event::Resumed]));
    assert_eq!(two.gateway.open_calls(), 1);
}

#[test]
fn a_refused_gateway_begins_anew_and_old_calls_stay_old() {
    let mut two = Two::new();
    two.open();
    assert_eq!(two.gateway.open_calls(), 1);
    two.cut();
    let hello = Packet::from(&two.hello());
    // The server has restarted.
    let id = SessionId::from_bytes([2; 16]);
    two.server = Session::server(plain(), id, two.now)
        .resumable(ResumeToken::from_bytes([3; 32]))
        .refusing(ResumeRefusal::UnknownSession);
    two.via[0] = Attachment::FIRST;
    two.server.receive(Attachment::FIRST, hello, two.now);
    two.exchange();
    let seen = events(&mut two.gateway);
    let [
        Event::Detached { .. },
        Event::Cancelled { call: old },
        Event::ResumeRefused(refusal),
        Event::Established(peer),
    ] = &seen[..]
    else {
        panic!("{seen:?}")
    };
    assert_eq!((*refusal, peer.session), (ResumeRefusal::UnknownSession, id));
    // The first call of the new session has the number of the old one, and is another.
    events(&mut two.server);
    let _new = two.server.open(Request::new(PATH), two.now).unwrap();
    two.exchange();
    let [Event::Opened { call: new, .. }] = events(&mut two.gateway)[..] else {
        panic!()
    };
    assert_ne!(new, *old);
    assert!(two.gateway.end(*old, CallEnd::new(Code::OK, "")).is_err());
    assert!(two.gateway.end(new, CallEnd::new(Code::OK, "")).is_ok());
    // It can be resumed in its turn.
    two.cut();
    two.resume();
    assert!(two.gateway.is_established());
}

#[test]
fn packets_of_an_older_connection_are_discarded() {
    let mut two = Two::new();
    let call = two.open();
    let _ = two.server.send(call, Bytes::from_static(b"late")).unwrap();
    let late = two.server.next_packet(two.via[0], two.now).unwrap();
    let old = two.via;
    // The gateway comes back before the old connection is gone.
    two.resume();
    assert!(!two.server.uses(old[0]) && !two.gateway.uses(old[1]));
    two.gateway.receive(old[1], Packet::from(&late), two.now);
    assert_eq!(datas(events(&mut two.gateway)).len(), 1);
    assert!(two.server.next_packet(old[0], two.now).is_none());
    two.server.detach(old[0], two.now);
    two.gateway.detach(old[1], two.now);
    assert!(two.server.detached_until().is_none() && two.gateway.detached_until().is_none());
}

#[test]
fn the_old_connection_works_until_the_new_one_is_welcomed() {
    let mut two = Two::new();
    let call = two.open();
    let old = two.via;
    let hello = two.hello();
    let new = two.via[1];
    let _ = two
        .server
        .send(call, Bytes::from_static(b"on the old one"))
        .unwrap();
    let packet = two.server.next_packet(old[0], two.now).unwrap();
    two.gateway.receive(old[1], Packet::from(&packet), two.now);
    assert_eq!(datas(events(&mut two.gateway)).len(), 1);
    // If it comes to nothing, nothing has happened.
    two.gateway.detach(new, two.now);
    assert!(two.gateway.uses(old[1]) && two.gateway.detached_until().is_none());
    drop(hello);
    two.via = old;
    two.resume();
    assert!(matches!(events(&mut two.gateway)[..], [Event::Resumed]));
}

#[test]
fn a_hello_that_is_not_answered_is_given_up() {
    let mut two = Two::new();
    two.cut();
    let _hello = two.hello();
    let via = two.via[1];
    let deadline = two.now + Config::HANDSHAKE_TIMEOUT;
    assert_eq!(two.gateway.next_timeout(), Some(deadline));
    two.gateway.tick(deadline);
    assert!(!two.gateway.uses(via));
    assert!(two.gateway.is_established(), "the session waits on");
}

#[test]
fn silence_costs_the_connection_and_not_the_session() {
    let mut two = Two::new();
    let _call = two.open();
    two.server.tick(two.now + 10 * S);
    assert!(
        two.server.next_packet(two.via[0], two.now + 10 * S).is_some(),
        "a ping"
    );
    two.server.tick(two.now + 25 * S);
    let seen = events(&mut two.server);
    assert!(matches!(seen[..], [Event::Detached { .. }]), "{seen:?}");
    assert_eq!(two.server.open_calls(), 1);
}

#[test]
fn a_goodbye_waits_for_a_gateway_that_is_away() {
    let mut two = Two::new();
    two.cut();
    two.server.leave(GoodbyeReason::Superseded, "another came");
    assert!(matches!(
        events(&mut two.server)[..],
        [Event::Detached { .. }, Event::Closed(_)]
    ));
    two.resume();
    let seen = events(&mut two.gateway);
    assert!(
        matches!(
            &seen[..],
            [
                Event::Detached { .. },
                Event::Closed(CloseReason::Goodbye {
                    reason: GoodbyeReason::Superseded,
                    ..
                })
            ]
        ),
        "{seen:?}"
    );
    assert!(two.server.is_over() && two.gateway.is_over());
}

#[test]
fn a_session_without_a_token_ends_with_its_connection() {
    let mut server = Bench::server();
    server.session.detach(server.via, server.now);
    assert!(matches!(server.events()[..], [Event::Closed(CloseReason::Lost)]));
    let refused = server.session.open(Request::new(PATH), server.now);
    assert_eq!(refused, Err(OpenError::NotEstablished));
}

#[test]
fn a_server_that_goes_on_with_what_was_not_asked_for_is_left() {
    let mut gateway = Bench::new_gateway_with(plain());
    gateway.packets();
    gateway.feed_unnumbered([Body::Welcome(v1::Welcome {
        resumed: Some(v1::Resumed { received: 0 }),
        ..welcome()
    })]);
    gateway.assert_goodbye(GoodbyeReason::ProtocolError);
}

#[test]
fn deadlines_pass_also_without_a_connection() {
    let mut two = Two::new();
    let request = Request::new(PATH).timeout(S);
    let _call = two.server.open(request, two.now).unwrap();
    two.exchange();
    two.cut();
    two.server.tick(two.now + S);
    let seen = events(&mut two.server);
    assert!(
        matches!(&seen[..], [Event::Detached { .. }, Event::Ended { end, .. }] if end.cause == Some(EndCause::Deadline)),
        "{seen:?}"
    );
    two.now += S;
    two.resume();
    assert!(matches!(
        events(&mut two.gateway)[..],
        [
            Event::Opened { .. },
            Event::Detached { .. },
            Event::Resumed,
            Event::Cancelled { .. }
        ]
    ));
}

#[test]
fn who_leaves_before_a_hello_says_nothing() {
    let mut two = Two::new();
    two.cut();
    let via = two.gateway.attach(two.now).unwrap();
    two.gateway.leave(GoodbyeReason::Shutdown, "");
    assert!(two.gateway.next_packet(via, two.now).is_none());
    assert!(two.gateway.is_over());
}

#[test]
fn a_goodbye_to_who_may_be_another_acknowledges_nothing() {
    let mut two = Two::new();
    two.server.open(Request::new(PATH), two.now).unwrap();
    two.exchange();
    two.cut();
    let _hello = two.hello();
    two.gateway.leave(GoodbyeReason::Shutdown, "");
    let goodbye = two.gateway.next_packet(two.via[1], two.now).unwrap();
    let goodbye = Packet::from(&goodbye);
    assert!(matches!(bodies(goodbye.clone())[..], [Body::Goodbye(_)]));
    assert_eq!(goodbye.ack, 0);
}
