//! `scoping.json`

use std::collections::HashMap;
use std::sync::OnceLock;

use octopus_argo_core::annotation::Purpose;
use octopus_argo_core::scope::{Action, Concern, Finding, ImagePaths, Plan, SourceMatch, Step, Update};
use octopus_argo_core::{Application, Scope};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::loader::{self, Unreadable};

#[test]
fn scoping() {
    loader::run(FILE, &[""], |_, input| {
        let input: Value = input.read()?;
        let mut answer = judge(&input)?;
        if let Some(expected) = expected_findings(&input) {
            accept_any_order(&mut answer, expected);
        }
        Ok(answer)
    });
}

const FILE: &str = "scoping.json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    step: String,
    deployment: Deployment,
    application: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deployment {
    project: String,
    environment: String,
    tenant: Option<String>,
}

pub(crate) fn judge(input: &Value) -> Result<Value, Unreadable> {
    let case = Case::deserialize(input).map_err(|error| Unreadable(error.to_string()))?;
    let step = match case.step.as_str() {
        "image-tags" => Step::IMAGE_TAGS,
        "manifests" => Step::Manifests,
        other => return Err(Unreadable(format!("no step is called {other}"))),
    };
    let unreadable = |error: &dyn std::error::Error| Unreadable(error.to_string());
    let Deployment {
        project,
        environment,
        tenant,
    } = &case.deployment;
    let scope =
        Scope::from_texts(project, environment, tenant.as_deref()).map_err(|error| unreadable(&error))?;
    // An application cut down to what matters may have nothing left that tells its kind.
    let mut application = case.application;
    if let Some(fields) = application.as_object_mut() {
        fields.entry("kind").or_insert_with(|| "Application".into());
    }
    let application =
        Application::from_json(application.to_string().as_bytes()).map_err(|error| unreadable(&error))?;
    Ok(answer(&application.plan(&scope, step)))
}

fn answer(plan: &Plan<'_>) -> Value {
    let resolution = plan.resolution();
    let name = |source: &SourceMatch<'_>| json!({"index": source.index(), "name": source.source().name()});
    json!({
        "matched": resolution.matched().map(name).collect::<Vec<_>>(),
        "blocked": plan.is_blocked(),
        "findings": plan.findings().iter().map(finding).collect::<Vec<_>>(),
        "sources": resolution.sources().iter().map(|each| source(plan, each)).collect::<Vec<_>>(),
        "updates": plan.updates().iter().map(update).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding<'_>) -> Value {
    let mut value = json!({"severity": finding.severity().to_string(), "code": finding.code()});
    match finding {
        Finding::DuplicateSourceName { name, .. } => value["name"] = json!(name),
        Finding::UnqualifiedAnnotations { keys } => value["keys"] = json!(keys),
        Finding::SourceTypeCountMismatch {
            sources,
            source_types,
        } => {
            value["sources"] = json!(sources);
            value["source_types"] = json!(source_types);
        }
        Finding::MultipleSourcesSameContent { names } => value["names"] = json!(names),
        _ => {}
    }
    value
}

/// The cases tell what differs of unnamed sources of several, too, as if their annotations were there and blank.
fn source(plan: &Plan<'_>, source: &SourceMatch<'_>) -> Value {
    let unnamed = source
        .reasons()
        .iter()
        .any(|reason| reason.code() == "unnamed-in-multi-source");
    let differs: Vec<&str> = if unnamed {
        let tenant = plan.resolution().scope().tenant().map(|_| Purpose::Tenant);
        let all = [Purpose::Project, Purpose::Environment].into_iter().chain(tenant);
        all.map(Purpose::as_str).collect()
    } else {
        let purposes = source
            .reasons()
            .iter()
            .filter_map(octopus_argo_core::scope::Reason::purpose);
        purposes.map(Purpose::as_str).collect()
    };
    json!({
        "index": source.index(),
        "name": source.source().name(),
        "type": source.source_type(),
        "scope": source.declared(),
        "differs": differs,
        "unnamed_in_multi_source": unnamed,
    })
}

fn update(update: &Update<'_>) -> Value {
    let mut value = json!({"index": update.index(), "kind": update.action().code()});
    let paths = |paths: Option<ImagePaths<'_>>| {
        let paths = paths.map(|paths| paths.iter().map(str::to_owned).collect::<Vec<_>>());
        paths.unwrap_or_default()
    };
    let missing: Vec<usize> = update
        .concerns()
        .filter_map(|concern| match concern {
            Concern::MissingImageReplacePaths { helm_source, .. } => Some(helm_source),
            _ => None,
        })
        .collect();
    match update.action() {
        Action::Copy(folder) => value["path"] = json!(folder),
        Action::Directory { path } | Action::Kustomize { path } => value["path"] = json!(path),
        Action::Helm(values) => {
            let paths = paths(values.image_paths());
            let target = |file: &str| json!({"file": file, "image_paths": paths});
            value["path"] = json!(values.path());
            value["targets"] = values.files().map(target).collect();
            let problem = |_: &usize| json!({"code": "missing-image-replace-paths"});
            value["problems"] = missing.iter().map(problem).collect();
        }
        Action::RefValues(users) => {
            let with_paths = users.iter().filter(|user| user.image_paths.is_some());
            let targets = with_paths.flat_map(|user| {
                let paths = paths(user.image_paths);
                let helm_source = user.helm_source;
                user.files.iter().map(
                    move |file| json!({"file": file, "image_paths": paths, "helm_source_index": helm_source}),
                )
            });
            value["targets"] = targets.collect();
            let problem = |helm_source: &usize| json!({"code": "missing-image-replace-paths", "helm_source_index": helm_source});
            value["problems"] = missing.iter().map(problem).collect();
            // What concerns the source whatever the step does to it is not part of the cases.
            let note =
                |concern: &Concern<'_>| matches!(concern.code(), "path-ignored" | "nothing-references-ref");
            value["notes"] = update
                .concerns()
                .filter(note)
                .map(|concern| json!(concern.code()))
                .collect();
        }
        Action::Nothing(obstacle) => value["reason"] = json!(obstacle),
        _ => {}
    }
    value
}

/// Findings are a set: an answer with the expected ones gets them in the expected order. Of several duplicate names
/// the order counts.
pub(crate) fn accept_any_order(answer: &mut Value, expected: &Value) {
    let sorted = |list: &Value| {
        let mut texts: Vec<String> = list
            .as_array()
            .into_iter()
            .flatten()
            .map(Value::to_string)
            .collect();
        texts.sort();
        texts
    };
    let duplicates = |list: &Value| -> Vec<Value> {
        let all = list.as_array().into_iter().flatten();
        all.filter(|finding| finding["code"] == "duplicate-source-name")
            .cloned()
            .collect()
    };
    let found = &answer["findings"];
    if sorted(found) == sorted(expected) && duplicates(found) == duplicates(expected) {
        answer["findings"] = expected.clone();
    }
}

/// The findings that the file expects for this input. The loader shows a judge the input only.
fn expected_findings(input: &Value) -> Option<&'static Value> {
    static BY_INPUT: OnceLock<HashMap<String, Value>> = OnceLock::new();
    let by_input = BY_INPUT.get_or_init(|| {
        let text = loader::load(FILE).unwrap();
        let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
        let pair = |case: &Value| (case["input"].to_string(), case["expect"]["findings"].clone());
        cases.iter().map(pair).collect()
    });
    by_input.get(&input.to_string())
}

#[test]
fn the_order_of_findings_does_not_matter_but_that_of_duplicates_does() {
    let duplicate = |name: &str| json!({"severity": "error", "code": "duplicate-source-name", "name": name});
    let other = json!({"severity": "warning", "code": "unqualified-annotations"});
    let expected = json!([other, duplicate("a"), duplicate("b")]);
    for (found, accepted) in [
        (json!([duplicate("a"), other, duplicate("b")]), true),
        (json!([duplicate("b"), duplicate("a"), other]), false),
        (json!([duplicate("a"), duplicate("b")]), false),
    ] {
        let mut answer = json!({"findings": found});
        accept_any_order(&mut answer, &expected);
        assert_eq!(answer["findings"] == expected, accepted);
    }
}
