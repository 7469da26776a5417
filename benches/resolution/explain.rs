//! Resolving one application with all that is said about it.

use criterion::{Criterion, criterion_group, criterion_main};
use octopus_argo_benches::fleet;
use octopus_argo_core::scope::Step;

fn explain(criterion: &mut Criterion) {
    let (one, three) = (fleet::application(3), fleet::application(0));
    let (other, own) = (fleet::scope(77), fleet::scope(0));
    let mut group = criterion.benchmark_group("explain");
    group.bench_function("resolve, one source out of scope", |bencher| {
        bencher.iter(|| one.resolve(&other));
    });
    group.bench_function("resolve, three sources in scope", |bencher| {
        bencher.iter(|| three.resolve(&own));
    });
    group.bench_function("findings and hints", |bencher| {
        let resolution = three.resolve(&own);
        bencher.iter(|| (resolution.findings(), resolution.hints()));
    });
    group.bench_function("plan", |bencher| {
        bencher.iter(|| three.plan(&own, Step::Manifests));
    });
    group.bench_function("plan as JSON", |bencher| {
        bencher.iter(|| serde_json::to_vec(&three.plan(&own, Step::Manifests)).expect("only text keys"));
    });
}

criterion_group!(benches, explain);
criterion_main!(benches);
