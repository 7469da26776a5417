//! `resource-health.json`

use octopus_argo_core::health::argocd::ArgoCdVersion;
use octopus_argo_core::health::resource::{Flavor, HealthChecks};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::loader::{self, Input, Unreadable};

#[test]
fn resource_health() {
    // The file has one operation, and does not name it.
    loader::run("resource-health.json", &[""], |_, input| assess(input));
}

#[derive(Deserialize)]
struct Live {
    manifest: Value,
    argocd_version: Option<String>,
    flavor: Option<FlavorName>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FlavorName {
    OctopusMonitor,
    Argocd,
}

fn assess(input: Input) -> Result<Value, Unreadable> {
    let live: Live = input.read()?;
    let version = live
        .argocd_version
        .map_or(Ok(ArgoCdVersion::NEWEST), |text| text.parse());
    let version = version.map_err(|error| Unreadable(format!("{error}")))?;
    let flavor = match live.flavor {
        Some(FlavorName::OctopusMonitor) => Flavor::OctopusMonitor,
        Some(FlavorName::Argocd) | None => Flavor::ArgoCd,
    };
    let checks = HealthChecks::new(version).flavor(flavor);
    let assessment = checks.assess(&live.manifest);
    Ok(json!({
        "status": assessment.status(),
        "message": !assessment.message().is_empty(),
        "message_equals": assessment.message(),
        "error": assessment.is_failed(),
    }))
}
