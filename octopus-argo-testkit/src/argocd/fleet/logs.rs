//! The log lines of pods, and those who read them.

use std::collections::BTreeMap;

use octopus_argo_core::ApplicationName;
use tokio::sync::watch as signal;

use super::{ChangeError, Fleet, State};
use crate::argocd::clock::Timestamp;

/// What one pod has said.
#[derive(Debug, Default)]
pub(super) struct PodLog {
    lines: Vec<Line>,
    ended: bool,
    refusal: Option<String>,
}

#[derive(Debug)]
struct Line {
    time: Timestamp,
    text: String,
}

impl Fleet {
    /// Gives the application a pod with these log lines, or replaces the lines of one that it has.
    ///
    /// A line may begin with its time, as Kubernetes delivers it: RFC 3339, then a blank. Other lines get the time of
    /// this call. Lines of several pods are merged by time.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn set_logs<L: Into<String>>(
        &self,
        name: &ApplicationName,
        pod: &str,
        lines: impl IntoIterator<Item = L>,
    ) -> Result<(), ChangeError> {
        let now = self.clock().now();
        let lines = lines
            .into_iter()
            .map(|line| Line::parse(line.into(), now))
            .collect();
        self.with_pod(name, pod, |pod| {
            pod.lines = lines;
        })
    }

    /// Adds a line to a pod's log. Who follows the pod receives it.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn append_log(
        &self,
        name: &ApplicationName,
        pod: &str,
        line: impl Into<String>,
    ) -> Result<(), ChangeError> {
        let line = Line::parse(line.into(), self.clock().now());
        self.with_pod(name, pod, |pod| pod.lines.push(line))
    }

    /// Ends a pod. Who follows it, and no pod that is still there, receives the final entry.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn end_logs(&self, name: &ApplicationName, pod: &str) -> Result<(), ChangeError> {
        self.with_pod(name, pod, |pod| pod.ended = true)
    }

    /// Lets Kubernetes refuse the log of this pod. The reason comes as an ordinary line without a pod's name and dated
    /// in the year 1, and the call still ends well.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn refuse_logs(&self, name: &ApplicationName, pod: &str, reason: &str) -> Result<(), ChangeError> {
        self.with_pod(name, pod, |pod| pod.refusal = Some(reason.to_owned()))
    }

    fn with_pod(
        &self,
        name: &ApplicationName,
        pod: &str,
        change: impl FnOnce(&mut PodLog),
    ) -> Result<(), ChangeError> {
        let name = self.full_name(name);
        let mut state = self.state();
        if !state.applications.contains_key(&name) {
            return Err(ChangeError::NoSuchApplication { name });
        }
        change(
            state
                .logs
                .entry(name)
                .or_default()
                .entry(pod.to_owned())
                .or_default(),
        );
        drop(state);
        self.signal_logs();
        Ok(())
    }

    pub(super) fn signal_logs(&self) {
        self.shared.logs_changed.send_modify(|changes| *changes += 1);
    }

    /// The application's pods, by name.
    pub(in crate::argocd) fn pods(&self, name: &ApplicationName) -> Vec<String> {
        let state = self.state();
        let pods = state.logs.get(name).into_iter().flatten();
        pods.map(|(pod, _)| pod.clone()).collect()
    }

    /// What these pods have said so far, and a follower of what they will say.
    pub(in crate::argocd) fn read_logs(
        &self,
        name: &ApplicationName,
        pods: &[String],
        query: LogQuery,
    ) -> PodLogs {
        let mut follower = Follower {
            // Subscribed before the first look, so that nothing falls between.
            changed: self.shared.logs_changed.subscribe(),
            fleet: self.clone(),
            name: name.clone(),
            positions: pods.iter().map(|pod| (pod.clone(), 0)).collect(),
            query,
        };
        let (entries, _) = follower.read(follower.query.tail);
        PodLogs { entries, follower }
    }
}

/// Which lines of the pods that were picked.
#[derive(Clone, Debug, Default)]
pub(in crate::argocd) struct LogQuery {
    /// Lines per pod.
    pub(in crate::argocd) tail: Option<usize>,
    pub(in crate::argocd) since: Option<Timestamp>,
    pub(in crate::argocd) filter: Option<Filter>,
}

/// Lines that hold a text, or those that do not.
#[derive(Clone, Debug)]
pub(in crate::argocd) struct Filter {
    text: String,
    inverted: bool,
    ignore_case: bool,
}

impl Filter {
    /// A leading `!` inverts.
    pub(in crate::argocd) fn new(text: &str, ignore_case: bool) -> Self {
        let (text, inverted) = text.strip_prefix('!').map_or((text, false), |text| (text, true));
        Self {
            text: if ignore_case {
                text.to_lowercase()
            } else {
                text.to_owned()
            },
            inverted,
            ignore_case,
        }
    }

    fn keeps(&self, line: &str) -> bool {
        let found = if self.ignore_case {
            line.to_lowercase().contains(&self.text)
        } else {
            line.contains(&self.text)
        };
        found != self.inverted
    }
}

/// One line for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::argocd) struct Entry {
    pub(in crate::argocd) content: String,
    pub(in crate::argocd) time: Timestamp,
    pub(in crate::argocd) pod: String,
}

#[derive(Debug)]
pub(in crate::argocd) struct PodLogs {
    pub(in crate::argocd) entries: Vec<Entry>,
    pub(in crate::argocd) follower: Follower,
}

/// Reads on where the last reading ended.
#[derive(Debug)]
pub(in crate::argocd) struct Follower {
    fleet: Fleet,
    name: ApplicationName,
    /// Lines already read, per pod.
    positions: BTreeMap<String, usize>,
    query: LogQuery,
    changed: signal::Receiver<u64>,
}

impl Follower {
    /// Waits for lines; `None` when every pod has ended. Cancel-safe: lines are taken only when they are returned.
    pub(in crate::argocd) async fn next(&mut self) -> Option<Vec<Entry>> {
        loop {
            self.changed.borrow_and_update();
            let (entries, ended) = self.read(None);
            if !entries.is_empty() {
                return Some(entries);
            }
            // The sender lives as long as the fleet, so the second can only mean that all is over.
            if ended || self.changed.changed().await.is_err() {
                return None;
            }
        }
    }

    /// New lines, merged by time, and whether every pod has ended.
    fn read(&mut self, tail: Option<usize>) -> (Vec<Entry>, bool) {
        let state = self.fleet.state();
        let mut entries = Vec::new();
        let mut ended = true;
        for (pod, position) in &mut self.positions {
            let Some(log) = pod_log(&state, &self.name, pod) else {
                continue;
            };
            if let Some(reason) = &log.refusal {
                if *position == 0 {
                    *position = 1;
                    entries.push(Entry {
                        content: reason.clone(),
                        time: Timestamp::YEAR_ONE,
                        pod: String::new(),
                    });
                }
                continue;
            }
            ended &= log.ended;
            let new = log.lines.get(*position..).unwrap_or_default();
            *position = log.lines.len();
            let new = new
                .iter()
                .filter(|line| self.query.since.is_none_or(|since| line.time >= since));
            let new: Vec<_> = new.collect();
            let skipped = tail.map_or(0, |tail| new.len().saturating_sub(tail));
            // A line of a terminal, drawn over again and again, becomes a line each time.
            let parts = new[skipped..]
                .iter()
                .flat_map(|line| line.text.split('\r').map(|part| (line.time, part)));
            let kept =
                parts.filter(|(_, part)| self.query.filter.as_ref().is_none_or(|filter| filter.keeps(part)));
            entries.extend(kept.map(|(time, part)| Entry {
                content: part.to_owned(),
                time,
                pod: pod.clone(),
            }));
        }
        entries.sort_by_key(|entry| entry.time);
        (entries, ended)
    }
}

fn pod_log<'a>(state: &'a State, name: &ApplicationName, pod: &str) -> Option<&'a PodLog> {
    state.logs.get(name)?.get(pod)
}

impl Line {
    fn parse(text: String, now: Timestamp) -> Self {
        let timed = text
            .split_once(' ')
            .and_then(|(time, rest)| Some((time.parse().ok()?, rest.to_owned())));
        match timed {
            Some((time, text)) => Self { time, text },
            None => Self { time: now, text },
        }
    }
}
