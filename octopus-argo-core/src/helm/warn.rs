//! What somebody should know about values that are in order.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::check::{Facts, expiry};
use super::keys;
use super::values::HelmValues;
use crate::ServerAddress;
use crate::setup::Expiry;

/// Something to know before, or after, values are used. `Display` says it in a sentence.
///
/// Rule: Octopus docs, "Argo CD instances" and its page on troubleshooting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Of every command: it goes where `kubectl` points.
    #[error("helm and kubectl act on the current context: check it with `kubectl config current-context`")]
    CurrentContext,
    /// TLS without a check.
    #[error("gateway.argocd.insecure: neither certificate nor host name of Argo CD is checked")]
    Insecure,
    /// No TLS.
    #[error("{key}: the traffic is not encrypted")]
    Plaintext {
        /// `gateway.argocd.plaintext` or `gateway.octopus.plaintext`.
        key: &'static str,
    },
    /// A value without effect, because another one outranks it.
    #[error("{loser} has no effect, because {winner} outranks it")]
    NoEffect {
        /// The value without effect.
        loser: &'static str,
        /// The one that counts.
        winner: &'static str,
    },
    /// Credentials among the values.
    #[error(
        "credentials stand in the command or values file, and then in the Helm release: {}. The shell's history and the \
         list of processes show a command; a values file should have mode 0600",
        .keys.join(", ")
    )]
    InlineSecrets {
        /// Their keys.
        keys: Vec<&'static str>,
    },
    /// The name of a Secret beside an inline credential.
    #[error(
        "{name} beside {inline} only names the Secret that the chart makes; older descriptions call the two exclusive"
    )]
    NamesOwnSecret {
        /// The inline credential.
        inline: &'static str,
        /// The name beside it.
        name: &'static str,
    },
    /// A credential for Octopus that is no API key: most likely the wizard's.
    #[error("a token of Octopus's wizard is valid for one hour: make a new command afterwards")]
    WizardToken,
    /// A token that will end soon.
    #[error("{key}: the token ends in {} h", .left.as_secs() / 3600)]
    EndsSoon {
        /// Its key.
        key: &'static str,
        /// The project that it is for.
        project: Option<String>,
        /// How long it lasts.
        left: Duration,
    },
    /// The namespace is somebody else's.
    #[error("the namespace {namespace} exists, so --create-namespace is left out")]
    ExistingNamespace {
        /// The namespace.
        namespace: String,
    },
    /// Two that change each other's work.
    #[error("set autoUpdate.enabled to false: the update job and Argo CD would undo each other's changes")]
    ManagedByArgoCd,
    /// The port that proxies forget.
    #[error(
        "port {port} has to be forwarded to Octopus as well as 443: without it, registration works and the gateway then fails"
    )]
    ForwardPort {
        /// The gRPC port.
        port: u16,
    },
    /// A balancer that finds the connection idle before the gateway says something.
    #[error(
        "the balancer cuts connections after {} s of silence, and the gateway probes every {} s: raise the one or shorten \
         gateway.octopus.healthCheck.interval",
        .idle.as_secs(), .interval.as_secs()
    )]
    BalancerIdle {
        /// The balancer's limit.
        idle: Duration,
        /// The time between probes.
        interval: Duration,
    },
    /// A project whose name cannot be that of an environment variable.
    #[error(
        "project {project:?}: its token reaches the gateway as an environment variable of that name, and what becomes of \
         names with other characters than letters, digits and underscores is not documented"
    )]
    ProjectName {
        /// The project.
        project: String,
    },
    /// What a roll-back leaves behind.
    #[error(
        "if the release is rolled back, delete the instance {name:?} in Octopus before trying again: its name stays taken"
    )]
    AfterRollBack {
        /// Its name.
        name: String,
    },
    /// How an instance goes away.
    #[error(
        "removing it takes two steps: delete the instance in Octopus, and uninstall the release in the cluster"
    )]
    Deleting,
}

impl HelmValues {
    /// What to know about the values before they are used.
    #[must_use]
    pub fn warnings(&self, facts: &Facts) -> Vec<Warning> {
        let mut warnings = Vec::new();
        self.warn_of_weak_links(&mut warnings);
        self.warn_of_credentials(facts, &mut warnings);
        if facts.managed_by_argo_cd && self.is_on(keys::AUTO_UPDATE_ENABLED.path()) {
            warnings.push(Warning::ManagedByArgoCd);
        }
        let server = self.get(keys::GATEWAY_OCTOPUS_SERVER_GRPC_URL);
        let server = server.and_then(|server| server.parse::<ServerAddress>().ok());
        if let Some(server) = server
            && server.port() != 443
            && !server.host().to_string().ends_with(OCTOPUS_CLOUD)
        {
            warnings.push(Warning::ForwardPort { port: server.port() });
        }
        let interval = self.probe_interval();
        if let Some(idle) = facts.balancer_idle
            && idle <= interval
        {
            warnings.push(Warning::BalancerIdle { idle, interval });
        }
        warnings
    }

    fn warn_of_weak_links(&self, warnings: &mut Vec<Warning>) {
        let plaintext = keys::GATEWAY_ARGOCD_PLAINTEXT.path();
        let insecure = keys::GATEWAY_ARGOCD_INSECURE.path();
        if self.is_on(plaintext) {
            warnings.push(Warning::Plaintext { key: plaintext });
            if self.is_on(insecure) {
                warnings.push(Warning::NoEffect {
                    loser: insecure,
                    winner: plaintext,
                });
            }
        } else if self.is_on(insecure) {
            warnings.push(Warning::Insecure);
        }
        let plaintext = keys::GATEWAY_OCTOPUS_PLAINTEXT.path();
        if self.is_on(plaintext) {
            warnings.push(Warning::Plaintext { key: plaintext });
        }
        let path = keys::GATEWAY_ARGOCD_GRPC_WEB_ROOT_PATH.path();
        if self.has(path) && self.get(keys::GATEWAY_ARGOCD_GRPC_WEB) == Some(false) {
            warnings.push(Warning::NoEffect {
                loser: keys::GATEWAY_ARGOCD_GRPC_WEB.path(),
                winner: path,
            });
        }
    }

    fn warn_of_credentials(&self, facts: &Facts, warnings: &mut Vec<Warning>) {
        let inline: Vec<_> = self.secret_keys().collect();
        if !inline.is_empty() {
            warnings.push(Warning::InlineSecrets { keys: inline });
        }
        for (inline, name) in [
            (
                keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN.path(),
                keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN_SECRET_NAME.path(),
            ),
            (
                keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN.path(),
                keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN_SECRET_NAME.path(),
            ),
        ] {
            if self.has(inline) && self.has(name) {
                warnings.push(Warning::NamesOwnSecret { inline, name });
            }
        }
        for (key, project, token) in self.tokens() {
            if let Some(Expiry::Near { left }) = expiry(&token, facts) {
                warnings.push(Warning::EndsSoon { key, project, left });
            }
        }
        let octopus = self.get(keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN);
        if octopus
            .is_some_and(|token| !token.expose_secret().is_empty() && !is_api_key(token.expose_secret()))
        {
            warnings.push(Warning::WizardToken);
        }
        for token in self
            .get(keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION)
            .unwrap_or_default()
        {
            if !is_variable_name(token.project()) && token.project() != crate::setup::ProjectTokens::UNSCOPED
            {
                warnings.push(Warning::ProjectName {
                    project: token.project().to_owned(),
                });
            }
        }
    }
}

/// Whether a credential is an API key of Octopus: `API-` and upper-case letters or digits.
fn is_api_key(text: &str) -> bool {
    text.strip_prefix("API-").is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    })
}

pub(super) fn is_variable_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Where Octopus itself sees to the ports.
const OCTOPUS_CLOUD: &str = ".octopus.app";
