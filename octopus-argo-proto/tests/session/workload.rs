//! Random work from a seed, with every promise of the session checked after every event.
//!
//! `OCTOPUS_ARGO_SEED=17 cargo test -p octopus-argo-proto --features session --test session workload` replays one seed.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use octopus_argo_proto::prost::bytes::Bytes;
use octopus_argo_proto::session::{
    CallEnd, CallId, Code, Config, EndCause, Event, FRAME_COST, GoodbyeReason, MAX_CHUNK, Metadata,
    OpenError, Request, Room, UnknownCall,
};

use super::pair::{Line, MS, Pair, S, Side};

const SEEDS: u64 = 600;

/// A call that is not over by then is stuck: no workload needs half of it.
const LONGEST: Duration = Duration::from_secs(600);

/// No body is longer.
const LONGEST_BODY: usize = 320 << 10;

#[test]
fn random_work_keeps_every_promise() {
    let one: Option<u64> = std::env::var("OCTOPUS_ARGO_SEED")
        .ok()
        .map(|seed| seed.parse().expect("OCTOPUS_ARGO_SEED is a number"));
    let mut seen = Seen::default();
    for seed in one.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let ran = std::panic::catch_unwind(|| Work::new(seed).run());
        seen += ran.unwrap_or_else(|_| panic!("replay with OCTOPUS_ARGO_SEED={seed}"));
    }
    println!("{seen:?}");
    if one.is_none() {
        seen.assert_enough();
    }
}

/// How often the things happened that a run is to cover.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
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
        let least = each.into_iter().chain(self.ended_well).min();
        assert!(least >= Some(20), "a run that shows too little: {self:?}");
    }
}

impl AddAssign for Seen {
    fn add_assign(&mut self, more: Self) {
        for (sum, more) in self.ended_well.iter_mut().zip(more.ended_well) {
            *sum += more;
        }
        for (sum, more) in [
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

#[derive(Debug)]
struct Call {
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
    Take(Side, CallId, usize),
    Cancel(CallId),
    Drain(Side),
    Leave(Side),
    Cut,
}

#[derive(Debug)]
struct Work {
    random: Random,
    pair: Pair,
    calls: BTreeMap<CallId, Call>,
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
        let most_calls = random.pick(&[3, 20, 20, 512]);
        let mut config = |calls: u32| {
            let credit = random.pick(&[1, 70_000, 100_000, 256 << 10]);
            // 512 calls share 60 MiB, so that each has 120 KiB at most.
            let window = u64::from(credit)
                .min((60 << 20) / u64::from(calls))
                .max(MAX_CHUNK as u64 + FRAME_COST);
            let config = Config::default()
                .max_calls(calls)
                .guaranteed_credit(credit)
                .initial_credit(credit)
                .largest_credit(credit);
            (config, window)
        };
        let (server, server_window) = config(512);
        let (gateway, gateway_window) = config(most_calls);
        let mut work = Self {
            pair: Pair::new(server, gateway, line),
            random,
            calls: BTreeMap::new(),
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
        let span = work.random.pick(&[10, 300, 3_000]);
        for _ in 0..8 + work.random.below(24) {
            work.wish_within(span, Wish::Open);
        }
        let side = work.random.pick(&Side::BOTH);
        match work.random.below(10) {
            0..3 => work.wish_within(2 * span, Wish::Drain(side)),
            3 => work.wish_within(2 * span, Wish::Leave(side)),
            4 => work.wish_within(2 * span, Wish::Cut),
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
        }
        self.finish()
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
            assert_ne!(call.opener, Opener::Open, "{id} has no end");
            assert_ne!(call.answerer, Answerer::Open, "{id} has no end");
        }
        self.seen.packets = self.pair.packets as u64;
        // Heartbeats keep what is left alive.
        self.pair.run_for(61 * S);
        self.look();
        for side in Side::BOTH {
            assert_eq!(self.pair.session(side).open_calls(), 0);
            assert_eq!(self.pair.session(side).is_established(), !self.over);
            assert_eq!(self.pair.session(side).is_over(), self.over);
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
            Wish::Take(side, id, payload) => {
                let body = &mut self.calls.get_mut(&id).unwrap().bodies[side.other() as usize];
                body.untaken -= payload as u64 + FRAME_COST;
                self.pair
                    .with(side, |session, now| session.taken(id, payload, now));
            }
            Wish::Cancel(id) => {
                self.pair.with(Side::Server, |session, _| session.cancel(id));
                let call = self.calls.get_mut(&id).unwrap();
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
            Wish::Leave(side) => {
                self.over = true;
                self.seen.left += 1;
                self.pair
                    .with(side, |session, _| session.leave(GoodbyeReason::Shutdown, "bye"));
            }
            Wish::Cut => {
                self.over = true;
                self.seen.cut += 1;
                self.pair.cut();
            }
            Wish::Drain(_) => {}
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
                call.bodies[0].open = true;
                assert!(self.calls.insert(id, call).is_none());
                if self.random.percent(15) {
                    self.wish_within(500, Wish::Cancel(id));
                }
                self.give(Side::Server, id);
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
            Err(OpenError::NotEstablished) => assert!(self.closed[Side::Server as usize]),
            Err(other) => panic!("{other}"),
        }
    }

    /// Sends on, as far as the session has room.
    fn give(&mut self, side: Side, id: CallId) {
        let call = self.calls.get_mut(&id).unwrap();
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

    fn answer(&mut self, id: CallId) {
        let call = self.calls.get_mut(&id).unwrap();
        if let Some(head) = call.head.clone() {
            let known = self.pair.with(Side::Gateway, |session, _| session.head(id, head));
            call.bodies[1].open = known.is_ok();
            self.give(Side::Gateway, id);
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
                    !self.closed[side as usize],
                    "{side:?}: {event:?} behind the last event"
                );
                self.happened(side, event);
            }
        }
        // Both agree on what is open, now that everything that happened is known.
        assert_eq!(self.pair.session(Side::Server).open_calls(), self.open_mine);
    }

    fn happened(&mut self, side: Side, event: Event) {
        match event {
            Event::Opened { call: id, .. } => {
                assert_eq!(side, Side::Gateway);
                assert!(!self.drained[side as usize]);
                let call = self.calls.get_mut(&id).unwrap();
                assert_eq!(call.answerer, Answerer::NotTold);
                call.answerer = Answerer::Open;
                if call.at_once {
                    self.answer(id);
                }
            }
            Event::Head { call: id, metadata } => {
                let call = self.live(side, id);
                assert_eq!((side, call.head_arrived), (Side::Server, false));
                assert_eq!(call.head.as_ref(), Some(&metadata));
                call.head_arrived = true;
            }
            Event::Data { call: id, payload } => self.arrived(side, id, &payload),
            Event::HalfClosed { call: id } => {
                let call = self.live(side, id);
                assert_eq!((side, call.request_complete), (Side::Gateway, false));
                assert_eq!(call.bodies[0].arrived, call.bodies[0].all.len());
                call.request_complete = true;
                if !call.at_once {
                    self.answer(id);
                }
            }
            Event::Ended { call: id, end } => {
                assert_eq!(side, Side::Server);
                self.ended(id, &end);
            }
            Event::Cancelled { call: id } => {
                assert_eq!(side, Side::Gateway);
                let call = self.live(side, id);
                call.answerer = Answerer::Cancelled;
                call.bodies[1].open = false;
            }
            Event::Writable { call: id } => {
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
            Event::Closed(_) => {
                assert!(self.over);
                self.closed[side as usize] = true;
            }
            other => panic!("{other:?}"),
        }
    }

    /// The call, which must not be over for this side.
    fn live(&mut self, side: Side, id: CallId) -> &mut Call {
        let call = self.calls.get_mut(&id).unwrap();
        match side {
            Side::Server => assert_eq!(call.opener, Opener::Open, "{id} is over"),
            Side::Gateway => assert!(
                matches!(call.answerer, Answerer::Open | Answerer::EndGiven),
                "{id} is over"
            ),
        }
        call
    }

    fn arrived(&mut self, side: Side, id: CallId, payload: &Bytes) {
        let window = self.windows[side as usize];
        let call = self.live(side, id);
        assert!(side == Side::Gateway || call.head_arrived);
        assert!(side == Side::Server || !call.request_complete);
        let body = &mut call.bodies[side.other() as usize];
        let (start, end) = (body.arrived, body.arrived + payload.len());
        assert!(
            body.all.get(start..end) == Some(&payload[..]),
            "{id}: other bytes were sent"
        );
        body.arrived = end;
        body.untaken += payload.len() as u64 + FRAME_COST;
        assert!(
            body.untaken <= window,
            "{id}: {} of {window} untaken",
            body.untaken
        );
        if let Some(pace) = body.pace {
            self.wish(pace, Wish::Take(side, id, payload.len()));
        }
        self.seen.bytes += payload.len() as u64;
    }

    fn ended(&mut self, id: CallId, end: &CallEnd) {
        let now = self.pair.now;
        let (drained, over) = (self.drain_wanted[Side::Gateway as usize], self.over);
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
                assert_eq!(response.arrived, expected, "{id}: an incomplete body");
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
            Some(EndCause::Lost(_) | EndCause::Goodbye { .. } | EndCause::EndedHere { .. }) => {
                assert!(over);
                &mut self.seen.unfinished_at_close
            }
            other => panic!("{id}: {other:?}"),
        };
        *seen += 1;
        self.open_mine -= 1;
    }
}
