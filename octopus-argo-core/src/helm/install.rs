//! The commands that install, change and remove a gateway.

use secrecy::SecretString;
use serde_json::Value;

use super::check::{Facts, Problem};
use super::credential::{
    ArgoCdCredential, Credential, PROJECT_TOKEN_PREFIX, SecretRef, SecretRefError, check_secret_key,
    check_secret_name, is_kubernetes_name,
};
use super::key::{Entry, Key};
use super::keys;
use super::set::{self, SET, SET_JSON};
use super::setting::{Kind, Setting};
use super::values::HelmValues;
use super::warn::Warning;
use super::words::{Command, NulError, Step, Variable, Word};
use super::yaml::{Show, ValuesFile};
use crate::setup::{FoundArgoCd, GatewayNames, ManagedEndpoint, NameError, ProjectToken, ServiceAddress};
use crate::{AddressError, ServerAddress, SpaceId};

/// The chart's address.
pub const CHART: &str = "oci://registry-1.docker.io/octopusdeploy/octopus-argocd-gateway-chart";

/// The newest stable version of the chart.
pub const NEWEST: &str = "*.*";

/// Where Argo CD is, for the gateway and for people.
///
/// It comes from what was found in the cluster ([`FoundArgoCd`], [`ServiceAddress`]), from AWS ([`ManagedEndpoint`]), or from a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArgoCdEndpoint {
    /// Its gRPC address; `grpc://` is put in front where no scheme is.
    pub grpc_url: String,
    /// No TLS.
    pub plaintext: bool,
    /// TLS without checking the certificate.
    pub insecure: bool,
    /// gRPC-Web, for proxies without HTTP/2.
    pub grpc_web: bool,
    /// The path that the API lives under; it switches gRPC-Web on.
    pub grpc_web_root_path: Option<String>,
    /// Its web address, if it is known.
    pub web_ui_url: Option<String>,
}

impl ArgoCdEndpoint {
    /// With TLS, and a certificate that is checked.
    pub fn new(grpc_url: impl Into<String>) -> Self {
        Self {
            grpc_url: grpc_url.into(),
            plaintext: false,
            insecure: false,
            grpc_web: false,
            grpc_web_root_path: None,
            web_ui_url: None,
        }
    }
}

impl From<&ServiceAddress> for ArgoCdEndpoint {
    fn from(address: &ServiceAddress) -> Self {
        Self {
            plaintext: address.is_plaintext(),
            insecure: address.is_insecure(),
            ..Self::new(address.grpc_url())
        }
    }
}

impl From<&FoundArgoCd> for ArgoCdEndpoint {
    fn from(found: &FoundArgoCd) -> Self {
        Self {
            web_ui_url: found.web_ui_url.clone(),
            ..Self::from(&found.address)
        }
    }
}

impl From<&ManagedEndpoint> for ArgoCdEndpoint {
    fn from(endpoint: &ManagedEndpoint) -> Self {
        Self {
            grpc_web: true,
            web_ui_url: Some(endpoint.web_ui_url().to_owned()),
            ..Self::new(endpoint.grpc_url())
        }
    }
}

/// Whether the command makes the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Namespace {
    /// It does.
    #[default]
    New,
    /// It is there.
    Existing,
}

/// What happens when the pods do not become ready in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFailure {
    /// The release is rolled back (`--atomic`). The instance in Octopus stays, and its name stays taken.
    #[default]
    RollBack,
    /// The release stays as it is, for somebody to look at.
    Keep,
}

/// Where the values stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// In the command, as `--set` arguments.
    Arguments,
    /// In a file with this path, whose text is [`Install::values_file`]. Only variables of the shell stay in the command.
    File(String),
}

/// A gateway to install.
///
/// Credentials come by reference unless something else is asked for: the command first makes Secrets out of variables of
/// the shell, through standard input, so that neither history, list of processes, values nor release holds a token.
///
/// ```
/// use octopus_argo_core::helm::{ArgoCdEndpoint, Facts, Form, Install};
/// use octopus_argo_core::setup::{ServiceAddress, ServicePort};
///
/// let found = ServiceAddress::new("argocd-server", "argocd", &[ServicePort::new(Some("https"), 443)], None);
/// let install = Install::new("Oslo Shop", "https://shop.octopus.app", ArgoCdEndpoint::from(&found))?
///     .space("Spaces-4".parse()?)
///     .environment("production");
/// let script = install.command(&Form::Arguments, &Facts::default())?.to_sh();
/// assert!(script.contains("--from-env-file=/dev/stdin"));
/// assert!(script.contains("--set 'registration.octopus.name=Oslo Shop'"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Rule: Octopus docs, "Argo CD instances", the command of its wizard.
#[derive(Clone, Debug)]
pub struct Install {
    names: GatewayNames,
    namespace: Namespace,
    on_failure: OnFailure,
    chart: String,
    version: String,
    display_name: String,
    values: HelmValues,
    argo_cd: ArgoCdCredential,
    octopus: Credential,
}

/// Why there is no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The display name gives no names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Octopus's web address cannot be read.
    #[error("Octopus's web address cannot be read")]
    OctopusUrl(#[source] AddressError),
    /// The name of the release, which Helm and Kubernetes restrict.
    #[error("{name:?} is no name of a release: at most 53 lower-case letters, digits and inner hyphens")]
    #[non_exhaustive]
    Release {
        /// The name.
        name: Box<str>,
    },
    /// The namespace, which Kubernetes restricts.
    #[error("{name:?} is no namespace: at most 63 lower-case letters, digits and inner hyphens")]
    #[non_exhaustive]
    Namespace {
        /// The name.
        name: Box<str>,
    },
    /// The name or the key of a Secret.
    #[error(transparent)]
    Secret(#[from] SecretRefError),
    /// A value that no command can hold.
    #[error(transparent)]
    Nul(#[from] NulError),
    /// The values cannot work.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))]
    Problems(Vec<Problem>),
}

impl Install {
    /// A gateway called `display_name` in Octopus, at `octopus` (its web address), beside `argo_cd`.
    ///
    /// Release and namespace follow from the name, the gRPC address from the web address.
    ///
    /// # Errors
    /// [`InstallError::Name`], [`InstallError::OctopusUrl`].
    pub fn new(display_name: &str, octopus: &str, argo_cd: ArgoCdEndpoint) -> Result<Self, InstallError> {
        let octopus = octopus.trim();
        let grpc = ServerAddress::from_web_url(octopus).map_err(InstallError::OctopusUrl)?;
        let address = argo_cd.grpc_url.trim();
        let address = if address.contains("://") || address.is_empty() {
            address.to_owned()
        } else {
            format!("grpc://{address}")
        };
        let mut values = HelmValues::new()
            .with(keys::REGISTRATION_OCTOPUS_NAME, display_name.to_owned())
            .with(keys::REGISTRATION_OCTOPUS_SERVER_API_URL, octopus.to_owned())
            .with(keys::GATEWAY_OCTOPUS_SERVER_GRPC_URL, grpc.to_string())
            .with(keys::GATEWAY_ARGOCD_SERVER_GRPC_URL, address)
            // Always both, so that they stand against each other and an upgrade keeps no old one.
            .with(keys::GATEWAY_ARGOCD_PLAINTEXT, argo_cd.plaintext)
            .with(keys::GATEWAY_ARGOCD_INSECURE, argo_cd.insecure && !argo_cd.plaintext);
        if let Some(path) = argo_cd.grpc_web_root_path {
            values.set(keys::GATEWAY_ARGOCD_GRPC_WEB_ROOT_PATH, path);
        } else if argo_cd.grpc_web {
            values.set(keys::GATEWAY_ARGOCD_GRPC_WEB, true);
        }
        if let Some(url) = argo_cd.web_ui_url {
            values.set(keys::REGISTRATION_ARGOCD_WEB_UI_URL, url);
        }
        Ok(Self {
            names: GatewayNames::new(display_name)?,
            namespace: Namespace::New,
            on_failure: OnFailure::RollBack,
            chart: CHART.to_owned(),
            version: NEWEST.to_owned(),
            display_name: display_name.to_owned(),
            values,
            argo_cd: ArgoCdCredential::Account(Credential::argo_cd()),
            octopus: Credential::octopus(),
        })
    }

    /// Registers in this space too. The first is written as `spaceId`, several as `spaceIds`.
    #[must_use]
    pub fn space(mut self, space: SpaceId) -> Self {
        let mut spaces = self.values.spaces();
        if !spaces.contains(&space) {
            spaces.push(space);
        }
        let texts: Vec<_> = spaces.iter().map(|space| space.as_str().to_owned()).collect();
        self.values.unset(keys::REGISTRATION_OCTOPUS_SPACE_ID);
        self.values.unset(keys::REGISTRATION_OCTOPUS_SPACE_IDS);
        match <[String; 1]>::try_from(texts) {
            Ok([one]) => self.values.set(keys::REGISTRATION_OCTOPUS_SPACE_ID, one),
            Err(several) => self.values.set(keys::REGISTRATION_OCTOPUS_SPACE_IDS, several),
        }
        self
    }

    /// Serves this environment too: its slug or id.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        let key = keys::REGISTRATION_OCTOPUS_ENVIRONMENTS;
        let mut environments = self.values.get(key).unwrap_or_default();
        environments.push(environment.into());
        self.values.set(key, environments);
        self
    }

    /// Another gRPC address of Octopus than the one that follows from its web address.
    #[must_use]
    pub fn octopus_grpc_url(mut self, url: impl Into<String>) -> Self {
        self.values.set(keys::GATEWAY_OCTOPUS_SERVER_GRPC_URL, url.into());
        self
    }

    /// How the registration gets a credential of Octopus; [`Credential::octopus`] by default.
    #[must_use]
    pub fn octopus_credential(mut self, credential: Credential) -> Self {
        self.octopus = credential;
        self
    }

    /// How the gateway gets its credentials for Argo CD; an account's by [`Credential::argo_cd`] by default.
    #[must_use]
    pub fn argo_cd_credential(mut self, credential: ArgoCdCredential) -> Self {
        self.argo_cd = credential;
        self
    }

    /// Another namespace than the one that follows from the name, and whether it is there already.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>, namespace: Namespace) -> Self {
        self.names = self.names.with_namespace(name);
        self.namespace = namespace;
        self
    }

    /// Another release than the one that follows from the name.
    #[must_use]
    pub fn release(mut self, name: impl Into<String>) -> Self {
        self.names = self.names.with_release(name);
        self
    }

    /// Another chart than [`CHART`], a mirror for example.
    #[must_use]
    pub fn chart(mut self, chart: impl Into<String>) -> Self {
        self.chart = chart.into();
        self
    }

    /// Another version than [`NEWEST`].
    #[must_use]
    pub fn chart_version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// What happens when the pods do not become ready.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Sets any other value of the chart, or one of the above to something else.
    #[must_use]
    pub fn with<T: Setting>(mut self, key: Key<T>, value: T) -> Self {
        self.values.set(key, value);
        self
    }

    /// Sets everything that is set in `values`, which wins over what was set before.
    #[must_use]
    pub fn merge(mut self, values: HelmValues) -> Self {
        self.values.merge(values);
        self
    }

    /// Release and namespace.
    #[must_use]
    pub fn names(&self) -> &GatewayNames {
        &self.names
    }

    /// The values, with the references to Secrets and with credentials that are inline. Variables of the shell are not in
    /// them.
    #[must_use]
    pub fn values(&self) -> HelmValues {
        self.parts().values
    }

    /// The text for [`Form::File`].
    #[must_use]
    pub fn values_file(&self) -> ValuesFile {
        self.values().to_yaml(Show::Set)
    }

    /// Everything that is wrong with the values.
    #[must_use]
    pub fn problems(&self, facts: &Facts) -> Vec<Problem> {
        self.parts().with_placeholders().problems(facts)
    }

    /// What to know before running the command.
    #[must_use]
    pub fn warnings(&self, facts: &Facts) -> Vec<Warning> {
        let mut warnings = vec![Warning::CurrentContext];
        if self.namespace == Namespace::Existing {
            warnings.push(Warning::ExistingNamespace {
                namespace: self.names.namespace().to_owned(),
            });
        }
        let parts = self.parts();
        let projects: Vec<_> = parts.stored_projects().collect();
        let values = parts.with_placeholders();
        warnings.extend(values.warnings(facts));
        for project in projects {
            if !super::warn::is_variable_name(&project) && project != crate::setup::ProjectTokens::UNSCOPED {
                warnings.push(Warning::ProjectName { project });
            }
        }
        if self.on_failure == OnFailure::RollBack && values.registers() {
            warnings.push(Warning::AfterRollBack {
                name: self.display_name.clone(),
            });
        }
        warnings
    }

    /// The command that installs the gateway, or brings it to these values where it is installed.
    ///
    /// ```text
    /// kubectl create namespace …              only where Secrets are made in a new namespace
    /// printf … | kubectl create secret …      for each credential that is stored
    /// helm upgrade --install --atomic … release chart
    /// ```
    ///
    /// # Errors
    /// [`InstallError`], before anything is run.
    pub fn command(&self, form: &Form, facts: &Facts) -> Result<Command, InstallError> {
        let (release, namespace) = (self.checked_release()?, self.checked_namespace()?);
        let parts = self.parts();
        for (secret, lines) in &parts.secrets {
            check_secret_name(secret)?;
            lines.iter().try_for_each(|(key, _)| check_secret_key(key))?;
        }
        let problems = self.problems(facts);
        if !problems.is_empty() {
            return Err(InstallError::Problems(problems));
        }
        let mut steps = Vec::new();
        if self.namespace == Namespace::New && !parts.secrets.is_empty() {
            steps.push(Step::new(&["kubectl", "create", "namespace", namespace]));
        }
        for (secret, lines) in &parts.secrets {
            steps.push(store_secret(namespace, secret, lines));
        }
        let mut helm = Step::new(&["helm", "upgrade", "--install"]);
        if self.on_failure == OnFailure::RollBack {
            helm.words.push(Word::text("--atomic"));
        }
        // Helm takes it for no mistake where the namespace was made a moment ago.
        if self.namespace == Namespace::New {
            helm.words.push(Word::text("--create-namespace"));
        }
        self.finish(helm, release, namespace, form, parts, &mut steps)
    }

    /// The command that changes a gateway that is installed: what `changes` sets, and the rest as it is.
    ///
    /// # Errors
    /// [`InstallError`]. Whether the values work together is not asked, because the rest of them is in the cluster.
    pub fn upgrade_command(&self, changes: &HelmValues) -> Result<Command, InstallError> {
        let (release, namespace) = (self.checked_release()?, self.checked_namespace()?);
        let mut helm = Step::new(&["helm", "upgrade"]);
        if self.on_failure == OnFailure::RollBack {
            helm.words.push(Word::text("--atomic"));
        }
        helm.words.push(Word::text("--reset-then-reuse-values"));
        let parts = Parts {
            values: changes.clone(),
            ..Parts::default()
        };
        self.finish(helm, release, namespace, &Form::Arguments, parts, &mut Vec::new())
    }

    /// The command that takes a gateway out of the cluster. The instance in Octopus is deleted there: see
    /// [`Warning::Deleting`].
    ///
    /// # Errors
    /// [`InstallError::Release`], [`InstallError::Namespace`].
    pub fn uninstall_command(&self) -> Result<Command, InstallError> {
        let (release, namespace) = (self.checked_release()?, self.checked_namespace()?);
        let step = Step::new(&["helm", "uninstall", "--namespace", namespace, release]);
        Ok(Command::new(vec![step])?)
    }

    fn finish(
        &self,
        mut helm: Step,
        release: &str,
        namespace: &str,
        form: &Form,
        parts: Parts,
        steps: &mut Vec<Step>,
    ) -> Result<Command, InstallError> {
        let words = &mut helm.words;
        words.extend(["--namespace", namespace, "--version", &self.version].map(Word::text));
        match form {
            Form::Arguments => words.extend(arguments(&parts.values)),
            Form::File(path) => words.extend(["--values", path].map(Word::text)),
        }
        for (flag, word) in parts.variables {
            words.extend([Word::text(flag), word]);
        }
        words.extend([release, &self.chart].map(Word::text));
        steps.push(helm);
        Ok(Command::new(std::mem::take(steps))?)
    }

    fn checked_release(&self) -> Result<&str, InstallError> {
        let name = self.names.release();
        if is_kubernetes_name(name, GatewayNames::MAX_RELEASE, false) {
            return Ok(name);
        }
        Err(InstallError::Release { name: name.into() })
    }

    fn checked_namespace(&self) -> Result<&str, InstallError> {
        let name = self.names.namespace();
        if is_kubernetes_name(name, GatewayNames::MAX_NAMESPACE, false) {
            return Ok(name);
        }
        Err(InstallError::Namespace { name: name.into() })
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts {
            values: self.values.clone(),
            ..Parts::default()
        };
        parts.credential(
            &self.octopus,
            keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN,
            keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN_SECRET_NAME,
            keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN_SECRET_KEY,
        );
        match &self.argo_cd {
            ArgoCdCredential::Account(credential) => parts.credential(
                credential,
                keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN,
                keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN_SECRET_NAME,
                keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN_SECRET_KEY,
            ),
            ArgoCdCredential::ExistingProjects { secret } => {
                parts.values.set(
                    keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION_SECRET_NAME,
                    secret.clone(),
                );
            }
            ArgoCdCredential::StoredProjects { secret, tokens } => {
                parts.values.set(
                    keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION_SECRET_NAME,
                    secret.clone(),
                );
                let lines = tokens.iter().map(|(project, variable)| {
                    (format!("{PROJECT_TOKEN_PREFIX}{project}"), variable.clone())
                });
                parts.secrets.push((secret.clone(), lines.collect()));
            }
            ArgoCdCredential::DangerInlineProjectVariables(tokens) => parts.project_variables(tokens),
            ArgoCdCredential::DangerInlineProjects(tokens) => {
                let tokens = tokens.iter().cloned().collect();
                parts
                    .values
                    .set(keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION, tokens);
            }
        }
        parts
    }
}

/// What a command is made of.
#[derive(Default)]
struct Parts {
    values: HelmValues,
    /// Secrets to make: name, and keys with the variables that hold what they get.
    secrets: Vec<(String, Vec<(String, Variable)>)>,
    /// Arguments with variables in them.
    variables: Vec<(&'static str, Word)>,
    /// What stands in the place of variables when the values are checked.
    placeholders: HelmValues,
}

impl Parts {
    fn credential(
        &mut self,
        credential: &Credential,
        inline: Key<SecretString>,
        name: Key<String>,
        key: Key<String>,
    ) {
        let mut refer = |secret: &SecretRef| {
            self.values.set(name, secret.name().to_owned());
            self.values.set(key, secret.key().to_owned());
        };
        match credential {
            Credential::Existing(secret) => refer(secret),
            Credential::Stored(secret, variable) => {
                refer(secret);
                let line = (secret.key().to_owned(), variable.clone());
                match self.secrets.iter_mut().find(|(name, _)| name == secret.name()) {
                    Some((_, lines)) => lines.push(line),
                    None => self.secrets.push((secret.name().to_owned(), vec![line])),
                }
            }
            Credential::DangerInlineVariable(variable) => {
                self.placeholders.set(inline, variable.to_string().into());
                let word = Word::text(format!("{}=", inline.path())).and_variable(variable);
                self.variables.push((SET, word));
            }
            Credential::DangerInline(secret) => self.values.set(inline, secret.clone()),
        }
    }

    /// A list of objects, as `--set-json` takes it.
    fn project_variables(&mut self, tokens: &[(String, Variable)]) {
        let key = keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION;
        let stand_in = |(project, variable): &(String, Variable)| {
            ProjectToken::new(project.clone(), variable.to_string().into())
        };
        self.placeholders.set(key, tokens.iter().map(stand_in).collect());
        let mut word = Word::text(format!("{}=[", key.path()));
        for (number, (project, variable)) in tokens.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            let project = Value::from(project.as_str());
            word = word
                .and_text(format!("{comma}{{\"project\":{project},\"token\":\""))
                .and_variable(variable)
                .and_text("\"}");
        }
        self.variables.push((SET_JSON, word.and_text("]")));
    }

    fn stored_projects(&self) -> impl Iterator<Item = String> {
        let keys = self.secrets.iter().flat_map(|(_, lines)| lines);
        let projects = keys.filter_map(|(key, _)| key.strip_prefix(PROJECT_TOKEN_PREFIX));
        projects.map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    fn with_placeholders(self) -> HelmValues {
        let mut values = self.values;
        values.merge(self.placeholders);
        values
    }
}

/// `kubectl`, which reads the lines on its standard input.
fn store_secret(namespace: &str, secret: &str, lines: &[(String, Variable)]) -> Step {
    let mut step = Step::new(&[
        "kubectl",
        "create",
        "secret",
        "generic",
        secret,
        "--namespace",
        namespace,
    ]);
    step.words.push(Word::text("--from-env-file=/dev/stdin"));
    step.input = lines
        .iter()
        .map(|(key, variable)| Word::text(format!("{key}=")).and_variable(variable))
        .collect();
    step
}

/// Everything that is set, as `--set` arguments: the registration first, as in the wizard's command.
fn arguments(values: &HelmValues) -> Vec<Word> {
    let mut words = Vec::new();
    let mut push = |path: &str, kind: Kind, value: &Value, secret: bool| {
        let argument = set::argument(path, kind, value);
        let word = if secret {
            Word::secret(argument.text)
        } else {
            Word::text(argument.text)
        };
        words.extend([Word::text(argument.flag), word]);
    };
    let registration = |entry: &&Entry| entry.path().starts_with("registration.");
    let (first, rest): (Vec<&Entry>, Vec<&Entry>) = values.keys().partition(registration);
    for entry in first.into_iter().chain(rest) {
        if let Some(value) = values.value(entry) {
            push(entry.path(), entry.kind(), value, entry.is_secret());
        }
    }
    for (path, value) in &values.unknown {
        let path: Vec<_> = path.iter().map(|part| set::escape_key(part)).collect();
        // Unknown, so perhaps a credential.
        push(&path.join("."), Kind::Object, value, true);
    }
    words
}
