//! What is printed of each object, and of all together.

use std::io::{self, Write};

use octopus_argo_core::health::HealthStatus;
use octopus_argo_core::health::argocd::{
    CheckOrigin, HOOK, HealthSource, ManagedResource, Marks, ReportedHealth, ResourceKey, ResourceStatus,
    application_health,
};
use octopus_argo_core::health::octopus::object_status;
use octopus_argo_core::health::resource::{Assessment, HealthChecks, NoCheck, has_built_in_check};
use serde::Deserialize;
use serde_json::Value;

use crate::Verdict;
use crate::arguments::Arguments;

pub(crate) fn write(arguments: &Arguments, objects: &[Value], out: &mut impl Write) -> io::Result<Verdict> {
    let checks = HealthChecks::new(arguments.version).flavor(arguments.flavor);
    let mut worst = Verdict::Well;
    let mut live = Vec::new();
    for object in objects {
        let status = if is_application(object) {
            write_application(arguments, object, out)?
        } else {
            let assessment = checks.assess(object);
            write_object(object, &assessment, out)?;
            let status = assessment.status();
            live.push(managed(object, status.clone()));
            status
        };
        if !is_well(status.as_ref()) {
            worst = Verdict::NotWell;
        }
    }
    if live.len() > 1 {
        let together = application_health(arguments.version, &live);
        let causes = together
            .message()
            .map(|message| format!("  {message}"))
            .unwrap_or_default();
        writeln!(
            out,
            "{:<12} together, for Argo CD {}{causes}",
            together.status, arguments.version
        )?;
    }
    Ok(worst)
}

fn is_well(status: Option<&HealthStatus>) -> bool {
    matches!(
        status,
        None | Some(HealthStatus::Healthy | HealthStatus::Suspended)
    )
}

fn write_object(object: &Value, assessment: &Assessment<'_>, out: &mut impl Write) -> io::Result<()> {
    let status = assessment.status();
    let note = match assessment {
        Assessment::NoCheck(NoCheck::Script) => "  (judged by a script, which is not run here)".to_owned(),
        Assessment::NoCheck(_) => "  (no check for this kind)".to_owned(),
        Assessment::Failed(error) => format!("  the check failed: {error}"),
        other if other.message().is_empty() => String::new(),
        other => format!("  {}", other.message()),
    };
    let status = status.as_ref().map_or("-", HealthStatus::as_str);
    writeln!(out, "{status:<12} {}{note}", key(object))
}

/// What Argo CD says of an application, and the resources that are not well.
fn write_application(
    arguments: &Arguments,
    object: &Value,
    out: &mut impl Write,
) -> io::Result<Option<HealthStatus>> {
    let report: Report = object
        .get("status")
        .and_then(|status| Report::deserialize(status).ok())
        .unwrap_or_default();
    let status = report.health.status();
    let shown = status.as_ref().map_or("-", HealthStatus::as_str);
    let message = match &*report.health.message {
        "" => String::new(),
        message => format!("  {message}"),
    };
    let sync = report.sync.status.filter(|sync| !sync.is_empty());
    writeln!(
        out,
        "{shown:<12} {}  {}{message}",
        key(object),
        sync.as_deref().unwrap_or("sync unknown")
    )?;
    let resources: Vec<_> = report.resources.iter().map(reported).collect();
    for (resource, managed) in report.resources.iter().zip(&resources) {
        let label = object_status(managed.health.as_ref(), resource.sync().as_ref());
        let health = resource.health.as_ref().map_or("", |health| &*health.message);
        if let Some(label) =
            label.filter(|label| !matches!(label.as_str(), "Healthy" | "InSync" | "Suspended"))
        {
            writeln!(out, "    {:<12} {}  {health}", label.label(), managed.key)?;
        }
    }
    if report.resource_health_source == Some(HealthSource::AppTree)
        && !resources.iter().any(|r| r.health.is_some())
    {
        writeln!(
            out,
            "    the health of its resources is in the resource tree, which is not part of this input"
        )?;
    } else if !resources.is_empty() {
        let folded = application_health(arguments.version, &resources);
        let causes = folded
            .message()
            .map(|message| format!("  {message}"))
            .unwrap_or_default();
        writeln!(
            out,
            "    {:<12} from its resources, for Argo CD {}{causes}",
            folded.status, arguments.version
        )?;
    }
    // An application that nobody has looked at yet is not well.
    Ok(Some(status.unwrap_or(HealthStatus::Unknown)))
}

/// The part of an application's status that is read here.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Report {
    health: ReportedHealth,
    sync: Sync,
    resources: Vec<ResourceStatus>,
    resource_health_source: Option<HealthSource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sync {
    status: Option<String>,
}

/// A live object as a resource of an application that wants it.
fn managed(object: &Value, health: Option<HealthStatus>) -> ManagedResource {
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    let texts = annotations.into_iter().flatten();
    let marks =
        Marks::from_annotations(texts.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))));
    let mut managed = ManagedResource::new(key(object), health);
    managed.live = Some(marks);
    managed
}

/// A resource as the status of its application tells of it.
fn reported(resource: &ResourceStatus) -> ManagedResource {
    let health = resource.inline_health();
    let mut managed = ManagedResource::new(resource.key(), health);
    if has_built_in_check(&resource.group, &resource.kind) {
        managed.check = CheckOrigin::BuiltIn;
    }
    if resource.requires_pruning {
        managed.target = None;
    }
    if managed.health == Some(HealthStatus::Missing) {
        managed.live = None;
    } else if resource.hook {
        managed.live = Some(Marks::from_annotations([(HOOK, "")]));
    }
    managed
}

fn is_application(object: &Value) -> bool {
    let key = key(object);
    (&*key.group, &*key.kind) == ("argoproj.io", "Application")
}

fn key(object: &Value) -> ResourceKey {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let api_version = text("/apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    ResourceKey::new(
        group,
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name"),
    )
}
