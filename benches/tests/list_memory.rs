//! What a List of many applications takes at most, over the size of the answer. In a process of its own, because every
//! allocation is counted.
#![allow(
    clippy::unwrap_used,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

use octopus_argo_benches::argocd::Server;
use octopus_argo_proto::argocd::{Api, Filter};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Counting is slow, and the ratio does not depend on it: 10 000 take minutes without optimisation.
const APPLICATIONS: usize = if cfg!(debug_assertions) { 1_000 } else { 10_000 };

#[test]
fn a_list_is_never_held_as_a_whole() {
    let server = Server::made(APPLICATIONS);
    let reply = server.length();
    assert!(
        (4_000..7_000).contains(&(reply / APPLICATIONS)),
        "{} bytes an application are not realistic",
        reply / APPLICATIONS
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let profiler = dhat::Profiler::builder()
        .testing()
        .trim_backtraces(Some(1))
        .build();
    let api = Api::new(server);
    let kept = runtime.block_on(api.list(&Filter::default())).unwrap();
    let stats = dhat::HeapStats::get();
    drop(profiler);
    assert_eq!(kept.len(), APPLICATIONS);
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let (peak, held) = (
        stats.max_bytes as f64 / reply as f64,
        stats.curr_bytes as f64 / reply as f64,
    );
    println!("reply {reply} bytes, peak {peak:.3} of it, kept {held:.3} of it");
    assert!(peak <= 1.2, "the peak is {peak:.3} times the answer");
    // What is not kept is an application and a frame. The vector of records doubles once.
    assert!(
        peak <= 2.0 * held,
        "the peak is {peak:.3}, and {held:.3} are kept"
    );
}
