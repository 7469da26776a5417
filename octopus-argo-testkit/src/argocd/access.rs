//! What an account may do.

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
    pub(super) subject: String,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    resource: String,
    action: String,
    object: String,
}

impl Access {
    /// An account of this name without any right. The name is also who has started an operation.
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

    pub(super) fn allows(&self, resource: &str, action: &str, object: &str) -> bool {
        self.rules.iter().any(|rule| {
            glob(&rule.resource, resource) && glob(&rule.action, action) && glob(&rule.object, object)
        })
    }
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
}
