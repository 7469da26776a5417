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

/// What one full data frame costs, in bytes. No window is smaller, or bodies would wait for ever.
pub(super) const FULL_FRAME: u64 = MAX_CHUNK as u64 + FRAME_COST;

/// How one side of a session behaves. Every value has a documented default, which is a public constant.
///
/// Three promises hold together: every call can always have a full data frame on its way, no call can have more than
/// [`Config::largest_credit`], and what is held for all calls together stays within [`Config::session_budget`]. They do
/// because `max calls × guaranteed credit + replay buffer ≤ budget`; all that a window has beyond its guarantee comes out
/// of what this leaves, and goes back when others need it.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) software: v1::Software,
    pub(super) max_calls: u32,
    pub(super) max_metadata: u32,
    guaranteed_credit: u32,
    initial_credit: u32,
    largest_credit: u32,
    session_budget: u64,
    replay_buffer: u64,
    pub(super) resume_grace: Duration,
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
    /// Default of [`Config::guaranteed_credit`], in bytes.
    pub const GUARANTEED_CREDIT: u32 = 64 << 10;
    /// Default of [`Config::initial_credit`], in bytes.
    pub const INITIAL_CREDIT: u32 = 256 << 10;
    /// Default of [`Config::largest_credit`], in bytes.
    pub const LARGEST_CREDIT: u32 = 4 << 20;
    /// Default of [`Config::session_budget`], in bytes.
    pub const SESSION_BUDGET: u64 = 64 << 20;
    /// Default of [`Config::replay_buffer`], in bytes.
    pub const REPLAY_BUFFER: u64 = 4 << 20;
    /// Default of [`Config::resume_grace`].
    pub const RESUME_GRACE: Duration = Duration::from_secs(30);
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

    /// How many calls may be open at once. Default 512; at least 1. A call costs about a kilobyte beside what it buffers,
    /// and its guaranteed credit out of the budget.
    #[must_use]
    pub fn max_calls(mut self, calls: u32) -> Self {
        self.max_calls = calls.max(1);
        self
    }

    /// How many bytes the other side may send on each call in any case before it is told that some were taken. Default
    /// 64 KiB; at least one full data frame (65 600 bytes), and at most the share of a call in the budget.
    #[must_use]
    pub fn guaranteed_credit(mut self, bytes: u32) -> Self {
        self.guaranteed_credit = bytes;
        self
    }

    /// What the window of a call begins with while the budget has it: more than the guarantee is granted at once, to the
    /// answers of calls that this side opens, and to requests when their first bytes are taken. Default 256 KiB; at least
    /// the guaranteed credit.
    ///
    /// It bounds what a call gets through in its first round trip.
    #[must_use]
    pub fn initial_credit(mut self, bytes: u32) -> Self {
        self.initial_credit = bytes;
        self
    }

    /// How far the window of one call grows. Default 4 MiB; at least the initial credit.
    ///
    /// A window doubles when all of it was taken within two round trips, since then it is what holds the sender up; a
    /// round trip counts for a millisecond at least. The window bounds a call's throughput to itself per round trip, and
    /// its memory when nobody takes what arrives.
    #[must_use]
    pub fn largest_credit(mut self, bytes: u32) -> Self {
        self.largest_credit = bytes;
        self
    }

    /// The most bytes that this side holds for all calls together: what arrived and was not taken, and what was sent and
    /// not acknowledged. Default 64 MiB; at least the replay buffer and one full data frame for each call.
    ///
    /// Metadata are held beside it, within [`Config::MAX_METADATA`] for each call and direction.
    #[must_use]
    pub fn session_budget(mut self, bytes: u64) -> Self {
        self.session_budget = bytes;
        self
    }

    /// How many bytes are kept to be sent again after a cut. Default 4 MiB; at least 512 KiB. Nothing is dropped from it
    /// before it is acknowledged: when it is full, sending stops. After a cut less is sent at once, at first: 340 KiB, and as
    /// much more as is acknowledged.
    ///
    /// It bounds the throughput of all calls together to itself per round trip.
    #[must_use]
    pub fn replay_buffer(mut self, bytes: u64) -> Self {
        self.replay_buffer = bytes;
        self
    }

    /// How long a session is kept after a cut for the gateway to come back. Default 30 s; at most 10 minutes. A server's
    /// counts: it tells the gateway.
    #[must_use]
    pub fn resume_grace(mut self, grace: Duration) -> Self {
        self.resume_grace = grace.min(Duration::from_secs(600));
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

    /// The gateway version that a server recommends, if it does.
    #[must_use]
    pub fn recommended(&self) -> Option<&str> {
        Some(self.recommended_gateway_version.as_str()).filter(|version| !version.is_empty())
    }

    /// What is kept to be sent again, at most.
    pub(super) fn replay(&self) -> u64 {
        self.replay_buffer.max(MAX_PACKET as u64)
    }

    /// What arrived and was not taken, at most: the budget without the replay buffer.
    pub(super) fn receive_budget(&self) -> u64 {
        let least = FULL_FRAME.saturating_mul(self.max_calls.into());
        self.session_budget.saturating_sub(self.replay()).max(least)
    }

    /// The credit that every call has in any case, of which the handshake tells.
    pub(super) fn guaranteed(&self) -> u64 {
        let share = self.receive_budget() / u64::from(self.max_calls);
        u64::from(self.guaranteed_credit).min(share).max(FULL_FRAME)
    }

    /// The credit that a call has while the budget allows it.
    pub(super) fn initial(&self) -> u64 {
        u64::from(self.initial_credit).max(self.guaranteed())
    }

    /// The credit that a call may come to have.
    pub(super) fn largest(&self) -> u64 {
        u64::from(self.largest_credit).max(self.initial())
    }

    /// What is said of it in the handshake.
    pub(super) fn limits(&self) -> v1::Limits {
        v1::Limits {
            max_calls: self.max_calls,
            max_metadata_bytes: self.max_metadata,
            initial_credit: u32::try_from(self.guaranteed()).unwrap_or(u32::MAX),
            session_budget: self.receive_budget().saturating_add(self.replay()),
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
            guaranteed_credit: Self::GUARANTEED_CREDIT,
            initial_credit: Self::INITIAL_CREDIT,
            largest_credit: Self::LARGEST_CREDIT,
            session_budget: Self::SESSION_BUDGET,
            replay_buffer: Self::REPLAY_BUFFER,
            resume_grace: Self::RESUME_GRACE,
            handshake_timeout: Self::HANDSHAKE_TIMEOUT,
            heartbeat: Self::HEARTBEAT,
            dead_after: Self::DEAD_AFTER,
            recommended_gateway_version: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guarantees_always_fit_into_the_budget() {
        let odd = [0, 1, 70_000, 1 << 20, u32::MAX];
        for calls in [1, 2, 512, 100_000, u32::MAX] {
            for choice in 0..125_usize {
                let pick = |at: u32| odd[choice / 5_usize.pow(at) % 5];
                let config = Config::default()
                    .max_calls(calls)
                    .guaranteed_credit(pick(0))
                    .session_budget(pick(1).into())
                    .replay_buffer(pick(2).into());
                let needed = config.guaranteed() * u64::from(calls) + config.replay();
                assert!(needed <= config.limits().session_budget, "{config:?}");
                assert!(config.guaranteed() >= FULL_FRAME);
                assert!(config.guaranteed() <= config.initial() && config.initial() <= config.largest());
            }
        }
    }

    #[test]
    fn defaults_are_those_of_the_design() {
        let config = Config::default();
        assert_eq!(config.guaranteed(), FULL_FRAME);
        assert_eq!(config.initial(), 256 << 10);
        assert_eq!(config.largest(), 4 << 20);
        assert_eq!(config.receive_budget(), 60 << 20);
        assert_eq!(config.limits().session_budget, 64 << 20);
    }
}
