//! The Argo CD that the gateway runs beside.

mod channel;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, header};
use secrecy::{ExposeSecret as _, SecretString};
use tonic::body::Body;
use tower_service::Service;

pub use channel::ArgoCdChannel;

use octopus_argo_core::{AddressError, ServerAddress};

use crate::connection::{CallError, Endpoint, Peer, ResponseBody};
use crate::tls::{Tls, TlsConfigError};

/// Why a text cannot be an Argo CD token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an Argo CD token is one line of visible characters")]
#[non_exhaustive]
pub struct TokenError;

/// How to reach Argo CD's API server, and with which token.
///
/// The token is the gateway's own. It is added to the calls that are forwarded, and never crosses the tunnel.
#[derive(Clone)]
pub struct ArgoCd {
    channel: ArgoCdChannel,
    authorization: Authorization,
}

#[derive(Clone)]
struct Authorization(Arc<SecretString>);

impl ArgoCd {
    /// Argo CD at `address`, for example `argocd-server.argocd.svc:443`, over TLS.
    ///
    /// # Errors
    /// [`ArgoCdConfigError`] names what is wrong with the address, the trust or the token.
    pub fn new(address: &str, tls: &Tls, token: SecretString) -> Result<Self, ArgoCdConfigError> {
        let endpoint = Endpoint::new(server_address(address)?, Some(tls), Peer::ArgoCd);
        Self::with(
            endpoint.map_err(|source| ArgoCdConfigError::Tls { source })?,
            token,
        )
    }

    /// The same without TLS, for a server that was started with `--insecure`: everyone on the way can read the token.
    ///
    /// # Errors
    /// As [`ArgoCd::new`].
    pub fn danger_plaintext(address: &str, token: SecretString) -> Result<Self, ArgoCdConfigError> {
        Self::with(
            Endpoint::danger_plaintext(server_address(address)?, Peer::ArgoCd),
            token,
        )
    }

    fn with(endpoint: Endpoint, token: SecretString) -> Result<Self, ArgoCdConfigError> {
        let text = token.expose_secret();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ArgoCdConfigError::Token { source: TokenError });
        }
        Ok(Self {
            channel: ArgoCdChannel::new(endpoint),
            authorization: Authorization(Arc::new(token)),
        })
    }

    /// The channel, without the token.
    pub(crate) fn channel(&self) -> ArgoCdChannel {
        self.channel.clone()
    }

    /// The channel, with the token on every call.
    pub(crate) fn authorized(&self) -> Authorized {
        Authorized(self.clone())
    }

    /// The header with the token, which hides itself from logs.
    pub(crate) fn authorization(&self) -> HeaderValue {
        let text = format!("Bearer {}", self.authorization.0.expose_secret());
        // Checked when the token came in.
        let mut value = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        value
    }
}

/// Argo CD's API server, called with the gateway's token.
#[derive(Clone, Debug)]
pub(crate) struct Authorized(ArgoCd);

impl Service<Request<Body>> for Authorized {
    type Response = Response<ResponseBody>;
    type Error = CallError;
    type Future = <ArgoCdChannel as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.0.channel.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let value = self.0.authorization();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        self.0.channel.call(request)
    }
}

impl fmt::Debug for ArgoCd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgoCd")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

fn server_address(text: &str) -> Result<ServerAddress, ArgoCdConfigError> {
    ServerAddress::with_default_port(text, DEFAULT_PORT)
        .map_err(|source| ArgoCdConfigError::Address { source })
}

/// The port of Argo CD's service for TLS.
const DEFAULT_PORT: u16 = 443;

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
    /// The token.
    #[error("the Argo CD token cannot be used")]
    #[non_exhaustive]
    Token {
        /// What is wrong with it.
        source: TokenError,
    },
}
