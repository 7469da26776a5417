//! The record of what a deployment wrote to Git.

use serde::{Deserialize, Serialize};

/// What a deployment wrote for one source of an application, in the shape in which Octopus's steps report it.
///
/// Rule: Octopus Calamari, contract `SourceFileChanges`.
///
/// ```
/// use octopus_argo_core::health::drift::SourceFileChanges;
///
/// let changes: SourceFileChanges = serde_json::from_str(
///     r#"{
///         "CommitSha": "97a2c0de97a2c0de97a2c0de97a2c0de97a2c0de",
///         "SourceIndex": 0,
///         "ReplacedFiles": [{"FilePath": "web/deployment.yaml", "Hash": "22c0df2cceca5273e4dc569dda52805d27df3360"}],
///         "PatchedFiles": []
///     }"#,
/// )?;
/// assert_eq!(changes.replaced_files.len(), 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct SourceFileChanges {
    /// The commit; `None` where Git already held everything, so that nothing had to be pushed.
    pub commit_sha: Option<Box<str>>,
    /// When it was committed, as written. Nothing here depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_timestamp: Option<Box<str>>,
    /// Which source of the application, counted from 0.
    pub source_index: usize,
    /// Files that were written as a whole, by the step that writes manifests.
    pub replaced_files: Vec<FileHash>,
    /// Files of which values were replaced, by the step that writes image tags.
    pub patched_files: Vec<FileJsonPatch>,
}

impl SourceFileChanges {
    /// A record of a commit for the source at this index, without any files yet.
    #[must_use]
    pub fn new(source_index: usize, commit_sha: Option<&str>) -> Self {
        Self {
            commit_sha: commit_sha.map(Into::into),
            source_index,
            ..Self::default()
        }
    }

    /// Adds a file that was written as a whole.
    #[must_use]
    pub fn replaced(mut self, path: &str, sha1: &str) -> Self {
        self.replaced_files.push(FileHash {
            file_path: path.into(),
            hash: sha1.into(),
        });
        self
    }

    /// Adds a file of which values were replaced, as a JSON patch in text.
    #[must_use]
    pub fn patched(mut self, path: &str, json_patch: &str) -> Self {
        self.patched_files.push(FileJsonPatch {
            file_path: path.into(),
            json_patch: json_patch.into(),
        });
        self
    }

    /// The commit, if one is recorded; blank text counts as none.
    pub(super) fn commit(&self) -> Option<&str> {
        self.commit_sha
            .as_deref()
            .filter(|commit| !commit.trim().is_empty())
    }
}

/// A file that was written as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct FileHash {
    /// Its path from the root of the repository, with `/`.
    pub file_path: Box<str>,
    /// The SHA-1 of its bytes, in hexadecimal digits of either case.
    pub hash: Box<str>,
}

/// A file of which values were replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct FileJsonPatch {
    /// Its path from the root of the repository, with `/`.
    pub file_path: Box<str>,
    /// The JSON patch (RFC 6902), as JSON text.
    pub json_patch: Box<str>,
}
