//! `verification.json`

use std::collections::BTreeMap;
use std::time::Duration;

use octopus_argo_core::health::octopus::ProjectSync;
use octopus_argo_core::health::verify::{
    CommitIds, Conditions, ConditionsError, LabelFilter, Observed, PullRequestState, PullRequests, Seen,
    Step, Verification, pull_requests,
};
use octopus_argo_core::health::{HealthStatus, SyncStatus};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::loader::{self, Input, Unreadable};

#[test]
fn verification() {
    let ops = [
        "verify",
        "verify_run",
        "parse_commits",
        "label_match",
        "pull_requests",
    ];
    loader::run("verification.json", &ops, |op, input| match op {
        "verify" => one_look(input),
        "verify_run" => run(input),
        "parse_commits" => commits(input),
        "label_match" => label(input),
        _ => requests(input),
    });
}

#[derive(Deserialize)]
struct Settings {
    method: Method,
    #[serde(default)]
    expected_count: Value,
    #[serde(default)]
    label_filter: String,
    #[serde(default)]
    commit_hashes: String,
    #[serde(default = "default_timeout")]
    timeout_seconds: Option<f64>,
}

#[derive(Deserialize)]
enum Method {
    AppExists,
    AppHealthy,
    #[serde(rename = "ArgoCDApplicationHealthy")]
    ArgoCdApplicationHealthy,
}

#[allow(clippy::unnecessary_wraps, reason = "null means that there is none")]
fn default_timeout() -> Option<f64> {
    Some(Conditions::TIMEOUT.as_secs_f64())
}

impl Settings {
    fn conditions(&self) -> Result<Conditions, ConditionsError> {
        let count = match &self.expected_count {
            Value::String(text) => text.parse(),
            other => other.to_string().parse(),
        };
        let conditions = match self.method {
            Method::AppExists => Conditions::exists(count?),
            Method::AppHealthy => Conditions::healthy(count?, self.commit_hashes.parse()?),
            // Has neither count nor filter.
            Method::ArgoCdApplicationHealthy => return Ok(self.timed(Conditions::step())),
        };
        Ok(self.timed(conditions.label_filter(LabelFilter::new(&self.label_filter)?)))
    }

    fn timed(&self, conditions: Conditions) -> Conditions {
        conditions.timeout(self.timeout_seconds.map(Duration::from_secs_f64))
    }
}

type Labels = Vec<(Box<str>, Box<str>)>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Application {
    #[serde(deserialize_with = "pairs")]
    labels: Labels,
    sync: Option<SyncStatus>,
    health: Option<HealthStatus>,
    octopus_sync: Option<ProjectSync>,
    revisions: Vec<Box<str>>,
}

fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
    Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
}

impl Application {
    fn observed(&self) -> Observed<'_> {
        let mut observed = Observed::default();
        observed.labels = &self.labels;
        observed.sync = self.sync.as_ref();
        observed.health = self.health.as_ref();
        observed.octopus_sync = self.octopus_sync.as_ref();
        observed.revisions = &self.revisions;
        observed
    }
}

#[derive(Deserialize)]
struct OneLook {
    elapsed_seconds: f64,
    #[serde(flatten)]
    settings: Settings,
    #[serde(flatten)]
    seen: Seeing,
}

#[derive(Deserialize)]
struct Seeing {
    #[serde(default)]
    applications: Vec<Application>,
    error: Option<String>,
}

impl Seeing {
    fn observe(&self, run: &mut Verification, now: Duration) -> Step {
        let applications: Vec<_> = self.applications.iter().map(Application::observed).collect();
        match &self.error {
            Some(error) => run.observe(Seen::Fatal(error), now),
            None => run.observe(Seen::Applications(&applications), now),
        }
    }
}

fn one_look(input: Input) -> Result<Value, Unreadable> {
    let case: OneLook = input.read()?;
    let mut run = Verification::new(case.settings.conditions(), Duration::ZERO);
    let step = case
        .seen
        .observe(&mut run, Duration::from_secs_f64(case.elapsed_seconds));
    let (outcome, look) = match step {
        Step::Pending(look) => ("Pending".to_owned(), Some(look)),
        Step::Done(verdict) => (verdict.outcome.to_string(), verdict.look),
        _ => return Err(Unreadable("answered before the first look".to_owned())),
    };
    let matched = look.as_ref().map_or(0, |look| look.matched);
    let blockers: Vec<_> = look
        .iter()
        .flat_map(|look| &look.blockers)
        .map(|blocker| blocker.as_str())
        .collect();
    Ok(json!({"outcome": outcome, "matched": matched, "blockers": blockers}))
}

#[derive(Deserialize)]
struct Run {
    observations: Vec<Observation>,
    #[serde(flatten)]
    settings: Settings,
}

#[derive(Deserialize)]
struct Observation {
    at: u64,
    #[serde(flatten)]
    seen: Seeing,
}

fn run(input: Input) -> Result<Value, Unreadable> {
    let case: Run = input.read()?;
    let mut run = Verification::new(case.settings.conditions(), Duration::ZERO);
    let mut answer = None;
    for observation in &case.observations {
        let step = observation
            .seen
            .observe(&mut run, Duration::from_secs(observation.at));
        if let Step::Done(verdict) = step {
            assert!(answer.is_none(), "it answered twice");
            answer = Some((verdict.outcome.to_string(), verdict.at.as_secs()));
        }
    }
    Ok(match answer {
        Some((outcome, at)) => json!({"outcome": outcome, "at": at}),
        None => json!({"outcome": "Pending", "at": null}),
    })
}

fn commits(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Text {
        text: String,
    }
    let commits: Result<CommitIds, _> = input.read::<Text>()?.text.parse();
    let list: Vec<_> = commits.iter().flat_map(CommitIds::iter).collect();
    Ok(json!({"valid": commits.is_ok(), "commits": list}))
}

fn label(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Filtered {
        filter: String,
        #[serde(default)]
        labels: BTreeMap<String, String>,
    }
    let case: Filtered = input.read()?;
    let filter = LabelFilter::new(&case.filter);
    let labels = case.labels.iter().map(|(key, value)| (&**key, &**value));
    Ok(json!({"matches": filter.is_ok_and(|filter| filter.matches(labels))}))
}

fn requests(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct States {
        statuses: Vec<PullRequestState>,
    }
    let outcome = match pull_requests(&input.read::<States>()?.statuses) {
        PullRequests::Succeeded => "Succeeded",
        PullRequests::Failed => "Failed",
        _ => "Pending",
    };
    Ok(json!({"outcome": outcome}))
}
