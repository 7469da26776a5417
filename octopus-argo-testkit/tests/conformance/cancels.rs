//! A great many calls that are given up, beside one that goes on.

use bytes::Bytes;
use http::uri::PathAndQuery;
use octopus_argo_server::Gateway;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::client::Grpc;

use crate::call::{Call, GiveUp, Kind};
use crate::ground::{Ground, soon};
use crate::probe::{Raw, page};

const CALLS: usize = 6400;
const AT_ONCE: usize = 64;

/// A call that goes on, and is asked now and then whether it does.
struct Bystander {
    say: mpsc::Sender<Bytes>,
    answers: tonic::Streaming<Bytes>,
}

impl Bystander {
    async fn new(channel: &Gateway) -> Self {
        let (say, heard) = mpsc::channel(1);
        let mut grpc = Grpc::new(channel.clone());
        grpc.ready().await.unwrap();
        let request = Request::new(tokio_stream::wrappers::ReceiverStream::new(heard));
        let path = PathAndQuery::from_static("/conformance.Probe/Both");
        let response = soon(grpc.streaming(request, path, Raw)).await.unwrap();
        Self {
            say,
            answers: response.into_inner(),
        }
    }

    async fn goes_on(&mut self, round: usize) {
        let message = page(round, 500);
        self.say.send(message.clone()).await.unwrap();
        assert_eq!(soon(self.answers.message()).await.unwrap().unwrap(), message);
    }
}

async fn given_up(channel: &Gateway, order: &str, when: GiveUp) {
    let mut bystander = Bystander::new(channel).await;
    for round in 0..CALLS / AT_ONCE {
        let mut calls = JoinSet::new();
        for _ in 0..AT_ONCE {
            let call = Call::new(Kind::Down, order).give_up(when);
            let channel = channel.clone();
            calls.spawn(async move {
                // Before its service has begun, or while it begins.
                call.make(channel, tokio::task::yield_now()).await
            });
        }
        while let Some(outcome) = soon(calls.join_next()).await {
            let outcome = outcome.unwrap();
            assert!(matches!(outcome.end, crate::outcome::End::GivenUp), "{outcome:?}");
        }
        bystander.goes_on(round).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_given_up_disturb_nobody() {
    let ground = Ground::new().await;
    for channel in [&ground.tunnel.channel, &ground.behind.channel] {
        given_up(channel, "hang", GiveUp::Begun).await;
        given_up(channel, "hang-later 1 100", GiveUp::After(1)).await;
    }
    ground.nothing_is_left().await;
}
