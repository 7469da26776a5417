//! What a value of the chart may hold.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use crate::setup::ProjectToken;
use crate::{Thumbprint, ThumbprintError};

/// What a value of the chart holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A text.
    Text,
    /// A text that is a credential.
    Secret,
    /// The SHA-1 thumbprint of a certificate.
    Thumbprint,
    /// A length of time as Go writes it, such as `1m30s`.
    Period,
    /// `true` or `false`.
    Bool,
    /// A whole number that is not negative.
    Int,
    /// A list of texts.
    Texts,
    /// A list of project names with their tokens.
    ProjectTokens,
    /// A list of anything.
    List,
    /// An object of anything.
    Object,
}

impl Kind {
    /// The value that stands for nothing.
    pub(super) fn empty(self) -> Value {
        match self {
            Self::Text | Self::Secret | Self::Thumbprint | Self::Period => "".into(),
            Self::Bool => false.into(),
            Self::Int => 0.into(),
            Self::Texts | Self::ProjectTokens | Self::List => Value::Array(Vec::new()),
            Self::Object => Value::Object(Map::new()),
        }
    }

    /// `value` in the form in which it is kept.
    pub(super) fn admit(self, value: &Value) -> Result<Value, NotAdmitted> {
        fn through<T: Setting>(value: &Value) -> Result<Value, NotAdmitted> {
            T::from_value(value).map(T::into_value)
        }
        match self {
            Self::Text => through::<String>(value),
            Self::Secret => through::<SecretString>(value),
            Self::Thumbprint => through::<Option<Thumbprint>>(value),
            Self::Period => through::<Option<Period>>(value),
            Self::Bool => through::<bool>(value),
            Self::Int => through::<u32>(value),
            Self::Texts => through::<Vec<String>>(value),
            Self::ProjectTokens => through::<Vec<ProjectToken>>(value),
            Self::List => through::<Vec<Value>>(value),
            Self::Object => through::<Map<String, Value>>(value),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text | Self::Secret => "a text",
            Self::Thumbprint => "a thumbprint of 40 hexadecimal digits, in quotes",
            Self::Period => "a length of time such as \"15s\"",
            Self::Bool => "true or false, without quotes",
            Self::Int => "a whole number, without quotes",
            Self::Texts => "a list of texts",
            Self::ProjectTokens => "a list of objects with project and token",
            Self::List => "a list",
            Self::Object => "an object",
        })
    }
}

/// Why something is not what a key holds. Where within the value, and nothing of what stood there.
#[expect(unnameable_types, reason = "in the hidden part of a sealed trait")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotAdmitted {
    /// `[2].project`, or empty for the value itself.
    pub(super) within: String,
    /// A thumbprint or period that is a text, but no good one.
    pub(super) malformed: Option<Malformed>,
}

/// Why a text of the right type is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It is no thumbprint.
    #[error(transparent)]
    Thumbprint(ThumbprintError),
    /// It is no length of time.
    #[error(transparent)]
    Period(PeriodError),
}

/// A type that a [`Key`](super::Key) may have. Sealed: the chart decides which there are.
pub trait Setting: sealed::Sealed + Sized {
    /// Which one it is.
    const KIND: Kind;

    #[doc(hidden)]
    fn into_value(self) -> Value;

    #[doc(hidden)]
    fn from_value(value: &Value) -> Result<Self, NotAdmitted>;
}

mod sealed {
    #[expect(unnameable_types, reason = "nobody else shall name it")]
    pub trait Sealed {}
}

macro_rules! setting {
    ($($type:ty: $kind:ident, $from:expr, $into:expr;)+) => {$(
        impl sealed::Sealed for $type {}

        impl Setting for $type {
            const KIND: Kind = Kind::$kind;

            fn into_value(self) -> Value {
                let into: fn($type) -> Value = $into;
                into(self)
            }

            fn from_value(value: &Value) -> Result<Self, NotAdmitted> {
                let from: fn(&Value) -> Result<$type, NotAdmitted> = $from;
                from(value)
            }
        }
    )+};
}

setting! {
    String: Text, |value| text(value).map(str::to_owned), Value::from;
    SecretString: Secret, |value| text(value).map(SecretString::from), |secret| secret.expose_secret().into();
    bool: Bool, |value| value.as_bool().ok_or_else(NotAdmitted::default), Value::from;
    u32: Int,
        |value| value.as_u64().and_then(|number| number.try_into().ok()).ok_or_else(NotAdmitted::default),
        Value::from;
    Thumbprint: Thumbprint,
        |value| text(value)?.chars().filter(|c| !matches!(c, ':' | ' ')).collect::<String>().parse()
            .map_err(|error| Malformed::Thumbprint(error).into()),
        |thumbprint| thumbprint.to_string().into();
    Period: Period,
        |value| text(value)?.parse().map_err(|error| Malformed::Period(error).into()),
        |period| period.to_string().into();
    Vec<String>: Texts,
        |value| each(value, |entry| text(entry).map(str::to_owned)),
        |texts| texts.into();
    Vec<ProjectToken>: ProjectTokens,
        |value| each(value, read_project_token),
        |tokens| tokens.iter().map(project_token).collect();
    Vec<Value>: List, |value| each(value, |entry| Ok(entry.clone())), Value::Array;
    Map<String, Value>: Object,
        |value| value.as_object().cloned().ok_or_else(NotAdmitted::default),
        Value::Object;
}

// As a file may have it: the empty text stands for none.
setting! {
    Option<Thumbprint>: Thumbprint,
        |value| if value == "" { Ok(None) } else { Thumbprint::from_value(value).map(Some) },
        |thumbprint| thumbprint.map_or_else(|| "".into(), Setting::into_value);
    Option<Period>: Period,
        |value| if value == "" { Ok(None) } else { Period::from_value(value).map(Some) },
        |period| period.map_or_else(|| "".into(), Setting::into_value);
}

impl From<Malformed> for NotAdmitted {
    fn from(malformed: Malformed) -> Self {
        Self {
            within: String::new(),
            malformed: Some(malformed),
        }
    }
}

fn text(value: &Value) -> Result<&str, NotAdmitted> {
    value.as_str().ok_or_else(NotAdmitted::default)
}

fn each<T>(value: &Value, read: impl Fn(&Value) -> Result<T, NotAdmitted>) -> Result<Vec<T>, NotAdmitted> {
    let list = value.as_array().ok_or_else(NotAdmitted::default)?;
    let entry = |(index, entry)| {
        read(entry).map_err(|error| NotAdmitted {
            within: format!("[{index}]{}", error.within),
            ..error
        })
    };
    list.iter().enumerate().map(entry).collect()
}

fn read_project_token(value: &Value) -> Result<ProjectToken, NotAdmitted> {
    let part = |name: &str| {
        let text = value.get(name).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| NotAdmitted {
            within: format!(".{name}"),
            malformed: None,
        })
    };
    if !value.is_object() {
        return Err(NotAdmitted::default());
    }
    Ok(ProjectToken::new(part("project")?, part("token")?.into()))
}

fn project_token(token: &ProjectToken) -> Value {
    serde_json::json!({"project": token.project(), "token": token.token().expose_secret()})
}

/// A length of time as the chart takes it: Go's notation, such as `15s`, `1m30s` or `500ms`.
///
/// ```
/// use octopus_argo_core::helm::Period;
///
/// let period: Period = "1.5m".parse()?;
/// assert_eq!(period.duration(), std::time::Duration::from_secs(90));
/// assert_eq!(period.to_string(), "1m30s");
/// # Ok::<(), octopus_argo_core::helm::PeriodError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Period(Duration);

/// Why a text is not a [`Period`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a length of time such as 15s, 5m or 1m30s")]
#[non_exhaustive]
pub struct PeriodError;

impl Period {
    /// `duration`, to the nanosecond.
    #[must_use]
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// The length of time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Period {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut nanoseconds: u128 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let number_end = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or(PeriodError)?;
            let (number, tail) = rest.split_at(number_end);
            let unit_end = tail
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            let (_, unit) = *UNITS.iter().find(|(name, _)| *name == unit).ok_or(PeriodError)?;
            nanoseconds = nanoseconds
                .checked_add(amount(number, unit)?)
                .ok_or(PeriodError)?;
            rest = tail;
        }
        // Go keeps nanoseconds in 63 bits: 292 years.
        let nanoseconds = i64::try_from(nanoseconds).ok().filter(|_| !text.is_empty());
        let nanoseconds = nanoseconds
            .and_then(|n| u64::try_from(n).ok())
            .ok_or(PeriodError)?;
        Ok(Self(Duration::from_nanos(nanoseconds)))
    }
}

/// `number`, which may have a fraction, in units of `unit` nanoseconds.
fn amount(number: &str, unit: u128) -> Result<u128, PeriodError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) || number.len() > 40 {
        return Err(PeriodError);
    }
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| PeriodError)?
    };
    let mut total = whole.checked_mul(unit).ok_or(PeriodError)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        total = total
            .checked_add(u128::from(digit - b'0') * place)
            .ok_or(PeriodError)?;
    }
    Ok(total)
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.as_nanos();
        if nanoseconds == 0 {
            return f.write_str("0s");
        }
        let mut rest = nanoseconds;
        for (name, unit) in [
            ("h", HOUR),
            ("m", MINUTE),
            ("s", SECOND),
            ("ms", 1_000_000),
            ("us", 1_000),
            ("ns", 1),
        ] {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

const HOUR: u128 = 3_600 * SECOND;
const MINUTE: u128 = 60 * SECOND;
const SECOND: u128 = 1_000_000_000;

/// Go's `time.ParseDuration`, with both signs for micro.
const UNITS: [(&str, u128); 8] = [
    ("h", HOUR),
    ("m", MINUTE),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn periods_are_read_as_go_reads_them() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("15s", 15_000_000_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1.0000000019s", 1_000_000_001),
            ("2µs", 2_000),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.duration().as_nanos(), nanoseconds, "{text}");
        }
        for text in [
            "", "15", "s", "-1s", "1 s", "1d", ".s", "1..2s", "9999999h", "1s2", "1S",
        ] {
            assert_eq!(text.parse::<Period>(), Err(PeriodError), "{text}");
        }
    }

    #[test]
    fn a_pasted_thumbprint_loses_its_colons() {
        let pasted = "30:65:6E:49 78:15:B3:E3:1E:B4:BC:51:7A:57:55:81:70:D9:AB:BF".into();
        let thumbprint = Thumbprint::from_value(&pasted).unwrap();
        assert_eq!(
            thumbprint.into_value(),
            "30656E497815B3E31EB4BC517A57558170D9ABBF"
        );
        let error = Thumbprint::from_value(&"30:65".into()).unwrap_err();
        assert!(matches!(
            error.malformed,
            Some(Malformed::Thumbprint(ThumbprintError::Length { found: 4, .. }))
        ));
    }

    proptest! {
        #[test]
        fn a_period_reads_back(nanoseconds in 0..i64::MAX as u64) {
            let period = Period::new(Duration::from_nanos(nanoseconds));
            prop_assert_eq!(period.to_string().parse(), Ok(period));
        }

        #[test]
        fn no_text_panics(text in "[0-9.hmsun]{0,30}|.{0,20}") {
            let _ = text.parse::<Period>();
        }
    }
}
