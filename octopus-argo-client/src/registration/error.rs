//! Why a registration call did not do what it was to do.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use octopus_argo_core::ServerAddress;
use octopus_argo_proto::registration::{ErrorBody, IncompleteResponse};

use super::ServerVersion;
use crate::dial::DialError;
use crate::tls::TlsError;

/// How far a call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Nothing was sent.
    NotSent,
    /// It was sent, and what came of it is not known.
    Unknown,
    /// The server refused it, and did nothing.
    Refused,
    /// The server did it.
    Done,
}

/// Why a call failed. Variants are stages, in order. No text of it holds a credential or a token.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The server was not reached: DNS, TCP or a proxy.
    #[error("could not reach {}", address.authority())]
    #[non_exhaustive]
    Dial {
        /// Where it should be.
        address: ServerAddress,
        /// What failed.
        source: DialError,
    },
    /// The server was reached and did not prove who it is.
    #[error("no TLS connection to {}", address.authority())]
    #[non_exhaustive]
    Tls {
        /// Where it is.
        address: ServerAddress,
        /// What failed.
        source: Box<TlsError>,
    },
    /// This server would give the gateway a new token where it is to keep the one that it has. Nothing was sent.
    #[error(
        "Octopus {found} cannot register a gateway in another space without taking its token away, that needs {}",
        ServerVersion::PRESERVES_TOKENS
    )]
    #[non_exhaustive]
    TooOld {
        /// Its version.
        found: ServerVersion,
    },
    /// The connection broke, or what answered does not speak HTTP.
    #[error("the connection to Octopus broke")]
    #[non_exhaustive]
    Http {
        /// What failed.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("no answer from Octopus within {after:?}")]
    #[non_exhaustive]
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// The answer is too large to be one.
    #[error("the answer of Octopus is larger than {limit} bytes")]
    #[non_exhaustive]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The server points somewhere else: often from `http` to `https`, or to a page for logging in. Use the address
    /// that it means.
    #[error("Octopus redirects to {location:?}, use the address that this leads to")]
    #[non_exhaustive]
    Redirected {
        /// Where to, without any query.
        location: String,
    },
    /// The key or token is not accepted (401): mistyped, revoked, or past its time. A token of the installation wizard is
    /// good for an hour.
    #[error("Octopus does not accept the API key or access token{}", words(answer.as_deref()))]
    #[non_exhaustive]
    Unauthenticated {
        /// What the server said.
        answer: Option<Box<ErrorBody>>,
    },
    /// The caller may not do this in this space (403).
    #[error("Octopus does not allow this{}", words(answer.as_deref()))]
    #[non_exhaustive]
    Forbidden {
        /// What the server said.
        answer: Option<Box<ErrorBody>>,
    },
    /// Another instance of the space has the name. It may be left over: neither `helm uninstall` nor an installation
    /// that was rolled back removes it.
    #[error("an instance of this name is registered already: delete it in Octopus, or choose another name")]
    #[non_exhaustive]
    NameTaken {
        /// What the server said.
        answer: Box<ErrorBody>,
    },
    /// There is no such space or record (404), or no Octopus at this address.
    #[error("Octopus knows no such space or gateway{}", words(answer.as_deref()))]
    #[non_exhaustive]
    NotFound {
        /// What the server said; nothing if it was not Octopus who answered.
        answer: Option<Box<ErrorBody>>,
    },
    /// The server refuses the request (another 4xx).
    #[error("Octopus refuses the request with {status}{}", words(answer.as_deref()))]
    #[non_exhaustive]
    Refused {
        /// The status.
        status: StatusCode,
        /// What the server said.
        answer: Option<Box<ErrorBody>>,
    },
    /// The server has trouble of its own (5xx).
    #[error("Octopus fails with {status}{}", words(answer.as_deref()))]
    #[non_exhaustive]
    Server {
        /// The status.
        status: StatusCode,
        /// What the server said.
        answer: Option<Box<ErrorBody>>,
    },
    /// The answer is not what it should be. A proxy that answers with a page of its own looks like this.
    #[error("the answer of Octopus cannot be read")]
    #[non_exhaustive]
    Unreadable {
        /// What is wrong with it.
        source: Arc<serde_json::Error>,
    },
    /// The answer lacks what a gateway needs. A record that was made is deleted again where its id is known.
    #[error("the answer of Octopus lacks something")]
    Incomplete(#[from] IncompleteResponse),
}

impl RegistrationError {
    /// How far the call got: whether there may be a record now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Dial { .. } | Self::Tls { .. } | Self::TooOld { .. } => Stage::NotSent,
            Self::Http { .. } | Self::Timeout { .. } | Self::Server { .. } => Stage::Unknown,
            Self::TooLarge { .. } | Self::Unreadable { .. } | Self::Incomplete(_) => Stage::Done,
            _ => Stage::Refused,
        }
    }

    /// Whether the same again, with nothing changed, can help. After [`Stage::Unknown`] look first whether it was done:
    /// [`Client::find`](super::Client::find).
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Dial { .. } | Self::Http { .. } | Self::Timeout { .. } | Self::Server { .. } => true,
            Self::Tls { source, .. } => source.is_retryable(),
            Self::Refused { status, .. } => {
                matches!(
                    *status,
                    StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
                )
            }
            _ => false,
        }
    }

    /// What an answer that is no success means.
    pub(super) fn from_answer(status: StatusCode, location: Option<&str>, body: &[u8]) -> Self {
        let answer = ErrorBody::from_json(body, MAX_WORDS).map(Box::new);
        if status.is_redirection() {
            let location = location.unwrap_or_default();
            let shown = location.split(['?', '#']).next().unwrap_or_default();
            let location = shown.chars().take(MAX_WORDS).collect();
            return Self::Redirected { location };
        }
        match answer {
            Some(answer) if status.is_client_error() && answer.is_name_taken() => Self::NameTaken { answer },
            answer => match status {
                StatusCode::UNAUTHORIZED => Self::Unauthenticated { answer },
                StatusCode::FORBIDDEN => Self::Forbidden { answer },
                StatusCode::NOT_FOUND => Self::NotFound { answer },
                status if status.is_client_error() => Self::Refused { status, answer },
                status => Self::Server { status, answer },
            },
        }
    }
}

fn words(answer: Option<&ErrorBody>) -> String {
    answer.map(|answer| format!(": {answer}")).unwrap_or_default()
}

/// How much of a server's words is kept, in characters.
const MAX_WORDS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning() {
        let read = |status: u16, body: &str| {
            RegistrationError::from_answer(
                StatusCode::from_u16(status).unwrap(),
                Some("/login?token=x"),
                body.as_bytes(),
            )
        };
        let taken = r#"{"Errors": ["An ArgoCDGateway with this name already exists."]}"#;
        for status in [400, 409, 422] {
            assert!(matches!(read(status, taken), RegistrationError::NameTaken { .. }));
        }
        assert!(matches!(read(500, taken), RegistrationError::Server { .. }));
        assert!(matches!(
            read(401, ""),
            RegistrationError::Unauthenticated { answer: None }
        ));
        assert!(matches!(read(403, "{}"), RegistrationError::Forbidden { .. }));
        assert!(matches!(
            read(404, "<html>"),
            RegistrationError::NotFound { answer: None }
        ));
        assert_eq!(
            read(400, r#"{"ErrorMessage": "No."}"#).to_string(),
            "Octopus refuses the request with 400 Bad Request: No."
        );
        let redirected = read(302, "").to_string();
        assert!(
            redirected.contains("/login") && !redirected.contains("token"),
            "{redirected}"
        );
    }
}
