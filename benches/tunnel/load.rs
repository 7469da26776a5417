//! What is asked of a path, and what it took.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::{Request, Status, Streaming};

use crate::backend::{DOWN, UNARY, UP};
use crate::cpu;
use crate::hop::message;
use crate::raw::Raw;

/// A load, with how long it runs.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// Calls of this size, one after another.
    Unary(usize, Duration),
    /// Calls of 1 KiB by this many callers at once.
    Callers(usize, Duration),
    /// Messages of 64 KiB towards the caller. What comes in the first part of the time is not counted.
    Down(Duration, Duration),
    /// Messages of 64 KiB from the caller.
    Up(Duration),
}

/// What a load measured. What does not concern it is 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub p50_us: f64,
    pub p99_us: f64,
    /// Calls, or bytes, in a second.
    pub per_s: f64,
    /// Processor time of the whole process for each call: caller, every hop and backend.
    pub cpu_us: f64,
}

pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way to the backend.
pub trait Target: Send + Sync {
    fn run(&self, load: Load) -> Boxed<'_, Result<Sample, Status>>;

    /// Streams towards the caller that nobody reads.
    fn stalled(&self, streams: usize) -> Boxed<'_, Result<Vec<Streaming<Bytes>>, Status>>;
}

/// A way over some channel.
pub struct Path<S> {
    pub channel: S,
    pub origin: &'static str,
}

const CHUNK: usize = 64 << 10;

impl<S> Path<S>
where
    S: GrpcService<Body> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    fn grpc(&self) -> Grpc<S> {
        let origin = http::Uri::from_static(self.origin);
        Grpc::with_origin(self.channel.clone(), origin).max_decoding_message_size(8 << 20)
    }

    async fn unary(&self, size: usize, window: Duration) -> Result<Sample, Status> {
        let (mut grpc, payload) = (self.grpc(), message(size));
        for _ in 0..20 {
            call(&mut grpc, &payload).await?;
        }
        let mut times = Vec::with_capacity(1 << 14);
        let start = Instant::now();
        while start.elapsed() < window || times.len() < 20 {
            let before = Instant::now();
            call(&mut grpc, &payload).await?;
            times.push(before.elapsed());
        }
        Ok(sample(times, start.elapsed()))
    }

    async fn callers(&self, callers: usize, window: Duration) -> Result<Sample, Status> {
        let payload = message(1024);
        let end = Instant::now() + window / 5;
        self.crowd(callers, &payload, end).await?;
        let (cpu, start) = (cpu::used(), Instant::now());
        let times = self.crowd(callers, &payload, start + window).await?;
        let used = cpu::used().saturating_sub(cpu);
        let calls = times.len() as f64;
        let mut sample = sample(times, start.elapsed());
        sample.cpu_us = used.as_secs_f64() * 1e6 / calls;
        Ok(sample)
    }

    async fn crowd(&self, callers: usize, payload: &Bytes, end: Instant) -> Result<Vec<Duration>, Status> {
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            let (mut grpc, payload) = (self.grpc(), payload.clone());
            tasks.spawn(async move {
                let mut times = Vec::with_capacity(1 << 10);
                let mut now = Instant::now();
                while now < end {
                    call(&mut grpc, &payload).await?;
                    let after = Instant::now();
                    times.push(after - now);
                    now = after;
                }
                Ok::<_, Status>(times)
            });
        }
        let mut times = Vec::new();
        while let Some(done) = tasks.join_next().await {
            times.extend(done.map_err(|error| Status::from_error(error.into()))??);
        }
        Ok(times)
    }

    async fn down(&self, skip: Duration, window: Duration) -> Result<Sample, Status> {
        let mut stream = self.open(CHUNK).await?;
        let opened = Instant::now();
        while opened.elapsed() < skip {
            stream.message().await?;
        }
        let (mut bytes, start) = (0, Instant::now());
        while start.elapsed() < window {
            let Some(message) = stream.message().await? else {
                break;
            };
            bytes += message.len();
        }
        let per_s = bytes as f64 / start.elapsed().as_secs_f64();
        Ok(Sample {
            per_s,
            ..Sample::default()
        })
    }

    async fn open(&self, size: usize) -> Result<Streaming<Bytes>, Status> {
        let mut grpc = self.grpc();
        ready(&mut grpc).await?;
        let request = Request::new(message(size));
        let answer = grpc.server_streaming(request, PathAndQuery::from_static(DOWN), Raw);
        Ok(answer.await?.into_inner())
    }

    async fn up(&self, window: Duration) -> Result<Sample, Status> {
        let mut grpc = self.grpc();
        ready(&mut grpc).await?;
        let (payload, start) = (message(CHUNK), Instant::now());
        let messages = std::iter::repeat_with(move || payload.clone());
        let messages = messages.take_while(move |_| start.elapsed() < window);
        let request = Request::new(tokio_stream::iter(messages));
        let answer = grpc.client_streaming(request, PathAndQuery::from_static(UP), Raw);
        let count: Bytes = answer.await?.into_inner();
        let count = count.first_chunk().map(|count| u64::from_be_bytes(*count));
        let count = count.ok_or_else(|| Status::data_loss("the backend did not count"))?;
        let per_s = count as f64 / start.elapsed().as_secs_f64();
        Ok(Sample {
            per_s,
            ..Sample::default()
        })
    }
}

impl<S> Target for Path<S>
where
    S: GrpcService<Body> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    fn run(&self, load: Load) -> Boxed<'_, Result<Sample, Status>> {
        match load {
            Load::Unary(size, window) => Box::pin(self.unary(size, window)),
            Load::Callers(callers, window) => Box::pin(self.callers(callers, window)),
            Load::Down(skip, window) => Box::pin(self.down(skip, window)),
            Load::Up(window) => Box::pin(self.up(window)),
        }
    }

    fn stalled(&self, streams: usize) -> Boxed<'_, Result<Vec<Streaming<Bytes>>, Status>> {
        Box::pin(async move {
            let mut stalled = Vec::new();
            for _ in 0..streams {
                stalled.push(self.open(10_000).await?);
            }
            // Until all of them have used up what they may send.
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(stalled)
        })
    }
}

async fn ready<S>(grpc: &mut Grpc<S>) -> Result<(), Status>
where
    S: GrpcService<Body>,
{
    let ready = grpc.ready().await;
    ready.map_err(|error| Status::from_error(error.into()))
}

async fn call<S>(grpc: &mut Grpc<S>, payload: &Bytes) -> Result<(), Status>
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<tonic::codegen::StdError>,
{
    ready(grpc).await?;
    let request = Request::new(payload.clone());
    let answer = grpc.unary(request, PathAndQuery::from_static(UNARY), Raw).await?;
    let answer: Bytes = answer.into_inner();
    if answer.len() == payload.len() {
        Ok(())
    } else {
        Err(Status::data_loss("another message came back"))
    }
}

fn sample(mut times: Vec<Duration>, elapsed: Duration) -> Sample {
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() - 1) as f64 * share) as usize;
        times[index].as_secs_f64() * 1e6
    };
    Sample {
        p50_us: at(0.5),
        p99_us: at(0.99),
        per_s: times.len() as f64 / elapsed.as_secs_f64(),
        cpu_us: 0.0,
    }
}
