//! The logs of pods, told apart from errors that look like them.

use std::collections::VecDeque;

use octopus_argo_core::health::argocd::ResourceKey;

use super::transport::Answers;
use super::{Api, ApiError, Call, Channel, Reason, Target};
use crate::argocd::application::{ApplicationPodLogsQuery, LogEntry};
use crate::argocd::k8s::meta::Time;

/// Whose logs, and which lines. By default all lines of all pods of the application, of which there may be ten.
///
/// ```
/// use octopus_argo_core::ApplicationName;
/// use octopus_argo_proto::argocd::{Case, LogQuery, Target};
///
/// let web = Target::new(&ApplicationName::new(None, "web")).in_project("shop");
/// let query = LogQuery::new(web).tail(100).containing("error", Case::Ignored);
/// # let _ = query;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LogQuery {
    target: Target,
    pod: Option<(Option<String>, String)>,
    resource: Option<ResourceKey>,
    container: Option<String>,
    since_seconds: Option<i64>,
    since: Option<i64>,
    until: Option<String>,
    tail: Option<i64>,
    follow: bool,
    previous: bool,
    filter: Option<Filter>,
}

/// Whether upper and lower case are different letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Case {
    /// They are.
    Counts,
    /// They are not.
    Ignored,
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    text: String,
    case: Case,
    inverted: bool,
}

impl LogQuery {
    /// The logs of all pods of this application.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            pod: None,
            resource: None,
            container: None,
            since_seconds: None,
            since: None,
            until: None,
            tail: None,
            follow: false,
            previous: false,
            filter: None,
        }
    }

    /// Only of this pod. An empty name counts as none: Argo CD would take it for all pods.
    #[must_use]
    pub fn pod(mut self, namespace: &str, name: &str) -> Self {
        self.pod = (!name.is_empty()).then(|| (set(namespace), name.to_owned()));
        self
    }

    /// Only of pods that this resource has made, however many steps between.
    #[must_use]
    pub fn resource(mut self, key: ResourceKey) -> Self {
        self.resource = Some(key);
        self
    }

    /// Only of this container. Default: the one that Kubernetes takes.
    #[must_use]
    pub fn container(mut self, name: &str) -> Self {
        self.container = set(name);
        self
    }

    /// Only lines of the last so many seconds. 0 does not count.
    #[must_use]
    pub fn since_seconds(mut self, seconds: u32) -> Self {
        self.since_seconds = (seconds > 0).then(|| seconds.into());
        self
    }

    /// Only lines since this time, in seconds since 1970.
    #[must_use]
    pub fn since(mut self, seconds: i64) -> Self {
        self.since = Some(seconds);
        self
    }

    /// Only lines until this time, in seconds since 1970. The first line behind it comes as well, as Argo CD sends it.
    #[must_use]
    pub fn until(mut self, seconds: i64) -> Self {
        self.until = Some(crate::argocd::detail_from_wire::rfc_3339(seconds));
        self
    }

    /// Only the last so many lines of each pod, before lines are chosen by what they contain. 0 does not count.
    #[must_use]
    pub fn tail(mut self, lines: u32) -> Self {
        self.tail = (lines > 0).then(|| lines.into());
        self
    }

    /// Goes on with lines as they are written, by the pods that there are now. A pod that comes later needs a new call.
    #[must_use]
    pub fn follow(mut self) -> Self {
        self.follow = true;
        self
    }

    /// Of the container before its last restart.
    #[must_use]
    pub fn previous(mut self) -> Self {
        self.previous = true;
        self
    }

    /// Only lines that contain this text.
    ///
    /// Servers differ: up to 2.14 case counts for them, since 3.0 it does not unless they are told. Here it is as asked
    /// for, whatever the server: where case is ignored, lines are chosen on this side.
    #[must_use]
    pub fn containing(mut self, text: &str, case: Case) -> Self {
        self.filter = Filter::new(text, case, false);
        self
    }

    /// Only lines that do not contain this text.
    #[must_use]
    pub fn without(mut self, text: &str, case: Case) -> Self {
        self.filter = Filter::new(text, case, true);
        self
    }

    fn wire(&self) -> ApplicationPodLogsQuery {
        let resource = self.resource.as_ref();
        let (namespace, pod) = match &self.pod {
            Some((namespace, name)) => (namespace.clone(), Some(name.clone())),
            None => (resource.and_then(|key| set(&key.namespace)), None),
        };
        let filter = self.filter.as_ref().and_then(Filter::for_server);
        ApplicationPodLogsQuery {
            name: self.target.app(),
            namespace,
            pod_name: pod,
            container: self.container.clone(),
            since_seconds: self.since_seconds,
            since_time: self.since.map(Time::from_unix_seconds),
            tail_lines: self.tail,
            follow: self.follow.then_some(true),
            until_time: self.until.clone(),
            match_case: filter.is_some().then_some(true),
            filter,
            kind: resource.and_then(|key| set(&key.kind)),
            group: resource.and_then(|key| set(&key.group)),
            resource_name: resource.and_then(|key| set(&key.name)),
            previous: self.previous.then_some(true),
            app_namespace: self.target.namespace(),
            project: self.target.project_field(),
        }
    }
}

impl Filter {
    fn new(text: &str, case: Case, inverted: bool) -> Option<Self> {
        let text = match case {
            Case::Counts => text.to_owned(),
            Case::Ignored => text.to_lowercase(),
        };
        (!text.is_empty()).then_some(Self { text, case, inverted })
    }

    /// As the server takes it, where all servers mean the same by it. A leading `!` would invert it.
    fn for_server(&self) -> Option<String> {
        match (self.case, self.inverted) {
            (Case::Ignored, _) => None,
            (Case::Counts, true) => Some(format!("!{}", self.text)),
            (Case::Counts, false) if self.text.starts_with('!') => None,
            (Case::Counts, false) => Some(self.text.clone()),
        }
    }

    fn lets_through(&self, line: &str) -> bool {
        let contains = match self.case {
            Case::Counts => line.contains(&self.text),
            Case::Ignored => line.to_lowercase().contains(&self.text),
        };
        contains != self.inverted
    }
}

fn set(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl<S: Channel> Api<S> {
    /// The logs of pods. Nothing is sent before the first [`Logs::next`].
    #[must_use]
    pub fn pod_logs(&self, query: &LogQuery) -> Logs<S> {
        Logs {
            answers: self.stream(Call::PodLogs, query.wire()),
            api: self.clone(),
            target: query.target.clone(),
            filter: query.filter.clone(),
            refusals: Vec::new(),
            received: false,
            failed: false,
            end: None,
            ready: VecDeque::new(),
        }
    }
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// The pod that wrote it.
    pub pod: Box<str>,
    /// When, as RFC 3339 with nanoseconds.
    pub time: Box<str>,
    /// The line.
    pub text: Box<str>,
}

/// How logs ended in good order. That they were cut is an error of [`Logs::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogsEnd {
    /// All lines came.
    Complete,
    /// No pod fits: Argo CD has sent nothing at all, and calls that success.
    NoPods,
}

/// Lines of logs as they come. Dropping it ends the call.
///
/// ```no_run
/// # use octopus_argo_proto::argocd::{Api, ApiError, Channel, LogQuery, LogsEnd, Target};
/// # async fn example<S: Channel>(argo_cd: Api<S>, web: Target) -> Result<(), ApiError> {
/// let mut logs = argo_cd.pod_logs(&LogQuery::new(web));
/// while let Some(line) = logs.next().await? {
///     println!("{} {}", line.pod, line.text);
/// }
/// if logs.end() == Some(LogsEnd::NoPods) {
///     println!("nothing runs");
/// }
/// for why in logs.refusals() {
///     println!("the log of one pod is missing: {why}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Logs<S> {
    answers: Answers<LogEntry>,
    api: Api<S>,
    target: Target,
    filter: Option<Filter>,
    refusals: Vec<Box<str>>,
    received: bool,
    failed: bool,
    end: Option<LogsEnd>,
    ready: VecDeque<LogLine>,
}

impl<S: Channel> Logs<S> {
    /// How many refusals are kept at most. There are ten pods at most by default.
    pub const MOST_REFUSALS: usize = 64;

    /// The next line, or `None` at a proper end: see [`Logs::end`], which stays without a word after an error.
    ///
    /// # Errors
    /// [`ApiError`]. [`Reason::Cut`] where the stream ended without the mark that all lines have come, whatever its status
    /// says. Lines that came before are right.
    ///
    /// # Cancel safety
    /// Cancel-safe, except that an error may lose what it was about.
    pub async fn next(&mut self) -> Result<Option<LogLine>, ApiError> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            if self.end.is_some() || self.failed {
                return Ok(None);
            }
            match self.answers.next().await {
                Ok(Some(entry)) => self.take(entry),
                Ok(None) if self.received => {
                    self.failed = true;
                    return Err(ApiError::without_status(Call::PodLogs, Reason::Cut));
                }
                Ok(None) => self.end = Some(LogsEnd::NoPods),
                Err(error) => {
                    // The stream is over now, and must not look like one that had nothing to say.
                    self.failed = true;
                    return Err(Box::pin(self.api.explain(error, &self.target)).await);
                }
            }
        }
    }

    /// How the logs ended, once [`Logs::next`] has given `None`.
    #[must_use]
    pub const fn end(&self) -> Option<LogsEnd> {
        self.end
    }

    /// Why the log of some pod is missing, in the words of Kubernetes: not started yet, several containers, no right. Argo
    /// CD sends these as if they were lines.
    pub fn refusals(&self) -> impl Iterator<Item = &str> {
        self.refusals.iter().map(|text| &**text)
    }

    /// Rule: Argo CD `server/application/application.go` (`PodLogs`).
    fn take(&mut self, entry: LogEntry) {
        self.received = true;
        if entry.last {
            self.end = Some(LogsEnd::Complete);
            // The line that passes the end of the time asked for has content.
            if entry.content.is_empty() && entry.pod_name.is_empty() {
                return;
            }
        } else if entry.pod_name.is_empty() {
            if self.refusals.len() < Self::MOST_REFUSALS {
                self.refusals.push(entry.content.into());
            }
            return;
        }
        if self
            .filter
            .as_ref()
            .is_none_or(|filter| filter.lets_through(&entry.content))
        {
            self.ready.push_back(LogLine {
                pod: entry.pod_name.into(),
                time: entry.time_stamp_str.into(),
                text: entry.content.into(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use octopus_argo_core::ApplicationName;

    use super::*;

    fn query() -> LogQuery {
        LogQuery::new(Target::new(&ApplicationName::new(None, "web")))
    }

    #[test]
    fn an_empty_pod_is_not_sent() {
        let wire = query()
            .pod("", "")
            .tail(0)
            .container("")
            .containing("", Case::Counts)
            .wire();
        assert_eq!(
            wire,
            ApplicationPodLogsQuery {
                name: "web".into(),
                ..ApplicationPodLogsQuery::default()
            }
        );
        assert_eq!(
            query().pod("shop", "web-1").wire().pod_name.as_deref(),
            Some("web-1")
        );
    }

    #[test]
    fn only_what_all_servers_read_alike_is_sent() {
        let sent = |query: LogQuery| {
            let wire = query.wire();
            (wire.filter, wire.match_case)
        };
        assert_eq!(
            sent(query().containing("Error", Case::Counts)),
            (Some("Error".into()), Some(true))
        );
        assert_eq!(
            sent(query().without("Error", Case::Counts)),
            (Some("!Error".into()), Some(true))
        );
        assert_eq!(sent(query().containing("!x", Case::Counts)), (None, None));
        assert_eq!(sent(query().containing("Error", Case::Ignored)), (None, None));
        let filter = Filter::new("ERROR", Case::Ignored, true).unwrap();
        assert!(!filter.lets_through("an error") && filter.lets_through("fine"));
    }
}
