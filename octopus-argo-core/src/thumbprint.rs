//! Thumbprints and pins: short texts that stand for a certificate or for its key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a [`Thumbprint`] or a [`KeyPin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThumbprintError {
    /// Something other than a hexadecimal digit: often a colon, a space, or an invisible mark copied from a dialogue.
    #[error("expected hexadecimal digits only, found {found:?} at character {position}")]
    #[non_exhaustive]
    NotHex {
        /// The first character that is no digit.
        found: char,
        /// Its position, counted in characters from 1.
        position: usize,
    },
    /// The wrong number of digits.
    #[error("expected {expected} hexadecimal digits, found {found}")]
    #[non_exhaustive]
    Length {
        /// 40 for a thumbprint, 64 for a pin.
        expected: usize,
        /// How many there are.
        found: usize,
    },
}

/// The SHA-1 thumbprint of a certificate: SHA-1 over its DER form, as Octopus shows it.
///
/// Written as 40 hexadecimal digits. Letter case makes no difference, and nothing else is forgiven: `AA:BB` and spaces
/// are refused here, with the place named, where Octopus's own gateway takes them and then never finds a match.
///
/// SHA-1 is what the public contract uses. Prefer a [`KeyPin`] where there is a choice.
///
/// ```
/// use octopus_argo_core::Thumbprint;
///
/// let thumbprint: Thumbprint = "30656e497815b3e31eb4bc517a57558170d9abbf".parse()?;
/// assert_eq!(thumbprint.to_string(), "30656E497815B3E31EB4BC517A57558170D9ABBF");
/// assert!(thumbprint.matches("30656E497815b3e31eb4bc517a57558170d9abbf"));
/// assert!(!thumbprint.matches(" 30656e497815b3e31eb4bc517a57558170d9abbf"));
/// # Ok::<(), octopus_argo_core::ThumbprintError>(())
/// ```
///
/// Rule: OctopusDeploy/octopus-grpc `go/certificate/verification.go`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint([u8; Self::LENGTH]);

impl Thumbprint {
    /// The length of a SHA-1 digest in bytes.
    pub const LENGTH: usize = 20;

    /// Wraps a SHA-1 digest. This crate hashes nothing itself.
    #[must_use]
    pub fn from_sha1(digest: [u8; Self::LENGTH]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Whether `text` is this thumbprint, ignoring letter case and nothing else.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.to_string().eq_ignore_ascii_case(text)
    }
}

impl FromStr for Thumbprint {
    type Err = ThumbprintError;

    fn from_str(text: &str) -> Result<Self, ThumbprintError> {
        read_hex(text).map(Self)
    }
}

impl fmt::Display for Thumbprint {
    /// In upper case, as Octopus writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// The SHA-256 digest of a certificate's public key (its DER `SubjectPublicKeyInfo`).
///
/// It survives a renewed certificate as long as the key stays. Written as 64 hexadecimal digits, in any letter case:
///
/// ```sh
/// openssl x509 -in server.pem -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256
/// ```
///
/// ```
/// use octopus_argo_core::KeyPin;
///
/// let pin: KeyPin = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".parse()?;
/// assert_eq!(pin, KeyPin::from_sha256(*pin.as_bytes()));
/// # Ok::<(), octopus_argo_core::ThumbprintError>(())
/// ```
///
/// Rule: what is hashed follows RFC 7469, section 2.4. Pinning a key is an addition of this SDK.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyPin([u8; Self::LENGTH]);

impl KeyPin {
    /// The length of a SHA-256 digest in bytes.
    pub const LENGTH: usize = 32;

    /// Wraps a SHA-256 digest. This crate hashes nothing itself.
    #[must_use]
    pub fn from_sha256(digest: [u8; Self::LENGTH]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl FromStr for KeyPin {
    type Err = ThumbprintError;

    fn from_str(text: &str) -> Result<Self, ThumbprintError> {
        read_hex(text).map(Self)
    }
}

impl fmt::Display for KeyPin {
    /// In lower case, as `openssl` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

macro_rules! text_forms {
    ($($name:ident),+) => {$(
        impl TryFrom<String> for $name {
            type Error = ThumbprintError;

            fn try_from(text: String) -> Result<Self, ThumbprintError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                digest.to_string()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )+};
}

text_forms!(Thumbprint, KeyPin);

fn read_hex<const N: usize>(text: &str) -> Result<[u8; N], ThumbprintError> {
    let mut bytes = [0; N];
    let mut count = 0;
    for found in text.chars() {
        let Some(digit) = found.to_digit(16).and_then(|digit| u8::try_from(digit).ok()) else {
            return Err(ThumbprintError::NotHex {
                found,
                position: count + 1,
            });
        };
        if let Some(byte) = bytes.get_mut(count / 2) {
            *byte = *byte << 4 | digit;
        }
        count += 1;
    }
    if count == 2 * N {
        Ok(bytes)
    } else {
        Err(ThumbprintError::Length {
            expected: 2 * N,
            found: count,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "30656E497815B3E31EB4BC517A57558170D9ABBF";

    #[test]
    fn letter_case_makes_no_difference_and_everything_else_does() {
        let thumbprint: Thumbprint = TEXT.parse().unwrap();
        assert_eq!(TEXT.to_lowercase().parse(), Ok(thumbprint));
        assert!(thumbprint.matches(&TEXT.to_lowercase()));
        for other in [
            format!("{TEXT} "),
            TEXT.replacen("30", "30:", 1),
            TEXT.replacen('3', "4", 1),
            String::new(),
        ] {
            assert!(!thumbprint.matches(&other), "{other}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let error = |text: &str| text.parse::<Thumbprint>().unwrap_err();
        assert_eq!(
            error("30:65"),
            ThumbprintError::NotHex {
                found: ':',
                position: 3
            }
        );
        assert_eq!(
            error(&format!("\u{200e}{TEXT}")),
            ThumbprintError::NotHex {
                found: '\u{200e}',
                position: 1
            }
        );
        assert_eq!(
            error(""),
            ThumbprintError::Length {
                expected: 40,
                found: 0
            }
        );
        assert_eq!(
            error(&format!("{TEXT}0")),
            ThumbprintError::Length {
                expected: 40,
                found: 41
            }
        );
        assert_eq!(
            TEXT.parse::<KeyPin>(),
            Err(ThumbprintError::Length {
                expected: 64,
                found: 40
            })
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(sha1: [u8; 20], sha256: [u8; 32]) {
            let (thumbprint, pin) = (Thumbprint::from_sha1(sha1), KeyPin::from_sha256(sha256));
            prop_assert_eq!(thumbprint.to_string().parse(), Ok(thumbprint));
            prop_assert_eq!(pin.to_string().parse(), Ok(pin));
        }
    }
}
