//! The chart's values against the table of them, and there and back again.
#![cfg(feature = "yaml")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands, in helpers too"
)]

use std::path::Path;

use octopus_argo_core::helm::{Default as ChartDefault, Entry, Kind, keys};
use serde_json::Value;

mod table;
mod values;

use table::rows;

/// The type as the table writes it.
fn kind(entry: &Entry) -> &'static str {
    match entry.kind() {
        Kind::Text | Kind::Secret | Kind::Thumbprint => "string",
        Kind::Period => "duration string",
        Kind::Bool => "bool",
        Kind::Int => "int",
        Kind::Texts | Kind::List | Kind::ProjectTokens => "list",
        Kind::Object => "object",
        other => panic!("the table has no {other:?}"),
    }
}

/// The default as the table writes it.
fn default(entry: &Entry) -> String {
    match (entry.default(), entry.kind()) {
        (ChartDefault::Empty, Kind::Bool) => "false".into(),
        (ChartDefault::Empty, Kind::Texts | Kind::List | Kind::ProjectTokens) => "[]".into(),
        (ChartDefault::Empty, Kind::Object) => "{}".into(),
        (ChartDefault::Empty, _) => String::new(),
        (ChartDefault::On, _) => "true".into(),
        (ChartDefault::Int(number), _) => number.to_string(),
        (ChartDefault::Text(text), _) => text.into(),
        (ChartDefault::Texts(texts), _) => Value::from(texts).to_string(),
        (ChartDefault::AppVersion, _) => ".Chart.AppVersion".into(),
        (ChartDefault::Library(text), _) => format!("unknown (library default {text})"),
        (other, _) => panic!("the table has no {other:?}"),
    }
}

#[test]
fn every_row_of_the_table_is_a_key_and_every_key_a_row() {
    let rows = rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/helm-values.csv"));
    assert!(rows.len() > 70, "only {} rows were read", rows.len());
    let in_table: Vec<_> = rows.iter().map(|row| row.key.as_str()).collect();
    let ours: Vec<_> = keys::ALL.iter().map(Entry::path).collect();
    assert_eq!(ours, in_table, "the same keys in the same order");

    for (row, entry) in rows.iter().zip(keys::ALL) {
        let name = &row.key;
        assert_eq!(kind(entry), row.kind, "{name}");
        assert_eq!(default(entry), row.default, "{name}");

        let old = row.says("deprecated") || row.says("superseded");
        assert_eq!(entry.replaced_by().is_some(), old, "{name} is old");
        if let Some(new) = entry.replaced_by() {
            // Either row may name the other.
            let successor = rows.iter().find(|row| row.key == new).unwrap();
            let short = name.rsplit('.').take(2).collect::<Vec<_>>();
            let said = row.says(&format!("replaced by {new}"))
                || successor.says(&format!("replaces {}.{}", short[1], short[0]));
            assert!(said, "{name} is replaced by {new}");
        }

        let excludes = |what: &[&str]| {
            entry
                .excludes()
                .iter()
                .any(|key| what.iter().any(|part| key.ends_with(part)))
        };
        let account = ["authenticationToken", "authenticationTokenSecretName"];
        let project = ["projectAuthentication", "projectAuthenticationSecretName"];
        if row.says("excludes all project values") && !name.ends_with("Key") {
            assert!(excludes(&project), "{name}");
        }
        assert_eq!(row.says("the account token values"), excludes(&account), "{name}");
        assert_eq!(
            row.says("excludes projectAuthentication and"),
            name.ends_with("SecretName") && excludes(&["projectAuthentication"]) && excludes(&account),
            "{name}"
        );
        assert_eq!(row.says("excludes"), !entry.excludes().is_empty(), "{name}");

        for loser in ["insecure", "grpcWeb"] {
            let outranks = row.says(&format!("outranks {loser}"));
            assert_eq!(
                entry.outranks().is_some_and(|key| key.ends_with(loser)),
                outranks,
                "{name}"
            );
        }
        assert_eq!(
            entry.needs(),
            row.says("needs metrics.enabled").then_some("metrics.enabled"),
            "{name}"
        );
        assert_eq!(
            entry.is_secret(),
            row.says("given inline") || row.says("project and token pairs"),
            "{name}"
        );
    }
}
