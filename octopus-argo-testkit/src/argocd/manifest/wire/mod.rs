//! The message that Argo CD's server makes of an Application object.
//!
//! The server is written in Go, and its marshaler decides presence by Go's types: plain texts, numbers, flags and structs
//! are always on the wire, even when empty; pointers, lists and maps only when there is something. Here
//! [`Node::value`] and the plain readers stand for the former, [`Node::pointer`] and the `optional_` ones for the latter.
//!
//! Rule: the types in Argo CD `pkg/apis/application/v1alpha1/types.go` and the marshalers in `generated.pb.go` beside it.

mod cluster;
mod metadata;
mod node;
mod operation;
mod project;
mod resource;
mod source;
mod spec;
mod status;

use octopus_argo_proto::argocd::k8s::core::EventList;
use octopus_argo_proto::argocd::k8s::meta::ObjectMeta;
use octopus_argo_proto::argocd::v1alpha1::{AppProject, Application, ApplicationTree, Cluster};
use serde_json::Value;

use super::ManifestError;
use crate::argocd::Encoding;
use node::{Node, Reading};

/// The message for an Application object.
pub(super) fn application(json: &Value, encoding: Encoding) -> Result<Application, ManifestError> {
    read(json, encoding, |node| Application {
        metadata: node.value("metadata", metadata::object_meta),
        spec: node.value("spec", spec::spec),
        status: node.value("status", status::status),
        operation: node.boxed("operation", operation::operation),
    })
}

/// The message for the metadata of an object.
pub(super) fn metadata(json: &Value, encoding: Encoding) -> Result<ObjectMeta, ManifestError> {
    read(json, encoding, metadata::object_meta)
}

/// The tree of resources that this JSON describes.
pub(in crate::argocd) fn tree(json: &Value, encoding: Encoding) -> Result<ApplicationTree, ManifestError> {
    read(json, encoding, resource::tree)
}

/// The cluster that this JSON describes.
pub(in crate::argocd) fn cluster(json: &Value, encoding: Encoding) -> Result<Cluster, ManifestError> {
    read(json, encoding, cluster::cluster)
}

/// The project that this JSON describes.
pub(in crate::argocd) fn project(json: &Value, encoding: Encoding) -> Result<AppProject, ManifestError> {
    read(json, encoding, project::project)
}

/// The events that this JSON describes.
pub(in crate::argocd) fn events(json: &Value, encoding: Encoding) -> Result<EventList, ManifestError> {
    read(json, encoding, resource::event_list)
}

/// The message that `message` makes of this JSON.
fn read<T>(
    json: &Value,
    encoding: Encoding,
    message: impl FnOnce(&Node<'_>) -> T,
) -> Result<T, ManifestError> {
    let reading = Reading::new(encoding);
    let message = message(&Node::root(json, &reading));
    reading.finish(message)
}

#[cfg(test)]
mod tests {
    use octopus_argo_proto::argocd::k8s::meta::Time;
    use serde_json::json;

    use super::*;
    use crate::argocd::Presence;

    fn application(json: &Value) -> Result<Application, ManifestError> {
        super::application(json, Encoding::default())
    }

    #[test]
    fn what_is_plain_in_go_is_there_even_when_empty() {
        let wire = application(&json!({"metadata": {"name": "web"}, "spec": {"source": {"path": "deploy"}}}))
            .unwrap();
        let metadata = wire.metadata.unwrap();
        assert_eq!(metadata.uid.as_deref(), Some(""));
        assert_eq!(metadata.generation, Some(0));
        assert_eq!(
            metadata.creation_timestamp,
            Some(Time::default()),
            "a zero time is an empty message"
        );
        assert_eq!(metadata.deletion_timestamp, None, "a pointer");

        let spec = wire.spec.unwrap();
        assert_eq!(spec.project.as_deref(), Some(""));
        assert_eq!(spec.destination.unwrap().server.as_deref(), Some(""));
        assert_eq!(spec.revision_history_limit, None, "a pointer");
        assert_eq!(spec.sync_policy, None, "a pointer");
        assert_eq!(spec.source.unwrap().repo_url.as_deref(), Some(""));

        let status = wire.status.unwrap();
        assert_eq!(status.health.unwrap().status.as_deref(), Some(""));
        assert_eq!(status.operation_state, None, "a pointer");
        let compared_to = status.sync.unwrap().compared_to.unwrap();
        assert_eq!(
            compared_to.source.unwrap().repo_url.as_deref(),
            Some(""),
            "blank, but present"
        );
        assert_eq!(wire.operation, None, "a pointer");
    }

    #[test]
    fn what_is_optional_keeps_the_difference_between_absent_and_empty() {
        let automated = |json| {
            let wire = application(&json!({"spec": {"syncPolicy": {"automated": json}}})).unwrap();
            wire.spec.unwrap().sync_policy.unwrap().automated
        };
        assert_eq!(automated(json!(null)), None);
        assert_eq!(automated(json!({})).unwrap().enabled, None);
        assert_eq!(automated(json!({"enabled": false})).unwrap().enabled, Some(false));
    }

    #[test]
    fn times_are_whole_seconds() {
        let wire = application(&json!({"metadata": {"creationTimestamp": "2025-07-28T20:07:38Z"}})).unwrap();
        assert_eq!(
            wire.metadata.unwrap().creation_timestamp,
            Some(Time::from_unix_seconds(1_753_733_258))
        );
        let error = application(&json!({"metadata": {"creationTimestamp": "yesterday"}})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "metadata.creationTimestamp is not an RFC 3339 time"
        );
    }

    #[test]
    fn embedded_json_stays_text() {
        let wire =
            application(&json!({"spec": {"source": {"helm": {"valuesObject": {"a": [1, true]}}}}})).unwrap();
        let helm = wire.spec.unwrap().source.unwrap().helm.unwrap();
        assert_eq!(
            helm.values_object.unwrap().raw.as_deref(),
            Some(&br#"{"a":[1,true]}"#[..])
        );
    }

    #[test]
    fn what_is_empty_can_be_left_out() {
        let omitted = |json| {
            let encoding = Encoding {
                presence: Presence::OmitEmpty,
                ..Encoding::default()
            };
            super::application(&json, encoding).unwrap()
        };
        assert_eq!(omitted(json!({})), Application::default());
        let web = omitted(json!({
            "metadata": {"name": "web"},
            "spec": {"sources": [{"repoURL": ""}], "syncPolicy": {"automated": {"enabled": false}}},
        }));
        let spec = web.spec.unwrap();
        assert_eq!(spec.project, None);
        assert_eq!(spec.sources.len(), 1, "an item of a list stays");
        let automated = spec.sync_policy.unwrap().automated.unwrap();
        assert_eq!(
            automated.enabled,
            Some(false),
            "a pointer to an empty value stays"
        );
        assert_eq!(web.status, None);
    }

    #[test]
    fn older_versions_lack_newer_fields() {
        let json = json!({
            "spec": {"source": {"name": "one", "tagPrefix": "v"}},
            "status": {"health": {"lastTransitionTime": "2025-07-28T20:07:38Z"}, "summary": {"isAppOfApps": true}},
        });
        let of = |version| {
            let encoding = Encoding {
                version,
                ..Encoding::default()
            };
            let application = super::application(&json, encoding).unwrap();
            let source = application.spec.unwrap().source.unwrap();
            let status = application.status.unwrap();
            (
                source.name.is_some(),
                source.tag_prefix.is_some(),
                status.health.unwrap().last_transition_time.is_some(),
                status.summary.unwrap().is_app_of_apps.is_some(),
            )
        };
        assert_eq!(
            of(crate::argocd::ArgoCdVersion::V2_8),
            (false, false, false, false)
        );
        assert_eq!(
            of(crate::argocd::ArgoCdVersion::V2_14),
            (true, false, true, false)
        );
        assert_eq!(of(crate::argocd::ArgoCdVersion::V3_5), (true, true, true, true));
    }
}
