//! Which Argo CD project a request is about, by its bytes.

use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The Argo CD project that a request of this method names, or `None` where it names none, several, or is no message.
///
/// For whoever passes requests on and has a token for each project. The object that `CanI` asks about counts by its
/// project.
///
/// ```
/// use octopus_argo_proto::argocd::{application::ResourcesQuery, project_of_request};
/// use octopus_argo_proto::prost::Message;
///
/// let query = ResourcesQuery {
///     application_name: "web".into(),
///     project: Some("shop".into()),
///     ..Default::default()
/// };
/// let path = "/application.ApplicationService/ResourceTree";
/// assert_eq!(project_of_request(path, &query.encode_to_vec()).as_deref(), Some("shop"));
/// ```
#[must_use]
pub fn project_of_request(path: &str, message: &[u8]) -> Option<String> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    match (service, method) {
        ("application.ApplicationService", "List" | "Get" | "Watch") => {
            only(texts(message, 8)?).or_else(|| only(texts(message, 3).unwrap_or_default()))
        }
        ("application.ApplicationService", method) => last(texts(message, field(method)?)?),
        ("project.ProjectService", "Get") => last(texts(message, 1)?),
        ("account.AccountService", "CanI") => {
            let object = last(texts(message, 3)?)?;
            let (project, _) = object.split_once('/')?;
            (!project.contains('*')).then(|| project.to_owned())
        }
        _ => None,
    }
}

/// The number of the field `project`.
fn field(method: &str) -> Option<u32> {
    Some(match method {
        "ResourceTree" | "WatchResourceTree" | "ManagedResources" | "GetResource" => 8,
        "GetManifests" | "RevisionMetadata" | "RevisionChartDetails" | "ListLinks" => 4,
        "ListResourceEvents" => 6,
        "PodLogs" => 16,
        "Sync" => 13,
        "TerminateOperation" | "GetApplicationSyncWindows" => 3,
        _ => return None,
    })
}

fn only(mut texts: Vec<String>) -> Option<String> {
    texts.retain(|text| !text.is_empty());
    texts.dedup();
    if texts.len() == 1 { texts.pop() } else { None }
}

/// Of a field that is there more than once the last counts.
fn last(mut texts: Vec<String>) -> Option<String> {
    texts.pop().filter(|text| !text.is_empty())
}

/// The values of a text field, or `None` where the bytes are no message.
fn texts(mut message: &[u8], wanted: u32) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    while message.has_remaining() {
        let (field, kind) = decode_key(&mut message).ok()?;
        if field == wanted && kind == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
            let (text, rest) = message.split_at_checked(length)?;
            texts.push(str::from_utf8(text).ok()?.to_owned());
            message = rest;
        } else {
            skip_field(kind, field, &mut message, DecodeContext::default()).ok()?;
        }
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::argocd::account::CanIRequest;
    use crate::argocd::application as wire;

    const SERVICE: &str = "/application.ApplicationService/";

    fn of(method: &str, message: &impl Message) -> Option<String> {
        project_of_request(&format!("{SERVICE}{method}"), &message.encode_to_vec())
    }

    #[test]
    fn each_request_has_its_project_where_it_says() {
        let project = || Some("shop".to_owned());
        let query = wire::ResourcesQuery {
            project: project(),
            ..Default::default()
        };
        for method in ["ResourceTree", "WatchResourceTree", "ManagedResources"] {
            assert_eq!(of(method, &query), project(), "{method}");
        }
        let query = wire::ApplicationManifestQuery {
            project: project(),
            ..Default::default()
        };
        assert_eq!(of("GetManifests", &query), project());
        let query = wire::ApplicationResourceRequest {
            project: project(),
            ..Default::default()
        };
        assert_eq!(of("GetResource", &query), project());
        let query = wire::ApplicationResourceEventsQuery {
            project: project(),
            ..Default::default()
        };
        assert_eq!(of("ListResourceEvents", &query), project());
        let query = wire::ApplicationPodLogsQuery {
            project: project(),
            ..Default::default()
        };
        assert_eq!(of("PodLogs", &query), project());
        let query = wire::ApplicationSyncRequest {
            project: project(),
            ..Default::default()
        };
        assert_eq!(of("Sync", &query), project());
        let query = wire::OperationTerminateRequest {
            project: project(),
            ..Default::default()
        };
        assert_eq!(of("TerminateOperation", &query), project());
        let query = wire::RevisionMetadataQuery {
            project: project(),
            ..Default::default()
        };
        assert_eq!(of("RevisionMetadata", &query), project());
        assert_eq!(of("RevisionChartDetails", &query), project());
        let query = wire::ApplicationSyncWindowsQuery {
            project: project(),
            ..Default::default()
        };
        assert_eq!(of("GetApplicationSyncWindows", &query), project());
        let query = wire::ListAppLinksRequest {
            project: project(),
            ..Default::default()
        };
        assert_eq!(of("ListLinks", &query), project());
        let can = CanIRequest {
            subresource: "shop/web".into(),
            ..Default::default()
        };
        assert_eq!(
            project_of_request("/account.AccountService/CanI", &can.encode_to_vec()),
            project()
        );
    }

    #[test]
    fn several_projects_are_none() {
        let query = |project: &[&str], projects: &[&str]| wire::ApplicationQuery {
            project: project.iter().map(|text| (*text).to_owned()).collect(),
            projects: projects.iter().map(|text| (*text).to_owned()).collect(),
            ..Default::default()
        };
        assert_eq!(of("List", &query(&["a"], &["b"])).as_deref(), Some("a"));
        assert_eq!(of("List", &query(&[], &["b"])).as_deref(), Some("b"));
        assert_eq!(of("Watch", &query(&[], &["a", "b"])), None);
        assert_eq!(of("Get", &query(&[], &[])), None);
        assert_eq!(of("Delete", &query(&["a"], &[])), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for method in ["List", "Sync", "PodLogs", "Other"] {
                let _ = project_of_request(&format!("{SERVICE}{method}"), &bytes);
            }
        }
    }
}
