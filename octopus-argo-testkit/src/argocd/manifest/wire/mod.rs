//! The message that Argo CD's server makes of an Application object.
//!
//! The server is written in Go, and its marshaler decides presence by Go's types: plain texts, numbers, flags and structs
//! are always on the wire, even when empty; pointers, lists and maps only when there is something. Here
//! [`Node::value`] and the plain readers stand for the former, [`Node::pointer`] and the `optional_` ones for the latter.
//!
//! Rule: the types in Argo CD `pkg/apis/application/v1alpha1/types.go` and the marshalers in `generated.pb.go` beside it.

mod metadata;
mod node;
mod operation;
mod source;
mod spec;
mod status;

use octopus_argo_proto::argocd::v1alpha1::Application;
use serde_json::Value;

use super::ManifestError;
use node::{Node, Problem};

/// The message for an Application object.
pub(super) fn application(json: &Value) -> Result<Application, ManifestError> {
    let problem = Problem::default();
    let node = Node::root(json, &problem);
    let application = Application {
        metadata: node.value("metadata", metadata::object_meta),
        spec: node.value("spec", spec::spec),
        status: node.value("status", status::status),
        operation: node.boxed("operation", operation::operation),
    };
    match problem.into_inner() {
        None => Ok(application),
        Some(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use octopus_argo_proto::argocd::k8s::meta::Time;
    use serde_json::json;

    use super::*;

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
}
