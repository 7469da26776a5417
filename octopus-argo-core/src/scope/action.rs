//! What a step does to a source in scope.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::values::{HelmValues, RefValues};

/// What happens to a source in scope. See the variants' codes in [`Action::code`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Manifests step: the rendered files are copied here. The source's type plays no role.
    Copy(OutputFolder<'a>),
    /// Every `*.yaml` and `*.yml` below this folder is looked at, recursively. Argo CD's own `directory.recurse`,
    /// `include` and `exclude` are not honoured.
    Directory {
        /// The folder, from the root of the repository.
        path: &'a str,
    },
    /// The kustomization file directly in this folder.
    Kustomize {
        /// The folder, from the root of the repository.
        path: &'a str,
    },
    /// The values files of a chart.
    Helm(HelmValues<'a>),
    /// The values files that Helm sources pull through this ref source. Ref sources of the same name share them.
    RefValues(Arc<[RefValues<'a>]>),
    /// Nothing can be done.
    Nothing(Obstacle),
}

impl Action<'_> {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Copy(_) => "copy",
            Self::Directory { .. } => "directory",
            Self::Kustomize { .. } => "kustomize",
            Self::Helm(_) => "helm",
            Self::RefValues(_) => "ref-values",
            Self::Nothing(_) => "none",
        }
    }
}

/// Why nothing can be done to a source in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Obstacle {
    /// The source has no path.
    MissingPath,
    /// A config management plugin renders the source.
    PluginUnsupported,
    /// Argo CD reports a type for the source that is not known.
    UnknownSourceType,
    /// Manifests step: a ref source that has a path too. It should be two sources.
    RefSourceWithPath,
}

impl Obstacle {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingPath => "missing-path",
            Self::PluginUnsupported => "plugin-unsupported",
            Self::UnknownSourceType => "unknown-source-type",
            Self::RefSourceWithPath => "ref-source-with-path",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MissingPath => "it has no `path`",
            Self::PluginUnsupported => "a plugin renders it, so nobody knows where its images are",
            Self::UnknownSourceType => "Argo CD does not say what type it is",
            Self::RefSourceWithPath => "it has both `ref` and `path`: split it into two sources",
        })
    }
}

/// Where the manifests step writes, from the root of the repository; empty text is the root.
///
/// Rule: Calamari, `source/Calamari/ArgoCD/Conventions/ManifestTemplating/CopyTemplatesSourceUpdater.cs`.
///
/// ```
/// use octopus_argo_core::scope::OutputFolder;
///
/// let folder = OutputFolder::new("deploy");
/// assert!(folder.purges("deploy/web.yaml") && folder.purges("deploy/a/.gitignore"));
/// assert!(!folder.purges("deploy/.github/workflows/a.yml") && !folder.purges("deployment.yaml"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct OutputFolder<'a>(&'a str);

impl<'a> OutputFolder<'a> {
    /// What a purge spares: files whose path below the folder begins with this text. It is a prefix of the text, so
    /// `.gitignore`, `.gitattributes` and `.github/` directly in the folder survive as well.
    pub const PURGE_SPARES: &'static str = ".git";

    /// The folder called `path`.
    #[must_use]
    pub const fn new(path: &'a str) -> Self {
        Self(path)
    }

    /// The folder as it is written in the annotation or the source.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// Whether a step that purges deletes the file called `path`, from the root of the repository with `/` between its
    /// parts, before it writes.
    #[must_use]
    pub fn purges(&self, path: &str) -> bool {
        let mut folder = self.0.trim_matches('/');
        while let Some(rest) = folder.strip_prefix("./") {
            folder = rest.trim_start_matches('/');
        }
        let below = match folder {
            "" | "." => Some(path),
            folder => path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
        };
        below.is_some_and(|below| !below.starts_with(Self::PURGE_SPARES))
    }
}

impl fmt::Display for OutputFolder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::OutputFolder;

    #[test]
    fn a_purge_spares_what_begins_with_git() {
        let root = OutputFolder::new("");
        assert!(root.purges("a.yaml") && root.purges("deploy/.git"));
        assert!(!root.purges(".git/config") && !root.purges(".gitignore"));
        for written in ["deploy/", "./deploy", "/deploy", ".//deploy/"] {
            let folder = OutputFolder::new(written);
            assert!(
                folder.purges("deploy/a") && !folder.purges("deploy/.git-keep"),
                "{written}"
            );
            assert!(!folder.purges("other/a") && !folder.purges("deploy"), "{written}");
        }
    }
}
