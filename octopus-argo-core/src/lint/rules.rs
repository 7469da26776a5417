//! The rules: what is an issue, where it points, and what mends it.

use std::collections::HashSet;

use super::Issue;
use super::path::FieldPath;
use crate::annotation::{Key, Purpose};
use crate::application::{Application, Source};
use crate::scope::{Concern, Finding, Hint, Severity, lint_parts};

/// A rule, for lists of them such as a SARIF log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The stable code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it says, in general.
    pub summary: &'static str,
}

/// Every rule, by code.
pub const RULES: &[Rule] = &[
    rule(
        "alias-without-effect",
        Severity::Warning,
        "A key of old documentation has no effect",
    ),
    rule(
        "belongs-on-cluster",
        Severity::Warning,
        "A key is read on clusters, not on applications",
    ),
    rule(
        "both-source-fields",
        Severity::Warning,
        "`spec.source` is ignored beside `spec.sources`",
    ),
    rule("display-name", Severity::Warning, "A slug has a space in it"),
    rule(
        "duplicate-source-name",
        Severity::Error,
        "Several sources have the same name",
    ),
    rule(
        "helm-source-lacks-image-paths",
        Severity::Warning,
        "A Helm source does not say where its images are",
    ),
    rule(
        "hydrated-application",
        Severity::Warning,
        "A source hydrator makes Argo CD ignore the sources",
    ),
    rule(
        "image-paths-on-ref-source",
        Severity::Warning,
        "Image paths belong to the Helm source",
    ),
    rule(
        "incomplete-scope",
        Severity::Warning,
        "A source declares a project without an environment, or the reverse",
    ),
    rule(
        "misspelt-key",
        Severity::Warning,
        "A key looks like one that is read, but is not",
    ),
    rule(
        "name-unfit-for-key",
        Severity::Note,
        "A source's name cannot be part of an annotation key",
    ),
    rule(
        "named-source-needs-suffix",
        Severity::Warning,
        "The keys of a named source end in its name",
    ),
    rule(
        "not-a-branch",
        Severity::Warning,
        "Commits can only be added to branches",
    ),
    rule(
        "not-a-git-source",
        Severity::Warning,
        "Only Git repositories can be updated",
    ),
    rule(
        "not-one-slug",
        Severity::Warning,
        "A value looks like a list or a pattern, but is one slug",
    ),
    rule(
        "ref-source-out-of-scope",
        Severity::Note,
        "A ref source with values files is not annotated",
    ),
    rule(
        "unknown-key",
        Severity::Warning,
        "A key under the prefix is not known",
    ),
    rule(
        "unknown-source",
        Severity::Warning,
        "A key ends in a name that no source has",
    ),
    rule(
        "unnamed-source-has-suffix",
        Severity::Warning,
        "The keys of an unnamed source have no suffix",
    ),
    rule(
        "unqualified-annotations",
        Severity::Warning,
        "With several sources, keys need a source's name",
    ),
    rule(
        "unqualified-key",
        Severity::Warning,
        "With several sources, keys need a source's name",
    ),
    rule(
        "unrendered-template",
        Severity::Warning,
        "Nobody renders templates in an Application",
    ),
];

const fn rule(code: &'static str, severity: Severity, summary: &'static str) -> Rule {
    Rule {
        code,
        severity,
        summary,
    }
}

fn severity(code: &str) -> Severity {
    let rule = RULES.iter().find(|rule| rule.code == code);
    rule.map_or(Severity::Warning, |rule| rule.severity)
}

/// Everything about one application. `template` is the way to it, where it is the template of a set.
pub(super) fn of_application(application: &Application, template: Option<&[&str]>) -> Vec<Issue> {
    let mut issues = Issues {
        application,
        prefix: template.unwrap_or_default(),
        list: Vec::new(),
    };
    let (findings, hints) = lint_parts(application, template.is_some());
    for finding in &findings {
        issues.finding(finding);
    }
    for hint in &hints {
        issues.hint(hint);
    }
    issues.sources();
    issues.list
}

/// The most issues of one application: nobody reads more.
const MOST: usize = 200;

struct Issues<'a> {
    application: &'a Application,
    prefix: &'a [&'a str],
    list: Vec<Issue>,
}

impl<'a> Issues<'a> {
    fn push(&mut self, code: &'static str, message: String, path: FieldPath, mend: Option<String>) {
        if self.list.len() < MOST {
            self.list.push(Issue {
                code,
                severity: severity(code),
                message,
                path,
                mend,
                line: None,
                column: None,
            });
        }
    }

    fn top(&self) -> FieldPath {
        self.prefix
            .iter()
            .fold(FieldPath::default(), |path, key| path.key(key))
    }

    fn annotation(&self, key: &str) -> FieldPath {
        self.top().key("metadata").key("annotations").key(key)
    }

    fn source(&self, index: usize) -> FieldPath {
        let spec = self.top().key("spec");
        if self.application.sources.in_list() {
            spec.key("sources").index(index)
        } else {
            spec.key("source")
        }
    }

    fn finding(&mut self, finding: &Finding<'a>) {
        let (code, message) = (finding.code(), finding.to_string());
        match finding {
            Finding::DuplicateSourceName { name, .. } => {
                let mut same = self
                    .application
                    .sources
                    .iter()
                    .enumerate()
                    .filter(|(_, source)| source.name() == Some(name));
                let second = same.nth(1).map_or(0, |(index, _)| index);
                let path = self.source(second).key("name");
                self.push(
                    code,
                    message,
                    path,
                    Some("give every source a name of its own".to_owned()),
                );
            }
            Finding::UnqualifiedAnnotations { keys } => {
                for key in keys {
                    let path = self.annotation(&key.to_string());
                    let mend = format!("append `.<source name>` to `{key}`");
                    self.push(code, message.clone(), path, Some(mend));
                }
            }
            Finding::HydratedApplication => {
                let path = self.top().key("spec").key("sourceHydrator");
                self.push(code, message, path, None);
            }
            Finding::SourceTypeCountMismatch { .. } | Finding::MultipleSourcesSameContent { .. } => {}
        }
    }

    fn hint(&mut self, hint: &Hint<'a>) {
        let (code, message) = (hint.code(), hint.to_string());
        let rename = |to: Key<'_>| Some(format!("rename the key to `{to}`"));
        let remove = || Some("remove the annotation".to_owned());
        let (path, mend) = match hint {
            Hint::NamedSourceNeedsSuffix { name, keys } => {
                for key in keys {
                    let path = self.annotation(&key.to_string());
                    self.push(code, message.clone(), path, rename(key.purpose().key(Some(name))));
                }
                return;
            }
            Hint::UnnamedSourceHasSuffix { keys } => {
                for key in keys {
                    let path = self.annotation(&key.to_string());
                    self.push(code, message.clone(), path, rename(key.purpose().key(None)));
                }
                return;
            }
            Hint::UnknownSource { key, nearest } => {
                let mend = nearest.and_then(|nearest| rename(key.purpose().key(Some(nearest))));
                (self.annotation(&key.to_string()), mend)
            }
            Hint::MisspeltKey { key, meant } => (self.annotation(key), rename(*meant)),
            Hint::UnknownKey { key } => (self.annotation(key), None),
            Hint::BelongsOnCluster { key } => (
                self.annotation(key),
                Some("move the annotation to the cluster's secret".to_owned()),
            ),
            Hint::AliasWithoutEffect { key } => (self.annotation(key), remove()),
            Hint::UnqualifiedKey { key } => {
                let mend = format!("append `.<source name>` to `{key}`");
                (self.annotation(&key.to_string()), Some(mend))
            }
            Hint::HelmSourceLacksImagePaths {
                helm_source, name, ..
            } => {
                let key = name.map(|name| Purpose::ImageReplacePaths.key(Some(name)));
                (self.source(*helm_source), key.map(|key| format!("add `{key}`")))
            }
            Hint::RefSourceOutOfScope { ref_source, .. } => (self.source(*ref_source), None),
            Hint::BothSourceFields => (
                self.top().key("spec").key("source"),
                Some("remove `spec.source`".to_owned()),
            ),
            Hint::NameUnfitForKey { name } => {
                let mut sources = self.application.sources.iter();
                let index = sources
                    .position(|source| source.name() == Some(name))
                    .unwrap_or_default();
                (
                    self.source(index).key("name"),
                    Some("rename the source".to_owned()),
                )
            }
            Hint::ImagePathsOnRefSource { key }
            | Hint::NotOneSlug { key, .. }
            | Hint::DisplayName { key, .. }
            | Hint::UnrenderedTemplate { key, .. } => (self.annotation(&key.to_string()), None),
        };
        self.push(code, message, path, mend);
    }

    /// What concerns the sources that someone means to be deployed to.
    fn sources(&mut self) {
        let mut said = HashSet::new();
        for (index, source) in self.application.sources.iter().enumerate() {
            let declared = self.application.declared(index);
            if declared.project.is_none() && declared.environment.is_none() {
                continue;
            }
            let missing = match (declared.project, declared.environment) {
                (Some(_), None) => Some((Purpose::Project, Purpose::Environment)),
                (None, Some(_)) => Some((Purpose::Environment, Purpose::Project)),
                _ => None,
            };
            if let Some((there, missing)) = missing.filter(|_| said.insert(source.name())) {
                let (there, missing) = (there.key(source.name()), missing.key(source.name()));
                let path = self.annotation(&there.to_string());
                let message = format!("`{there}` without `{missing}`: no deployment ever touches the source");
                self.push(
                    "incomplete-scope",
                    message,
                    path,
                    Some(format!("add `{missing}`")),
                );
            }
            self.concerns(index, source);
        }
    }

    fn concerns(&mut self, index: usize, source: &Source) {
        for concern in crate::scope::concerns_of(source) {
            let field = match concern {
                Concern::NotAGitSource { .. } if source.chart.is_some() => "chart",
                Concern::NotAGitSource { .. } => "repoURL",
                Concern::NotABranch { .. } => "targetRevision",
                // Nothing is wrong with leaving it to the default branch.
                _ => continue,
            };
            let path = self.source(index).key(field);
            self.push(concern.code(), concern.to_string(), path, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_sorted_and_each_is_there_once() {
        assert!(RULES.windows(2).all(|pair| pair[0].code < pair[1].code));
    }
}
