//! What stands in the way of updating a source, beside what the step would do to it.

use std::fmt;

use serde::Serialize;

use super::resolve::has_expression;
use super::revision::Revision;
use crate::annotation::Key;
use crate::application::Source;

/// Something about one source in scope that a person should know: a problem, or a note.
///
/// The codes are stable. `Display` gives the sentence, serde an object with `code` and the values.
///
/// Rule: Calamari, `source/Calamari/ArgoCD/Conventions/UpdateImageTag`, for image paths and ref sources; eligibility is
/// ours, where the reference clones and fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Concern<'a> {
    /// A Helm source does not say where its images are, so its values files are left alone.
    MissingImageReplacePaths {
        /// The index of the Helm source.
        helm_source: usize,
        /// The annotation that would say it; none where the source would need a name first.
        key: Option<Key<'a>>,
    },
    /// Only Git repositories can be updated, and this is a Helm repository or an image registry.
    NotAGitSource {
        /// The address.
        repo_url: &'a str,
    },
    /// `targetRevision` is a commit, a tag or a range of versions, and commits can only be added to branches.
    NotABranch {
        /// The revision.
        revision: &'a str,
    },
    /// There is no `targetRevision`; as in Argo CD, that is read as the default branch.
    NoTargetRevision,
    /// The `path` of a ref source is ignored: only the files that Helm sources take from it are looked at.
    PathIgnored,
    /// No Helm source takes a values file from this ref source, so nothing changes.
    NothingReferencesRef {
        /// Its `ref`.
        reference: &'a str,
    },
    /// The step has Helm value paths of its own, so this annotation is not used.
    ImagePathsFromStep {
        /// The annotation.
        key: Key<'a>,
    },
}

impl Concern<'_> {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingImageReplacePaths { .. } => "missing-image-replace-paths",
            Self::NotAGitSource { .. } => "not-a-git-source",
            Self::NotABranch { .. } => "not-a-branch",
            Self::NoTargetRevision => "no-target-revision",
            Self::PathIgnored => "path-ignored",
            Self::NothingReferencesRef { .. } => "nothing-references-ref",
            Self::ImagePathsFromStep { .. } => "image-paths-from-step",
        }
    }

    /// Whether something is left undone for it; otherwise it is a note.
    #[must_use]
    pub const fn is_problem(&self) -> bool {
        matches!(
            self,
            Self::MissingImageReplacePaths { .. } | Self::NotAGitSource { .. } | Self::NotABranch { .. }
        )
    }
}

impl fmt::Display for Concern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingImageReplacePaths { helm_source, key } => {
                write!(
                    f,
                    "the values files of Helm source {helm_source} are left alone: "
                )?;
                match key {
                    Some(key) => write!(f, "no `{key}` says where its images are"),
                    None => f.write_str("it has no name, so no annotation can say where its images are"),
                }
            }
            Self::NotAGitSource { repo_url } => {
                write!(
                    f,
                    "`{repo_url}` is no Git repository, and only those can be updated"
                )
            }
            Self::NotABranch { revision } => {
                write!(f, "`targetRevision` has to be a branch, and `{revision}` is none")
            }
            Self::NoTargetRevision => f.write_str("it has no `targetRevision`: the default branch is taken"),
            Self::PathIgnored => f.write_str("it is a ref source, so its `path` is ignored"),
            Self::NothingReferencesRef { reference } => {
                write!(
                    f,
                    "no Helm source takes a values file from `${reference}/`, so nothing changes"
                )
            }
            Self::ImagePathsFromStep { key } => {
                write!(
                    f,
                    "`{key}` is not used, because the step says where the images are"
                )
            }
        }
    }
}

/// Whether `source` is in a Git repository. `git@host:path`, or any other user, is an SSH address without a scheme.
///
/// Rule: ours. The reference clones whatever it is given, and fails where that is no Git repository.
#[must_use]
pub fn is_git(source: &Source) -> bool {
    let url = source.repo_url.trim();
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let over_ssh = || {
        url.split_once('@')
            .is_some_and(|(user, rest)| !user.contains(['/', ':']) && rest.contains(':'))
    };
    source.chart.is_none() && scheme.map_or_else(over_ssh, |scheme| !scheme.eq_ignore_ascii_case("oci"))
}

/// What concerns a source whatever the step does to it. A template expression may become anything, so nothing is said
/// about a text with one.
pub(super) fn of_source(source: &Source) -> impl Iterator<Item = Concern<'_>> {
    let address = source.chart.as_deref().unwrap_or(&source.repo_url);
    let foreign = (!is_git(source) && !has_expression(address)).then_some(Concern::NotAGitSource {
        repo_url: &source.repo_url,
    });
    let revision = match Revision::of(source) {
        Revision::NotABranch(revision) if has_expression(revision) => None,
        // A chart's revision is its version, and that it is no Git source has been said.
        _ if foreign.is_some() => None,
        Revision::Unstated => Some(Concern::NoTargetRevision),
        Revision::NotABranch(revision) => Some(Concern::NotABranch { revision }),
        _ => None,
    };
    foreign.into_iter().chain(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_git_repositories_by_their_address() {
        for (url, git) in [
            ("https://git.example.test/a.git", true),
            ("ssh://git@git.example.test/a.git", true),
            ("git@git.example.test:a.git", true),
            ("deploy@git.example.test:a.git", true),
            ("OCI://registry.example.test/charts", false),
            ("registry.example.test/charts", false),
            ("registry.example.test:5000/charts", false),
            ("", false),
        ] {
            assert_eq!(is_git(&Source::new(url)), git, "{url}");
        }
        let mut chart = Source::new("https://charts.example.test");
        chart.chart = Some("web".into());
        assert!(!is_git(&chart));
    }

    #[test]
    fn nothing_is_said_of_template_expressions() {
        let codes = |source: &Source| {
            of_source(source)
                .map(|concern| concern.code())
                .collect::<Vec<_>>()
        };
        let mut source = Source::new("{{ .url }}");
        source.target_revision = Some("{{ .branch }}".into());
        assert!(codes(&source).is_empty());
        source.repo_url = "registry.example.test/charts".into();
        assert_eq!(codes(&source), ["not-a-git-source"]);
        source.repo_url = "https://git.example.test/a.git".into();
        source.target_revision = Some("1.* - {branch}".into());
        assert_eq!(codes(&source), ["not-a-branch"]);
    }
}
