//! What a source's `targetRevision` means to a step that commits.

use crate::application::Source;

/// The branch that commits go to.
///
/// Rule: Calamari, `source/Calamari/ArgoCD/Git/GitReference.cs` and `RepositoryFactory.cs`. A missing revision fails
/// there; Argo CD reads it as `HEAD`, and so do we.
///
/// ```
/// use octopus_argo_core::Source;
/// use octopus_argo_core::scope::Revision;
///
/// let mut source = Source::new("https://git.example.test/web.git");
/// assert_eq!(Revision::of(&source), Revision::Unstated);
/// source.target_revision = Some("refs/heads/main".into());
/// assert_eq!(Revision::of(&source), Revision::Branch("main"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Revision<'a> {
    /// `HEAD`, in exactly this case: the default branch of the remote.
    DefaultBranch,
    /// Missing or empty: taken as the default branch.
    Unstated,
    /// A branch, by its friendly name. Tags and versions that do not give themselves away land here too, and fail
    /// when the repository is cloned.
    Branch(&'a str),
    /// Certainly no branch: a full commit hash, a reference outside `refs/heads/`, or a range of versions.
    NotABranch(&'a str),
}

impl<'a> Revision<'a> {
    /// What the revision of `source` means.
    #[must_use]
    pub fn of(source: &'a Source) -> Self {
        match source.target_revision.as_deref() {
            None | Some("") => Self::Unstated,
            Some("HEAD") => Self::DefaultBranch,
            Some(text) => match text.strip_prefix("refs/heads/") {
                Some(branch) => Self::Branch(branch),
                None if cannot_be_branch(text) => Self::NotABranch(text),
                None => Self::Branch(text),
            },
        }
    }
}

/// Whether Git would refuse the name for a branch, or `git clone --branch` could not mean one by it.
fn cannot_be_branch(text: &str) -> bool {
    const HASHES: [usize; 2] = [40, 64];
    let hash = HASHES.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hash || text.starts_with("refs/") || text.contains(['*', '^', '~', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_its_meaning() {
        for (text, meaning) in [
            ("", Revision::Unstated),
            ("HEAD", Revision::DefaultBranch),
            ("head", Revision::Branch("head")),
            ("main", Revision::Branch("main")),
            ("release/1.2", Revision::Branch("release/1.2")),
            ("refs/heads/x/y", Revision::Branch("x/y")),
            ("refs/tags/v1", Revision::NotABranch("refs/tags/v1")),
            ("v1.2.*", Revision::NotABranch("v1.2.*")),
            ("~1.2", Revision::NotABranch("~1.2")),
        ] {
            let mut source = Source::new("https://git.example.test/a.git");
            source.target_revision = Some(text.into());
            assert_eq!(Revision::of(&source), meaning, "{text}");
        }
        let mut source = Source::new("u");
        source.target_revision = Some("0123456789abcdef0123456789abcdef01234567".into());
        assert!(matches!(Revision::of(&source), Revision::NotABranch(_)));
    }
}
