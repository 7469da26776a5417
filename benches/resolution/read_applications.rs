//! Reading a list of 10 000 applications against `serde_json` into `Value` and into nothing.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use octopus_argo_benches::list;
use octopus_argo_core::read::{Format, Limits, read, read_slice};
use serde::de::IgnoredAny;
use serde_json::Value;

fn read_applications(criterion: &mut Criterion) {
    let text = list::kubectl(10_000);
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("read_applications");
    group
        .sample_size(10)
        .throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("slice", |bencher| {
        bencher.iter(|| list::keep(|each| read_slice(&text, Format::Json, &limits, each)));
    });
    group.bench_function("stream", |bencher| {
        bencher.iter(|| list::keep(|each| read(text.as_slice(), Format::Json, &limits, each)));
    });
    group.bench_function("serde_json Value", |bencher| {
        bencher.iter(|| serde_json::from_slice::<Value>(&text).expect("the list is well formed"));
    });
    group.bench_function("serde_json IgnoredAny", |bencher| {
        bencher.iter(|| serde_json::from_slice::<IgnoredAny>(&text).expect("the list is well formed"));
    });
}

criterion_group!(benches, read_applications);
criterion_main!(benches);
