//! Pod.

use super::error::CheckError;
use super::live::Live;
use super::{ResourceHealth, Rules};
use crate::health::HealthStatus;
use crate::health::argocd::Marks;

/// The annotation by which a pod that is not restarted counts as long running, since 3.6.
const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";

/// Rule: Argo CD `gitops-engine/pkg/health/health_pod.go`. Init containers count only for the message of a failed pod.
pub(super) fn pod<'a>(live: Live<'a>, rules: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let policy = live.text(&["spec", "restartPolicy"])?;
    let phase = live.text(&["status", "phase"])?;
    let message = live.text(&["status", "message"])?;
    let ready = live.conditions()?.find(|condition| condition.kind == "Ready");
    let init = containers(live, &["status", "initContainerStatuses"])?;
    let main = containers(live, &["status", "containerStatuses"])?;

    let long_running = policy == "Always" || ignores_restart_policy(live, rules)?;
    if long_running && main.clone().any(|container| container.waits_in_vain()) {
        let messages: Vec<_> = main
            .filter(Container::waits_in_vain)
            .map(|container| container.waiting_message)
            .collect();
        return Ok(match *messages {
            [only] => ResourceHealth::degraded(only),
            _ => ResourceHealth::degraded(messages.join(", ")),
        });
    }
    let status = match phase {
        "Pending" => HealthStatus::Progressing,
        "Succeeded" => HealthStatus::Healthy,
        "Failed" if !message.is_empty() => HealthStatus::Degraded,
        "Failed" => {
            let why = init.chain(main).find_map(|container| container.failure());
            return Ok(why.unwrap_or_else(|| ResourceHealth::degraded("")));
        }
        "Running" if long_running => {
            if ready.is_some_and(|ready| ready.is_true()) {
                HealthStatus::Healthy
            } else if main.clone().any(|container| container.has_died) {
                HealthStatus::Degraded
            } else {
                HealthStatus::Progressing
            }
        }
        "Running" if matches!(policy, "OnFailure" | "Never") => HealthStatus::Progressing,
        _ => HealthStatus::Unknown,
    };
    Ok(ResourceHealth::new(status, message))
}

fn ignores_restart_policy(live: Live<'_>, rules: &Rules) -> Result<bool, CheckError> {
    if !rules.pod_ignore_restart_policy || live.annotation(IGNORE_RESTART_POLICY)? != Some("true") {
        return Ok(false);
    }
    let annotations = live.object(&["metadata", "annotations"])?;
    let texts = annotations
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    Ok(!Marks::from_annotations(texts).is_hook())
}

/// The statuses of containers. All are checked before the first is given.
fn containers(
    live: Live<'_>,
    path: super::live::Path,
) -> Result<impl Iterator<Item = Container<'_>> + Clone, CheckError> {
    let list = live.objects(path)?;
    for container in list.clone() {
        Container::read(container)?;
    }
    Ok(list.filter_map(|container| Container::read(container).ok()))
}

#[derive(Clone, Copy)]
struct Container<'a> {
    name: &'a str,
    waiting_reason: &'a str,
    waiting_message: &'a str,
    terminated_reason: &'a str,
    terminated_message: &'a str,
    exit_code: i64,
    /// Whether it has terminated before.
    has_died: bool,
}

impl<'a> Container<'a> {
    fn read(live: Live<'a>) -> Result<Self, CheckError> {
        Ok(Self {
            name: live.text(&["name"])?,
            waiting_reason: live.text(&["state", "waiting", "reason"])?,
            waiting_message: live.text(&["state", "waiting", "message"])?,
            terminated_reason: live.text(&["state", "terminated", "reason"])?,
            terminated_message: live.text(&["state", "terminated", "message"])?,
            exit_code: live.number(&["state", "terminated", "exitCode"])?,
            has_died: live.object(&["lastState", "terminated"])?.is_some(),
        })
    }

    /// Whether it waits for something that will not come by itself.
    fn waits_in_vain(&self) -> bool {
        let reason = self.waiting_reason;
        reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff")
    }

    /// Why it failed, if it can tell.
    fn failure(&self) -> Option<ResourceHealth<'a>> {
        if !self.terminated_message.is_empty() {
            return Some(ResourceHealth::degraded(self.terminated_message));
        }
        if self.terminated_reason == "OOMKilled" {
            return Some(ResourceHealth::degraded(self.terminated_reason));
        }
        (self.exit_code != 0).then(|| {
            let message = format!(
                "container {:?} ended with exit code {}",
                self.name, self.exit_code
            );
            ResourceHealth::degraded(message)
        })
    }
}
