//! Who calls, and what they may.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use async_trait::async_trait;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use octopus_argo_core::SpaceId;
use octopus_argo_proto::registration::{API_KEY_HEADER, Credential, CredentialKind};
use secrecy::SecretString;

use crate::TokenHash;

/// What a caller showed: the secret, and the header that it came in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Presented {
    /// Which of the two headers.
    pub kind: CredentialKind,
    /// The key or token itself. Look it up by a hash, and compare in constant time.
    pub secret: SecretString,
}

impl Presented {
    /// What the headers of a request hold. Of both, the API key counts. Two of a kind are none: somebody is confused.
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let only = |name: &str| {
            let mut values = headers.get_all(name).iter();
            let first = values.next()?;
            values.next().is_none().then_some(first)?.to_str().ok()
        };
        if headers.contains_key(API_KEY_HEADER) {
            let key: Credential = only(API_KEY_HEADER)?.parse().ok()?;
            return Some(Self {
                kind: CredentialKind::ApiKey,
                secret: key.secret().clone(),
            });
        }
        let (scheme, token) = only(AUTHORIZATION.as_str())?.split_once(' ')?;
        let token: Credential = token.parse().ok()?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Self {
            kind: CredentialKind::Bearer,
            secret: token.secret().clone(),
        })
    }
}

/// What a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Register a gateway.
    Register,
    /// Read a record, or list records.
    Read,
    /// Change a record.
    Modify,
    /// Remove a record.
    Delete,
    /// Check a gateway's health.
    CheckHealth,
}

/// Who a caller is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// A name for logs.
    pub name: Arc<str>,
}

impl Caller {
    /// Somebody of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into() }
    }
}

/// Why a caller may not do what they want.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// Nobody has this key or token. Answered with 401.
    #[error("the credential is not known")]
    Unknown,
    /// It was good, and is so no longer. Answered with 401.
    #[error("the credential has expired")]
    Expired,
    /// It is good, and does not allow this in this space. Answered with 403.
    #[error("the caller may not do this in this space")]
    Forbidden,
    /// It cannot be told now. Answered with 503; the reason stays here.
    #[error("whether the caller may do this cannot be told now")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
}

/// Says who a caller is, and whether they may do something in a space.
#[async_trait]
pub trait Access: Send + Sync + 'static {
    /// Who showed `presented`, if they may do this. The space need not exist.
    ///
    /// # Errors
    /// [`Denied`].
    ///
    /// # Cancel safety
    /// Must be cancel-safe: the future is dropped when the caller goes away.
    async fn authorize(
        &self,
        presented: &Presented,
        space: &SpaceId,
        action: Action,
    ) -> Result<Caller, Denied>;
}

/// What a credential in [`MemoryAccess`] is good for. At first for everything, everywhere, for ever.
#[derive(Clone, Debug)]
pub struct Grant {
    caller: Caller,
    spaces: Option<BTreeSet<SpaceId>>,
    read_only: bool,
    until: Option<SystemTime>,
}

impl Grant {
    /// Everything, for somebody of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            caller: Caller::new(name),
            spaces: None,
            read_only: false,
            until: None,
        }
    }

    /// The same in these spaces only.
    #[must_use]
    pub fn in_spaces(mut self, spaces: impl IntoIterator<Item = SpaceId>) -> Self {
        self.spaces = Some(spaces.into_iter().collect());
        self
    }

    /// The same for reading only.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The same until then. Octopus's installation wizard gives its tokens an hour.
    #[must_use]
    pub fn until(mut self, end: SystemTime) -> Self {
        self.until = Some(end);
        self
    }

    fn check(&self, space: &SpaceId, action: Action, now: SystemTime) -> Result<Caller, Denied> {
        if self.until.is_some_and(|end| end <= now) {
            return Err(Denied::Expired);
        }
        let here = self.spaces.as_ref().is_none_or(|spaces| spaces.contains(space));
        if here && (!self.read_only || action == Action::Read) {
            Ok(self.caller.clone())
        } else {
            Err(Denied::Forbidden)
        }
    }
}

/// Keys and tokens that are kept in memory, as hashes. Cloning shares it.
#[derive(Clone, Default)]
pub struct MemoryAccess(Arc<RwLock<Vec<(TokenHash, Grant)>>>);

impl MemoryAccess {
    /// Lets whoever shows `credential` do what `grant` says, in place of what it allowed before.
    pub fn grant(&self, credential: &Credential, grant: Grant) {
        let hash = TokenHash::of(credential.secret());
        let mut grants = self.0.write().unwrap_or_else(PoisonError::into_inner);
        grants.retain(|(known, _)| *known != hash);
        grants.push((hash, grant));
    }

    /// Takes a credential away.
    pub fn revoke(&self, credential: &Credential) {
        let hash = TokenHash::of(credential.secret());
        let mut grants = self.0.write().unwrap_or_else(PoisonError::into_inner);
        grants.retain(|(known, _)| *known != hash);
    }
}

#[async_trait]
impl Access for MemoryAccess {
    async fn authorize(
        &self,
        presented: &Presented,
        space: &SpaceId,
        action: Action,
    ) -> Result<Caller, Denied> {
        let hash = TokenHash::of(&presented.secret);
        let grants = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // All of them are compared, so that the time says nothing about which one it is.
        let found = grants.iter().fold(
            None,
            |found, (known, grant)| {
                if *known == hash { Some(grant) } else { found }
            },
        );
        found
            .ok_or(Denied::Unknown)?
            .check(space, action, SystemTime::now())
    }
}

impl fmt::Debug for MemoryAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryAccess")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn one_header_of_either_kind_is_read() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            Presented::from_headers(&headers)
                .map(|shown| (shown.kind, shown.secret.expose_secret().to_owned()))
        };
        let (key, bearer) = (CredentialKind::ApiKey, CredentialKind::Bearer);
        assert_eq!(
            read(&[("x-octopus-apikey", "API-A")]),
            Some((key, "API-A".to_owned()))
        );
        assert_eq!(
            read(&[("authorization", "bearer abc")]),
            Some((bearer, "abc".to_owned()))
        );
        assert_eq!(
            read(&[("authorization", "Bearer a"), ("x-octopus-apikey", "API-A")])
                .unwrap()
                .0,
            key
        );
        for none in [
            &[][..],
            &[("authorization", "Basic abc")],
            &[("authorization", "abc")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Bearer a b")],
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
        ] {
            assert_eq!(read(none), None, "{none:?}");
        }
    }
}
