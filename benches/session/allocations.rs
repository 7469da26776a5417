//! Counts what the machine allocates: for a call, for a frame of a stream beside what carrying its packet takes, and for a
//! session that does nothing.
#![allow(clippy::cast_precision_loss, reason = "means, of which three digits count")]

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use octopus_argo_benches::session::{self, Pair};
use octopus_argo_proto::prost::Message as _;
use octopus_argo_proto::v1::frame::Body;
use octopus_argo_proto::v1::{Data, Frame, Packet};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const PATH: &str = "/application.ApplicationService/Get";

const TIMES: u64 = 10_000;

fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    idle();
    let (small, full) = (Bytes::from(vec![7; 100]), Bytes::from(vec![7; 64 << 10]));

    let mut pair = Pair::default();
    pair.unary(PATH, &small);
    count("a unary call, both sides, with its two packets", || {
        pair.unary(PATH, &small);
    });

    let call = pair.open(PATH);
    for _ in 0..TIMES {
        pair.stream(call, &full);
    }
    let packets = pair.packets;
    count(
        "a full frame of a stream, with its packet and its share of the credit",
        || {
            assert_eq!(pair.stream(call, &full), 1);
        },
    );
    println!(
        "  in {:.2} packets",
        (pair.packets - packets) as f64 / TIMES as f64
    );
    for pieces in [1, 64, 512] {
        for _ in 0..TIMES / 10 {
            burst(&mut pair, call, &small, pieces);
        }
        let packets = pair.packets;
        count(&format!("{pieces} small frames of a stream at once"), || {
            burst(&mut pair, call, &small, pieces);
        });
        println!(
            "  in {:.2} packets",
            (pair.packets - packets) as f64 / TIMES as f64
        );
        let packet = Packet {
            seq: 1_000,
            ack: 1_000,
            frames: (0..pieces)
                .map(|_| Frame {
                    must_understand: true,
                    body: Some(Body::Data(Data {
                        call: 1,
                        payload: small.clone(),
                    })),
                })
                .collect(),
        };
        let mut wire = BytesMut::with_capacity(1 << 20);
        count("  the same packet through prost alone", || {
            packet.encode(&mut wire).expect("the buffer grows");
            drop(Packet::decode(wire.split().freeze()));
        });
    }
}

fn burst(pair: &mut Pair, call: octopus_argo_proto::session::CallId, piece: &Bytes, pieces: usize) {
    for _ in 1..pieces {
        let _ = pair.server.send(call, piece.clone());
    }
    assert_eq!(pair.stream(call, piece), pieces as u64);
}

/// What a session holds that is established and has no calls.
fn idle() {
    let before = dhat::HeapStats::get();
    let (server, gateway) = (session::server(Instant::now()), session::gateway(Instant::now()));
    let fresh = dhat::HeapStats::get();
    drop((server, gateway));
    let pair = Pair::default();
    let after = dhat::HeapStats::get();
    println!(
        "a session: {} bytes by itself; two beside each other hold {} bytes more when made, and {} when established, the \
         wire's 1 MiB not counted",
        size_of_val(&pair.server),
        fresh.curr_bytes - before.curr_bytes,
        (after.curr_bytes - before.curr_bytes).saturating_sub(1 << 20),
    );
}

fn count(what: &str, mut run: impl FnMut()) {
    let before = dhat::HeapStats::get();
    for _ in 0..TIMES {
        run();
    }
    let after = dhat::HeapStats::get();
    println!(
        "{what}: {:.3} allocations, {:.0} bytes",
        (after.total_blocks - before.total_blocks) as f64 / TIMES as f64,
        (after.total_bytes - before.total_bytes) as f64 / TIMES as f64
    );
}
