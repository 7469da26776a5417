//! Points in time as Kubernetes writes them, and the clock that supplies them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use octopus_argo_proto::argocd::k8s::meta::Time;

/// Where the simulator takes the time from: creation, reconciliation and log times. Nothing waits for it.
#[derive(Clone)]
pub(super) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    pub(super) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from((self.0)())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A point in time, in nanoseconds of UTC. Written in RFC 3339; `Display` drops the fraction where it is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timestamp {
    seconds: i64,
    nanos: u32,
}

impl Timestamp {
    /// The zero time of Go: the first second of the year 1.
    pub(super) const YEAR_ONE: Self = Self::from_unix_seconds(-62_135_596_800);

    pub(super) const fn from_unix_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    pub(super) const fn unix_seconds(self) -> i64 {
        self.seconds
    }

    /// As in messages: whole seconds, and for Go's zero time an empty message.
    ///
    /// Rule: Kubernetes `pkg/apis/meta/v1/time_proto.go` (`ProtoTime`).
    pub(super) fn to_wire(self) -> Time {
        if self == Self::YEAR_ONE {
            Time::default()
        } else {
            Time::from_unix_seconds(self.seconds)
        }
    }

    /// Without the fraction of a second, as object metadata keeps times.
    pub(super) fn whole_seconds(self) -> String {
        Self::from_unix_seconds(self.seconds).to_string()
    }

    pub(super) const fn minus_seconds(self, seconds: i64) -> Self {
        Self {
            seconds: self.seconds.saturating_sub(seconds),
            nanos: self.nanos,
        }
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        // Times before 1970 are of no use to a simulation; they become 1970.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: since.subsec_nanos(),
        }
    }
}

/// The text is no RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 time such as 2026-05-19T09:27:22Z")]
pub(super) struct TimestampError;

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        parse(text).ok_or(TimestampError)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.seconds.div_euclid(DAY), self.seconds.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if self.nanos != 0 {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

const DAY: i64 = 24 * 60 * 60;

fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', 't'])?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (
        digits(date.next()?, 4)?,
        digits(date.next()?, 2)?,
        digits(date.next()?, 2)?,
    );
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.splitn(3, ':');
    let (hour, minute, second) = (
        digits(clock.next()?, 2)?,
        digits(clock.next()?, 2)?,
        digits(clock.next()?, 2)?,
    );
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=23).contains(&hour)
        && (0..=59).contains(&minute)
        && (0..=60).contains(&second);
    if !in_range || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let nanos = digits(fraction, fraction.len())? * 10_i64.pow(9 - u32::try_from(fraction.len()).ok()?);
    let seconds = days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    Some(Timestamp {
        seconds: seconds - offset(zone)?,
        nanos: u32::try_from(nanos).ok()?,
    })
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let seconds = digits(hours, 2)? * 3600 + digits(minutes, 2)? * 60;
    Some(if zone.starts_with('-') { -seconds } else { seconds })
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Days since 1970 of a date of the Gregorian calendar. Years are counted from March, so that the leap day is last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = (shifted + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2025-07-28T20:07:38Z", 1_753_733_258),
            ("0001-01-01T00:00:00Z", -62_135_596_800),
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!((time.unix_seconds(), time.to_string().as_str()), (seconds, text));
        }
        let time: Timestamp = "2025-07-28T22:07:38.0450+02:00".parse().unwrap();
        assert_eq!(time.to_string(), "2025-07-28T20:07:38.045Z");
    }

    #[test]
    fn every_day_of_four_centuries_round_trips() {
        for days in (-719_162..146_097).step_by(13) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn refuses_other_texts() {
        for text in [
            "",
            "yesterday",
            "2025-07-28",
            "2025-13-01T00:00:00Z",
            "2025-07-28T20:07:38",
            "2025-07-28T20:07Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }
}
