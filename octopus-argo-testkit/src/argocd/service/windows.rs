//! Sync windows and deep links of an application.

use octopus_argo_proto::argocd::application::{
    ApplicationSyncWindow, ApplicationSyncWindowsQuery, ApplicationSyncWindowsResponse, LinkInfo,
    LinksResponse, ListAppLinksRequest,
};
use tonic::Status;

use super::Api;
use super::exchange::Messages;
use super::gate::Target;
use crate::argocd::accounts::Caller;
use crate::argocd::fleet::SyncWindow;

/// The windows of the application's project that mean it. Schedules are not looked at: what is active is the switch
/// alone, as a window that denies everything.
///
/// Rule: Argo CD `server/application/application.go` (`GetApplicationSyncWindows`).
pub(super) fn windows(
    api: &Api,
    caller: &Caller,
    query: &ApplicationSyncWindowsQuery,
) -> Result<Messages, Status> {
    let target = Target {
        name: &query.name,
        namespace: query.app_namespace.as_deref(),
        project: query.project.as_deref(),
    };
    let record = api.get_application(caller, target, "get")?;
    let mut assigned: Vec<ApplicationSyncWindow> = api
        .fleet
        .windows(&record)
        .into_iter()
        .map(|window| ApplicationSyncWindow {
            kind: window.kind().to_owned(),
            schedule: window.schedule().to_owned(),
            duration: window.duration().to_owned(),
            manual_sync: window.manual_sync(),
        })
        .collect();
    let mut active = Vec::new();
    let blocked = api.fleet.sync_window() == SyncWindow::Blocked;
    if blocked {
        let deny = ApplicationSyncWindow {
            kind: "deny".to_owned(),
            schedule: "* * * * *".to_owned(),
            duration: "1h".to_owned(),
            manual_sync: false,
        };
        assigned.push(deny.clone());
        active.push(deny);
    }
    api.reply(&ApplicationSyncWindowsResponse {
        active_windows: active,
        assigned_windows: assigned,
        can_sync: !blocked,
    })
}

/// Rule: Argo CD `server/application/application.go` (`ListLinks`).
pub(super) fn links(api: &Api, caller: &Caller, query: &ListAppLinksRequest) -> Result<Messages, Status> {
    let target = Target {
        name: &query.name,
        namespace: query.namespace.as_deref(),
        project: query.project.as_deref(),
    };
    let record = api.get_application(caller, target, "get")?;
    let links = api.fleet.links(record.name());
    let items = links.iter().map(|link| {
        let text = |key: &str| link[key].as_str().map(str::to_owned);
        LinkInfo {
            title: text("title").unwrap_or_default(),
            url: text("url").unwrap_or_default(),
            description: text("description"),
            icon_class: text("iconClass"),
        }
    });
    api.reply(&LinksResponse {
        items: items.collect(),
    })
}
