//! `connection.json`, as far as this crate owns it: the link to the server.

use std::time::Duration;

use octopus_argo_core::ServerAddress;
use octopus_argo_core::connection::{
    GrpcCode, KeepAlive, KeepAliveConfig, LegacyKeepAlive, LinkEvent, Next, Pacing, ProbeOutcome,
    StreamAction, StreamEnd, SubscriberScope,
};
use octopus_argo_core::tls::{DecidedBy, ExpectedThumbprint, Facts, Verification};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::loader::{self, Input, Unreadable};
use crate::{owners, setup};

#[test]
fn connection() {
    let owner = env!("CARGO_PKG_NAME");
    loader::run_own(
        "connection.json",
        owners::CONNECTION,
        owner,
        |op, input| match op {
            "classify_error" => classify(input),
            "stream_error" => stream_error(input),
            "subscriber_backoff" => backoff(input),
            "subscriber_backoff_sequence" => backoffs(input),
            "health_config" => health_config(input),
            "health_run" => health_run(input),
            "legacy_keepalive_run" => legacy_run(input),
            "tls_decision" => tls_decision(input),
            "octopus_grpc_url" => grpc_url(input),
            "grpc_dial_target" => dial_target(input),
            _ => setup::judge(op, input),
        },
    );
}

#[derive(Deserialize)]
struct Failure {
    kind: String,
    code: Option<String>,
    #[serde(default)]
    message: String,
}

impl Failure {
    /// However deeply an error is wrapped, it is found: the types of this crate begin where that is done.
    fn end(&self) -> Result<StreamEnd<'_>, Unreadable> {
        Ok(match self.kind.as_str() {
            "none" => StreamEnd::Finished,
            "cancelled_context" => StreamEnd::CancelledHere,
            "eof" => StreamEnd::EndOfStream,
            "other" => StreamEnd::Other,
            "status" => {
                let code = self.code.as_deref().and_then(GrpcCode::from_name);
                StreamEnd::Status {
                    code: code.ok_or_else(|| Unreadable(format!("code {:?}", self.code)))?,
                    message: &self.message,
                }
            }
            other => return Err(Unreadable(format!("kind {other:?}"))),
        })
    }
}

fn name(action: StreamAction) -> &'static str {
    match action {
        StreamAction::Stop => "stop",
        StreamAction::Retry => "retry",
        _ => "fatal",
    }
}

fn classify(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Classify {
        error: Failure,
    }
    let Classify { error } = input.read()?;
    Ok(json!({"action": name(error.end()?.action())}))
}

fn stream_error(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Stream {
        context_cancelled: bool,
        restart_succeeds: bool,
        error: Failure,
    }
    let stream: Stream = input.read()?;
    let scope = if stream.context_cancelled {
        SubscriberScope::Cancelled
    } else {
        SubscriberScope::Running
    };
    let action = stream.error.end()?.action_within(scope);
    let restart = action == Some(StreamAction::Retry);
    Ok(json!({
        "action": action.map_or("ignored", name),
        "restart_attempted": restart,
        "continue_receiving": restart && stream.restart_succeeds,
        "reported": action == Some(StreamAction::Fatal),
    }))
}

fn millis(duration: Duration) -> Value {
    json!(u64::try_from(duration.as_millis()).unwrap())
}

/// Nothing and less than nothing are the same.
fn positive(setting: i64) -> Duration {
    Duration::from_millis(u64::try_from(setting).unwrap_or(0))
}

fn delay(restart: i64) -> Value {
    let restart = u32::try_from(restart.max(0)).unwrap_or(u32::MAX);
    millis(Pacing::SUBSCRIBER.delay(restart))
}

fn backoff(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Restarts {
        consecutive_restarts: i64,
    }
    let Restarts { consecutive_restarts } = input.read()?;
    Ok(json!({"delay_ms": delay(consecutive_restarts)}))
}

fn backoffs(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Range {
        from: i64,
        to: i64,
    }
    let Range { from, to } = input.read()?;
    Ok(json!({"delays_ms": (from..=to).map(delay).collect::<Vec<_>>()}))
}

#[derive(Deserialize)]
struct Probes {
    interval_ms: i64,
    #[serde(default)]
    max_interval_ms: i64,
    #[serde(default)]
    give_up_after_ms: i64,
    #[serde(default)]
    max_failures: i64,
    #[serde(default)]
    #[serde(rename = "probes")]
    results: Vec<String>,
}

impl Probes {
    fn config(&self) -> KeepAliveConfig {
        let settings = [self.interval_ms, self.max_interval_ms, self.give_up_after_ms];
        let [interval, max, give_up] = settings.map(positive);
        KeepAliveConfig::from_settings(interval, max, give_up)
    }

    fn outcomes(&self) -> impl Iterator<Item = ProbeOutcome> {
        self.results.iter().map(|probe| match probe.as_str() {
            "serving" => ProbeOutcome::Serving,
            "error" => ProbeOutcome::Failed,
            // Not serving, a service that is unknown, and whatever else a server may answer.
            _ => ProbeOutcome::NotServing,
        })
    }
}

fn event(event: LinkEvent, at: Duration) -> Value {
    let event = if event == LinkEvent::Down { "down" } else { "up" };
    json!({"event": event, "at_ms": millis(at)})
}

fn health_config(input: Input) -> Result<Value, Unreadable> {
    let config = input.read::<Probes>()?.config();
    Ok(json!({
        "interval_ms": millis(config.interval()),
        "max_interval_ms": millis(config.max_interval()),
        "give_up_after_ms": config.give_up_after().map(millis),
        "probe_timeout_ms": millis(KeepAliveConfig::PROBE_TIMEOUT),
    }))
}

fn health_run(input: Input) -> Result<Value, Unreadable> {
    let probes: Probes = input.read()?;
    let mut link = KeepAlive::new(probes.config(), Duration::ZERO);
    let (mut now, mut waits, mut events) = (Duration::ZERO, Vec::new(), Vec::new());
    let (mut rebuilds, mut fatal_at) = (0, None);
    for outcome in probes.outcomes() {
        let Some(due) = link.next_probe_at() else { break };
        waits.push(millis(due.saturating_sub(now)));
        now = due;
        let after = link.probed(outcome, now);
        events.extend(after.event.map(|happened| event(happened, now)));
        match after.next {
            Next::RebuildClient => rebuilds += 1,
            Next::GiveUp => fatal_at = Some(millis(now)),
            _ => {}
        }
    }
    Ok(json!({
        "waits_ms": waits,
        "events": events,
        "client_rebuilds": rebuilds,
        "fatal_at_ms": fatal_at,
        "next_wait_ms": link.next_probe_at().map(|next| millis(next.saturating_sub(now))),
    }))
}

fn legacy_run(input: Input) -> Result<Value, Unreadable> {
    let probes: Probes = input.read()?;
    let max_failures = u32::try_from(probes.max_failures).unwrap_or(0);
    let mut link = LegacyKeepAlive::new(positive(probes.interval_ms), max_failures, Duration::ZERO);
    let (mut events, mut fatal_on) = (Vec::new(), None);
    for (index, outcome) in probes.outcomes().enumerate() {
        let Some(now) = link.next_probe_at() else { break };
        let after = link.probed(outcome, now);
        events.extend(after.event.map(|happened| event(happened, now)));
        if after.next == Next::GiveUp {
            fatal_on = Some(index + 1);
        }
    }
    Ok(json!({
        "interval_ms": millis(link.interval()),
        "probe_timeout_ms": millis(link.interval()),
        "max_failures": link.max_failures(),
        "events": events,
        "fatal_on_probe": fatal_on,
        "consecutive_failures": link.failures(),
    }))
}

fn tls_decision(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Decision {
        plaintext: bool,
        thumbprint: Option<String>,
        pin: bool,
        chain: String,
        hostname: String,
    }
    let decision: Decision = input.read()?;
    let thumbprint = match &decision.thumbprint {
        None => ExpectedThumbprint::Unset,
        Some(_) => ExpectedThumbprint::Set { pinned: decision.pin },
    };
    let verification = Verification::from_settings(decision.plaintext, thumbprint);
    let facts = Facts::default()
        .chain_trusted(decision.chain == "trusted")
        .host_name_matches(decision.hostname == "match")
        .pin_matches(decision.thumbprint.as_deref() == Some("match"));
    let verdict = verification.decide(facts);
    let decided_by = match verdict.decided_by() {
        DecidedBy::ChainAndHostName => "chain_and_hostname",
        DecidedBy::Chain => "chain",
        DecidedBy::Thumbprint => "thumbprint",
        _ => "none",
    };
    Ok(json!({
        "tls": verification.uses_tls(),
        "accepted": verdict.accepted(),
        "hostname_checked": verification.checks_host_name(),
        "decided_by": decided_by,
    }))
}

fn grpc_url(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Web {
        server_url: String,
    }
    let address = ServerAddress::from_web_url(&input.read::<Web>()?.server_url);
    Ok(json!({"grpc_url": address.map_or_else(|_| String::new(), |address| address.to_string())}))
}

fn dial_target(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Address {
        url: String,
    }
    Ok(match input.read::<Address>()?.url.parse::<ServerAddress>() {
        Ok(address) => json!({"target": address.authority()}),
        Err(_) => json!({"error": "invalid_address"}),
    })
}
