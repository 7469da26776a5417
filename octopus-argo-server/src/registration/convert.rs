//! Records as the REST API writes them.

use std::time::{SystemTime, UNIX_EPOCH};

use octopus_argo_core::health::octopus::InstanceHealth;
use octopus_argo_proto::registration::{GatewayResource, InstallDetails};

use crate::{Installation, Instance};

/// A record as it is sent.
pub(super) fn resource(instance: &Instance) -> GatewayResource {
    let mut resource = GatewayResource::default();
    resource.id = instance.id.to_string();
    resource.space_id = instance.space.to_string();
    resource.name = instance.name.to_string();
    resource.client_id = instance.gateway.to_string();
    resource.environment_ids = instance.environments.iter().map(ToString::to_string).collect();
    resource.tenant_ids = instance.tenants.iter().map(ToString::to_string).collect();
    resource.web_ui_uri = instance.web_ui.as_ref().map(ToString::to_string);
    let report = instance.facts.health.as_ref();
    // One that was never checked reads so in Octopus too.
    let health = report.map_or(&InstanceHealth::Unavailable, |report| &report.health);
    resource.health_status = Some(health.as_str().to_owned());
    resource.health_last_checked = report.and_then(|report| rfc3339(report.checked));
    resource.install_details = details(&instance.facts.installation);
    resource
}

fn details(installation: &Installation) -> Option<InstallDetails> {
    let mut details = InstallDetails::default();
    details.gateway_version.clone_from(&installation.gateway_version);
    details.helm_chart_version.clone_from(&installation.chart_version);
    details.helm_release_name.clone_from(&installation.release);
    details.kubernetes_namespace.clone_from(&installation.namespace);
    details.argo_cd_version.clone_from(&installation.argo_cd_version);
    (details != InstallDetails::default()).then_some(details)
}

/// A time in UTC to the millisecond; none before 1970.
fn rfc3339(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Years begin in March here, so that the leap day is their last.
    let days = days.checked_add(719_468)?;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, late) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + late;
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let millis = since.subsec_millis();
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}+00:00"
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_with_their_leap_days() {
        let at = |millis| rfc3339(UNIX_EPOCH + Duration::from_millis(millis)).unwrap();
        assert_eq!(at(0), "1970-01-01T00:00:00.000+00:00");
        assert_eq!(at(951_782_400_000), "2000-02-29T00:00:00.000+00:00");
        assert_eq!(at(1_709_251_199_999), "2024-02-29T23:59:59.999+00:00");
        assert_eq!(at(4_107_542_400_000), "2100-03-01T00:00:00.000+00:00");
        assert_eq!(at(1_790_000_000_000), "2026-09-21T14:13:20.000+00:00");
    }
}
