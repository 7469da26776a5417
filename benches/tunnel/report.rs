//! What the tunnel costs, in one run: a table on standard output, a flat JSON object in a file.
//!
//! `cargo run --release -p octopus-argo-benches --bin tunnel-report -- --json FILE [--full] [--peer HOST:PORT]`
//!
//! Three paths are compared, round by round in turn, so that a slow moment of the machine hits all alike:
//!
//! - `direct`: a tonic client over TLS and HTTP/2 to the backend;
//! - `proxy`: the same to an HTTP/2 reverse proxy (hyper on both sides), and from there in plain text to the backend;
//! - `tunnel`: a tonic client over a gateway's handle, TLS between server and gateway, and from there in plain text to the
//!   backend, by the very service that the proxy is made of.
//!
//! Everything runs in one process on one runtime, and every socket and HTTP/2 connection has the product's settings.
//! A ratio is the median over rounds of one path's figure by another's in the same round; `_low` and `_high` are its
//! quartiles. Processor time is that of the whole process: caller, every hop and backend, for all paths alike.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of a benchmark"
)]

mod backend;
mod cpu;
mod fleet;
mod hop;
mod load;
mod paths;
mod raw;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::ValueExt as _;
use octopus_argo_core::http2;
use serde_json::{Value, json};

use hop::Failure;
use load::{Load, Sample};
use paths::{Ground, Named};

/// What a figure has to be: the gate that must hold, and the goal.
const LIMITS: [(&str, &str, &str); 18] = [
    ("unary_1k_p50_vs_proxy", "≤ 1.0", "≤ 0.88"),
    ("unary_1k_p50_vs_direct", "", "≤ 1.5"),
    ("unary_1k_p99_vs_proxy", "≤ 1.0", "≤ 0.80"),
    ("unary_1m_p50_vs_proxy", "", ""),
    ("calls_per_s_64_vs_proxy", "≥ 1.25", "≥ 1.5"),
    ("stream_down_vs_proxy", "≥ 1.0", "≥ 1.2"),
    ("stream_up_vs_proxy", "≥ 1.0", "≥ 1.2"),
    ("cpu_per_call_vs_proxy", "", ""),
    ("unary_1k_rtt20_vs_direct", "≤ 1.05", "≤ 1.02"),
    ("stream_rtt20_vs_direct", "≥ 0.9", "≥ 1.0"),
    // Not with equal windows: a server's listener gives a stream of its own 65 MiB, and a tunnelled call gets 4.
    ("stream_up_rtt20_vs_direct", "", ""),
    ("p50_beside_stalled_vs_idle", "≤ 1.15", "≤ 1.05"),
    ("p99_beside_stalled_vs_idle", "≤ 1.5", "≤ 1.1"),
    ("direct_p50_beside_stalled_vs_idle", "", ""),
    ("direct_p99_beside_stalled_vs_idle", "", ""),
    ("idle_gateway_kib", "≤ 48", "≤ 32"),
    ("reconnect_1000_p99_s", "< 10", "< 5"),
    ("reconnect_5000_p99_s", "", ""),
];

/// The window of a stream where the direct call is compared over a long link: the largest that a tunnelled call gets.
const LONG_LINK_WINDOW: u32 = 4 << 20;

/// The window of a stream beside stalled calls: what a tunnelled call begins with. With larger ones the stalled calls
/// of the direct path would block their connection altogether.
const STALLED_WINDOW: u32 = 256 << 10;

const ROUND_TRIP: Duration = Duration::from_millis(20);
const STALLED: usize = 80;

type Figures = BTreeMap<String, Value>;

#[derive(Default)]
struct Options {
    json: Option<PathBuf>,
    full: bool,
    peer: Option<SocketAddr>,
    backend_port: u16,
    /// Only this part, for a profiler.
    only: Option<String>,
    /// Only this path, for a profiler.
    path: Option<String>,
}

const HELP: &str = "\
tunnel-report [--json FILE] [--full] [--peer HOST:PORT] [--backend-port PORT] [--only PART] [--path NAME]

  --json FILE          write the figures as one flat JSON object
  --full               longer rounds, more of them, and a reconnect storm of 5 000 as well
  --peer HOST:PORT     measure a TCP tunnel that forwards to the backend, beside ours
  --backend-port PORT  where the backend listens in plain text; a free port if not given, and printed
  --only PART          idle, unary, large, callers, down, up, long-link, stalled or storm
  --path NAME          direct, proxy, tunnel or peer alone, in the parts from unary to up";

fn main() -> Result<(), Failure> {
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("json") => options.json = Some(PathBuf::from(arguments.value()?)),
            lexopt::Arg::Long("full") => options.full = true,
            lexopt::Arg::Long("peer") => options.peer = Some(arguments.value()?.parse()?),
            lexopt::Arg::Long("backend-port") => options.backend_port = arguments.value()?.parse()?,
            lexopt::Arg::Long("only") => options.only = Some(arguments.value()?.string()?),
            lexopt::Arg::Long("path") => options.path = Some(arguments.value()?.string()?),
            lexopt::Arg::Long("help") => {
                println!("{HELP}");
                return Ok(());
            }
            lexopt::Arg::Value(value) if value == fleet::GATEWAYS => {
                let (address, thumbprint) = (arguments.value()?.string()?, arguments.value()?.string()?);
                return runtime()?.block_on(fleet::gateways(&address, &thumbprint));
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let mut figures = Figures::new();
    let wanted = |part: &str| options.only.as_deref().is_none_or(|only| only == part);
    // First, while the heap is fresh.
    if wanted("idle")
        && let Some(kib) = runtime()?.block_on(fleet::idle(500))?
    {
        put(&mut figures, "idle_gateway_kib", kib);
    }
    for (part, loads) in LOCAL {
        if wanted(part) {
            runtime()?.block_on(local(&options, loads, &mut figures))?;
        }
    }
    if wanted("long-link") {
        runtime()?.block_on(long_link(&options, &mut figures))?;
    }
    if wanted("stalled") {
        runtime()?.block_on(stalled(&options, &mut figures))?;
    }
    if wanted("storm") {
        let sizes: &[usize] = if options.full { &[1000, 5000] } else { &[1000] };
        for size in sizes {
            let [p50, p99, last] = runtime()?.block_on(fleet::storm(*size))?;
            put(&mut figures, &format!("reconnect_{size}_p50_s"), p50);
            put(&mut figures, &format!("reconnect_{size}_p99_s"), p99);
            put(&mut figures, &format!("reconnect_{size}_last_s"), last);
        }
    }
    print(&figures);
    if let Some(path) = options.json {
        fs::write(path, serde_json::to_vec_pretty(&figures)?)?;
    }
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn print(figures: &Figures) {
    println!(
        "{:38} {:>12}  {:>20}  {:8} goal",
        "figure", "measured", "quartiles", "gate"
    );
    for (name, value) in figures {
        if name.ends_with("_low") || name.ends_with("_high") {
            continue;
        }
        let limit = LIMITS.iter().find(|limit| limit.0 == name);
        let (gate, goal) = limit.map_or(("", ""), |limit| (limit.1, limit.2));
        let shown = |name: &str| figures.get(name).and_then(Value::as_f64);
        let quartiles = shown(&format!("{name}_low"))
            .zip(shown(&format!("{name}_high")))
            .map_or_else(String::new, |(low, high)| format!("{low:.3} – {high:.3}"));
        let value = value.as_f64().unwrap_or(f64::NAN);
        println!("{name:38} {value:>12.3}  {quartiles:>20}  {gate:8} {goal}");
    }
}

fn put(figures: &mut Figures, name: &str, value: f64) {
    figures.insert(name.to_owned(), json!(value));
}

/// The quartiles, with the median in the middle.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|part| values[part * (values.len() - 1) / 4])
}

fn put_ratio(figures: &mut Figures, name: &str, values: Vec<f64>) {
    let [low, middle, high] = quartiles(values);
    put(figures, name, middle);
    put(figures, &format!("{name}_low"), low);
    put(figures, &format!("{name}_high"), high);
}

/// The samples of several paths: one a round, in the same order.
struct Samples(Vec<(&'static str, Vec<Sample>)>);

impl Samples {
    /// Runs a load on each path in turn, for some rounds, after one that does not count.
    async fn take(paths: &[Named], rounds: usize, load: Load) -> Result<Self, Failure> {
        let mut samples: Vec<_> = paths.iter().map(|path| (path.name, Vec::new())).collect();
        for round in 0..=rounds {
            // Who comes first changes, so that none always follows the same other.
            for turn in 0..paths.len() {
                let index = (turn + round) % paths.len();
                let sample = paths[index].target.run(load).await?;
                if round > 0 {
                    samples[index].1.push(sample);
                }
            }
        }
        Ok(Self(samples))
    }

    fn of(&self, path: &str) -> Option<&[Sample]> {
        self.0
            .iter()
            .find(|each| each.0 == path)
            .map(|each| each.1.as_slice())
    }

    fn put_absolute(&self, figures: &mut Figures, name: &str, of: impl Fn(&Sample) -> f64) {
        for (path, samples) in &self.0 {
            put(
                figures,
                &format!("{path}_{name}"),
                quartiles(samples.iter().map(&of).collect())[1],
            );
        }
    }

    /// The ratio of a path to another; nothing where one of them was not measured.
    fn put_ratio(
        &self,
        figures: &mut Figures,
        name: &str,
        path: &str,
        by: &str,
        of: impl Fn(&Sample) -> f64,
    ) {
        if let (Some(path), Some(by)) = (self.of(path), self.of(by)) {
            let ratios = path.iter().zip(by).map(|(path, by)| of(path) / of(by)).collect();
            put_ratio(figures, name, ratios);
        }
    }

    /// Ratios to the proxy and the direct path, ours and the peer's.
    fn put_ratios(&self, figures: &mut Figures, name: &str, of: impl Fn(&Sample) -> f64 + Copy) {
        for by in ["proxy", "direct"] {
            self.put_ratio(figures, &format!("{name}_vs_{by}"), "tunnel", by, of);
            self.put_ratio(figures, &format!("peer_{name}_vs_{by}"), "peer", by, of);
        }
    }
}

/// What is measured on loopback.
#[derive(Clone, Copy)]
enum Local {
    Unary,
    Large,
    Callers,
    Down,
    Up,
}

const LOCAL: [(&str, Local); 5] = [
    ("unary", Local::Unary),
    ("large", Local::Large),
    ("callers", Local::Callers),
    ("down", Local::Down),
    ("up", Local::Up),
];

/// On loopback.
async fn local(options: &Options, part: Local, figures: &mut Figures) -> Result<(), Failure> {
    let mut ground = Ground::new(options.backend_port).await?;
    if options.peer.is_some() || options.backend_port != 0 {
        println!("the backend listens on {} in plain text", ground.backend());
    }
    let window = http2::STREAM_WINDOW;
    let mut paths = vec![
        ground.direct(None, window).await?,
        ground.proxy(None, window).await?,
        ground.tunnel(None).await?,
    ];
    if let Some(peer) = options.peer {
        paths.push(ground.peer(peer).await?);
    }
    if let Some(only) = &options.path {
        paths.retain(|path| path.name == only);
    }
    let rounds = if options.full { 21 } else { 9 };
    let time = |millis: u64| Duration::from_millis(if options.full { millis * 3 } else { millis });
    match part {
        Local::Unary => {
            let samples = Samples::take(&paths, rounds, Load::Unary(1 << 10, time(400))).await?;
            samples.put_absolute(figures, "unary_1k_p50_us", |sample| sample.p50_us);
            samples.put_absolute(figures, "unary_1k_p99_us", |sample| sample.p99_us);
            samples.put_ratios(figures, "unary_1k_p50", |sample| sample.p50_us);
            samples.put_ratios(figures, "unary_1k_p99", |sample| sample.p99_us);
        }
        Local::Large => {
            let samples = Samples::take(&paths, rounds, Load::Unary(1 << 20, time(400))).await?;
            samples.put_absolute(figures, "unary_1m_p50_us", |sample| sample.p50_us);
            samples.put_ratios(figures, "unary_1m_p50", |sample| sample.p50_us);
        }
        Local::Callers => {
            let samples = Samples::take(&paths, rounds, Load::Callers(64, time(600))).await?;
            samples.put_absolute(figures, "calls_per_s_64", |sample| sample.per_s);
            samples.put_ratios(figures, "calls_per_s_64", |sample| sample.per_s);
            samples.put_absolute(figures, "cpu_us_per_call", |sample| sample.cpu_us);
            samples.put_ratios(figures, "cpu_per_call", |sample| sample.cpu_us);
        }
        Local::Down => {
            let samples = Samples::take(&paths, rounds, Load::Down(time(100), time(400))).await?;
            samples.put_absolute(figures, "stream_down_mb_s", |sample| sample.per_s / 1e6);
            samples.put_ratios(figures, "stream_down", |sample| sample.per_s);
        }
        Local::Up => {
            let samples = Samples::take(&paths, rounds, Load::Up(time(400))).await?;
            samples.put_absolute(figures, "stream_up_mb_s", |sample| sample.per_s / 1e6);
            samples.put_ratios(figures, "stream_up", |sample| sample.per_s);
        }
    }
    Ok(())
}

/// Over a relay with a round trip of 20 ms.
async fn long_link(options: &Options, figures: &mut Figures) -> Result<(), Failure> {
    let mut ground = Ground::new(0).await?;
    let relay = Some(ROUND_TRIP);
    let paths = [
        ground.direct(relay, LONG_LINK_WINDOW).await?,
        ground.tunnel(relay).await?,
    ];
    let rounds = if options.full { 15 } else { 5 };

    let samples = Samples::take(&paths, rounds, Load::Unary(1 << 10, Duration::from_millis(800))).await?;
    samples.put_absolute(figures, "unary_1k_rtt20_us", |sample| sample.p50_us);
    samples.put_ratios(figures, "unary_1k_rtt20", |sample| sample.p50_us);

    let load = Load::Down(Duration::from_millis(500), Duration::from_secs(1));
    let samples = Samples::take(&paths, rounds, load).await?;
    samples.put_absolute(figures, "stream_rtt20_mb_s", |sample| sample.per_s / 1e6);
    samples.put_ratios(figures, "stream_rtt20", |sample| sample.per_s);

    let samples = Samples::take(&paths, rounds, Load::Up(Duration::from_secs(1))).await?;
    samples.put_absolute(figures, "stream_up_rtt20_mb_s", |sample| sample.per_s / 1e6);
    samples.put_ratios(figures, "stream_up_rtt20", |sample| sample.per_s);
    Ok(())
}

/// Beside calls whose answers nobody reads.
async fn stalled(options: &Options, figures: &mut Figures) -> Result<(), Failure> {
    let mut ground = Ground::new(0).await?;
    let paths = [
        ground.direct(None, STALLED_WINDOW).await?,
        ground.tunnel(None).await?,
    ];
    let rounds = if options.full { 15 } else { 7 };
    let load = Load::Unary(1 << 10, Duration::from_millis(400));
    let mut ratios: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); paths.len()];
    for round in 0..=rounds {
        for (index, path) in paths.iter().enumerate() {
            let idle = path.target.run(load).await?;
            let unread = path.target.stalled(STALLED).await?;
            let beside = path.target.run(load).await?;
            drop(unread);
            if round > 0 {
                ratios[index].0.push(beside.p50_us / idle.p50_us);
                ratios[index].1.push(beside.p99_us / idle.p99_us);
            }
        }
    }
    for (path, (p50, p99)) in paths.iter().zip(ratios) {
        let prefix = if path.name == "tunnel" { "" } else { "direct_" };
        put_ratio(figures, &format!("{prefix}p50_beside_stalled_vs_idle"), p50);
        put_ratio(figures, &format!("{prefix}p99_beside_stalled_vs_idle"), p99);
    }
    Ok(())
}
