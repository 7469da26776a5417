//! What a side of a session allows itself and the other side.

use std::time::Duration;

use crate::v1;

/// The protocol revision that this version speaks.
pub const REVISION: u32 = 1;

/// The oldest protocol revision that this version still speaks.
pub const OLDEST_REVISION: u32 = 1;

/// The most payload that one data frame carries, in bytes. Larger bodies are cut: 64 KiB keeps queues short, and is the
/// HTTP/2 frame size of the connections around the tunnel.
pub const MAX_CHUNK: usize = 64 << 10;

/// The largest packet that either side sends, in bytes, with room to spare. To be set as the limit of a decoder: frames
/// take more memory than wire, so a larger message would cost many times its size before any rule could refuse it.
pub const MAX_PACKET: usize = 512 << 10;

/// The credit that every data frame costs beside its payload, in bytes, so that empty ones are not free.
pub const FRAME_COST: u64 = 64;

/// How one side of a session behaves. Every value has a documented default, which is a public constant.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) software: v1::Software,
    pub(super) max_calls: u32,
    pub(super) max_metadata: u32,
    pub(super) initial_credit: u32,
    pub(super) session_budget: u64,
    pub(super) handshake_timeout: Duration,
    pub(super) heartbeat: Duration,
    pub(super) dead_after: Duration,
    pub(super) recommended_gateway_version: String,
}

impl Config {
    /// Default of [`Config::max_calls`].
    pub const MAX_CALLS: u32 = 512;
    /// The most metadata of one call and direction, in bytes: keys, values and 32 for each pair, as HTTP/2 counts.
    pub const MAX_METADATA: u32 = 16 << 10;
    /// Default of [`Config::initial_credit`], in bytes.
    pub const INITIAL_CREDIT: u32 = 256 << 10;
    /// The bytes that may be on their way in all calls together.
    pub const SESSION_BUDGET: u64 = 64 << 20;
    /// How long the handshake may take.
    pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
    /// Default of the first value of [`Config::heartbeat`].
    pub const HEARTBEAT: Duration = Duration::from_secs(10);
    /// Default of the second value of [`Config::heartbeat`].
    pub const DEAD_AFTER: Duration = Duration::from_secs(25);

    /// The name and version of the program, for the other side's logs. Default: this crate's.
    #[must_use]
    pub fn software(mut self, name: &str, version: &str) -> Self {
        self.software = v1::Software {
            name: name.to_owned(),
            version: version.to_owned(),
        };
        self
    }

    /// How many calls may be open at once. Default 512. A call costs about a kilobyte beside what it buffers.
    #[must_use]
    pub fn max_calls(mut self, calls: u32) -> Self {
        self.max_calls = calls.max(1);
        self
    }

    /// How many bytes the other side may send on each call before it is told that some were taken. Default 256 KiB;
    /// at least one full data frame, and at most the share of a call in the session's budget.
    ///
    /// It bounds a call's throughput to itself per round trip, and its memory when nobody takes what arrives.
    #[must_use]
    pub fn initial_credit(mut self, bytes: u32) -> Self {
        self.initial_credit = bytes;
        self
    }

    /// After how much silence the other side is asked whether it lives, and after how much it is taken for dead.
    /// Default 10 s and 25 s. The first is at least a millisecond and at most an hour, the second at least twice the
    /// first and at most a day.
    #[must_use]
    pub fn heartbeat(mut self, ask_after: Duration, dead_after: Duration) -> Self {
        self.heartbeat = ask_after.clamp(Duration::from_millis(1), Duration::from_secs(3600));
        self.dead_after = dead_after.clamp(self.heartbeat * 2, Duration::from_secs(86_400));
        self
    }

    /// How long the handshake may take. Default 5 s; at most an hour.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout.min(Duration::from_secs(3600));
        self
    }

    /// The gateway version that a server recommends to whoever connects. Default: none.
    #[must_use]
    pub fn recommended_gateway_version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.recommended_gateway_version);
        self
    }

    /// The credit that calls really start with.
    pub(super) fn effective_credit(&self) -> u64 {
        let least = MAX_CHUNK as u64 + FRAME_COST;
        let share = self.session_budget / u64::from(self.max_calls);
        u64::from(self.initial_credit).min(share).max(least)
    }

    /// What is said of it in the handshake.
    pub(super) fn limits(&self) -> v1::Limits {
        v1::Limits {
            max_calls: self.max_calls,
            max_metadata_bytes: self.max_metadata,
            initial_credit: u32::try_from(self.effective_credit()).unwrap_or(u32::MAX),
            session_budget: self.session_budget,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            software: v1::Software {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            max_calls: Self::MAX_CALLS,
            max_metadata: Self::MAX_METADATA,
            initial_credit: Self::INITIAL_CREDIT,
            session_budget: Self::SESSION_BUDGET,
            handshake_timeout: Self::HANDSHAKE_TIMEOUT,
            heartbeat: Self::HEARTBEAT,
            dead_after: Self::DEAD_AFTER,
            recommended_gateway_version: String::new(),
        }
    }
}
