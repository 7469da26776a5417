//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lexopt::ValueExt as _;
use lexopt::prelude::{Long, Short};
use octopus_argo_core::SpaceId;
use octopus_argo_core::helm::{
    ArgoCdCredential, ArgoCdEndpoint, Credential, Facts, Install, Namespace, OnFailure, SecretRef, Variable,
};
use octopus_argo_core::setup::{AccountName, ManagedEndpoint, ServiceAddress, ServicePort, SyncRight};

pub const HELP: &str = "\
The command that installs Octopus's gateway for Argo CD, its values, and what Argo CD has to grant.

Usage:
  install_command --name NAME --octopus-url URL --space ID --environment SLUG [OPTIONS]
  install_command --output rbac [--account NAME] [--argocd-project PROJECT]...
  install_command --check FILE                 what is wrong with a values file

  install_command --name 'Oslo Shop' --octopus-url https://shop.octopus.app --space Spaces-4 -e test -e production

What is printed:
  --output command           the commands for a POSIX shell; this is the default. They make the Secrets, and install
  --output values            the values as YAML, for `helm --values FILE`
  --output rbac              config maps of Argo CD with the account and its rights, or roles for each --argocd-project
  --values-file FILE         with command: the values stand in FILE (from --output values), not in the command

Octopus:
  --name NAME                display name of the instance, unique in its space
  --octopus-url URL          web address of Octopus
  --octopus-grpc-url URL     its gRPC address; if not given, the host of the web address with port 8443
  --space ID                 a space to register in, Spaces-1; several times for several
  -e, --environment SLUG     an environment that the instance serves; several times for several

Argo CD:
  --argocd-server-grpc-url URL     its API server; if not given, that of a stock installation in --argocd-namespace
  --argocd-namespace NAME          where Argo CD runs; argocd if not given
  --argocd-plaintext               it serves no TLS (server.insecure)
  --argocd-verify                  check its certificate; without it, it is taken to have made its own
  --argocd-grpc-web                gRPC-Web, for proxies without HTTP/2
  --argocd-grpc-web-root-path P    the path that its API lives under; switches gRPC-Web on
  --argocd-web-ui-url URL          its web address, for links
  --aws ENDPOINT                   an Argo CD that AWS runs: its server address

Credentials, which are never given to this program:
  --argocd-variable VAR      the shell variable with Argo CD's token; ARGOCD_TOKEN if not given
  --argocd-secret NAME/KEY   a Secret that holds it already
  --argocd-project P=VAR     a token for a project, and the shell variable with it; several times for several
  --argocd-project-secret N  the Secret for such tokens; without --argocd-project, one that holds them already
  --octopus-variable VAR     the shell variable with Octopus's token or API key; OCTOPUS_TOKEN if not given
  --octopus-secret NAME/KEY  a Secret that holds it already
  --inline-secrets           as values instead of Secrets: shown by lists of processes, and kept in the release

The release:
  --namespace NAME           its namespace; octo-argo-gateway- and the name if not given
  --existing-namespace       it is there already
  --release NAME             its name; the instance's name if not given
  --chart-version V          *.* if not given: the newest
  --keep-on-failure          no roll-back when pods do not become ready
  --values FILE              more values, as YAML; they win
  --auto-update on|off       the chart's update job
  --managed-by-argocd        an Argo CD application will keep the chart: warns where the two would quarrel
  --balancer-idle SECONDS    after which silence the balancer before Octopus cuts connections: warns if that is too soon

Rights (--output rbac):
  --account NAME             the account; octopus if not given
  --no-sync                  without the right to sync
  --policy-csv FILE          what argocd-rbac-cm holds under policy.csv, which is kept
  --argocd-project PROJECT   a role of this project instead of an account

Exit code: 0 what was asked for is printed, and notes are on standard error; 1 the values cannot work, and the reasons are
on standard error; 2 the arguments or a file cannot be read.
";

/// What was asked for.
pub enum Invocation {
    Help,
    Compose(Box<Args>),
    Check(PathBuf, Facts),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    #[default]
    Command,
    Values,
    Rbac,
}

/// The command line, as it was written.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Default)]
pub struct Args {
    pub output: Output,
    pub values_file: Option<String>,
    pub values: Option<PathBuf>,
    pub policy_csv: Option<PathBuf>,
    pub auto_update: Option<bool>,
    pub facts: Facts,
    pub account: AccountName,
    pub sync: SyncRight,
    pub projects: Vec<(String, Option<Variable>)>,
    pub argocd_namespace: Option<String>,
    name: Option<String>,
    octopus_url: Option<String>,
    octopus_grpc_url: Option<String>,
    spaces: Vec<SpaceId>,
    environments: Vec<String>,
    argocd_url: Option<String>,
    plaintext: bool,
    verify: bool,
    grpc_web: bool,
    root_path: Option<String>,
    web_ui_url: Option<String>,
    aws: Option<String>,
    argocd_variable: Option<Variable>,
    argocd_secret: Option<SecretRef>,
    project_secret: Option<String>,
    octopus_variable: Option<Variable>,
    octopus_secret: Option<SecretRef>,
    inline: bool,
    namespace: Option<String>,
    existing: bool,
    release: Option<String>,
    chart_version: Option<String>,
    keep: bool,
}

impl Args {
    pub fn from_command_line() -> Result<Invocation, lexopt::Error> {
        Self::parse(lexopt::Parser::from_env())
    }

    fn parse(mut parser: lexopt::Parser) -> Result<Invocation, lexopt::Error> {
        let mut args = Box::<Self>::default();
        let mut check = None;
        while let Some(argument) = parser.next()? {
            match argument {
                Long("help") | Short('h') => return Ok(Invocation::Help),
                Long("check") => check = Some(PathBuf::from(parser.value()?)),
                Long("values") => args.values = Some(parser.value()?.into()),
                Long("policy-csv") => args.policy_csv = Some(parser.value()?.into()),
                Long("argocd-plaintext") => args.plaintext = true,
                Long("argocd-verify") => args.verify = true,
                Long("argocd-grpc-web") => args.grpc_web = true,
                Long("inline-secrets") => args.inline = true,
                Long("existing-namespace") => args.existing = true,
                Long("keep-on-failure") => args.keep = true,
                Long("managed-by-argocd") => args.facts.managed_by_argo_cd = true,
                Long("no-sync") => args.sync = SyncRight::Withheld,
                Short('e') => args.environments.push(parser.value()?.string()?),
                Long(name) => {
                    let name = name.to_owned();
                    let value = parser.value()?.string()?;
                    args.set(&name, value).map_err(|reason| match reason {
                        None => lexopt::Error::UnexpectedOption(format!("--{name}")),
                        Some(reason) => format!("--{name}: {reason}").into(),
                    })?;
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(match check {
            Some(path) => Invocation::Check(path, args.facts),
            None => Invocation::Compose(args),
        })
    }

    /// An option with a value; `None` for one that does not exist.
    fn set(&mut self, name: &str, value: String) -> Result<(), Option<String>> {
        match name {
            "output" => {
                self.output = match value.as_str() {
                    "command" => Output::Command,
                    "values" => Output::Values,
                    "rbac" => Output::Rbac,
                    _ => return Err(Some("expected command, values or rbac".to_owned())),
                }
            }
            "values-file" => self.values_file = Some(value),
            "name" => self.name = Some(value),
            "octopus-url" => self.octopus_url = Some(value),
            "octopus-grpc-url" => self.octopus_grpc_url = Some(value),
            "space" => self.spaces.push(read(&value)?),
            "environment" => self.environments.push(value),
            "argocd-server-grpc-url" => self.argocd_url = Some(value),
            "argocd-namespace" => self.argocd_namespace = Some(value),
            "argocd-grpc-web-root-path" => self.root_path = Some(value),
            "argocd-web-ui-url" => self.web_ui_url = Some(value),
            "aws" => self.aws = Some(value),
            "argocd-variable" => self.argocd_variable = Some(read(&value)?),
            "argocd-secret" => self.argocd_secret = Some(read(&value)?),
            "argocd-project" => match value.split_once('=') {
                Some((project, variable)) => self.projects.push((project.to_owned(), Some(read(variable)?))),
                None => self.projects.push((value, None)),
            },
            "argocd-project-secret" => self.project_secret = Some(value),
            "octopus-variable" => self.octopus_variable = Some(read(&value)?),
            "octopus-secret" => self.octopus_secret = Some(read(&value)?),
            "namespace" => self.namespace = Some(value),
            "release" => self.release = Some(value),
            "chart-version" => self.chart_version = Some(value),
            "auto-update" => {
                self.auto_update = Some(match value.as_str() {
                    "on" => true,
                    "off" => false,
                    _ => return Err(Some("expected on or off".to_owned())),
                });
            }
            "balancer-idle" => self.facts.balancer_idle = Some(Duration::from_secs(read(&value)?)),
            "account" => self.account = read(&value)?,
            _ => return Err(None),
        }
        Ok(())
    }

    /// The gateway that the arguments describe.
    pub fn install(&self) -> Result<Install, String> {
        let name = self.name.as_deref().ok_or("--name NAME is missing")?;
        let octopus = self
            .octopus_url
            .as_deref()
            .ok_or("--octopus-url URL is missing")?;
        let mut install = Install::new(name, octopus, self.endpoint()?).map_err(|error| in_full(&error))?;
        for space in &self.spaces {
            install = install.space(space.clone());
        }
        for environment in &self.environments {
            install = install.environment(environment);
        }
        if let Some(url) = &self.octopus_grpc_url {
            install = install.octopus_grpc_url(url);
        }
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| install.names().namespace().to_owned());
        install = install.namespace(
            namespace,
            if self.existing {
                Namespace::Existing
            } else {
                Namespace::New
            },
        );
        if let Some(release) = &self.release {
            install = install.release(release);
        }
        if let Some(version) = &self.chart_version {
            install = install.chart_version(version);
        }
        if self.keep {
            install = install.on_failure(OnFailure::Keep);
        }
        let octopus = self.credential(
            Credential::octopus(),
            self.octopus_secret.as_ref(),
            self.octopus_variable.as_ref(),
        );
        Ok(install
            .octopus_credential(octopus)
            .argo_cd_credential(self.argo_cd_credential()?))
    }

    fn endpoint(&self) -> Result<ArgoCdEndpoint, String> {
        let mut endpoint = match (&self.aws, &self.argocd_url) {
            (Some(_), Some(_)) => {
                return Err("--aws and --argocd-server-grpc-url exclude each other".to_owned());
            }
            (Some(aws), None) => {
                let found =
                    ManagedEndpoint::new(aws).ok_or("--aws: no address, so AWS is still creating it")?;
                ArgoCdEndpoint::from(&found)
            }
            (None, Some(url)) => {
                let mut endpoint = ArgoCdEndpoint::new(url);
                (endpoint.plaintext, endpoint.insecure) = (self.plaintext, !self.plaintext);
                endpoint
            }
            (None, None) => {
                let ports = [
                    ServicePort::new(Some("http"), 80),
                    ServicePort::new(Some("https"), 443),
                ];
                let namespace = self.argocd_namespace.as_deref().unwrap_or("argocd");
                let insecure = self.plaintext.then_some("true");
                ArgoCdEndpoint::from(&ServiceAddress::new("argocd-server", namespace, &ports, insecure))
            }
        };
        endpoint.insecure &= !self.verify;
        endpoint.grpc_web |= self.grpc_web;
        endpoint.grpc_web_root_path.clone_from(&self.root_path);
        if self.web_ui_url.is_some() {
            endpoint.web_ui_url.clone_from(&self.web_ui_url);
        }
        Ok(endpoint)
    }

    fn credential(
        &self,
        default: Credential,
        secret: Option<&SecretRef>,
        variable: Option<&Variable>,
    ) -> Credential {
        let Credential::Stored(usual_secret, usual_variable) = default else {
            return default;
        };
        let name = variable.cloned().unwrap_or(usual_variable);
        match (self.inline, secret, variable) {
            (true, ..) => Credential::DangerInlineVariable(name),
            (false, Some(secret), None) => Credential::Existing(secret.clone()),
            (false, Some(secret), Some(_)) => Credential::Stored(secret.clone(), name),
            (false, None, _) => Credential::Stored(usual_secret, name),
        }
    }

    fn argo_cd_credential(&self) -> Result<ArgoCdCredential, String> {
        if self.projects.is_empty() {
            return Ok(match &self.project_secret {
                Some(secret) => ArgoCdCredential::ExistingProjects {
                    secret: secret.clone(),
                },
                None => ArgoCdCredential::Account(self.credential(
                    Credential::argo_cd(),
                    self.argocd_secret.as_ref(),
                    self.argocd_variable.as_ref(),
                )),
            });
        }
        let token = |(project, variable): &(String, Option<Variable>)| {
            let variable = variable.clone().ok_or(format!(
                "--argocd-project {project}: which variable holds its token?"
            ))?;
            Ok((project.clone(), variable))
        };
        let tokens = self
            .projects
            .iter()
            .map(token)
            .collect::<Result<Vec<_>, String>>()?;
        Ok(if self.inline {
            ArgoCdCredential::DangerInlineProjectVariables(tokens)
        } else {
            let secret = self
                .project_secret
                .clone()
                .unwrap_or_else(|| "argocd-project-tokens".to_owned());
            ArgoCdCredential::StoredProjects { secret, tokens }
        })
    }
}

fn read<T: FromStr<Err: std::fmt::Display>>(value: &str) -> Result<T, Option<String>> {
    value.parse().map_err(|error: T::Err| Some(error.to_string()))
}

/// An error with everything beneath it.
pub fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
