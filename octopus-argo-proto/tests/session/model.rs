//! The credit rule and the replay rule written down a second time, as plainly as they can be, and compared step by step
//! with two sessions.
//!
//! The model does not say in which order frames go out; it says which may, how large each is, and when there has to be
//! another. Sums are taken over lists each time, and nothing that was ever sent is forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use octopus_argo_proto::prost::Message;
use octopus_argo_proto::prost::bytes::Bytes;
use octopus_argo_proto::session::{
    Attachment, CallEnd, CallId, Code, Config, Event, FRAME_COST, InstanceId, MAX_CHUNK, OpenError, Request,
    ResumeToken, Session, SessionId,
};
use octopus_argo_proto::v1::frame::Body;
use octopus_argo_proto::v1::{self, Frame, Packet};
use proptest::prelude::*;

const MAX_CALLS: u64 = 4;
const GUARANTEED: u64 = 65_600;
const INITIAL: u64 = 100_000;
const LARGEST: u64 = 400_000;
const REPLAY: u64 = 512 << 10;
/// For windows, and what ended calls left.
const LIMIT: u64 = 800_000;
/// No packet is larger.
const PACKET: u64 = 68 << 10;
/// What may be out over a connection after a resume before anything was acknowledged.
const OPENING: u64 = 5 * PACKET;

fn config() -> Config {
    let number = |value: u64| u32::try_from(value).unwrap();
    Config::default()
        .max_calls(number(MAX_CALLS))
        .guaranteed_credit(number(GUARANTEED))
        .initial_credit(number(INITIAL))
        .largest_credit(number(LARGEST))
        .replay_buffer(REPLAY)
        .session_budget(REPLAY + LIMIT)
        // Nobody is asked whether they live, so that round trips are those of acknowledgements alone.
        .heartbeat(Duration::from_secs(3600), Duration::from_secs(86_400))
}

#[derive(Clone, Debug)]
enum Step {
    Open,
    /// The number picks one of the calls, here and below.
    Body(usize, usize, usize),
    Take(usize, usize),
    Cancel(usize),
    End(usize),
    /// Makes packets of this side go out.
    Send(usize, usize),
    /// Makes them arrive on the other side.
    Deliver(usize, usize),
    Wait(u64),
    Cut,
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    let side = || 0_usize..2;
    prop_oneof![
        3 => Just(Step::Open),
        8 => (side(), 0_usize..8, prop_oneof![0_usize..300, 0_usize..150_000])
            .prop_map(|(side, call, size)| Step::Body(side, call, size)),
        10 => (side(), 1_usize..6).prop_map(|(side, count)| Step::Take(side, count)),
        1 => (0_usize..8).prop_map(Step::Cancel),
        1 => (0_usize..8).prop_map(Step::End),
        10 => (side(), 1_usize..8).prop_map(|(side, count)| Step::Send(side, count)),
        10 => (side(), 1_usize..8).prop_map(|(side, count)| Step::Deliver(side, count)),
        3 => (0_u64..80).prop_map(Step::Wait),
        1 => Just(Step::Cut),
        2 => Just(Step::Resume),
    ]
}

/// What is to go out on a call, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece {
    Head,
    Data(usize),
    End,
}

#[derive(Debug)]
struct Call {
    waiting: VecDeque<Piece>,
    credit: u64,
    /// What is granted and was not said.
    due: u64,
    window: u64,
    open: u64,
    untaken: u64,
    owed: u64,
    progress: u64,
    since: Instant,
    announced: bool,
    finished: bool,
}

impl Call {
    /// The size of the next data frame, as far as credit goes.
    fn next_data(&self) -> Option<usize> {
        let &Piece::Data(size) = self.waiting.front()? else {
            return None;
        };
        let most = usize::try_from(self.credit.checked_sub(FRAME_COST)?).unwrap();
        let next = size.min(MAX_CHUNK).min(most);
        (next > 0 || size == 0).then_some(next)
    }

    fn may_send(&self) -> bool {
        self.announced
            && match self.waiting.front() {
                None => false,
                Some(Piece::Data(_)) => self.next_data().is_some(),
                Some(Piece::Head | Piece::End) => true,
            }
    }
}

/// One side: what it should do.
#[derive(Debug, Default)]
struct Model {
    calls: BTreeMap<u64, Call>,
    /// What ended calls left untaken.
    left: BTreeMap<u64, u64>,
    short: bool,
    /// Opens and cancels that the other side has not been told of.
    to_tell: usize,
    /// Every numbered packet that ever went out.
    sent: Vec<Vec<Frame>>,
    /// How many of them the other side is known to have.
    acknowledged: usize,
    /// How many of them went out over the connection that there is, or need not.
    out: usize,
    /// With how many packets acknowledged and how many bytes allowed the connection began, if it is not the first.
    resumed: Option<(usize, u64)>,
    /// How many arrived, and of how many the other side was told.
    received: usize,
    told: usize,
}

impl Model {
    fn promised(&self) -> u64 {
        let windows: u64 = self.calls.values().map(|call| call.window).sum();
        windows + self.left.values().sum::<u64>()
    }

    fn admit(&mut self) -> bool {
        let fits = self.promised() + GUARANTEED <= LIMIT;
        self.short |= !fits;
        fits
    }

    fn begin(&mut self, id: u64, mine: bool, now: Instant) {
        let call = Call {
            waiting: VecDeque::new(),
            credit: GUARANTEED,
            due: 0,
            window: GUARANTEED,
            open: GUARANTEED,
            untaken: 0,
            owed: 0,
            progress: 0,
            since: now,
            announced: !mine,
            finished: false,
        };
        self.calls.insert(id, call);
        if mine {
            let more = self.lend(INITIAL - GUARANTEED);
            let call = self.calls.get_mut(&id).unwrap();
            call.window += more;
            call.open += more;
            call.due += more;
        }
    }

    /// Who wants more gets what is neither promised nor set aside for calls to come.
    fn lend(&mut self, wanted: u64) -> u64 {
        let aside = (MAX_CALLS - self.calls.len() as u64) * GUARANTEED;
        let lent = wanted.min(LIMIT.saturating_sub(self.promised() + aside));
        self.short |= lent < wanted;
        lent
    }

    fn end(&mut self, id: u64) {
        let call = self.calls.remove(&id).unwrap();
        if call.untaken > 0 {
            self.left.insert(id, call.untaken);
        }
        self.short = false;
    }

    fn take(&mut self, id: u64, size: usize, round_trip: Option<Duration>, now: Instant) {
        let cost = size as u64 + FRAME_COST;
        if let Some(left) = self.left.get_mut(&id) {
            *left -= cost;
            return;
        }
        let call = self.calls.get_mut(&id).unwrap();
        call.untaken -= cost;
        call.owed += cost;
        call.progress += cost;
        let (window, whole) = (call.window, call.progress >= call.window);
        let quick = round_trip.is_some_and(|time| now - call.since < time.max(Duration::from_millis(1)) * 2);
        // To its first size when it is used at all; doubled when it held the sender up.
        let wanted = if window < INITIAL {
            INITIAL - window
        } else if whole && quick {
            window.min(LARGEST - window)
        } else {
            0
        };
        if window >= INITIAL && whole {
            (call.progress, call.since) = (0, now);
        }
        let more = self.lend(wanted);
        let share = (LIMIT / self.calls.len() as u64).max(GUARANTEED);
        let call = self.calls.get_mut(&id).unwrap();
        call.window += more;
        call.owed += more;
        if self.short {
            let less = call.owed.min(call.window.saturating_sub(share));
            call.window -= less;
            call.owed -= less;
        }
        if call.owed >= (call.window / 8).min(256 << 10) {
            call.open += call.owed;
            call.due += std::mem::take(&mut call.owed);
        }
        assert_eq!(call.open + call.untaken + call.owed, call.window);
    }

    fn kept(&self) -> u64 {
        self.cost(self.acknowledged..self.sent.len())
    }

    /// What is on its way.
    fn on_its_way(&self) -> u64 {
        self.cost(self.acknowledged..self.out)
    }

    /// Whether a packet of this size may be on its way as well.
    fn allows(&self, cost: u64) -> bool {
        let Some((start, opening)) = self.resumed else {
            return true;
        };
        let allowed = opening + self.cost(start..self.acknowledged);
        let out = self.on_its_way();
        out <= 4 << 10 || allowed >= REPLAY || out + cost <= allowed
    }

    /// Another connection begins; so much is on the other side.
    fn resume(&mut self, there: usize) {
        self.acknowledged = there;
        self.out = self.out.max(there);
        let (start, opening) = self.resumed.unwrap_or((0, OPENING));
        let opening = if there > start {
            opening * 2
        } else if self.on_its_way() > PACKET {
            opening / 2
        } else {
            opening
        };
        self.resumed = Some((there, opening.clamp(PACKET, OPENING)));
        self.out = there;
    }

    fn cost(&self, packets: Range<usize>) -> u64 {
        self.sent[packets]
            .iter()
            .map(|frames| {
                let packet = Packet {
                    frames: frames.clone(),
                    ..Packet::default()
                };
                packet.encoded_len() as u64 + FRAME_COST
            })
            .sum()
    }

    fn buffered(&self) -> u64 {
        let untaken: u64 = self.calls.values().map(|call| call.untaken).sum();
        untaken + self.left.values().sum::<u64>() + self.kept()
    }

    /// A packet went out: it has to be one that may.
    fn went_out(&mut self, packet: &Packet) {
        assert_eq!(
            packet.ack, self.received as u64,
            "an acknowledgement of what arrived"
        );
        self.told = self.received;
        if packet.seq == 0 {
            return assert!(packet.frames.is_empty(), "{packet:?}");
        }
        if let Some(again) = self.sent.get(self.out) {
            assert!(self.allows(self.cost(self.out..self.out + 1)), "too much at once");
            self.out += 1;
            assert_eq!(packet.seq, self.out as u64);
            assert!(packet.frames == *again, "packet {} has changed", packet.seq);
            return;
        }
        assert_eq!(packet.seq, self.sent.len() as u64 + 1);
        let room = REPLAY - self.kept();
        assert!(room >= PACKET, "there was no room for it");
        assert!(self.allows(PACKET), "too much at once");
        for frame in &packet.frames {
            let body = frame.body.as_ref().unwrap();
            let waits = matches!(body, Body::Data(_) | Body::Head(_) | Body::End(_));
            assert!(!waits || room >= 2 * PACKET, "there was no room for bodies");
            self.frame_went_out(body);
        }
        self.sent.push(packet.frames.clone());
        self.out = self.sent.len();
    }

    fn frame_went_out(&mut self, body: &Body) {
        match body {
            Body::Open(open) => {
                self.to_tell -= 1;
                self.calls.get_mut(&open.call).unwrap().announced = true;
            }
            Body::Cancel(_) => self.to_tell -= 1,
            Body::Credit(credit) => {
                let call = self.calls.get_mut(&credit.call).unwrap();
                assert_eq!(std::mem::take(&mut call.due), credit.bytes);
            }
            Body::Head(head) => {
                let call = self.calls.get_mut(&head.call).unwrap();
                assert_eq!(call.waiting.pop_front(), Some(Piece::Head));
            }
            Body::Data(data) => {
                let call = self.calls.get_mut(&data.call).unwrap();
                assert!(call.announced);
                let size = data.payload.len();
                assert_eq!(call.next_data(), Some(size));
                call.credit -= size as u64 + FRAME_COST;
                match call.waiting.pop_front() {
                    Some(Piece::Data(whole)) if whole > size => {
                        call.waiting.push_front(Piece::Data(whole - size));
                    }
                    _ => {}
                }
            }
            Body::End(end) => {
                assert_eq!(self.calls[&end.call].waiting, [Piece::End]);
                self.end(end.call);
            }
            other => panic!("{other:?}"),
        }
    }

    /// Nothing went out: there has to be a reason.
    fn nothing_went_out(&self, acknowledgement_is_due: bool) {
        assert!(!acknowledgement_is_due || self.told == self.received);
        if self.out < self.sent.len() {
            let again = self.cost(self.out..self.out + 1);
            return assert!(!self.allows(again), "something is to go out again");
        }
        if !self.allows(PACKET) {
            return;
        }
        let room = REPLAY - self.kept();
        if room >= PACKET {
            assert_eq!(self.to_tell, 0);
            assert!(self.calls.values().all(|call| call.due == 0), "credit is due");
        }
        if room >= 2 * PACKET {
            assert!(!self.calls.values().any(Call::may_send), "there is credit");
        }
    }

    fn acknowledge(&mut self, ack: u64) {
        self.acknowledged = self.acknowledged.max(usize::try_from(ack).unwrap());
        self.out = self.out.max(self.acknowledged);
    }

    /// A packet arrived.
    fn arrived(&mut self, packet: &Packet, now: Instant) {
        self.acknowledge(packet.ack);
        if packet.seq == 0 {
            return;
        }
        assert_eq!(
            packet.seq,
            self.received as u64 + 1,
            "packets come once, in order"
        );
        self.received += 1;
        for body in packet.frames.iter().filter_map(|frame| frame.body.as_ref()) {
            match body {
                Body::Open(open) => {
                    assert!(self.admit(), "the opener's budget is the same and came first");
                    self.begin(open.call, false, now);
                    self.calls
                        .get_mut(&open.call)
                        .unwrap()
                        .waiting
                        .push_back(Piece::Head);
                }
                Body::Data(data) => {
                    if let Some(call) = self.calls.get_mut(&data.call) {
                        let cost = data.payload.len() as u64 + FRAME_COST;
                        call.open = call.open.checked_sub(cost).expect("credit for it");
                        call.untaken += cost;
                    }
                }
                Body::Credit(credit) => {
                    if let Some(call) = self.calls.get_mut(&credit.call) {
                        call.credit += credit.bytes;
                    }
                }
                Body::End(v1::End { call, .. }) | Body::Cancel(v1::Cancel { call })
                    if self.calls.contains_key(call) =>
                {
                    self.end(*call);
                }
                _ => {}
            }
        }
    }
}

/// Two sessions beside their models; the server is the first.
struct Both {
    now: Instant,
    sessions: [Session; 2],
    models: [Model; 2],
    via: [Attachment; 2],
    attached: bool,
    wires: [VecDeque<Packet>; 2],
    /// By their numbers, which both sides share; ids are each side's own.
    ids: [BTreeMap<u64, CallId>; 2],
    opened: u64,
    /// What arrived and was not taken.
    untaken: [VecDeque<(u64, usize)>; 2],
}

impl Both {
    fn new() -> Self {
        let now = Instant::now();
        let server = Session::server(config(), SessionId::from_bytes([1; 16]), now);
        let mut both = Self {
            now,
            sessions: [
                server.resumable(ResumeToken::from_bytes([9; 32])),
                Session::gateway(config(), InstanceId::from_bytes([7; 16]), now),
            ],
            models: [Model::default(), Model::default()],
            via: [Attachment::FIRST; 2],
            attached: true,
            wires: [VecDeque::new(), VecDeque::new()],
            ids: [BTreeMap::new(), BTreeMap::new()],
            opened: 0,
            untaken: [VecDeque::new(), VecDeque::new()],
        };
        for side in [1, 0] {
            let packet = both.sessions[side].next_packet(both.via[side], now).unwrap();
            both.sessions[1 - side].receive(both.via[1 - side], Packet::from(&packet), now);
        }
        both.take_events();
        both
    }

    fn pick(&self, side: usize, at: usize) -> Option<u64> {
        let calls = &self.models[side].calls;
        calls.keys().nth(at % calls.len().max(1)).copied()
    }

    fn act(&mut self, step: &Step) {
        match *step {
            Step::Open => self.open(),
            Step::Body(side, at, len) => {
                if let Some(id) = self
                    .pick(side, at)
                    .filter(|id| !self.models[side].calls[id].finished)
                {
                    let call = self.ids[side][&id];
                    let _ = self.sessions[side].send(call, Bytes::from(vec![3; len])).unwrap();
                    let waiting = &mut self.models[side].calls.get_mut(&id).unwrap().waiting;
                    waiting.push_back(Piece::Data(len));
                }
            }
            Step::Take(side, count) => (0..count).for_each(|_| self.take(side)),
            Step::Cancel(at) => {
                if let Some(id) = self.pick(0, at) {
                    self.sessions[0].cancel(self.ids[0][&id]);
                    let model = &mut self.models[0];
                    if model.calls[&id].announced {
                        model.to_tell += 1;
                    } else {
                        model.to_tell -= 1;
                    }
                    model.end(id);
                }
            }
            Step::End(at) => {
                if let Some(id) = self.pick(1, at).filter(|id| !self.models[1].calls[id].finished) {
                    self.sessions[1]
                        .end(self.ids[1][&id], CallEnd::new(Code::OK, ""))
                        .unwrap();
                    let call = self.models[1].calls.get_mut(&id).unwrap();
                    call.finished = true;
                    call.waiting.push_back(Piece::End);
                }
            }
            Step::Send(side, count) => {
                for _ in 0..count {
                    if !self.send(side) {
                        break;
                    }
                }
            }
            Step::Deliver(from, count) => (0..count).for_each(|_| self.deliver(from)),
            Step::Wait(millis) => {
                self.now += Duration::from_millis(millis);
                for session in &mut self.sessions {
                    session.tick(self.now);
                }
            }
            Step::Cut => {
                self.attached = false;
                self.wires = [VecDeque::new(), VecDeque::new()];
                for side in 0..2 {
                    self.sessions[side].detach(self.via[side], self.now);
                }
            }
            Step::Resume => {
                if !self.attached {
                    self.resume();
                }
            }
        }
        self.take_events();
        for side in 0..2 {
            assert_eq!(self.sessions[side].buffered_bytes(), self.models[side].buffered());
            assert_eq!(self.sessions[side].open_calls(), self.models[side].calls.len());
        }
    }

    fn open(&mut self) {
        let opened = self.sessions[0].open(Request::new("/a.B/c"), self.now);
        let model = &mut self.models[0];
        if model.calls.len() as u64 == MAX_CALLS {
            return assert!(
                matches!(opened, Err(OpenError::TooManyCalls { .. })),
                "{opened:?}"
            );
        }
        if !model.admit() {
            return assert_eq!(opened, Err(OpenError::OverBudget));
        }
        self.opened += 1;
        model.begin(self.opened, true, self.now);
        model.to_tell += 1;
        self.ids[0].insert(self.opened, opened.unwrap());
    }

    fn take(&mut self, side: usize) {
        if let Some((id, size)) = self.untaken[side].pop_front() {
            let session = &mut self.sessions[side];
            self.models[side].take(id, size, session.round_trip(), self.now);
            session.taken(self.ids[side][&id], size, self.now);
        }
    }

    /// False if there was nothing.
    fn send(&mut self, side: usize) -> bool {
        if !self.attached {
            assert!(
                self.sessions[side]
                    .next_packet(self.via[side], self.now)
                    .is_none()
            );
            return false;
        }
        let packet = self.sessions[side].next_packet(self.via[side], self.now);
        if let Some(packet) = &packet {
            let packet = Packet::from(packet);
            self.models[side].went_out(&packet);
            self.wires[side].push_back(packet);
        } else {
            let due = self.sessions[side]
                .next_timeout()
                .is_some_and(|at| at <= self.now);
            self.models[side].nothing_went_out(due);
        }
        packet.is_some()
    }

    fn deliver(&mut self, from: usize) {
        if let Some(packet) = self.wires[from].pop_front() {
            let to = 1 - from;
            self.models[to].arrived(&packet, self.now);
            self.sessions[to].receive(self.via[to], packet, self.now);
            self.take_events();
        }
    }

    fn resume(&mut self) {
        let now = self.now;
        self.via[1] = self.sessions[1].attach(now).unwrap();
        let hello = self.sessions[1].next_packet(self.via[1], now).unwrap();
        self.via[0] = self.sessions[0].resume(&Packet::from(&hello), now).unwrap();
        let welcome = Packet::from(&self.sessions[0].next_packet(self.via[0], now).unwrap());
        let [Some(Body::Welcome(said))] = [welcome.frames[0].body.clone()] else {
            panic!("{welcome:?}")
        };
        assert_eq!(said.resumed.unwrap().received, self.models[0].received as u64);
        self.sessions[1].receive(self.via[1], welcome, now);
        self.attached = true;
        for side in 0..2 {
            // Everything goes out again that is not there.
            let there = self.models[1 - side].received;
            self.models[side].resume(there);
        }
    }

    fn take_events(&mut self) {
        for side in 0..2 {
            while let Some(event) = self.sessions[side].next_event() {
                match event {
                    Event::Opened { call, .. } => {
                        let id = call.to_string().parse().unwrap();
                        self.ids[side].insert(id, call);
                        // Also when it was cancelled by the same packet.
                        let _ = self.sessions[side].head(call, Vec::new());
                    }
                    Event::Data { call, payload } => {
                        let id = call.to_string().parse().unwrap();
                        self.untaken[side].push_back((id, payload.len()));
                    }
                    Event::Closed(why) => panic!("{why:?}"),
                    _ => {}
                }
            }
        }
    }

    /// Brings everything to its end, and finds all credit where it was in the beginning.
    fn finish(&mut self) {
        for _ in 0..300 {
            self.act(&Step::Resume);
            for side in 0..2 {
                for step in [
                    Step::Send(side, 50),
                    Step::Deliver(side, 50),
                    Step::Take(1 - side, 1_000),
                    Step::Wait(60),
                ] {
                    self.act(&step);
                }
            }
        }
        for side in 0..2 {
            let (mine, other) = (&self.models[side], &self.models[1 - side]);
            assert!(mine.left.values().all(|left| *left == 0));
            assert_eq!(mine.kept(), 0, "everything is acknowledged");
            assert!(mine.calls.keys().eq(other.calls.keys()));
            for (id, call) in &mine.calls {
                assert!(call.waiting.is_empty());
                assert_eq!((call.untaken, call.due), (0, 0));
                assert_eq!(other.calls[id].credit, call.open, "credit is conserved");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn sessions_do_what_the_model_says(steps in proptest::collection::vec(step(), 1..250)) {
        let mut both = Both::new();
        for step in &steps {
            both.act(step);
        }
        both.finish();
    }
}
