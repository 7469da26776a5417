//! Who reads slowly, or not at all, holds up nobody but himself.

use std::time::Duration;

use crate::call::{Conversation, Pages, echo};
use crate::probe::page;
use crate::world::{Weather, now, seconds, since, with_seeds};

/// One way.
const LATENCY: Duration = Duration::from_millis(10);

/// A call takes two ways, and every hop looks once a millisecond.
const QUICK: Duration = Duration::from_millis(60);

#[test]
fn slow_readers_hold_up_no_bystander() {
    with_seeds(|world| {
        let mut world = world.in_weather(&Weather {
            latency: (LATENCY, LATENCY),
            ..Weather::default()
        });
        let gateway = world.gateway("gateway");
        world.script(move |scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut talk = Conversation::begin(&handle).await;
                // More than every window and buffer on the way together.
                let mut stalled = Vec::new();
                for _ in 0..16 {
                    stalled.push(Pages::begin(&handle, 1000, 20_000).await);
                }
                let mut slow = Pages::begin(&handle, 50, 50_000).await;
                seconds(2).await;
                let mut slowest = Duration::ZERO;
                while slow.read().await.unwrap() {
                    let before = now();
                    echo(&handle, page(slow.read, 1000)).await.unwrap();
                    talk.goes_on().await;
                    slowest = slowest.max(since(before) / 2);
                    seconds(1).await;
                }
                assert_eq!(slow.read, 50);
                assert!(slowest <= QUICK, "a call took {slowest:?}");
                // Who waited that long loses nothing either.
                let mut last = stalled.pop().unwrap();
                last.read_to_end(1000).await;
                drop((stalled, talk));
                echo(&handle, page(1, 100_000)).await.unwrap();
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}
