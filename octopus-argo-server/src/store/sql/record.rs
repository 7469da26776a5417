//! What stands in the columns, and what it means.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use octopus_argo_core::SpaceId;
use octopus_argo_core::health::octopus::InstanceHealth;

use super::engine::{Row, Unexpected};
use crate::{CredentialState, GatewayFacts, HealthReport, Installation, Instance, InstanceId, InstanceName};

/// What is known of a gateway: the first nine columns.
pub(super) fn facts(row: &mut Row) -> Result<GatewayFacts, Unexpected> {
    let credential = match row.number(0)? {
        0 => CredentialState::Revoked,
        _ => CredentialState::Issued,
    };
    let installation = Installation {
        gateway_version: row.maybe_text(1)?,
        chart_version: row.maybe_text(2)?,
        release: row.maybe_text(3)?,
        namespace: row.maybe_text(4)?,
        argo_cd_version: row.maybe_text(5)?,
    };
    let last_seen = row.maybe_number(6)?.map(time).transpose()?;
    let health = row.maybe_text(7)?.zip(row.maybe_number(8)?);
    let health = health.map(|(health, checked)| {
        let health = InstanceHealth::from(health.as_str());
        Ok(HealthReport::new(health, time(checked)?))
    });
    Ok(GatewayFacts {
        credential,
        installation,
        last_seen,
        health: health.transpose()?,
    })
}

/// A record: what is known of its gateway, then seven columns of its own.
pub(super) fn instance(mut row: Row) -> Result<Instance, Unexpected> {
    let facts = facts(&mut row)?;
    let id = InstanceId::from_number(row.number(9)?).ok_or(Unexpected("no number"))?;
    let name: InstanceName = read(&row.text(11)?, "no name")?;
    let gateway = read(&row.text(12)?, "no gateway")?;
    let mut instance = Instance::new(id, name, gateway);
    instance.space = read(&row.text(10)?, "no space")?;
    instance.environments = set(&row.text(13)?)?;
    instance.tenants = set(&row.text(14)?)?;
    let web_ui = row.maybe_text(15)?;
    instance.web_ui = web_ui.map(|address| read(&address, "no address")).transpose()?;
    instance.facts = facts;
    Ok(instance)
}

fn read<T: FromStr>(text: &str, otherwise: &'static str) -> Result<T, Unexpected> {
    text.parse().map_err(|_| Unexpected(otherwise))
}

/// A set of ids, as a JSON array.
pub(super) fn list<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    ids.collect::<serde_json::Value>().to_string()
}

fn set<T: FromStr + Ord>(text: &str) -> Result<BTreeSet<T>, Unexpected> {
    let ids: Vec<String> = serde_json::from_str(text).map_err(|_| Unexpected("no list"))?;
    ids.iter().map(|id| read(id, "no id")).collect()
}

/// What a space is found by.
pub(super) fn folded(space: &SpaceId) -> String {
    space.as_str().to_ascii_lowercase()
}

/// Milliseconds since 1970. Before that there were no gateways.
pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn time(millis: i64) -> Result<SystemTime, Unexpected> {
    let since = u64::try_from(millis).map_err(|_| Unexpected("no time"))?;
    UNIX_EPOCH
        .checked_add(Duration::from_millis(since))
        .ok_or(Unexpected("no time"))
}

/// The pattern for `LIKE` of a text with this in it, with `\` before what means something else.
pub(super) fn pattern(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for character in part.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Whether a name may have this in it. If not, the database is not asked: SQLite refuses long patterns, and Postgres
/// texts with a zero.
pub(super) fn may_be_in_a_name(text: &str) -> bool {
    // In lower case a character may become three of four bytes.
    text.len() <= InstanceName::LONGEST * 12 && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip_to_the_millisecond() {
        for time_in in [UNIX_EPOCH, UNIX_EPOCH + Duration::from_millis(1_800_000_000_123)] {
            assert_eq!(time(millis(time_in)), Ok(time_in));
        }
        assert_eq!(millis(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(time(-1), Err(Unexpected("no time")));
    }

    #[test]
    fn a_damaged_set_is_an_error() {
        assert!(set::<crate::TenantId>("[\"a\", \"b\"]").is_ok());
        for text in ["", "null", "[1]", "[\"\"]", "{}"] {
            assert!(set::<crate::TenantId>(text).is_err(), "{text}");
        }
    }
}
