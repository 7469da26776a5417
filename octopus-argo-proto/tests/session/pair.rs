//! A simulated pair: a server and a gateway, one virtual clock, and connections with a latency and a bandwidth.
//!
//! Every packet is encoded when it leaves and decoded when it arrives. A wire takes a packet only when the one before is
//! on its way, as [`Session::next_packet`] asks of its driver. A connection can be cut, with one side or both noticing, or
//! swallow everything; the next one may begin before.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use octopus_argo_proto::prost::Message;
use octopus_argo_proto::session::{
    Attachment, Config, Event, InstanceId, Outgoing, ResumeRefusal, ResumeToken, Session, SessionId,
    wants_to_resume,
};
use octopus_argo_proto::v1::Packet;
use octopus_argo_proto::v1::frame::Body;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const S: Duration = Duration::from_secs(1);

/// More steps than this without the clock moving are a busy loop.
const MOST_STEPS_AT_ONCE: usize = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Server,
    Gateway,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Server, Self::Gateway];

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Server => Self::Gateway,
            Self::Gateway => Self::Server,
        }
    }
}

/// One direction of the connection.
#[derive(Debug)]
struct Wire {
    /// When each packet arrives, and its bytes.
    in_flight: VecDeque<(Instant, Vec<u8>)>,
    /// When the next packet can be taken.
    free_at: Instant,
}

/// How long a packet is under way, both directions alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) latency: Duration,
    pub(crate) bytes_per_second: u64,
}

impl Line {
    pub(crate) const FAST: Self = Self {
        latency: Duration::from_millis(5),
        bytes_per_second: 100_000_000,
    };
}

/// What a step of the simulation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Delivered,
    Ticked,
    Sent,
    /// The clock moved, to this at most.
    Waited,
    /// Nothing is to be done before the limit given, where the clock stands now.
    Done,
}

/// A connection, from a hello on its way to the last packet that arrives.
#[derive(Debug)]
struct Connection {
    /// As each side counts them; the server only when the hello has come.
    via: [Option<Attachment>; 2],
    /// By the side that sends.
    wires: [Wire; 2],
    /// Nothing arrives any more, and nobody is told.
    swallows: bool,
}

/// What becomes of the hello of a gateway that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    Whole,
    /// The server has restarted, and knows of no session.
    Lost,
}

#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) line: Line,
    configs: [Config; 2],
    sessions: [Session; 2],
    /// How many sessions the server has begun. It is their number on the wire, too.
    begun: u8,
    resumable: bool,
    pub(crate) memory: Memory,
    /// The server takes nobody in any more.
    pub(crate) shut: bool,
    connections: Vec<Connection>,
    events: [VecDeque<Event>; 2],
    pub(crate) frames: BTreeMap<&'static str, u64>,
    pub(crate) refused: u64,
    pub(crate) packets: usize,
    pub(crate) bytes: usize,
    pub(crate) steps: u64,
    steps_at_once: usize,
}

impl Pair {
    pub(crate) fn new(server: Config, gateway: Config, line: Line) -> Self {
        Self::new_with(server, gateway, line, false)
    }

    pub(crate) fn new_with(server: Config, gateway: Config, line: Line, resumable: bool) -> Self {
        let now = Instant::now();
        let mut pair = Self {
            now,
            line,
            sessions: [
                Session::server(server.clone(), SessionId::from_bytes([1; 16]), now),
                Session::gateway(gateway.clone(), InstanceId::from_bytes([7; 16]), now),
            ],
            configs: [server, gateway],
            begun: 0,
            resumable,
            memory: Memory::Whole,
            shut: false,
            connections: Vec::new(),
            events: [VecDeque::new(), VecDeque::new()],
            frames: BTreeMap::new(),
            refused: 0,
            packets: 0,
            bytes: 0,
            steps: 0,
            steps_at_once: 0,
        };
        pair.connect(Attachment::FIRST);
        pair
    }

    fn connect(&mut self, gateway: Attachment) {
        let now = self.now;
        let wire = || Wire {
            in_flight: VecDeque::new(),
            free_at: now,
        };
        self.connections.push(Connection {
            via: [None, Some(gateway)],
            wires: [wire(), wire()],
            swallows: false,
        });
    }

    /// The gateway dials: to come back, or to replace a connection that stands. False if its session is over.
    pub(crate) fn dial(&mut self) -> bool {
        let via = self.with(Side::Gateway, Session::attach);
        via.is_some_and(|via| {
            self.connect(via);
            true
        })
    }

    /// Whether the gateway has a connection, or one on its way.
    pub(crate) fn is_dialled(&self) -> bool {
        let gateway = &self.sessions[Side::Gateway as usize];
        self.connections
            .iter()
            .filter_map(|connection| connection.via[Side::Gateway as usize])
            .any(|via| gateway.uses(via))
    }

    /// A new process of the gateway, whose session is over, dials.
    pub(crate) fn restart_gateway(&mut self) {
        self.connections.clear();
        self.sessions[1] =
            Session::gateway(self.configs[1].clone(), InstanceId::from_bytes([7; 16]), self.now);
        self.connect(Attachment::FIRST);
    }

    /// Every connection ends where it is. Only these sides are told; the others have to find out.
    pub(crate) fn cut_for(&mut self, told: &[Side]) {
        for connection in std::mem::take(&mut self.connections) {
            for side in told {
                if let Some(via) = connection.via[*side as usize] {
                    self.with(*side, |session, now| session.detach(via, now));
                }
            }
        }
    }

    /// From now on nothing arrives any more.
    pub(crate) fn swallow(&mut self) {
        for connection in &mut self.connections {
            connection.swallows = true;
            for wire in &mut connection.wires {
                wire.in_flight.clear();
            }
        }
    }

    /// The connections of a session that the server has given up end; the gateway sees it.
    fn close_others(&mut self, at: usize) -> usize {
        let kept = self.connections.remove(at);
        let of_old = |connection: &Connection| connection.via[0].is_some();
        let (old, new): (Vec<_>, Vec<_>) = std::mem::take(&mut self.connections)
            .into_iter()
            .partition(of_old);
        self.connections = new;
        self.connections.push(kept);
        for via in old.into_iter().filter_map(|connection| connection.via[1]) {
            self.with(Side::Gateway, |session, now| session.detach(via, now));
        }
        self.connections.len() - 1
    }

    /// What a server does with the first packet of a connection.
    fn greet(&mut self, at: usize, packet: Packet) {
        let now = self.now;
        let mut refusal = None;
        if wants_to_resume(&packet).is_some() {
            let resumed = match self.memory {
                Memory::Whole => self.with(Side::Server, |session, now| session.resume(&packet, now)),
                Memory::Lost => Err(ResumeRefusal::UnknownSession),
            };
            match resumed {
                Ok(via) => {
                    self.connections[at].via[0] = Some(via);
                    return;
                }
                Err(why) => refusal = Some(why),
            }
        }
        if self.shut {
            return;
        }
        self.memory = Memory::Whole;
        self.refused += u64::from(refusal.is_some());
        let mut at = at;
        if self.begun > 0 {
            self.with(Side::Server, |session, _| session.lost());
            at = self.close_others(at);
        }
        self.begun += 1;
        let id = SessionId::from_bytes([self.begun; 16]);
        let mut session = Session::server(self.configs[0].clone(), id, now);
        if self.resumable {
            session = session.resumable(ResumeToken::from_bytes([self.begun; 32]));
        }
        if let Some(refusal) = refusal {
            session = session.refusing(refusal);
        }
        self.sessions[0] = session;
        self.connections[at].via[0] = Some(Attachment::FIRST);
        self.with(Side::Server, |session, now| {
            session.receive(Attachment::FIRST, packet, now);
        });
    }

    /// A pair behind its handshake, whose `Established` events are already taken.
    pub(crate) fn established(line: Line) -> Self {
        let mut pair = Self::new(Config::default(), Config::default(), line);
        pair.settle();
        for side in Side::BOTH {
            assert!(matches!(pair.events(side)[..], [Event::Established(_)]));
        }
        pair
    }

    pub(crate) fn session(&mut self, side: Side) -> &mut Session {
        &mut self.sessions[side as usize]
    }

    /// Does something with one session, and keeps what happened.
    pub(crate) fn with<T>(&mut self, side: Side, act: impl FnOnce(&mut Session, Instant) -> T) -> T {
        let result = act(&mut self.sessions[side as usize], self.now);
        self.collect(side);
        result
    }

    pub(crate) fn next_event(&mut self, side: Side) -> Option<Event> {
        self.events[side as usize].pop_front()
    }

    pub(crate) fn events(&mut self, side: Side) -> Vec<Event> {
        self.events[side as usize].drain(..).collect()
    }

    /// Takes the connection and the session away from both sides.
    pub(crate) fn cut(&mut self) {
        self.connections.clear();
        for side in Side::BOTH {
            self.with(side, |session, _| session.lost());
        }
    }

    /// The next thing that is to be done by `limit`, timeouts included.
    pub(crate) fn step(&mut self, limit: Instant) -> Step {
        let step = self.work().unwrap_or_else(|| self.wait(limit, true));
        self.count(step);
        step
    }

    /// Runs with all timeouts until this much time has passed.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) != Step::Done {}
    }

    /// Runs until nothing is on its way. Timeouts are not waited for.
    pub(crate) fn settle(&mut self) {
        let limit = self.now + 3600 * S;
        loop {
            let step = self.work().unwrap_or_else(|| {
                if self.is_quiet() {
                    Step::Done
                } else {
                    self.wait(limit, false)
                }
            });
            self.count(step);
            if step == Step::Done {
                return;
            }
        }
    }

    fn wires(&self) -> impl Iterator<Item = &Wire> {
        self.connections.iter().flat_map(|connection| &connection.wires)
    }

    fn is_quiet(&self) -> bool {
        self.wires()
            .all(|wire| wire.in_flight.is_empty() && wire.free_at <= self.now)
    }

    /// What can be done without waiting.
    fn work(&mut self) -> Option<Step> {
        self.drop_unused();
        for at in 0..self.connections.len() {
            for side in Side::BOTH {
                let wire = &mut self.connections[at].wires[side.other() as usize];
                if wire.in_flight.front().is_some_and(|(at, _)| *at <= self.now) {
                    let (_, bytes) = wire.in_flight.pop_front().unwrap();
                    let packet = Packet::decode(&*bytes).unwrap();
                    match self.connections[at].via[side as usize] {
                        Some(via) => self.with(side, |session, now| session.receive(via, packet, now)),
                        None => self.greet(at, packet),
                    }
                    return Some(Step::Delivered);
                }
            }
        }
        for side in Side::BOTH {
            let now = self.now;
            if self.session(side).next_timeout().is_some_and(|at| at <= now) {
                self.with(side, Session::tick);
                // Not even when the wire is full: a driver that waits for it would spin.
                let next = self.session(side).next_timeout();
                assert!(next.is_none_or(|at| at > now), "{side:?}: still due after a tick");
                return Some(Step::Ticked);
            }
        }
        for at in 0..self.connections.len() {
            for side in Side::BOTH {
                let connection = &self.connections[at];
                if connection.wires[side as usize].free_at <= self.now
                    && let Some(via) = connection.via[side as usize]
                    && let Some(packet) = self.with(side, |session, now| {
                        let wants = session.wants_to_send(now);
                        let packet = session.next_packet(via, now);
                        assert!(
                            wants || packet.is_none(),
                            "a driver would not have asked for this"
                        );
                        packet
                    })
                {
                    self.send(at, side, &packet);
                    return Some(Step::Sent);
                }
            }
        }
        None
    }

    /// What neither side uses any more, as drivers close it. What is on its way is discarded by who gets it.
    fn drop_unused(&mut self) {
        let sessions = &self.sessions;
        let is_used = |side: Side, connection: &Connection| {
            connection.via[side as usize].is_none_or(|via| sessions[side as usize].uses(via))
        };
        let mut closed = Vec::new();
        self.connections.retain(|connection| {
            let used = Side::BOTH.map(|side| is_used(side, connection));
            let empty = connection.wires.iter().all(|wire| wire.in_flight.is_empty());
            let keep = used == [true, true] || !empty || connection.swallows;
            if !keep {
                closed.push(connection.via);
            }
            keep
        });
        // A side that still used it sees its end.
        for via in closed {
            for side in Side::BOTH {
                if let Some(via) = via[side as usize] {
                    self.with(side, |session, now| session.detach(via, now));
                }
            }
        }
    }

    fn send(&mut self, at: usize, side: Side, packet: &Outgoing) {
        let bytes = packet.encode_to_vec();
        self.packets += 1;
        self.bytes += bytes.len();
        for frame in Packet::from(packet).frames {
            *self.frames.entry(name(&frame.body.unwrap())).or_default() += 1;
        }
        let nanos = (bytes.len() as u64 * 1_000_000_000).div_ceil(self.line.bytes_per_second);
        let connection = &mut self.connections[at];
        let wire = &mut connection.wires[side as usize];
        wire.free_at = self.now + Duration::from_nanos(nanos);
        if !connection.swallows {
            wire.in_flight
                .push_back((wire.free_at + self.line.latency, bytes));
        }
    }

    fn wait(&mut self, limit: Instant, timeouts: bool) -> Step {
        let now = self.now;
        let wires = self.wires().flat_map(|wire| {
            let arrival = wire.in_flight.front().map(|(at, _)| *at);
            [arrival, Some(wire.free_at).filter(|at| *at > now)]
        });
        let timeouts = self
            .sessions
            .iter()
            .map(|session| session.next_timeout().filter(|_| timeouts));
        let next = wires.chain(timeouts).flatten().min();
        match next {
            Some(at) if at <= limit => {
                self.now = at;
                Step::Waited
            }
            _ => {
                self.now = limit;
                Step::Done
            }
        }
    }

    fn count(&mut self, step: Step) {
        self.steps += 1;
        self.steps_at_once += 1;
        if matches!(step, Step::Waited | Step::Done) {
            self.steps_at_once = 0;
        }
        assert!(self.steps_at_once < MOST_STEPS_AT_ONCE, "a busy loop");
    }

    fn collect(&mut self, side: Side) {
        while let Some(event) = self.sessions[side as usize].next_event() {
            self.events[side as usize].push_back(event);
        }
    }
}

fn name(body: &Body) -> &'static str {
    match body {
        Body::Hello(_) => "hello",
        Body::Welcome(_) => "welcome",
        Body::Open(_) => "open",
        Body::Head(_) => "head",
        Body::Data(_) => "data",
        Body::HalfClose(_) => "half_close",
        Body::End(_) => "end",
        Body::Cancel(_) => "cancel",
        Body::Credit(_) => "credit",
        Body::Ping(_) => "ping",
        Body::Pong(_) => "pong",
        Body::Drain(_) => "drain",
        Body::Goodbye(_) => "goodbye",
    }
}
