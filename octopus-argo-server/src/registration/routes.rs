//! The calls themselves.

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use octopus_argo_core::health::octopus::InstanceHealth;
use octopus_argo_core::setup::KnownEnvironment;
use octopus_argo_core::{SpaceId, Uid};
use octopus_argo_proto::registration::{
    HEALTH_CHECK_TASK, ModifyRequest, RegisterRequest, RegisterResponse, ResourceEnvelope, Summaries,
    Summary, TaskRequest, TaskResource,
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::answer::{Problem, json, wrong_method};
use super::convert::resource;
use super::{Action, Presented, Registrar};
use crate::{
    GatewayId, Instance, InstanceChange, InstanceId, InstanceName, InstanceQuery, Registration, TokenChoice,
    WebUiAddress,
};

type Answer = Result<Response, Problem>;

pub(super) fn router(registrar: Registrar) -> Router {
    let mut router = Router::new();
    for space in ["/api/{space}", "/api/spaces/{space}"] {
        router = router
            .route(
                &format!("{space}/argocdgateways"),
                post(register).fallback(|| async { wrong_method("POST") }),
            )
            .route(
                &format!("{space}/argocdgateways/{{id}}"),
                get(read)
                    .post(modify)
                    .delete(delete)
                    .fallback(|| async { wrong_method("GET, POST, DELETE") }),
            )
            .route(
                &format!("{space}/argocdinstances/summaries"),
                get(summaries).fallback(|| async { wrong_method("GET") }),
            )
            .route(
                &format!("{space}/tasks"),
                post(task).fallback(|| async { wrong_method("POST") }),
            );
    }
    router.with_state(registrar)
}

async fn register(
    State(registrar): State<Registrar>,
    Path(space): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let space = registrar.admit(&headers, &space, Action::Register).await?;
    let request: RegisterRequest = registrar.read(body).await?;
    let mut errors = Vec::new();
    same(&mut errors, "SpaceId", space.as_str(), &request.space_id);
    let name: Option<InstanceName> = parsed(&mut errors, "Name", &request.name);
    if request.client_id.parse::<Uid>().is_err() {
        errors.push("ClientId: expected a GUID such as 0f8fad5b-d9cb-469f-a165-70867728950e.".to_owned());
    }
    let gateway: Option<GatewayId> = parsed(&mut Vec::new(), "ClientId", &request.client_id);
    let environments = registrar
        .environments(&space, &request.environments, &mut errors)
        .await?;
    let tenants = registrar
        .tenants(&space, &request.tenant_ids, &mut errors)
        .await?;
    let web_ui = request
        .web_ui_uri
        .as_deref()
        .and_then(|text| web_ui(&mut errors, text));
    let (Some(name), Some(gateway), true) = (name, gateway, errors.is_empty()) else {
        return Err(Problem::invalid(errors));
    };
    let mut registration = Registration::new(space, name, gateway)
        .environments(environments)
        .tenants(tenants)
        .token(match request.preserve_authentication_token {
            Some(true) => TokenChoice::Preserve,
            Some(false) | None => TokenChoice::Renew,
        });
    registration.web_ui = web_ui;
    let enrolment = registrar.instances.register(registration).await?;
    let mut response = RegisterResponse::default();
    response.resource = resource(&enrolment.instance);
    response.authentication_token = enrolment.token.map(|token| token.secret().clone());
    response.certificate_thumbprint = registrar
        .certificate
        .map(|thumbprint| thumbprint.to_string())
        .unwrap_or_default();
    Ok(json(StatusCode::OK, &response))
}

async fn read(
    State(registrar): State<Registrar>,
    Path((space, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let space = registrar.admit(&headers, &space, Action::Read).await?;
    let instance = registrar.instances.instance(&space, &known(&id)?).await?;
    Ok(json(StatusCode::OK, &ResourceEnvelope::new(resource(&instance))))
}

async fn modify(
    State(registrar): State<Registrar>,
    Path((space, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let space = registrar.admit(&headers, &space, Action::Modify).await?;
    let request: ModifyRequest = registrar.read(body).await?;
    let id = known(&id)?;
    let mut errors = Vec::new();
    same(&mut errors, "Id", id.as_str(), &request.id);
    same(&mut errors, "SpaceId", space.as_str(), &request.space_id);
    let mut change = InstanceChange::default();
    if let Some(name) = &request.name {
        change.name = parsed(&mut errors, "Name", name);
    }
    if let Some(environments) = &request.environment_ids {
        change.environments = Some(registrar.environments(&space, environments, &mut errors).await?);
    }
    if let Some(tenants) = &request.tenant_ids {
        change.tenants = Some(registrar.tenants(&space, tenants, &mut errors).await?);
    }
    if let Some(text) = &request.web_ui_uri {
        change.web_ui = Some(web_ui(&mut errors, text));
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let instance = registrar.instances.modify(&space, &id, change).await?;
    Ok(json(StatusCode::OK, &resource(&instance)))
}

async fn delete(
    State(registrar): State<Registrar>,
    Path((space, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let space = registrar.admit(&headers, &space, Action::Delete).await?;
    registrar.instances.delete(&space, &known(&id)?).await?;
    Ok(json(StatusCode::OK, &serde_json::Map::new()))
}

async fn summaries(
    State(registrar): State<Registrar>,
    Path(space): Path<String>,
    Query(filter): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    let space = registrar.admit(&headers, &space, Action::Read).await?;
    let mut query = InstanceQuery::default().in_space(space);
    let given = |name: &str| {
        let found = filter.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    };
    query.name = given("name").map(str::to_owned);
    query.name_contains = given("partialName").map(str::to_owned);
    let page = registrar.instances.list(&query).await?;
    let found = page.instances.iter();
    let all = found.map(|instance| Summary::from(&resource(instance))).collect();
    Ok(json(StatusCode::OK, &Summaries::all(all)))
}

async fn task(
    State(registrar): State<Registrar>,
    Path(space): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let space = registrar.admit(&headers, &space, Action::CheckHealth).await?;
    let request: TaskRequest = registrar.read(body).await?;
    if request.name != HEALTH_CHECK_TASK {
        let error = format!("Name: only tasks of the name {HEALTH_CHECK_TASK} are known here.");
        return Err(Problem::invalid(vec![error]));
    }
    let id = known(&request.arguments.argo_cd_gateway_id)?;
    let instance = registrar.instances.instance(&space, &id).await?;
    let failure = registrar.check(&instance).await?;
    let mut task = TaskResource::default();
    task.id = format!("ServerTasks-{}", registrar.next_task());
    task.space_id = instance.space.to_string();
    task.name = request.name;
    task.arguments = request.arguments;
    let state = if failure.is_none() { "Success" } else { "Failed" };
    state.clone_into(&mut task.state);
    task.error_message = failure;
    Ok(json(StatusCode::OK, &task))
}

impl Registrar {
    /// The space of a path, once whoever calls may do this there.
    async fn admit(&self, headers: &HeaderMap, space: &str, action: Action) -> Result<SpaceId, Problem> {
        let presented = Presented::from_headers(headers).ok_or_else(Problem::unauthenticated)?;
        let unknown = || Problem::new(StatusCode::NOT_FOUND, "The space was not found.");
        let space: SpaceId = space.parse().map_err(|_| unknown())?;
        let caller = self.access.authorize(&presented, &space, action).await?;
        tracing::debug!(caller = %caller.name, space.id = %space, ?action, "registration call");
        Ok(space)
    }

    /// The body of a request, within its limits. Nothing of it is repeated in an error: it may hold anything.
    async fn read<T: DeserializeOwned>(&self, body: Body) -> Result<T, Problem> {
        let Ok(read) = timeout(self.body_timeout, to_bytes(body, self.max_body)).await else {
            let late = "The body of the request did not arrive in time.";
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, late));
        };
        let Ok(bytes) = read else {
            let message = format!(
                "The body of the request could not be read, or is larger than {} bytes.",
                self.max_body
            );
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, &message));
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let message =
                format!("The body of the request is not the expected JSON: line {line}, column {column}.");
            Problem::new(StatusCode::BAD_REQUEST, &message)
        })
    }

    async fn environments<T: FromStr + Ord>(
        &self,
        space: &SpaceId,
        given: &[String],
        errors: &mut Vec<String>,
    ) -> Result<BTreeSet<T>, Problem> {
        let known = match &self.directory {
            Some(directory) if !given.is_empty() => Some(directory.environments(space).await),
            _ => None,
        };
        references("environment", known, given, errors)
    }

    async fn tenants<T: FromStr + Ord>(
        &self,
        space: &SpaceId,
        given: &[String],
        errors: &mut Vec<String>,
    ) -> Result<BTreeSet<T>, Problem> {
        let known = match &self.directory {
            Some(directory) if !given.is_empty() => Some(directory.tenants(space).await),
            _ => None,
        };
        references("tenant", known, given, errors)
    }

    /// Checks a gateway, stores what was found, and says why it is not well.
    async fn check(&self, instance: &Instance) -> Result<Option<String>, Problem> {
        let health = match timeout(Self::CHECK_TIMEOUT, self.health.check(instance)).await {
            Ok(Ok(health)) => health,
            Ok(Err(error)) => return Err(Problem::internal(StatusCode::SERVICE_UNAVAILABLE, &error)),
            Err(_) => return Ok(Some("The health check did not end in time.".to_owned())),
        };
        self.instances
            .set_health(&instance.gateway, health.clone())
            .await?;
        Ok(match health {
            InstanceHealth::Healthy | InstanceHealth::HasWarnings => None,
            // Close to Octopus's own words, for people who look for them.
            InstanceHealth::Unavailable => {
                Some("The Argo CD Gateway has not established a gRPC connection to the server.".to_owned())
            }
            other => Some(format!("The Argo CD Gateway is {}.", other.as_str())),
        })
    }
}

/// An id from a path. What is no id at all is as unknown as one that nothing has.
fn known(id: &str) -> Result<InstanceId, Problem> {
    let unknown = |_| {
        let message = format!("The resource '{}' was not found.", shown(id));
        Problem::new(StatusCode::NOT_FOUND, &message)
    };
    id.parse().map_err(unknown)
}

/// As much of a caller's text as an answer repeats.
fn shown(text: &str) -> String {
    let visible = text.chars().filter(|character| !character.is_control());
    visible.take(64).collect()
}

/// What a body repeats of the path has to agree with it.
fn same(errors: &mut Vec<String>, field: &str, path: &str, body: &str) {
    if !body.is_empty() && !body.eq_ignore_ascii_case(path) {
        errors.push(format!(
            "{field}: does not agree with the address of the request."
        ));
    }
}

fn parsed<T: FromStr>(errors: &mut Vec<String>, field: &str, text: &str) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error| errors.push(format!("{field}: {error}.")))
        .ok()
}

/// The web address in a request; a blank one is none.
fn web_ui(errors: &mut Vec<String>, text: &str) -> Option<WebUiAddress> {
    let text = text.trim();
    if text.is_empty() {
        None
    } else {
        parsed(errors, "WebUIUri", text)
    }
}

/// Environments or tenants as a record refers to them: by id, where somebody knows of ids.
fn references<T: FromStr + Ord>(
    what: &str,
    known: Option<Result<Vec<KnownEnvironment>, super::DirectoryError>>,
    given: &[String],
    errors: &mut Vec<String>,
) -> Result<BTreeSet<T>, Problem> {
    let known = known
        .transpose()
        .map_err(|error| Problem::internal(StatusCode::SERVICE_UNAVAILABLE, &error))?;
    let mut found = BTreeSet::new();
    for text in given {
        let id = match &known {
            None => Some(text.as_str()),
            Some(known) => known
                .iter()
                .find(|one| one.is_called(text.trim()))
                .map(KnownEnvironment::id),
        };
        if let Some(id) = id.and_then(|id| id.parse().ok()) {
            found.insert(id);
        } else {
            errors.push(format!("There is no {what} '{}' in this space.", shown(text)));
        }
    }
    Ok(found)
}
