//! What the vectors do not show of the checks.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn health(object: &Value) -> (String, String) {
    health_in(object, ArgoCdVersion::NEWEST)
}

fn health_in(object: &Value, version: ArgoCdVersion) -> (String, String) {
    let assessment = assess(object, version);
    let status = assessment.status().map(|status| status.to_string());
    (status.unwrap_or_default(), assessment.message().into_owned())
}

fn status_of(object: &Value) -> String {
    health(object).0
}

fn hpa(version: u8, conditions: &Value) -> Value {
    match version {
        1 => json!({
            "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
            "metadata": {"annotations": {"autoscaling.alpha.kubernetes.io/conditions": conditions.to_string()}},
        }),
        _ => json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "status": {"conditions": conditions},
        }),
    }
}

#[test]
fn an_autoscaler_of_version_one_keeps_its_conditions_in_an_annotation() {
    let well = json!([{"TYPE": "AbleToScale", "Status": "True", "message": "fine"}]);
    assert_eq!(health(&hpa(1, &well)), ("Healthy".into(), "fine".into()));
    for empty in [json!([]), json!(null), json!([null])] {
        let (status, message) = health(&hpa(1, &empty));
        assert!(status == "Progressing" && !message.is_empty(), "{empty}");
    }
    for odd in [json!({}), json!([3]), json!([{"type": 3}])] {
        assert!(assess(&hpa(1, &odd), ArgoCdVersion::NEWEST).is_failed(), "{odd}");
    }
}

#[test]
fn newer_metric_failures_degrade_an_autoscaler_since_3_5() {
    let failing = hpa(
        2,
        &json!([{"type": "ScalingActive", "status": "False", "reason": "FailedGetPodsMetric"}]),
    );
    assert_eq!(health_in(&failing, ArgoCdVersion::new(3, 5, 0)).0, "Degraded");
    assert_eq!(health_in(&failing, ArgoCdVersion::new(3, 4, 9)).0, "Progressing");
    // A failure first in the list decides in every version.
    let order = hpa(
        2,
        &json!([
            {"type": "AbleToScale", "status": "True", "reason": "FailedGetScale", "message": "gone"},
            {"type": "ScalingLimited", "status": "True", "message": "at the limit"},
        ]),
    );
    assert_eq!(
        health_in(&order, ArgoCdVersion::new(3, 0, 0)),
        ("Degraded".into(), "gone".into())
    );
}

#[test]
fn a_suspended_job_gives_its_message_since_3_6() {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "status": {"conditions": [{"type": "Suspended", "status": "True", "message": "Job suspended"}]},
    });
    assert_eq!(health(&job), ("Suspended".into(), "Job suspended".into()));
    assert_eq!(
        health_in(&job, ArgoCdVersion::new(3, 5, 9)),
        ("Suspended".into(), String::new())
    );
}

#[test]
fn failing_containers_of_a_pod_are_all_named() {
    let waiting =
        |reason: &str, message: &str| json!({"state": {"waiting": {"reason": reason, "message": message}}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "spec": {"restartPolicy": "Always"},
        "status": {"phase": "Running", "containerStatuses": [
            waiting("ImagePullBackOff", "one"), waiting("ContainerCreating", "two"),
            waiting("CreateContainerConfigError", ""), waiting("ErrImagePull", "four"),
        ]},
    });
    assert_eq!(health(&pod), ("Degraded".into(), "one, , four".into()));
}

#[test]
fn a_failed_pod_is_explained_by_its_first_container_that_can() {
    let pod = |init: Value, main: Value| {
        health(&json!({
            "apiVersion": "v1", "kind": "Pod", "spec": {},
            "status": {"phase": "Failed", "initContainerStatuses": [init], "containerStatuses": [main]},
        }))
        .1
    };
    let ended = |reason: &str, code: i32| json!({"name": "x", "state": {"terminated": {"reason": reason, "exitCode": code}}});
    assert_eq!(pod(ended("OOMKilled", 137), ended("Error", 1)), "OOMKilled");
    assert!(pod(ended("Completed", 0), ended("Error", 3)).contains("exit code 3"));
    assert_eq!(pod(ended("Completed", 0), ended("Completed", 0)), "");
}

#[test]
fn a_hook_pod_is_not_long_running() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"annotations": {
            "argocd.argoproj.io/ignore-restart-policy": "true", "argocd.argoproj.io/hook": "PreSync",
        }},
        "spec": {"restartPolicy": "Never"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    assert_eq!(status_of(&pod), "Progressing");
}

#[test]
fn deletion_is_seen_through_everything_but_an_unreadable_time() {
    let object = |time: Value| json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"deletionTimestamp": time}});
    assert_eq!(status_of(&object(json!("2031-02-01T10:00:00Z"))), "Progressing");
    assert_eq!(status_of(&object(json!("soon"))), "");
    assert_eq!(status_of(&object(json!(5))), "");
    let mut hook = object(json!("2031-02-01T10:00:00Z"));
    hook["metadata"]["finalizers"] = json!(["other", "argocd.argoproj.io/hook-finalizer"]);
    assert_eq!(status_of(&hook), "");
    assert_eq!(health_in(&hook, ArgoCdVersion::new(2, 14, 0)).0, "Progressing");
}

#[test]
fn versions_and_groups_of_kinds() {
    let object = |api: &str, kind: &str| {
        let object = json!({"apiVersion": api, "kind": kind});
        assess(&object, ArgoCdVersion::NEWEST)
            .status()
            .map(|status| status.to_string())
    };
    assert_eq!(
        object("extensions/v1beta1", "Ingress").as_deref(),
        Some("Progressing")
    );
    assert_eq!(object("extensions/v1beta1", "Deployment"), None);
    assert_eq!(
        object("apiregistration.k8s.io/v1beta1", "APIService").as_deref(),
        Some("Progressing")
    );
    assert_eq!(
        object("autoscaling/v2beta2", "HorizontalPodAutoscaler").as_deref(),
        Some("Unknown")
    );
    assert_eq!(
        object("argoproj.io/v9", "Workflow").as_deref(),
        Some("Progressing")
    );
    assert_eq!(object("v1", "Deployment"), None);
    assert_eq!(object("apps/v1", "Deployment").as_deref(), Some("Healthy"));
}

#[test]
fn what_every_object_has_must_be_objects_and_lists() {
    for odd in [
        json!({"status": {"conditions": "none"}}),
        json!({"status": {"conditions": [1]}}),
        json!({"status": []}),
        json!({"spec": "none"}),
        json!({"metadata": {"labels": 1}}),
    ] {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet"});
        object
            .as_object_mut()
            .unwrap()
            .extend(odd.as_object().unwrap().clone());
        assert!(assess(&object, ArgoCdVersion::NEWEST).is_failed(), "{odd}");
    }
    // An ingress takes what it finds.
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "status": 1});
    assert_eq!(status_of(&ingress), "Progressing");
}

#[test]
fn kinds_without_a_check_say_why() {
    let reason =
        |api: &str, kind: &str, version| match assess(&json!({"apiVersion": api, "kind": kind}), version) {
            Assessment::NoCheck(reason) => reason,
            other => panic!("{other:?}"),
        };
    assert_eq!(reason("v1", "Secret", ArgoCdVersion::NEWEST), NoCheck::Kind);
    assert_eq!(
        reason("batch/v1", "CronJob", ArgoCdVersion::new(3, 1, 0)),
        NoCheck::Kind
    );
    assert_eq!(
        reason("batch/v1", "CronJob", ArgoCdVersion::new(3, 2, 0)),
        NoCheck::Script
    );
}

#[test]
fn a_check_of_ones_own_comes_first_and_may_pass() {
    let checks =
        HealthChecks::default().with("apps", "Deployment", |object: &Value| match object.get("mark") {
            Some(_) => Err(CheckError::Custom("marked".into())),
            None => Ok(None),
        });
    let plain = json!({"apiVersion": "apps/v1", "kind": "Deployment"});
    assert_eq!(checks.assess(&plain).status(), Some(HealthStatus::Healthy));
    let marked = json!({"apiVersion": "apps/v1", "kind": "Deployment", "mark": 1});
    let assessment = checks.assess(&marked);
    assert!(assessment.is_failed());
    assert_eq!(
        (assessment.status(), &*assessment.message()),
        (Some(HealthStatus::Unknown), "marked")
    );
}

#[test]
fn the_monitor_looks_at_seen_generations_only() {
    let monitor = HealthChecks::default().flavor(Flavor::OctopusMonitor);
    let status = |generation: i32, paused: bool, wanted: i32| {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": generation},
            "spec": {"replicas": wanted, "paused": paused}, "status": {"observedGeneration": 1},
        });
        monitor.assess(&object).status().unwrap().to_string()
    };
    assert_eq!(status(1, false, 3), "Degraded");
    assert_eq!(status(2, false, 3), "Progressing");
    assert_eq!(status(1, true, 3), "Suspended");
    assert_eq!(status(1, false, 0), "Healthy");
}

/// Every kind with a check, and one without.
const KINDS: [(&str, &str); 14] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
    ("networking.k8s.io/v1", "Ingress"),
    ("batch/v1", "Job"),
    ("autoscaling/v1", "HorizontalPodAutoscaler"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("apiregistration.k8s.io/v1", "APIService"),
    ("argoproj.io/v1alpha1", "Workflow"),
    ("v1", "Secret"),
];

/// JSON with the keys that the checks read, and values of any type under them.
fn any_json() -> impl Strategy<Value = Value> {
    let keys = [
        "spec",
        "status",
        "metadata",
        "conditions",
        "type",
        "reason",
        "message",
        "replicas",
        "annotations",
        "phase",
        "containerStatuses",
        "state",
        "waiting",
        "terminated",
        "exitCode",
        "generation",
        "observedGeneration",
        "restartPolicy",
        "deletionTimestamp",
        "finalizers",
        "loadBalancer",
        "ingress",
        "updateStrategy",
        "rollingUpdate",
        "partition",
        "autoscaling.alpha.kubernetes.io/conditions",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(vec![
            "True",
            "Running",
            "Always",
            "Failed",
            "RollingUpdate",
            "[{\"type\":1}]",
            "é"
        ])
        .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(proptest::sample::select(keys.to_vec()), inner, 0..6).prop_map(
                |fields| Value::Object(
                    fields
                        .into_iter()
                        .map(|(key, value)| (key.into(), value))
                        .collect()
                )
            ),
        ]
    })
}

/// A manifest with every field that the checks read, all well; the kinds share it.
fn whole(api_version: &str, kind: &str) -> Value {
    let container = json!({
        "name": "a", "state": {"waiting": {"reason": "x", "message": "y"}, "terminated": {"exitCode": 1, "reason": "z"}},
        "lastState": {"terminated": {}},
    });
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"generation": 1, "annotations": {"a": "b"}, "labels": {}, "finalizers": ["a"]},
        "spec": {
            "replicas": 1, "paused": false, "type": "LoadBalancer", "restartPolicy": "Always",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        },
        "status": {
            "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1,
            "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1, "phase": "Running",
            "currentRevision": "a", "updateRevision": "a", "loadBalancer": {"ingress": [{}]},
            "containerStatuses": [container], "initContainerStatuses": [container],
            "conditions": [{"type": "Available", "status": "True", "reason": "a", "message": "b"}],
        },
    })
}

/// Puts `new` in the place of the field that `index` picks, however deep it is.
fn replace(value: &mut Value, index: proptest::sample::Index, new: Value) {
    fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
        all.push(at.to_owned());
        match value {
            Value::Object(fields) => fields
                .iter()
                .for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), all)),
            Value::Array(list) => {
                list.iter()
                    .enumerate()
                    .for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), all));
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    pointers(value, "", &mut all);
    if let Some(place) = value.pointer_mut(&all[index.index(all.len())]) {
        *place = new;
    }
}

/// A number at the edge of what there is, or any JSON.
fn any_replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        proptest::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX]).prop_map(Value::from),
        any_json(),
    ]
}

proptest! {
    #[test]
    fn no_object_panics(mut object in any_json(), kind in 0_usize..KINDS.len(), flavor: bool, minor in 0_u32..8) {
        if let Some(fields) = object.as_object_mut() {
            fields.insert("apiVersion".into(), KINDS[kind].0.into());
            fields.insert("kind".into(), KINDS[kind].1.into());
        }
        let flavor = if flavor { Flavor::OctopusMonitor } else { Flavor::ArgoCd };
        let checks = HealthChecks::new(ArgoCdVersion::new(3, minor, 0)).flavor(flavor);
        let assessment = checks.assess(&object);
        prop_assert!(!assessment.is_failed() || assessment.status() == Some(HealthStatus::Unknown));
        prop_assert!(!matches!(assessment.status(), Some(HealthStatus::Other(_))));
    }

    #[test]
    fn no_object_with_some_odd_fields_panics(
        kind in 0_usize..KINDS.len(),
        odd in proptest::collection::vec((any::<proptest::sample::Index>(), any_replacement()), 1..5),
        flavor: bool,
        minor in 0_u32..8,
    ) {
        let mut object = whole(KINDS[kind].0, KINDS[kind].1);
        for (index, new) in odd {
            replace(&mut object, index, new);
        }
        let flavor = if flavor { Flavor::OctopusMonitor } else { Flavor::ArgoCd };
        let checks = HealthChecks::new(ArgoCdVersion::new(3, minor, 0)).flavor(flavor);
        let assessment = checks.assess(&object);
        prop_assert!(!matches!(assessment.status(), Some(HealthStatus::Other(_))));
    }
}
