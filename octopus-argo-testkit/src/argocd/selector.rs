//! Kubernetes label selectors.

use std::collections::BTreeMap;

/// Conditions on labels, all of which must hold.
///
/// Rule: Kubernetes documentation, "Labels and Selectors".
#[derive(Clone, Debug, Default)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug)]
enum Operator {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

/// The text is no label selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse requirement")]
pub(super) struct SelectorError;

impl Selector {
    pub(super) fn parse(text: &str) -> Result<Self, SelectorError> {
        let parts = split(text)?;
        parts
            .into_iter()
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let label = labels.get(&requirement.key);
            match &requirement.operator {
                Operator::Exists => label.is_some(),
                Operator::Absent => label.is_none(),
                Operator::In(values) => label.is_some_and(|label| values.contains(label)),
                Operator::NotIn(values) => label.is_none_or(|label| !values.contains(label)),
            }
        })
    }
}

/// The conditions, split at commas that stand outside parentheses.
fn split(text: &str) -> Result<Vec<&str>, SelectorError> {
    let mut parts = Vec::new();
    let mut inside = false;
    let mut start = 0;
    for (position, character) in text.char_indices() {
        match character {
            '(' if !inside => inside = true,
            ')' if inside => inside = false,
            '(' | ')' => return Err(SelectorError),
            ',' if !inside => {
                parts.push(&text[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(SelectorError);
    }
    if !text.trim().is_empty() {
        parts.push(&text[start..]);
    }
    Ok(parts)
}

fn requirement(text: &str) -> Result<Requirement, SelectorError> {
    let text = text.trim();
    let one = |key, value: &str, make: fn(Vec<String>) -> Operator| {
        Ok((key, make(vec![word(value, Empty::Allowed)?])))
    };
    let (key, operator) = if let Some(key) = text.strip_prefix('!') {
        (key, Operator::Absent)
    } else if let Some((left, values)) = text.split_once('(') {
        let values = values.strip_suffix(')').ok_or(SelectorError)?;
        let values = values.split(',').map(|value| word(value, Empty::Allowed));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        match left.trim().rsplit_once(char::is_whitespace) {
            Some((key, "in")) => (key, Operator::In(values)),
            Some((key, "notin")) => (key, Operator::NotIn(values)),
            _ => return Err(SelectorError),
        }
    } else if let Some((key, value)) = text.split_once("!=") {
        one(key, value, Operator::NotIn)?
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        one(key, value, Operator::In)?
    } else {
        (text, Operator::Exists)
    };
    Ok(Requirement {
        key: word(key, Empty::Refused)?,
        operator,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Allowed,
    Refused,
}

fn word(text: &str, empty: Empty) -> Result<String, SelectorError> {
    let text = text.trim();
    let legal = text
        .chars()
        .all(|character| character.is_ascii_alphanumeric() || "-_./".contains(character));
    if !legal || (text.is_empty() && empty == Empty::Refused) {
        return Err(SelectorError);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects() {
        let labels: BTreeMap<String, String> = [("team", "shop"), ("tier", "front"), ("empty", "")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        for (text, expected) in [
            ("", true),
            ("team=shop", true),
            ("team == shop , tier=front", true),
            ("team=other", false),
            ("team!=other", true),
            ("absent!=other", true),
            ("team in (shop, pay)", true),
            ("team notin (shop)", false),
            ("absent notin (shop)", true),
            ("team", true),
            ("!team", false),
            ("!absent", true),
            ("empty=", true),
            ("team in (shop),!absent", true),
        ] {
            assert_eq!(
                Selector::parse(text).unwrap().matches(&labels),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_selector() {
        for text in ["=x", "a=b c", "a in b", "a in (b", "a)", "a=b,", "a like (b)"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
