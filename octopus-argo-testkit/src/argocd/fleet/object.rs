//! Changes within an object, and what a cluster adds to it.

use octopus_argo_core::ApplicationName;
use serde_json::{Map, Value, json};

use crate::argocd::clock::Timestamp;

/// Sets or removes `key` of the object at `path`, which is created where it is missing.
pub(super) fn set(json: &mut Value, path: &[&str], key: &str, value: Option<Value>) {
    let mut object = json;
    for step in path {
        if !object[*step].is_object() {
            object[*step] = Value::Object(Map::new());
        }
        object = &mut object[*step];
    }
    match (value, object.as_object_mut()) {
        (Some(value), Some(object)) => {
            object.insert(key.to_owned(), value);
        }
        (None, Some(object)) => {
            object.remove(key);
        }
        (_, None) => {}
    }
}

/// Adds what a cluster adds to `metadata`.
pub(super) fn complete(metadata: &mut Value, name: &ApplicationName, before: Option<&Value>, now: Timestamp) {
    let mut fill = |key: &str, value: &dyn Fn() -> Value| {
        if metadata[key].is_null() {
            let kept = before.map(|before| before["metadata"][key].clone());
            metadata[key] = kept.filter(|kept| !kept.is_null()).unwrap_or_else(value);
        }
    };
    fill("namespace", &|| name.namespace().unwrap_or_default().into());
    fill("uid", &|| uid(name).into());
    fill("creationTimestamp", &|| now.whole_seconds().into());
    if before.is_none() {
        fill("generation", &|| json!(1));
    }
}

/// What an object that is replaced leaves to the one that takes its place.
pub(super) fn inherit(json: &mut Value, before: &Value) {
    for key in ["status", "operation"] {
        if json[key].is_null() && !before[key].is_null() {
            json[key] = before[key].clone();
        }
    }
    let generation = before["metadata"]["generation"].as_i64().unwrap_or(1);
    let changed = i64::from(json["spec"] != before["spec"]);
    set(
        json,
        &["metadata"],
        "generation",
        Some(json!(generation + changed)),
    );
}

/// A uid that depends on nothing but the name, so that runs are alike. FNV-1a over the name, twice with different seeds.
pub(super) fn uid(name: &ApplicationName) -> String {
    let name = name.to_string();
    let hash = |seed: u64| {
        name.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let (high, low) = (hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4));
    // Version 4 and its variant, as Kubernetes makes them.
    let high = (high & 0xffff_ffff_ffff_0fff) | 0x4000;
    let low = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}
