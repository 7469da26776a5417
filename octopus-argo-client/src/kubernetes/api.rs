//! Questions to the Kubernetes API server, bounded in time, size and number.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http_body::Body as _;
use kube::Client;
use kube::api::ListParams;
use kube::core::Request;
use serde::de::DeserializeOwned;

use super::error::{Kind, RequestError};
use super::objects::List;

/// Where resources of one kind are.
#[derive(Clone, Copy)]
pub(super) struct Resource {
    /// Before `namespaces/` or the plural.
    group: &'static str,
    pub(super) plural: &'static str,
}

impl Resource {
    pub(super) const fn new(group: &'static str, plural: &'static str) -> Self {
        Self { group, plural }
    }

    fn path(&self, namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) => format!("{}/namespaces/{namespace}/{}", self.group, self.plural),
            None => format!("{}/{}", self.group, self.plural),
        }
    }
}

/// What of a list is wanted.
#[derive(Clone, Copy, Default)]
pub(super) struct Filter<'a> {
    pub(super) labels: Option<&'a str>,
    pub(super) fields: Option<&'a str>,
}

/// Every object of a kind, in one namespace or in all.
pub(super) async fn list<T: DeserializeOwned>(
    client: &Client,
    resource: Resource,
    namespace: Option<&str>,
    filter: Filter<'_>,
) -> Result<Vec<T>, RequestError> {
    let mut params = ListParams::default().limit(PAGE);
    params.label_selector = filter.labels.map(str::to_owned);
    params.field_selector = filter.fields.map(str::to_owned);
    let mut items = Vec::new();
    let mut anew = false;
    loop {
        let request = Request::new(resource.path(namespace)).list(&params);
        let request = request.map_err(|source| unreachable(resource, namespace, source))?;
        let page = match ask::<List<T>>(client, resource, namespace, request).await {
            // The list has changed so much that its rest is gone: from the beginning, once.
            Err(error) if is_gone(&error) && params.continue_token.is_some() && !anew => {
                (anew, params.continue_token) = (true, None);
                items.clear();
                continue;
            }
            page => page?,
        };
        items.extend(page.items);
        if items.len() > MOST_ITEMS {
            return Err(error(
                resource,
                namespace,
                Kind::TooLarge {
                    what: resource.plural,
                },
            ));
        }
        match page.metadata.more.filter(|more| !more.is_empty()) {
            // A server that says "more" for ever is told apart by a token that stays as it is.
            Some(more) if params.continue_token.as_ref() != Some(&more) => params.continue_token = Some(more),
            Some(_) => {
                return Err(error(
                    resource,
                    namespace,
                    Kind::TooLarge {
                        what: resource.plural,
                    },
                ));
            }
            None => return Ok(items),
        }
    }
}

/// One object; `None` if it does not exist.
pub(super) async fn get<T: DeserializeOwned>(
    client: &Client,
    resource: Resource,
    namespace: &str,
    name: &str,
) -> Result<Option<T>, RequestError> {
    let request = Request::new(resource.path(Some(namespace))).get(name, &kube::api::GetParams::default());
    let request = request.map_err(|source| unreachable(resource, Some(namespace), source))?;
    match ask(client, resource, Some(namespace), request).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends one request. `kube` would log answers that it cannot read; they may hold what nobody should see.
async fn ask<T: DeserializeOwned>(
    client: &Client,
    resource: Resource,
    namespace: Option<&str>,
    request: http::Request<Vec<u8>>,
) -> Result<T, RequestError> {
    let exchange = async {
        let response = client.send(request.map(kube::client::Body::from)).await;
        let response = response.map_err(|source| unreachable(resource, namespace, source))?;
        let status = response.status();
        let body = read(response.into_body())
            .await
            .map_err(|problem| match problem {
                BodyError::TooLarge => error(
                    resource,
                    namespace,
                    Kind::TooLarge {
                        what: resource.plural,
                    },
                ),
                BodyError::Cut(source) => unreachable(resource, namespace, source),
            })?;
        Ok((status, body))
    };
    let answered = tokio::time::timeout(TIMEOUT, exchange).await;
    let what = resource.plural;
    let (status, body) = answered.unwrap_or_else(|_| {
        Err(error(
            resource,
            namespace,
            Kind::TimedOut { what, after: TIMEOUT },
        ))
    })?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|source| {
            let source = Arc::new(Place {
                line: source.line(),
                column: source.column(),
            });
            error(resource, namespace, Kind::Unreadable { what, source })
        });
    }
    let kind = match status {
        StatusCode::UNAUTHORIZED => Kind::Unauthorized,
        StatusCode::FORBIDDEN => Kind::Forbidden { what },
        StatusCode::NOT_FOUND => Kind::NotFound { what },
        status => Kind::Refused {
            what,
            status: status.as_u16(),
        },
    };
    Err(error(resource, namespace, kind))
}

/// Where an answer stopped being readable. What stood there is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, column {column}")]
struct Place {
    line: usize,
    column: usize,
}

enum BodyError {
    TooLarge,
    Cut(kube::Error),
}

async fn read(body: kube::client::Body) -> Result<Vec<u8>, BodyError> {
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(BodyError::Cut)?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > MOST_BYTES {
                return Err(BodyError::TooLarge);
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

fn is_gone(error: &RequestError) -> bool {
    matches!(error.kind, Kind::Refused { status: 410, .. })
}

fn unreachable(
    resource: Resource,
    namespace: Option<&str>,
    source: impl std::error::Error + Send + Sync + 'static,
) -> RequestError {
    let what = resource.plural;
    let source = Arc::new(source);
    error(resource, namespace, Kind::Unreachable { what, source })
}

fn error(resource: Resource, namespace: Option<&str>, kind: Kind) -> RequestError {
    RequestError {
        what: resource.plural,
        namespace: namespace.map(str::to_owned),
        kind,
    }
}

/// Objects a page: what `kubectl` asks for is 500, and Deployments are large.
const PAGE: u32 = 250;

/// More objects than these are no Argo CD's.
const MOST_ITEMS: usize = 20_000;

/// A page of 250 Deployments stays well below it.
const MOST_BYTES: usize = 32 << 20;

/// For one question. A list of a large cluster takes seconds.
const TIMEOUT: Duration = Duration::from_secs(30);
