//! Golden transcripts: the bytes of whole conversations, in `vectors/session/`.
//!
//! Each side is replayed on its own: it is fed the packets of the other side at their times, its user does what the script
//! says, and it has to send the recorded bytes at the recorded times. `UPDATE_TRANSCRIPTS=1` writes the files anew; that is
//! a break of the protocol, unless the file is new.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use octopus_argo_proto::prost::Message;
use octopus_argo_proto::prost::bytes::Bytes;
use octopus_argo_proto::session::{
    Attachment, CallEnd, CallId, Code, Config, Event, GoodbyeReason, InstanceId, Metadata, Request, Session,
    SessionId,
};
use octopus_argo_proto::v1::{Packet, frame::Body};
use serde_json::{Value, json};

use super::pair::Side;

/// How long every packet is under way, in milliseconds.
const LATENCY: u64 = 10;

/// What the user of a side does. Each script has at most one call.
#[derive(Clone, Debug)]
enum Act {
    Open(Request),
    Send(&'static [u8]),
    HalfClose,
    Head(Vec<Metadata>),
    End(CallEnd),
    Take(usize),
    Cancel,
    Drain(GoodbyeReason),
    Leave(GoodbyeReason, &'static str, Duration),
    /// Nothing: the conversation lasts until then.
    Watch,
}

/// A conversation: who does what, by the virtual time in milliseconds.
struct Script {
    id: &'static str,
    description: &'static str,
    hello: Hello,
    acts: Vec<(u64, Side, Act)>,
}

/// What the gateway's side begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hello {
    Ours,
    /// Of a later revision that does not speak ours any more. Only the server's side is replayed.
    TooNew,
}

const SCRIPTS: [fn() -> Script; 8] = [
    handshake,
    unary,
    server_streaming,
    cancel,
    deadline,
    drain_and_goodbye,
    refused_hello,
    heartbeat,
];

#[test]
fn transcripts_replay() {
    let update = std::env::var_os("UPDATE_TRANSCRIPTS").is_some_and(|value| value == "1");
    for script in SCRIPTS {
        let script = script();
        let path = folder().join(format!("{}.json", script.id));
        if update {
            let text = serde_json::to_string_pretty(&to_json(&script, &record(&script))).unwrap();
            std::fs::write(&path, text + "\n").unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", script.id));
        let sent = from_json(&serde_json::from_str(&text).unwrap());
        assert!(!sent.is_empty(), "{}: no packets", script.id);
        for side in Side::BOTH {
            if side == Side::Gateway && script.hello == Hello::TooNew {
                continue;
            }
            let theirs = sent.iter().filter(|packet| packet.from != side).cloned();
            let ours: Vec<_> = sent
                .iter()
                .filter(|packet| packet.from == side)
                .cloned()
                .collect();
            let replayed = replay(&script, side, theirs.collect());
            assert_eq!(replayed, ours, "{}: the {side:?} sends something else", script.id);
        }
    }
    assert_a_script_for_each_file();
}

fn assert_a_script_for_each_file() {
    let mut found: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    found.sort();
    let mut expected: Vec<_> = SCRIPTS.iter().map(|script| script().id).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors/session")
}

// ---- The conversations.

fn handshake() -> Script {
    Script {
        id: "handshake",
        description: "Hello and Welcome, nothing else.",
        hello: Hello::Ours,
        acts: vec![(100, Side::Server, Act::Watch)],
    }
}

fn unary() -> Script {
    let request = Request::new("/version.VersionService/Version")
        .metadata(vec![pair("x-request-id", b"7"), pair("trace-bin", b"AAEC")])
        .timeout(Duration::from_secs(5));
    Script {
        id: "unary-call",
        description: "One message each way, metadata both ways, status OK; then the last acknowledgement.",
        hello: Hello::Ours,
        acts: vec![
            (50, Side::Server, Act::Open(request)),
            (50, Side::Server, Act::Send(b"\0\0\0\0\0")),
            (50, Side::Server, Act::HalfClose),
            (60, Side::Gateway, Act::Take(5)),
            (
                70,
                Side::Gateway,
                Act::Head(vec![pair("content-type", b"application/grpc")]),
            ),
            (70, Side::Gateway, Act::Send(b"\0\0\0\0\x08\x0a\x06v3.4.5")),
            (70, Side::Gateway, Act::End(CallEnd::new(Code::OK, ""))),
            (80, Side::Server, Act::Take(13)),
            (300, Side::Server, Act::Watch),
        ],
    }
}

/// More than an eighth of the window: taking it gives credit back.
static LARGE: [u8; 12_600] = [0x5a; 12_600];

fn server_streaming() -> Script {
    let end = CallEnd::new(Code::from_number(9), "the stream broke off, \u{fc}nfortunately")
        .details(Bytes::from_static(b"\x08\x09\x12\x06broken"))
        .trailers(vec![pair("x-trailer", b"yes"), pair("x-trailer", b"again")]);
    Script {
        id: "server-streaming-call",
        description: "Three pieces of a body and credit for the first, then an error with details and trailers.",
        hello: Hello::Ours,
        acts: vec![
            (
                50,
                Side::Server,
                Act::Open(Request::new("/application.ApplicationService/Watch")),
            ),
            (50, Side::Server, Act::HalfClose),
            (60, Side::Gateway, Act::Head(Vec::new())),
            (60, Side::Gateway, Act::Send(&LARGE)),
            (75, Side::Server, Act::Take(LARGE.len())),
            (100, Side::Gateway, Act::Send(b"second")),
            (200, Side::Gateway, Act::Send(b"")),
            (250, Side::Gateway, Act::End(end)),
            (500, Side::Server, Act::Watch),
        ],
    }
}

fn cancel() -> Script {
    Script {
        id: "cancel",
        description: "A stream that its opener cancels; what crosses the cancel is ignored.",
        hello: Hello::Ours,
        acts: vec![
            (
                50,
                Side::Server,
                Act::Open(Request::new("/application.ApplicationService/PodLogs")),
            ),
            (50, Side::Server, Act::HalfClose),
            (70, Side::Gateway, Act::Head(Vec::new())),
            (70, Side::Gateway, Act::Send(b"line 1")),
            (100, Side::Server, Act::Cancel),
            (105, Side::Gateway, Act::Send(b"line 2, too late")),
            (300, Side::Server, Act::Watch),
        ],
    }
}

fn deadline() -> Script {
    let request = Request::new("/application.ApplicationService/List").timeout(Duration::from_millis(80));
    Script {
        id: "deadline",
        description: "A call that nobody answers: its opener cancels it at the deadline, which is a little earlier there.",
        hello: Hello::Ours,
        acts: vec![
            (50, Side::Server, Act::Open(request)),
            (300, Side::Server, Act::Watch),
        ],
    }
}

fn drain_and_goodbye() -> Script {
    Script {
        id: "drain-and-goodbye",
        description: "A gateway drains while a call is open; it ends, and the gateway leaves and says for how long.",
        hello: Hello::Ours,
        acts: vec![
            (
                50,
                Side::Server,
                Act::Open(Request::new("/application.ApplicationService/Get")),
            ),
            (70, Side::Gateway, Act::Drain(GoodbyeReason::Shutdown)),
            (90, Side::Server, Act::HalfClose),
            (
                110,
                Side::Gateway,
                Act::End(CallEnd::new(Code::from_number(5), "no such application")),
            ),
            (
                130,
                Side::Gateway,
                Act::Leave(GoodbyeReason::Shutdown, "restarting", Duration::from_millis(2500)),
            ),
        ],
    }
}

fn refused_hello() -> Script {
    Script {
        id: "refused-hello",
        description: "A gateway without a revision in common is refused.",
        hello: Hello::TooNew,
        acts: vec![(100, Side::Server, Act::Watch)],
    }
}

fn heartbeat() -> Script {
    Script {
        id: "heartbeat",
        description: "Half a minute of silence: pings and pongs, without numbers.",
        hello: Hello::Ours,
        acts: vec![(30_000, Side::Server, Act::Watch)],
    }
}

fn pair(key: &str, value: &'static [u8]) -> Metadata {
    Metadata {
        key: key.to_owned(),
        value: Bytes::from_static(value),
    }
}

// ---- Running them.

/// A packet of a conversation: who sent it, and when, in milliseconds.
#[derive(Clone, PartialEq, Eq)]
struct Sent {
    at: u64,
    from: Side,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ms, {:?}: {}", self.at, self.from, hex(&self.bytes))
    }
}

/// One side, its user's script, and the call that it has.
struct Actor {
    side: Side,
    session: Session,
    start: Instant,
    call: Option<CallId>,
    acts: VecDeque<(u64, Act)>,
}

impl Actor {
    fn new(script: &Script, side: Side) -> Self {
        let start = Instant::now();
        // What a default may one day be is no part of the protocol.
        let config = Config::default()
            .software("transcript", "1.0.0")
            .max_calls(100)
            .guaranteed_credit(100_000)
            .initial_credit(100_000)
            .heartbeat(Duration::from_secs(10), Duration::from_secs(25));
        let acts = script.acts.iter().filter(|(_, who, _)| *who == side);
        Self {
            side,
            session: match side {
                Side::Server => Session::server(
                    config.recommended_gateway_version("1.1.0"),
                    SessionId::from_bytes(*b"session-identity"),
                    start,
                ),
                Side::Gateway => {
                    Session::gateway(config, InstanceId::from_bytes(*b"instance-identit"), start)
                }
            },
            start,
            call: None,
            acts: acts.map(|(at, _, act)| (*at, act.clone())).collect(),
        }
    }

    /// Does all that is due at this time. What arrives comes first, then timeouts, then the user.
    fn run(&mut self, at: u64, arrived: Option<&[u8]>) -> Vec<Sent> {
        let now = self.start + Duration::from_millis(at);
        if let Some(bytes) = arrived {
            self.session
                .receive(Attachment::FIRST, Packet::decode(bytes).unwrap(), now);
        }
        self.session.tick(now);
        self.note_call();
        while self.acts.front().is_some_and(|(due, _)| *due <= at) {
            let (_, act) = self.acts.pop_front().unwrap();
            self.act(act, now);
        }
        self.note_call();
        std::iter::from_fn(|| self.session.next_packet(Attachment::FIRST, now))
            .map(|packet| Sent {
                at,
                from: self.side,
                bytes: packet.encode_to_vec(),
            })
            .collect()
    }

    /// When there is something to do again without a packet of the other side.
    fn next(&self) -> Option<u64> {
        let timeout = self.session.next_timeout().map(|at| {
            let nanos = (at - self.start).as_nanos();
            u64::try_from(nanos.div_ceil(1_000_000)).unwrap()
        });
        let act = self.acts.front().map(|(at, _)| *at);
        timeout.into_iter().chain(act).min()
    }

    fn note_call(&mut self) {
        while let Some(event) = self.session.next_event() {
            if let Event::Opened { call, .. } = event {
                self.call = Some(call);
            }
        }
    }

    fn act(&mut self, act: Act, now: Instant) {
        let session = &mut self.session;
        match (act, self.call) {
            (Act::Watch, _) => {}
            (Act::Open(request), _) => self.call = Some(session.open(request, now).unwrap()),
            (Act::Drain(reason), _) => session.drain(reason),
            (Act::Leave(reason, message, wait), _) => session.leave_for(reason, message, wait),
            (Act::Send(bytes), Some(call)) => {
                let _ = session.send(call, Bytes::from_static(bytes)).unwrap();
            }
            (Act::HalfClose, Some(call)) => session.half_close(call).unwrap(),
            (Act::Head(metadata), Some(call)) => session.head(call, metadata).unwrap(),
            (Act::End(end), Some(call)) => session.end(call, end).unwrap(),
            (Act::Take(payload), Some(call)) => session.taken(call, payload, now),
            (Act::Cancel, Some(call)) => session.cancel(call),
            (act, None) => panic!("{act:?} without a call"),
        }
    }
}

/// The last time at which something happens.
fn last(script: &Script) -> u64 {
    script.acts.iter().map(|(at, ..)| *at).max().unwrap() + 2 * LATENCY
}

/// One side against the recorded packets of the other.
fn replay(script: &Script, side: Side, theirs: VecDeque<Sent>) -> Vec<Sent> {
    let mut actor = Actor::new(script, side);
    let mut theirs = theirs;
    let mut sent = actor.run(0, None);
    loop {
        let arrival = theirs.front().map(|packet| packet.at + LATENCY);
        let Some(at) = arrival.into_iter().chain(actor.next()).min() else {
            return sent;
        };
        if at > last(script) {
            return sent;
        }
        let arrived = (arrival == Some(at)).then(|| theirs.pop_front().unwrap());
        sent.extend(actor.run(at, arrived.as_ref().map(|packet| &*packet.bytes)));
    }
}

/// Both sides against each other.
fn record(script: &Script) -> Vec<Sent> {
    let mut actors = Side::BOTH.map(|side| Actor::new(script, side));
    let mut sent = match script.hello {
        Hello::Ours => actors[1].run(0, None),
        Hello::TooNew => vec![too_new()],
    };
    let mut delivered = 0;
    loop {
        let arrival = sent.get(delivered).map(|packet| packet.at + LATENCY);
        let nexts = actors
            .iter()
            .filter_map(|actor| match (script.hello, actor.side) {
                (Hello::TooNew, Side::Gateway) => None,
                _ => actor.next(),
            });
        let Some(at) = arrival
            .into_iter()
            .chain(nexts)
            .min()
            .filter(|at| *at <= last(script))
        else {
            return sent;
        };
        let arrived = sent
            .get(delivered)
            .filter(|packet| packet.at + LATENCY == at)
            .cloned();
        delivered += usize::from(arrived.is_some());
        for actor in &mut actors {
            let bytes = arrived
                .as_ref()
                .filter(|packet| packet.from != actor.side)
                .map(|packet| &*packet.bytes);
            if script.hello == Hello::Ours || actor.side == Side::Server {
                sent.extend(actor.run(at, bytes));
            }
        }
    }
}

fn too_new() -> Sent {
    let mut gateway = Actor::new(&refused_hello(), Side::Gateway);
    let mut packet = Packet::decode(&*gateway.run(0, None)[0].bytes).unwrap();
    let Some(Body::Hello(hello)) = &mut packet.frames[0].body else {
        panic!("the first frame is no hello")
    };
    (hello.revision, hello.oldest_revision) = (4, 3);
    Sent {
        at: 0,
        from: Side::Gateway,
        bytes: packet.encode_to_vec(),
    }
}

// ---- The files.

fn to_json(script: &Script, sent: &[Sent]) -> Value {
    let packets = sent.iter().map(|packet| {
        let decoded = Packet::decode(&*packet.bytes).unwrap();
        let frames = decoded.frames.iter().filter_map(|frame| frame.body.as_ref());
        json!({
            "at_ms": packet.at,
            "from": match packet.from { Side::Server => "server", Side::Gateway => "gateway" },
            "frames": frames.map(name).collect::<Vec<_>>(),
            "hex": hex(&packet.bytes),
        })
    });
    json!({
        "id": script.id,
        "description": script.description,
        "latency_ms": LATENCY,
        "packets": packets.collect::<Vec<_>>(),
    })
}

fn from_json(file: &Value) -> Vec<Sent> {
    let packets = file["packets"].as_array().unwrap().iter();
    packets
        .map(|packet| Sent {
            at: packet["at_ms"].as_u64().unwrap(),
            from: match packet["from"].as_str().unwrap() {
                "server" => Side::Server,
                "gateway" => Side::Gateway,
                other => panic!("{other} is no side"),
            },
            bytes: unhex(packet["hex"].as_str().unwrap()),
        })
        .collect()
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}
