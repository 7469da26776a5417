//! Random work from a seed over connections that are cut, swallow everything, come twice or too late, with every promise
//! of the session checked after every event.
//!
//! `OCTOPUS_ARGO_SEED=17 cargo test -p octopus-argo-proto --features session --test session workload` replays one seed, and
//! `OCTOPUS_ARGO_SEEDS=100000` runs that many. Without either it is 1 000, or as many as 60 s allow.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use octopus_argo_proto::prost::bytes::Bytes;
use octopus_argo_proto::session::{
    Attachment, CallEnd, CallId, CloseReason, Code, Config, EndCause, Event, FRAME_COST, GoodbyeReason,
    MAX_CHUNK, Metadata, OpenError, Request, Room, Session, UnknownCall,
};
use octopus_argo_proto::v1;

use super::pair::{Line, MS, Memory, Pair, S, Side};

const SEEDS: u64 = 1_000;

/// A gate that waits longer is not run. Every seed that is begun is finished.
const PATIENCE: Duration = Duration::from_secs(60);

/// A call that is not over by then is stuck: no workload needs half of it.
const LONGEST: Duration = Duration::from_secs(600);

/// No body is longer.
const LONGEST_BODY: usize = 320 << 10;

#[test]
fn random_work_keeps_every_promise() {
    let one: Option<u64> = std::env::var("OCTOPUS_ARGO_SEED")
        .ok()
        .map(|seed| seed.parse().expect("OCTOPUS_ARGO_SEED is a number"));
    let many = std::env::var("OCTOPUS_ARGO_SEEDS")
        .ok()
        .map(|seeds| seeds.parse().expect("OCTOPUS_ARGO_SEEDS is a number"));
    let mut seen = Seen::default();
    let begun = Instant::now();
    for seed in one.map_or_else(|| 0..many.unwrap_or(SEEDS), |seed| seed..seed + 1) {
        let ran = std::panic::catch_unwind(|| {
            let mut seen = Work::new(seed).run();
            finale(seed, &mut seen);
            seen
        });
        seen += ran.unwrap_or_else(|_| panic!("replay with OCTOPUS_ARGO_SEED={seed}"));
        seen.seeds += 1;
        if many.is_none() && begun.elapsed() > PATIENCE {
            break;
        }
    }
    println!("{seen:#?}");
    if one.is_none() {
        seen.assert_enough();
    }
}

/// How often the things happened that a run is to cover.
#[derive(Clone, Debug, Default)]
struct Seen {
    seeds: u64,
    frames: BTreeMap<&'static str, u64>,
    /// By the side that was told.
    goodbyes: BTreeMap<String, u64>,
    interrupted: u64,
    resumed: u64,
    refused_resume: u64,
    replay_full: u64,
    most_live: u64,
    steps: u64,
    /// By kind, see [`Work::plan`].
    ended_well: [u64; 5],
    cancelled: u64,
    deadlines: u64,
    refused_draining: u64,
    refused_limit: u64,
    full: u64,
    writable: u64,
    drained: u64,
    left: u64,
    cut: u64,
    unfinished_at_close: u64,
    bytes: u64,
    packets: u64,
    events: u64,
}

impl Seen {
    fn assert_enough(&self) {
        let each = [
            self.cancelled,
            self.deadlines,
            self.refused_draining,
            self.refused_limit,
            self.full,
            self.writable,
            self.drained,
            self.left,
            self.cut,
            self.unfinished_at_close,
        ];
        let each = each.into_iter().chain(self.ended_well);
        let least = each
            .chain([self.resumed, self.refused_resume, self.replay_full])
            .chain(self.frames.values().copied())
            .chain(self.goodbyes.values().copied())
            .min();
        assert!(least >= Some(20), "a run that shows too little: {self:#?}");
        assert_eq!((self.frames.len(), self.goodbyes.len()), (13, 10), "{self:#?}");
        let events = (self.steps + self.events) / self.seeds;
        assert!(events >= 2_000, "{events} events a seed");
        assert!(self.interrupted / self.seeds >= 3, "{} cuts", self.interrupted);
        assert!(self.most_live / self.seeds >= 16, "{} live calls", self.most_live);
    }
}

impl AddAssign for Seen {
    fn add_assign(&mut self, more: Self) {
        for (sum, more) in self.ended_well.iter_mut().zip(more.ended_well) {
            *sum += more;
        }
        for (name, more) in more.frames {
            *self.frames.entry(name).or_default() += more;
        }
        for (reason, more) in more.goodbyes {
            *self.goodbyes.entry(reason).or_default() += more;
        }
        for (sum, more) in [
            (&mut self.interrupted, more.interrupted),
            (&mut self.resumed, more.resumed),
            (&mut self.refused_resume, more.refused_resume),
            (&mut self.replay_full, more.replay_full),
            (&mut self.most_live, more.most_live),
            (&mut self.steps, more.steps),
            (&mut self.cancelled, more.cancelled),
            (&mut self.deadlines, more.deadlines),
            (&mut self.refused_draining, more.refused_draining),
            (&mut self.refused_limit, more.refused_limit),
            (&mut self.full, more.full),
            (&mut self.writable, more.writable),
            (&mut self.drained, more.drained),
            (&mut self.left, more.left),
            (&mut self.cut, more.cut),
            (&mut self.unfinished_at_close, more.unfinished_at_close),
            (&mut self.bytes, more.bytes),
            (&mut self.packets, more.packets),
            (&mut self.events, more.events),
        ] {
            *sum += more;
        }
    }
}

/// splitmix64: small, and the same everywhere and for ever.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn millis(&mut self, below: usize) -> Duration {
        MS * u32::try_from(self.below(below)).unwrap()
    }

    /// Mostly small, sometimes empty, sometimes many frames.
    fn size(&mut self, most: usize) -> usize {
        let scale = self.pick(&[1, 100, 1_000, 10_000, 100_000, 200_000]);
        self.below(scale).min(most)
    }
}

/// What bodies are cut from.
static NOISE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut random = Random(42);
    let words = LONGEST_BODY / 4;
    (0..words)
        .flat_map(|_| random.next().to_le_bytes())
        .collect::<Vec<u8>>()
        .into()
});

/// One direction of a call: what is to be sent, and how far it came.
#[derive(Debug)]
struct Body {
    all: Bytes,
    /// Where the pieces end that are given to `send` one by one.
    cuts: Vec<usize>,
    given: usize,
    pieces_given: usize,
    /// The user may send: it knows of the call, and was not told to wait.
    open: bool,
    arrived: usize,
    /// What arrived and was not taken, with the cost of its frames.
    untaken: u64,
    /// How long the receiver needs for each piece; `None`: it never takes any.
    pace: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opener {
    Open,
    /// By its user.
    Cancelled,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answerer {
    NotTold,
    Open,
    /// Its user gave the end to send.
    EndGiven,
    Cancelled,
}

/// A call by the number of its session and its own within it.
type Key = (u8, u64);

fn number(id: CallId) -> u64 {
    id.to_string().parse().unwrap()
}

#[derive(Debug)]
struct Call {
    /// As each side calls it, once it knows of it.
    ids: [Option<CallId>; 2],
    kind: usize,
    /// By the side that sends: the response body is the gateway's.
    bodies: [Body; 2],
    at_once: bool,
    /// Without one, the answer is trailers only, at once.
    head: Option<Vec<Metadata>>,
    end: CallEnd,
    head_arrived: bool,
    request_complete: bool,
    deadline: Option<Instant>,
    opener: Opener,
    answerer: Answerer,
}

#[derive(Clone, Copy, Debug)]
enum Wish {
    Open,
    Take(Side, Key, usize),
    Cancel(Key),
    Drain(Side),
    Leave(Side),
    Cut,
    Interrupt,
    Reconnect,
}

#[derive(Debug)]
struct Work {
    random: Random,
    pair: Pair,
    calls: BTreeMap<Key, Call>,
    /// Which session each side is in, by its number.
    session: [u8; 2],
    resumable: bool,
    /// What may wait to be acknowledged.
    replay: u64,
    /// What the model thinks is untaken, by the side that would take it.
    untaken: [u64; 2],
    reconnecting: bool,
    wishes: BTreeMap<(Instant, usize), Wish>,
    wished: usize,
    /// What each side may hold untaken for each call.
    windows: [u64; 2],
    most_calls: usize,
    open_mine: usize,
    drain_wanted: [bool; 2],
    drained: [bool; 2],
    /// Somebody left, or the connection was cut.
    over: bool,
    closed: [bool; 2],
    seen: Seen,
}

impl Work {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let line = Line {
            latency: random.pick(&[0, 1, 1, 20, 100]) * MS,
            bytes_per_second: random.pick(&[1_000_000, 10_000_000, 1_000_000_000]),
        };
        let most_calls = random.pick(&[3, 40, 100, 512]);
        let resumable = random.percent(90);
        let replay = random.pick(&[512 << 10, 512 << 10, 4 << 20]);
        let grace = random.pick(&[500, 30_000, 30_000, 30_000]) * MS;
        let mut config = |calls: u32| {
            let guaranteed = random.pick(&[1, 70_000, 100_000]);
            let largest = random.pick(&[1, 256 << 10, 4 << 20]);
            let config = Config::default()
                .max_calls(calls)
                .guaranteed_credit(guaranteed)
                .initial_credit(random.pick(&[1, 100_000, 256 << 10]))
                .largest_credit(largest)
                .session_budget(random.pick(&[1, 8 << 20, 64 << 20]))
                .replay_buffer(replay)
                .resume_grace(grace);
            // What is not set is derived: at least a frame, and never more than the largest.
            let window = u64::from(largest).max(256 << 10);
            (config, window)
        };
        let (server, server_window) = config(512);
        let (gateway, gateway_window) = config(most_calls);
        let mut work = Self {
            pair: Pair::new_with(server, gateway, line, resumable),
            random,
            calls: BTreeMap::new(),
            session: [1; 2],
            resumable,
            replay,
            untaken: [0; 2],
            reconnecting: false,
            wishes: BTreeMap::new(),
            wished: 0,
            windows: [server_window, gateway_window],
            most_calls: usize::try_from(most_calls).unwrap(),
            open_mine: 0,
            drain_wanted: [false; 2],
            drained: [false; 2],
            over: false,
            closed: [false; 2],
            seen: Seen::default(),
        };
        work.pair.settle();
        for side in Side::BOTH {
            assert!(matches!(work.pair.events(side)[..], [Event::Established(_)]));
        }
        let span = work.random.pick(&[50, 300, 3_000]);
        for _ in 0..50 + work.random.below(70) {
            work.wish_within(span, Wish::Open);
        }
        if resumable {
            for _ in 0..4 + work.random.below(5) {
                work.wish_within(2 * span, Wish::Interrupt);
            }
        }
        let side = work.random.pick(&Side::BOTH);
        match work.random.below(10) {
            0..3 => work.wish_within(2 * span, Wish::Drain(side)),
            3..6 => work.wish_within(2 * span, Wish::Leave(side)),
            6 => work.wish_within(2 * span, Wish::Cut),
            _ => {}
        }
        work
    }

    fn wish_within(&mut self, millis: usize, wish: Wish) {
        let delay = self.random.millis(millis);
        self.wish(delay, wish);
    }

    fn wish(&mut self, delay: Duration, wish: Wish) {
        self.wished += 1;
        self.wishes.insert((self.pair.now + delay, self.wished), wish);
    }

    fn run(mut self) -> Seen {
        let limit = self.pair.now + LONGEST;
        while !self.is_done() {
            while let Some(entry) = self.wishes.first_entry()
                && entry.key().0 <= self.pair.now
            {
                let wish = entry.remove();
                self.grant(wish);
                self.look();
            }
            assert!(self.pair.now < limit, "stuck, with {} calls open", self.open_mine);
            let next = self.wishes.first_key_value().map_or(limit, |((at, _), _)| *at);
            self.pair.step(next);
            self.look();
            self.come_back();
        }
        self.finish()
    }

    /// The gateway dials again when it has noticed that it has to.
    fn come_back(&mut self) {
        if !self.pair.is_dialled() && !self.over && !self.reconnecting {
            self.reconnecting = true;
            let delay = self.random.pick(&[0, 1, 100, 1_000, 3_000]);
            self.wish(delay * MS, Wish::Reconnect);
        }
    }

    fn interrupt(&mut self) {
        self.seen.interrupted += 1;
        match self.random.below(12) {
            0..5 => self.pair.cut_for(&Side::BOTH),
            5..7 => self.pair.cut_for(&[Side::Gateway]),
            7 => self.pair.cut_for(&[Side::Server]),
            8 => self.pair.swallow(),
            9 => {
                self.pair.memory = Memory::Lost;
                self.pair.cut_for(&Side::BOTH);
            }
            // The next one takes over while this one stands; or two at once.
            10 => {
                self.pair.dial();
            }
            _ => {
                self.pair.dial();
                self.pair.dial();
            }
        }
    }

    /// All calls are over on both sides, and nobody wants anything.
    fn is_done(&mut self) -> bool {
        self.wishes.is_empty()
            && Side::BOTH
                .iter()
                .all(|side| self.pair.session(*side).open_calls() == 0)
            && {
                let quiet = self.open_mine == 0 && (!self.over || self.closed == [true; 2]);
                quiet
                    && self
                        .calls
                        .values()
                        .all(|call| self.over || call.answerer != Answerer::Open)
            }
    }

    fn finish(mut self) -> Seen {
        for (id, call) in &self.calls {
            assert_ne!(call.opener, Opener::Open, "{id:?} has no end");
            assert_ne!(call.answerer, Answerer::Open, "{id:?} has no end");
        }
        // Heartbeats keep what is left alive, and what is dead is found and left behind.
        for second in 0..180 {
            if second == 120 {
                self.seen.packets = self.pair.packets as u64;
            }
            self.pair.run_for(S);
            self.look();
            if !self.pair.is_dialled() && !self.over {
                self.grant(Wish::Reconnect);
            }
        }
        self.seen.frames = std::mem::take(&mut self.pair.frames);
        self.seen.refused_resume = self.pair.refused;
        self.seen.steps = self.pair.steps;
        for side in Side::BOTH {
            assert_eq!(self.pair.session(side).open_calls(), 0);
            assert_eq!(self.untaken[side as usize], 0, "{side:?}: the model");
            assert_eq!(
                self.pair.session(side).buffered_bytes(),
                0,
                "{side:?}: something is left"
            );
            assert_eq!(self.pair.session(side).is_established(), !self.over);
            // A server's goodbye may still wait for a gateway that stays away.
            let ended = self.pair.session(side).next_timeout().is_none();
            assert_eq!(ended, self.over, "{side:?}");
            assert_eq!(
                self.drained[side as usize],
                self.drain_wanted[side as usize] && !self.over || self.drained[side as usize]
            );
        }
        let idle = self.pair.packets as u64 - self.seen.packets;
        assert!(idle <= 30, "{idle} packets in an idle minute");
        self.seen
    }

    fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Open => self.open(),
            Wish::Take(side, key, payload) => self.take(side, key, payload),
            Wish::Cancel(key) => {
                let id = self.calls[&key].ids[0].unwrap();
                if self.session[0] == key.0 {
                    self.pair.with(Side::Server, |session, _| session.cancel(id));
                }
                let call = self.calls.get_mut(&key).unwrap();
                if call.opener == Opener::Open {
                    call.opener = Opener::Cancelled;
                    self.open_mine -= 1;
                    self.seen.cancelled += 1;
                }
            }
            Wish::Drain(side) if !self.over => {
                self.drain_wanted[side as usize] = true;
                self.pair
                    .with(side, |session, _| session.drain(GoodbyeReason::Rotation));
            }
            // Between two sessions there is nothing to leave.
            Wish::Leave(side) if !self.pair.session(side).is_established() && !self.over => {
                self.wish(500 * MS, Wish::Leave(side));
            }
            Wish::Leave(side) => {
                self.over = true;
                self.pair.shut = true;
                self.seen.left += 1;
                let reason = self.random.pick(&[
                    GoodbyeReason::Shutdown,
                    GoodbyeReason::Rotation,
                    GoodbyeReason::Superseded,
                    GoodbyeReason::Revoked,
                    GoodbyeReason::Internal,
                ]);
                self.pair.with(side, |session, _| session.leave(reason, "bye"));
            }
            Wish::Interrupt if !self.over => self.interrupt(),
            Wish::Reconnect if !self.over => {
                self.reconnecting = false;
                if !self.pair.dial() {
                    // Its process has given the session up, and begins anew.
                    self.pair.restart_gateway();
                    self.forget(Side::Gateway);
                    self.closed[1] = false;
                }
            }
            Wish::Cut => {
                self.over = true;
                self.seen.cut += 1;
                self.pair.cut();
            }
            Wish::Interrupt | Wish::Reconnect | Wish::Drain(_) => {}
        }
    }

    /// What arrived was used. A server that has begun another session since has forgotten it.
    fn take(&mut self, side: Side, key: Key, payload: usize) {
        let call = self.calls.get_mut(&key).unwrap();
        let body = &mut call.bodies[side.other() as usize];
        let cost = payload as u64 + FRAME_COST;
        if body.untaken == 0 {
            return;
        }
        body.untaken -= cost;
        self.untaken[side as usize] -= cost;
        let id = call.ids[side as usize].unwrap();
        self.pair
            .with(side, |session, now| session.taken(id, payload, now));
    }

    /// One side has begun another session in another object: what the old one held is gone with it.
    fn forget(&mut self, side: Side) {
        for call in self.calls.values_mut() {
            let body = &mut call.bodies[side.other() as usize];
            self.untaken[side as usize] -= body.untaken;
            body.untaken = 0;
        }
    }

    /// Five kinds: unary, server-streaming, client-streaming, both at once, and refused by its service.
    fn plan(&mut self, id_hint: usize) -> (Call, Request) {
        let kind = self.random.below(5);
        let (requests, responses) = match kind {
            0 | 4 => (1, 1),
            1 => (1, self.random.below(20)),
            2 => (self.random.below(20), 1),
            _ => (self.random.below(20), self.random.below(20)),
        };
        let timeout = self
            .random
            .percent(20)
            .then(|| 2 * MS + self.random.millis(2_000));
        let mut body = |side: usize, pieces: usize| {
            let mut cuts = Vec::new();
            let mut size = 0;
            for _ in 0..pieces {
                size = (size + self.random.size(LONGEST_BODY)).min(LONGEST_BODY);
                cuts.push(size);
            }
            let start = (id_hint * 7_919 + side * 104_729) % LONGEST_BODY;
            let pace = match self.random.below(20) {
                0..10 => Some(Duration::ZERO),
                10..16 => Some(self.random.millis(50)),
                16..19 => Some(self.random.millis(2_000)),
                _ => timeout.is_none().then_some(MS),
            };
            Body {
                all: NOISE.slice(start..start + size),
                cuts,
                given: 0,
                pieces_given: 0,
                open: false,
                arrived: 0,
                untaken: 0,
                pace,
            }
        };
        let bodies = [body(0, requests), body(1, responses)];
        let pairs = |key: &str, random: &mut Random| {
            let pair = |n| Metadata {
                key: format!("{key}-{n}-bin"),
                value: NOISE.slice(..n * 10),
            };
            (0..random.below(4)).map(pair).collect::<Vec<_>>()
        };
        let code = if kind == 4 {
            5
        } else {
            self.random.pick(&[0, 0, 0, 13])
        };
        let end = CallEnd::new(
            Code::from_number(code),
            if code == 0 { "" } else { "no such thing" },
        )
        .details(NOISE.slice(..self.random.pick(&[0, 0, 40])))
        .trailers(pairs("trailer", &mut self.random));
        let call = Call {
            ids: [None; 2],
            kind,
            bodies,
            at_once: kind == 3 || kind == 4,
            head: (kind != 4).then(|| pairs("head", &mut self.random)),
            end,
            head_arrived: false,
            request_complete: false,
            deadline: timeout.map(|timeout| self.pair.now + timeout),
            opener: Opener::Open,
            answerer: Answerer::NotTold,
        };
        let mut request = Request::new("/test.Work/Do").metadata(pairs("request", &mut self.random));
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        (call, request)
    }

    fn open(&mut self) {
        let (mut call, request) = self.plan(self.wished);
        match self
            .pair
            .with(Side::Server, |session, now| session.open(request, now))
        {
            Ok(id) => {
                assert!(!self.closed[Side::Server as usize] && self.open_mine < self.most_calls);
                self.open_mine += 1;
                self.seen.most_live = self.seen.most_live.max(self.open_mine as u64);
                call.bodies[0].open = true;
                call.ids[0] = Some(id);
                let key = (self.session[0], number(id));
                assert!(self.calls.insert(key, call).is_none());
                if self.random.percent(15) {
                    self.wish_within(500, Wish::Cancel(key));
                }
                self.give(Side::Server, key);
            }
            Err(OpenError::TooManyCalls { .. }) => {
                assert_eq!(self.open_mine, self.most_calls);
                self.seen.refused_limit += 1;
                self.wish(100 * MS, Wish::Open);
            }
            Err(OpenError::Draining) => {
                assert!(self.drain_wanted != [false; 2]);
                self.seen.refused_draining += 1;
            }
            Err(OpenError::NotEstablished) => {
                assert!(self.closed[Side::Server as usize]);
                if !self.over {
                    self.wish(500 * MS, Wish::Open);
                }
            }
            Err(OpenError::OverBudget) => self.wish(100 * MS, Wish::Open),
            Err(other) => panic!("{other}"),
        }
    }

    /// Sends on, as far as the session has room.
    fn give(&mut self, side: Side, key: Key) {
        let call = self.calls.get_mut(&key).unwrap();
        let id = call.ids[side as usize].unwrap();
        let body = &mut call.bodies[side as usize];
        while body.open {
            let Some(cut) = body.cuts.get(body.pieces_given) else {
                body.open = false;
                let end = call.end.clone();
                let given = self.pair.with(side, |session, _| match side {
                    Side::Server => session.half_close(id),
                    Side::Gateway => session.end(id, end),
                });
                if side == Side::Gateway && given.is_ok() {
                    call.answerer = Answerer::EndGiven;
                }
                return;
            };
            let piece = body.all.slice(body.given..*cut);
            body.given = *cut;
            body.pieces_given += 1;
            match self.pair.with(side, |session, _| session.send(id, piece)) {
                Ok(Room::Ready) => {}
                Ok(_) => {
                    body.open = false;
                    self.seen.full += 1;
                }
                // The event that says so is behind the one that brought us here.
                Err(UnknownCall { .. }) => body.open = false,
            }
        }
    }

    fn answer(&mut self, key: Key) {
        let call = self.calls.get_mut(&key).unwrap();
        let id = call.ids[1].unwrap();
        if let Some(head) = call.head.clone() {
            let known = self.pair.with(Side::Gateway, |session, _| session.head(id, head));
            call.bodies[1].open = known.is_ok();
            self.give(Side::Gateway, key);
        } else {
            let end = call.end.clone();
            let known = self.pair.with(Side::Gateway, |session, _| session.end(id, end));
            if known.is_ok() {
                call.answerer = Answerer::EndGiven;
            }
        }
    }

    /// Takes all events of both sides.
    fn look(&mut self) {
        for side in Side::BOTH {
            while let Some(event) = self.pair.next_event(side) {
                self.seen.events += 1;
                assert!(
                    !self.closed[side as usize] || matches!(event, Event::Established(_)),
                    "{side:?}: {event:?} behind the last event"
                );
                self.happened(side, event);
            }
        }
        // Both agree on what is open, now that everything that happened is known.
        assert_eq!(self.pair.session(Side::Server).open_calls(), self.open_mine);
        for side in Side::BOTH {
            let (untaken, replay) = (self.untaken[side as usize], self.replay);
            let buffered = self.pair.session(side).buffered_bytes();
            assert!(
                buffered >= untaken,
                "{side:?}: {buffered} held, {untaken} untaken"
            );
            assert!(
                buffered - untaken <= replay,
                "{side:?}: more waits than the replay buffer has"
            );
            assert!(buffered <= (64 << 20).max(replay + 512 * (MAX_CHUNK as u64 + FRAME_COST)));
            self.seen.replay_full += u64::from(buffered - untaken > replay - (140 << 10));
        }
    }

    fn happened(&mut self, side: Side, event: Event) {
        match event {
            Event::Opened { call, .. } => {
                assert_eq!(side, Side::Gateway);
                assert!(!self.drained[side as usize]);
                let id = (self.session[1], number(call));
                let opened = call;
                let call = self.calls.get_mut(&id).unwrap();
                call.ids[1] = Some(opened);
                assert_eq!(call.answerer, Answerer::NotTold);
                call.answerer = Answerer::Open;
                if call.at_once {
                    self.answer(id);
                }
            }
            Event::Head { call, metadata } => {
                let id = self.key(side, call);
                let call = self.live(side, id);
                assert_eq!((side, call.head_arrived), (Side::Server, false));
                assert_eq!(call.head.as_ref(), Some(&metadata));
                call.head_arrived = true;
            }
            Event::Data { call, payload } => self.arrived(side, self.key(side, call), &payload),
            Event::HalfClosed { call } => {
                let id = self.key(side, call);
                let call = self.live(side, id);
                assert_eq!((side, call.request_complete), (Side::Gateway, false));
                assert_eq!(call.bodies[0].arrived, call.bodies[0].all.len());
                call.request_complete = true;
                if !call.at_once {
                    self.answer(id);
                }
            }
            Event::Ended { call, end } => {
                let id = self.key(side, call);
                assert_eq!(side, Side::Server);
                self.ended(id, &end);
            }
            Event::Cancelled { call } => {
                let id = self.key(side, call);
                assert_eq!(side, Side::Gateway);
                let call = self.live(side, id);
                call.answerer = Answerer::Cancelled;
                call.bodies[1].open = false;
            }
            Event::Writable { call } => {
                let id = self.key(side, call);
                let call = self.live(side, id);
                assert!(
                    side == Side::Server || call.answerer == Answerer::Open,
                    "it was ended"
                );
                let body = &mut call.bodies[side as usize];
                assert!(!body.open, "it was not told to wait");
                body.open = true;
                self.seen.writable += 1;
                self.give(side, id);
            }
            Event::Draining(reason) => {
                assert_eq!(reason, GoodbyeReason::Rotation);
                assert!(self.drain_wanted[side.other() as usize]);
            }
            Event::Drained => {
                assert!(self.drain_wanted[side as usize] && !self.drained[side as usize]);
                assert!(
                    side == Side::Gateway || self.open_mine == 0,
                    "an end is still to come"
                );
                let answering = |call: &Call| side == Side::Gateway && call.answerer == Answerer::Open;
                assert!(!self.calls.values().any(answering), "an end is still to come");
                self.drained[side as usize] = true;
                self.seen.drained += 1;
            }
            Event::Detached { .. } => assert!(self.resumable),
            Event::Resumed => self.seen.resumed += 1,
            Event::ResumeRefused(_) => assert_eq!(side, Side::Gateway),
            Event::Established(peer) => {
                let session = peer.session.as_bytes()[0];
                assert!(session > self.session[side as usize]);
                self.session[side as usize] = session;
                self.closed[side as usize] = false;
                self.drained[side as usize] = false;
                // Who wanted to be left in peace wants it still.
                self.drain_wanted[side as usize] = false;
                if side == Side::Server {
                    self.forget(side);
                }
            }
            Event::Closed(reason) => {
                // A new process may be cut off in its handshake.
                let may = [
                    CloseReason::Lost,
                    CloseReason::Ended(GoodbyeReason::HandshakeTimeout),
                ];
                assert!(self.over || may.contains(&reason) && self.resumable, "{reason:?}");
                self.closed[side as usize] = true;
                if let CloseReason::Goodbye { reason, .. } = reason {
                    *self.seen.goodbyes.entry(format!("{reason:?}")).or_default() += 1;
                }
            }
            other => panic!("{other:?}"),
        }
    }

    /// The call that a side means. A refused resume ends those of the session before, which its events still tell of.
    fn key(&self, side: Side, id: CallId) -> Key {
        let session = self.session[side as usize];
        let mean = |key: &Key| {
            self.calls
                .get(key)
                .is_some_and(|call| call.ids[side as usize] == Some(id))
        };
        let key = (session, number(id));
        assert!(mean(&key), "{side:?}: {id} is nobody's");
        key
    }

    /// The call, which must not be over for this side.
    fn live(&mut self, side: Side, id: Key) -> &mut Call {
        let call = self.calls.get_mut(&id).unwrap();
        match side {
            Side::Server => assert_eq!(call.opener, Opener::Open, "{id:?} is over"),
            Side::Gateway => assert!(
                matches!(call.answerer, Answerer::Open | Answerer::EndGiven),
                "{id:?} is over"
            ),
        }
        call
    }

    fn arrived(&mut self, side: Side, id: Key, payload: &Bytes) {
        let window = self.windows[side as usize];
        let call = self.live(side, id);
        assert!(side == Side::Gateway || call.head_arrived);
        assert!(side == Side::Server || !call.request_complete);
        let body = &mut call.bodies[side.other() as usize];
        let (start, end) = (body.arrived, body.arrived + payload.len());
        assert!(
            body.all.get(start..end) == Some(&payload[..]),
            "{id:?}: other bytes were sent"
        );
        body.arrived = end;
        body.untaken += payload.len() as u64 + FRAME_COST;
        assert!(
            body.untaken <= window,
            "{id:?}: {} of {window} untaken",
            body.untaken
        );
        let pace = body.pace;
        self.untaken[side as usize] += payload.len() as u64 + FRAME_COST;
        // Who never takes anything is rid of it in the end all the same.
        self.wish(pace.unwrap_or(400 * S), Wish::Take(side, id, payload.len()));
        self.seen.bytes += payload.len() as u64;
    }

    fn ended(&mut self, id: Key, end: &CallEnd) {
        let now = self.pair.now;
        let (drained, over) = (
            self.drain_wanted[Side::Gateway as usize],
            self.over || self.resumable,
        );
        let call = self.live(Side::Server, id);
        call.opener = Opener::Ended;
        call.bodies[0].open = false;
        let seen = match end.cause {
            None => {
                assert_eq!(*end, call.end);
                assert_eq!(call.answerer, Answerer::EndGiven);
                assert_eq!(call.head_arrived, call.head.is_some());
                let response = &call.bodies[1];
                let expected = if call.head.is_some() {
                    response.all.len()
                } else {
                    0
                };
                assert_eq!(response.arrived, expected, "{id:?}: an incomplete body");
                let kind = call.kind;
                &mut self.seen.ended_well[kind]
            }
            Some(EndCause::Deadline) => {
                assert!(call.deadline.is_some_and(|deadline| deadline <= now));
                &mut self.seen.deadlines
            }
            Some(EndCause::Draining) => {
                assert!(drained && call.answerer == Answerer::NotTold);
                &mut self.seen.refused_draining
            }
            // Earlier calls left so much untaken that the gateway has no room for another.
            Some(EndCause::PeerLimit) => {
                assert_eq!(call.answerer, Answerer::NotTold);
                &mut self.seen.refused_limit
            }
            Some(EndCause::Lost(_) | EndCause::Goodbye { .. } | EndCause::EndedHere { .. }) => {
                assert!(over);
                &mut self.seen.unfinished_at_close
            }
            other => panic!("{id:?}: {other:?}"),
        };
        *seen += 1;
        self.open_mine -= 1;
    }
}

/// One end that the work above does not come to, by seed: two sides that cannot or do not keep to the protocol.
fn finale(number: u64, seen: &mut Seen) {
    let config = || Config::default().initial_credit(1);
    let mut pair = Pair::new(config(), config(), Line::FAST);
    let reason = match number % 5 {
        0 => {
            // Revisions that never meet.
            let hello = v1::Hello {
                revision: 9,
                oldest_revision: 5,
                instance_id: Bytes::from_static(&[7; 16]),
                ..v1::Hello::default()
            };
            feed(&mut pair, 0, v1::frame::Body::Hello(hello));
            GoodbyeReason::Incompatible
        }
        1 => {
            pair.settle();
            feed(&mut pair, 1, v1::frame::Body::Cancel(v1::Cancel { call: 77 }));
            GoodbyeReason::ProtocolError
        }
        2 => {
            pair.settle();
            // It lives, and acknowledges nothing of what it is sent.
            let call = pair.with(Side::Server, |session, now| {
                session.open(Request::new("/a.B/C"), now)
            });
            let _ = call.unwrap();
            for id in 1..=26 {
                pair.with(Side::Server, |session, now| {
                    session.next_packet(Attachment::FIRST, now)
                });
                pair.now += S;
                feed(&mut pair, 0, v1::frame::Body::Ping(v1::Ping { id }));
                pair.with(Side::Server, Session::tick);
            }
            GoodbyeReason::LimitExceeded
        }
        3 => {
            pair.swallow();
            pair.run_for(6 * S);
            GoodbyeReason::HandshakeTimeout
        }
        _ => {
            pair.settle();
            pair.swallow();
            pair.run_for(30 * S);
            GoodbyeReason::Silence
        }
    };
    // The server gives it; where nothing arrives, the gateway does too.
    let closed = |event| match event {
        Event::Closed(CloseReason::Ended(reason)) => Some(reason),
        _ => None,
    };
    let ended: Vec<_> = [Side::Server, Side::Gateway]
        .into_iter()
        .flat_map(|side| pair.events(side))
        .filter_map(closed)
        .collect();
    assert!(ended.contains(&reason), "{reason:?}: {ended:?}");
    *seen.goodbyes.entry(format!("{reason:?}")).or_default() += 1;
}

/// Lets the server receive a packet that no gateway of ours sends.
fn feed(pair: &mut Pair, seq: u64, body: v1::frame::Body) {
    let packet = v1::Packet {
        seq,
        ack: 0,
        frames: vec![v1::Frame {
            must_understand: true,
            body: Some(body),
        }],
    };
    pair.with(Side::Server, |session, now| {
        session.receive(Attachment::FIRST, packet, now);
    });
}
