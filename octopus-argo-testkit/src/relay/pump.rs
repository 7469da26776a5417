//! One direction of one connection: what was read waits until it may be written.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::counts::Tally;
use super::faults::{Direction, Faults, Way};
use super::ping::{Frames, Preface};
use super::{MAX_HELD, Orders};

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// What both directions of a connection share. They run in one task, so none comes between two steps of the other.
#[derive(Debug, Default)]
pub(super) struct Pair {
    preface: Mutex<Preface>,
    passed: AtomicU64,
}

/// How a direction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Who sends has finished, and everything has been passed on.
    Finished,
    /// The connection has to be reset: an end has failed, or the limit of bytes is reached.
    Cut,
}

struct Chunk {
    due: Instant,
    data: Vec<u8>,
    start: usize,
}

pub(super) struct Pump<'a> {
    pub(super) direction: Direction,
    pub(super) reader: ReadHalf<'a>,
    pub(super) writer: WriteHalf<'a>,
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) pair: &'a Pair,
    pub(super) tally: &'a Tally,
}

impl Pump<'_> {
    pub(super) async fn run(mut self) -> Ended {
        let mut waiting = Waiting::default();
        let mut frames = Frames::default();
        let mut finished = false;
        // When the rate allows the next byte.
        let mut free = Instant::now();
        loop {
            let faults = self.orders.borrow_and_update().faults;
            let way = faults.way(self.direction);
            if finished && waiting.bytes == 0 {
                return self.finish().await;
            }
            let sendable = waiting.sendable(way, finished);
            let due = waiting.due().map_or(free, |due| due.max(free));
            let is_due = due <= Instant::now();
            tokio::select! {
                changed = self.orders.changed() => if changed.is_err() { return Ended::Cut },
                readable = self.reader.readable(), if !finished && !way.stalls && waiting.bytes < MAX_HELD => {
                    let read = readable.and_then(|()| self.read(way, &mut frames, &mut waiting));
                    match read {
                        Ok(more) => finished = !more,
                        Err(_) => return Ended::Cut,
                    }
                }
                () = sleep_until(due), if sendable > 0 && !is_due => {}
                writable = self.writer.writable(), if sendable > 0 && is_due => {
                    let written = writable.and_then(|()| self.write(&faults, sendable, &mut waiting));
                    let Ok(Some(written)) = written else { return Ended::Cut };
                    if let Some(rate) = way.rate {
                        let nanos = (written as u64).saturating_mul(1_000_000_000) / rate;
                        free = free.max(Instant::now()) + Duration::from_nanos(nanos);
                    }
                }
            }
        }
    }

    /// Reads what is there; false at the end.
    fn read(&self, way: Way, frames: &mut Frames, waiting: &mut Waiting) -> io::Result<bool> {
        let mut buffer = Vec::with_capacity(CHUNK);
        let length = match self.reader.try_read_buf(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        let before = frames.swallowed;
        let mut preface = self.pair.preface.lock().unwrap_or_else(PoisonError::into_inner);
        let data = match (length, self.direction) {
            (0, _) => frames.finish(),
            (_, Direction::Up) => frames.up(&mut preface, &buffer, way.swallows_pings),
            (_, Direction::Down) => frames.down(&preface, &buffer, way.swallows_pings),
        };
        self.tally.swallowed(frames.swallowed - before);
        waiting.push(Instant::now() + way.delay, data);
        Ok(length > 0)
    }

    /// Writes what is due, as far as the other side takes it; `None` when the limit of bytes is reached.
    fn write(&self, faults: &Faults, sendable: usize, waiting: &mut Waiting) -> io::Result<Option<usize>> {
        let limit = faults.cut_after_bytes.unwrap_or(u64::MAX);
        let left = limit.saturating_sub(self.pair.passed.load(Ordering::Relaxed));
        let allowed = sendable.min(usize::try_from(left).unwrap_or(usize::MAX));
        if allowed == 0 {
            return Ok(None);
        }
        let written = match self.writer.try_write(waiting.front(allowed)) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        waiting.advance(written);
        let before = self.pair.passed.fetch_add(written as u64, Ordering::Relaxed);
        self.tally.passed(self.direction, written as u64);
        Ok((before + (written as u64) < limit).then_some(written))
    }

    async fn finish(mut self) -> Ended {
        match self.writer.shutdown().await {
            Ok(()) => Ended::Finished,
            Err(_) => Ended::Cut,
        }
    }
}

#[derive(Default)]
struct Waiting {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, due: Instant, data: Vec<u8>) {
        if !data.is_empty() {
            self.bytes += data.len();
            self.chunks.push_back(Chunk { due, data, start: 0 });
        }
    }

    fn due(&self) -> Option<Instant> {
        self.chunks.front().map(|chunk| chunk.due)
    }

    /// How much may be written at once, whether or not it is due.
    fn sendable(&self, way: Way, finished: bool) -> usize {
        if way.stalls {
            return 0;
        }
        let held = usize::from(way.holds_last_byte && !finished);
        // A hundredth of a second at a time, so that it flows evenly.
        let portion = way.rate.map_or(usize::MAX, |rate| {
            usize::try_from(rate.get() / 100).unwrap_or(usize::MAX).max(1)
        });
        self.bytes.saturating_sub(held).min(portion)
    }

    /// The beginning of what waits, at most this long.
    fn front(&self, most: usize) -> &[u8] {
        let front = self
            .chunks
            .front()
            .and_then(|chunk| chunk.data.get(chunk.start..));
        let front = front.unwrap_or_default();
        front.get(..most).unwrap_or(front)
    }

    fn advance(&mut self, written: usize) {
        self.bytes -= written;
        if let Some(chunk) = self.chunks.front_mut() {
            chunk.start += written;
            if chunk.start >= chunk.data.len() {
                self.chunks.pop_front();
            }
        }
    }
}
