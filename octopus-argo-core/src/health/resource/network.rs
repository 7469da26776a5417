//! Service, Ingress and `APIService`.

use serde_json::Value;

use super::error::CheckError;
use super::live::Live;
use super::{ResourceHealth, Rules};

/// Rule: Argo CD `gitops-engine/pkg/health/health_service.go`.
pub(super) fn service<'a>(live: Live<'a>, _: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let mut addresses = live.objects(&["status", "loadBalancer", "ingress"])?;
    let waits = live.text(&["spec", "type"])? == "LoadBalancer" && addresses.next().is_none();
    Ok(if waits {
        ResourceHealth::progressing("")
    } else {
        ResourceHealth::healthy("")
    })
}

/// An empty entry in the list is enough, and a list of another type is an empty one: any version is taken as it is.
///
/// Rule: Argo CD `gitops-engine/pkg/health/health_ingress.go`.
#[expect(clippy::unnecessary_wraps, reason = "one signature for all checks")]
pub(super) fn ingress<'a>(live: Live<'a>, _: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let addresses = live
        .at(&["status", "loadBalancer", "ingress"])
        .and_then(Value::as_array);
    Ok(match addresses {
        Some(addresses) if !addresses.is_empty() => ResourceHealth::healthy(""),
        _ => ResourceHealth::progressing(""),
    })
}

/// Rule: Argo CD `gitops-engine/pkg/health/health_apiservice.go`.
pub(super) fn api_service<'a>(live: Live<'a>, _: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let available = live.conditions()?.find(|condition| condition.kind == "Available");
    Ok(match available {
        None => ResourceHealth::progressing("no condition says yet whether it is available"),
        Some(available) => {
            let message = format!("{}: {}", available.reason, available.message);
            if available.is_true() {
                ResourceHealth::healthy(message)
            } else {
                ResourceHealth::progressing(message)
            }
        }
    })
}
