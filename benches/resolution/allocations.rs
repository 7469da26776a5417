//! Counts allocations and bytes, and prints them as a flat JSON object. Started by `resolution-report`.

use std::hint::black_box;

use octopus_argo_benches::{fleet, list};
use octopus_argo_core::read::{Format, Limits, read, read_slice};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Fewer than elsewhere, because counting is slow. Bytes a source do not depend on it much.
const SOURCES: usize = 200_000;

fn main() {
    let text = list::kubectl(10_000);
    let limits = Limits::default();
    let slice = peak_against_kept(|| list::keep(|each| read_slice(&text, Format::Json, &limits, each)));
    let stream = peak_against_kept(|| list::keep(|each| read(text.as_slice(), Format::Json, &limits, each)));

    let profiler = dhat::Profiler::builder()
        .testing()
        .trim_backtraces(Some(1))
        .build();
    let applications = fleet::applications_for(SOURCES);
    let before = dhat::HeapStats::get().curr_bytes;
    let index = fleet::index(applications);
    let bytes = dhat::HeapStats::get().curr_bytes - before;
    let snapshot = index.snapshot();
    let scopes: Vec<_> = fleet::shuffled(applications)
        .take(1000)
        .map(fleet::scope)
        .collect();
    let before = dhat::HeapStats::get().total_blocks;
    for scope in &scopes {
        assert!(
            black_box(snapshot.resolve(scope)).count() > 0,
            "every scope is of the fleet"
        );
    }
    let allocations = dhat::HeapStats::get().total_blocks - before;
    drop(profiler);

    let sources = snapshot.counts().sources;
    println!(
        "{}",
        serde_json::json!({
            "peak_heap_vs_kept": slice.max(stream),
            "peak_heap_vs_kept_slice": slice,
            "peak_heap_vs_kept_stream": stream,
            "index_bytes_per_source": ratio(bytes, sources),
            "resolve_allocations": allocations,
        })
    );
}

/// The most bytes that are held at once, over those that are held in the end.
fn peak_against_kept<T>(work: impl FnOnce() -> T) -> f64 {
    let profiler = dhat::Profiler::builder()
        .testing()
        .trim_backtraces(Some(1))
        .build();
    let kept = work();
    let stats = dhat::HeapStats::get();
    drop(profiler);
    drop(kept);
    ratio(stats.max_bytes, stats.curr_bytes)
}

#[allow(clippy::cast_precision_loss, reason = "bytes of a benchmark")]
fn ratio(left: usize, right: usize) -> f64 {
    left as f64 / right as f64
}
