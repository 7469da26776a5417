//! Edits of an index of a million sources, with and without readers.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use octopus_argo_benches::fleet;
use octopus_argo_core::Application;

fn index_update(criterion: &mut Criterion) {
    let applications = fleet::applications_for(1_000_000);
    let mut index = fleet::index(applications);
    let reader = index.reader();
    let mut group = criterion.benchmark_group("index_update");
    let edited = |n: usize| -> (usize, Application) {
        // The same name, and the sources of another project.
        let mut edited = fleet::application((n + 7919) % applications);
        edited.name = fleet::application(n).name;
        (n, edited)
    };
    for (name, every) in [
        ("changed, never published", usize::MAX),
        ("changed, published every 100", 100),
    ] {
        let mut numbers = fleet::shuffled(applications);
        let mut edits = 0;
        let mut held = reader.snapshot();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || edited(numbers.next().expect("there is no end")),
                |(n, application)| {
                    index
                        .upsert(&fleet::instance(n), &application)
                        .expect("every instance is there");
                    edits += 1;
                    if edits % every == 0 {
                        index.publish();
                        held = reader.snapshot();
                    }
                },
                BatchSize::NumIterations(1000),
            );
        });
        drop(held);
    }
    group.bench_function("unchanged", |bencher| {
        let application = edited(0).1;
        let id = fleet::instance(0);
        bencher.iter(|| index.upsert(&id, &application));
    });
}

criterion_group!(benches, index_update);
criterion_main!(benches);
