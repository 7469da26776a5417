//! What Argo CD has to allow a gateway: lines for the key `policy.csv` of its config map `argocd-rbac-cm`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Why a text cannot stand in a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot stand in a policy: letters, digits, hyphens, underscores and dots only")]
#[non_exhaustive]
pub struct PolicyNameError {
    /// The text.
    pub name: Box<str>,
}

/// The name of a local account of Argo CD. A comma or a line break in it would write rights that nobody meant.
///
/// ```
/// use octopus_argo_core::setup::AccountName;
///
/// assert_eq!(AccountName::default().as_str(), "octopus");
/// assert!("octopus, *".parse::<AccountName>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountName(String);

impl AccountName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for AccountName {
    /// `octopus`, the account of Octopus's documentation.
    fn default() -> Self {
        Self("octopus".to_owned())
    }
}

impl FromStr for AccountName {
    type Err = PolicyNameError;

    fn from_str(text: &str) -> Result<Self, PolicyNameError> {
        checked(text).map(Self)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A role of an Argo CD project, to which tokens can be issued.
///
/// ```
/// use octopus_argo_core::setup::ProjectRole;
///
/// assert_eq!(ProjectRole::new("shop", "octopus")?.to_string(), "proj:shop:octopus");
/// # Ok::<(), octopus_argo_core::setup::PolicyNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectRole {
    project: String,
    role: String,
}

impl ProjectRole {
    /// The role `role` of the project `project`.
    ///
    /// # Errors
    /// [`PolicyNameError`] names the one of the two that cannot stand in a policy.
    pub fn new(project: &str, role: &str) -> Result<Self, PolicyNameError> {
        Ok(Self {
            project: checked(project)?,
            role: checked(role)?,
        })
    }

    /// The project.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }
}

impl fmt::Display for ProjectRole {
    /// As the subject of a policy and of a token: `proj:<project>:<role>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proj:{}:{}", self.project, self.role)
    }
}

/// Whether the gateway may start a sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyncRight {
    /// It may, as deployments that sync need. Octopus's default.
    #[default]
    Allowed,
    /// It only reads.
    Withheld,
}

/// What a policy lets its subject do: `action` with every object of the kind `resource` that fits the pattern `object`.
///
/// Rule: Argo CD `util/rbac/rbac.go`; `*` crosses slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Permission {
    /// For example `applications`.
    pub resource: &'static str,
    /// For example `get`.
    pub action: &'static str,
    /// For example `*`, or `shop/*`.
    pub object: Cow<'static, str>,
}

impl Permission {
    const fn new(resource: &'static str, action: &'static str, object: Cow<'static, str>) -> Self {
        Self {
            resource,
            action,
            object,
        }
    }

    /// The line of a policy that gives it to this subject. A subject with a comma or a line break in it would write rights
    /// that nobody meant: make it from an [`AccountName`] or a [`ProjectRole`], unless it comes from Argo CD itself.
    ///
    /// ```
    /// use octopus_argo_core::setup::{SyncRight, required_permissions};
    ///
    /// let lines: Vec<_> = required_permissions(SyncRight::Withheld).iter().map(|right| right.policy("octopus")).collect();
    /// assert_eq!(lines[2], "p, octopus, logs, get, */*, allow");
    /// ```
    #[must_use]
    pub fn policy(&self, subject: &str) -> String {
        let Self {
            resource,
            action,
            object,
        } = self;
        format!("p, {subject}, {resource}, {action}, {object}, allow")
    }

    fn is_granted_with(&self, sync: SyncRight) -> bool {
        sync == SyncRight::Allowed || self.action != "sync"
    }
}

/// What the account of a gateway needs to be allowed, sorted.
///
/// Rule: Octopus docs, "Argo CD user"; OctopusDeploy/cli `argocd/account.go`.
#[must_use]
pub fn required_permissions(sync: SyncRight) -> Vec<Permission> {
    [
        ("applications", "get", "*"),
        ("applications", "sync", "*"),
        ("clusters", "get", "*"),
        ("logs", "get", "*/*"),
    ]
    .into_iter()
    .map(|(resource, action, object)| Permission::new(resource, action, Cow::Borrowed(object)))
    .filter(|permission| permission.is_granted_with(sync))
    .collect()
}

/// What a role of this project needs to be allowed, sorted. A role cannot read clusters, so the annotations of clusters stay
/// out of a gateway's sight this way.
///
/// Rule: Octopus docs, "AWS-managed Argo CD"; OctopusDeploy/cli `argocd/projects.go`.
#[must_use]
pub fn project_permissions(project: &str, sync: SyncRight) -> Vec<Permission> {
    [("applications", "get"), ("applications", "sync"), ("logs", "get")]
        .into_iter()
        .map(|(resource, action)| Permission::new(resource, action, Cow::Owned(format!("{project}/*"))))
        .filter(|permission| permission.is_granted_with(sync))
        .collect()
}

/// The policies that the account of a gateway needs, sorted.
///
/// Without them Argo CD refuses nothing: what may not be read is missing from lists, without a word.
///
/// ```
/// use octopus_argo_core::setup::{AccountName, SyncRight, required_policies};
///
/// let policies = required_policies(&AccountName::default(), SyncRight::Withheld);
/// assert_eq!(policies.len(), 3);
/// assert_eq!(policies[0], "p, octopus, applications, get, *, allow");
/// ```
///
/// Rule: [`required_permissions`]. Cases: `vectors/connection.json`.
#[must_use]
pub fn required_policies(account: &AccountName, sync: SyncRight) -> Vec<String> {
    required_permissions(sync)
        .iter()
        .map(|permission| permission.policy(account.as_str()))
        .collect()
}

/// The policies that a role of a project needs, sorted.
///
/// ```
/// use octopus_argo_core::setup::{ProjectRole, SyncRight, project_policies};
///
/// let policies = project_policies(&ProjectRole::new("shop", "octopus")?, SyncRight::Withheld);
/// assert_eq!(policies[1], "p, proj:shop:octopus, logs, get, shop/*, allow");
/// # Ok::<(), octopus_argo_core::setup::PolicyNameError>(())
/// ```
///
/// Rule: [`project_permissions`].
#[must_use]
pub fn project_policies(role: &ProjectRole, sync: SyncRight) -> Vec<String> {
    let subject = role.to_string();
    project_permissions(role.project(), sync)
        .iter()
        .map(|permission| permission.policy(&subject))
        .collect()
}

/// Which of the `required` policies a `policy.csv` lacks, in their order.
///
/// Spaces around commas make no difference, and comment lines do not count. Whether a wider policy covers one that is
/// lacking is not asked: an extra line does no harm, and a missing one makes lists empty.
///
/// ```
/// use octopus_argo_core::setup::{AccountName, SyncRight, missing_policies, required_policies};
///
/// let required = required_policies(&AccountName::default(), SyncRight::Withheld);
/// let csv = "p,octopus,applications,get,*,allow\n# p, octopus, clusters, get, *, allow\n";
/// let missing = missing_policies(&required, csv);
/// assert_eq!(missing, ["p, octopus, clusters, get, *, allow", "p, octopus, logs, get, */*, allow"]);
/// ```
#[must_use]
pub fn missing_policies(required: &[String], policy_csv: &str) -> Vec<String> {
    let fields = |line: &str| {
        line.split(',')
            .map(|field| field.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let present: Vec<_> = policy_csv
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .map(fields)
        .collect();
    let missing = required
        .iter()
        .filter(|policy| !present.contains(&fields(policy)));
    missing.cloned().collect()
}

fn checked(text: &str) -> Result<String, PolicyNameError> {
    let text = text.trim();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !text.is_empty() && text.bytes().all(legal) {
        Ok(text.to_owned())
    } else {
        Err(PolicyNameError { name: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_missing_from_what_was_written() {
        let required = required_policies(&AccountName::default(), SyncRight::Allowed);
        let mut sorted = required.clone();
        sorted.sort();
        assert_eq!(required, sorted);
        assert_eq!(
            missing_policies(&required, &required.join("\r\n")),
            Vec::<String>::new()
        );
        assert_eq!(missing_policies(&required, ""), required);
    }

    #[test]
    fn a_policy_of_another_account_or_effect_does_not_count() {
        let required = required_policies(&AccountName::default(), SyncRight::Withheld);
        let csv = required
            .join("\n")
            .replace("octopus", "other")
            .replace("allow", "deny");
        assert_eq!(missing_policies(&required, &csv), required);
        let required = project_policies(&ProjectRole::new("a", "r").unwrap(), SyncRight::Allowed);
        assert_eq!(
            missing_policies(&required, "p, proj:a:r, logs, get, a/*, allow").len(),
            2
        );
    }

    #[test]
    fn no_name_smuggles_a_right_in() {
        for name in ["", "a,b", "a\np, x", "*", "proj:a", "#"] {
            assert!(name.parse::<AccountName>().is_err(), "{name:?}");
            assert!(
                ProjectRole::new(name, "r").is_err() && ProjectRole::new("p", name).is_err(),
                "{name:?}"
            );
        }
    }
}
