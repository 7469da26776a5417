//! The server's settings.

use std::collections::BTreeMap;

use octopus_argo_proto::argocd::cluster::{Help, Settings};
use octopus_argo_proto::argocd::v1alpha1::ResourceOverride;
use tonic::Status;

use super::Api;
use super::exchange::Messages;
use crate::argocd::ArgoCdVersion;
use crate::argocd::accounts::Caller;

/// Answers anyone; who has no valid token learns less.
///
/// Rule: Argo CD `server/settings/settings.go` (`Get`).
pub(super) fn get(api: &Api, caller: &Caller) -> Result<Messages, Status> {
    let known = !matches!(caller, Caller::Anonymous);
    let version = api.version();
    let overrides = BTreeMap::from([("argoproj.io/Application".to_owned(), ResourceOverride::default())]);
    let mut settings = Settings {
        url: "https://argocd.example.test".to_owned(),
        app_label_key: "app.kubernetes.io/instance".to_owned(),
        tracking_method: if version.is_3_or_later() {
            "annotation"
        } else {
            "label"
        }
        .to_owned(),
        password_pattern: "^.{8,32}$".to_owned(),
        help: Some(Help {
            chat_text: "Chat now!".to_owned(),
            ..Help::default()
        }),
        controller_namespace: api.fleet.namespace().to_owned(),
        apps_in_any_namespace_enabled: true,
        ..Settings::default()
    };
    if known || version < ArgoCdVersion::V3_5 {
        settings.resource_overrides = overrides;
    }
    if version >= ArgoCdVersion::V2_14 {
        "simulated".clone_into(&mut settings.installation_id);
    }
    settings.sync_with_replace_allowed = version >= ArgoCdVersion::V3_5 && api.faults.allows_replace();
    api.reply(&settings)
}
