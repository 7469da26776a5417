//! The Argo CD that a gateway runs beside: how it is reached, and with which tokens.
//!
//! [`ArgoCd`] is what a [`Gateway`](crate::Gateway) is given. It is of use without one, too: [`ArgoCd::api`] makes typed
//! calls directly, and [`ArgoCd::probe`] says whether its tokens are accepted and which rights are missing.

mod builder;
mod channel;
mod service;
mod tokens;
mod unverified;
mod web;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::AddressError;
use octopus_argo_proto::argocd::{Api, ApiError, Needs, Probe};
use secrecy::SecretString;

use crate::tls::{Tls, TlsConfigError};

pub use builder::ArgoCdBuilder;
pub use channel::ArgoCdChannel;
pub use service::ArgoCdService;
pub use tokens::{TokenError, Tokens, TokensError};

/// How to reach Argo CD's API server, and with which tokens. Cloning shares the connection, which is made with the first
/// call, and made again when it is gone.
///
/// The tokens are the gateway's own. They are added to the calls that are forwarded, and never cross the tunnel.
///
/// ```no_run
/// use octopus_argo_client::argocd::{ArgoCd, Tokens};
/// use octopus_argo_client::tls::{Roots, Tls};
/// use octopus_argo_proto::argocd::Needs;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let trust = Tls::host_name(Roots::empty().with_file("/etc/argocd/ca.crt")?);
/// let argo_cd = ArgoCd::builder("argocd-server.argocd.svc")
///     .tls(trust)
///     .tokens(Tokens::from_file("/var/run/argocd/token")?)
///     .build()?;
/// for report in argo_cd.probe(Needs::default()).await? {
///     for line in report.probe.missing() {
///         println!("add to policy.csv: {line}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ArgoCd {
    channel: ArgoCdChannel,
    tokens: Arc<Tokens>,
    relist: Duration,
}

impl ArgoCd {
    /// Argo CD at `address`, for example `argocd-server.argocd.svc:443`. Default: over TLS and HTTP/2, trusting the roots of
    /// the operating system, without a token.
    pub fn builder(address: &str) -> ArgoCdBuilder {
        ArgoCdBuilder::new(address)
    }

    /// Argo CD at `address` over TLS, with the token of an account.
    ///
    /// # Errors
    /// [`ArgoCdConfigError`] names what is wrong with the address, the trust or the token.
    pub fn new(address: &str, tls: &Tls, token: SecretString) -> Result<Self, ArgoCdConfigError> {
        let tokens = Tokens::new(token)?;
        Self::builder(address).tls(tls.clone()).tokens(tokens).build()
    }

    /// The same without TLS, for a server that was started with `--insecure`: everyone on the way can read the token.
    ///
    /// # Errors
    /// As [`ArgoCd::new`].
    pub fn danger_plaintext(address: &str, token: SecretString) -> Result<Self, ArgoCdConfigError> {
        let tokens = Tokens::new(token)?;
        Self::builder(address).danger_plaintext().tokens(tokens).build()
    }

    /// Typed calls, with the token of the project that each is about.
    #[must_use]
    pub fn api(&self) -> Api<ArgoCdService> {
        Api::new(self.service())
    }

    /// A service that tonic's generated clients work over, with the token of the project that each call is about.
    #[must_use]
    pub fn service(&self) -> ArgoCdService {
        ArgoCdService::new(self.clone(), None)
    }

    /// The tokens that are presented.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// For each token: the server's version, whom it takes the token for, and for each needed right whether it is there.
    ///
    /// Too few rights never show as errors in Argo CD, but as empty lists.
    ///
    /// # Errors
    /// [`ApiError`] where the server does not answer. A token that is not accepted is none: see
    /// [`Probe::is_good`](octopus_argo_proto::argocd::Probe::is_good).
    pub async fn probe(&self, needs: Needs) -> Result<Vec<TokenReport>, ApiError> {
        let mut reports = Vec::new();
        for view in self.views() {
            let expires_at = self
                .tokens
                .of(view.project.as_deref())
                .and_then(|entry| entry.expires_at());
            let probe = view.api.probe(needs).await?;
            reports.push(TokenReport {
                project: view.project,
                expires_at,
                probe,
            });
        }
        Ok(reports)
    }

    /// How often everything is to be listed again.
    pub(crate) const fn relist(&self) -> Duration {
        self.relist
    }

    /// What the tokens see together: all that the account sees, or else each project by itself.
    pub(crate) fn views(&self) -> Vec<View> {
        let projects: Vec<Box<str>> = if self.tokens.has_account() {
            Vec::new()
        } else {
            self.tokens.projects().map(Box::from).collect()
        };
        let view = |project: Option<Box<str>>| View {
            api: Api::new(ArgoCdService::new(self.clone(), project.clone())),
            project,
        };
        if projects.is_empty() {
            vec![view(None)]
        } else {
            projects.into_iter().map(|project| view(Some(project))).collect()
        }
    }
}

/// What one token sees.
pub(crate) struct View {
    pub(crate) api: Api<ArgoCdService>,
    /// The project that it is limited to.
    pub(crate) project: Option<Box<str>>,
}

/// What a probe with one token found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenReport {
    /// The project that the token is for; `None` for that of an account.
    pub project: Option<Box<str>>,
    /// When the token says that it ends, in seconds since 1970; `None` where it says nothing.
    pub expires_at: Option<i64>,
    /// What was found.
    pub probe: Probe,
}

impl fmt::Debug for ArgoCd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgoCd")
            .field("channel", &self.channel)
            .field("tokens", &self.tokens)
            .field("relist", &self.relist)
            .finish()
    }
}

/// Why an Argo CD cannot be reached as it is configured.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgoCdConfigError {
    /// The address.
    #[error("Argo CD's address cannot be used")]
    #[non_exhaustive]
    Address {
        /// What is wrong with it.
        source: AddressError,
    },
    /// What is trusted.
    #[error("no Argo CD server could be trusted")]
    #[non_exhaustive]
    Tls {
        /// What is wrong with it.
        source: TlsConfigError,
    },
    /// The tokens.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Pings come too often: Argo CD ends a connection for pings less than 10 s apart.
    #[error(
        "a keep-alive interval of less than {:?} ends connections to Argo CD",
        ArgoCdBuilder::LEAST_KEEP_ALIVE
    )]
    KeepAlive,
    /// The root path is no path.
    #[error("the root path is no path")]
    RootPath,
}
