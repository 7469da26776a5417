//! A list of applications as `kubectl get applications -A -o json` prints it, some 5 kB each.

use octopus_argo_core::read::Object;
use serde_json::{Value, json};

use crate::fleet;

/// The list, with the indentation that `kubectl` writes.
///
/// # Panics
/// Never: all its keys are text.
#[must_use]
pub fn kubectl(applications: usize) -> Vec<u8> {
    let items: Vec<Value> = (0..applications).map(item).collect();
    let list =
        json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}});
    let mut text = Vec::new();
    let indented = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, indented);
    serde::Serialize::serialize(&list, &mut serializer).expect("a list has only text keys");
    text
}

fn item(n: usize) -> Value {
    let application = fleet::application(n);
    let mut annotations = serde_json::Map::new();
    for (key, value) in application.annotations.iter() {
        annotations.insert(key.to_owned(), value.into());
    }
    annotations.insert(
        "notifications.argoproj.io/subscribe.on-sync-failed.slack".to_owned(),
        "alerts".into(),
    );
    annotations.insert("kubectl.kubernetes.io/last-applied-configuration".to_owned(), "{\"apiVersion\":\"argoproj.io/v1alpha1\",\"kind\":\"Application\",\"metadata\":{\"annotations\":{}}}\n".into());
    let sources: Vec<Value> = application
        .sources
        .iter()
        .map(|source| {
            json!({"name": source.name(), "path": source.path, "repoURL": source.repo_url, "targetRevision": "main",
                   "helm": {"valueFiles": ["values.yaml", "values-production.yaml"]}})
        })
        .collect();
    let revision = format!("{n:040x}");
    let resources: Vec<Value> = [
        "Deployment",
        "Service",
        "ConfigMap",
        "Ingress",
        "ServiceAccount",
        "HorizontalPodAutoscaler",
    ]
    .iter()
    .map(|kind| {
        json!({"group": "apps", "health": {"status": "Healthy"}, "kind": kind, "name": format!("app-{n}"),
                   "namespace": "payments", "status": "Synced", "version": "v1"})
    })
    .collect();
    let history: Vec<Value> = (0..4)
        .map(|id| {
            json!({"deployStartedAt": "2026-05-14T19:47:32Z", "deployedAt": "2026-05-14T19:47:55Z", "id": id,
                   "initiatedBy": {"automated": true}, "revision": revision,
                   "source": {"path": "apps", "repoURL": "https://git.example.test/platform/deploy.git", "targetRevision": "main"}})
        })
        .collect();
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "annotations": annotations,
            "creationTimestamp": "2025-09-13T18:37:49Z",
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
            "generation": 7781 + n,
            "labels": {"example.test/team": "payments"},
            "managedFields": [{"apiVersion": "argoproj.io/v1alpha1", "fieldsType": "FieldsV1", "manager": "argocd-application-controller",
                "fieldsV1": {"f:status": {".": {}, "f:health": {".": {}, "f:status": {}}, "f:sync": {".": {}, "f:status": {}, "f:revision": {}}}},
                "operation": "Update", "time": "2026-05-14T19:48:13Z"}],
            "name": application.name.name(),
            "namespace": "argocd",
            "resourceVersion": (48_366_430 + n).to_string(),
            "uid": format!("b6fe7fa5-45d7-4feb-9734-{n:012x}"),
        },
        "spec": {
            "destination": {"namespace": "payments", "server": "https://k8s.staging.example.test:6443"},
            "project": "payments",
            "sources": sources,
            "syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": ["CreateNamespace=true"]},
        },
        "status": {
            "controllerNamespace": "argocd",
            "health": {"lastTransitionTime": "2026-05-14T19:48:13Z", "status": "Healthy"},
            "history": history,
            "operationState": {"finishedAt": "2026-05-14T19:47:55Z", "message": "successfully synced (all tasks run)",
                "phase": "Succeeded", "startedAt": "2026-05-14T19:47:32Z", "syncResult": {"revision": revision}},
            "reconciledAt": "2026-05-14T19:48:13Z",
            "resources": resources,
            "sourceTypes": sources.iter().map(|_| "Helm").collect::<Vec<_>>(),
            "summary": {"images": ["registry.example.test/payments/api:1.2.3"]},
            "sync": {"revision": revision, "status": "Synced"},
        }
    })
}

/// Every application of a list, kept.
///
/// # Panics
/// Where the list is not what [`kubectl`] makes.
#[must_use]
pub fn keep(
    read: impl FnOnce(&mut dyn FnMut(Object)) -> Result<(), octopus_argo_core::read::ReadError>,
) -> Vec<octopus_argo_core::Application> {
    let mut kept = Vec::new();
    read(&mut |object| {
        if let Object::Application(application) = object {
            kept.push(application);
        }
    })
    .expect("the list is well formed");
    kept
}
