//! A simulated pair: a server and a gateway, one virtual clock, and a wire with a latency and a bandwidth.
//!
//! Every packet is encoded when it leaves and decoded when it arrives. A wire takes a packet only when the one before is
//! on its way, as [`Session::next_packet`] asks of its driver.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use octopus_argo_proto::prost::Message;
use octopus_argo_proto::session::{Attachment, Config, Event, InstanceId, Outgoing, Session, SessionId};
use octopus_argo_proto::v1::Packet;

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

#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) now: Instant,
    line: Line,
    sessions: [Session; 2],
    /// By the side that sends.
    wires: [Wire; 2],
    events: [VecDeque<Event>; 2],
    pub(crate) packets: usize,
    pub(crate) bytes: usize,
    steps_at_once: usize,
}

impl Pair {
    pub(crate) fn new(server: Config, gateway: Config, line: Line) -> Self {
        let now = Instant::now();
        let wire = || Wire {
            in_flight: VecDeque::new(),
            free_at: now,
        };
        Self {
            now,
            line,
            sessions: [
                Session::server(server, SessionId::from_bytes([1; 16]), now),
                Session::gateway(gateway, InstanceId::from_bytes([7; 16]), now),
            ],
            wires: [wire(), wire()],
            events: [VecDeque::new(), VecDeque::new()],
            packets: 0,
            bytes: 0,
            steps_at_once: 0,
        }
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

    /// Takes the connection away from both sides.
    pub(crate) fn cut(&mut self) {
        for side in Side::BOTH {
            self.wires[side as usize].in_flight.clear();
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

    fn is_quiet(&self) -> bool {
        self.wires
            .iter()
            .all(|wire| wire.in_flight.is_empty() && wire.free_at <= self.now)
    }

    /// What can be done without waiting.
    fn work(&mut self) -> Option<Step> {
        for side in Side::BOTH {
            let wire = &mut self.wires[side.other() as usize];
            if wire.in_flight.front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, bytes) = wire.in_flight.pop_front().unwrap();
                let packet = Packet::decode(&*bytes).unwrap();
                self.with(side, |session, now| {
                    session.receive(Attachment::FIRST, packet, now)
                });
                return Some(Step::Delivered);
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
        for side in Side::BOTH {
            if self.wires[side as usize].free_at <= self.now
                && let Some(packet) =
                    self.with(side, |session, now| session.next_packet(Attachment::FIRST, now))
            {
                self.send(side, &packet);
                return Some(Step::Sent);
            }
        }
        None
    }

    fn send(&mut self, side: Side, packet: &Outgoing) {
        let bytes = packet.encode_to_vec();
        self.packets += 1;
        self.bytes += bytes.len();
        let nanos = (bytes.len() as u64 * 1_000_000_000).div_ceil(self.line.bytes_per_second);
        let wire = &mut self.wires[side as usize];
        wire.free_at = self.now + Duration::from_nanos(nanos);
        wire.in_flight
            .push_back((wire.free_at + self.line.latency, bytes));
    }

    fn wait(&mut self, limit: Instant, timeouts: bool) -> Step {
        let now = self.now;
        let wires = self.wires.iter().flat_map(|wire| {
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
