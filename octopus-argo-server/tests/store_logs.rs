//! What a store in a file does is logged without tokens and without what is kept of them, at every level.
//!
//! In a process of its own, because a subscriber that hears the threads of the database too is one of the process.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use octopus_argo_core::SpaceId;
use octopus_argo_server::{
    GatewayId, InstanceStore as _, Overlap, Registration, Server, SqliteStore, TokenHash,
};
use secrecy::ExposeSecret as _;
use sqlx::Connection as _;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down everything that any crate tells.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Everything {
    fn note(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line<'_>)) {
        let mut text = self.0.lock().unwrap();
        write!(text, "\n{} {}", metadata.level(), metadata.target()).unwrap();
        record(&mut Line(&mut text));
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.note(span.metadata(), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.note(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn nothing_sensitive_is_logged() {
    let log = Everything::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let server = Server::new(store.clone());
    let instances = server.instances();
    let gateway: GatewayId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap();
    let registration = Registration::new(SpaceId::default(), "one".parse().unwrap(), gateway.clone());
    let enrolment = instances.register(registration.clone()).await.unwrap();
    let refused = instances.register(registration).await.unwrap_err();
    let tokens = [
        enrolment.token.clone().unwrap(),
        instances.rotate(&gateway, Overlap::None).await.unwrap(),
    ];
    for token in &tokens {
        store
            .authenticate(&gateway, &token.hash(), SystemTime::now())
            .await
            .unwrap();
    }
    instances.revoke(&gateway).await.unwrap();
    store.close().await;
    let closed = instances.revoke(&gateway).await.unwrap_err();
    // A control: what the database's crate logs is heard.
    let mut other = sqlx::SqliteConnection::connect(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    sqlx::query("SELECT 'heard'").execute(&mut other).await.unwrap();
    drop(other);

    let mut text = log.0.lock().unwrap().clone();
    assert!(text.contains("sqlx::query") && text.contains("heard"), "{text}");
    let shown = (
        &enrolment, &tokens, &refused, &closed, &store, &server, &instances,
    );
    write!(text, "{shown:?} {shown:#?} {refused} {closed}").unwrap();
    for token in &tokens {
        let secret = token.secret().expose_secret();
        assert!(!text.contains(secret), "a token");
        let hash = token.hash();
        let mut hexadecimal = String::new();
        for byte in hash.as_bytes() {
            write!(hexadecimal, "{byte:02x}").unwrap();
        }
        assert!(!text.to_lowercase().contains(&hexadecimal), "a hash");
        let numbers = format!("{:?}", hash.as_bytes());
        assert!(
            !text.contains(numbers.trim_matches(['[', ']'])),
            "a hash, as numbers"
        );
        assert_eq!(hash, TokenHash::of(token.secret()));
    }
}
