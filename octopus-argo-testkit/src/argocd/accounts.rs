//! The tokens that the server knows, and who is calling.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use serde_json::json;
use tonic::Status;

use super::clock::{Clock, Timestamp};
use super::credential::{is_jwt, presented};
use super::fleet::base64;
use super::{Access, ArgoCdVersion};

/// The tokens that the simulated server knows. A cheap handle: clones act on the same server.
///
/// Changes act on calls that begin afterwards. A stream that is open outlives its token, as it does with Argo CD, which
/// authenticates only at the start; but rights are looked up for every event, so a changed [`Access`] acts at once.
///
/// Rule: Argo CD `server/server.go` (`Authenticate`).
///
/// ```
/// use octopus_argo_testkit::argocd::{Access, ArgoCdSim};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = ArgoCdSim::builder().token("a.b.c", Access::read_only("gateway")).start().await?;
/// let accounts = sim.accounts();
/// accounts.set_access(Access::read_and_sync("gateway"));
/// accounts.expire("a.b.c"); // and everything that calls learns what happens then
/// accounts.issue("d.e.f", Access::read_and_sync("gateway"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Accounts {
    state: Arc<Mutex<State>>,
    clock: Clock,
    version: ArgoCdVersion,
}

#[derive(Default)]
struct State {
    open: bool,
    anonymous: bool,
    default: Option<Access>,
    /// By user, with the password.
    users: HashMap<String, (String, Access)>,
    sessions: u64,
    disabled: HashSet<String>,
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
    /// When a login ends, in seconds since 1970.
    ends: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Validity {
    Valid,
    Expired,
    Revoked,
}

/// How long a login lasts, in seconds.
///
/// Rule: Argo CD `util/settings/settings.go` (`UserSessionDuration`): 24 h.
const SESSION: i64 = 24 * 60 * 60;

/// How little is left of a login that is renewed, in seconds.
///
/// Rule: Argo CD `util/session/sessionmanager.go` (`autoRegenerateTokenDuration`).
const RENEWED: i64 = 5 * 60;

/// Rule: RFC 4648, section 5, without padding, as in RFC 7515.
fn url_safe(text: &str) -> String {
    text.trim_end_matches('=').replace('+', "-").replace('/', "_")
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
            ends: None,
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

    /// Disables an account: its tokens answer code 16, and it can no longer log in. `enabled` again with true.
    pub fn set_enabled(&self, subject: &str, enabled: bool) {
        let mut state = self.state();
        if enabled {
            state.disabled.remove(subject);
        } else {
            state.disabled.insert(subject.to_owned());
        }
    }

    /// Replaces what everyone may do, whatever else they may: `policy.default`. `None` is nothing.
    ///
    /// Rule: Argo CD `util/rbac/rbac.go` (`enforce`): tried first, and nothing takes it back.
    pub fn set_default_access(&self, access: Option<Access>) {
        self.state().default = access;
    }

    /// Lets calls without a good token through as an anonymous caller, who may do what the default access allows:
    /// `users.anonymous.enabled`.
    pub fn set_anonymous(&self, enabled: bool) {
        self.state().anonymous = enabled;
    }

    /// A user who can log in with a password, as `argocd login` does. Each login makes a new token.
    pub fn set_user(&self, name: &str, password: &str, access: Access) {
        self.state()
            .users
            .insert(name.to_owned(), (password.to_owned(), access));
    }

    /// Logs in, for 24 h by the server's clock. The token is a JWT in form, so that clients can read it; its signature is
    /// none, because this server knows its tokens by their text.
    ///
    /// Rule: Argo CD `util/session/sessionmanager.go` (`VerifyUsernamePassword`, `Create`).
    pub(super) fn log_in(&self, name: &str, password: &str) -> Result<String, Status> {
        let state = self.state();
        let known = state.users.get(name).filter(|(known, _)| known == password);
        let Some((_, access)) = known else {
            return Err(Status::unauthenticated("Invalid username or password"));
        };
        if state.disabled.contains(name) {
            return Err(Status::unauthenticated(format!("account {name} is disabled")));
        }
        let access = access.clone();
        drop(state);
        Ok(self.begin_session(name, access))
    }

    /// The token that takes the place of the one presented, where that is of a login which is about to end.
    ///
    /// Rule: Argo CD `util/session/sessionmanager.go` (`Parse`).
    pub(super) fn renewed(&self, headers: &HeaderMap) -> Option<String> {
        let state = self.state();
        let token = state.tokens.get(&*presented(headers)?)?;
        let left = token.ends?.saturating_sub(self.clock.now().unix_seconds());
        if token.validity != Validity::Valid || !(1..RENEWED).contains(&left) {
            return None;
        }
        let access = state.access.get(&token.subject)?.clone();
        drop(state);
        Some(self.begin_session(&access.subject.clone(), access))
    }

    fn begin_session(&self, name: &str, access: Access) -> String {
        let mut state = self.state();
        state.sessions += 1;
        let now = self.clock.now().unix_seconds();
        let claims = json!({
            "iss": "argocd",
            "sub": format!("{name}:login"),
            "iat": now,
            "nbf": now,
            "exp": now + SESSION,
            "jti": format!("session-{}", state.sessions),
        });
        let part = |json: &serde_json::Value| url_safe(&base64(json.to_string().as_bytes()));
        let token = format!(
            "{}.{}.{}",
            part(&json!({"alg": "HS256", "typ": "JWT"})),
            part(&claims),
            url_safe(&base64(format!("simulated-{}", state.sessions).as_bytes())),
        );
        drop(state);
        self.issue(&token, access);
        if let Some(token) = self.state().tokens.get_mut(&token) {
            token.ends = Some(now + SESSION);
        }
        token
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
        let caller = self.token_of(&state, headers);
        if state.anonymous {
            return Ok(caller.unwrap_or(Caller::Anonymous));
        }
        caller
    }

    fn token_of(&self, state: &State, headers: &HeaderMap) -> Result<Caller, Status> {
        let presented =
            presented(headers).ok_or_else(|| Status::unauthenticated("no session information"))?;
        let invalid = |cause: &str| Status::unauthenticated(format!("invalid session: {cause}"));
        let Some(token) = state.tokens.get(&*presented) else {
            return Err(invalid(if is_jwt(&presented) {
                "token signature is invalid: signature is invalid"
            } else {
                "token is malformed: token contains an invalid number of segments"
            }));
        };
        if state.disabled.contains(&token.subject) {
            return Err(invalid(&format!("account {} is disabled", token.subject)));
        }
        let ended = token
            .ends
            .is_some_and(|ends| ends <= self.clock.now().unix_seconds());
        let validity = if ended { Validity::Expired } else { token.validity };
        match validity {
            Validity::Valid => Ok(Caller::Account {
                subject: token.subject.clone(),
                issued: token.issued,
            }),
            Validity::Expired if self.version.is_3_or_later() => {
                Err(invalid("token has invalid claims: token is expired"))
            }
            Validity::Expired => Err(invalid("token is expired")),
            Validity::Revoked => Err(invalid(&match role_of(&token.subject) {
                Some((project, role)) => format!(
                    "JWT token for role '{role}' issued at '{}' does not exist in project '{project}'",
                    token.issued.unix_seconds()
                ),
                None => format!(
                    "account {} does not have token with id {}",
                    token.subject, token.id
                ),
            })),
        }
    }

    /// Whether the caller may do this now.
    pub(super) fn allows(&self, caller: &Caller, resource: &str, action: &str, object: &str) -> bool {
        let state = self.state();
        let by_default = state
            .default
            .as_ref()
            .is_some_and(|access| access.allows(resource, action, object));
        match caller {
            Caller::Everyone => true,
            _ if by_default => true,
            Caller::Anonymous => false,
            Caller::Account { subject, .. } => {
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

/// Project and role of a project token's subject.
fn role_of(subject: &str) -> Option<(&str, &str)> {
    subject.strip_prefix("proj:")?.split_once(':')
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
