//! Whether this Argo CD can be worked with: who the caller is, and which rights are there.

use std::fmt;

use octopus_argo_core::setup::{Permission, SyncRight, project_permissions, required_permissions};

use super::{Api, ApiError, Call, Channel};
use crate::argocd::account::{CanIRequest, CanIResponse};
use crate::argocd::session::{GetUserInfoRequest, GetUserInfoResponse};

/// A right: what may be done with which objects.
///
/// Rule: Argo CD `util/rbac/rbac.go`; `*` crosses slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Right {
    resource: Box<str>,
    action: Box<str>,
    object: Box<str>,
}

impl Right {
    /// The right to do `action` with the `object` of this kind: `applications`, `sync`, `shop/web`.
    #[must_use]
    pub fn new(resource: &str, action: &str, object: &str) -> Self {
        Self {
            resource: resource.into(),
            action: action.into(),
            object: object.into(),
        }
    }

    /// The kind of object, for example `applications`.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// What is done with it, for example `get`.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// With which objects, for example `*/*`.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The right to ask for in order to learn whether a policy gives this one. Argo CD compares what is asked with patterns,
    /// as if it were an object, and an application's object has a slash: the pattern `*/*` covers all of them, and not `*`.
    fn question(&self) -> Self {
        match (&*self.resource, &*self.object) {
            ("applications" | "logs", "*") => Self::new(&self.resource, &self.action, "*/*"),
            _ => self.clone(),
        }
    }

    /// The line of a policy that grants it to this subject.
    ///
    /// ```
    /// use octopus_argo_proto::argocd::Right;
    ///
    /// let right = Right::new("applications", "get", "*/*");
    /// assert_eq!(right.policy_line("gateway"), "p, gateway, applications, get, */*, allow");
    /// ```
    #[must_use]
    pub fn policy_line(&self, subject: &str) -> String {
        let Self {
            resource,
            action,
            object,
        } = self;
        format!("p, {subject}, {resource}, {action}, {object}, allow")
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.resource, self.action, self.object)
    }
}

/// Which rights are needed. Default: reading applications, their logs, and clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a need of its own")]
pub struct Needs {
    logs: bool,
    clusters: bool,
    sync: bool,
    projects: bool,
}

impl Default for Needs {
    fn default() -> Self {
        Self {
            logs: true,
            clusters: true,
            sync: false,
            projects: false,
        }
    }
}

impl Needs {
    /// Syncing applications as well.
    #[must_use]
    pub const fn with_sync(mut self) -> Self {
        self.sync = true;
        self
    }

    /// Reading Argo CD projects as well.
    #[must_use]
    pub const fn with_projects(mut self) -> Self {
        self.projects = true;
        self
    }

    /// Not the logs of pods.
    #[must_use]
    pub const fn without_logs(mut self) -> Self {
        self.logs = false;
        self
    }

    /// Not clusters.
    #[must_use]
    pub const fn without_clusters(mut self) -> Self {
        self.clusters = false;
        self
    }

    /// The rights that a user needs: in all projects, or in its own if its token is that of a project. Such a token has no
    /// right on clusters or other projects to be had, and always one on its own project.
    ///
    /// They are those of the policies that a gateway's account is set up with, and
    /// [`with_projects`](Needs::with_projects) adds one.
    ///
    /// Rule: [`required_permissions`], [`project_permissions`]; Argo CD `server/rbacpolicy/rbacpolicy.go`.
    #[must_use]
    pub fn rights(&self, user: &User) -> Vec<Right> {
        let sync = if self.sync {
            SyncRight::Allowed
        } else {
            SyncRight::Withheld
        };
        let (permissions, projects) = match user.project() {
            Some(project) => (project_permissions(project, sync), false),
            None => (required_permissions(sync), self.projects),
        };
        let needed = |permission: &Permission| match permission.resource {
            "clusters" => self.clusters,
            "logs" => self.logs,
            _ => true,
        };
        let rights = permissions.into_iter().filter(needed).map(|permission| {
            let Permission {
                resource,
                action,
                object,
                ..
            } = permission;
            Right::new(resource, action, &object)
        });
        rights
            .chain(projects.then(|| Right::new("projects", "get", "*")))
            .collect()
    }
}

/// Whom Argo CD takes the caller for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// Whether it accepts the token. False for one that is absent, malformed, expired or revoked.
    pub logged_in: bool,
    /// The account, or `proj:`, project, `:` and role.
    pub name: Box<str>,
    /// Who issued the token: `argocd`, or the address of an identity provider.
    pub issuer: Box<str>,
    /// The groups that an identity provider names.
    pub groups: Vec<Box<str>>,
}

impl User {
    /// The project of a project token.
    ///
    /// ```
    /// use octopus_argo_proto::argocd::User;
    ///
    /// let mut user = User::default();
    /// user.name = "proj:shop:gateway".into();
    /// assert_eq!(user.project(), Some("shop"));
    /// ```
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        let (project, role) = self.name.strip_prefix("proj:")?.split_once(':')?;
        (!project.is_empty() && !role.is_empty()).then_some(project)
    }

    /// The name that policies use: without what the token can do.
    #[must_use]
    pub fn subject(&self) -> &str {
        let name = &*self.name;
        name.strip_suffix(":apiKey")
            .or_else(|| name.strip_suffix(":login"))
            .unwrap_or(name)
    }
}

/// What a probe found.
///
/// Too few rights show as empty lists elsewhere and never as errors, so this is the way to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// The server's version, for example `v3.5.1+1a2b3c4`.
    pub version: Box<str>,
    /// Whom it takes the caller for.
    pub user: User,
    /// Each right that is needed; none where the token is not accepted.
    pub rights: Vec<RightState>,
}

impl Probe {
    /// Whether the token is accepted and no right is known to be missing.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.user.logged_in && self.missing().next().is_none()
    }

    /// The policy lines that are missing.
    pub fn missing(&self) -> impl Iterator<Item = String> {
        let missing = self.rights.iter().filter(|state| state.granted == Some(false));
        missing.map(|state| state.right.policy_line(self.user.subject()))
    }
}

/// A right, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RightState {
    /// The right.
    pub right: Right,
    /// Whether it is there; `None` where this server cannot tell, as old ones for logs.
    pub granted: Option<bool>,
}

impl<S: Channel> Api<S> {
    /// Asks for the version, for the user, and for each right that is needed.
    ///
    /// # Errors
    /// [`ApiError`] where the server does not answer. A token that is not accepted is no error.
    pub async fn probe(&self, needs: Needs) -> Result<Probe, ApiError> {
        let version = self.version().await?.version.into();
        let user = self.user().await?;
        let mut rights = Vec::new();
        if user.logged_in {
            for right in needs.rights(&user) {
                let granted = match self.can_i(&right.question()).await {
                    Ok(granted) => Some(granted),
                    Err(error) if error.is_retryable() => return Err(error),
                    Err(_) => None,
                };
                rights.push(RightState { right, granted });
            }
        }
        Ok(Probe {
            version,
            user,
            rights,
        })
    }

    /// Whom Argo CD takes the caller for. This never fails for the token's sake: it is the best way to try one.
    ///
    /// # Errors
    /// [`ApiError`] where the server does not answer.
    pub async fn user(&self) -> Result<User, ApiError> {
        let info: GetUserInfoResponse = self.unary(Call::GetUserInfo, GetUserInfoRequest {}).await?;
        Ok(User {
            logged_in: info.logged_in,
            name: info.username.into(),
            issuer: info.iss.into(),
            groups: info.groups.into_iter().map(Box::from).collect(),
        })
    }

    /// Whether the caller has this right. Its object is compared with the patterns of policies: ask with a concrete one, or
    /// with `*/*` for all of them.
    ///
    /// # Errors
    /// [`ApiError`]; [`Reason::Invalid`](super::Reason::Invalid) for words that this server does not know.
    pub async fn can_i(&self, right: &Right) -> Result<bool, ApiError> {
        let request = CanIRequest {
            resource: right.resource().to_owned(),
            action: right.action().to_owned(),
            subresource: right.object().to_owned(),
        };
        let answer: CanIResponse = self.unary(Call::CanI, request).await?;
        Ok(answer.value == "yes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_token_needs_rights_in_its_project_alone() {
        let user = User {
            name: "proj:shop:gateway".into(),
            ..User::default()
        };
        let lines = |needs: Needs, user: &User| -> Vec<String> {
            needs
                .rights(user)
                .iter()
                .map(|right| right.policy_line(user.subject()))
                .collect()
        };
        assert_eq!(
            lines(Needs::default().with_sync().with_projects(), &user),
            [
                "p, proj:shop:gateway, applications, get, shop/*, allow",
                "p, proj:shop:gateway, applications, sync, shop/*, allow",
                "p, proj:shop:gateway, logs, get, shop/*, allow",
            ]
        );
        let user = User {
            name: "gateway:apiKey".into(),
            ..User::default()
        };
        assert_eq!(
            lines(Needs::default().without_logs().with_projects(), &user),
            [
                "p, gateway, applications, get, *, allow",
                "p, gateway, clusters, get, *, allow",
                "p, gateway, projects, get, *, allow",
            ]
        );
    }

    /// What a probe finds missing is what an installer sets up, line for line.
    #[test]
    fn an_account_needs_what_it_is_set_up_with() {
        use octopus_argo_core::setup::{AccountName, missing_policies, required_policies};
        let account: AccountName = "gateway".parse().unwrap();
        let user = User {
            name: "gateway:apiKey".into(),
            ..User::default()
        };
        let rights = Needs::default().with_sync().rights(&user);
        let csv: Vec<String> = rights
            .iter()
            .map(|right| right.policy_line(user.subject()))
            .collect();
        let required = required_policies(&account, SyncRight::Allowed);
        assert_eq!(missing_policies(&required, &csv.join("\n")), Vec::<String>::new());
        assert_eq!(csv, required);
        let questions = rights.iter().map(|right| right.question().object().to_owned());
        assert_eq!(questions.collect::<Vec<_>>(), ["*/*", "*/*", "*", "*/*"]);
    }
}
