//! The credential of a gateway, and what is kept of it.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The operating system has no randomness to give. Nothing secret can be made then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system has no randomness to give")]
#[non_exhaustive]
pub struct RandomnessError;

/// A gateway's credential: 256 random bits in hexadecimal. Shown once, when it is made; stored as a [`TokenHash`].
#[derive(Clone)]
pub struct GatewayToken(SecretString);

impl GatewayToken {
    /// Draws a new one from the operating system.
    ///
    /// # Errors
    /// [`RandomnessError`]: the operating system has no randomness to give.
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| RandomnessError)?;
        let digit = |value: u8| {
            char::from(if value < 10 {
                b'0' + value
            } else {
                b'a' + value - 10
            })
        };
        let text: String = bytes
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect();
        Ok(Self(text.into()))
    }

    /// The secret itself, to be handed to the gateway.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for GatewayToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayToken(hidden)")
    }
}

/// What is kept of a token: its SHA-256. Nobody gets from it to the token, so a stolen database admits no one.
///
/// A plain hash is enough, without salt or stretching: those slow down whoever guesses what people choose, and 256
/// random bits cannot be guessed or tabulated. It also costs a microsecond, where a password hash would let anybody
/// keep the server busy with wrong tokens.
///
/// Compared in constant time.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Of the token that somebody presents.
    #[must_use]
    pub fn of(token: &SecretString) -> Self {
        Self(Sha256::digest(token.expose_secret().as_bytes()).into())
    }

    /// From a database.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For a database.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether it is one of `known`. Takes as long for each of them, and as long for none as for one that is wrong.
    #[must_use]
    pub fn is_any_of<'a>(&self, known: impl IntoIterator<Item = &'a Self>) -> bool {
        let mut found = subtle::Choice::from(0);
        let mut compared = false;
        for hash in known {
            found |= self.0.ct_eq(&hash.0);
            compared = true;
        }
        if !compared {
            let _ = self.0.ct_eq(&[0; 32]);
        }
        found.into()
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_256_bits_and_differ() {
        let (one, other) = (
            GatewayToken::generate().unwrap(),
            GatewayToken::generate().unwrap(),
        );
        assert_eq!(one.secret().expose_secret().len(), 64);
        assert!(
            one.secret()
                .expose_secret()
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit())
        );
        assert_ne!(one.hash(), other.hash());
        assert_eq!(one.hash(), TokenHash::of(one.secret()));
    }

    #[test]
    fn a_hash_is_sought_among_those_that_are_known() {
        let [one, other, third] = [1, 2, 3].map(|byte| TokenHash::from_bytes([byte; 32]));
        assert!(one.is_any_of([&other, &one]));
        assert!(!third.is_any_of([&other, &one]));
        assert!(!TokenHash::from_bytes([0; 32]).is_any_of([]));
    }

    #[test]
    fn neither_shows_in_debug() {
        let token = GatewayToken::generate().unwrap();
        let shown = format!("{token:?} {:?}", token.hash());
        assert_eq!(shown, "GatewayToken(hidden) TokenHash(hidden)");
    }
}
