//! Stores to test, and what they are filled with.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use octopus_argo_core::SpaceId;
use octopus_argo_server::{
    GatewayId, GatewayToken, Instance, InstanceId, InstanceName, InstanceQuery, InstanceStore, MemoryStore,
    Registration, Space,
};

pub(crate) type Store = Arc<dyn InstanceStore>;

/// Generous, because the machine may be busy.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let done = tokio::time::timeout(Duration::from_secs(120), future).await;
    done.expect("it takes for ever")
}

/// What is there for a test besides its store, and goes when it is over.
pub(crate) trait Kept {
    async fn end(self);
}

impl Kept for () {
    async fn end(self) {}
}

#[allow(clippy::unused_async, reason = "the others are")]
pub(crate) async fn memory() -> Option<(Store, ())> {
    Some((Arc::new(MemoryStore::default()), ()))
}

#[cfg(feature = "sqlite")]
pub(crate) async fn sqlite() -> Option<(Store, tempfile::TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let store = octopus_argo_server::SqliteStore::open(&folder.path().join("test.db"))
        .await
        .unwrap();
    Some((Arc::new(store), folder))
}

#[cfg(feature = "sqlite")]
impl Kept for tempfile::TempDir {
    async fn end(self) {
        self.close().unwrap();
    }
}

/// A schema of its own in the database that `DATABASE_URL` names; nothing where it names none.
#[cfg(feature = "postgres")]
pub(crate) async fn postgres() -> Option<(Store, Schema)> {
    use sqlx::Connection as _;

    let Ok(url) = std::env::var("DATABASE_URL") else {
        eprintln!("SKIPPED: DATABASE_URL is not set, so nothing was tested against Postgres");
        return None;
    };
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let name = format!("octopus_argo_test_{}", random());
    execute(&mut connection, format!("CREATE SCHEMA {name}")).await;
    let joint = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{joint}options[search_path]={name}");
    let store = octopus_argo_server::PostgresStore::connect(&url.into())
        .await
        .unwrap();
    let store = Arc::new(store);
    let schema = Schema {
        name,
        connection,
        store: store.clone(),
    };
    Some((store, schema))
}

#[cfg(feature = "postgres")]
pub(crate) struct Schema {
    name: String,
    connection: sqlx::PgConnection,
    store: Arc<octopus_argo_server::PostgresStore>,
}

#[cfg(feature = "postgres")]
impl Kept for Schema {
    async fn end(mut self) {
        self.store.close().await;
        let drop = format!("DROP SCHEMA {} CASCADE", self.name);
        execute(&mut self.connection, drop).await;
    }
}

#[cfg(feature = "postgres")]
async fn execute(connection: &mut sqlx::PgConnection, sql: String) {
    sqlx::raw_sql(&sql).execute(connection).await.unwrap();
}

/// A number that nobody else has.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

pub(crate) fn space(id: &str) -> SpaceId {
    id.parse().unwrap()
}

pub(crate) fn name(text: &str) -> InstanceName {
    text.parse().unwrap()
}

pub(crate) fn gateway(number: u8) -> GatewayId {
    format!("0f8fad5b-d9cb-469f-a165-7086772895{number:02x}")
        .parse()
        .unwrap()
}

pub(crate) fn id(number: i64) -> InstanceId {
    InstanceId::from_number(number).unwrap()
}

pub(crate) fn token() -> GatewayToken {
    GatewayToken::generate().unwrap()
}

/// A time that is none of the computer's, and has no more than milliseconds.
pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_800_000_000_123 + 1000 * seconds)
}

/// A registration in the default space.
pub(crate) fn registration(named: &str, number: u8) -> Registration {
    Registration::new(SpaceId::default(), name(named), gateway(number))
}

/// Registers, and gives the record and its gateway's token.
pub(crate) async fn registered(store: &Store, named: &str, number: u8) -> (Instance, GatewayToken) {
    let token = token();
    let registered = store
        .register(&registration(named, number), &token.hash())
        .await
        .unwrap();
    assert!(registered.token_issued);
    (registered.instance, token)
}

pub(crate) async fn add_space(store: &Store, id: &str) -> SpaceId {
    store.put_space(&Space::new(space(id), id)).await.unwrap();
    space(id)
}

pub(crate) async fn all(store: &Store) -> Vec<Instance> {
    store
        .instances(&InstanceQuery::default())
        .await
        .unwrap()
        .instances
}

/// Whether the token admits the gateway, at a time when no overlap is over.
pub(crate) async fn admits(store: &Store, number: u8, token: &GatewayToken) -> bool {
    admits_at(store, number, token, at(0)).await
}

pub(crate) async fn admits_at(store: &Store, number: u8, token: &GatewayToken, now: SystemTime) -> bool {
    store
        .authenticate(&gateway(number), &token.hash(), now)
        .await
        .unwrap()
}
