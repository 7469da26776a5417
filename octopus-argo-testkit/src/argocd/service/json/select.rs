//! The parameter `fields`, which only the JSON API has: what of an answer is wanted.

use serde_json::Value;

use super::read::pairs;
use crate::argocd::Method;

/// What is wanted, as paths with dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    Everything,
    Only(Vec<String>),
    But(Vec<String>),
}

impl Selection {
    /// From the query: a list with commas, which excludes where it begins with `-`. Other calls than List, `ManagedResources`
    /// and the streams do not look at it.
    ///
    /// Rule: Argo CD `pkg/apiclient/application/forwarder_overwrite.go`.
    pub(super) fn of(method: Method, query: &str) -> Self {
        let heeded = matches!(
            method,
            Method::List
                | Method::ManagedResources
                | Method::Watch
                | Method::WatchResourceTree
                | Method::PodLogs
        );
        let given = pairs(query).find(|(name, value)| name == "fields" && !value.is_empty());
        match given.filter(|_| heeded) {
            None => Self::Everything,
            Some((_, list)) => match list.strip_prefix('-') {
                Some(list) => Self::But(paths(list)),
                None => Self::Only(paths(&list)),
            },
        }
    }

    pub(super) fn apply(&self, json: Value) -> Value {
        match self {
            Self::Everything => json,
            Self::Only(paths) => select(json, "", &|path| reach(paths, path)),
            Self::But(paths) => select(json, "", &|path| {
                if paths.iter().any(|excluded| excluded == path) {
                    Reach::Out
                } else {
                    Reach::Within
                }
            }),
        }
    }
}

fn paths(list: &str) -> Vec<String> {
    list.split(',').map(|path| path.trim().to_owned()).collect()
}

enum Reach {
    /// With everything in it.
    Whole,
    /// Something in it may be wanted.
    Within,
    Out,
}

fn reach(paths: &[String], path: &str) -> Reach {
    if paths.iter().any(|wanted| wanted == path) {
        return Reach::Whole;
    }
    let above = |wanted: &String| {
        wanted
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    if paths.iter().any(above) {
        Reach::Within
    } else {
        Reach::Out
    }
}

/// Lists are looked through: a path does not count their items.
fn select(json: Value, at: &str, reach: &dyn Fn(&str) -> Reach) -> Value {
    match json {
        Value::Object(object) => object
            .into_iter()
            .filter_map(|(key, value)| {
                let path = if at.is_empty() {
                    key.clone()
                } else {
                    format!("{at}.{key}")
                };
                match reach(&path) {
                    Reach::Whole => Some((key, value)),
                    Reach::Within => Some((key, select(value, &path, reach))),
                    Reach::Out => None,
                }
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(|item| select(item, at, reach)).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wanted_stays() {
        let list = json!({"metadata": {"resourceVersion": "7"}, "items": [
            {"metadata": {"name": "web", "uid": "1"}, "status": {"health": {"status": "Healthy"}, "sync": {}}},
        ]});
        let of = |query: &str| Selection::of(Method::List, query).apply(list.clone());
        assert_eq!(of("name=x"), list);
        assert_eq!(
            of("fields=items.metadata.name,items.status.health"),
            json!({"items": [{"metadata": {"name": "web"}, "status": {"health": {"status": "Healthy"}}}]})
        );
        assert_eq!(
            of("fields=-items.status,items.metadata.uid"),
            json!({"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "web"}}]})
        );
        assert_eq!(
            Selection::of(Method::Get, "fields=metadata"),
            Selection::Everything
        );
    }
}
