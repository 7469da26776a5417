//! Messages as JSON, as Go's `encoding/json` writes them.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use serde_json::{Map, Value, json};

use super::table::{Field, Kind, Many, Special, fields};
use crate::argocd::clock::Timestamp;
use crate::argocd::fleet::base64;

/// The message in these bytes, which the simulator has written itself.
pub(super) fn object(message: &str, bytes: &[u8]) -> Value {
    Value::Object(map(message, bytes))
}

fn map(message: &str, mut bytes: &[u8]) -> Map<String, Value> {
    let fields = fields(message);
    let mut object = Map::new();
    while let Ok((number, wire)) = decode_key(&mut bytes) {
        let value = match wire {
            WireType::Varint => decode_varint(&mut bytes).map(Raw::Number),
            WireType::LengthDelimited => decode_varint(&mut bytes).map(|length| {
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Raw::Bytes(value)
            }),
            // Nothing in the API is of another type.
            other => match skip_field(other, number, &mut bytes, DecodeContext::default()) {
                Ok(()) => continue,
                Err(_) => break,
            },
        };
        let Ok(value) = value else { break };
        if let Some(field) = fields.iter().find(|field| field.number == number) {
            add(&mut object, field, &value);
        }
    }
    object
}

enum Raw<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn add(object: &mut Map<String, Value>, field: &Field, raw: &Raw<'_>) {
    let name = field.name.to_owned();
    match (field.many, raw) {
        (Many::List, _) => {
            let list = object.entry(name).or_insert_with(|| json!([]));
            if let (Some(list), Some(value)) = (list.as_array_mut(), value(field.kind, raw)) {
                list.push(value);
            }
        }
        (Many::Map, Raw::Bytes(entry)) => {
            let entries = object.entry(name).or_insert_with(|| json!({}));
            if let (Some(entries), (key, Some(value))) =
                (entries.as_object_mut(), entry_of(field.kind, entry))
            {
                entries.insert(key, value);
            }
        }
        (Many::One, Raw::Bytes(bytes)) if field.flat => {
            if let Kind::Message(message) = field.kind {
                object.extend(map(message, bytes));
            }
        }
        _ => {
            let value = value(field.kind, raw).filter(|value| field.shown || !is_empty(value));
            object.extend(value.map(|value| (name, value)));
        }
    }
}

/// Structs are never empty to Go, and a time without value is null.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(flag) => !flag,
        _ => false,
    }
}

fn value(kind: Kind, raw: &Raw<'_>) -> Option<Value> {
    Some(match (kind, raw) {
        (Kind::Text, Raw::Bytes(bytes)) => String::from_utf8_lossy(bytes).into(),
        (Kind::Flag, Raw::Number(number)) => (*number != 0).into(),
        (Kind::Number, Raw::Number(number)) => number.cast_signed().into(),
        (Kind::Bytes, Raw::Bytes(bytes)) => base64(bytes).into(),
        (Kind::Message(message), Raw::Bytes(bytes)) => object(message, bytes),
        (Kind::Special(special), Raw::Bytes(bytes)) => special_value(special, bytes),
        _ => return None,
    })
}

fn special_value(special: Special, bytes: &[u8]) -> Value {
    let raw = raw_fields(bytes);
    match special {
        Special::Time if raw.is_empty() => Value::Null,
        Special::Time => {
            let seconds = match raw.first() {
                Some((1, Raw::Number(seconds))) => seconds.cast_signed(),
                _ => 0,
            };
            Timestamp::from_unix_seconds(seconds).to_string().into()
        }
        Special::Json => match raw.first() {
            Some((_, Raw::Bytes(text))) => serde_json::from_slice(text).unwrap_or_default(),
            _ => Value::Null,
        },
        Special::IntOrString => {
            let is_text = matches!(raw.first(), Some((1, Raw::Number(1))));
            let wanted = if is_text { 3 } else { 2 };
            match raw.iter().find(|(number, _)| *number == wanted) {
                Some((_, Raw::Bytes(text))) => String::from_utf8_lossy(text).into(),
                Some((_, Raw::Number(number))) => number.cast_signed().into(),
                None => 0.into(),
            }
        }
    }
}

fn entry_of(kind: Kind, bytes: &[u8]) -> (String, Option<Value>) {
    let (mut key, mut found) = (String::new(), None);
    for (number, raw) in raw_fields(bytes) {
        match (number, &raw) {
            (1, Raw::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into_owned(),
            (2, _) => found = value(kind, &raw),
            _ => {}
        }
    }
    let empty = match kind {
        Kind::Text => Some("".into()),
        Kind::Flag => Some(false.into()),
        _ => None,
    };
    (key, found.or(empty))
}

/// The fields of a message that is not in the table.
fn raw_fields(mut bytes: &[u8]) -> Vec<(u32, Raw<'_>)> {
    let mut found = Vec::new();
    while let Ok((number, wire)) = decode_key(&mut bytes) {
        let Ok(value) = decode_varint(&mut bytes) else {
            break;
        };
        if wire == WireType::LengthDelimited {
            let length = usize::try_from(value).unwrap_or(usize::MAX).min(bytes.len());
            let (value, rest) = bytes.split_at(length);
            bytes = rest;
            found.push((number, Raw::Bytes(value)));
        } else {
            found.push((number, Raw::Number(value)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argocd::{Encoding, Manifest};
    use prost::Message as _;

    /// An object that is complete comes back as it was, with what Go adds.
    #[test]
    fn an_application_is_written_as_go_writes_it() {
        let manifest: Manifest = "
metadata:
  name: web
  creationTimestamp: 2026-05-19T09:00:00Z
  labels: {team: shop}
  managedFields: [{manager: kubectl, fieldsV1: {'f:spec': {}}}]
spec:
  project: shop
  destination: {server: https://kubernetes.default.svc}
  source:
    repoURL: https://git.example.test/web.git
    helm: {valuesObject: {a: [1, true]}}
    kustomize: {replicas: [{name: web, count: 3}, {name: api, count: 50%}], patches: [{target: {kind: Deployment, name: web}}]}
    plugin: {parameters: [{name: one, array: [x]}, {name: two, map: {k: v}}, {name: three, string: ''}]}
  syncPolicy: {automated: {enabled: false}}
status:
  history: [{id: 0, revision: abc}]
  resources: [{kind: Service, name: web, health: {status: Healthy}}]
"
        .parse()
        .unwrap();
        let bytes = manifest.to_wire(Encoding::default()).encode_to_vec();
        let json = object("Application", &bytes);
        assert_eq!(
            json["metadata"],
            json!({
                "name": "web", "creationTimestamp": "2026-05-19T09:00:00Z", "labels": {"team": "shop"},
                "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
            })
        );
        assert_eq!(json["spec"], manifest.to_json()["spec"]);
        let blank = json!({"repoURL": ""});
        assert_eq!(json["status"]["history"][0]["deployedAt"], Value::Null);
        assert_eq!(json["status"]["history"][0]["source"], blank);
        assert_eq!(
            json["status"]["sync"],
            json!({"status": "", "comparedTo": {"source": blank, "destination": {}}})
        );
        assert_eq!(
            json["status"]["resources"],
            json!([{"kind": "Service", "name": "web", "health": {"status": "Healthy"}}])
        );
        assert!(json.get("operation").is_none());
    }

    #[test]
    fn a_node_is_flat() {
        let tree = json!({"nodes": [{"kind": "Pod", "name": "web-1", "uid": "1", "resourceVersion": "7"}]});
        let wire = crate::argocd::manifest::tree(&tree, Encoding::default()).unwrap();
        assert_eq!(
            object("ApplicationTree", &wire.encode_to_vec())["nodes"],
            tree["nodes"]
        );
    }
}
