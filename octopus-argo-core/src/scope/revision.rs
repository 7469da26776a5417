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
                Some(branch) if may_be_branch(branch) => Self::Branch(branch),
                None if may_be_branch(text) && !is_hash(text) && !text.starts_with("refs/") => {
                    Self::Branch(text)
                }
                _ => Self::NotABranch(text),
            },
        }
    }
}

/// Whether Git accepts the name for a branch.
///
/// Rule: Git, `git check-ref-format --branch`.
fn may_be_branch(name: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none();
    let refused =
        |c: char| c.is_ascii_control() || matches!(c, ' ' | '*' | '^' | '~' | ':' | '?' | '[' | '\\');
    let marks = name.contains("..") || name.contains("@{") || name.starts_with('-') || name.ends_with('.');
    name.split('/').all(part) && !name.contains(refused) && !marks && name != "@"
}

/// Whether this is the full hash of a commit. Abbreviations could as well be branches.
fn is_hash(text: &str) -> bool {
    const LENGTHS: [usize; 2] = [40, 64];
    LENGTHS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
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
            ("refs/heads/", Revision::NotABranch("refs/heads/")),
            ("refs/heads/a b", Revision::NotABranch("refs/heads/a b")),
            ("refs/heads/HEAD", Revision::Branch("HEAD")),
            (" ", Revision::NotABranch(" ")),
            ("HEAD ", Revision::NotABranch("HEAD ")),
            ("main@{1}", Revision::NotABranch("main@{1}")),
            ("HEAD^", Revision::NotABranch("HEAD^")),
            ("a..b", Revision::NotABranch("a..b")),
            ("a//b", Revision::NotABranch("a//b")),
            ("x.lock", Revision::NotABranch("x.lock")),
            ("-x", Revision::NotABranch("-x")),
            ("main:sub", Revision::NotABranch("main:sub")),
            ("ü.x", Revision::Branch("ü.x")),
            ("abc1234", Revision::Branch("abc1234")),
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
