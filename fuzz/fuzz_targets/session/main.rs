//! Whatever users, connections and strangers do, sessions keep their promises: no panic, no more than the budget, each
//! call ends once, and what is over stays over.
#![no_main]

mod world;

use std::time::Duration;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use octopus_argo_proto::prost::bytes::Bytes;
use octopus_argo_proto::session::{CallEnd, CallId, Code, GoodbyeReason, Metadata, Request};
use octopus_argo_proto::v1::frame::Body;
use octopus_argo_proto::v1::{self, Frame, Packet};
use world::World;

// Operations, a byte each, with what they need behind them.
fuzz_target!(|bytes: &[u8]| {
    let mut input = Unstructured::new(bytes);
    let mut world = World::new();
    while !input.is_empty() && act(&mut world, &mut input).is_ok() {
        world.check();
    }
});

fn act(world: &mut World, input: &mut Unstructured<'_>) -> Result<()> {
    let operation: u8 = input.arbitrary()?;
    let side = usize::from(operation & 1);
    match operation >> 1 {
        // What it is all about comes most often.
        0..20 => {
            let most = 1 + usize::from(operation >> 1) / 4;
            world.send(side, most);
            world.deliver(side, most);
        }
        20..30 => world.send(side, 1 + input.int_in_range(0..=7)?),
        30..40 => world.deliver(side, 1 + input.int_in_range(0..=7)?),
        40..90 => user(world, side, input)?,
        90..100 => world.wait(Duration::from_millis(input.arbitrary::<u8>()?.into())),
        100..104 => world.wait(Duration::from_millis(input.arbitrary::<u16>()?.into())),
        104..108 => world.dial(),
        108..112 => world.cut([input.arbitrary()?, input.arbitrary()?]),
        112..114 => world.double(side),
        114..126 => {
            let packet = Packet {
                seq: input.int_in_range(0..=40)?,
                ack: input.int_in_range(0..=40)?,
                frames: (0..=input.int_in_range(0..=3)?)
                    .map(|_| frame(input))
                    .collect::<Result<_>>()?,
            };
            world.forge(side, packet);
        }
        126 => world.sides[side].session.drain(GoodbyeReason::Rotation),
        _ => world.sides[side].session.leave(GoodbyeReason::Shutdown, ""),
    }
    Ok(())
}

/// Something that a user of this side wants.
fn user(world: &mut World, side: usize, input: &mut Unstructured<'_>) -> Result<()> {
    let (now, opener) = (world.now, side == 0);
    let side = &mut world.sides[side];
    let session = &mut side.session;
    let pick = |calls: &[CallId], input: &mut Unstructured<'_>| {
        let at = usize::from(input.arbitrary::<u8>()?);
        Ok(calls.get(at % calls.len().max(1)).copied())
    };
    let what = input.int_in_range(0..=9)?;
    if what == 0 {
        let mut request = Request::new("/a/b").metadata(metadata(input)?);
        if input.arbitrary()? {
            request = request.timeout(Duration::from_millis(input.arbitrary::<u16>()?.into()));
        }
        if let Ok(call) = session.open(request, now) {
            side.calls.push(call);
        }
        return Ok(());
    }
    if what <= 3 {
        if !side.untaken.is_empty() {
            let at = usize::from(input.arbitrary::<u8>()?) % side.untaken.len();
            let (call, size) = side.untaken.swap_remove(at);
            session.taken(call, size, now);
        }
        return Ok(());
    }
    let Some(call) = pick(&side.calls, input)? else {
        return Ok(());
    };
    match what {
        4 | 5 => {
            let size = usize::from(input.arbitrary::<u16>()?) * 4;
            let _ = session.send(call, Bytes::from(vec![0; size]));
        }
        6 => {
            // Too large, they end the call. The opener has none to send.
            if session.head(call, metadata(input)?).is_err() && !opener {
                side.calls.retain(|open| *open != call);
                side.ending.push(call);
            }
        }
        7 => {
            let _ = session.half_close(call);
        }
        8 => {
            if session.end(call, CallEnd::new(Code::OK, "")).is_ok() {
                side.calls.retain(|open| *open != call);
                side.ending.push(call);
            }
        }
        _ => {
            session.ignore(call, now);
            side.untaken.retain(|(of, _)| *of != call);
            if input.arbitrary()? {
                let before = session.open_calls();
                session.cancel(call);
                if session.open_calls() < before {
                    side.forget(call);
                }
            }
        }
    }
    Ok(())
}

fn metadata(input: &mut Unstructured<'_>) -> Result<Vec<Metadata>> {
    let size = usize::from(input.arbitrary::<u8>()?) * 100;
    Ok(vec![Metadata {
        key: "k".into(),
        value: vec![b'v'; size].into(),
    }])
}

/// A frame that may fit: of a call that there is, or nearly.
fn frame(input: &mut Unstructured<'_>) -> Result<Frame> {
    let call = input.int_in_range(0..=8)?;
    let body = match input.int_in_range(0..=14)? {
        0 => Body::Open(v1::Open {
            call,
            path: if input.arbitrary()? { "/a/b" } else { "" }.into(),
            metadata: metadata(input)?,
            timeout_ns: input.arbitrary()?,
        }),
        1 => Body::Head(v1::Head {
            call,
            metadata: metadata(input)?,
        }),
        2..=4 => Body::Data(v1::Data {
            call,
            payload: vec![0; usize::from(input.arbitrary::<u16>()?) * 2].into(),
        }),
        5 => Body::HalfClose(v1::HalfClose { call }),
        6 => Body::End(v1::End {
            call,
            status: input.arbitrary()?,
            trailers: metadata(input)?,
            ..v1::End::default()
        }),
        7 => Body::Cancel(v1::Cancel { call }),
        8 => Body::Credit(v1::Credit {
            call,
            bytes: input.arbitrary()?,
        }),
        9 => Body::Ping(v1::Ping {
            id: input.arbitrary()?,
        }),
        10 => Body::Pong(v1::Pong {
            id: input.int_in_range(0..=4)?,
        }),
        11 => Body::Drain(v1::Drain {
            reason: input.arbitrary()?,
        }),
        12 => Body::Goodbye(v1::Goodbye {
            reason: input.arbitrary()?,
            message: String::new(),
            retry_after_ms: input.arbitrary()?,
        }),
        13 => Body::Hello(v1::Hello {
            revision: 1,
            oldest_revision: 1,
            instance_id: Bytes::from_static(&[7; 16]),
            resume: Some(v1::Resume {
                session_id: vec![input.int_in_range(1..=3)?; 16].into(),
                resume_token: vec![input.int_in_range(1..=3)?; 32].into(),
                received: input.int_in_range(0..=40)?,
            }),
            ..v1::Hello::default()
        }),
        _ => Body::Welcome(v1::Welcome {
            revision: 1,
            session_id: vec![input.int_in_range(1..=3)?; 16].into(),
            resumed: Some(v1::Resumed {
                received: input.int_in_range(0..=40)?,
            }),
            ..v1::Welcome::default()
        }),
    };
    Ok(Frame {
        must_understand: input.arbitrary()?,
        body: Some(body),
    })
}
