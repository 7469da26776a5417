//! What an account may do.

/// An account and what it may do: the lines of a policy.
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
    pub(super) subject: String,
    /// Of a project's role.
    project: Option<String>,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    resource: String,
    action: String,
    object: String,
    effect: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

impl Access {
    /// An account of this name without any right. The name is also who has started an operation.
    #[must_use]
    pub fn new(subject: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            project: None,
            rules: Vec::new(),
        }
    }

    /// A role of a project, as a project token has it. Its lines may name only applications, application sets, logs,
    /// exec, clusters and repositories, with objects within the project; others count for nothing, as Argo CD refuses to
    /// store them. On top, the role may always read its own project. What another project has, and clusters that belong
    /// to no project, it sees only where the default access allows it: see
    /// [`ArgoCdSimBuilder::default_access`](super::ArgoCdSimBuilder::default_access).
    ///
    /// Rule: Argo CD `server/rbacpolicy/rbacpolicy.go` (`enforceProjectToken`) and
    /// `pkg/apis/application/v1alpha1/types.go` (`validatePolicy`).
    ///
    /// ```
    /// use octopus_argo_testkit::argocd::Access;
    ///
    /// let role = Access::project_role("shop", "gateway")
    ///     .allow("applications", "get", "shop/*")
    ///     .allow("applications", "sync", "shop/*");
    /// assert_eq!(role.subject(), "proj:shop:gateway");
    /// ```
    #[must_use]
    pub fn project_role(project: &str, role: &str) -> Self {
        Self {
            project: Some(project.to_owned()),
            ..Self::new(&format!("proj:{project}:{role}"))
        }
    }

    /// The account's name, or `proj:`, project, `:` and role.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
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
    pub fn allow(self, resource: &str, action: &str, object: &str) -> Self {
        self.rule(resource, action, object, Effect::Allow)
    }

    /// Takes a right away, as the policy line with `deny` does, whatever else allows it. What the default access allows
    /// cannot be denied.
    ///
    /// Rule: Argo CD `util/rbac/rbac.go` (`enforce`) and `assets/model.conf`.
    #[must_use]
    pub fn deny(self, resource: &str, action: &str, object: &str) -> Self {
        self.rule(resource, action, object, Effect::Deny)
    }

    fn rule(mut self, resource: &str, action: &str, object: &str, effect: Effect) -> Self {
        self.rules.push(Rule {
            resource: resource.to_owned(),
            action: action.to_owned(),
            object: object.to_owned(),
            effect,
        });
        self
    }

    pub(super) fn allows(&self, resource: &str, action: &str, object: &str) -> bool {
        if let Some(project) = &self.project {
            if resource == "projects" {
                return action == "get" && object == project;
            }
            let within = object.split_once('/').is_some_and(|(first, _)| first == project);
            if !within || !OF_ROLES.contains(&resource) {
                return false;
            }
        }
        let fits = |rule: &&Rule| {
            glob(&rule.resource, resource) && glob(&rule.action, action) && glob(&rule.object, object)
        };
        let effects = |effect| self.rules.iter().filter(fits).any(|rule| rule.effect == effect);
        effects(Effect::Allow) && !effects(Effect::Deny)
    }
}

/// What the policies of a project's role may name.
const OF_ROLES: &[&str] = &[
    "applications",
    "applicationsets",
    "logs",
    "exec",
    "clusters",
    "repositories",
];

/// Whether `text` fits `pattern`, in which `*` stands for any text, slashes included.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
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
    fn a_role_stays_in_its_project() {
        let role = Access::project_role("shop", "gateway").allow("*", "*", "*");
        for (resource, action, object, allowed) in [
            ("applications", "get", "shop/web", true),
            ("applications", "get", "other/web", false),
            ("applications", "get", "shop", false),
            ("clusters", "get", "https://kubernetes.default.svc", false),
            ("clusters", "get", "shop/https://cluster", true),
            ("projects", "get", "shop", true),
            ("projects", "update", "shop", false),
            ("projects", "get", "other", false),
            ("accounts", "get", "shop/x", false),
        ] {
            assert_eq!(
                role.allows(resource, action, object),
                allowed,
                "{resource} {action} {object}"
            );
        }
    }

    #[test]
    fn what_is_denied_is_not_allowed() {
        let access = Access::new("gateway")
            .deny("applications", "get", "shop/secret*")
            .allow("applications", "*", "*/*");
        for (action, object, allowed) in [
            ("get", "shop/web", true),
            ("get", "shop/secret-1", false),
            ("sync", "shop/secret-1", true),
        ] {
            assert_eq!(
                access.allows("applications", action, object),
                allowed,
                "{action} {object}"
            );
        }
    }

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
}
