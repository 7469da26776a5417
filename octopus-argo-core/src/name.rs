//! Names and ids of Argo CD objects.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The namespace that applications live in where nothing else is said.
pub const DEFAULT_NAMESPACE: &str = "argocd";

/// An application's namespace and name, which together identify it within one Argo CD instance. Compared exactly.
///
/// Written `namespace/name`, as the `argocd` command line writes it. Manifests kept in Git often leave the namespace
/// to whoever applies them: then only the name is written.
///
/// ```
/// use octopus_argo_core::ApplicationName;
///
/// let name = ApplicationName::new(Some("argocd"), "payments");
/// assert_eq!(name.to_string(), "argocd/payments");
/// assert_eq!(ApplicationName::new(None, "payments").to_string(), "payments");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationName {
    namespace: Option<Arc<str>>,
    name: Arc<str>,
}

impl ApplicationName {
    /// Puts the two parts together. An empty namespace counts as none.
    #[must_use]
    pub fn new(namespace: Option<&str>, name: &str) -> Self {
        Self {
            namespace: namespace.filter(|text| !text.is_empty()).map(Arc::from),
            name: name.into(),
        }
    }

    /// The namespace, where the manifest gives one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The name within the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ApplicationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

impl Serialize for ApplicationName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text is not a [`Uid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a GUID such as 0f8fad5b-d9cb-469f-a165-70867728950e")]
#[non_exhaustive]
pub struct UidError;

/// The id that Kubernetes gives an object for its lifetime: 16 bytes, written as a GUID in lower case.
///
/// ```
/// use octopus_argo_core::Uid;
///
/// let uid: Uid = "0F8FAD5B-d9cb-469f-a165-70867728950e".parse()?;
/// assert_eq!(uid.to_string(), "0f8fad5b-d9cb-469f-a165-70867728950e");
/// # Ok::<(), octopus_argo_core::UidError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid([u8; 16]);

impl Uid {
    /// The id with these bytes, most significant first.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, most significant first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for Uid {
    type Err = UidError;

    fn from_str(text: &str) -> Result<Self, UidError> {
        let text = text.as_bytes();
        if text.len() != 36 {
            return Err(UidError);
        }
        let mut bytes = [0; 16];
        let mut digits = 0;
        for (position, &character) in text.iter().enumerate() {
            if matches!(position, 8 | 13 | 18 | 23) {
                if character != b'-' {
                    return Err(UidError);
                }
                continue;
            }
            let digit = char::from(character)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok());
            let (Some(digit), Some(byte)) = (digit, bytes.get_mut(digits / 2)) else {
                return Err(UidError);
            };
            *byte = *byte << 4 | digit;
            digits += 1;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Uid {
    type Error = UidError;

    fn try_from(text: String) -> Result<Self, UidError> {
        text.parse()
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> Self {
        uid.to_string()
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_no_guid() {
        for text in [
            "",
            "abc",
            "0f8fad5bd9cb469fa16570867728950e",
            "0f8fad5b-d9cb-469f-a165-70867728950g",
        ] {
            assert_eq!(text.parse::<Uid>(), Err(UidError), "{text}");
        }
        assert_eq!(
            "0f8fad5b+d9cb-469f-a165-70867728950e".parse::<Uid>(),
            Err(UidError)
        );
    }

    proptest! {
        #[test]
        fn uids_round_trip(bytes: [u8; 16]) {
            let uid = Uid::from_bytes(bytes);
            prop_assert_eq!(uid.to_string().parse::<Uid>(), Ok(uid));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Uid>();
        }
    }
}
