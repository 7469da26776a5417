//! What gets through a line of 1 Gbit/s whose way there and back takes 100 ms.
//!
//! The optimum is what the windows allow, not the line: nothing beyond the window of a call is on its way or unacknowledged,
//! so one call gets through its largest window in each round trip. Of all calls together no more than the replay buffer is
//! unacknowledged; by default both are 4 MiB, which is 42 MB/s, a third of the line.
#![allow(clippy::cast_precision_loss, reason = "rates, of which three digits count")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use octopus_argo_proto::prost::bytes::Bytes;
use octopus_argo_proto::session::{CallId, Config, Event, MAX_CHUNK, Request, Room};

use super::pair::{Line, Pair, Side};

const ROUND_TRIP: Duration = Duration::from_millis(100);

const LINE: Line = Line {
    latency: Duration::from_millis(50),
    bytes_per_second: 125_000_000,
};

/// What is counted begins when windows have grown.
const GROWING: Duration = Duration::from_secs(3);

const MEASURED: Duration = Duration::from_secs(2);

/// Calls with bodies without end, of which the other side takes each byte at once.
struct Streams {
    pair: Pair,
    sender: Side,
    calls: Vec<CallId>,
    /// What each call got through.
    arrived: BTreeMap<CallId, u64>,
    piece: Bytes,
}

impl Streams {
    fn new(config: Config, sender: Side, count: usize) -> Self {
        let mut pair = Pair::new(config.clone(), config, LINE);
        pair.settle();
        for side in Side::BOTH {
            let _established = pair.events(side);
        }
        let calls = (0..count)
            .map(|_| {
                pair.with(Side::Server, |server, now| {
                    server.open(Request::new("/a.B/c"), now)
                })
                .unwrap()
            })
            .collect();
        let mut streams = Self {
            pair,
            sender,
            calls,
            arrived: BTreeMap::new(),
            piece: Bytes::from(vec![7; MAX_CHUNK]),
        };
        if sender == Side::Server {
            for call in streams.calls.clone() {
                streams.fill(call);
            }
        }
        streams
    }

    fn fill(&mut self, call: CallId) {
        let piece = &self.piece;
        self.pair.with(self.sender, |session, _| {
            while session.send(call, piece.clone()) == Ok(Room::Ready) {}
        });
    }

    fn run_until(&mut self, limit: Instant) {
        while self.pair.now < limit {
            self.pair.step(limit);
            for side in Side::BOTH {
                while let Some(event) = self.pair.next_event(side) {
                    self.note(side, event);
                }
            }
        }
    }

    fn note(&mut self, side: Side, event: Event) {
        match event {
            Event::Opened { call, .. } if self.sender == Side::Gateway => {
                self.pair
                    .with(side, |gateway, _| gateway.head(call, Vec::new()))
                    .unwrap();
                self.fill(call);
            }
            Event::Writable { call } => self.fill(call),
            Event::Data { call, payload } => {
                *self.arrived.entry(call).or_default() += payload.len() as u64;
                self.pair
                    .with(side, |session, now| session.taken(call, payload.len(), now));
            }
            Event::Opened { .. } | Event::Head { .. } => {}
            other => panic!("{side:?}: {other:?}"),
        }
    }

    /// What each call gets through in a second, when windows have grown.
    fn rates(mut self) -> Vec<f64> {
        let begun = self.pair.now;
        self.run_until(begun + GROWING);
        self.arrived.clear();
        self.run_until(begun + GROWING + MEASURED);
        assert_eq!(self.arrived.len(), self.calls.len());
        self.arrived
            .into_values()
            .map(|bytes| bytes as f64 / MEASURED.as_secs_f64())
            .collect()
    }
}

/// What one window in each round trip is, in a second.
fn per_round_trip(window: u64) -> f64 {
    window as f64 / ROUND_TRIP.as_secs_f64()
}

fn one_stream(config: Config, sender: Side, optimum: u64) {
    let rate = Streams::new(config, sender, 1).rates()[0];
    let share = rate / per_round_trip(optimum);
    // More than all would mean that something is not counted.
    assert!((0.9..=1.01).contains(&share), "{sender:?}: {share}");
}

#[test]
fn one_stream_gets_through_its_window_in_each_round_trip() {
    for sender in Side::BOTH {
        one_stream(Config::default(), sender, Config::LARGEST_CREDIT.into());
    }
}

#[test]
fn with_a_larger_replay_buffer_the_window_alone_counts() {
    let config = Config::default().replay_buffer(16 << 20);
    one_stream(config, Side::Gateway, Config::LARGEST_CREDIT.into());
}

#[test]
fn a_larger_window_alone_does_not_help() {
    let config = Config::default().largest_credit(16 << 20);
    one_stream(config, Side::Gateway, Config::REPLAY_BUFFER);
}

#[test]
fn many_streams_share_what_there_is() {
    let rates = Streams::new(Config::default(), Side::Gateway, 64).rates();
    let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let most = rates.iter().copied().fold(0.0, f64::max);
    let share = rates.iter().sum::<f64>() / per_round_trip(Config::REPLAY_BUFFER);
    println!(
        "largest / smallest: {:.3}; {:.1} % of the optimum",
        most / least,
        share * 100.0
    );
    assert_eq!(rates.len(), 64);
    assert!(most <= 1.2 * least, "{least} to {most}");
    assert!((0.9..=1.01).contains(&share), "{share}");
}
