//! Many gateways at once.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::call::echo;
use crate::probe::page;
use crate::world::{Order, SERVER, Scene, Weather, Witness, now, since, until, with_seeds};

/// Ten hosts with twenty gateways each: turmoil's time goes with the square of the hosts.
const HOSTS: [&str; 10] = [
    "rack-0", "rack-1", "rack-2", "rack-3", "rack-4", "rack-5", "rack-6", "rack-7", "rack-8", "rack-9",
];
const ON_EACH: usize = 20;

#[test]
fn two_hundred_gateways_come_at_once_and_again_after_a_crash() {
    with_seeds(|world| {
        let mut world = world.in_weather(&Weather {
            tick: Duration::from_millis(5),
            ..Weather::default()
        });
        let gateways: Vec<Witness> = HOSTS
            .iter()
            .flat_map(|host| world.gateways(host, ON_EACH))
            .collect();
        world.script(move |scene| {
            let gateways = gateways.clone();
            async move {
                let begun = now();
                everyone_answers(&scene, &gateways).await;
                let took = since(begun);
                // They wait up to 5 s between two attempts.
                assert!(took < Duration::from_secs(10), "{took:?}");
                if scene.run == 0 {
                    scene.orders.give(Order::Crash(SERVER));
                    scene.orders.give(Order::Begin(SERVER));
                    return std::future::pending().await;
                }
                // Half of them go for longer than they are waited for, and the others do not notice.
                let (gone, here) = gateways.split_at(gateways.len() / 2);
                for host in &HOSTS[..HOSTS.len() / 2] {
                    turmoil::partition(*host, SERVER);
                }
                let offline = |witness: &&Witness| !scene.server.gateway(&witness.id).is_online();
                until(70, || gone.iter().filter(offline).count() == gone.len()).await;
                assert_eq!(here.iter().filter(offline).count(), 0);
                everyone_answers(&scene, here).await;
                for host in &HOSTS[..HOSTS.len() / 2] {
                    turmoil::repair(*host, SERVER);
                }
                everyone_answers(&scene, &gateways).await;
                let all: Vec<_> = gateways.iter().collect();
                scene.end(&all).await;
            }
        });
        world.run();
    });
}

/// Calls every gateway, each with a message of its own.
async fn everyone_answers(scene: &Scene, gateways: &[Witness]) {
    until(60, || {
        gateways
            .iter()
            .all(|witness| scene.server.gateway(&witness.id).is_online())
    })
    .await;
    let mut calls = JoinSet::new();
    for (number, witness) in gateways.iter().enumerate() {
        let handle = scene.server.gateway(&witness.id);
        calls.spawn(async move { echo(&handle, page(number, 1000 + number)).await });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
}
