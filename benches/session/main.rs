//! What the machine alone costs: two sessions and a buffer between them, beside the encoding and decoding that nothing can
//! save, and beside a copy of the same bytes.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use octopus_argo_benches::session::Pair;
use octopus_argo_proto::prost::Message as _;
use octopus_argo_proto::v1::frame::Body;
use octopus_argo_proto::v1::{Data, Frame, Packet};

const PATH: &str = "/application.ApplicationService/Get";

/// How many pieces are sent at once where they are small: they share packets.
const PIECES: usize = 64;

/// Small messages of a stream, which go out together.
fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session-frames");
    group.throughput(Throughput::Elements(PIECES as u64));
    let piece = Bytes::from(vec![7; 100]);
    group.bench_function("machines", |bench| {
        let mut pair = Pair::default();
        let call = pair.open(PATH);
        bench.iter(|| {
            for _ in 1..PIECES {
                let _ = pair.server.send(call, piece.clone());
            }
            assert_eq!(pair.stream(call, &piece), PIECES as u64);
        });
    });
    let packet = packet(&piece, PIECES);
    group.bench_function("prost", |bench| {
        let mut wire = BytesMut::with_capacity(1 << 20);
        bench.iter(|| prost_round(black_box(&packet), &mut wire));
    });
    group.finish();
}

/// Full data frames of a stream.
fn bytes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session-bytes");
    let piece = Bytes::from(vec![7; 64 << 10]);
    group.throughput(Throughput::Bytes(piece.len() as u64));
    group.bench_function("machines", |bench| {
        let mut pair = Pair::default();
        let call = pair.open(PATH);
        bench.iter(|| assert_eq!(pair.stream(call, &piece), 1));
    });
    let packet = packet(&piece, 1);
    group.bench_function("prost", |bench| {
        let mut wire = BytesMut::with_capacity(1 << 20);
        bench.iter(|| prost_round(black_box(&packet), &mut wire));
    });
    group.bench_function("copy", |bench| {
        let mut wire = BytesMut::with_capacity(1 << 20);
        bench.iter(|| {
            wire.extend_from_slice(black_box(&piece));
            black_box(wire.split().freeze())
        });
    });
    group.finish();
}

/// Unary calls, one after the other. Beside them the same frames encoded and decoded by prost.
fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session-calls");
    group.throughput(Throughput::Elements(1));
    let body = Bytes::from(vec![7; 100]);
    group.bench_function("machines", |bench| {
        let mut pair = Pair::default();
        bench.iter(|| pair.unary(PATH, &body));
    });
    let [request, answer] = exchange(&body);
    group.bench_function("prost", |bench| {
        let mut wire = BytesMut::with_capacity(1 << 20);
        bench.iter(|| {
            prost_round(black_box(&request), &mut wire);
            prost_round(black_box(&answer), &mut wire);
        });
    });
    group.finish();
}

fn prost_round(packet: &Packet, wire: &mut BytesMut) {
    packet.encode(wire).expect("the buffer grows");
    let packet = Packet::decode(wire.split().freeze()).expect("a packet");
    black_box(packet);
}

fn packet(payload: &Bytes, frames: usize) -> Packet {
    let data = || {
        Body::Data(Data {
            call: 1,
            payload: payload.clone(),
        })
    };
    packet_of((0..frames).map(|_| data()))
}

/// What a unary call is on the wire.
fn exchange(body: &Bytes) -> [Packet; 2] {
    use octopus_argo_proto::v1::{Credit, End, HalfClose, Head, Open};

    let data = || {
        Body::Data(Data {
            call: 1,
            payload: body.clone(),
        })
    };
    let open = Open {
        call: 1,
        path: PATH.into(),
        ..Open::default()
    };
    let head = Head {
        call: 1,
        ..Head::default()
    };
    let end = End {
        call: 1,
        ..End::default()
    };
    let credit = Credit {
        call: 1,
        bytes: 200_000,
    };
    let close = HalfClose { call: 1 };
    [
        packet_of([
            Body::Open(open),
            Body::Credit(credit),
            data(),
            Body::HalfClose(close),
        ]),
        packet_of([Body::Head(head), data(), Body::End(end)]),
    ]
}

fn packet_of(bodies: impl IntoIterator<Item = Body>) -> Packet {
    let frames = bodies.into_iter().map(|body| Frame {
        must_understand: true,
        body: Some(body),
    });
    Packet {
        seq: 1_000,
        ack: 1_000,
        frames: frames.collect(),
    }
}

criterion_group!(benches, frames, bytes, calls);
criterion_main!(benches);
