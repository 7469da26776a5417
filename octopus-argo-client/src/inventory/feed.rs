//! Watching Argo CD, and watching that the watch loses nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::{Application, Uid};
use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_proto::argocd::application::application_service_client::ApplicationServiceClient;
use octopus_argo_proto::argocd::session::GetUserInfoRequest;
use octopus_argo_proto::argocd::session::session_service_client::SessionServiceClient;
use octopus_argo_proto::argocd::v1alpha1;
use octopus_argo_proto::argocd::version::version_service_client::VersionServiceClient;
use octopus_argo_proto::v1;
use tonic::{Code, Response, Status, Streaming};

use super::table::Table;
use crate::argocd::{ArgoCd, Authorized};
use crate::connection::ConnectError;
use crate::gateway::{ArgoCdProblem, ArgoCdState, Backoff, Shared};

/// How often everything is listed again. Argo CD's Watch loses events without a word when it is slow, and tells of no
/// application that one may no longer see.
const RELIST: Duration = Duration::from_secs(300);

/// How often the token is looked after. A watch that stands outlives its token, so nothing else would tell.
const PROBE: Duration = Duration::from_secs(30);

/// How long a watch has to have lasted for the next attempt to come soon again.
const LASTED: Duration = Duration::from_secs(10);

/// How long one unary call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Argo CD sends up to 200 MiB in one message.
const LARGEST_MESSAGE: usize = 200 << 20;

type Client = ApplicationServiceClient<Authorized>;

/// Keeps `table` equal to Argo CD, for as long as it is polled.
pub(crate) async fn feed(argo_cd: ArgoCd, table: Arc<Table>, shared: Arc<Shared>, seed: u64) {
    let mut backoff = Backoff::new(seed.rotate_left(32));
    loop {
        let problem = match follow(&argo_cd, &table, &shared, &mut backoff).await {
            // The server ended the watch, as it may.
            Ok(()) => None,
            Err(status) => Some(problem(&status)),
        };
        if let Some(problem) = problem {
            tracing::warn!(
                error = &problem as &dyn std::error::Error,
                "Argo CD cannot be watched"
            );
            table.argo_cd(v1::ArgoCdState {
                reachable: false,
                problem: problem.to_string(),
                version: String::new(),
                kind: kind(&problem).into(),
            });
            shared.argo_cd(ArgoCdState::Problem(problem));
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Watches until the watch ends. Backs off no more once it has begun.
async fn follow(
    argo_cd: &ArgoCd,
    table: &Table,
    shared: &Shared,
    backoff: &mut Backoff,
) -> Result<(), Status> {
    let mut versions = VersionServiceClient::new(argo_cd.authorized());
    let version = limited(versions.version(())).await?.version;
    let mut sessions = SessionServiceClient::new(argo_cd.authorized());
    check_token(&mut sessions).await?;
    let mut applications =
        ApplicationServiceClient::new(argo_cd.authorized()).max_decoding_message_size(LARGEST_MESSAGE);
    // The watch is begun before the list is made, so that little can change unseen in between. Its answer is not waited
    // for: Argo CD sends not even headers before the first event, and with nothing to see there is none.
    let mut watch = applications.clone();
    let opening =
        async move { Ok::<_, Status>(watch.watch(ApplicationQuery::default()).await?.into_inner()) };
    tokio::pin!(opening);
    let mut events = None;
    {
        let listing = list(&mut applications, table);
        tokio::pin!(listing);
        loop {
            tokio::select! {
                biased;
                opened = &mut opening, if events.is_none() => events = Some(opened?),
                listed = &mut listing => break listed?,
            }
        }
    }
    table.argo_cd(v1::ArgoCdState {
        reachable: true,
        problem: String::new(),
        version: version.clone(),
        kind: v1::ArgoCdProblem::Unspecified.into(),
    });
    shared.argo_cd(ArgoCdState::Reachable { version });
    let began = tokio::time::Instant::now();
    let mut relist = tokio::time::interval_at(began + RELIST, RELIST);
    let mut probe = tokio::time::interval_at(began + PROBE, PROBE);
    loop {
        // One or the other: the watch's answer, or its next event.
        let next = async {
            match &mut events {
                Some(events) => events
                    .message()
                    .await
                    .map(|event| Next::Event(event.map(Box::new))),
                None => opening
                    .as_mut()
                    .await
                    .map(|opened| Next::Opened(Box::new(opened))),
            }
        };
        tokio::select! {
            next = next => match next? {
                Next::Opened(opened) => events = Some(*opened),
                Next::Event(Some(event)) => take(*event, table),
                Next::Event(None) => break,
            },
            _ = relist.tick() => list(&mut applications, table).await?,
            _ = probe.tick() => check_token(&mut sessions).await?,
        }
        // Only a watch that lasts is a success: something in between may end every one at once.
        if began.elapsed() >= LASTED {
            backoff.reset();
        }
    }
    Ok(())
}

/// What a watch brings next.
enum Next {
    /// Its answer has begun.
    Opened(Box<Streaming<v1alpha1::ApplicationWatchEvent>>),
    /// An event, or its end.
    Event(Option<Box<v1alpha1::ApplicationWatchEvent>>),
}

/// Fails unless Argo CD accepts the token. This call answers even for a bad one, and says so: the cheapest way to tell a
/// bad token from an empty fleet.
async fn check_token(sessions: &mut SessionServiceClient<Authorized>) -> Result<(), Status> {
    let user = limited(sessions.get_user_info(GetUserInfoRequest {})).await?;
    if user.logged_in {
        return Ok(());
    }
    Err(Status::unauthenticated("it is not, or no longer, valid"))
}

/// Lists everything, and forgets what is not listed.
async fn list(client: &mut Client, table: &Table) -> Result<(), Status> {
    let listed = limited(client.list(ApplicationQuery::default())).await?;
    let mut all: HashSet<Uid> = HashSet::with_capacity(listed.items.len());
    for item in listed.items {
        if let Some((application, version)) = read(item) {
            all.extend(application.uid);
            table.upsert(&application, version);
        }
    }
    table.complete(&all);
    Ok(())
}

fn take(event: v1alpha1::ApplicationWatchEvent, table: &Table) {
    let deleted = event.r#type.as_deref() == Some("DELETED");
    let Some((application, version)) = event.application.and_then(read) else {
        return;
    };
    match application.uid {
        Some(uid) if deleted => table.remove(uid),
        _ => table.upsert(&application, version),
    }
}

/// An application and its resource version, which orders its states. What cannot be read is left out, and logged.
fn read(wire: v1alpha1::Application) -> Option<(Application, u64)> {
    let version = wire
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.resource_version.as_deref());
    let version = version.and_then(|version| version.parse().ok()).unwrap_or(0);
    match Application::try_from(wire) {
        Ok(application) => Some((application, version)),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "left an application of Argo CD out"
            );
            None
        }
    }
}

/// A status in one line, with what caused it below gRPC.
fn describe(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        // tonic's own wrapping says the same again.
        let words = error.to_string();
        if error.downcast_ref::<Status>().is_none() && !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

/// The answer of a call, within its time. The header for that would leave it to Argo CD.
async fn limited<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    let late = || Err(Status::unavailable("no answer in time"));
    let answer = tokio::time::timeout(CALL_TIMEOUT, call)
        .await
        .unwrap_or_else(|_| late())?;
    Ok(answer.into_inner())
}

/// What an error of Argo CD means for the gateway.
fn problem(status: &Status) -> ArgoCdProblem {
    let detail = describe(status);
    match status.code() {
        Code::Unauthenticated => ArgoCdProblem::TokenRefused { detail },
        Code::Unavailable if is_distrust(status) => ArgoCdProblem::NotTrusted { detail },
        Code::Unavailable => ArgoCdProblem::Unreachable { detail },
        _ => ArgoCdProblem::Failed { detail },
    }
}

/// Whether the connection failed because the server did not prove who it is.
fn is_distrust(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if let Some(ConnectError::Tls { source, .. }) = error.downcast_ref::<ConnectError>() {
            return !source.is_retryable();
        }
        cause = error.source();
    }
    false
}

fn kind(problem: &ArgoCdProblem) -> v1::ArgoCdProblem {
    match problem {
        ArgoCdProblem::Unreachable { .. } => v1::ArgoCdProblem::Unreachable,
        ArgoCdProblem::NotTrusted { .. } => v1::ArgoCdProblem::NotTrusted,
        ArgoCdProblem::TokenRefused { .. } => v1::ArgoCdProblem::TokenRefused,
        ArgoCdProblem::Failed { .. } => v1::ArgoCdProblem::Failed,
    }
}
