//! The index against a scan of all applications with the same rules.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use octopus_argo_benches::{fleet, scan};
use octopus_argo_core::{Application, Scope, SpaceId};

fn resolution(criterion: &mut Criterion) {
    for sources in [1_000, 10_000, 100_000, 1_000_000] {
        let applications = fleet::applications_for(sources);
        let index = fleet::index(applications);
        let snapshot = index.snapshot();
        let scopes: Vec<Scope> = fleet::shuffled(applications)
            .take(4096)
            .map(fleet::scope)
            .collect();
        let mut group = criterion.benchmark_group("resolution");
        let mut next = scopes.iter().cycle();
        group.bench_function(BenchmarkId::new("hit", sources), |bencher| {
            bencher.iter(|| {
                snapshot
                    .resolve(next.next().expect("it goes round"))
                    .map(|source| source.application().name().len())
                    .sum::<usize>()
            });
        });
        let missing = Scope::from_texts("project-000001", "nowhere", None).expect("no slug is blank");
        group.bench_function(BenchmarkId::new("miss", sources), |bencher| {
            bencher.iter(|| snapshot.resolve(black_box(&missing)).count());
        });
        let space = SpaceId::default();
        group.bench_function(BenchmarkId::new("project", sources), |bencher| {
            bencher.iter(|| {
                snapshot
                    .project(&space, next.next().expect("it goes round").project())
                    .count()
            });
        });
        group.sample_size(10);
        let all: Vec<Application> = (0..applications).map(fleet::application).collect();
        group.bench_function(BenchmarkId::new("scan", sources), |bencher| {
            bencher.iter(|| scan::count(&all, next.next().expect("it goes round")));
        });
    }
}

criterion_group!(benches, resolution);
criterion_main!(benches);
