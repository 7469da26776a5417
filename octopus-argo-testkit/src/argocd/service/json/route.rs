//! Which method a path of the JSON API means.

use http::Method as Verb;
use serde_json::Value;

use super::read::{put, unescaped};
use crate::argocd::Method;

/// A method under a path. `{…}` takes one part of the path, `{…=**}` the rest, for the field of that name.
struct Route {
    verb: Verb,
    path: &'static str,
    method: Method,
}

const fn get(path: &'static str, method: Method) -> Route {
    Route {
        verb: Verb::GET,
        path,
        method,
    }
}

/// Rule: Argo CD `server/*/*.proto`, `google.api.http`.
const ROUTES: &[Route] = &[
    get("v1/applications", Method::List),
    get("v1/applications/{name}", Method::Get),
    get("v1/stream/applications", Method::Watch),
    get(
        "v1/applications/{applicationName}/resource-tree",
        Method::ResourceTree,
    ),
    get(
        "v1/stream/applications/{applicationName}/resource-tree",
        Method::WatchResourceTree,
    ),
    get(
        "v1/applications/{applicationName}/managed-resources",
        Method::ManagedResources,
    ),
    get("v1/applications/{name}/manifests", Method::GetManifests),
    get("v1/applications/{name}/resource", Method::GetResource),
    get("v1/applications/{name}/events", Method::ListResourceEvents),
    get("v1/applications/{name}/pods/{podName}/logs", Method::PodLogs),
    get("v1/applications/{name}/logs", Method::PodLogs),
    Route {
        verb: Verb::POST,
        path: "v1/applications/{name}/sync",
        method: Method::Sync,
    },
    Route {
        verb: Verb::DELETE,
        path: "v1/applications/{name}/operation",
        method: Method::TerminateOperation,
    },
    get(
        "v1/applications/{name}/revisions/{revision}/metadata",
        Method::RevisionMetadata,
    ),
    get(
        "v1/applications/{name}/revisions/{revision}/chartdetails",
        Method::RevisionChartDetails,
    ),
    get(
        "v1/applications/{name}/syncwindows",
        Method::GetApplicationSyncWindows,
    ),
    get("v1/applications/{name}/links", Method::ListLinks),
    get("v1/clusters", Method::ListClusters),
    get("v1/clusters/{id.value}", Method::GetCluster),
    get("version", Method::Version),
    get("v1/session/userinfo", Method::GetUserInfo),
    Route {
        verb: Verb::POST,
        path: "v1/session",
        method: Method::CreateSession,
    },
    Route {
        verb: Verb::DELETE,
        path: "v1/session",
        method: Method::DeleteSession,
    },
    get(
        "v1/account/can-i/{resource}/{action}/{subresource=**}",
        Method::CanI,
    ),
    get("v1/settings", Method::GetSettings),
    get("v1/projects", Method::ListProjects),
    get("v1/projects/{name}", Method::GetProject),
];

/// The method, and the fields that the path gives, put into `values`.
pub(super) fn find(verb: &Verb, path: &str, values: &mut Value) -> Option<Method> {
    let parts: Vec<&str> = path.strip_prefix("/api/")?.split('/').collect();
    ROUTES
        .iter()
        .filter(|route| route.verb == *verb)
        .find_map(|route| {
            let taken = taken(route.path, &parts)?;
            for (field, value) in taken {
                put(values, field, value);
            }
            Some(route.method)
        })
}

fn taken(pattern: &'static str, parts: &[&str]) -> Option<Vec<(&'static str, String)>> {
    let mut taken = Vec::new();
    let mut parts = parts.iter();
    for step in pattern.split('/') {
        let field = step.strip_prefix('{').and_then(|step| step.strip_suffix('}'));
        match field.map(|field| field.strip_suffix("=**").ok_or(field)) {
            Some(Ok(rest)) => {
                let left: Vec<&str> = parts.by_ref().copied().collect();
                taken.push((rest, path_text(&left.join("/"))?));
            }
            Some(Err(field)) => {
                let part = parts.next().filter(|part| !part.is_empty())?;
                taken.push((field, path_text(part)?));
            }
            None => {
                parts.next().filter(|part| **part == step)?;
            }
        }
    }
    parts.next().is_none().then_some(taken)
}

/// In a path, other than in a query, `+` is itself.
fn path_text(text: &str) -> Option<String> {
    unescaped(&text.replace('+', "%2B"))
}

/// The names of a method's messages in the table, without those that it does not have: of login.
pub(super) const fn messages(method: Method) -> (&'static str, &'static str) {
    match method {
        Method::List => ("application.ApplicationQuery", "ApplicationList"),
        Method::Get => ("application.ApplicationQuery", "Application"),
        Method::Watch => ("application.ApplicationQuery", "ApplicationWatchEvent"),
        Method::ResourceTree | Method::WatchResourceTree => ("application.ResourcesQuery", "ApplicationTree"),
        Method::ManagedResources => (
            "application.ResourcesQuery",
            "application.ManagedResourcesResponse",
        ),
        Method::GetManifests => (
            "application.ApplicationManifestQuery",
            "repository.ManifestResponse",
        ),
        Method::GetResource => (
            "application.ApplicationResourceRequest",
            "application.ApplicationResourceResponse",
        ),
        Method::ListResourceEvents => ("application.ApplicationResourceEventsQuery", "events.EventList"),
        Method::PodLogs => ("application.ApplicationPodLogsQuery", "application.LogEntry"),
        Method::Sync => ("application.ApplicationSyncRequest", "Application"),
        Method::TerminateOperation => ("application.OperationTerminateRequest", ""),
        Method::RevisionMetadata => ("application.RevisionMetadataQuery", "RevisionMetadata"),
        Method::RevisionChartDetails => ("application.RevisionMetadataQuery", "ChartDetails"),
        Method::GetApplicationSyncWindows => (
            "application.ApplicationSyncWindowsQuery",
            "application.ApplicationSyncWindowsResponse",
        ),
        Method::ListLinks => ("application.ListAppLinksRequest", "application.LinksResponse"),
        Method::ListClusters => ("cluster.ClusterQuery", "ClusterList"),
        Method::GetCluster => ("cluster.ClusterQuery", "Cluster"),
        Method::GetSettings => ("", "cluster.Settings"),
        Method::ListProjects => ("project.ProjectQuery", "AppProjectList"),
        Method::GetProject => ("project.ProjectQuery", "AppProject"),
        Method::Version => ("", "version.VersionMessage"),
        Method::GetUserInfo => ("", "session.GetUserInfoResponse"),
        Method::CanI => ("account.CanIRequest", "account.CanIResponse"),
        Method::CreateSession | Method::DeleteSession | Method::CheckHealth => ("", ""),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::table::fields;
    use super::*;

    #[test]
    fn paths_are_told_apart() {
        for (verb, path, method, expected) in [
            (Verb::GET, "/api/v1/applications", Some(Method::List), json!({})),
            (
                Verb::GET,
                "/api/v1/applications/web",
                Some(Method::Get),
                json!({"name": "web"}),
            ),
            (
                Verb::GET,
                "/api/v1/applications/web/pods/web-1/logs",
                Some(Method::PodLogs),
                json!({"name": "web", "podName": "web-1"}),
            ),
            (
                Verb::GET,
                "/api/v1/clusters/https%3A%2F%2Fkubernetes.default.svc",
                Some(Method::GetCluster),
                json!({"id": {"value": "https://kubernetes.default.svc"}}),
            ),
            (
                Verb::GET,
                "/api/v1/account/can-i/applications/get/shop/web",
                Some(Method::CanI),
                json!({"resource": "applications", "action": "get", "subresource": "shop/web"}),
            ),
            (
                Verb::POST,
                "/api/v1/applications/web/sync",
                Some(Method::Sync),
                json!({"name": "web"}),
            ),
            (Verb::GET, "/api/v1/applications/web/sync", None, json!({})),
            (Verb::GET, "/api/v1/applications/", None, json!({})),
            (Verb::GET, "/api/v2/applications", None, json!({})),
            (Verb::GET, "/apis", None, json!({})),
        ] {
            let mut values = json!({});
            assert_eq!(find(&verb, path, &mut values), method, "{verb} {path}");
            assert_eq!(values, expected, "{path}");
        }
    }

    #[test]
    fn every_method_has_a_route_and_its_messages_exist() {
        for method in Method::ALL {
            let routed = ROUTES.iter().any(|route| route.method == *method);
            assert_eq!(routed, *method != Method::CheckHealth, "{method:?}");
            let (request, answer) = messages(*method);
            for message in [request, answer] {
                assert!(message.is_empty() || !fields(message).is_empty(), "{message}");
            }
        }
        for route in ROUTES {
            let (request, _) = messages(route.method);
            for step in route.path.split('/').filter_map(|step| step.strip_prefix('{')) {
                let field = step.trim_end_matches(['}', '*', '=']);
                let field = field.split('.').next().unwrap();
                assert!(
                    fields(request).iter().any(|known| known.name == field),
                    "{}",
                    route.path
                );
            }
        }
    }
}
