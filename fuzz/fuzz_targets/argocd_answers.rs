//! No answer of an Argo CD makes decoding or conversion panic, and a list is read alike however it comes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use octopus_argo_core::health::argocd::{Detail, ResourceTree};
use octopus_argo_proto::argocd::{
    Fetched, ListReader, Listed, ManagedState, application, events, project_of_request, v1alpha1,
};
use octopus_argo_proto::prost::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(wire) = v1alpha1::Application::decode(bytes) {
        let detail = Detail::from(&wire);
        let _ = (
            detail.is_operating(),
            detail.is_unsettled(),
            detail.resource_health(&[]),
        );
        let fetched = Fetched::try_from(&wire);
        assert_eq!(fetched.is_ok(), Listed::try_from(&wire).is_ok());
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
    let _ = application::LogEntry::decode(bytes);
    let _ = events::EventList::decode(bytes);
    let _ = project_of_request("/application.ApplicationService/List", bytes);

    let at_once = read(bytes, bytes.len().max(1));
    assert_eq!(at_once, read(bytes, 1), "it does not matter how the bytes come");
});

/// What was read before the end or the error, which may name an application later when it comes in pieces.
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
