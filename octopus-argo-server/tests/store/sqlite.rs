//! What is particular to a store in a file.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use octopus_argo_core::SpaceId;
use octopus_argo_server::{
    GatewayToken, InstanceQuery, InstanceStore as _, Overlap, Registration, Server, SqliteStore, StoreError,
};
use secrecy::ExposeSecret as _;
use tokio::task::JoinSet;

use crate::support::{Store, all, gateway, name, registered, registration, soon, token};

async fn open(path: &Path) -> Store {
    Arc::new(SqliteStore::open(path).await.unwrap())
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let closing = store.clone();
    let store: Store = Arc::new(store);
    let (instance, token) = registered(&store, "one", 1).await;
    closing.close().await;
    let closed = store.instances(&InstanceQuery::default()).await;
    assert!(matches!(closed, Err(StoreError::Backend { .. })), "{closed:?}");

    let store = open(&path).await;
    assert_eq!(all(&store).await, [instance]);
    assert!(crate::support::admits(&store, 1, &token).await);
}

#[tokio::test]
async fn what_is_no_database_is_said_so_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let notes = "not a database at all, but something that somebody wrote ".repeat(20);
    std::fs::write(&path, &notes).unwrap();
    let refused = SqliteStore::open(&path).await;
    assert!(matches!(refused, Err(StoreError::Backend { .. })), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), notes);
    let refused = SqliteStore::open(&folder.path().join("no such folder/test.db")).await;
    assert!(matches!(refused, Err(StoreError::Backend { .. })), "{refused:?}");
}

/// As two processes do: each store has connections and a line of writers of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_on_one_file_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let stores = [open(&path).await, open(&path).await];
    let mut tasks = JoinSet::new();
    for number in 0..20_u8 {
        let store = stores[usize::from(number % 2)].clone();
        tasks.spawn(async move {
            let shared = registration("the one", number);
            let shared = store.register(&shared, &token().hash()).await;
            let own = registration(&format!("name {number}"), 100 + number);
            store.register(&own, &token().hash()).await.unwrap();
            shared.is_ok()
        });
    }
    let won = soon(tasks.join_all()).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    for store in &stores {
        assert_eq!(all(store).await.len(), 21);
    }
}

/// Every byte that is on the disk, as a thief finds it while the server runs and after.
fn stolen(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    bytes
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[tokio::test]
async fn a_stolen_database_yields_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("test.db")).await.unwrap();
    let server = Server::new(Arc::new(store.clone()));
    let instances = server.instances();
    let mut tokens: Vec<GatewayToken> = Vec::new();
    for number in 0..20 {
        let registration = Registration::new(
            SpaceId::default(),
            name(&format!("to be found {number}")),
            gateway(number),
        );
        tokens.extend(instances.register(registration).await.unwrap().token);
    }
    tokens.push(instances.rotate(&gateway(0), Overlap::None).await.unwrap());
    let overlap = Overlap::For(std::time::Duration::from_secs(60));
    tokens.push(instances.rotate(&gateway(1), overlap).await.unwrap());
    instances.revoke(&gateway(2)).await.unwrap();
    assert_eq!(tokens.len(), 22);

    for time in ["while it runs", "after it was closed"] {
        let bytes = stolen(folder.path());
        // What is there to be found is found, so what is not found is not there.
        assert!(holds(&bytes, b"to be found 19"), "{time}");
        assert!(holds(&bytes, tokens[21].hash().as_bytes()), "{time}");
        for token in &tokens {
            let text = token.secret().expose_secret();
            assert!(!holds(&bytes, text.as_bytes()), "a token {time}");
            assert!(!holds(&bytes, text.to_uppercase().as_bytes()), "a token {time}");
            let raw: Vec<u8> = (0..32)
                .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            assert!(!holds(&bytes, &raw), "the bytes of a token {time}");
        }
        // A hash does not admit: neither as it is nor as text.
        let hash = tokens[21].hash();
        let mut hexadecimal = String::new();
        for byte in hash.as_bytes() {
            write!(hexadecimal, "{byte:02x}").unwrap();
        }
        let presented = octopus_argo_server::TokenHash::of(&hexadecimal.into());
        if time == "while it runs" {
            let now = std::time::SystemTime::now();
            assert!(!store.authenticate(&gateway(1), &presented, now).await.unwrap());
            assert!(store.authenticate(&gateway(1), &hash, now).await.unwrap());
            store.close().await;
        }
    }
}
