//! What Argo CD needs before a gateway can work with it: an account or a role, and their rights.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::words::{Command, Step, Word};
use super::yaml::write_value;
use crate::setup::{
    AccountName, ProjectRole, SyncRight, missing_policies, project_policies, required_policies,
};

/// The account of a gateway in Argo CD, and the changes that bring it about.
///
/// What is there already is kept: give it with [`capabilities`](Self::capabilities) and [`policy_csv`](Self::policy_csv),
/// because each of them is one text, which a patch replaces as a whole.
///
/// ```
/// use octopus_argo_core::helm::AccountSetup;
/// use octopus_argo_core::setup::AccountName;
///
/// let setup = AccountSetup::new(AccountName::default()).policy_csv("g, admins, role:admin\n");
/// let patch = setup.rbac_patch().unwrap();
/// let policy = patch["data"]["policy.csv"].as_str().unwrap();
/// assert!(policy.starts_with("g, admins, role:admin\np, octopus, applications, get, *, allow\n"));
/// ```
///
/// Rule: Octopus docs, "Argo CD user"; OctopusDeploy/cli `argocd/account.go`.
#[derive(Clone, Debug)]
pub struct AccountSetup {
    account: AccountName,
    sync: SyncRight,
    namespace: String,
    capabilities: Option<String>,
    enabled: Option<String>,
    policy_csv: String,
    accounts_version: Option<String>,
    rbac_version: Option<String>,
}

impl AccountSetup {
    /// The account in an Argo CD in the namespace `argocd`, which may sync, and of which nothing is there yet.
    #[must_use]
    pub fn new(account: AccountName) -> Self {
        Self {
            account,
            sync: SyncRight::Allowed,
            namespace: "argocd".to_owned(),
            capabilities: None,
            enabled: None,
            policy_csv: String::new(),
            accounts_version: None,
            rbac_version: None,
        }
    }

    /// Whether it may start syncs.
    #[must_use]
    pub fn sync(mut self, sync: SyncRight) -> Self {
        self.sync = sync;
        self
    }

    /// The namespace of Argo CD.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// What `argocd-cm` holds under `accounts.<account>`.
    #[must_use]
    pub fn capabilities(mut self, capabilities: impl Into<String>) -> Self {
        self.capabilities = Some(capabilities.into());
        self
    }

    /// What `argocd-cm` holds under `accounts.<account>.enabled`.
    #[must_use]
    pub fn enabled(mut self, enabled: impl Into<String>) -> Self {
        self.enabled = Some(enabled.into());
        self
    }

    /// What `argocd-rbac-cm` holds under `policy.csv`.
    #[must_use]
    pub fn policy_csv(mut self, policy_csv: impl Into<String>) -> Self {
        self.policy_csv = policy_csv.into();
        self
    }

    /// The `resourceVersion` of `argocd-cm` and of `argocd-rbac-cm` when they were read. A patch then fails where somebody
    /// has changed them since, and overwrites nobody's work.
    #[must_use]
    pub fn resource_versions(mut self, accounts: Option<String>, rbac: Option<String>) -> Self {
        (self.accounts_version, self.rbac_version) = (accounts, rbac);
        self
    }

    /// The merge patch (RFC 7386) for `argocd-cm`; `None` if nothing is to be changed.
    #[must_use]
    pub fn accounts_patch(&self) -> Option<Value> {
        let data = self.account_lines();
        (!data.is_empty()).then(|| patch(&data, self.accounts_version.as_deref()))
    }

    /// The merge patch for `argocd-rbac-cm`; `None` if nothing is to be changed.
    #[must_use]
    pub fn rbac_patch(&self) -> Option<Value> {
        let policy = self.policy()?;
        Some(patch(
            &[("policy.csv".to_owned(), policy)],
            self.rbac_version.as_deref(),
        ))
    }

    /// The merge patch for the `ArgoCD` resource of an Argo CD that an operator manages, which would undo changes to the
    /// config maps. `None` if nothing is to be changed.
    #[must_use]
    pub fn operator_patch(&self) -> Option<Value> {
        let mut spec = serde_json::Map::new();
        let lines = self.account_lines();
        if !lines.is_empty() {
            let extra = lines.into_iter().map(|(key, value)| (key, value.into()));
            spec.insert("extraConfig".to_owned(), Value::Object(extra.collect()));
        }
        if let Some(policy) = self.policy() {
            spec.insert("rbac".to_owned(), json!({"policy": policy}));
        }
        (!spec.is_empty()).then(|| json!({"spec": spec}))
    }

    /// The two config maps as YAML documents, with the keys that the account needs and no others, for
    /// `kubectl apply --server-side` or to be copied from. They are complete, whether or not something is there already.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let policy = self.policy().unwrap_or_else(|| self.policy_csv.clone());
        let accounts = self
            .all_account_lines()
            .into_iter()
            .map(|(key, value)| (key, value.into()))
            .collect();
        let mut yaml = self.config_map("argocd-cm", accounts);
        yaml.push_str("---\n");
        yaml.push_str(&self.config_map(
            "argocd-rbac-cm",
            [("policy.csv".to_owned(), policy.into())].into_iter().collect(),
        ));
        yaml
    }

    /// The `kubectl` commands that apply the two patches; none if nothing is to be changed.
    #[must_use]
    pub fn patch_command(&self) -> Option<Command> {
        let patches = [
            ("argocd-cm", self.accounts_patch()),
            ("argocd-rbac-cm", self.rbac_patch()),
        ];
        let steps: Vec<_> = patches
            .into_iter()
            .filter_map(|(name, patch)| {
                let mut step = Step::new(&[
                    "kubectl",
                    "patch",
                    "configmap",
                    name,
                    "--namespace",
                    &self.namespace,
                ]);
                step.words.extend(["--type", "merge", "--patch"].map(Word::text));
                step.words.push(Word::text(patch?.to_string()));
                Some(step)
            })
            .collect();
        // JSON has no NUL: it is escaped there.
        (!steps.is_empty()).then(|| Command::new(steps).ok()).flatten()
    }

    /// The `argocd` command that makes a token for the account and prints it. Argo CD has to know the account by then.
    #[must_use]
    pub fn token_command(&self) -> Command {
        let step = Step::new(&[
            "argocd",
            "account",
            "generate-token",
            "--account",
            self.account.as_str(),
        ]);
        Command::of(step)
    }

    /// What is to be set in `argocd-cm`.
    fn account_lines(&self) -> Vec<(String, String)> {
        let mut lines = self.all_account_lines();
        let present = [self.capabilities.as_deref(), self.enabled.as_deref()];
        let mut present = present.into_iter();
        lines.retain(|(_, value)| present.next().flatten() != Some(value));
        lines
    }

    fn all_account_lines(&self) -> Vec<(String, String)> {
        let key = format!("accounts.{}", self.account);
        let listed = self.capabilities.as_deref().unwrap_or_default();
        let has = listed.split(',').any(|capability| capability.trim() == API_KEY);
        let capabilities = match listed.trim() {
            _ if has => listed.to_owned(),
            "" => API_KEY.to_owned(),
            _ => format!("{listed}, {API_KEY}"),
        };
        let enabled = format!("{key}.enabled");
        vec![(key, capabilities), (enabled, "true".to_owned())]
    }

    /// The policy with what it lacks; `None` if it lacks nothing.
    fn policy(&self) -> Option<String> {
        let missing = missing_policies(&required_policies(&self.account, self.sync), &self.policy_csv);
        if missing.is_empty() {
            return None;
        }
        let mut policy = self.policy_csv.clone();
        if !policy.is_empty() && !policy.ends_with('\n') {
            policy.push('\n');
        }
        for line in missing {
            policy.push_str(&line);
            policy.push('\n');
        }
        Some(policy)
    }

    fn config_map(&self, name: &str, data: serde_json::Map<String, Value>) -> String {
        let mut yaml = String::new();
        // Writing to a `String` cannot fail.
        let _ = write!(
            yaml,
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {}\n  labels:\n    \
             app.kubernetes.io/name: {name}\n    app.kubernetes.io/part-of: argocd\ndata:",
            crate::scalar::scalar(&self.namespace)
        );
        write_value(&mut yaml, &Value::Object(data), 1);
        yaml
    }
}

/// The capability to have tokens.
const API_KEY: &str = "apiKey";

fn patch(data: &[(String, String)], resource_version: Option<&str>) -> Value {
    let data: serde_json::Map<String, Value> = data
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().into()))
        .collect();
    match resource_version {
        Some(version) => json!({"metadata": {"resourceVersion": version}, "data": data}),
        None => json!({"data": data}),
    }
}

/// A role of an Argo CD project for a gateway, and the commands that bring it about.
///
/// It is the way for an Argo CD that AWS runs, where tokens of accounts live 12 h at most.
///
/// ```
/// use octopus_argo_core::helm::RoleSetup;
/// use octopus_argo_core::setup::{ProjectRole, SyncRight};
///
/// let setup = RoleSetup::new(ProjectRole::new("shop", "octopus")?, SyncRight::Withheld);
/// assert!(setup.token_command().to_sh().starts_with("argocd proj role create-token shop octopus"));
/// assert!(setup.to_yaml().contains("- \"p, proj:shop:octopus, logs, get, shop/*, allow\""));
/// # Ok::<(), octopus_argo_core::setup::PolicyNameError>(())
/// ```
///
/// Rule: Octopus docs, "AWS-managed Argo CD"; OctopusDeploy/cli `argocd/projects.go`.
#[derive(Clone, Debug)]
pub struct RoleSetup {
    role: ProjectRole,
    sync: SyncRight,
}

impl RoleSetup {
    /// The role, and whether it may start syncs.
    #[must_use]
    pub fn new(role: ProjectRole, sync: SyncRight) -> Self {
        Self { role, sync }
    }

    /// The entry for `spec.roles` of the `AppProject`, as YAML. A patch is not offered, because it would replace the list
    /// and so the other roles.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let role = json!([{
            "name": self.role.role(),
            "description": "Octopus Deploy gateway",
            "policies": project_policies(&self.role, self.sync),
        }]);
        let mut yaml = format!("# AppProject {}\nspec:\n  roles:", self.role.project());
        write_value(&mut yaml, &role, 2);
        yaml
    }

    /// The `argocd` commands that make the role and give it its rights. The right to logs needs a program that knows
    /// `add-policy --resource`; with an older one it is written into the `AppProject`, as [`to_yaml`](Self::to_yaml) has it.
    #[must_use]
    pub fn create_command(&self) -> Command {
        let (project, role) = (self.role.project(), self.role.role());
        let mut steps = vec![Step::new(&["argocd", "proj", "role", "create", project, role])];
        let actions = [("applications", "get"), ("applications", "sync"), ("logs", "get")];
        for (resource, action) in actions {
            if action == "sync" && self.sync == SyncRight::Withheld {
                continue;
            }
            let mut step = Step::new(&["argocd", "proj", "role", "add-policy", project, role]);
            step.words
                .extend(["--action", action, "--object", "*"].map(Word::text));
            // Older programs know no other resource, and no flag for it.
            if resource != "applications" {
                step.words.extend(["--resource", resource].map(Word::text));
            }
            steps.push(step);
        }
        Command::of_steps(steps)
    }

    /// The `argocd` command that makes a token for the role and prints it.
    #[must_use]
    pub fn token_command(&self) -> Command {
        let (project, role) = (self.role.project(), self.role.role());
        Command::of(Step::new(&[
            "argocd",
            "proj",
            "role",
            "create-token",
            project,
            role,
            "--token-only",
        ]))
    }
}
