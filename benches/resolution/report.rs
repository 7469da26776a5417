//! The figures of the README, in one run: a table on standard output, a flat JSON object in a file.
//!
//! `cargo run --release -p octopus-argo-benches --bin resolution-report -- --json FILE [--jq]`

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use lexopt::ValueExt as _;
use octopus_argo_benches::clock::Moment;
use octopus_argo_benches::{fleet, list, scan};
use octopus_argo_core::index::{Change, InstanceId, ScopeIndex, Snapshot};
use octopus_argo_core::read::{Format, Limits, Object, read, read_slice};
use octopus_argo_core::{Application, Scope, SpaceId};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

const SOURCES: usize = 1_000_000;

/// What a figure has to be: the gate that must hold, and the goal.
const LIMITS: [(&str, &str, &str); 9] = [
    ("resolve_1m_hit_ns", "≤ 300", "≤ 100"),
    ("resolve_1m_vs_scan", "> 10 000", ""),
    ("resolve_allocations", "0", ""),
    ("upsert_us", "≤ 2", "≤ 1"),
    ("read_10k_vs_serde_json", "≤ 0.8", ""),
    ("read_10k_vs_ignored_any", "≤ 2", "≤ 1.2"),
    ("read_10k_stream_vs_ignored_any", "≤ 2", "≤ 1.2"),
    ("peak_heap_vs_kept", "≤ 1.2", ""),
    ("resolve_vs_jq", "≥ 20", "≥ 50"),
];

type Figures = BTreeMap<String, Value>;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut json, mut jq) = (None, false);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("json") => json = Some(PathBuf::from(arguments.value()?.string()?)),
            lexopt::Arg::Long("jq") => jq = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let mut figures = Figures::new();
    reading(&mut figures);
    let applications = fleet::applications_for(SOURCES);
    let index = building(applications, &mut figures);
    let scanned = resolving(&index.snapshot(), applications, &mut figures);
    updating(index, applications, &mut figures);
    // Last, because its applications leave a heap behind that slows everything after it.
    scanning(&scanned, applications, &mut figures);
    figures.extend(allocations()?);
    if jq {
        figures.insert("resolve_vs_jq".to_owned(), against_jq()?);
    }
    println!("{:34} {:>14}  {:10} goal", "figure", "measured", "gate");
    for (name, value) in &figures {
        let limit = LIMITS.iter().find(|limit| limit.0 == name);
        let (gate, goal) = limit.map_or(("", ""), |limit| (limit.1, limit.2));
        let shown = value
            .as_f64()
            .map_or_else(|| value.to_string(), |number| format!("{number:.3}"));
        println!("{name:34} {shown:>14}  {gate:10} {goal}");
    }
    if let Some(path) = json {
        fs::write(path, serde_json::to_vec_pretty(&figures)?)?;
    }
    Ok(())
}

/// Seconds that `work` takes on a processor: the median of some runs, and half the distance between the quartiles over it.
fn median(runs: usize, mut work: impl FnMut()) -> (f64, f64) {
    let times = (0..runs).map(|_| {
        let start = Moment::now();
        work();
        start.elapsed().as_secs_f64()
    });
    middle(times.collect())
}

/// The same by the time of day, for what another process does.
fn median_of_day(runs: usize, mut work: impl FnMut()) -> (f64, f64) {
    let times = (0..runs).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    });
    middle(times.collect())
}

fn middle(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times[part * (times.len() - 1) / 4];
    (at(2), (at(3) - at(1)) / 2.0 / at(2))
}

fn put(figures: &mut Figures, name: &str, value: f64) {
    figures.insert(name.to_owned(), json!(value));
}

#[allow(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn reading(figures: &mut Figures) {
    let text = list::kubectl(10_000);
    let limits = Limits::default();
    let (mut ours, mut stream, mut tree, mut nothing) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // Round by round, so that a slow moment of the machine hits all alike.
    for _ in 0..9 {
        let time = |work: &mut dyn FnMut()| median(1, work).0;
        ours.push(time(&mut || {
            black_box(list::keep(|each| read_slice(&text, Format::Json, &limits, each)));
        }));
        stream.push(time(&mut || {
            black_box(list::keep(|each| {
                read(text.as_slice(), Format::Json, &limits, each)
            }));
        }));
        tree.push(time(&mut || {
            black_box(serde_json::from_slice::<Value>(&text).expect("the list is well formed"));
        }));
        nothing.push(time(&mut || {
            black_box(serde_json::from_slice::<IgnoredAny>(&text).expect("the list is well formed"));
        }));
    }
    let middle = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let noise = |times: &[f64]| (times[6] - times[2]) / 2.0 / times[4];
    let [ours_s, stream_s, tree_s, nothing_s] = [&mut ours, &mut stream, &mut tree, &mut nothing].map(middle);
    put(figures, "read_10k_noise", noise(&ours));
    put(
        figures,
        "read_10k_bytes_per_application",
        text.len() as f64 / 10_000.0,
    );
    put(figures, "read_10k_ms", ours_s * 1e3);
    put(figures, "read_10k_mb_per_s", text.len() as f64 / ours_s / 1e6);
    put(figures, "read_10k_vs_serde_json", ours_s / tree_s);
    put(figures, "read_10k_vs_ignored_any", ours_s / nothing_s);
    put(figures, "read_10k_stream_vs_serde_json", stream_s / tree_s);
    put(figures, "read_10k_stream_vs_ignored_any", stream_s / nothing_s);
}

#[allow(clippy::cast_precision_loss, reason = "counts of a benchmark")]
/// Times queries; gives one of them with its answer, and the time of a hit.
fn resolving(snapshot: &Snapshot, applications: usize, figures: &mut Figures) -> (Scope, usize, f64) {
    /// What a server asks while it plans a few deployments.
    const QUERIES: usize = 100;
    const ROUNDS: usize = 200;
    /// So many that neither the questions nor the answers are in any cache.
    const COLD: usize = 20_000;
    let scopes: Vec<Scope> = fleet::shuffled(applications)
        .take(QUERIES)
        .map(fleet::scope)
        .collect();
    let found: usize = scopes.iter().map(|scope| snapshot.resolve(scope).count()).sum();
    put(
        figures,
        "resolve_1m_sources_per_hit",
        found as f64 / QUERIES as f64,
    );
    let all = |scopes: &[Scope]| {
        let each = |scope| {
            snapshot
                .resolve(scope)
                .map(|source| source.application().name().len())
                .sum::<usize>()
        };
        black_box(scopes.iter().map(each).sum::<usize>());
    };
    let (hit, noise) = median(15, || (0..ROUNDS).for_each(|_| all(&scopes)));
    let hit = hit / (QUERIES * ROUNDS) as f64;
    put(figures, "resolve_1m_hit_ns", hit * 1e9);
    put(figures, "resolve_1m_hit_noise", noise);
    let missing: Vec<Scope> = fleet::shuffled(applications)
        .take(QUERIES)
        .map(|n| {
            Scope::from_texts(fleet::scope(n).project().as_str(), "nowhere", None).expect("no slug is blank")
        })
        .collect();
    let (miss, _) = median(15, || (0..ROUNDS).for_each(|_| all(&missing)));
    put(
        figures,
        "resolve_1m_miss_ns",
        miss / (QUERIES * ROUNDS) as f64 * 1e9,
    );
    let space = SpaceId::default();
    let (project, _) = median(9, || {
        for scope in &scopes {
            black_box(snapshot.project(&space, scope.project()).count());
        }
    });
    put(figures, "resolve_1m_project_ns", project / QUERIES as f64 * 1e9);
    let many: Vec<Scope> = fleet::shuffled(applications)
        .take(COLD)
        .map(fleet::scope)
        .collect();
    let (cold, _) = median(5, || all(&many));
    put(figures, "resolve_1m_hit_cold_ns", cold / COLD as f64 * 1e9);
    let scope = scopes[0].clone();
    let count = snapshot.resolve(&scope).count();
    (scope, count, hit)
}

fn scanning((scope, found, hit): &(Scope, usize, f64), applications: usize, figures: &mut Figures) {
    let fleet: Vec<Application> = (0..applications).map(fleet::application).collect();
    assert_eq!(scan::count(&fleet, scope), *found);
    let (scanned, _) = median(5, || {
        black_box(scan::count(&fleet, scope));
    });
    put(figures, "resolve_1m_vs_scan", scanned / hit);
}

/// Inserts a fleet, publishing every ten thousand applications, what a large instance sends when it connects, to a
/// reader that holds the last snapshot.
#[allow(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn building(applications: usize, figures: &mut Figures) -> ScopeIndex {
    let mut index = fleet::empty_index();
    let edits = (0..applications).map(|n| (fleet::instance(n), fleet::application(n)));
    let each = edit(&mut index, edits, 10_000);
    put(figures, "upsert_building_us", each);
    index
}

/// Microseconds that each of these edits takes with its share of publishing, while a reader
/// holds what was published last.
///
/// Applications are made a hundred at a time, outside of what is measured: who edits an index has just read what it
/// puts there.
#[allow(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn edit(index: &mut ScopeIndex, edits: impl Iterator<Item = (InstanceId, Application)>, every: usize) -> f64 {
    const READ: usize = 100;
    let reader = index.reader();
    let mut held = reader.snapshot();
    let (mut seconds, mut count) = (0.0, 0_usize);
    let mut edits = edits.peekable();
    while edits.peek().is_some() {
        let read: Vec<_> = edits.by_ref().take(READ).collect();
        let start = Moment::now();
        if every < READ {
            for (instance, application) in &read {
                index
                    .upsert(instance, application)
                    .expect("every instance is there");
                count += 1;
                if count.is_multiple_of(every) {
                    index.publish();
                    held = reader.snapshot();
                }
            }
        } else {
            let batch = read.iter().map(|(instance, application)| (instance, application));
            index.upsert_all(batch).expect("every instance is there");
            count += read.len();
            if count.is_multiple_of(every) {
                index.publish();
                held = reader.snapshot();
            }
        }
        seconds += start.elapsed().as_secs_f64();
    }
    drop(held);
    seconds / count as f64 * 1e6
}

/// What is done to an index.
#[derive(Clone, Copy, PartialEq)]
enum Edit {
    New,
    Environment,
    /// With all texts and places of another application: the worst that can happen.
    Project,
    /// New ones and other environments by turns.
    Mix,
}

/// Edits of an index of a million sources. What is judged, `upsert_us`, is a mix: every other edit is a new application,
/// the rest put one of the million, anywhere in the index, into another environment; all is published every ten
/// thousand edits. The others tell what each part of that costs, and what publishing more often does.
fn updating(mut index: ScopeIndex, applications: usize, figures: &mut Figures) {
    const EDITS: usize = 20_000;
    let mut numbers = fleet::shuffled(applications);
    let mut new = applications;
    let kinds = [
        ("upsert_us", Edit::Mix, 10_000),
        ("upsert_published_every_1000_us", Edit::Mix, 1000),
        ("upsert_published_every_10_us", Edit::Mix, 10),
        ("upsert_published_each_us", Edit::Mix, 1),
        ("upsert_new_us", Edit::New, 10_000),
        ("upsert_other_environment_us", Edit::Environment, 10_000),
        ("upsert_other_project_us", Edit::Project, 10_000),
    ];
    let mut rounds = kinds.map(|_| Vec::new());
    for round in 1..=5 {
        for (times, (_, edit, every)) in rounds.iter_mut().zip(kinds) {
            let edits = (0..EDITS).map(|count| {
                if edit == Edit::New || edit == Edit::Mix && count % 2 == 0 {
                    new += 1;
                    return (fleet::instance(new), fleet::application(new));
                }
                let n = numbers.next().expect("there is no end");
                let edited = if edit == Edit::Project {
                    let mut edited = fleet::application((n + 7919 * round) % applications);
                    edited.name = fleet::application(n).name;
                    edited
                } else {
                    fleet::moved(n, 1 + round % 4)
                };
                (fleet::instance(n), edited)
            });
            times.push(self::edit(&mut index, edits, every));
        }
    }
    for (mut times, (name, ..)) in rounds.into_iter().zip(kinds) {
        times.sort_by(f64::total_cmp);
        put(figures, name, times[2]);
    }
    let unchanged: Vec<_> = (applications + 1..applications + 1001)
        .map(|n| (fleet::instance(n), fleet::application(n)))
        .collect();
    let (time, _) = median(9, || {
        for (instance, application) in &unchanged {
            let change = index
                .upsert(instance, application)
                .expect("every instance is there");
            assert_eq!(black_box(change), Change::Unchanged);
        }
    });
    put(figures, "upsert_unchanged_us", time / 1000.0 * 1e6);
}

/// What the other program counts. Its own process, because counting slows every allocation down.
fn allocations() -> Result<Figures, Box<dyn Error>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = [
        "run",
        "--release",
        "--quiet",
        "--locked",
        "-p",
        "octopus-argo-benches",
        "--bin",
        "resolution-allocations",
    ];
    let output = Command::new(cargo).args(arguments).output()?;
    let lines = String::from_utf8(output.stdout)?;
    let object = lines.lines().find(|line| line.starts_with('{'));
    let object = object.ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(serde_json::from_str(object)?)
}

/// How many times faster than `jq` with the filter of the repository. Both read the same file and give the same list.
fn against_jq() -> Result<Value, Box<dyn Error>> {
    let available = Command::new("jq")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !available {
        return Ok(json!("skipped: jq is not installed"));
    }
    let path = env::temp_dir().join(format!("resolution-report-{}.json", std::process::id()));
    fs::write(&path, list::kubectl(10_000))?;
    let answer = compare(&path);
    fs::remove_file(&path)?;
    answer
}

fn compare(path: &Path) -> Result<Value, Box<dyn Error>> {
    let scope = fleet::scope(43);
    let filter = concat!(env!("CARGO_MANIFEST_DIR"), "/resolve.jq");
    let run = || -> Result<Value, Box<dyn Error>> {
        let output = Command::new("jq")
            .args(["--compact-output", "--from-file", filter])
            .args(["--arg", "project", scope.project().as_str()])
            .args(["--arg", "environment", scope.environment().as_str()])
            .arg(path)
            .output()?;
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let ours = || -> Result<Value, Box<dyn Error>> {
        let mut matched = Vec::new();
        read(
            fs::File::open(path)?,
            Format::Json,
            &Limits::default(),
            |object| {
                if let Object::Application(application) = object {
                    for source in application.resolve(&scope).matched() {
                        let name = &application.name;
                        matched.push(json!([name.namespace(), name.name(), source.index()]));
                    }
                }
            },
        )?;
        Ok(Value::Array(matched))
    };
    let (theirs, mine) = (run()?, ours()?);
    if theirs != mine || mine.as_array().is_none_or(Vec::is_empty) {
        return Err(format!("jq answers {theirs}, and we answer {mine}").into());
    }
    let (jq, _) = median_of_day(3, || drop(black_box(run())));
    let (fast, _) = median_of_day(5, || drop(black_box(ours())));
    Ok(json!(jq / fast))
}
