//! The commits that an application may be synced to.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a list of commit ids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a commit id of 7 to 40 hexadecimal digits: {item:?}")]
#[non_exhaustive]
pub struct CommitIdsError {
    /// The item that is none, trimmed, and cut where it is long.
    pub item: String,
}

/// Commit ids, whole or shortened: 7 to 40 hexadecimal digits each, kept in lower case.
///
/// Written with commas between them; blanks around an item and blank items do not count. An empty list means that any
/// commit will do.
///
/// Rule: Octopus docs, "Wait for Argo CD applications"; that blank items are skipped is ours.
///
/// ```
/// use octopus_argo_core::health::verify::CommitIds;
///
/// let commits: CommitIds = " 4F9C2A7BE1 ,, b07d51e".parse()?;
/// assert_eq!(commits.iter().collect::<Vec<_>>(), ["4f9c2a7be1", "b07d51e"]);
/// assert!(commits.accepts("b07d51ee93aa4c6f8e2015d7c4b9a8f36e1d20c4"));
/// assert!("4f9c2a".parse::<CommitIds>().is_err());
/// # Ok::<(), octopus_argo_core::health::verify::CommitIdsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitIds(Vec<Box<str>>);

impl CommitIds {
    /// The shortest abbreviation taken.
    pub const MIN_DIGITS: usize = 7;
    /// A whole SHA-1.
    pub const MAX_DIGITS: usize = 40;

    /// Whether there is none, so that any commit will do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids, in lower case, in the order written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|id| &**id)
    }

    /// Whether `revision` starts with one of the ids, ignoring case. With no ids, nothing does.
    #[must_use]
    pub fn accepts(&self, revision: &str) -> bool {
        self.iter().any(|id| {
            let start = revision.as_bytes().get(..id.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(id.as_bytes()))
        })
    }
}

impl FromStr for CommitIds {
    type Err = CommitIdsError;

    fn from_str(text: &str) -> Result<Self, CommitIdsError> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(commit_id).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for CommitIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

fn commit_id(item: &str) -> Result<Box<str>, CommitIdsError> {
    let fits = (CommitIds::MIN_DIGITS..=CommitIds::MAX_DIGITS).contains(&item.len());
    if fits && item.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(item.to_ascii_lowercase().into());
    }
    Err(CommitIdsError {
        item: item.chars().take(CommitIds::MAX_DIGITS + 1).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_to_forty_digits() {
        for (length, valid) in [(6, false), (7, true), (40, true), (41, false)] {
            assert_eq!("a".repeat(length).parse::<CommitIds>().is_ok(), valid, "{length}");
        }
        assert!("main123".parse::<CommitIds>().is_err());
        assert!("4f9c2a7,xyz".parse::<CommitIds>().is_err());
        assert!(" , ,".parse::<CommitIds>().unwrap().is_empty());
    }

    #[test]
    fn a_revision_shorter_than_the_id_is_not_accepted() {
        let commits: CommitIds = "4f9c2a7be1".parse().unwrap();
        assert!(!commits.accepts("4f9c2a7") && !commits.accepts("") && !commits.accepts("ü4f9c2a7be1"));
        assert!(commits.accepts("4F9C2A7BE1D0"));
    }
}
