//! What is printed of each object, and of all together.

use std::io::{self, Write};

use octopus_argo_core::health::HealthStatus;
use octopus_argo_core::health::argocd::{
    ArgoCdVersion, CheckOrigin, HOOK, HealthSource, ManagedResource, Marks, ReportedHealth, ResourceKey,
    ResourceStatus, TreeNode, application_health, resource_health,
};
use octopus_argo_core::health::octopus::object_status;
use octopus_argo_core::health::resource::{Assessment, HealthChecks, NoCheck, has_built_in_check};
use serde::Deserialize;
use serde_json::Value;

use crate::Verdict;
use crate::arguments::Arguments;

pub(crate) fn write(
    arguments: &Arguments,
    objects: &[Value],
    tree: &[TreeNode],
    out: &mut impl Write,
) -> io::Result<Verdict> {
    let checks = HealthChecks::new(arguments.version).flavor(arguments.flavor);
    let mut worst = Verdict::Well;
    let mut live = Vec::new();
    for object in objects {
        let status = if is_application(object) {
            write_application(arguments.version, object, tree, out)?
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
        let what = format!("together, for Argo CD {}", arguments.version);
        let causes = together.message().unwrap_or_default();
        line(out, "", together.status.as_str(), &what, &causes)?;
    }
    Ok(worst)
}

fn is_well(status: Option<&HealthStatus>) -> bool {
    matches!(
        status,
        None | Some(HealthStatus::Healthy | HealthStatus::Suspended)
    )
}

fn line(out: &mut impl Write, indent: &str, status: &str, what: &str, note: &str) -> io::Result<()> {
    let gap = if note.is_empty() { "" } else { "  " };
    writeln!(out, "{indent}{status:<12} {what}{gap}{note}")
}

fn write_object(object: &Value, assessment: &Assessment<'_>, out: &mut impl Write) -> io::Result<()> {
    let status = assessment.status();
    let note = match assessment {
        Assessment::NoCheck(NoCheck::Script) => "(judged by a script, which is not run here)".to_owned(),
        Assessment::NoCheck(_) => "(no check for this kind)".to_owned(),
        Assessment::Failed(error) => format!("the check failed: {error}"),
        other => other.message().into_owned(),
    };
    let status = status.as_ref().map_or("-", HealthStatus::as_str);
    line(out, "", status, &key(object).to_string(), &note)
}

/// What Argo CD says of an application, and the resources that are not well.
fn write_application(
    version: ArgoCdVersion,
    object: &Value,
    tree: &[TreeNode],
    out: &mut impl Write,
) -> io::Result<Option<HealthStatus>> {
    const INDENT: &str = "    ";
    let report: Report = object
        .get("status")
        .and_then(|status| Report::deserialize(status).ok())
        .unwrap_or_default();
    let status = report.health.status();
    let shown = status.as_ref().map_or("-", HealthStatus::as_str);
    let sync = report.sync.status.as_deref().filter(|sync| !sync.is_empty());
    let what = format!("{}  {}", key(object), sync.unwrap_or("sync unknown"));
    line(out, "", shown, &what, &report.health.message)?;

    let source = report.resource_health_source.as_ref();
    let health = resource_health(source, &report.resources, tree);
    let unknown = source == Some(&HealthSource::AppTree) && tree.is_empty();
    let mut resources = Vec::new();
    for (resource, health) in report.resources.iter().zip(health) {
        let label = object_status(health.as_ref(), resource.sync().as_ref());
        let label = label.filter(|label| !matches!(label.as_str(), "Healthy" | "InSync" | "Suspended"));
        if let Some(label) = label {
            let message = resource.health.as_ref().map_or("", |health| &*health.message);
            line(out, INDENT, label.label(), &resource.key().to_string(), message)?;
        }
        resources.push(reported(resource, health));
    }
    if !unknown && !resources.is_empty() {
        let folded = application_health(version, &resources);
        let what = format!("from its resources, for Argo CD {version}");
        line(
            out,
            INDENT,
            folded.status.as_str(),
            &what,
            &folded.message().unwrap_or_default(),
        )?;
    } else if !is_well(status.as_ref()) && unknown {
        writeln!(out, "{INDENT}the causes are in its resource tree: see --tree")?;
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
fn reported(resource: &ResourceStatus, health: Option<HealthStatus>) -> ManagedResource {
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
