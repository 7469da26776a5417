//! What the author of the annotations may have meant.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use super::near::{self, Meant};
use super::resolve::has_expression;
use super::{Resolution, SourceMatch, values};
use crate::annotation::{Key, PREFIX, Purpose};
use crate::application::{Application, Source, SourceType};

/// Advice that saves a person time. Nothing depends on it.
///
/// The codes are stable. `Display` gives the sentence, serde an object with `code` and the values.
///
/// Rule: ours. Each follows from how keys and values are read, see [`Purpose`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Hint<'a> {
    /// The only source has a name, and these keys are without it.
    NamedSourceNeedsSuffix {
        /// The source's name.
        name: &'a str,
        /// The keys that are not read.
        keys: Vec<Key<'a>>,
    },
    /// The only source has no name, and these keys have one.
    UnnamedSourceHasSuffix {
        /// The keys that are not read.
        keys: Vec<Key<'a>>,
    },
    /// A key ends in a name that no source has.
    UnknownSource {
        /// The key that is not read.
        key: Key<'a>,
        /// A source's name that differs from it only by case or surrounding whitespace.
        nearest: Option<&'a str>,
    },
    /// A key looks like one that Octopus reads, but is not.
    MisspeltKey {
        /// The key as written.
        key: &'a str,
        /// The key that was probably meant.
        meant: Key<'a>,
    },
    /// A key under the prefix that Octopus does not know.
    UnknownKey {
        /// The key as written.
        key: &'a str,
    },
    /// A key that Octopus reads on the cluster's secret, and not on applications.
    BelongsOnCluster {
        /// The key as written.
        key: &'a str,
    },
    /// A key of old documentation, which has no effect.
    AliasWithoutEffect {
        /// The key as written.
        key: &'a str,
    },
    /// Image paths belong to the Helm source that uses the values file, not to the ref source that holds it.
    ImagePathsOnRefSource {
        /// The key that is not read.
        key: Key<'a>,
    },
    /// The application has several sources, and this key, without a source's name, applies to none of them.
    UnqualifiedKey {
        /// The key that is not read.
        key: Key<'a>,
    },
    /// A ref source is in scope, but a Helm source that uses it does not say where its images are.
    HelmSourceLacksImagePaths {
        /// The index of the ref source.
        ref_source: usize,
        /// The index of the Helm source.
        helm_source: usize,
        /// The Helm source's name; without one it cannot be annotated.
        name: Option<&'a str>,
    },
    /// A Helm source is in scope, but the ref source that holds some of its values files is not.
    RefSourceOutOfScope {
        /// The index of the Helm source.
        helm_source: usize,
        /// The index of the ref source.
        ref_source: usize,
        /// The ref source's name; without one it cannot be annotated.
        name: Option<&'a str>,
    },
    /// Both `source` and `sources` are filled; `source` is ignored.
    BothSourceFields,
    /// A source's name cannot be part of an annotation key in Kubernetes.
    NameUnfitForKey {
        /// The name.
        name: &'a str,
    },
    /// A value looks like a list or a pattern, but is compared as one slug.
    NotOneSlug {
        /// The key.
        key: Key<'a>,
        /// The value.
        value: &'a str,
    },
    /// A value has a space in it; slugs have none, so it is probably a display name.
    DisplayName {
        /// The key.
        key: Key<'a>,
        /// The value.
        value: &'a str,
    },
    /// A value is a template expression, but this is no `ApplicationSet`.
    UnrenderedTemplate {
        /// The key.
        key: Key<'a>,
        /// The value.
        value: &'a str,
    },
}

impl Hint<'_> {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NamedSourceNeedsSuffix { .. } => "named-source-needs-suffix",
            Self::UnnamedSourceHasSuffix { .. } => "unnamed-source-has-suffix",
            Self::UnknownSource { .. } => "unknown-source",
            Self::MisspeltKey { .. } => "misspelt-key",
            Self::UnknownKey { .. } => "unknown-key",
            Self::BelongsOnCluster { .. } => "belongs-on-cluster",
            Self::AliasWithoutEffect { .. } => "alias-without-effect",
            Self::ImagePathsOnRefSource { .. } => "image-paths-on-ref-source",
            Self::UnqualifiedKey { .. } => "unqualified-key",
            Self::HelmSourceLacksImagePaths { .. } => "helm-source-lacks-image-paths",
            Self::RefSourceOutOfScope { .. } => "ref-source-out-of-scope",
            Self::BothSourceFields => "both-source-fields",
            Self::NameUnfitForKey { .. } => "name-unfit-for-key",
            Self::NotOneSlug { .. } => "not-one-slug",
            Self::DisplayName { .. } => "display-name",
            Self::UnrenderedTemplate { .. } => "unrendered-template",
        }
    }
}

struct Keys<'a>(&'a [Key<'a>]);

impl fmt::Display for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.0.iter().enumerate() {
            write!(f, "{}`{key}`", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Hint<'_> {
    #[expect(clippy::too_many_lines, reason = "one sentence per variant, side by side")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamedSourceNeedsSuffix { name, keys } => {
                write!(
                    f,
                    "the source is named `{name}`: append `.{name}` to {}, or remove the name",
                    Keys(keys)
                )
            }
            Self::UnnamedSourceHasSuffix { keys } => {
                write!(
                    f,
                    "the source has no name: name it, or drop the suffix of {}",
                    Keys(keys)
                )
            }
            Self::UnknownSource {
                key,
                nearest: Some(nearest),
            } => {
                write!(
                    f,
                    "`{key}` is not read: the source is called `{nearest}`, and names are compared exactly"
                )
            }
            Self::UnknownSource { key, nearest: None } => {
                write!(
                    f,
                    "`{key}` is not read: no source is called `{}`",
                    key.source().unwrap_or_default()
                )
            }
            Self::MisspeltKey { key, meant } => write!(f, "`{key}` is not read: did you mean `{meant}`?"),
            Self::UnknownKey { key } => write!(f, "`{key}` is not a key that Octopus reads"),
            Self::BelongsOnCluster { key } => {
                write!(f, "`{key}` is read on the cluster's secret, not on applications")
            }
            Self::AliasWithoutEffect { key } => {
                write!(
                    f,
                    "`{key}` has no effect: image paths go by the name of the Helm source"
                )
            }
            Self::ImagePathsOnRefSource { key } => {
                write!(
                    f,
                    "`{key}` has no effect: put it on the name of the Helm source that uses the files"
                )
            }
            Self::UnqualifiedKey { key } => {
                write!(
                    f,
                    "`{key}` has no effect with several sources: append `.<source name>`"
                )
            }
            Self::HelmSourceLacksImagePaths {
                ref_source,
                helm_source,
                name,
            } => {
                write!(
                    f,
                    "source {ref_source} is in scope, but Helm source {helm_source} that uses its files "
                )?;
                match name {
                    Some(name) => write!(f, "has no `{}`", Purpose::ImageReplacePaths.key(Some(name))),
                    None => f.write_str("has no name, so it cannot say where its images are"),
                }
            }
            Self::RefSourceOutOfScope {
                helm_source,
                ref_source,
                name,
            } => {
                write!(
                    f,
                    "Helm source {helm_source} is in scope, but source {ref_source} with some of its values files \
                     is not: "
                )?;
                match name {
                    Some(name) => write!(f, "annotate `{name}` as well to have them updated"),
                    None => f.write_str("name and annotate it as well to have them updated"),
                }
            }
            Self::BothSourceFields => {
                f.write_str("`spec.source` is ignored, because `spec.sources` is filled")
            }
            Self::NameUnfitForKey { name } => {
                write!(
                    f,
                    "the source name `{name}` cannot end an annotation key in Kubernetes: rename the source"
                )
            }
            Self::NotOneSlug { key, value } => {
                write!(
                    f,
                    "`{key}` is one slug, without lists or wildcards, and `{value}` is none"
                )
            }
            Self::DisplayName { key, value } => {
                write!(f, "`{key}` takes a slug, and `{value}` looks like a display name")
            }
            Self::UnrenderedTemplate { key, value } => {
                write!(
                    f,
                    "`{key}` is `{value}`: nobody renders templates in an Application"
                )
            }
        }
    }
}

/// The most hints that one application gets: nobody reads more, and a hostile manifest must not multiply them.
const MOST: usize = 100;

/// Every hint for a resolution, those about the annotations first, [`MOST`] of them.
pub(super) fn all<'a>(resolution: &Resolution<'a>) -> Vec<Hint<'a>> {
    let application = resolution.application();
    let mut hints = Vec::new();
    if application.sources.shadows_single() {
        hints.push(Hint::BothSourceFields);
    }
    about_keys(application, &mut hints);
    about_values(application, resolution.is_template(), &mut hints);
    about_names(application, resolution.is_template(), &mut hints);
    let in_scope = |index: usize| resolution.sources().get(index).is_some_and(SourceMatch::in_scope);
    about_refs(application, in_scope, &mut hints);
    hints.truncate(MOST);
    hints
}

/// Every hint that does not depend on a deployment. A source that declares a project and an environment counts as in
/// scope, because some deployment touches it.
pub(super) fn without_scope(application: &Application, template: bool) -> Vec<Hint<'_>> {
    let mut hints = Vec::new();
    if application.sources.shadows_single() {
        hints.push(Hint::BothSourceFields);
    }
    about_keys(application, &mut hints);
    about_values(application, template, &mut hints);
    about_names(application, template, &mut hints);
    let in_scope = |index: usize| {
        let declared = application.declared(index);
        declared.project.is_some() && declared.environment.is_some()
    };
    about_refs(application, in_scope, &mut hints);
    hints.truncate(MOST);
    hints
}

fn about_keys<'a>(application: &'a Application, hints: &mut Vec<Hint<'a>>) {
    let sources = &application.sources;
    let names: HashSet<&str> = sources.iter().filter_map(Source::name).collect();
    let folded: HashMap<String, &str> = sources
        .iter()
        .filter_map(Source::name)
        .map(|name| (name.to_ascii_lowercase(), name))
        .collect();
    let ref_names: HashSet<&str> = sources
        .iter()
        .enumerate()
        // A ref source that is a chart as well, with values files of its own, does use them.
        .filter(|(index, source)| {
            source.reference.is_some()
                && !(application.source_type(*index) == Some(&SourceType::Helm)
                    && values::references(source).next().is_some())
        })
        .filter_map(|(_, source)| source.name())
        .collect();
    let only = match &**sources {
        [only] => Some(only.name()),
        _ => None,
    };
    let mut unread = Vec::new();
    for (text, _) in application.annotations.iter() {
        let Some(key) = Key::parse(text) else {
            hints.extend(about_foreign_key(text));
            continue;
        };
        match (key.source(), only) {
            (None, Some(Some(_))) | (Some(_), Some(None)) => unread.push(key),
            (None, None) if sources.is_multi() && !Purpose::SCOPE.contains(&key.purpose()) => {
                hints.push(Hint::UnqualifiedKey { key });
            }
            (Some(source), _) if !names.contains(source) => {
                let nearest = folded.get(&source.trim().to_ascii_lowercase()).copied();
                hints.push(Hint::UnknownSource { key, nearest });
            }
            (Some(source), _)
                if key.purpose() == Purpose::ImageReplacePaths && ref_names.contains(source) =>
            {
                hints.push(Hint::ImagePathsOnRefSource { key });
            }
            _ => {}
        }
    }
    match only {
        Some(Some(name)) if !unread.is_empty() => {
            hints.push(Hint::NamedSourceNeedsSuffix { name, keys: unread });
        }
        Some(None) if !unread.is_empty() => hints.push(Hint::UnnamedSourceHasSuffix { keys: unread }),
        _ => {}
    }
}

fn about_foreign_key(key: &str) -> Option<Hint<'_>> {
    if near::is_alias(key) {
        Some(Hint::AliasWithoutEffect { key })
    } else if near::belongs_on_cluster(key) {
        Some(Hint::BelongsOnCluster { key })
    } else if let Some(Meant { purpose, source }) = near::meant(key) {
        Some(Hint::MisspeltKey {
            key,
            meant: purpose.key(source),
        })
    } else {
        key.starts_with(PREFIX).then_some(Hint::UnknownKey { key })
    }
}

fn about_values<'a>(application: &'a Application, template: bool, hints: &mut Vec<Hint<'a>>) {
    for (key, value) in application.annotations.parsed() {
        if !Purpose::SCOPE.contains(&key.purpose()) {
            continue;
        }
        let value = value.trim();
        if has_expression(value) {
            if !template {
                hints.push(Hint::UnrenderedTemplate { key, value });
            }
        } else if value.contains([',', ';', '*', '|']) {
            hints.push(Hint::NotOneSlug { key, value });
        } else if value.contains(char::is_whitespace) {
            hints.push(Hint::DisplayName { key, value });
        }
    }
}

fn about_names<'a>(application: &'a Application, template: bool, hints: &mut Vec<Hint<'a>>) {
    let longest = |index: usize| match application.source_type(index) {
        Some(SourceType::Helm) => Purpose::ImageReplacePaths,
        _ => Purpose::Environment,
    };
    let unfit = application
        .sources
        .iter()
        .enumerate()
        .filter_map(|(index, source)| Some((longest(index), source.name()?)))
        .filter(|(longest, name)| !(fits_in_key(*longest, name) || template && has_expression(name)))
        .map(|(_, name)| name);
    let mut seen = HashSet::new();
    hints.extend(
        unfit
            .filter(|name| seen.insert(*name))
            .map(|name| Hint::NameUnfitForKey { name }),
    );
}

/// Whether Kubernetes accepts the key for `purpose`, the longest that a source needs, after the slash.
///
/// Rule: Kubernetes, "Labels and annotations": at most 63 characters, letters, digits, `-`, `_` and `.`, and a letter
/// or digit at either end.
fn fits_in_key(purpose: Purpose, name: &str) -> bool {
    const LONGEST: usize = 63;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    purpose.as_str().len() + ".".len() + name.len() <= LONGEST
        && name.bytes().all(allowed)
        && name
            .bytes()
            .next_back()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// Pairs of a Helm source and the ref source it takes values files from, of which one half is missing.
fn about_refs<'a>(application: &'a Application, in_scope: impl Fn(usize) -> bool, hints: &mut Vec<Hint<'a>>) {
    /// The Helm sources that use ref sources of one name. Only those with something to say are kept, so that going
    /// through them ends at [`MOST`] and not at the square of the sources.
    #[derive(Default)]
    struct Users<'a> {
        without_paths: Vec<(usize, Option<&'a str>)>,
        in_scope: Vec<usize>,
        last: Option<usize>,
    }

    let mut users: HashMap<&str, Users<'a>> = HashMap::new();
    for (index, helm) in application.sources.iter().enumerate() {
        if application.source_type(index) != Some(&SourceType::Helm) {
            continue;
        }
        let has_paths = values::annotation(application, helm).is_some();
        for (reference, _) in values::references(helm) {
            let users = users.entry(reference).or_default();
            if users.last.replace(index) == Some(index) {
                continue;
            }
            if !has_paths {
                users.without_paths.push((index, helm.name()));
            }
            if in_scope(index) {
                users.in_scope.push(index);
            }
        }
    }
    for (ref_source, source) in application.sources.iter().enumerate() {
        if hints.len() >= MOST {
            return;
        }
        let reference = source.reference.as_deref();
        let Some(users) = reference.and_then(|reference| users.get(reference)) else {
            continue;
        };
        if in_scope(ref_source) {
            let lacking = users.without_paths.iter().take(MOST);
            hints.extend(
                lacking.map(|&(helm_source, name)| Hint::HelmSourceLacksImagePaths {
                    ref_source,
                    helm_source,
                    name,
                }),
            );
        } else {
            let in_scope = users.in_scope.iter().take(MOST);
            hints.extend(in_scope.map(|&helm_source| Hint::RefSourceOutOfScope {
                helm_source,
                ref_source,
                name: source.name(),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Application, Scope};

    fn codes(json: &str) -> Vec<&'static str> {
        let application = Application::from_json(json.as_bytes()).unwrap();
        let scope = Scope::from_texts("p", "e", None).unwrap();
        application
            .resolve(&scope)
            .hints()
            .iter()
            .map(super::Hint::code)
            .collect()
    }

    fn with(annotations: &str, spec: &str) -> Vec<&'static str> {
        codes(&format!(
            r#"{{"metadata":{{"annotations":{{{annotations}}}}},"spec":{{{spec}}}}}"#
        ))
    }

    const UNNAMED: &str = r#""source":{"repoURL":"u"}"#;
    const NAMED: &str = r#""source":{"repoURL":"u","name":"web"}"#;
    const TWO: &str = r#""sources":[{"repoURL":"u","name":"web"},{"repoURL":"u","name":"db","ref":"vals"}]"#;

    #[test]
    fn each_mistake_gets_its_hint() {
        for (annotations, spec, expected) in [
            (r#""argo.octopus.com/project":"p""#, UNNAMED, vec![]),
            (
                r#""argo.octopus.com/project":"p""#,
                NAMED,
                vec!["named-source-needs-suffix"],
            ),
            (
                r#""argo.octopus.com/project.web":"p""#,
                UNNAMED,
                vec!["unnamed-source-has-suffix"],
            ),
            (
                r#""argo.octopus.com/project.Web":"p""#,
                TWO,
                vec!["unknown-source"],
            ),
            (
                r#""argo.octopus.com/project.api":"p""#,
                NAMED,
                vec!["unknown-source"],
            ),
            (r#""argo.octopus.environment":"e""#, UNNAMED, vec!["misspelt-key"]),
            (r#""argo.octopus.com/Project":"e""#, UNNAMED, vec!["misspelt-key"]),
            (r#""argo.octopus.com/space":"s""#, UNNAMED, vec!["unknown-key"]),
            (
                r#""argo.octopus.com/default-container-registry":"s""#,
                UNNAMED,
                vec!["belongs-on-cluster"],
            ),
            (
                r#""argo.octopus.com/image-replace-alias.x":"s""#,
                UNNAMED,
                vec!["alias-without-effect"],
            ),
            (
                r#""argo.octopus.com/image-replace-paths.db":"s""#,
                TWO,
                vec!["image-paths-on-ref-source"],
            ),
            (r#""argo.octopus.com/path":"s""#, TWO, vec!["unqualified-key"]),
            (
                r#""argo.octopus.com/environment":"dev, test""#,
                UNNAMED,
                vec!["not-one-slug"],
            ),
            (
                r#""argo.octopus.com/environment":"Staging EU""#,
                UNNAMED,
                vec!["display-name"],
            ),
            (
                r#""argo.octopus.com/environment":"{{env}}""#,
                UNNAMED,
                vec!["unrendered-template"],
            ),
            (
                "",
                r#""source":{"repoURL":"u","name":"a b"}"#,
                vec!["name-unfit-for-key"],
            ),
            (
                "",
                r#""source":{"repoURL":"u"},"sources":[{"repoURL":"v"}]"#,
                vec!["both-source-fields"],
            ),
        ] {
            assert_eq!(with(annotations, spec), expected, "{annotations} {spec}");
        }
    }

    #[test]
    fn a_chart_needs_room_for_a_longer_key() {
        let unfit = |length: usize, kind: &str| {
            let name = "n".repeat(length);
            let json = format!(
                r#"{{"spec":{{"source":{{"repoURL":"u","name":"{name}"}}}},"status":{{"sourceType":"{kind}"}}}}"#
            );
            codes(&json) == ["name-unfit-for-key"]
        };
        assert!(!unfit(51, "Directory") && unfit(52, "Directory"));
        assert!(!unfit(43, "Helm") && unfit(44, "Helm"));
    }

    #[test]
    fn image_paths_on_a_ref_source_that_is_a_chart_have_effect() {
        let application = |kind: &str| {
            codes(&format!(
                r#"{{"metadata":{{"annotations":{{"argo.octopus.com/image-replace-paths.a":"x"}}}},
                    "spec":{{"sources":[{{"repoURL":"u","name":"a","ref":"a","helm":{{"valueFiles":["$b/v"]}}}},
                        {{"repoURL":"u","name":"b","ref":"b"}}]}},
                    "status":{{"sourceTypes":["{kind}",""]}}}}"#
            ))
        };
        assert_eq!(application("Helm"), [""; 0]);
        assert_eq!(application(""), ["image-paths-on-ref-source"]);
    }

    #[test]
    fn ref_and_helm_sources_are_seen_together() {
        let application = |annotations: &str| {
            codes(&format!(
                r#"{{"metadata":{{"annotations":{{{annotations}}}}},
                    "spec":{{"sources":[
                        {{"repoURL":"u","name":"chart","helm":{{"valueFiles":["$vals/a.yaml"]}}}},
                        {{"repoURL":"v","name":"values","ref":"vals"}},
                        {{"repoURL":"v","name":"other","ref":"val"}}]}},
                    "status":{{"sourceTypes":["Helm","",""]}}}}"#
            ))
        };
        let scoped = |name: &str| {
            format!(r#""argo.octopus.com/project.{name}":"p","argo.octopus.com/environment.{name}":"e""#)
        };
        assert_eq!(application(&scoped("values")), ["helm-source-lacks-image-paths"]);
        assert_eq!(application(&scoped("chart")), ["ref-source-out-of-scope"]);
        assert!(application(&scoped("other")).is_empty());
        let paths = r#""argo.octopus.com/image-replace-paths.chart":"{{ .Values.image }}""#;
        assert!(application(&format!("{},{paths}", scoped("values"))).is_empty());
    }
}
