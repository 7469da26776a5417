//! Tokens, the accounts that they belong to, and what these may do.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use tonic::Status;

use super::ArgoCdVersion;
use super::clock::{Clock, Timestamp};

/// An account and what it may do: a policy with nothing but `allow` lines.
///
/// ```
/// use octopus_argo_testkit::argocd::Access;
///
/// let access = Access::new("gateway")
///     .allow("applications", "get", "*/*")
///     .allow("applications", "sync", "shop/*");
/// # let _ = access;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    subject: String,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    resource: String,
    action: String,
    object: String,
}

impl Access {
    /// An account of this name without any right: for calls, `subject` is who started an operation.
    #[must_use]
    pub fn new(subject: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            rules: Vec::new(),
        }
    }

    /// An account that may read every application and its logs.
    #[must_use]
    pub fn read_only(subject: &str) -> Self {
        Self::new(subject)
            .allow("applications", "get", "*/*")
            .allow("logs", "get", "*/*")
    }

    /// As [`Access::read_only`], and it may sync every application.
    #[must_use]
    pub fn read_and_sync(subject: &str) -> Self {
        Self::read_only(subject).allow("applications", "sync", "*/*")
    }

    /// Adds a right, as the policy line `p, <subject>, <resource>, <action>, <object>, allow` does. `*` stands for any
    /// text, slashes included, in each of the three.
    ///
    /// The object of an application and of its logs is `<project>/<name>`, and `<project>/<namespace>/<name>` outside
    /// the control plane's namespace.
    ///
    /// Rule: Argo CD `util/rbac/rbac.go` (`globMatchFunc`) and `util/security/rbac.go` (`RBACName`).
    #[must_use]
    pub fn allow(mut self, resource: &str, action: &str, object: &str) -> Self {
        self.rules.push(Rule {
            resource: resource.to_owned(),
            action: action.to_owned(),
            object: object.to_owned(),
        });
        self
    }

    fn allows(&self, resource: &str, action: &str, object: &str) -> bool {
        self.rules.iter().any(|rule| {
            glob(&rule.resource, resource) && glob(&rule.action, action) && glob(&rule.object, object)
        })
    }
}

/// The tokens that the simulated server knows. A cheap handle: clones act on the same server.
///
/// Changes act on calls that begin afterwards. A stream that is open outlives its token, as it does with Argo CD, which
/// authenticates only at the start; but rights are looked up for every event, so a changed [`Access`] acts at once.
///
/// Rule: Argo CD `server/server.go` (`Authenticate`).
#[derive(Clone)]
pub struct Accounts {
    state: Arc<Mutex<State>>,
    clock: Clock,
    version: ArgoCdVersion,
}

#[derive(Default)]
struct State {
    open: bool,
    tokens: HashMap<String, Token>,
    /// By subject.
    access: HashMap<String, Access>,
}

struct Token {
    /// The id that errors name; the token itself stays out of them.
    id: usize,
    subject: String,
    issued: Timestamp,
    validity: Validity,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Validity {
    Valid,
    Expired,
    Revoked,
}

impl Accounts {
    pub(super) fn new(clock: Clock, version: ArgoCdVersion) -> Self {
        Self {
            state: Arc::default(),
            clock,
            version,
        }
    }

    /// Lets every call pass, with or without a token, and allows everything, as the server's `--disable-auth` does.
    pub(super) fn open_to_all(&self) {
        self.state().open = true;
    }

    /// Makes `token` a valid token of this account, and gives the account this access, whatever it had before.
    ///
    /// Argo CD looks at an `authorization` header only where the token has three parts joined by dots, as a JWT has;
    /// the `token` header takes any text. A token for both ways looks like one: `header.payload.signature`.
    pub fn issue(&self, token: &str, access: Access) {
        let mut state = self.state();
        let issued = Token {
            id: state.tokens.len() + 1,
            subject: access.subject.clone(),
            issued: self.clock.now(),
            validity: Validity::Valid,
        };
        state.tokens.insert(token.to_owned(), issued);
        state.access.insert(access.subject.clone(), access);
    }

    /// Replaces what an account may do. Its tokens stay as they are.
    pub fn set_access(&self, access: Access) {
        self.state().access.insert(access.subject.clone(), access);
    }

    /// The token is no longer on its account. Calls answer code 16. Unknown tokens stay unknown.
    pub fn revoke(&self, token: &str) {
        self.mark(token, Validity::Revoked);
    }

    /// The token has expired. Calls answer code 16. Unknown tokens stay unknown.
    pub fn expire(&self, token: &str) {
        self.mark(token, Validity::Expired);
    }

    /// Undoes [`Accounts::revoke`] and [`Accounts::expire`].
    pub fn restore(&self, token: &str) {
        self.mark(token, Validity::Valid);
    }

    fn mark(&self, token: &str, validity: Validity) {
        if let Some(token) = self.state().tokens.get_mut(token) {
            token.validity = validity;
        }
    }

    /// Who is calling.
    ///
    /// # Errors
    /// Code 16 with Argo CD's messages.
    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Status> {
        let state = self.state();
        if state.open {
            return Ok(Caller::Everyone);
        }
        let presented =
            presented(headers).ok_or_else(|| Status::unauthenticated("no session information"))?;
        let invalid = |cause: &str| Status::unauthenticated(format!("invalid session: {cause}"));
        let Some(token) = state.tokens.get(presented) else {
            return Err(invalid(if is_jwt(presented) {
                "token signature is invalid: signature is invalid"
            } else {
                "token is malformed: token contains an invalid number of segments"
            }));
        };
        match token.validity {
            Validity::Valid => Ok(Caller::Account {
                subject: token.subject.clone(),
                issued: token.issued,
            }),
            Validity::Expired if self.version.is_3_or_later() => {
                Err(invalid("token has invalid claims: token is expired"))
            }
            Validity::Expired => Err(invalid("token is expired")),
            Validity::Revoked => Err(invalid(&format!(
                "account {} does not have token with id {}",
                token.subject, token.id
            ))),
        }
    }

    /// Whether the caller may do this now.
    pub(super) fn allows(&self, caller: &Caller, resource: &str, action: &str, object: &str) -> bool {
        match caller {
            Caller::Everyone => true,
            Caller::Anonymous => false,
            Caller::Account { subject, .. } => {
                let state = self.state();
                let access = state.access.get(subject);
                access.is_some_and(|access| access.allows(resource, action, object))
            }
        }
    }

    /// As [`Accounts::allows`], for checks whose refusal says what was missing.
    ///
    /// Rule: Argo CD `util/rbac/rbac.go` (`EnforceErr`).
    pub(super) fn enforce(
        &self,
        caller: &Caller,
        resource: &str,
        action: &str,
        object: &str,
    ) -> Result<(), Status> {
        if self.allows(caller, resource, action, object) {
            return Ok(());
        }
        let mut message = format!("permission denied: {resource}, {action}, {object}");
        if let Caller::Account { subject, issued } = caller {
            let _ = write!(message, ", sub: {subject}, iat: {}", issued.whole_seconds());
        }
        Err(Status::permission_denied(message))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and a test that has failed elsewhere should still be able to look.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Accounts {
    /// Without the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}

/// Who a call comes from.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Authentication is off.
    Everyone,
    /// A call that needs no token had none, or a bad one.
    Anonymous,
    Account {
        subject: String,
        issued: Timestamp,
    },
}

impl Caller {
    /// The name for `initiatedBy`.
    pub(super) fn subject(&self) -> &str {
        match self {
            Self::Account { subject, .. } => subject,
            Self::Everyone | Self::Anonymous => "",
        }
    }
}

/// The token that a request presents, looked for where and in the order that Argo CD does.
///
/// A `token` header is final, even when it is empty: a good `authorization` header beside it is not looked at.
///
/// Rule: Argo CD `server/server.go` (`getToken`).
fn presented(headers: &HeaderMap) -> Option<&str> {
    let token = match headers.get("token") {
        Some(token) => token.to_str().ok(),
        None => bearer(headers).or_else(|| cookie(headers)),
    };
    token.filter(|token| !token.is_empty())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(http::header::AUTHORIZATION)
        .iter()
        .filter_map(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .find(|token| is_jwt(token))
}

/// What the JSON gateway makes of a browser's cookie. A plain `cookie` header does not count.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all("grpcgateway-cookie");
    let mut cookies = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    cookies.find_map(|cookie| cookie.trim().strip_prefix("argocd.token="))
}

fn is_jwt(token: &str) -> bool {
    token.split('.').count() == 3
}

/// Whether `text` fits `pattern`, in which `*` stands for any text, slashes included.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(position) => rest = &rest[position + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_cross_slashes() {
        for (pattern, text, fits) in [
            ("*/*", "shop/web", true),
            ("*/*", "shop/team/web", true),
            ("shop/*", "shop/team/web", true),
            ("shop/*", "other/web", false),
            ("shop/web", "shop/web", true),
            ("shop/web", "shop/web2", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*c", "a-c-b-c", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn tokens_are_looked_for_in_order() {
        for (pairs, expected) in [
            (&[("token", "t")][..], Some("t")),
            (&[("authorization", "Bearer a.b.c")], Some("a.b.c")),
            (&[("authorization", "Bearer abc")], None),
            (&[("authorization", "bearer a.b.c")], None),
            (&[("token", "t"), ("authorization", "Bearer a.b.c")], Some("t")),
            (&[("token", ""), ("authorization", "Bearer a.b.c")], None),
            (
                &[("grpcgateway-cookie", "x=y; argocd.token=a.b.c")],
                Some("a.b.c"),
            ),
            (&[("cookie", "argocd.token=a.b.c")], None),
            (&[], None),
        ] {
            assert_eq!(presented(&headers(pairs)), expected, "{pairs:?}");
        }
    }
}
