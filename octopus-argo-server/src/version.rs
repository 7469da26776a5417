//! Which of two versions is older.

use std::cmp::Ordering;

/// Whether `version` is older than `than`, by the order of Semantic Versioning. `None` where one of them is no version:
/// then nobody knows.
///
/// A `v` in front is passed over, and so is what follows a `+`. A version before a release (`1.2.0-rc.1`) is older than
/// the release.
pub(crate) fn is_older(version: &str, than: &str) -> Option<bool> {
    Some(Version::parse(version)?.cmp(&Version::parse(than)?) == Ordering::Less)
}

#[derive(PartialEq, Eq)]
struct Version<'a> {
    numbers: [u64; 3],
    before: Option<&'a str>,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (text, before) = match text.split_once('-') {
            Some((text, before)) => (text, Some(before)),
            None => (text, None),
        };
        let mut parts = text.split('.');
        let mut number = || number(parts.next()?);
        let numbers = [number()?, number()?, number()?];
        let complete = parts.next().is_none() && before.is_none_or(|before| !before.is_empty());
        complete.then_some(Self { numbers, before })
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| match (self.before, other.before) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(left), Some(right)) => before(left, right),
            })
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Identifiers one by one: numbers by value and before texts, texts by their bytes, and fewer before more.
fn before(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (number(left), number(right)) {
                (Some(left), Some(right)) => left.cmp(&right),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => left.cmp(right),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_semantic_versioning() {
        // The example of the specification, section 11, and what surrounds it.
        let rising = [
            "0.9.10",
            "0.10.0",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "v1.0.1+build.5",
            "2.0.0",
        ];
        for (index, older) in rising.iter().enumerate() {
            assert_eq!(is_older(older, older), Some(false), "{older}");
            for newer in rising.iter().skip(index + 1) {
                assert_eq!(is_older(older, newer), Some(true), "{older} {newer}");
                assert_eq!(is_older(newer, older), Some(false), "{newer} {older}");
            }
        }
        assert_eq!(is_older("1.0.0+a", "1.0.0+b"), Some(false));
    }

    #[test]
    fn of_what_is_no_version_nothing_is_known() {
        for text in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.2.x",
            "1.2.3-",
            "-1.2.3",
            "1..3",
            "99999999999999999999.0.0",
        ] {
            assert_eq!(is_older(text, "1.0.0"), None, "{text}");
            assert_eq!(is_older("1.0.0", text), None, "{text}");
        }
    }
}
