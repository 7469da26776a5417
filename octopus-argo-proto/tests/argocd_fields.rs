//! Whether the .proto files of Argo CD's API say what `vectors/argocd-fields.csv` says, field by field, both ways.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use protox::prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

/// Messages that have no field, and so no row.
const EMPTY: [&str; 3] = [
    "application.OperationTerminateResponse",
    "cluster.SettingsQuery",
    "session.GetUserInfoRequest",
];

#[test]
fn descriptors_and_rows_agree() {
    let pool = descriptors();
    let ours: BTreeSet<String> = messages(&pool)
        .flat_map(|message| message.fields().map(|field| row(&field)).collect::<Vec<_>>())
        .collect();
    let rows = rows();

    assert!(ours.len() > 700, "only {} fields were compiled", ours.len());
    assert!(rows.len() > 700, "only {} rows were read", rows.len());
    let missing: Vec<_> = rows.difference(&ours).collect();
    let extra: Vec<_> = ours.difference(&rows).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "only in the table: {missing:#?}\nonly in the .proto files: {extra:#?}"
    );
}

#[test]
fn messages_without_fields_exist_and_are_the_only_ones() {
    let pool = descriptors();
    let without_fields: BTreeSet<_> = messages(&pool)
        .filter(|message| message.fields().len() == 0)
        .map(|message| message.full_name().to_owned())
        .collect();
    assert_eq!(without_fields, EMPTY.map(str::to_owned).into());
}

/// Every method in scope, by the path that is on the wire.
#[test]
fn services_have_the_paths_of_the_api() {
    let pool = descriptors();
    let methods: Vec<_> = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect();
    assert_eq!(methods.len(), 24);
    let streaming: BTreeSet<_> = methods
        .iter()
        .filter(|method| method.is_server_streaming())
        .map(|method| format!("/{}/{}", method.parent_service().full_name(), method.name()))
        .collect();
    assert_eq!(
        streaming.into_iter().collect::<Vec<_>>(),
        [
            "/application.ApplicationService/PodLogs",
            "/application.ApplicationService/Watch",
            "/application.ApplicationService/WatchResourceTree",
        ]
    );
    assert!(methods.iter().all(|method| !method.is_client_streaming()));
    assert!(
        methods
            .iter()
            .any(|method| method.full_name() == "cluster.SettingsService.Get"),
        "the settings live in package cluster"
    );
}

/// A field as the table writes it.
fn row(field: &FieldDescriptor) -> String {
    let message = field.parent_message();
    let (label, kind) = match field.kind() {
        Kind::Message(entry) if field.is_map() => (
            "map",
            format!(
                "\"map<{},{}>\"",
                kind_name(&entry.map_entry_key_field().kind()),
                kind_name(&entry.map_entry_value_field().kind())
            ),
        ),
        kind => (
            match field.cardinality() {
                Cardinality::Optional => "optional",
                Cardinality::Required => "required",
                Cardinality::Repeated => "repeated",
            },
            kind_name(&kind),
        ),
    };
    let package = message.package_name();
    let name = message
        .full_name()
        .strip_prefix(package)
        .unwrap()
        .trim_start_matches('.');
    format!(
        "{package},{name},{},{},{label},{kind}",
        field.name(),
        field.number()
    )
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::String => "string".into(),
        Kind::Bytes => "bytes".into(),
        Kind::Bool => "bool".into(),
        Kind::Int32 => "int32".into(),
        Kind::Int64 => "int64".into(),
        Kind::Message(message) => message.full_name().to_owned(),
        other => panic!("the API in scope has no {other:?}"),
    }
}

fn messages(pool: &DescriptorPool) -> impl Iterator<Item = MessageDescriptor> + '_ {
    pool.all_messages()
        .filter(|message| !message.is_map_entry() && message.package_name() != "google.protobuf")
}

fn rows() -> BTreeSet<String> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/argocd-fields.csv");
    let text = fs::read_to_string(table).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("package,message,field,number,label,type"));
    lines.map(str::to_owned).collect()
}

fn descriptors() -> DescriptorPool {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut inputs = Vec::new();
    for folder in ["argocd", "argocd/k8s"] {
        let entries = fs::read_dir(proto.join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        inputs.extend(files.filter(|path| path.extension().is_some_and(|ending| ending == "proto")));
    }
    inputs.sort();
    let set = protox::compile(inputs.iter().map(PathBuf::as_path), [proto.as_path()]).unwrap();
    DescriptorPool::from_file_descriptor_set(set).unwrap()
}
