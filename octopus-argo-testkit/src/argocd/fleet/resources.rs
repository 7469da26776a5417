//! Target and live states of managed resources, with Secrets masked.

use std::collections::{BTreeMap, BTreeSet};

use octopus_argo_core::ApplicationName;
use octopus_argo_proto::argocd::v1alpha1::{ResourceDiff, ResourceNode, ResourceRef};
use serde_json::{Map, Value, json};

use super::{ChangeError, Fleet, Record, State};

/// A managed resource: what is wanted, and what there is.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    id: Id,
    target: Option<Value>,
    live: Option<Value>,
}

/// How calls name a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::argocd) struct Id {
    pub(in crate::argocd) group: String,
    pub(in crate::argocd) kind: String,
    pub(in crate::argocd) namespace: String,
    pub(in crate::argocd) name: String,
}

impl Id {
    fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        Self {
            group: api_version
                .split_once('/')
                .map(|(group, _)| group)
                .unwrap_or_default()
                .to_owned(),
            kind: text(&object["kind"]),
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
        }
    }
}

impl Fleet {
    /// Sets the target and live state of one of the application's resources, Kubernetes objects in JSON; `null` where it
    /// is not wanted, or not there. Both `null` is no resource, and nothing is set.
    ///
    /// `ManagedResources` answers both, `GetResource` the live one, `GetManifests` the targets. The values of Secrets, and
    /// of their last-applied annotation, become plus signs: equal values of a key get equal length, other values four
    /// more. Without an explicit tree the resource is part of the tree too.
    ///
    /// Rule: Argo CD `controller/appcontroller.go` (`hideSecretData`), `gitops-engine/pkg/diff/diff.go`
    /// (`HideSecretData`).
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn set_resource(
        &self,
        name: &ApplicationName,
        target: Value,
        live: Value,
    ) -> Result<(), ChangeError> {
        let present = |value: Value| Some(value).filter(|value| !value.is_null());
        let (target, live) = (present(target), present(live));
        self.with_record(name, |state, record| {
            let Some(id) = target.as_ref().or(live.as_ref()).map(Id::of) else {
                return;
            };
            let resources = state.resources.entry(record.name().clone()).or_default();
            resources.retain(|resource| resource.id != id);
            resources.push(Resource { id, target, live });
        })
    }

    /// The states of every resource that is no hook.
    pub(in crate::argocd) fn managed_resources(&self, name: &ApplicationName) -> Vec<(Id, ResourceDiff)> {
        let state = self.state();
        let resources = state.resources.get(name).into_iter().flatten();
        resources
            .filter(|resource| !resource.is_hook())
            .map(|resource| (resource.id.clone(), resource.diff()))
            .collect()
    }

    /// The wanted objects, masked.
    pub(in crate::argocd) fn targets(&self, name: &ApplicationName) -> Vec<String> {
        let state = self.state();
        let resources = state.resources.get(name).into_iter().flatten();
        resources
            .filter_map(|resource| Some(masked(resource.target.as_ref(), None).0?.to_string()))
            .collect()
    }

    /// The live object, masked: `None` where there is none.
    pub(in crate::argocd) fn live_object(&self, name: &ApplicationName, id: &Id) -> Option<Value> {
        let state = self.state();
        let resource = state
            .resources
            .get(name)?
            .iter()
            .find(|resource| resource.id == *id)?;
        masked(None, resource.live.as_ref()).1
    }
}

impl State {
    /// Nodes for resources that were set, for a tree that is not explicit.
    pub(super) fn resource_nodes(&self, record: &Record) -> Vec<ResourceNode> {
        let resources = self.resources.get(record.name()).into_iter().flatten();
        resources.map(Resource::node).collect()
    }
}

impl Resource {
    fn is_hook(&self) -> bool {
        let object = self.target.as_ref().or(self.live.as_ref());
        object.is_some_and(|object| object["metadata"]["annotations"]["argocd.argoproj.io/hook"].is_string())
    }

    fn node(&self) -> ResourceNode {
        let text = |key: &str| {
            let live = self.live.as_ref();
            live.and_then(|live| live["metadata"][key].as_str())
                .map(str::to_owned)
        };
        let object = self.live.as_ref().or(self.target.as_ref());
        let version = object
            .and_then(|object| object["apiVersion"].as_str())
            .unwrap_or_default();
        let made_up = || {
            let id = &self.id;
            let name = format!("{}/{}/{}/{}", id.group, id.kind, id.namespace, id.name);
            super::object::uid(&ApplicationName::new(None, &name))
        };
        let there = self.live.is_some();
        ResourceNode {
            resource_ref: Some(ResourceRef {
                group: Some(self.id.group.clone()),
                version: Some(version.rsplit('/').next().unwrap_or_default().to_owned()),
                kind: Some(self.id.kind.clone()),
                namespace: Some(self.id.namespace.clone()),
                name: Some(self.id.name.clone()),
                uid: Some(if there {
                    text("uid").unwrap_or_else(made_up)
                } else {
                    String::new()
                }),
            }),
            resource_version: Some(if there {
                text("resourceVersion").unwrap_or_else(|| "1".to_owned())
            } else {
                String::new()
            }),
            ..ResourceNode::default()
        }
    }

    fn diff(&self) -> ResourceDiff {
        let (target, live) = masked(self.target.as_ref(), self.live.as_ref());
        let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "null".to_owned(), Value::to_string);
        let predicted = match (&target, &live) {
            (Some(target), Some(live)) => Some(merged(live.clone(), target)),
            (target, _) => target.clone(),
        };
        ResourceDiff {
            group: Some(self.id.group.clone()),
            kind: Some(self.id.kind.clone()),
            namespace: Some(self.id.namespace.clone()),
            name: Some(self.id.name.clone()),
            target_state: Some(text(&target)),
            live_state: Some(text(&live)),
            diff: Some(String::new()),
            hook: Some(false),
            normalized_live_state: Some(text(&live)),
            predicted_live_state: Some(text(&predicted)),
            resource_version: Some(
                live.as_ref()
                    .and_then(|live| live["metadata"]["resourceVersion"].as_str())
                    .unwrap_or_default()
                    .to_owned(),
            ),
            modified: Some(predicted != live),
        }
    }
}

/// What an apply would make of `live`: objects are merged, everything else is replaced.
fn merged(live: Value, target: &Value) -> Value {
    match (live, target) {
        (Value::Object(mut live), Value::Object(target)) => {
            for (key, value) in target {
                let before = live.remove(key).unwrap_or_default();
                live.insert(key.clone(), merged(before, value));
            }
            Value::Object(live)
        }
        (_, target) => target.clone(),
    }
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Both states with the values of Secrets hidden.
fn masked(target: Option<&Value>, live: Option<&Value>) -> (Option<Value>, Option<Value>) {
    let (mut target, mut live) = (target.cloned(), live.cloned());
    let is_secret = |object: &Value| object["kind"] == "Secret" && object["apiVersion"] == "v1";
    if !target.iter().chain(&live).any(is_secret) {
        return (target, live);
    }
    let annotation = live
        .as_ref()
        .and_then(|live| live["metadata"]["annotations"][LAST_APPLIED].as_str());
    let mut applied: Option<Value> = annotation.and_then(|text| serde_json::from_str(text).ok());
    let had_annotation = annotation.is_some();
    let mut objects = [&mut target, &mut live, &mut applied];
    for object in objects.iter_mut().filter_map(|object| object.as_mut()) {
        fold_string_data(object);
    }
    let keys: BTreeSet<String> = objects
        .iter()
        .filter_map(|object| object.as_ref()?["data"].as_object())
        .flat_map(|data| data.keys().cloned())
        .collect();
    for key in keys {
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for object in objects.iter_mut().filter_map(|object| object.as_mut()) {
            if let Some(value) = object["data"].as_object_mut().and_then(|data| data.get_mut(&key)) {
                let signs = "+".repeat(FEWEST + MORE * known.len());
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                *value = known.entry(text).or_insert(signs).as_str().into();
            }
        }
    }
    if let (true, Some(live)) = (had_annotation, &mut live) {
        // What is no JSON could hold anything.
        let text = applied.map_or_else(|| "++++++++".to_owned(), |applied| applied.to_string());
        live["metadata"]["annotations"][LAST_APPLIED] = text.into();
    }
    (target, live)
}

/// Plus signs of the first value of a key, and how many more the next one has.
const FEWEST: usize = 8;
const MORE: usize = 4;

/// `stringData` is another way to write `data`, which Kubernetes itself folds in.
fn fold_string_data(object: &mut Value) {
    let Some(Value::Object(texts)) = object
        .as_object_mut()
        .and_then(|object| object.remove("stringData"))
    else {
        return;
    };
    if !object["data"].is_object() {
        object["data"] = Value::Object(Map::new());
    }
    for (key, value) in texts {
        let text = value.as_str().unwrap_or_default();
        object["data"][key] = json!(base64(text.as_bytes()));
    }
}

/// Rule: RFC 4648, section 4.
pub(in crate::argocd) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for position in 0..4 {
            let sextet = usize::try_from(bits >> (18 - 6 * position) & 63).unwrap_or_default();
            let letter = ALPHABET.get(sextet).copied().unwrap_or(b'=');
            text.push(if position <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(data: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data})
    }

    #[test]
    fn equal_values_look_equal_and_others_longer() {
        let target = secret(&json!({"a": "MQ==", "b": "Mg==", "new": "Mw=="}));
        let live = secret(&json!({"a": "MQ==", "b": "NA=="}));
        let (target, live) = masked(Some(&target), Some(&live));
        let (target, live) = (target.unwrap(), live.unwrap());
        assert_eq!(
            target["data"],
            json!({"a": "++++++++", "b": "++++++++", "new": "++++++++"})
        );
        assert_eq!(live["data"], json!({"a": "++++++++", "b": "++++++++++++"}));
    }

    #[test]
    fn the_last_applied_annotation_is_masked_too_and_string_data_is_folded_in() {
        let applied = secret(&json!({"a": "b2xk"})).to_string();
        let mut live = secret(&json!({"a": "bmV3"}));
        live["metadata"]["annotations"][LAST_APPLIED] = applied.into();
        let target = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "new"}});
        let (target, live) = masked(Some(&target), Some(&live));
        let (target, live) = (target.unwrap(), live.unwrap());
        assert_eq!(
            target["data"]["a"], live["data"]["a"],
            "the same value, written in two ways"
        );
        assert!(target.get("stringData").is_none());
        let applied: Value =
            serde_json::from_str(live["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap()).unwrap();
        assert_eq!(applied["data"]["a"], "++++++++++++");
    }

    #[test]
    fn other_kinds_are_not_masked() {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}});
        assert_eq!(masked(Some(&map), None).0, Some(map));
    }

    #[test]
    fn writes_base64() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
