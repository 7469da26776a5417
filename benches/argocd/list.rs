//! A List of 10 000 applications into core records, against decoding it with prost and nothing else.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use octopus_argo_benches::argocd::{Server, list};
use octopus_argo_proto::argocd::{Api, Filter, ListReader, v1alpha1};
use octopus_argo_proto::prost::Message as _;

fn argocd_list(criterion: &mut Criterion) {
    let bytes = list(10_000);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without threads needs nothing");
    let mut group = criterion.benchmark_group("argocd_list");
    group
        .sample_size(10)
        .throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("prost", |bencher| {
        bencher.iter(|| v1alpha1::ApplicationList::decode(&*bytes).expect("the list is well formed"));
    });
    group.bench_function("reader", |bencher| {
        bencher.iter(|| {
            let (mut reader, mut kept) = (ListReader::default(), Vec::new());
            for piece in bytes.chunks(16 << 10) {
                reader.feed(piece);
                while let Some(listed) = reader.read().expect("the list is well formed") {
                    kept.extend(listed);
                }
            }
            kept
        });
    });
    let api = Api::new(Server::Ready(bytes.into()));
    group.bench_function("api", |bencher| {
        bencher.iter(|| {
            let kept = runtime
                .block_on(api.list(&Filter::default()))
                .expect("the server is good");
            assert_eq!(kept.len(), 10_000);
            kept
        });
    });
}

criterion_group!(benches, argocd_list);
criterion_main!(benches);
