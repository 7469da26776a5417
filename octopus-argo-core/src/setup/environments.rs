//! Environments by what people call them.

/// An environment that Octopus knows. The same goes for tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEnvironment {
    id: String,
    name: String,
    slug: Option<String>,
}

impl KnownEnvironment {
    /// An environment with its id (`Environments-1`), its display name and, where it has one, its slug.
    pub fn new(id: impl Into<String>, name: impl Into<String>, slug: Option<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            slug: slug.filter(|slug| !slug.is_empty()),
        }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is sent for it: the slug, or the name where there is none.
    #[must_use]
    pub fn reference(&self) -> &str {
        self.slug.as_deref().unwrap_or(&self.name)
    }

    /// Whether `text` is its name, slug or id, in any letter case.
    #[must_use]
    pub fn is_called(&self, text: &str) -> bool {
        let known = [Some(&self.name), self.slug.as_ref(), Some(&self.id)];
        known.into_iter().flatten().any(|known| same(known, text))
    }
}

/// An environment that was asked for, and that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no environment {requested:?}")]
#[non_exhaustive]
pub struct UnknownEnvironment {
    /// What was asked for.
    pub requested: String,
}

/// What to send for the environments that were `requested` by name, slug or id, in their order.
///
/// ```
/// use octopus_argo_core::setup::{KnownEnvironment, match_environments};
///
/// let known = [KnownEnvironment::new("Environments-2", "Production EU", Some("production-eu".into()))];
/// assert_eq!(match_environments(&known, ["PRODUCTION EU"])?, ["production-eu"]);
/// assert!(match_environments(&known, ["staging"]).is_err());
/// # Ok::<(), octopus_argo_core::setup::UnknownEnvironment>(())
/// ```
///
/// # Errors
/// [`UnknownEnvironment`] for the first that is not known.
///
/// Rule: OctopusDeploy/cli, `environments_test.go`. Cases: `vectors/connection.json`.
pub fn match_environments<S: AsRef<str>>(
    known: &[KnownEnvironment],
    requested: impl IntoIterator<Item = S>,
) -> Result<Vec<String>, UnknownEnvironment> {
    let one = |requested: S| {
        let text = requested.as_ref().trim();
        let found = known
            .iter()
            .find(|environment| !text.is_empty() && environment.is_called(text));
        found
            .map(|environment| environment.reference().to_owned())
            .ok_or_else(|| UnknownEnvironment {
                requested: requested.as_ref().to_owned(),
            })
    };
    requested.into_iter().map(one).collect()
}

fn same(left: &str, right: &str) -> bool {
    // By way of upper case, in which both forms of a small sigma are one.
    let folded = |text: &str| {
        let upper: Vec<char> = text.chars().flat_map(char::to_uppercase).collect();
        upper.into_iter().flat_map(char::to_lowercase).collect::<Vec<_>>()
    };
    folded(left) == folded(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_makes_no_difference_beyond_ascii_either() {
        let known = [
            KnownEnvironment::new("Environments-1", "Überprüfung", Some(String::new())),
            KnownEnvironment::new("Environments-2", "Staging", Some("staging".to_owned())),
        ];
        let matched = |requested: &[&str]| match_environments(&known, requested);
        assert_eq!(
            matched(&["überPRÜFUNG", "environments-2"]).unwrap(),
            ["Überprüfung", "staging"]
        );
        assert_eq!(matched(&[" staging "]).unwrap(), ["staging"]);
        assert_eq!(matched(&[]).unwrap(), Vec::<String>::new());
        // No slug is not a slug that is empty.
        let blank = UnknownEnvironment {
            requested: String::new(),
        };
        assert_eq!(matched(&["staging", ""]), Err(blank));
    }
}
