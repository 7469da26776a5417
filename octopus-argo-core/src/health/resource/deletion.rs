//! Objects on their way out.

use serde_json::Value;

use super::live::Live;
use super::{ResourceHealth, Rules};

/// What keeps an object until Argo CD is done with the hook that it is.
const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";

/// The health of an object that is being deleted, whatever its kind; `None` for all others.
///
/// A time that cannot be read, or that is the zero of Go, counts as none.
///
/// Rule: Argo CD `gitops-engine/pkg/health/health.go`, upgrade notes 2.14-3.0.
pub(super) fn pending_deletion<'a>(live: Live<'a>, rules: &Rules) -> Option<ResourceHealth<'a>> {
    let time = live
        .at(&["metadata", "deletionTimestamp"])
        .and_then(Value::as_str)?;
    if !is_time(time) || time == "0001-01-01T00:00:00Z" {
        return None;
    }
    if rules.hook_finalizer_exempt && has_hook_finalizer(live) {
        return None;
    }
    Some(ResourceHealth::progressing("pending deletion"))
}

fn has_hook_finalizer(live: Live<'_>) -> bool {
    let finalizers = live.at(&["metadata", "finalizers"]).and_then(Value::as_array);
    finalizers.is_some_and(|list| {
        list.iter().all(Value::is_string) && list.iter().any(|entry| entry.as_str() == Some(HOOK_FINALIZER))
    })
}

/// Whether `text` is a time as RFC 3339 writes it, on a day that exists.
fn is_time(text: &str) -> bool {
    let Some((date, rest)) = text.split_at_checked(10) else {
        return false;
    };
    let Some((clock, rest)) = rest.split_at_checked(9) else {
        return false;
    };
    let (&[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1], &[b'T', h0, h1, b':', n0, n1, b':', s0, s1]) =
        (date.as_bytes(), clock.as_bytes())
    else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) =
        (number(&[y0, y1, y2, y3]), number(&[m0, m1]), number(&[d0, d1]))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    let below = |digits: [u8; 2], limit| number(&digits).is_some_and(|value| value < limit);
    (1..=days).contains(&day)
        && below([h0, h1], 24)
        && below([n0, n1], 60)
        && below([s0, s1], 60)
        && is_zone(after_fraction(rest))
}

/// What follows a fraction of a second, if there is one.
fn after_fraction(text: &str) -> &str {
    let Some(digits) = text.strip_prefix(['.', ',']) else {
        return text;
    };
    let rest = digits.trim_start_matches(|character: char| character.is_ascii_digit());
    // A point without digits is no fraction, and no zone either.
    if rest.len() == digits.len() { text } else { rest }
}

fn is_zone(text: &str) -> bool {
    if text == "Z" {
        return true;
    }
    let &[b'+' | b'-', h0, h1, b':', m0, m1] = text.as_bytes() else {
        return false;
    };
    number(&[h0, h1]).is_some_and(|hours| hours <= 24)
        && number(&[m0, m1]).is_some_and(|minutes| minutes <= 60)
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        Some(number * 10 + digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_kubernetes_writes_them() {
        for time in [
            "2031-02-01T10:00:00Z",
            "2032-02-29T23:59:59.123456Z",
            "2031-02-01T10:00:00+02:00",
        ] {
            assert!(is_time(time), "{time}");
        }
        for odd in [
            "",
            "soon",
            "2031-02-01",
            "2031-02-29T10:00:00Z",
            "2031-13-01T10:00:00Z",
            "2031-02-01T24:00:00Z",
            "2031-02-01T10:00:00",
            "2031-02-01 10:00:00Z",
            "2031-02-01T10:00:00.Z",
            "2031-02-01T10:00:00ZZ",
            "2031-02-01T10:00:00+0200",
            "２０31-02-01T10:00:00Z",
        ] {
            assert!(!is_time(odd), "{odd}");
        }
    }
}
