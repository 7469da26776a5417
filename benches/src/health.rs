//! Resources, applications and objects to judge.

use octopus_argo_core::health::HealthStatus;
use octopus_argo_core::health::argocd::{CheckOrigin, ManagedResource, ResourceKey};
use serde_json::{Value, json};

/// Managed resources of an application. Most are healthy, one in seven is on its way, one in a hundred is missing.
#[must_use]
pub fn resources(count: usize) -> Vec<ManagedResource> {
    (0..count)
        .map(|number| {
            let key = ResourceKey::new("apps", "Deployment", "shop", &format!("web-{number}"));
            if number % 100 == 99 {
                return ManagedResource::missing(key, CheckOrigin::BuiltIn);
            }
            ManagedResource::new(key, Some(status(number)))
        })
        .collect()
}

/// The health of application `number`, or of one of its objects.
#[must_use]
pub fn status(number: usize) -> HealthStatus {
    match number % 7 {
        6 => HealthStatus::Progressing,
        _ => HealthStatus::Healthy,
    }
}

/// Applications with eight objects each.
#[must_use]
pub fn applications(count: usize) -> Vec<(HealthStatus, Vec<HealthStatus>)> {
    (0..count)
        .map(|number| {
            (
                status(number),
                (0..8).map(|object| status(number + object)).collect(),
            )
        })
        .collect()
}

/// A deployment as a cluster gives it: three replicas, two conditions, two containers with probes and resources.
#[must_use]
pub fn deployment() -> Value {
    let container = |name: &str| {
        json!({
            "name": name,
            "image": format!("registry.example.test/shop/{name}:1.27.4"),
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
            "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "REGION", "value": "eu"}],
            "livenessProbe": {"httpGet": {"path": "/live", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}, "periodSeconds": 5},
            "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        })
    };
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "annotations": {
                "argocd.argoproj.io/tracking-id": "web:apps/Deployment:shop/web",
                "deployment.kubernetes.io/revision": "12",
            },
            "creationTimestamp": "2031-01-04T09:12:44Z",
            "generation": 31,
            "labels": {"app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop"},
            "name": "web",
            "namespace": "shop",
            "resourceVersion": "91827364",
            "uid": "0f8fad5b-d9cb-469f-a165-70867728950e",
        },
        "spec": {
            "progressDeadlineSeconds": 600,
            "replicas": 3,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app.kubernetes.io/name": "web"}},
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/name": "web"}},
                "spec": {"containers": [container("web"), container("proxy")], "restartPolicy": "Always"},
            },
        },
        "status": {
            "availableReplicas": 3,
            "conditions": [
                {
                    "lastTransitionTime": "2031-01-04T09:13:10Z", "lastUpdateTime": "2031-01-04T09:13:10Z",
                    "message": "Deployment has minimum availability.", "reason": "MinimumReplicasAvailable",
                    "status": "True", "type": "Available",
                },
                {
                    "lastTransitionTime": "2031-01-04T09:12:44Z", "lastUpdateTime": "2031-02-01T07:00:02Z",
                    "message": "ReplicaSet \"web-5d8c7\" has successfully progressed.",
                    "reason": "NewReplicaSetAvailable", "status": "True", "type": "Progressing",
                },
            ],
            "observedGeneration": 31,
            "readyReplicas": 3,
            "replicas": 3,
            "updatedReplicas": 3,
        },
    })
}

/// The same, with one of three replicas updated.
#[must_use]
pub fn deployment_under_way() -> Value {
    let mut deployment = deployment();
    if let Some(updated) = deployment.pointer_mut("/status/updatedReplicas") {
        *updated = 1.into();
    }
    deployment
}
