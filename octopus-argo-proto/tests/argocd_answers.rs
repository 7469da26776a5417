//! No bytes of an Argo CD make decoding or conversion panic; what it could send is read alike whole and in pieces. The fuzz
//! target of the same name goes on where this ends.
#![cfg(all(feature = "argocd", feature = "tonic"))]
#![allow(
    clippy::unwrap_used,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

use octopus_argo_core::Application;
use octopus_argo_core::health::argocd::{Detail, ResourceTree};
use octopus_argo_proto::argocd::k8s::meta::{ObjectMeta, Time};
use octopus_argo_proto::argocd::{Call, Fetched, ListReader, Listed, ManagedState, application, v1alpha1};
use octopus_argo_proto::prost::Message;
use proptest::prelude::*;

/// Bytes that often are a message: fields of small numbers, some with texts or messages in them.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..12),
        "[a-zA-Z0-9/:-]{0,12}".prop_map(String::into_bytes),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        proptest::collection::vec((1_u8..16, 0_u8..3, inner), 0..6).prop_map(|fields| {
            let mut bytes = Vec::new();
            for (number, kind, value) in fields {
                if kind == 0 {
                    bytes.extend([number << 3, value.first().copied().unwrap_or(0) & 0x7f]);
                } else {
                    let value = value.get(..value.len().min(100)).unwrap_or_default();
                    bytes.extend([number << 3 | 2, u8::try_from(value.len()).unwrap()]);
                    bytes.extend(value);
                }
            }
            bytes
        })
    })
}

fn convert(bytes: &[u8]) {
    if let Ok(wire) = v1alpha1::Application::decode(bytes) {
        let detail = Detail::from(&wire);
        let _ = (
            detail.is_operating(),
            detail.is_unsettled(),
            detail.resource_health(&[]),
        );
        assert_eq!(
            Fetched::try_from(&wire).is_ok(),
            Application::try_from(&wire).is_ok()
        );
    }
    if let Ok(wire) = v1alpha1::ApplicationTree::decode(bytes) {
        let tree = ResourceTree::from(&wire);
        for node in &tree.nodes {
            let _ = tree.children(&node.key()).count();
        }
    }
    if let Ok(wire) = application::ManagedResourcesResponse::decode(bytes) {
        let _: Vec<_> = wire.items.into_iter().map(ManagedState::from).collect();
    }
}

fn read(bytes: &[u8], piece: usize) -> Vec<String> {
    let mut reader = ListReader::default();
    let mut all = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.feed(piece);
        loop {
            match reader.read() {
                Ok(Some(listed)) => all.push(format!("{listed:?}")),
                Ok(None) => break,
                Err(_) => return all,
            }
        }
    }
    all
}

proptest! {
    #[test]
    fn nothing_panics(bytes in prop_oneof![message(), proptest::collection::vec(any::<u8>(), 0..300)]) {
        convert(&bytes);
        prop_assert_eq!(read(&bytes, bytes.len().max(1)), read(&bytes, 1));
    }

    /// The list reader gives what prost and the conversion give.
    #[test]
    fn a_list_is_read_as_prost_reads_it(
        items in proptest::collection::vec(("[a-z]{0,6}", any::<u16>(), proptest::option::of(any::<i64>()), ".{0,6}"), 0..6),
        piece in 1_usize..40,
    ) {
        let item = |(name, version, deleted, text): (String, u16, Option<i64>, String)| v1alpha1::Application {
            metadata: Some(ObjectMeta {
                name: Some(name),
                resource_version: Some(version.to_string()),
                deletion_timestamp: deleted.map(Time::from_unix_seconds),
                labels: [(text.clone(), text.clone())].into(),
                ..ObjectMeta::default()
            }),
            spec: Some(v1alpha1::ApplicationSpec {
                project: Some(text),
                ..v1alpha1::ApplicationSpec::default()
            }),
            ..v1alpha1::Application::default()
        };
        let list = v1alpha1::ApplicationList { metadata: None, items: items.into_iter().map(item).collect() };
        let expected: Vec<_> = list.items.iter().map(|wire| format!("{:?}", Listed::try_from(wire))).collect();
        prop_assert_eq!(read(&list.encode_to_vec(), piece), expected);
    }
}

/// Each call has the path of a method that the .proto files declare, and each method has a call.
#[test]
fn calls_have_the_paths_of_the_services() {
    use protox::prost_reflect::DescriptorPool;
    use std::collections::BTreeSet;
    use std::path::Path;

    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let inputs: Vec<_> = [
        "account",
        "application",
        "cluster",
        "project",
        "session",
        "version",
    ]
    .map(|file| proto.join(format!("argocd/{file}.proto")))
    .into();
    let set = protox::compile(&inputs, [&proto]).unwrap();
    let pool = DescriptorPool::from_file_descriptor_set(set).unwrap();
    let declared: BTreeSet<String> = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| format!("/{}/{}", method.parent_service().full_name(), method.name()))
        .collect();
    let called: BTreeSet<String> = Call::ALL.iter().map(|call| call.path().to_owned()).collect();
    assert_eq!(called, declared);
}
