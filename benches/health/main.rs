//! How fast health is folded and judged, each beside the plain way to do the same.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use octopus_argo_benches::health::{applications, deployment, deployment_under_way, resources};
use octopus_argo_core::health::argocd::{ArgoCdVersion, ManagedResource, application_health};
use octopus_argo_core::health::octopus::{ApplicationFacts, RollupPolicy, project_health};
use octopus_argo_core::health::resource::assess;

/// An application's health from its resources. Beside it: the worst of the same words as strings, without any rule.
fn fold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    for count in [1_000, 100_000] {
        let resources = resources(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(
            BenchmarkId::new("application_health", count),
            &resources,
            |bench, resources| {
                bench.iter(|| application_health(ArgoCdVersion::NEWEST, black_box(resources)).status);
            },
        );
        let words: Vec<String> = resources.iter().map(word).collect();
        group.bench_with_input(BenchmarkId::new("strings", count), &words, |bench, words| {
            bench.iter(|| worst_word(black_box(words)));
        });
    }
    group.finish();
}

/// A project's health from 10 000 applications with eight objects each. Beside it: the same words as strings.
fn roll_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("roll-up");
    let applications = applications(10_000);
    group.throughput(Throughput::Elements(applications.len() as u64));
    let policy = RollupPolicy::default();
    group.bench_function("project_health", |bench| {
        bench.iter(|| {
            let facts = applications
                .iter()
                .map(|(own, objects)| ApplicationFacts::new(Some(own)).with_objects(objects));
            project_health(&policy, None, black_box(facts))
        });
    });
    let words: Vec<String> = applications
        .iter()
        .flat_map(|(own, objects)| objects.iter().chain([own]))
        .map(ToString::to_string)
        .collect();
    group.bench_function("strings", |bench| {
        bench.iter(|| worst_word(black_box(&words)).to_owned());
    });
    group.finish();
}

/// The health of a deployment. Beside it: a copy of its status, the least that decoding into a type of one's own does.
fn resource(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deployment");
    let (healthy, under_way) = (deployment(), deployment_under_way());
    group.bench_function("healthy", |bench| {
        bench.iter(|| assess(black_box(&healthy), ArgoCdVersion::NEWEST).status());
    });
    group.bench_function("under way", |bench| {
        bench.iter(|| assess(black_box(&under_way), ArgoCdVersion::NEWEST).status());
    });
    group.bench_function("clone of the status", |bench| {
        bench.iter(|| black_box(&healthy).get("status").cloned());
    });
    group.finish();
}

fn word(resource: &ManagedResource) -> String {
    resource
        .health
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn worst_word(words: &[String]) -> &str {
    const ORDER: [&str; 6] = [
        "Healthy",
        "Suspended",
        "Progressing",
        "Missing",
        "Degraded",
        "Unknown",
    ];
    let position = |word: &str| ORDER.iter().position(|known| *known == word).unwrap_or(0);
    words.iter().map(String::as_str).fold("Healthy", |worst, word| {
        if position(word) > position(worst) {
            word
        } else {
            worst
        }
    })
}

criterion_group!(benches, fold, roll_up, resource);
criterion_main!(benches);
