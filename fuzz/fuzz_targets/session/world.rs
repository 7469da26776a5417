//! A server and a gateway with what is on its way between them, and what each must never do.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use octopus_argo_proto::prost::Message;
use octopus_argo_proto::session::{
    Attachment, CallId, CloseReason, Config, Event, GoodbyeReason, InstanceId, ResumeToken, Session,
    SessionId, wants_to_resume,
};
use octopus_argo_proto::v1::Packet;

/// What each side may hold.
const BUDGET: u64 = 1 << 20;

pub struct World {
    pub now: Instant,
    pub sides: [Side; 2],
    begun: u8,
    connections: Vec<Connection>,
    /// Nothing was forged so far, so that nobody may be accused of breaking a rule.
    pub honest: bool,
}

pub struct Side {
    pub session: Session,
    /// Those that have begun and not ended.
    pub calls: Vec<CallId>,
    /// Those whose end this side has said, and which go without a word when it is sent.
    pub ending: Vec<CallId>,
    over: HashSet<CallId>,
    /// What arrived and was not taken.
    pub untaken: Vec<(CallId, usize)>,
    closed: bool,
}

struct Connection {
    via: [Option<Attachment>; 2],
    /// By the side that sent it.
    flight: [VecDeque<Vec<u8>>; 2],
}

impl Side {
    fn new(session: Session) -> Self {
        Self {
            session,
            calls: Vec::new(),
            ending: Vec::new(),
            over: HashSet::new(),
            untaken: Vec::new(),
            closed: false,
        }
    }
}

fn config() -> Config {
    Config::default()
        .max_calls(4)
        .initial_credit(100_000)
        .largest_credit(300_000)
        .session_budget(BUDGET)
        .replay_buffer(512 << 10)
}

impl World {
    pub fn new() -> Self {
        let now = Instant::now();
        let mut world = Self {
            now,
            sides: [Self::server(1, now), Self::gateway(now)],
            begun: 0,
            connections: Vec::new(),
            honest: true,
        };
        world.connect(Attachment::FIRST);
        world
    }

    fn server(number: u8, now: Instant) -> Side {
        let session = Session::server(config(), SessionId::from_bytes([number; 16]), now);
        Side::new(session.resumable(ResumeToken::from_bytes([number; 32])))
    }

    fn gateway(now: Instant) -> Side {
        Side::new(Session::gateway(config(), InstanceId::from_bytes([7; 16]), now))
    }

    fn connect(&mut self, gateway: Attachment) {
        self.connections.push(Connection {
            via: [None, Some(gateway)],
            flight: [VecDeque::new(), VecDeque::new()],
        });
    }

    /// The gateway comes back, or a new process of it comes.
    pub fn dial(&mut self) {
        match self.sides[1].session.attach(self.now) {
            Some(via) => self.connect(via),
            None => {
                self.connections.clear();
                self.sides[1] = Self::gateway(self.now);
                self.connect(Attachment::FIRST);
            }
        }
    }

    /// Every connection ends; each side hears of it or has to find out.
    pub fn cut(&mut self, told: [bool; 2]) {
        for connection in std::mem::take(&mut self.connections) {
            for (side, via) in connection.via.into_iter().enumerate() {
                if let Some(via) = via.filter(|_| told[side]) {
                    self.sides[side].session.detach(via, self.now);
                }
            }
        }
    }

    /// Lets a side send up to this many packets over each connection.
    pub fn send(&mut self, side: usize, most: usize) {
        for connection in &mut self.connections {
            let Some(via) = connection.via[side] else { continue };
            for _ in 0..most {
                let Some(packet) = self.sides[side].session.next_packet(via, self.now) else {
                    break;
                };
                connection.flight[side].push_back(packet.encode_to_vec());
            }
        }
    }

    /// Lets up to this many packets arrive that this side sent.
    pub fn deliver(&mut self, from: usize, most: usize) {
        for _ in 0..most {
            let Some(at) = self
                .connections
                .iter()
                .position(|wire| !wire.flight[from].is_empty())
            else {
                return;
            };
            let bytes = self.connections[at].flight[from].pop_front().unwrap_or_default();
            let packet = Packet::decode(&*bytes).expect("what a session sends is a packet");
            self.arrive(at, 1 - from, packet);
            self.check();
        }
    }

    /// The next packet that this side sent comes twice.
    pub fn double(&mut self, from: usize) {
        for connection in &mut self.connections {
            if let Some(bytes) = connection.flight[from].front().cloned() {
                self.honest = false;
                connection.flight[from].push_front(bytes);
            }
        }
    }

    /// Something arrives that this side never sent.
    pub fn forge(&mut self, from: usize, packet: Packet) {
        self.honest = false;
        if !self.connections.is_empty() {
            self.arrive(0, 1 - from, packet);
        }
    }

    fn arrive(&mut self, at: usize, to: usize, packet: Packet) {
        let now = self.now;
        if let Some(via) = self.connections[at].via[to] {
            return self.sides[to].session.receive(via, packet, now);
        }
        let mut refusal = None;
        if wants_to_resume(&packet).is_some() {
            match self.sides[0].session.resume(&packet, now) {
                Ok(via) => {
                    self.connections[at].via[0] = Some(via);
                    return;
                }
                Err(why) => refusal = Some(why),
            }
        }
        // A session begins; the one before, and its connections, end.
        let fresh = self.connections.remove(at);
        let (old, new): (Vec<_>, Vec<_>) = std::mem::take(&mut self.connections)
            .into_iter()
            .partition(|connection| connection.via[0].is_some());
        self.connections = new;
        for via in old.into_iter().filter_map(|connection| connection.via[1]) {
            self.sides[1].session.detach(via, now);
        }
        self.begun = self.begun.wrapping_add(1);
        let mut server = Self::server(self.begun, now);
        if let Some(refusal) = refusal {
            server.session = server.session.refusing(refusal);
        }
        server.session.receive(Attachment::FIRST, packet, now);
        self.sides[0] = server;
        self.connections.push(Connection {
            via: [Some(Attachment::FIRST), fresh.via[1]],
            ..fresh
        });
    }

    /// Time passes, and both sides are woken when they asked for it.
    pub fn wait(&mut self, time: Duration) {
        let limit = self.now + time;
        for _ in 0..1_000 {
            let next = self
                .sides
                .iter()
                .filter_map(|side| side.session.next_timeout())
                .min();
            self.now = next.filter(|at| *at <= limit).unwrap_or(limit).max(self.now);
            for side in &mut self.sides {
                side.session.tick(self.now);
                let next = side.session.next_timeout();
                assert!(next.is_none_or(|at| at > self.now), "still due after a tick");
            }
            self.check();
            if self.now == limit {
                return;
            }
        }
    }

    /// What has to hold at any time.
    pub fn check(&mut self) {
        for side in &mut self.sides {
            while let Some(event) = side.session.next_event() {
                assert!(!side.closed, "{event:?} after the last event");
                side.note(event, self.honest);
            }
            let session = &side.session;
            assert!(session.buffered_bytes() <= BUDGET);
            assert!(session.open_calls() <= 4);
            assert!(!side.closed || !session.is_established());
            if session.is_over() {
                assert_eq!((session.open_calls(), session.next_timeout()), (0, None));
            }
            assert_eq!(
                side.closed,
                session.is_over() || is_leaving(session),
                "the end is told, once"
            );
        }
    }
}

/// Over but for its goodbye: it is not established, and waits for nothing.
fn is_leaving(session: &Session) -> bool {
    !session.is_established() && session.next_timeout().is_none()
}

impl Side {
    fn note(&mut self, event: Event, honest: bool) {
        match event {
            Event::Opened { call, .. } => {
                assert!(
                    !self.calls.contains(&call) && !self.over.contains(&call),
                    "opened twice"
                );
                self.calls.push(call);
            }
            Event::Data { call, payload } => {
                assert!(self.is_known(call), "data of a call that is over");
                self.untaken.push((call, payload.len()));
            }
            Event::Head { call, .. } | Event::HalfClosed { call } | Event::Writable { call } => {
                assert!(self.is_known(call), "news of a call that is over");
            }
            Event::Ended { call, .. } | Event::Cancelled { call } => self.forget(call),
            Event::Closed(reason) => {
                self.closed = true;
                assert!(self.calls.is_empty(), "closed with open calls");
                if honest {
                    assert!(!is_accusation(&reason), "{reason:?}");
                }
            }
            _ => {}
        }
    }

    fn is_known(&self, call: CallId) -> bool {
        self.calls.contains(&call) || self.ending.contains(&call)
    }

    /// A call is over for this side.
    pub fn forget(&mut self, call: CallId) {
        self.calls.retain(|open| *open != call);
        self.ending.retain(|open| *open != call);
        assert!(self.over.insert(call), "a call ended twice");
    }
}

fn is_accusation(reason: &CloseReason) -> bool {
    let reason = match reason {
        CloseReason::Ended(reason) | CloseReason::Goodbye { reason, .. } => reason,
        _ => return false,
    };
    // Shutdown is what this side's own wish says.
    matches!(
        reason,
        GoodbyeReason::ProtocolError | GoodbyeReason::Incompatible | GoodbyeReason::Internal
    )
}
