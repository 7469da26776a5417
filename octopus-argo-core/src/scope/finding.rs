//! What is wrong with an application before any of its sources is looked at.

use std::fmt;

use serde::Serialize;

use crate::annotation::{Key, Purpose};
use crate::application::Application;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Something has no effect, or not the one that was meant.
    Warning,
    /// The whole application is left alone.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Something that is wrong with an application as a whole.
///
/// The codes are stable. `Display` gives the sentence, without the application's name; serde an object with `code`
/// and the values.
///
/// Rule: Calamari, `source/Calamari/ArgoCD/Conventions/ApplicationValidator.cs`; the hydrator is ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Finding<'a> {
    /// Several sources have the same name, so annotations for it are ambiguous. Names differ by case, too.
    DuplicateSourceName {
        /// The name.
        name: &'a str,
        /// How many sources have it.
        count: usize,
    },
    /// The application has several sources, and these annotations, without a source's name, apply to none of them.
    UnqualifiedAnnotations {
        /// The keys that are there, in the order project, environment, tenant.
        keys: Vec<Key<'a>>,
    },
    /// The application has a source hydrator: Argo CD ignores its `source` and `sources`.
    HydratedApplication,
    /// Image-tags step: Argo CD does not report one type for each source, so none is known.
    SourceTypeCountMismatch {
        /// How many sources there are.
        sources: usize,
        /// How many types Argo CD reports.
        source_types: usize,
    },
    /// Manifests step: several sources are in scope, and all of them will be given the same files.
    MultipleSourcesSameContent {
        /// Their names, in order.
        names: Vec<&'a str>,
    },
}

impl Finding<'_> {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::DuplicateSourceName { .. } => "duplicate-source-name",
            Self::UnqualifiedAnnotations { .. } => "unqualified-annotations",
            Self::HydratedApplication => "hydrated-application",
            Self::SourceTypeCountMismatch { .. } => "source-type-count-mismatch",
            Self::MultipleSourcesSameContent { .. } => "multiple-sources-same-content",
        }
    }

    /// Whether it stops the application.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::DuplicateSourceName { .. } | Self::SourceTypeCountMismatch { .. } => Severity::Error,
            Self::UnqualifiedAnnotations { .. }
            | Self::HydratedApplication
            | Self::MultipleSourcesSameContent { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateSourceName { name, count } => {
                write!(
                    f,
                    "source name `{name}` is used {count} times: give every source its own name"
                )
            }
            Self::UnqualifiedAnnotations { keys } => {
                f.write_str("with several sources these annotations apply to none of them: ")?;
                for (index, key) in keys.iter().enumerate() {
                    write!(f, "{}`{key}`", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("; append `.<source name>`")
            }
            Self::HydratedApplication => {
                f.write_str("`spec.sourceHydrator` is set, so Argo CD ignores `source` and `sources`")
            }
            Self::SourceTypeCountMismatch {
                sources,
                source_types,
            } => {
                write!(
                    f,
                    "Argo CD reports {source_types} source types for {sources} sources: refresh the application and \
                     check its conditions"
                )
            }
            Self::MultipleSourcesSameContent { names } => {
                write!(
                    f,
                    "{} sources are in scope and will all be given the same files: ",
                    names.len()
                )?;
                for (index, name) in names.iter().enumerate() {
                    write!(f, "{}`{name}`", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

/// Every finding that holds whatever is deployed, warnings and errors mixed.
///
/// Rule: Calamari's validation of applications: errors apply whether or not the sources have to do with the
/// deployment, and the presence of an unqualified key counts even if its value is blank. The hydrator is ours.
pub(super) fn of_application(application: &Application) -> Vec<Finding<'_>> {
    let mut findings = duplicate_names(application);
    if application.sources.is_multi() {
        let present = |purpose: &Purpose| application.annotations.raw(*purpose, None).is_some();
        let keys: Vec<_> = Purpose::SCOPE
            .into_iter()
            .filter(present)
            .map(|purpose| purpose.key(None))
            .collect();
        if !keys.is_empty() {
            findings.push(Finding::UnqualifiedAnnotations { keys });
        }
    }
    if application.hydrated {
        findings.push(Finding::HydratedApplication);
    }
    findings
}

/// One finding per name that is used more than once, in the order of first appearance.
fn duplicate_names(application: &Application) -> Vec<Finding<'_>> {
    let mut names: Vec<(&str, usize)> = application
        .sources
        .iter()
        .enumerate()
        .filter_map(|(index, source)| Some((source.name()?, index)))
        .collect();
    names.sort_unstable();
    let mut duplicates: Vec<(usize, Finding<'_>)> = names
        .chunk_by(|left, right| left.0 == right.0)
        .filter_map(|same| match same {
            [(name, first), _, ..] => Some((
                *first,
                Finding::DuplicateSourceName {
                    name,
                    count: same.len(),
                },
            )),
            _ => None,
        })
        .collect();
    duplicates.sort_unstable_by_key(|(first, _)| *first);
    duplicates.into_iter().map(|(_, finding)| finding).collect()
}
