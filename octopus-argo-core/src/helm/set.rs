//! What Helm makes of a `--set` argument, and how to write a value so that it comes out as it was.
//!
//! Helm reads `key=value`, with commas between pairs, `{a,b}` for a list, and a backslash before what is meant as it
//! stands. A bare `true`, `null` or number is not a text to it. The shell is another layer, see [`shell`](super::shell).
//!
//! Rule: Helm `pkg/strvals/parser.go` and its documentation, "The format and limitations of --set".

use serde_json::Value;

use super::setting::Kind;

/// One value as an argument of `helm`: the flag, and the key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) flag: &'static str,
    pub(super) text: String,
}

/// `value` at `path`, which is escaped already.
pub(super) fn argument(path: &str, kind: Kind, value: &Value) -> Argument {
    let json = || Argument {
        flag: SET_JSON,
        text: format!("{path}={value}"),
    };
    match value {
        Value::String(text) => Argument {
            flag: if is_typed(text) { SET_STRING } else { SET },
            text: format!("{path}={}", escape_value(text)),
        },
        Value::Bool(_) | Value::Number(_) => Argument {
            flag: SET,
            text: format!("{path}={value}"),
        },
        Value::Array(list) if kind == Kind::Texts && !list.is_empty() => {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            let Some(texts) = texts else { return json() };
            let typed = texts.iter().any(|text| is_typed(text));
            let escaped: Vec<_> = texts.iter().map(|text| escape_value(text)).collect();
            Argument {
                flag: if typed { SET_STRING } else { SET },
                text: format!("{path}={{{}}}", escaped.join(",")),
            }
        }
        // `{}` would be a list with one empty text.
        _ => json(),
    }
}

/// A value, so that Helm takes it as it stands.
pub(super) fn escape_value(text: &str) -> String {
    escape(text, &[',', '{', '}', '\\'])
}

/// One part of a key, so that Helm takes it as it stands.
pub(super) fn escape_key(part: &str) -> String {
    escape(part, &[',', '.', '=', '[', ']', '{', '}', '\\'])
}

fn escape(text: &str, special: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if special.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Whether Helm takes a bare `text` for a truth, nothing, or a number.
fn is_typed(text: &str) -> bool {
    let word = ["true", "false", "null"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text));
    word || text == "0" || (!text.starts_with('0') && text.parse::<i64>().is_ok())
}

pub(super) const SET: &str = "--set";
pub(super) const SET_STRING: &str = "--set-string";
pub(super) const SET_JSON: &str = "--set-json";

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    /// What Helm's parser makes of an argument, for one key with one value. Written after `pkg/strvals/parser.go`.
    pub(in crate::helm) fn helm_reads(flag: &str, text: &str) -> Option<(Vec<String>, Value)> {
        let mut rest = text.chars();
        let mut path = Vec::new();
        loop {
            let (part, stop) = until(&mut rest, &['=', '[', ',', '.']);
            path.push(part);
            match stop? {
                '.' => {}
                '=' => break,
                _ => return None,
            }
        }
        if flag == SET_JSON {
            return Some((path, serde_json::from_str(rest.as_str()).ok()?));
        }
        let read = |text: String| match text.as_str() {
            _ if flag == SET_STRING => text.into(),
            _ if text.eq_ignore_ascii_case("true") => true.into(),
            _ if text.eq_ignore_ascii_case("false") => false.into(),
            _ if text.eq_ignore_ascii_case("null") => Value::Null,
            "0" => 0.into(),
            _ if text.starts_with('0') => text.into(),
            _ => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
        };
        if rest.as_str().starts_with('{') {
            rest.next();
            let mut list = Vec::new();
            loop {
                let (entry, stop) = until(&mut rest, &[',', '}']);
                list.push(read(entry));
                if stop? == '}' {
                    return rest.as_str().is_empty().then_some((path, list.into()));
                }
            }
        }
        let (value, stop) = until(&mut rest, &[',']);
        stop.is_none().then(|| (path, read(value)))
    }

    /// `runesUntil`: a backslash hides what follows it.
    fn until(rest: &mut std::str::Chars<'_>, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(character) = rest.next() {
            match character {
                _ if stops.contains(&character) => return (text, Some(character)),
                '\\' => text.extend(rest.next()),
                _ => text.push(character),
            }
        }
        (text, None)
    }

    fn comes_out(kind: Kind, value: &Value) {
        let argument = argument("a.b", kind, value);
        let read = helm_reads(argument.flag, &argument.text);
        assert_eq!(
            read,
            Some((vec!["a".to_owned(), "b".to_owned()], value.clone())),
            "{argument:?}"
        );
    }

    #[test]
    fn values_come_out_as_they_went_in() {
        for text in [
            "",
            "a,b",
            "{a}",
            "a\\b",
            "a\\",
            "true",
            "NULL",
            "007",
            "7",
            "-7",
            "+7",
            "0",
            "a=b",
            "\"q\" 'q'",
            "1.5",
        ] {
            comes_out(Kind::Text, &text.into());
            comes_out(Kind::Texts, &json!([text, "x"]));
        }
        comes_out(Kind::Bool, &true.into());
        comes_out(Kind::Int, &15.into());
        comes_out(Kind::Texts, &json!([]));
        comes_out(
            Kind::Object,
            &json!({"eks.amazonaws.com/role-arn": "arn:x,y", "n": {"k": [1, null]}}),
        );
    }

    #[test]
    fn what_is_simple_stays_simple() {
        let text = |kind, value| argument("k", kind, &value);
        assert_eq!(
            text(Kind::Texts, json!(["test", "production"])).text,
            "k={test,production}"
        );
        assert_eq!(text(Kind::Text, json!("Oslo Shop")).text, "k=Oslo Shop");
        assert_eq!(text(Kind::Text, json!("2024")).flag, SET_STRING);
    }

    proptest! {
        #[test]
        fn any_text_comes_out(texts in proptest::collection::vec("[a0-9,{}\\\\.='\"tru]{0,8}|.{0,12}", 1..4), part in ".{1,8}") {
            comes_out(Kind::Text, &texts[0].as_str().into());
            comes_out(Kind::Texts, &texts.clone().into());
            comes_out(Kind::Object, &Value::Object(Map::from_iter([(part.clone(), texts.clone().into())])));
            let argument = argument(&escape_key(&part), Kind::Text, &texts[0].as_str().into());
            let read = helm_reads(argument.flag, &argument.text);
            prop_assert_eq!(read, Some((vec![part], texts[0].as_str().into())));
        }
    }
}
