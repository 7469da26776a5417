//! What is wrong with values, and what their author should know before they are used.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::keys;
use super::setting::Period;
use super::values::HelmValues;
use crate::setup::{Expiry, KnownEnvironment, ProbeTarget, TokenClaims};
use crate::{AddressError, DEFAULT_GRPC_PORT, ServerAddress, SpaceId};

/// What the values do not say themselves. What is not known is not checked.
///
/// ```
/// use octopus_argo_core::helm::{Facts, HelmValues, Problem, keys};
///
/// let values = HelmValues::new().with(keys::METRICS_SERVICE_MONITOR_ENABLED, true);
/// let problems = values.problems(&Facts::default());
/// assert!(problems.contains(&Problem::Needs {
///     key: "metrics.serviceMonitor.enabled",
///     needed: "metrics.enabled",
/// }));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Facts {
    /// The time in seconds since 1970, for tokens that end.
    pub now: Option<i64>,
    /// What exists in which space.
    pub spaces: Vec<SpaceFacts>,
    /// The tenants that the instance will serve. The chart has no key for them.
    pub tenants: Vec<String>,
    /// Whether an Argo CD application will keep the chart installed.
    pub managed_by_argo_cd: bool,
    /// After which silence the load balancer in front of Octopus cuts a connection.
    pub balancer_idle: Option<Duration>,
}

/// What exists in a space.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpaceFacts {
    /// The space.
    pub space: SpaceId,
    /// Its environments.
    pub environments: Vec<KnownEnvironment>,
    /// Its tenants.
    pub tenants: Vec<KnownEnvironment>,
}

impl SpaceFacts {
    /// A space and what exists in it.
    #[must_use]
    pub fn new(space: SpaceId, environments: Vec<KnownEnvironment>, tenants: Vec<KnownEnvironment>) -> Self {
        Self {
            space,
            environments,
            tenants,
        }
    }
}

/// Why values cannot work.
///
/// Rule: Octopus docs, "Helm chart values", for what excludes what; the checks of addresses are ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A value without which nothing can work.
    #[error("{key} is not set")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// No way to authenticate to Argo CD.
    #[error(
        "no credential for Argo CD: set one of gateway.argocd.authenticationToken, authenticationTokenSecretName with \
         authenticationTokenSecretKey, projectAuthentication, projectAuthenticationSecretName"
    )]
    NoArgoCdCredential,
    /// Two values of which only one may be set.
    #[error("{one} and {other} exclude each other")]
    Exclusive {
        /// The one.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// Half of a reference to a Secret: its name and its key are both needed.
    #[error("{set} is set without {missing}, and a credential that is not inline needs both")]
    HalfReference {
        /// The half that is set.
        set: &'static str,
        /// The half that is not.
        missing: &'static str,
    },
    /// Nothing to register with.
    #[error(
        "no credential for Octopus: set registration.octopus.serverAccessToken, or serverAccessTokenSecretName with \
         serverAccessTokenSecretKey, or turn registration.register off"
    )]
    NoOctopusCredential,
    /// No space to register in.
    #[error("no space: set registration.octopus.spaceId, spaceIds, or both")]
    NoSpace,
    /// The text is no id of a space.
    #[error("{key}: {value:?} is blank, which is no space")]
    BlankSpace {
        /// The key.
        key: &'static str,
        /// What stands there.
        value: String,
    },
    /// An environment or a tenant has to exist in every space.
    #[error("{what} {name:?} does not exist in {}", .space.as_str())]
    NotInSpace {
        /// What does not exist.
        what: Named,
        /// Its name.
        name: String,
        /// Where.
        space: SpaceId,
    },
    /// A value that only works with another.
    #[error("{key} needs {needed}, which is off")]
    Needs {
        /// The key.
        key: &'static str,
        /// What it needs.
        needed: &'static str,
    },
    /// A key and its successor. Which one counts depends on the chart's version.
    #[error("{old} and {new} are one setting in older and newer charts: keep the one that your chart reads")]
    TwoGenerations {
        /// The older.
        old: &'static str,
        /// The newer.
        new: &'static str,
    },
    /// An address that cannot be read.
    #[error("{key} is no address")]
    Address {
        /// The key.
        key: &'static str,
        /// Why not.
        source: AddressError,
    },
    /// An address that has to name its port.
    #[error(
        "{key} names no port: Octopus takes gRPC connections on {DEFAULT_GRPC_PORT}, unless somebody chose otherwise"
    )]
    NoPort {
        /// The key.
        key: &'static str,
    },
    /// An address at which the pod would find itself.
    #[error("{key} is an address of the pod itself")]
    Loopback {
        /// The key.
        key: &'static str,
    },
    /// A web address that is none.
    #[error("{key} is no address that begins with https:// or http://")]
    NotWeb {
        /// The key.
        key: &'static str,
    },
    /// Two tokens for one project.
    #[error("project {project:?} has two tokens")]
    TwiceAProject {
        /// The project.
        project: String,
    },
    /// A token that nobody accepts any more.
    #[error("{key}{}: the token has expired", of(.project.as_ref()))]
    Expired {
        /// The key.
        key: &'static str,
        /// The project that the token is for.
        project: Option<String>,
    },
}

/// What has a name in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Named {
    /// An environment.
    Environment,
    /// A tenant.
    Tenant,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "environment",
            Self::Tenant => "tenant",
        })
    }
}

fn of(project: Option<&String>) -> String {
    project.map_or_else(String::new, |project| format!(" of project {project:?}"))
}

impl HelmValues {
    /// Everything that is wrong with the values, in a fixed order; nothing if they can work.
    #[must_use]
    pub fn problems(&self, facts: &Facts) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_credentials(&mut problems);
        self.check_relations(&mut problems);
        self.check_registration(facts, &mut problems);
        self.check_addresses(&mut problems);
        self.check_tokens(facts, &mut problems);
        problems
    }

    fn check_credentials(&self, problems: &mut Vec<Problem>) {
        let account = [
            keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN.path(),
            keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN_SECRET_NAME.path(),
            keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN_SECRET_KEY.path(),
        ];
        let projects = [
            keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION.path(),
            keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION_SECRET_NAME.path(),
        ];
        if !self.check_reference(account, problems) && !projects.iter().any(|key| self.has(key)) {
            problems.push(Problem::NoArgoCdCredential);
        }
        let octopus = [
            keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN.path(),
            keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN_SECRET_NAME.path(),
            keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN_SECRET_KEY.path(),
        ];
        if !self.check_reference(octopus, problems) && self.registers() {
            problems.push(Problem::NoOctopusCredential);
        }
    }

    /// Whether there is a credential, inline or, perhaps by half, by reference.
    fn check_reference(&self, [inline, name, key]: [&'static str; 3], problems: &mut Vec<Problem>) -> bool {
        let inline = self.has(inline);
        match (self.has(name), self.has(key)) {
            // Beside an inline credential they name what the chart makes, and either may be left to it.
            _ if inline => {}
            (true, false) => problems.push(Problem::HalfReference {
                set: name,
                missing: key,
            }),
            (false, true) => problems.push(Problem::HalfReference {
                set: key,
                missing: name,
            }),
            (false, false) => return false,
            (true, true) => {}
        }
        true
    }

    fn check_relations(&self, problems: &mut Vec<Problem>) {
        for entry in keys::ALL.iter().filter(|entry| self.is_filled(entry)) {
            for &other in entry.excludes() {
                // Each pair once, although both rows name it.
                let told = problems.iter().any(|problem| {
                    matches!(problem, Problem::Exclusive { one, other: second } if *one == other && *second == entry.path())
                });
                if self.has(other) && !told {
                    problems.push(Problem::Exclusive {
                        one: entry.path(),
                        other,
                    });
                }
            }
            if let Some(needed) = entry.needs()
                && self.is_on(entry.path())
                && !self.is_on(needed)
            {
                problems.push(Problem::Needs {
                    key: entry.path(),
                    needed,
                });
            }
        }
        // One family of the two, whichever halves of them are set.
        let set = |family: [&'static str; 2]| family.into_iter().find(|key| self.is_set(key));
        if let (Some(old), Some(new)) = (set(KEEP_ALIVE), set(HEALTH_CHECK)) {
            problems.push(Problem::TwoGenerations { old, new });
        }
    }

    /// Whether anything is set, `0` included.
    fn is_set(&self, path: &str) -> bool {
        super::values::find(path).is_some_and(|entry| self.value(entry).is_some())
    }

    fn check_registration(&self, facts: &Facts, problems: &mut Vec<Problem>) {
        if !self.registers() {
            return;
        }
        for key in [
            keys::REGISTRATION_OCTOPUS_NAME.path(),
            keys::REGISTRATION_OCTOPUS_ENVIRONMENTS.path(),
        ] {
            if !self.has(key) {
                problems.push(Problem::Missing { key });
            }
        }
        let listed = self.get(keys::REGISTRATION_OCTOPUS_SPACE_IDS).unwrap_or_default();
        for value in listed
            .into_iter()
            .filter(|space| space.parse::<SpaceId>().is_err())
        {
            problems.push(Problem::BlankSpace {
                key: keys::REGISTRATION_OCTOPUS_SPACE_IDS.path(),
                value,
            });
        }
        let spaces = self.spaces();
        if spaces.is_empty() {
            problems.push(Problem::NoSpace);
        }
        let environments = self
            .get(keys::REGISTRATION_OCTOPUS_ENVIRONMENTS)
            .unwrap_or_default();
        for known in facts.spaces.iter().filter(|known| spaces.contains(&known.space)) {
            let mut check = |what, names: &[String], exist: &[KnownEnvironment]| {
                for name in names {
                    if !exist.iter().any(|existing| existing.is_called(name.trim())) {
                        problems.push(Problem::NotInSpace {
                            what,
                            name: name.clone(),
                            space: known.space.clone(),
                        });
                    }
                }
            };
            check(Named::Environment, &environments, &known.environments);
            check(Named::Tenant, &facts.tenants, &known.tenants);
        }
    }

    fn check_addresses(&self, problems: &mut Vec<Problem>) {
        let key = keys::GATEWAY_OCTOPUS_SERVER_GRPC_URL;
        if let Some((text, address)) = self.check_address(key.path(), self.get(key), problems) {
            // With another default, an address without a port reads as something else.
            let elsewhere = ServerAddress::with_default_port(&text, DEFAULT_GRPC_PORT + 1);
            if elsewhere.is_ok_and(|elsewhere| elsewhere != address) {
                problems.push(Problem::NoPort { key: key.path() });
            }
        }
        let key = keys::GATEWAY_ARGOCD_SERVER_GRPC_URL;
        self.check_address(key.path(), self.get(key), problems);
        if self.registers() {
            let key = keys::REGISTRATION_OCTOPUS_SERVER_API_URL;
            self.check_web(key.path(), self.get(key), true, problems);
            let key = keys::REGISTRATION_ARGOCD_WEB_UI_URL;
            self.check_web(key.path(), self.get(key), false, problems);
        }
    }

    fn check_address(
        &self,
        key: &'static str,
        text: Option<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<(String, ServerAddress)> {
        let Some(text) = text.filter(|_| self.has(key)) else {
            problems.push(Problem::Missing { key });
            return None;
        };
        match text.parse::<ServerAddress>() {
            Ok(address) => {
                if is_loopback(&address) {
                    problems.push(Problem::Loopback { key });
                }
                Some((text, address))
            }
            Err(source) => {
                problems.push(Problem::Address { key, source });
                None
            }
        }
    }

    fn check_web(&self, key: &'static str, text: Option<String>, needed: bool, problems: &mut Vec<Problem>) {
        let Some(text) = text.filter(|_| self.has(key)) else {
            if needed {
                problems.push(Problem::Missing { key });
            }
            return;
        };
        let text = text.trim();
        let web = ["https://", "http://"].iter().any(|scheme| {
            text.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        match ServerAddress::from_web_url(text) {
            Ok(address) if web => {
                if needed && is_loopback(&address) {
                    problems.push(Problem::Loopback { key });
                }
            }
            Err(source) if web => problems.push(Problem::Address { key, source }),
            _ => problems.push(Problem::NotWeb { key }),
        }
    }

    fn check_tokens(&self, facts: &Facts, problems: &mut Vec<Problem>) {
        let mut projects = Vec::new();
        for (key, project, token) in self.tokens() {
            if let Some(project) = &project {
                if projects.contains(project) {
                    problems.push(Problem::TwiceAProject {
                        project: project.clone(),
                    });
                }
                projects.push(project.clone());
            }
            if expiry(&token, facts) == Some(Expiry::Expired) {
                problems.push(Problem::Expired { key, project });
            }
        }
    }

    /// The inline tokens.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (&'static str, Option<String>, SecretString)> {
        let one = |key: super::Key<SecretString>| {
            let token = self.get(key).filter(|token| !token.expose_secret().is_empty());
            token.map(|token| (key.path(), None, token))
        };
        let projects = keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION;
        let listed = self.get(projects).unwrap_or_default();
        one(keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN)
            .into_iter()
            .chain(listed.into_iter().map(move |token| {
                (
                    projects.path(),
                    Some(token.project().to_owned()),
                    token.token().clone(),
                )
            }))
            .chain(one(keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN))
    }

    /// Whether the chart's own job registers the gateway.
    pub(super) fn registers(&self) -> bool {
        self.is_on(keys::REGISTRATION_REGISTER.path())
    }

    /// The time between probes, by whichever of the two names it is set.
    pub(super) fn probe_interval(&self) -> Duration {
        let old = self.get(keys::GATEWAY_OCTOPUS_KEEP_ALIVE_INTERVAL_SECONDS);
        self.get(keys::GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL)
            .map(Period::duration)
            .or_else(|| old.map(|seconds| Duration::from_secs(seconds.into())))
            .unwrap_or(DEFAULT_INTERVAL)
    }
}

/// How it stands with the end of a token, where it tells and the time is known.
pub(super) fn expiry(token: &SecretString, facts: &Facts) -> Option<Expiry> {
    let claims = TokenClaims::read(token.expose_secret()).ok()?;
    Some(claims.expiry(facts.now?, Expiry::NEAR))
}

const KEEP_ALIVE: [&str; 2] = [
    keys::GATEWAY_OCTOPUS_KEEP_ALIVE_INTERVAL_SECONDS.path(),
    keys::GATEWAY_OCTOPUS_KEEP_ALIVE_MAX_CONSECUTIVE_FAILURES.path(),
];

const HEALTH_CHECK: [&str; 2] = [
    keys::GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL.path(),
    keys::GATEWAY_OCTOPUS_HEALTH_CHECK_GIVE_UP_AFTER.path(),
];

/// The library's, because the chart's is not known.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);

fn is_loopback(address: &ServerAddress) -> bool {
    let target = address.to_string().parse::<ProbeTarget>();
    target.is_ok_and(|target| target.is_loopback())
}
