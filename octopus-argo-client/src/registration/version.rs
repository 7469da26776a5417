//! Versions of Octopus Server.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a [`ServerVersion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a version such as 2026.3.7755")]
#[non_exhaustive]
pub struct ServerVersionError;

/// A version of Octopus Server: year, release, build.
///
/// ```
/// use octopus_argo_client::registration::ServerVersion;
///
/// let version: ServerVersion = "2026.3.7755-hotfix.1".parse()?;
/// assert!(version >= ServerVersion::PRESERVES_TOKENS);
/// # Ok::<(), octopus_argo_client::registration::ServerVersionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion(u32, u32, u32);

impl ServerVersion {
    /// The first that registers a gateway in another space without taking its token away.
    ///
    /// Rule: Octopus docs, "Argo CD instances", several spaces.
    pub const PRESERVES_TOKENS: Self = Self(2026, 3, 7755);

    /// A version.
    #[must_use]
    pub const fn new(year: u32, release: u32, build: u32) -> Self {
        Self(year, release, build)
    }
}

impl FromStr for ServerVersion {
    type Err = ServerVersionError;

    fn from_str(text: &str) -> Result<Self, ServerVersionError> {
        let text = text.trim();
        let core = text.split(['-', '+']).next().unwrap_or_default();
        let mut parts = core
            .split('.')
            .map(|part| part.parse().map_err(|_| ServerVersionError));
        let (Some(year), Some(release), build, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ServerVersionError);
        };
        Ok(Self(year?, release?, build.unwrap_or(Ok(0))?))
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_compare_as_numbers() {
        let version = |text: &str| text.parse::<ServerVersion>().unwrap();
        assert!(version("2026.3.7754") < ServerVersion::PRESERVES_TOKENS);
        assert!(version("2026.3.10000") > ServerVersion::PRESERVES_TOKENS);
        assert!(version("2026.4") > ServerVersion::PRESERVES_TOKENS);
        for text in ["", "2026", "a.b.c", "2026.3.7755.1", "2026.3."] {
            assert!(text.parse::<ServerVersion>().is_err(), "{text}");
        }
    }
}
