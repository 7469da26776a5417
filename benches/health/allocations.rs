//! Counts the allocations of judging a deployment, and of folding resources and applications.

use octopus_argo_benches::health::{applications, deployment, deployment_under_way, resources};
use octopus_argo_core::health::argocd::{ArgoCdVersion, application_health};
use octopus_argo_core::health::octopus::{ApplicationFacts, RollupPolicy, project_health};
use octopus_argo_core::health::resource::assess;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn main() {
    let (healthy, under_way) = (deployment(), deployment_under_way());
    let resources = resources(100_000);
    let applications = applications(10_000);
    let _profiler = dhat::Profiler::builder().testing().build();
    count("a deployment that is well", || {
        let _ = assess(&healthy, ArgoCdVersion::NEWEST);
    });
    count("a deployment under way", || {
        let _ = assess(&under_way, ArgoCdVersion::NEWEST);
    });
    count("application_health of 100 000 resources", || {
        let _ = application_health(ArgoCdVersion::NEWEST, &resources);
    });
    count("project_health of 10 000 applications", || {
        let facts = applications
            .iter()
            .map(|(own, objects)| ApplicationFacts::new(Some(own)).with_objects(objects));
        let _ = project_health(&RollupPolicy::default(), None, facts);
    });
}

fn count(what: &str, run: impl FnOnce()) {
    let before = dhat::HeapStats::get();
    run();
    let after = dhat::HeapStats::get();
    println!(
        "{what}: {} allocations, {} bytes",
        after.total_blocks - before.total_blocks,
        after.total_bytes - before.total_bytes
    );
}
