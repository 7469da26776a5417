//! The decision in two steps: which files to look at, and what follows.

use super::changes::{FileHash, FileJsonPatch, SourceFileChanges};
use crate::health::SyncStatus;
use crate::health::octopus::ProjectSync;

/// The question whether an application still is what Octopus deployed, and whether the cluster has it.
///
/// It is answered in two steps, so that whoever has the repository does the reading: [`Drift::needs`] names the files at
/// a commit, and [`Drift::decide`] turns what was found into a status. The only shortcut is that Argo CD looks at the
/// very commit that was recorded: then nothing needs reading. Ancestry of commits is never walked.
///
/// Both steps follow the same order whatever the order of the records. How several sources add up, and what happens
/// where a repository cannot be read, is ours: drift in any source is Git drift, since only a deployment cures it; else
/// a source that cannot be read makes the status Unknown; else Argo CD's word counts. So drift outranks out of sync,
/// which cures itself where syncs are automatic.
///
/// Rule: Octopus docs, "Git drift detection". Cases: `vectors/sync-and-drift.json`.
///
/// ```
/// use octopus_argo_core::health::SyncStatus;
/// use octopus_argo_core::health::drift::{Answer, Drift, Expected, SourceFileChanges};
/// use octopus_argo_core::health::octopus::ProjectSync;
///
/// let hash = "22c0df2cceca5273e4dc569dda52805d27df3360";
/// let recorded = [SourceFileChanges::new(0, Some("97a2c0de")).replaced("web.yaml", hash)];
/// let revisions = ["11230f0f".into()];
/// let drift = Drift::new(Some(&SyncStatus::Synced), &revisions, &recorded);
///
/// // Step one: what to read, and at which commit.
/// let needs: Vec<_> = drift.needs().collect();
/// assert_eq!((needs[0].revision, needs[0].path), (Some("11230f0f"), "web.yaml"));
/// assert!(matches!(needs[0].expected, Expected::Hash(_)));
/// // Step two: what was found there.
/// assert_eq!(drift.decide(|_| Answer::Sha1(hash.into())), ProjectSync::InSync);
/// assert_eq!(drift.decide(|_| Answer::Absent), ProjectSync::GitDrift);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Drift<'a> {
    argo: Option<&'a SyncStatus>,
    revisions: &'a [Box<str>],
    recorded: &'a [SourceFileChanges],
}

impl<'a> Drift<'a> {
    /// The question for an application with this sync status and these revisions, one per source, of which `recorded`
    /// was written. Where nothing is recorded, Argo CD alone decides.
    #[must_use]
    pub const fn new(
        argo: Option<&'a SyncStatus>,
        revisions: &'a [Box<str>],
        recorded: &'a [SourceFileChanges],
    ) -> Self {
        Self {
            argo,
            revisions,
            recorded,
        }
    }

    /// The files to look at, in the order of the records. None where the answer is clear without.
    pub fn needs(self) -> impl Iterator<Item = Need<'a>> {
        let sources = if self.argo_says() == ProjectSync::Unknown {
            &[]
        } else {
            self.recorded
        };
        sources.iter().flat_map(move |changes| self.needs_of(changes))
    }

    /// The status that follows from `answer` to each of the needs.
    ///
    /// Every need is asked for at most once; after the first sign of drift no more.
    #[must_use]
    pub fn decide(self, mut answer: impl FnMut(&Need<'a>) -> Answer) -> ProjectSync {
        let mut unreadable = false;
        for need in self.needs() {
            match need.content(&answer(&need)) {
                Content::Intact => {}
                Content::Overwritten => return ProjectSync::GitDrift,
                Content::Unavailable => unreadable = true,
            }
        }
        if unreadable {
            return ProjectSync::Unknown;
        }
        self.argo_says()
    }

    fn argo_says(self) -> ProjectSync {
        self.argo.map_or(ProjectSync::Unknown, ProjectSync::from)
    }

    fn needs_of(self, changes: &'a SourceFileChanges) -> impl Iterator<Item = Need<'a>> {
        let revision = self
            .revisions
            .get(changes.source_index)
            .map(|revision| &**revision);
        let at_commit = match (changes.commit(), revision) {
            (Some(commit), Some(revision)) => commit.eq_ignore_ascii_case(revision),
            _ => false,
        };
        let need = move |path: &'a str, expected| Need {
            source_index: changes.source_index,
            revision,
            path,
            expected,
        };
        let replaced = changes.replaced_files.iter();
        let patched = changes.patched_files.iter();
        replaced
            .map(move |file| need(&file.file_path, Expected::Hash(file)))
            .chain(patched.map(move |file| need(&file.file_path, Expected::Patch(file))))
            .filter(move |_| !at_commit)
    }
}

/// A file to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Need<'a> {
    /// Which source of the application.
    pub source_index: usize,
    /// The commit at which to look: the one that Argo CD looks at. `None` where Argo CD names none for this source;
    /// who cannot find it out answers [`Answer::Unavailable`].
    pub revision: Option<&'a str>,
    /// The path from the root of the repository, with `/`.
    pub path: &'a str,
    /// What was written there.
    pub expected: Expected<'a>,
}

impl Need<'_> {
    fn content(&self, answer: &Answer) -> Content {
        let intact = match (answer, self.expected) {
            (Answer::Unavailable, _) => return Content::Unavailable,
            (Answer::Intact, _) => true,
            (Answer::Sha1(found), Expected::Hash(file)) => found.eq_ignore_ascii_case(&file.hash),
            #[cfg(feature = "json-patch")]
            (Answer::Documents(found), Expected::Patch(file)) => file.changes_nothing(found),
            // An answer to another question is none.
            (Answer::Sha1(_), Expected::Patch(_)) => return Content::Unavailable,
            #[cfg(feature = "json-patch")]
            (Answer::Documents(_), Expected::Hash(_)) => return Content::Unavailable,
            (Answer::Overwritten | Answer::Absent, _) => false,
        };
        if intact {
            Content::Intact
        } else {
            Content::Overwritten
        }
    }
}

/// What was written to a file, and so what to answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected<'a> {
    /// The whole file: answer with [`Answer::Sha1`].
    Hash(&'a FileHash),
    /// Some values: answer with `Answer::Documents`, which needs the feature `json-patch`.
    Patch(&'a FileJsonPatch),
}

/// What was found of a file at the commit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// The SHA-1 of its bytes, in hexadecimal digits of either case.
    Sha1(Box<str>),
    /// Its YAML documents, or the one JSON value.
    #[cfg(feature = "json-patch")]
    Documents(Vec<serde_json::Value>),
    /// It holds what was written; the caller has compared.
    Intact,
    /// It does not; the caller has compared.
    Overwritten,
    /// There is no such file. What Octopus wrote is gone then.
    Absent,
    /// It could not be told, for example because the repository was out of reach.
    Unavailable,
}

enum Content {
    Intact,
    Overwritten,
    Unavailable,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "22c0df2cceca5273e4dc569dda52805d27df3360";

    fn decide(argo: &str, revision: &str, commit: Option<&str>, answer: &Answer) -> (usize, ProjectSync) {
        let (argo, revisions) = (SyncStatus::from(argo), [revision.into()]);
        let recorded = [SourceFileChanges::new(0, commit).replaced("web.yaml", HASH)];
        let drift = Drift::new(Some(&argo), &revisions, &recorded);
        (drift.needs().count(), drift.decide(|_| answer.clone()))
    }

    #[test]
    fn the_documented_scenarios() {
        let same = |argo| decide(argo, "97A2C0DE", Some("97a2c0de"), &Answer::Absent);
        assert_eq!(same("Synced"), (0, ProjectSync::InSync));
        assert_eq!(same("OutOfSync"), (0, ProjectSync::OutOfSync));
        assert_eq!(same("Unknown"), (0, ProjectSync::Unknown));
        let other = |argo, answer| decide(argo, "11230f0f", Some("97a2c0de"), &answer);
        assert_eq!(
            other("Synced", Answer::Sha1("00".into())),
            (1, ProjectSync::GitDrift)
        );
        assert_eq!(
            other("Synced", Answer::Sha1(HASH.to_uppercase().into())),
            (1, ProjectSync::InSync)
        );
        assert_eq!(other("OutOfSync", Answer::Absent), (1, ProjectSync::GitDrift));
        assert_eq!(other("OutOfSync", Answer::Intact), (1, ProjectSync::OutOfSync));
        assert_eq!(other("Synced", Answer::Unavailable), (1, ProjectSync::Unknown));
        assert_eq!(other("", Answer::Overwritten), (0, ProjectSync::Unknown));
        assert_eq!(other("synced", Answer::Intact), (0, ProjectSync::Unknown));
    }

    #[test]
    fn without_a_commit_the_content_decides() {
        let (read, status) = decide("Synced", "97a2c0de", None, &Answer::Overwritten);
        assert_eq!((read, status), (1, ProjectSync::GitDrift));
        assert_eq!(
            decide("Synced", "", Some(""), &Answer::Intact),
            (1, ProjectSync::InSync)
        );
    }

    #[test]
    fn drift_in_any_source_outranks_one_that_cannot_be_read() {
        let recorded = [0, 1].map(|index| SourceFileChanges::new(index, None).replaced("web.yaml", HASH));
        let revisions = ["a".into(), "b".into()];
        let drift = Drift::new(Some(&SyncStatus::Synced), &revisions, &recorded);
        let answer = |need: &Need<'_>| match need.source_index {
            0 => Answer::Unavailable,
            _ => Answer::Absent,
        };
        assert_eq!(drift.decide(answer), ProjectSync::GitDrift);
    }

    #[cfg(feature = "json-patch")]
    #[test]
    fn patched_files_are_judged_by_their_patch() {
        let patch = r#"[{"op": "replace", "path": "/0/image", "value": "web:2"}]"#;
        let recorded = [SourceFileChanges::new(0, None).patched("web.yaml", patch)];
        let revisions = ["a".into()];
        let drift = Drift::new(Some(&SyncStatus::Synced), &revisions, &recorded);
        let holds =
            |image: &str| drift.decide(|_| Answer::Documents(vec![serde_json::json!({"image": image})]));
        assert_eq!(holds("web:2"), ProjectSync::InSync);
        assert_eq!(holds("web:1"), ProjectSync::GitDrift);
        assert_eq!(drift.decide(|_| Answer::Sha1(HASH.into())), ProjectSync::Unknown);
    }
}
