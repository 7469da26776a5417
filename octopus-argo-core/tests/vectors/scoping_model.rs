//! The rules of scoping once more, over bare JSON and for clarity alone, and random applications for both readings.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::scoping::{accept_any_order, judge};

const SCOPE: [&str; 3] = ["project", "environment", "tenant"];

fn slug(text: &Value) -> Option<&str> {
    text.as_str().map(str::trim).filter(|text| !text.is_empty())
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// An application with what the rules say about its parts.
struct Model<'a> {
    annotations: &'a Value,
    sources: Vec<&'a Value>,
    types: Vec<&'a Value>,
}

impl<'a> Model<'a> {
    fn of(application: &'a Value) -> Self {
        let either = |parent: &'a Value, many: &str, one: &str, null_counts: bool| match items(&parent[many])
        {
            [] => parent
                .get(one)
                .filter(|one| null_counts || !one.is_null())
                .into_iter()
                .collect(),
            many => many.iter().collect(),
        };
        Self {
            annotations: &application["metadata"]["annotations"],
            sources: either(&application["spec"], "sources", "source", false),
            types: either(&application["status"], "sourceTypes", "sourceType", true),
        }
    }

    fn name(&self, index: usize) -> Option<&'a str> {
        slug(&self.sources[index]["name"])
    }

    fn is_multi(&self) -> bool {
        self.sources.len() > 1
    }

    fn kind(&self, index: usize) -> Option<&'static str> {
        if self.types.len() != self.sources.len() {
            return None;
        }
        match self.types[index].as_str().unwrap_or_default() {
            "" => Some("Directory"),
            text => ["Directory", "Helm", "Kustomize", "Plugin"]
                .into_iter()
                .find(|kind| kind.eq_ignore_ascii_case(text)),
        }
    }

    /// The annotation for a source, which unnamed sources of several never have.
    fn annotation(&self, word: &str, index: usize) -> &'a Value {
        let suffix = match self.name(index) {
            None if self.is_multi() => return &Value::Null,
            None => String::new(),
            Some(name) => format!(".{name}"),
        };
        &self.annotations[format!("argo.octopus.com/{word}{suffix}")]
    }

    fn differs(&self, index: usize, deployment: &Value) -> Vec<&'static str> {
        let equal = |word: &&str| match (slug(self.annotation(word, index)), slug(&deployment[*word])) {
            (Some(left), Some(right)) => left.eq_ignore_ascii_case(right),
            (left, right) => left == right,
        };
        SCOPE.into_iter().filter(|word| !equal(word)).collect()
    }

    fn findings(&self, step: &str, matched: &[usize]) -> Vec<Value> {
        let mut findings = Vec::new();
        for index in 0..self.sources.len() {
            let same = |other: &usize| self.name(*other) == self.name(index);
            let first = (0..index).all(|other| !same(&other));
            if let Some(name) = self
                .name(index)
                .filter(|_| first && (index + 1..self.sources.len()).any(|other| same(&other)))
            {
                findings.push(json!({"severity": "error", "code": "duplicate-source-name", "name": name}));
            }
        }
        let keys = SCOPE.map(|word| format!("argo.octopus.com/{word}"));
        let keys: Vec<&String> = keys
            .iter()
            .filter(|key| self.annotations.get(key.as_str()).is_some())
            .collect();
        if self.is_multi() && !keys.is_empty() {
            findings.push(json!({"severity": "warning", "code": "unqualified-annotations", "keys": keys}));
        }
        let (sources, source_types) = (self.sources.len(), self.types.len());
        if step == "image-tags" && sources != source_types {
            findings.push(json!({"severity": "error", "code": "source-type-count-mismatch", "sources": sources, "source_types": source_types}));
        }
        if step == "manifests" && matched.len() > 1 {
            let names: Vec<_> = matched.iter().map(|index| self.name(*index)).collect();
            findings.push(
                json!({"severity": "warning", "code": "multiple-sources-same-content", "names": names}),
            );
        }
        findings
    }

    fn image_paths(&self, index: usize) -> Option<Vec<&'a str>> {
        let text = self.annotation("image-replace-paths", index).as_str()?;
        Some(text.split(',').map(str::trim).collect())
    }

    fn files(&self, index: usize) -> impl Iterator<Item = &'a str> {
        items(&self.sources[index]["helm"]["valueFiles"])
            .iter()
            .filter_map(Value::as_str)
    }

    fn copy(&self, index: usize) -> Value {
        let annotated = self
            .annotation("path", index)
            .as_str()
            .filter(|text| !text.is_empty());
        let source = self.sources[index];
        match (annotated, source["ref"].as_str(), source["path"].as_str()) {
            (Some(path), _, _) | (None, None, Some(path)) => json!({"kind": "copy", "path": path}),
            (None, Some(_), None) => json!({"kind": "copy", "path": ""}),
            (None, Some(_), Some(_)) => json!({"kind": "none", "reason": "ref-source-with-path"}),
            (None, None, None) => json!({"kind": "none", "reason": "missing-path"}),
        }
    }

    fn ref_values(&self, reference: &str, path: Option<&str>) -> Value {
        let (mut targets, mut problems, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for helm in (0..self.sources.len()).filter(|index| self.kind(*index) == Some("Helm")) {
            let start = format!("${reference}/");
            let files: Vec<&str> = self.files(helm).filter(|file| file.starts_with(&start)).collect();
            match self.image_paths(helm) {
                _ if files.is_empty() => {}
                None => {
                    problems.push(json!({"code": "missing-image-replace-paths", "helm_source_index": helm}))
                }
                Some(paths) => targets.extend(files.iter().map(|file| {
                    let file = file.split_once('/').unwrap().1;
                    json!({"file": file, "image_paths": paths, "helm_source_index": helm})
                })),
            }
        }
        notes.extend(path.map(|_| "path-ignored"));
        notes.extend((targets.is_empty() && problems.is_empty()).then_some("nothing-references-ref"));
        json!({"kind": "ref-values", "targets": targets, "problems": problems, "notes": notes})
    }

    fn image_tags(&self, index: usize) -> Value {
        let source = self.sources[index];
        let path = source["path"].as_str();
        if let Some(reference) = source["ref"].as_str() {
            return self.ref_values(reference, path);
        }
        match (self.kind(index), path) {
            (None, _) => json!({"kind": "none", "reason": "unknown-source-type"}),
            (Some("Plugin"), _) => json!({"kind": "none", "reason": "plugin-unsupported"}),
            (_, None) => json!({"kind": "none", "reason": "missing-path"}),
            (Some("Helm"), Some(path)) => {
                let paths = self.image_paths(index);
                let target = |file| {
                    paths
                        .as_ref()
                        .map(|paths| json!({"file": file, "image_paths": paths}))
                };
                let own = self.files(index).filter(|file| !file.starts_with('$'));
                let targets: Vec<Value> = own.filter_map(target).collect();
                let problems = if paths.is_some() {
                    json!([])
                } else {
                    json!([{"code": "missing-image-replace-paths"}])
                };
                json!({"kind": "helm", "path": path, "targets": targets, "problems": problems})
            }
            (Some(kind), Some(path)) => json!({"kind": kind.to_ascii_lowercase(), "path": path}),
        }
    }

    fn answer(&self, step: &str, deployment: &Value) -> Value {
        let all = 0..self.sources.len();
        let matched: Vec<usize> = all
            .clone()
            .filter(|index| self.differs(*index, deployment).is_empty())
            .collect();
        let source = |index: usize| {
            let scope: BTreeMap<_, _> = SCOPE
                .map(|word| (word, slug(self.annotation(word, index))))
                .into();
            json!({
                "index": index, "name": self.name(index), "type": self.kind(index), "scope": scope,
                "differs": self.differs(index, deployment),
                "unnamed_in_multi_source": self.is_multi() && self.name(index).is_none(),
            })
        };
        let findings = self.findings(step, &matched);
        let blocked = findings.iter().any(|finding| finding["severity"] == "error");
        let update = |index: &usize| {
            let mut update = if step == "manifests" {
                self.copy(*index)
            } else {
                self.image_tags(*index)
            };
            update["index"] = json!(index);
            update
        };
        json!({
            "matched": matched.iter().map(|index| json!({"index": index, "name": self.name(*index)})).collect::<Vec<_>>(),
            "blocked": blocked,
            "findings": findings,
            "sources": all.map(source).collect::<Vec<_>>(),
            "updates": if blocked { Vec::new() } else { matched.iter().map(update).collect() },
        })
    }
}

fn texts(of: &'static [&'static str]) -> impl Strategy<Value = Value> {
    select(of).prop_map(Value::from)
}

/// One of the texts, null, or `missing`, which [`object`] leaves out.
fn maybe(of: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![6 => texts(of).prop_map(Some), 1 => Just(Some(Value::Null)), 3 => Just(None)]
}

fn object(fields: Vec<(&str, Option<Value>)>) -> Value {
    let present = fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
}

const FILES: &[&str] = &[
    "values.yaml",
    "",
    "$v/a",
    "$v/b/c",
    "$v",
    "$V/a",
    "$w/a",
    "$w/x/a",
    "$w/x",
    "https://h/v",
];

fn source() -> impl Strategy<Value = Value> {
    let name = maybe(&["a", "b", "A", " a ", "\u{a0}b\n", "a.b", " ", ""]);
    let helm = option::of(vec(texts(FILES), 0..4).prop_map(|files| json!({"valueFiles": files})));
    (
        name,
        maybe(&["deploy", "", " "]),
        option::weighted(0.3, texts(&["v", "w", "w/x", " "])),
        helm,
    )
        .prop_map(|(name, path, reference, helm)| {
            object(vec![
                ("repoURL", Some(json!("u"))),
                ("name", name),
                ("path", path),
                ("ref", reference),
                ("helm", helm),
            ])
        })
}

fn annotations() -> impl Strategy<Value = Value> {
    let key = (
        select(&["project", "environment", "tenant", "path", "image-replace-paths"][..]),
        select(&["", ".a", ".b", ".A", ".a.b", "."][..]),
    );
    let key = key.prop_map(|(word, suffix)| format!("argo.octopus.com/{word}{suffix}"));
    // The same few for every purpose, so that a third of the sources are in scope.
    let value = prop_oneof![9 => texts(&["p", "P", " p\t"]), 1 => texts(&["q", "", " ", "p,q", "p p"]), 1 => Just(Value::Null)];
    btree_map(key, value, 0..24).prop_map(|pairs| json!(pairs))
}

fn case() -> impl Strategy<Value = Value> {
    let deployment = (
        texts(&["p", " P "]),
        texts(&["p", "p\n"]),
        maybe(&["p", "P", " ", "q"]),
    );
    let kind = || prop_oneof![4 => texts(&["Helm", "hELM"]), 4 => texts(&["Directory", "", "Kustomize", "plugin"]), 1 => texts(&["x", " Helm"]), 1 => Just(Value::Null)];
    let spec = (option::of(source()), vec(source(), 0..4));
    (texts(&["image-tags", "manifests"]), deployment, annotations(), spec, vec(kind(), 4), option::weighted(0.1, 0..4usize))
        .prop_map(|(step, (project, environment, tenant), annotations, (source, sources), mut kinds, count)| {
            let sources_that_count = if sources.is_empty() { usize::from(source.is_some()) } else { sources.len() };
            kinds.truncate(count.unwrap_or(sources_that_count));
            let status = match &*kinds {
                [only] if sources.is_empty() => json!({"sourceType": only}),
                kinds => json!({"sourceTypes": kinds}),
            };
            json!({
                "step": step,
                "deployment": object(vec![("project", Some(project)), ("environment", Some(environment)), ("tenant", tenant)]),
                "application": {
                    "metadata": {"annotations": annotations},
                    "spec": object(vec![("source", source), ("sources", Some(json!(sources)))]),
                    "status": status,
                },
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn two_readings_of_the_rules_agree(case in case()) {
        let step = case["step"].as_str().unwrap();
        let expected = Model::of(&case["application"]).answer(step, &case["deployment"]);
        let mut answer = judge(&case).unwrap();
        accept_any_order(&mut answer, &expected["findings"]);
        prop_assert_eq!(answer, expected);
    }
}
