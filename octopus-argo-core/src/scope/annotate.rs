//! The annotations that put a source into a scope: the counterpart of the "generate annotations" form.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Scope;
use crate::annotation::Purpose;
use crate::application::{Application, Source};
use crate::scalar::scalar;

/// The annotations that put one source of an application into a scope.
///
/// ```
/// use octopus_argo_core::scope::annotations_for;
/// use octopus_argo_core::{Scope, SourceName};
///
/// let scope = Scope::new("shop".parse()?, "staging".parse()?);
/// let web = SourceName::new("web");
/// let annotations = annotations_for(&scope, web.as_ref().map(SourceName::as_str));
/// assert_eq!(annotations.to_yaml(), "argo.octopus.com/project.web: shop\nargo.octopus.com/environment.web: staging\n");
/// # Ok::<(), octopus_argo_core::SlugError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeAnnotations {
    /// Key and value; `None` for a key that must not be there.
    pairs: Vec<(String, Option<String>)>,
}

/// The annotations that put the source called `source`, or the only unnamed one, into `scope`.
#[must_use]
pub fn annotations_for(scope: &Scope, source: Option<&str>) -> ScopeAnnotations {
    let pair =
        |purpose: Purpose, value: Option<&str>| (purpose.key(source).to_string(), value.map(str::to_owned));
    ScopeAnnotations {
        pairs: vec![
            pair(Purpose::Project, Some(scope.project().as_str())),
            pair(Purpose::Environment, Some(scope.environment().as_str())),
            pair(Purpose::Tenant, scope.tenant().map(AsRef::as_ref)),
        ],
    }
}

impl Application {
    /// The annotations that put the source at `index` into `scope`; `None` where there is no such source, or where it
    /// is one of several and has no name to carry them.
    #[must_use]
    pub fn annotations_for(&self, scope: &Scope, index: usize) -> Option<ScopeAnnotations> {
        let name = self.sources.get(index).map(Source::name)?;
        (name.is_some() || !self.sources.is_multi()).then(|| annotations_for(scope, name))
    }
}

impl ScopeAnnotations {
    /// The keys and values to set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_deref()?)))
    }

    /// Lines to paste below `metadata.annotations`, without indentation.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut yaml = String::new();
        for (key, value) in self.iter() {
            // Writing to a `String` cannot fail.
            let _ = writeln!(yaml, "{}: {}", scalar(key), scalar(value));
        }
        yaml
    }

    /// A JSON merge patch for the application (RFC 7386), as `kubectl patch --type merge` takes it. Without a tenant it
    /// removes the annotation for one, because the source would not be in scope with it.
    #[must_use]
    pub fn to_merge_patch(&self) -> Value {
        let annotations: Map<String, Value> = self
            .pairs
            .iter()
            .map(|(key, value)| (key.clone(), value.clone().map_or(Value::Null, Value::String)))
            .collect();
        serde_json::json!({"metadata": {"annotations": annotations}})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// An RFC 7386 patch on an object.
    fn apply(target: &mut Value, patch: &Value) {
        let Value::Object(patch) = patch else {
            *target = patch.clone();
            return;
        };
        if !target.is_object() {
            *target = json!({});
        }
        for (key, value) in patch {
            match value {
                Value::Null => drop(target.as_object_mut().unwrap().remove(key)),
                value => apply(&mut target[key], value),
            }
        }
    }

    const SLUG: &str = "(?s).{0,3}[^\\s\\p{White_Space}](?s).{0,3}";

    proptest! {
        /// Whatever the texts: read back, they put that source in scope, those of its name, and no other.
        #[test]
        fn what_is_generated_puts_exactly_its_source_in_scope(
            project in SLUG,
            environment in SLUG,
            tenant in proptest::option::of(SLUG),
            names in proptest::collection::vec(proptest::option::of("(?s)[ab\\s]{0,2}|.{0,6}"), 1..4),
            stale: bool,
            index: prop::sample::Index,
        ) {
            let scope = Scope::from_texts(&project, &environment, tenant.as_deref()).unwrap();
            let sources: Vec<_> = names.iter().map(|name| json!({"repoURL": "u", "name": name})).collect();
            let mut object = json!({"spec": {"sources": sources}});
            let index = index.index(names.len());
            let read = |object: &Value| Application::from_json(object.to_string().as_bytes()).unwrap();
            let application = read(&object);
            let name = application.sources[index].name();
            let Some(annotations) = application.annotations_for(&scope, index) else {
                prop_assert!(names.len() > 1 && name.is_none());
                return Ok(());
            };
            if stale {
                let old = Scope::from_texts("old", "old", Some("old")).unwrap();
                let patch = annotations_for(&old, name).to_merge_patch();
                apply(&mut object, &patch);
            }
            apply(&mut object, &annotations.to_merge_patch());
            let patched = read(&object);
            for source in patched.resolve(&scope).sources() {
                prop_assert_eq!(source.in_scope(), source.source().name() == name);
            }
            prop_assert_eq!(&patched.annotations, &annotations.iter().collect());
            #[cfg(feature = "yaml")]
            {
                let yaml: String = annotations.to_yaml().lines().flat_map(|line| ["    ", line, "\n"]).collect();
                let yaml = format!("metadata:\n  annotations:\n{yaml}spec: {{source: {{repoURL: u}}}}\n");
                let pasted = Application::from_yaml(&yaml).unwrap();
                prop_assert_eq!(pasted.annotations, patched.annotations, "{}", yaml);
            }
        }
    }

    #[test]
    fn what_is_generated_matches() {
        for (spec, index) in [
            (r#""source":{"repoURL":"u"}"#, 0),
            (
                r#""sources":[{"repoURL":"u","name":"a"},{"repoURL":"u","name":"b c"}]"#,
                1,
            ),
        ] {
            for tenant in [None, Some("true")] {
                let scope = Scope::from_texts("1.0", "ütest", tenant).unwrap();
                let json = format!(r#"{{"spec":{{{spec}}}}}"#);
                let mut application = Application::from_json(json.as_bytes()).unwrap();
                let annotations = application.annotations_for(&scope, index).unwrap();
                application.annotations = annotations.iter().collect();
                let resolution = application.resolve(&scope);
                assert!(resolution.sources()[index].in_scope(), "{json}");
                #[cfg(feature = "yaml")]
                {
                    let lines = annotations
                        .to_yaml()
                        .replace("argo.", "    argo.")
                        .replace("\"    argo.", "    \"argo.");
                    let yaml = format!("metadata:\n  annotations:\n{lines}spec: {{{spec}}}\n");
                    let read = Application::from_yaml(&yaml).unwrap();
                    assert_eq!(read.annotations, application.annotations, "{yaml}");
                }
                let patch = annotations.to_merge_patch();
                assert_eq!(patch["metadata"]["annotations"].as_object().unwrap().len(), 3);
            }
        }
    }

    #[test]
    fn an_unnamed_source_of_several_cannot_be_annotated() {
        let json = br#"{"spec":{"sources":[{"repoURL":"u"},{"repoURL":"u","name":"b"}]}}"#;
        let application = Application::from_json(json).unwrap();
        let scope = Scope::from_texts("p", "e", None).unwrap();
        assert_eq!(application.annotations_for(&scope, 0), None);
        assert_eq!(application.annotations_for(&scope, 2), None);
        assert!(application.annotations_for(&scope, 1).is_some());
    }
}
