//! What a gateway's release and namespace are called.

/// Why no names can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name holds neither a letter from a to z nor a digit.
    #[error("the name {name:?} has no letter from a to z and no digit, so nothing can be called after it")]
    #[non_exhaustive]
    NoUsableCharacters {
        /// The name.
        name: Box<str>,
    },
    /// The prefix leaves no room for a name: a namespace has at most [`GatewayNames::MAX_NAMESPACE`] characters.
    #[error(
        "a prefix of {length} characters leaves no room in a namespace of at most {}",
        GatewayNames::MAX_NAMESPACE
    )]
    #[non_exhaustive]
    PrefixTooLong {
        /// Its length.
        length: usize,
    },
}

/// The names that follow from the display name of a gateway.
///
/// ```
/// use octopus_argo_core::setup::GatewayNames;
///
/// let names = GatewayNames::new("Prod  (us-east)  #2")?;
/// assert_eq!(names.release(), "prod-us-east-2");
/// assert_eq!(names.namespace(), "octo-argo-gateway-prod-us-east-2");
/// # Ok::<(), octopus_argo_core::setup::NameError>(())
/// ```
///
/// Rule: OctopusDeploy/cli `pkg/kubernetes/naming.go`. Cases: `vectors/connection.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayNames {
    slug: String,
    release: String,
    namespace: String,
}

impl GatewayNames {
    /// What the namespaces of gateways begin with.
    pub const NAMESPACE_PREFIX: &str = "octo-argo-gateway-";

    /// The longest name of a Helm release, in characters.
    pub const MAX_RELEASE: usize = 53;

    /// The longest name of a Kubernetes namespace, in characters.
    pub const MAX_NAMESPACE: usize = 63;

    /// The names of a gateway.
    ///
    /// # Errors
    /// [`NameError::NoUsableCharacters`].
    pub fn new(display_name: &str) -> Result<Self, NameError> {
        Self::with_prefix(display_name, Self::NAMESPACE_PREFIX)
    }

    /// The same for other things that Octopus installs, whose namespaces begin with `octopus-agent-` or
    /// `octopus-worker-`.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn with_prefix(display_name: &str, prefix: &str) -> Result<Self, NameError> {
        let length = prefix.chars().count();
        let room = Self::MAX_NAMESPACE.saturating_sub(length);
        if room == 0 {
            return Err(NameError::PrefixTooLong { length });
        }
        let slug = display_slug(display_name)?;
        Ok(Self {
            release: shorten_slug(&slug, Self::MAX_RELEASE).to_owned(),
            namespace: format!("{prefix}{}", shorten_slug(&slug, room)),
            slug,
        })
    }

    /// With a release name that somebody chose. It is used as given.
    #[must_use]
    pub fn with_release(mut self, release: impl Into<String>) -> Self {
        self.release = release.into();
        self
    }

    /// With a namespace that somebody chose. It is used as given.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The display name as a slug, in full length.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// The name of the Helm release.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

/// A display name as a slug: lower case, and a single hyphen for each run of anything but a letter from a to z or a digit.
///
/// # Errors
/// [`NameError::NoUsableCharacters`].
pub fn display_slug(name: &str) -> Result<String, NameError> {
    let mut slug = String::with_capacity(name.len());
    for character in name.chars() {
        // One character for one: the dot of a Turkish İ is no separator.
        let lower = character.to_lowercase().next().unwrap_or(character);
        if lower.is_ascii_lowercase() || lower.is_ascii_digit() {
            slug.push(lower);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    if slug.is_empty() {
        return Err(NameError::NoUsableCharacters { name: name.into() });
    }
    Ok(slug)
}

/// A slug cut to at most `max` characters: at its last hyphen, if that lies past the middle, so that words stay whole.
///
/// ```
/// use octopus_argo_core::setup::shorten_slug;
///
/// assert_eq!(shorten_slug("payments-production", 12), "payments");
/// assert_eq!(shorten_slug("eu-paymentsproduction", 12), "eu-paymentsp");
/// assert_eq!(shorten_slug("payments", 12), "payments");
/// ```
#[must_use]
pub fn shorten_slug(slug: &str, max: usize) -> &str {
    let Some((end, _)) = slug.char_indices().nth(max) else {
        return slug;
    };
    let (cut, _) = slug.split_at(end);
    let cut = match cut.rsplit_once('-') {
        Some((words, _)) if words.chars().count() > max / 2 => words,
        _ => cut,
    };
    cut.trim_end_matches('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hyphen_at_the_middle_is_too_early_to_cut_at() {
        // 45 / 2 is 22.
        let at = |index: usize| format!("{}-{}", "c".repeat(index), "d".repeat(50));
        assert_eq!(shorten_slug(&at(22), 45).len(), 45);
        assert_eq!(shorten_slug(&at(23), 45), "c".repeat(23));
    }

    #[test]
    fn a_hyphen_at_the_cut_is_stripped() {
        assert_eq!(shorten_slug("abcd-efgh", 5), "abcd");
        assert_eq!(shorten_slug("abcd-efgh", 4), "abcd");
    }

    #[test]
    fn letters_are_lowered_one_by_one() {
        assert_eq!(display_slug("İstanbul").unwrap(), "istanbul");
        // The sign for kelvin is a K.
        assert_eq!(display_slug("\u{212a}8S").unwrap(), "k8s");
        assert_eq!(display_slug("Straße 7").unwrap(), "stra-e-7");
        assert!(display_slug("  ").is_err() && display_slug("日本").is_err());
    }

    #[test]
    fn a_prefix_has_to_leave_room() {
        let names = GatewayNames::with_prefix("Shop", &"p".repeat(62)).unwrap();
        assert_eq!(names.namespace(), format!("{}s", "p".repeat(62)));
        let error = GatewayNames::with_prefix("Shop", &"p".repeat(63)).unwrap_err();
        assert_eq!(error, NameError::PrefixTooLong { length: 63 });
        let names = names.with_namespace("Own").with_release("own");
        assert_eq!((names.namespace(), names.release()), ("Own", "own"));
    }

    proptest! {
        #[test]
        fn names_are_legal_in_kubernetes(name in "\\PC{0,90}|[a-z -]{0,90}") {
            if let Ok(names) = GatewayNames::new(&name) {
                for (text, max) in [(names.release(), 53), (names.namespace(), 63), (names.slug(), usize::MAX)] {
                    prop_assert!((1..=max).contains(&text.len()), "{text}");
                    prop_assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
                    prop_assert!(!text.starts_with('-') && !text.ends_with('-'));
                }
            }
        }
    }
}
