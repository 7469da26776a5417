//! Commits and charts.

use octopus_argo_proto::argocd::application::RevisionMetadataQuery;
use octopus_argo_proto::argocd::k8s::meta::Time;
use octopus_argo_proto::argocd::v1alpha1::{Application, ApplicationSource, ChartDetails, RevisionMetadata};
use serde_json::Value;
use tonic::Status;

use super::Api;
use super::exchange::Messages;
use super::gate::Target;
use crate::argocd::ArgoCdVersion;
use crate::argocd::accounts::Caller;
use crate::argocd::clock::Timestamp;
use crate::argocd::fleet::Record;

/// Who committed a revision, when and with what message.
///
/// Rule: Argo CD `server/application/application.go` (`RevisionMetadata`).
pub(super) fn metadata(
    api: &Api,
    caller: &Caller,
    query: &RevisionMetadataQuery,
) -> Result<Messages, Status> {
    let record = record(api, caller, query)?;
    let revision = &query.revision;
    let is_sha = (7..=40).contains(&revision.len()) && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_sha {
        return Err(Status::unknown(format!("revision {revision} must be resolved")));
    }
    if !api.faults.knows_revision(revision) {
        return Err(Status::unknown(format!(
            "unable to resolve '{revision}' to a commit SHA"
        )));
    }
    let json = api
        .fleet
        .revision(record.name(), revision)
        .unwrap_or_else(|| made_up(api, revision));
    let date: Option<Timestamp> = json["date"].as_str().and_then(|text| text.parse().ok());
    api.reply(&RevisionMetadata {
        author: Some(text(&json["author"])),
        date: Some(
            date.map(|date| Time::from_unix_seconds(date.unix_seconds()))
                .unwrap_or_default(),
        ),
        tags: texts(&json["tags"]),
        message: Some(text(&json["message"])),
        signature_info: Some(text(&json["signatureInfo"])),
        ..RevisionMetadata::default()
    })
}

/// What a chart of a Helm repository says about itself.
///
/// Rule: Argo CD `server/application/application.go` (`RevisionChartDetails`).
pub(super) fn chart(api: &Api, caller: &Caller, query: &RevisionMetadataQuery) -> Result<Messages, Status> {
    let record = record(api, caller, query)?;
    let application = record.application();
    let source = source(api, &application, query)?;
    if source.is_none_or(|source| source.chart().is_empty()) {
        return Err(Status::unknown(format!(
            "no chart found for application: {}",
            record.name()
        )));
    }
    let json = api
        .fleet
        .chart(record.name(), &query.revision)
        .unwrap_or_default();
    api.reply(&ChartDetails {
        description: Some(text(&json["description"])),
        home: Some(text(&json["home"])),
        maintainers: texts(&json["maintainers"]),
    })
}

fn record(api: &Api, caller: &Caller, query: &RevisionMetadataQuery) -> Result<Record, Status> {
    let target = Target {
        name: &query.name,
        namespace: query.app_namespace.as_deref(),
        project: query.project.as_deref(),
    };
    let record = api.get_application(caller, target, "get")?;
    source(api, &record.application(), query)?;
    Ok(record)
}

/// The source that a query means: by a place in the history, by an index that counts from 0, or the first.
///
/// Rule: Argo CD `server/application/application.go` (`getAppSourceBySourceIndexAndVersionId`), since 2.12.
fn source<'a>(
    api: &Api,
    application: &'a Application,
    query: &RevisionMetadataQuery,
) -> Result<Option<&'a ApplicationSource>, Status> {
    let spec = application.spec.as_ref();
    let first = spec.and_then(|spec| spec.sources.first().or(spec.source.as_ref()));
    if api.version() < ArgoCdVersion::V2_14 {
        return Ok(first);
    }
    let (one, several) = match query.version_id {
        None => (
            spec.and_then(|spec| spec.source.as_ref()),
            spec.map_or(&[][..], |spec| &spec.sources),
        ),
        Some(id) => {
            let history = application
                .status
                .as_ref()
                .map_or(&[][..], |status| &status.history);
            let entry = history.iter().find(|entry| entry.id() == i64::from(id));
            let entry = entry
                .ok_or_else(|| Status::unknown(format!("revision history not found for versionId {id}")))?;
            (entry.source.as_ref(), &entry.sources[..])
        }
    };
    let Some(index) = query.source_index else {
        return Ok(several.first().or(one).or(first));
    };
    let index = usize::try_from(index)
        .map_err(|_| Status::internal(format!("runtime error: index out of range [{index}]")))?;
    if several.is_empty() && index == 0 {
        return Ok(one);
    }
    several.get(index).map(Some).ok_or_else(|| {
        Status::unknown(format!(
            "source index {index} not found, there are only {}",
            several.len()
        ))
    })
}

fn made_up(api: &Api, revision: &str) -> Value {
    serde_json::json!({
        "author": "Simulated Author <author@example.test>",
        "date": api.fleet.clock().now().whole_seconds(),
        "message": format!("simulated commit {revision}"),
    })
}

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn texts(json: &Value) -> Vec<String> {
    json.as_array().into_iter().flatten().map(text).collect()
}
