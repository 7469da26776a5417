//! What a token of Argo CD says about itself. Only Argo CD can tell whether that is true.

use std::time::Duration;

use serde_json::{Map, Value};

use super::base64url;

/// Why a token cannot be read. The token is not repeated here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not three parts with a dot between them.
    #[error("a token has three parts separated by dots, this text has {parts}")]
    #[non_exhaustive]
    Parts {
        /// How many parts there are.
        parts: usize,
    },
    /// The middle part is not base64url.
    #[error("the middle part of the token is not base64url")]
    Encoding,
    /// The middle part holds no JSON object.
    #[error("the middle part of the token holds no JSON object")]
    Claims,
    /// The claim `exp` is not a number.
    #[error("the token's claim exp is not a number of seconds")]
    Expiry,
}

/// Why a token is not that of a project's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectTokenError {
    /// It cannot be read at all.
    #[error("the token cannot be read")]
    Unreadable(#[source] TokenError),
    /// Its subject is not `proj:<project>:<role>`. Tokens of accounts have `<account>:apiKey`.
    #[error("the token does not belong to a role of a project")]
    NotAProjectRole,
}

/// The claims of a token that a gateway is interested in. They are read and **not verified**: only Argo CD has the key.
///
/// ```
/// use octopus_argo_core::setup::TokenClaims;
///
/// // {"sub":"proj:shop:octopus","exp":1710000000}
/// let claims = TokenClaims::read("e30.eyJzdWIiOiJwcm9qOnNob3A6b2N0b3B1cyIsImV4cCI6MTcxMDAwMDAwMH0.c2ln")?;
/// assert_eq!(claims.project_role().unwrap(), ("shop", "octopus"));
/// assert!(claims.is_expired(1_790_000_000));
/// # Ok::<(), octopus_argo_core::setup::TokenError>(())
/// ```
///
/// Rule: OctopusDeploy/cli `argocd/projects.go`. Cases: `vectors/connection.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    subject: Option<String>,
    expires_at: Option<i64>,
}

impl TokenClaims {
    /// Reads the claims of a token. White space around it is dropped.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read(token: &str) -> Result<Self, TokenError> {
        let mut parts = token.trim().split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            let parts = token.trim().split('.').count();
            return Err(TokenError::Parts { parts });
        };
        let payload = base64url::decode(payload).ok_or(TokenError::Encoding)?;
        let claims: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| TokenError::Claims)?;
        Ok(Self {
            subject: claims.get("sub").and_then(Value::as_str).map(str::to_owned),
            expires_at: expires_at(claims.get("exp"))?,
        })
    }

    /// Who the token was issued to, where it says so.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// When it ends, in Unix seconds; `None` for never.
    #[must_use]
    pub fn expires_at(&self) -> Option<i64> {
        self.expires_at
    }

    /// Project and role, where the subject is `proj:<project>:<role>`.
    #[must_use]
    pub fn project_role(&self) -> Option<(&str, &str)> {
        let mut parts = self.subject()?.split(':');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("proj"), Some(project), Some(role), None) if !project.is_empty() && !role.is_empty() => {
                Some((project, role))
            }
            _ => None,
        }
    }

    /// Whether it has ended at `now`, in Unix seconds. In its last second it is still good.
    #[must_use]
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| end < now)
    }

    /// How it stands with the end of the token at `now`, in Unix seconds.
    ///
    /// ```
    /// use octopus_argo_core::setup::{Expiry, TokenClaims};
    /// use std::time::Duration;
    ///
    /// # let claims = TokenClaims::read("e30.eyJzdWIiOiJwcm9qOnNob3A6b2N0b3B1cyIsImV4cCI6MTcxMDAwMDAwMH0.c2ln")?;
    /// let near = claims.expiry(1_709_999_000, Expiry::NEAR);
    /// assert_eq!(near, Expiry::Near { left: Duration::from_secs(1000) });
    /// # Ok::<(), octopus_argo_core::setup::TokenError>(())
    /// ```
    #[must_use]
    pub fn expiry(&self, now: i64, near: Duration) -> Expiry {
        let Some(end) = self.expires_at else {
            return Expiry::Never;
        };
        match u64::try_from(end.saturating_sub(now)) {
            Err(_) => Expiry::Expired,
            Ok(left) => match Duration::from_secs(left) {
                left if left <= near => Expiry::Near { left },
                left => Expiry::Later { left },
            },
        }
    }
}

/// How far away the end of a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiry {
    /// It does not end.
    Never,
    /// It ends, and there is time.
    Later {
        /// How much.
        left: Duration,
    },
    /// It ends soon: worth a warning.
    Near {
        /// What is left.
        left: Duration,
    },
    /// It has ended.
    Expired,
}

impl Expiry {
    /// What counts as soon if nothing else is said: 7 days, a time in which somebody comes by.
    pub const NEAR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
}

fn expires_at(claim: Option<&Value>) -> Result<Option<i64>, TokenError> {
    let seconds = match claim {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(seconds), _) => seconds,
            // The standard allows fractions of a second. What is beyond all time stays beyond all time.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a float becomes the nearest integer that there is"
            )]
            (None, Some(seconds)) => seconds as i64,
            (None, None) => return Err(TokenError::Expiry),
        },
        Some(_) => return Err(TokenError::Expiry),
    };
    Ok((seconds != 0).then_some(seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A token with this middle part.
    fn token(payload: &str) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits: Vec<u8> = payload
            .bytes()
            .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
            .collect();
        let digit = |six: &[u8]| {
            let value = (0..6).fold(0, |value, bit| {
                value << 1 | usize::from(*six.get(bit).unwrap_or(&0))
            });
            char::from(DIGITS[value])
        };
        format!("e30.{}.sig", bits.chunks(6).map(digit).collect::<String>())
    }

    fn claims(payload: &str) -> TokenClaims {
        TokenClaims::read(&token(payload)).unwrap()
    }

    #[test]
    fn only_three_full_parts_are_a_project_role() {
        assert_eq!(claims(r#"{"sub":"proj:a:b"}"#).project_role(), Some(("a", "b")));
        for subject in [
            "octopus:apiKey",
            "proj:a",
            "proj:a:",
            "proj::b",
            "proj:a:b:c",
            "Proj:a:b",
            "",
        ] {
            let claims = claims(&format!(r#"{{"sub":"{subject}"}}"#));
            assert_eq!(claims.project_role(), None, "{subject}");
        }
        assert_eq!(claims(r#"{"sub":7}"#).project_role(), None);
    }

    #[test]
    fn an_end_may_be_missing_zero_or_a_fraction() {
        let end = |exp: &str| claims(&format!(r#"{{"exp":{exp}}}"#)).expires_at();
        assert_eq!(end("0"), None);
        assert_eq!(end("null"), None);
        assert_eq!(end("17.9"), Some(17));
        assert_eq!(end("1e300"), Some(i64::MAX));
        assert_eq!(end("-5"), Some(-5));
        let text = TokenClaims::read(&token(r#"{"exp":"17"}"#));
        assert_eq!(text, Err(TokenError::Expiry));
        let claims = claims(r#"{"exp":100}"#);
        assert!(!claims.is_expired(100) && claims.is_expired(101));
        let expiry = |now| claims.expiry(now, Duration::from_secs(10));
        assert_eq!(expiry(101), Expiry::Expired);
        assert_eq!(
            expiry(90),
            Expiry::Near {
                left: Duration::from_secs(10)
            }
        );
        assert_eq!(
            expiry(89),
            Expiry::Later {
                left: Duration::from_secs(11)
            }
        );
    }

    #[test]
    fn each_mistake_has_its_own_error() {
        let error = |text: &str| TokenClaims::read(text).unwrap_err();
        assert_eq!(error("opaque"), TokenError::Parts { parts: 1 });
        assert_eq!(error("a.b.c.d"), TokenError::Parts { parts: 4 });
        assert_eq!(error("a.+.c"), TokenError::Encoding);
        assert_eq!(error("a..c"), TokenError::Claims);
        assert_eq!(error(&token("[]")), TokenError::Claims);
        assert!(TokenClaims::read(" e30.e30=.c \n").is_ok());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}|[a-zA-Z0-9_.=-]{0,60}", payload in "\\PC{0,60}") {
            let _ = TokenClaims::read(&text);
            let _ = TokenClaims::read(&token(&payload));
        }
    }
}
