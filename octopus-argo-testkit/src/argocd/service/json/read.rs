//! JSON and query parameters as messages.

use prost::encoding::{self, WireType, encode_key, encode_varint};
use serde_json::{Map, Value, json};

use super::table::{Field, Kind, Many, Special, fields};
use crate::argocd::clock::Timestamp;

/// The message with these values; numbers and flags may be texts, as in a query. What the message does not have is ignored.
///
/// # Errors
/// The name of a field whose value is of another type.
pub(super) fn message(message: &str, values: &Value) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for field in fields(message) {
        let given = if field.flat { values } else { &values[field.name] };
        let wrong = || format!("type mismatch, parameter: {}", field.name);
        match (field.many, given) {
            (_, Value::Null) => {}
            (Many::List, Value::Array(list)) => {
                for item in list {
                    append(&mut bytes, field, item).ok_or_else(wrong)??;
                }
            }
            (Many::Map, Value::Object(entries)) => {
                for (key, value) in entries {
                    let mut entry = Vec::new();
                    encoding::string::encode(1, key, &mut entry);
                    let inner = Field {
                        number: 2,
                        many: Many::One,
                        ..*field
                    };
                    append(&mut entry, &inner, value).ok_or_else(wrong)??;
                    length_delimited(&mut bytes, field.number, &entry);
                }
            }
            (Many::Map, _) => return Err(wrong()),
            // A parameter that is given once is a list of one.
            (Many::List | Many::One, value) => append(&mut bytes, field, value).ok_or_else(wrong)??,
        }
    }
    Ok(bytes)
}

/// `None` where the value is of another type.
fn append(bytes: &mut Vec<u8>, field: &Field, value: &Value) -> Option<Result<(), String>> {
    match field.kind {
        Kind::Text => length_delimited(bytes, field.number, value.as_str()?.as_bytes()),
        Kind::Flag => varint(bytes, field.number, u64::from(flag(value)?)),
        Kind::Number => varint(bytes, field.number, number(value)?.cast_unsigned()),
        // No request has any.
        Kind::Bytes | Kind::Special(Special::IntOrString) => return None,
        Kind::Special(Special::Time) => {
            let seconds = match value {
                Value::String(text) => text.parse::<Timestamp>().ok()?.unix_seconds(),
                other => number(&other["seconds"])?,
            };
            let mut time = Vec::new();
            varint(&mut time, 1, seconds.cast_unsigned());
            varint(&mut time, 2, 0);
            length_delimited(bytes, field.number, &time);
        }
        Kind::Special(Special::Json) => {
            let mut raw = Vec::new();
            length_delimited(&mut raw, 1, value.to_string().as_bytes());
            length_delimited(bytes, field.number, &raw);
        }
        Kind::Message(name) => {
            if !value.is_object() {
                return None;
            }
            match message(name, value) {
                Ok(inner) => length_delimited(bytes, field.number, &inner),
                Err(wrong) => return Some(Err(wrong)),
            }
        }
    }
    Some(Ok(()))
}

fn flag(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.parse().ok())
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn varint(bytes: &mut Vec<u8>, number: u32, value: u64) {
    encode_key(number, WireType::Varint, bytes);
    encode_varint(value, bytes);
}

fn length_delimited(bytes: &mut Vec<u8>, number: u32, value: &[u8]) {
    encode_key(number, WireType::LengthDelimited, bytes);
    encode_varint(value.len() as u64, bytes);
    bytes.extend_from_slice(value);
}

/// Puts a value at a path with dots; what is given again becomes a list.
pub(super) fn put(values: &mut Value, path: &str, value: String) {
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut object = values;
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        if !object[parent].is_object() {
            object[parent] = json!({});
        }
        object = &mut object[parent];
    }
    match &mut object[name] {
        Value::Array(list) => list.push(value.into()),
        Value::Null => object[name] = value.into(),
        one => *one = json!([one.take(), value]),
    }
}

/// The values of a query string.
pub(super) fn query(text: &str) -> Value {
    let mut values = Value::Object(Map::new());
    for (name, value) in pairs(text) {
        put(&mut values, &name, value);
    }
    values
}

/// The pairs of a query string.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((unescaped(name)?, unescaped(value)?))
    })
}

/// `+` is a blank, `%` and two digits a byte.
pub(in crate::argocd::service) fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let value = digit(rest.next())? * 16 + digit(rest.next())?;
                u8::try_from(value).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use octopus_argo_proto::argocd::application::{
        ApplicationPodLogsQuery, ApplicationQuery, ApplicationSyncRequest,
    };
    use octopus_argo_proto::argocd::cluster::ClusterQuery;
    use prost::Message as _;

    use super::*;

    #[test]
    fn unescapes_as_urls_do() {
        for (text, expected) in [
            ("https%3A%2F%2Fcluster", Some("https://cluster")),
            ("a+b", Some("a b")),
            ("a%2Bb", Some("a+b")),
            ("plain", Some("plain")),
            ("100%", None),
            ("%zz", None),
        ] {
            assert_eq!(unescaped(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_query_is_a_message() {
        let of = |name, text| message(name, &query(text)).unwrap();
        let bytes = of(
            "application.ApplicationQuery",
            "name=web&projects=a&projects=b&project=c&refresh=&other=1",
        );
        let query = ApplicationQuery::decode(&*bytes).unwrap();
        assert_eq!(
            (query.name(), &*query.projects),
            ("web", &["a".to_owned(), "b".to_owned()][..])
        );
        assert_eq!(
            (&*query.project, query.refresh.as_deref()),
            (&["c".to_owned()][..], Some(""))
        );
        let bytes = of(
            "application.ApplicationPodLogsQuery",
            "name=web&tailLines=5&follow=true&sinceTime.seconds=7",
        );
        let query = ApplicationPodLogsQuery::decode(&*bytes).unwrap();
        assert_eq!((query.tail_lines(), query.follow()), (5, true));
        assert_eq!(query.since_time.unwrap().unix_seconds(), Some(7));
        let query = ClusterQuery::decode(&*of("cluster.ClusterQuery", "id.value=x&id.type=name")).unwrap();
        assert_eq!(query.id.unwrap().value, "x");
    }

    #[test]
    fn a_body_is_a_message() {
        let body = json!({
            "name": "web", "dryRun": true, "sourcePositions": [1, 2], "revisions": ["a", "b"],
            "strategy": {"hook": {"force": true}}, "syncOptions": {"items": ["Replace=true"]},
            "resources": [{"kind": "Service", "name": "web"}], "infos": [{"name": "a", "value": "b"}],
        });
        let bytes = message("application.ApplicationSyncRequest", &body).unwrap();
        let request = ApplicationSyncRequest::decode(&*bytes).unwrap();
        assert_eq!(
            (request.dry_run(), &*request.source_positions),
            (true, &[1, 2][..])
        );
        let hook = request.strategy.unwrap().hook.unwrap();
        assert!(hook.sync_strategy_apply.unwrap().force());
        assert_eq!(request.resources[0].kind(), "Service");
        let wrong = message(
            "application.ApplicationSyncRequest",
            &json!({"dryRun": "perhaps"}),
        );
        assert_eq!(wrong.unwrap_err(), "type mismatch, parameter: dryRun");
        let wrong = message(
            "application.ApplicationSyncRequest",
            &json!({"strategy": {"hook": {"force": 7}}}),
        );
        assert_eq!(wrong.unwrap_err(), "type mismatch, parameter: force");
    }
}
