//! `HorizontalPodAutoscaler`.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::error::CheckError;
use super::live::{Condition, Live};
use super::{ResourceHealth, Rules};

/// Where version 1 keeps the conditions, as JSON.
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

/// Rule: Argo CD `gitops-engine/pkg/health/health_hpa.go`.
pub(super) fn autoscaler<'a>(live: Live<'a>, rules: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let health = if live.text(&["apiVersion"])? == "autoscaling/v1" {
        first_version(live, rules)?
    } else {
        // Version 1 is not served with such a list, so only here a wrong type in it matters.
        let conditions = live.conditions()?;
        let hpa = |condition: Condition<'a>| verdict(condition, rules);
        decide(conditions.map(hpa), rules)
    };
    Ok(health.unwrap_or_else(|| ResourceHealth::progressing("no condition says yet whether it can scale")))
}

fn first_version<'a>(live: Live<'a>, rules: &Rules) -> Result<Option<ResourceHealth<'a>>, CheckError> {
    let Some(json) = live.annotation(CONDITIONS)? else {
        return Ok(None);
    };
    let conditions: Option<Vec<Option<JsonCondition>>> =
        serde_json::from_str(json).map_err(|error| CheckError::Annotation {
            key: CONDITIONS,
            message: error.to_string().into(),
        })?;
    let conditions: Vec<_> = conditions
        .into_iter()
        .flatten()
        .map(Option::unwrap_or_default)
        .collect();
    let verdicts = conditions
        .iter()
        .map(|condition| verdict(condition.borrow(), rules));
    Ok(decide(verdicts, rules).map(ResourceHealth::into_owned))
}

/// The verdict that counts among those of the conditions, in their order.
fn decide<'a>(
    mut verdicts: impl Iterator<Item = Option<Verdict<'a>>> + Clone,
    rules: &Rules,
) -> Option<ResourceHealth<'a>> {
    if rules.hpa_metric_failures {
        let failure = verdicts.clone().flatten().find(|verdict| verdict.failed);
        if let Some(failure) = failure {
            return Some(failure.health());
        }
    }
    verdicts.find_map(|verdict| verdict).map(Verdict::health)
}

#[derive(Clone, Copy)]
struct Verdict<'a> {
    failed: bool,
    message: &'a str,
}

impl<'a> Verdict<'a> {
    fn health(self) -> ResourceHealth<'a> {
        if self.failed {
            ResourceHealth::degraded(self.message)
        } else {
            ResourceHealth::healthy(self.message)
        }
    }
}

/// What one condition says, if anything.
fn verdict<'a>(condition: Condition<'a>, rules: &Rules) -> Option<Verdict<'a>> {
    let failed = match (condition.kind, condition.reason) {
        ("AbleToScale", "FailedGetScale" | "FailedUpdateScale")
        | ("ScalingActive", "FailedGetResourceMetric" | "InvalidSelector") => true,
        (
            "ScalingActive",
            "FailedGetObjectMetric"
            | "FailedGetPodsMetric"
            | "FailedGetExternalMetric"
            | "FailedComputeMetricsReplicas",
        ) => rules.hpa_metric_failures,
        _ => false,
    };
    let well = matches!(condition.kind, "AbleToScale" | "ScalingLimited") && condition.is_true();
    (failed || well).then_some(Verdict {
        failed,
        message: condition.message,
    })
}

/// A condition in the annotation. Keys may be in any case, as Go reads them.
#[derive(Default)]
struct JsonCondition {
    kind: String,
    status: String,
    reason: String,
    message: String,
}

impl JsonCondition {
    fn borrow(&self) -> Condition<'_> {
        Condition {
            kind: &self.kind,
            status: &self.status,
            reason: &self.reason,
            message: &self.message,
        }
    }
}

impl<'de> Deserialize<'de> for JsonCondition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(JsonConditionVisitor)
    }
}

struct JsonConditionVisitor;

impl<'de> Visitor<'de> for JsonConditionVisitor {
    type Value = JsonCondition;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a condition")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonCondition, A::Error> {
        let mut condition = JsonCondition::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let field = match key.to_ascii_lowercase().as_str() {
                "type" => &mut condition.kind,
                "status" => &mut condition.status,
                "reason" => &mut condition.reason,
                "message" => &mut condition.message,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            // Null leaves a field as it is.
            if let Some(text) = map.next_value::<Option<String>>()? {
                *field = text;
            }
        }
        Ok(condition)
    }
}
