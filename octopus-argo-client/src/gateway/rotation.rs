//! Replacing a connection before something on the way cuts it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use octopus_argo_proto::link::Packets;
use octopus_argo_proto::session::Outgoing;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_stream::Stream;

/// When a gateway replaces its connection: before a proxy's limits of age or size are met. Default: never.
///
/// The new connection takes over while the old one still stands, so calls notice nothing. Without it a connection that is
/// cut costs the time to come back: calls wait, and go on.
///
/// Proxies count the whole stream as the body of one request. nginx, for example, allows a request 1 MiB
/// (`client_max_body_size`), and load balancers have a limit of age of minutes or hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    age: Option<Duration>,
    bytes: Option<u64>,
}

impl Rotation {
    /// The least time between two rotations, so that a tiny limit of bytes does not make a connection for each packet.
    pub const LEAST: Duration = Duration::from_millis(100);

    /// Never.
    #[must_use]
    pub const fn never() -> Self {
        Self {
            age: None,
            bytes: None,
        }
    }

    /// After this long; a tenth of it earlier at random, so that many gateways do not come at once. At least a second.
    #[must_use]
    pub fn after(mut self, age: Duration) -> Self {
        self.age = Some(age.max(Duration::from_secs(1)));
        self
    }

    /// After this many bytes in either direction: leave room below the proxy's limit for what is on its way until the new
    /// connection stands. At least 64 KiB.
    #[must_use]
    pub fn after_bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes.max(64 << 10));
        self
    }

    /// The odometer of a connection that begins now. `jitter` is between 0 and 1.
    pub(super) fn begin(self, jitter: f64) -> Odometer {
        let now = Instant::now();
        Odometer {
            due_at: self
                .age
                .and_then(|age| now.checked_add(age.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 10.0))),
            not_before: now + Self::LEAST,
            limit: self.bytes,
            counted: Arc::default(),
        }
    }
}

/// How long a connection has stood and what went over it.
#[derive(Debug)]
pub(super) struct Odometer {
    due_at: Option<Instant>,
    not_before: Instant,
    limit: Option<u64>,
    counted: Arc<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    sent: AtomicU64,
    received: AtomicU64,
    full: Notify,
}

impl Odometer {
    /// The packets, counted as they go out.
    pub(super) fn count(&self, packets: Packets) -> CountedPackets {
        CountedPackets {
            packets,
            limit: self.limit.unwrap_or(u64::MAX),
            counted: self.counted.clone(),
        }
    }

    /// Something arrived.
    pub(super) fn received(&self, bytes: u64) {
        let limit = self.limit.unwrap_or(u64::MAX);
        add(&self.counted.received, bytes, limit, &self.counted.full);
    }

    /// Waits until the connection is to be replaced.
    ///
    /// Cancel-safe.
    pub(super) async fn due(&self) {
        let aged = async {
            match self.due_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let full = async {
            let Some(limit) = self.limit else {
                return std::future::pending().await;
            };
            let is_full = || {
                let largest = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
                largest(&self.counted.sent).max(largest(&self.counted.received)) >= limit
            };
            while !is_full() {
                self.counted.full.notified().await;
            }
        };
        tokio::select! {
            () = aged => {}
            () = full => {}
        }
        tokio::time::sleep_until(self.not_before).await;
    }
}

fn add(counter: &AtomicU64, bytes: u64, limit: u64, full: &Notify) {
    let before = counter.fetch_add(bytes, Ordering::Relaxed);
    if before < limit && before.saturating_add(bytes) >= limit {
        full.notify_one();
    }
}

/// Packets that are counted as they go out.
#[derive(Debug)]
pub(super) struct CountedPackets {
    packets: Packets,
    limit: u64,
    counted: Arc<Counted>,
}

impl Stream for CountedPackets {
    type Item = Outgoing;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        let next = std::task::ready!(Pin::new(&mut self.packets).poll_next(cx));
        if let Some(packet) = &next {
            add(
                &self.counted.sent,
                packet.encoded_len() as u64,
                self.limit,
                &self.counted.full,
            );
        }
        Poll::Ready(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn age_is_due_a_little_early() {
        let age = Duration::from_secs(100);
        let begun = Instant::now();
        Rotation::never().after(age).begin(0.5).due().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(95));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_due_when_either_direction_has_them() {
        let odometer = Rotation::never().after_bytes(100_000).begin(0.0);
        odometer.received(99_999);
        let early = tokio::time::timeout(Duration::from_secs(3600), odometer.due()).await;
        assert!(early.is_err());
        odometer.received(1);
        odometer.due().await;
    }

    #[tokio::test(start_paused = true)]
    async fn never_is_never() {
        let odometer = Rotation::never().begin(0.0);
        odometer.received(u64::MAX);
        let due = tokio::time::timeout(Duration::from_secs(1_000_000), odometer.due()).await;
        assert!(due.is_err());
    }
}
