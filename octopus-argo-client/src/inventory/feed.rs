//! Watching Argo CD, and watching that the watch loses nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::Uid;
use octopus_argo_proto::argocd::{ApiError, Call, Filter, Listed, Reason, WatchEvent};
use octopus_argo_proto::v1;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::Status;

use super::table::Table;
use crate::argocd::{ArgoCd, View};
use crate::connection::ConnectError;
use crate::gateway::{ArgoCdProblem, ArgoCdState, Backoff, Shared};

/// How often the tokens are looked after. A watch that stands outlives its token, so nothing else would tell.
const PROBE: Duration = Duration::from_secs(30);

/// How long a watch has to have lasted for the next attempt to come soon again.
const LASTED: Duration = Duration::from_secs(10);

/// How many events of all watches wait to be taken in. More wait in the windows of HTTP/2.
const EVENTS: usize = 256;

/// Keeps `table` equal to Argo CD, for as long as it is polled.
pub(crate) async fn feed(argo_cd: ArgoCd, table: Arc<Table>, shared: Arc<Shared>, seed: u64) {
    let mut backoff = Backoff::new(seed.rotate_left(32));
    loop {
        let problem = match follow(&argo_cd, &table, &shared, &mut backoff).await {
            // The server ended the watch, as it may.
            Ok(()) => None,
            Err(failure) => Some(failure.problem()),
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

/// Why Argo CD is not watched.
enum Failure {
    Call(ApiError),
    /// Argo CD takes the caller for nobody. It says so without an error.
    Token {
        project: Option<Box<str>>,
    },
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Call(error)
    }
}

/// Watches until a watch ends. Backs off no more once it has begun.
async fn follow(
    argo_cd: &ArgoCd,
    table: &Table,
    shared: &Shared,
    backoff: &mut Backoff,
) -> Result<(), Failure> {
    let views: Arc<[View]> = argo_cd.views().into();
    let Some(first) = views.first() else { return Ok(()) };
    let version = first.api.version().await?.version;
    check_tokens(&views).await?;
    // The watches are begun before the list is made, so that little can change unseen in between. Their answers are not
    // waited for: Argo CD sends not even headers before the first event, and with nothing to see there is none.
    let (sender, mut events) = mpsc::channel(EVENTS);
    let mut watches = JoinSet::new();
    for view in &*views {
        let watch = view.api.watch(&view.filter());
        watches.spawn(drain(watch, sender.clone()));
    }
    drop(sender);
    list(&views, table).await?;
    table.argo_cd(v1::ArgoCdState {
        reachable: true,
        problem: String::new(),
        version: version.clone(),
        kind: v1::ArgoCdProblem::Unspecified.into(),
    });
    shared.argo_cd(ArgoCdState::Reachable { version });
    let began = tokio::time::Instant::now();
    let mut relist = tokio::time::interval_at(began + argo_cd.relist(), argo_cd.relist());
    let mut probe = tokio::time::interval_at(began + PROBE, PROBE);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(News::Event(event)) => take(*event, table),
                // One that has reached its own limit is begun anew, as one that the server has ended.
                Some(News::End(Err(error))) if is_own_limit(&error) => break,
                Some(News::End(end)) => return end.map_err(Failure::from),
                None => break,
            },
            _ = relist.tick() => list(&views, table).await?,
            _ = probe.tick() => check_tokens(&views).await?,
        }
        // Only a watch that lasts is a success: something in between may end every one at once.
        if began.elapsed() >= LASTED {
            backoff.reset();
        }
    }
    Ok(())
}

fn is_own_limit(error: &ApiError) -> bool {
    error.call() == Call::Watch && matches!(error.reason(), Reason::Deadline { .. })
}

/// What comes of a watch.
enum News {
    Event(Box<WatchEvent>),
    End(Result<(), ApiError>),
}

/// Takes events off a watch as they come: Argo CD drops what its client is slow to take.
async fn drain(mut watch: octopus_argo_proto::argocd::Watch, news: mpsc::Sender<News>) {
    loop {
        let next = match watch.next().await {
            Ok(Some(event)) => News::Event(Box::new(event)),
            Ok(None) => News::End(Ok(())),
            Err(error) => News::End(Err(error)),
        };
        let ended = matches!(next, News::End(_));
        if news.send(next).await.is_err() || ended {
            return;
        }
    }
}

impl View {
    fn filter(&self) -> Filter {
        Filter::default().project(self.project.as_deref().unwrap_or_default())
    }
}

/// Fails unless Argo CD accepts each token. This call answers even for a bad one, and says so: the cheapest way to tell a
/// bad token from an empty fleet.
async fn check_tokens(views: &[View]) -> Result<(), Failure> {
    for view in views {
        if !view.api.user().await?.logged_in {
            let project = view.project.clone();
            return Err(Failure::Token { project });
        }
    }
    Ok(())
}

/// Lists everything, and forgets what is not listed.
async fn list(views: &[View], table: &Table) -> Result<(), ApiError> {
    let mut all: HashSet<Uid> = HashSet::new();
    let mut oldest = u64::MAX;
    for view in views {
        let filter = view.filter();
        let end = view.api.list_each(&filter, |listed| match listed {
            Ok(Listed {
                application, version, ..
            }) => {
                all.extend(application.uid);
                table.upsert(&application, version);
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "left an application of Argo CD out"
            ),
        });
        oldest = oldest.min(end.await?.version.unwrap_or(u64::MAX));
    }
    table.complete(&all, oldest);
    Ok(())
}

fn take(event: WatchEvent, table: &Table) {
    match event {
        WatchEvent::Deleted(Listed { application, .. }) => {
            if let Some(uid) = application.uid {
                table.remove(uid);
            }
        }
        WatchEvent::Changed(Listed {
            application, version, ..
        }) => table.upsert(&application, version),
        _ => {}
    }
}

impl Failure {
    /// What it means for the gateway.
    fn problem(&self) -> ArgoCdProblem {
        let error = match self {
            Self::Token { project: None } => {
                let detail = "it is not, or no longer, valid".to_owned();
                return ArgoCdProblem::TokenRefused { detail };
            }
            Self::Token {
                project: Some(project),
            } => {
                let detail = format!("that of project {project} is not, or no longer, valid");
                return ArgoCdProblem::TokenRefused { detail };
            }
            Self::Call(error) => error,
        };
        let detail = error.status().map_or_else(|| error.to_string(), describe);
        match error.reason() {
            Reason::Token => ArgoCdProblem::TokenRefused { detail },
            Reason::Unreachable if error.status().is_some_and(is_distrust) => {
                ArgoCdProblem::NotTrusted { detail }
            }
            Reason::Unreachable | Reason::Deadline { .. } | Reason::Cut => {
                ArgoCdProblem::Unreachable { detail }
            }
            _ => ArgoCdProblem::Failed { detail },
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
