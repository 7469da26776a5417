//! Connections that are replaced while they stand, in the middle of everything.

use std::time::Duration;

use octopus_argo_client::{GatewayEvent, Rotation};

use crate::call::{Conversation, Pages};
use crate::world::{Scene, Weather, Witness, World, interrupted, resumed, seconds, with_seeds};

/// Slow enough for much to happen between a hello and its answer.
fn far(world: World) -> World {
    world.in_weather(&Weather {
        latency: (Duration::from_millis(5), Duration::from_millis(80)),
        ..Weather::default()
    })
}

/// Fails if anybody noticed more than that the session went on over another connection, at least so often.
fn assert_smooth(scene: &mut Scene, gateway: &Witness, least: usize) {
    let events = scene.events.so_far();
    let rotations = events.iter().filter(|event| resumed(event).is_some()).count();
    assert!(rotations >= least, "{rotations} rotations");
    assert!(
        !events.iter().any(|event| interrupted(event).is_some()),
        "{events:?}"
    );
    let others = gateway.count(|event| !matches!(event, GatewayEvent::Resumed | GatewayEvent::Connected(_)));
    assert_eq!(others, 0, "{}", gateway.events());
    assert_eq!(
        gateway.count(|event| matches!(event, GatewayEvent::Connected(_))),
        1
    );
}

#[test]
fn connections_of_an_age_are_replaced() {
    with_seeds(|world| {
        let mut world = far(world);
        let rotation = Rotation::never().after(Duration::from_secs(8));
        let gateway = world.rotating_gateway("gateway", rotation);
        let paused = 1 + world.pick(1, 9);
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut talk = Conversation::begin(&handle).await;
                for _ in 0..200 / paused {
                    talk.goes_on().await;
                    seconds(paused).await;
                }
                assert_smooth(&mut scene, &gateway, 20);
                drop(talk);
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}

/// In both directions at once, so that a hello is overtaken by acknowledgements, and a welcome by what is sent.
#[test]
fn connections_are_replaced_under_load() {
    with_seeds(|world| {
        let mut world = far(world);
        let rotation = Rotation::never().after_bytes(128 << 10);
        let gateway = world.rotating_gateway("gateway", rotation);
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut pages = Pages::begin(&handle, 2000, 10_000).await;
                let mut talk = Conversation::begin(&handle).await;
                let reads = async {
                    pages.read_to_end(2000).await;
                };
                let talks = async {
                    for _ in 0..100 {
                        talk.goes_on().await;
                    }
                };
                tokio::join!(reads, talks);
                assert_smooth(&mut scene, &gateway, 10);
                drop(talk);
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}
