//! A store in a file.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::ConnectOptions as _;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    Sqlite, SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};

use super::engine::{self, Access, Embedded, Engine, Row, Value};
use super::{SqlStore, delegate};
use crate::store::StoreError;

/// A store in an SQLite file: what a server on one machine needs, with nothing to install.
///
/// Writes go one after another, each in a transaction that has the file's lock from its beginning, and are on the disk
/// when they return; reads go beside them (WAL). Other processes may use the file at the same time: whoever finds it
/// locked waits up to 10 s. The file does not belong on a network drive, whose locks SQLite does not trust.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use octopus_argo_server::{Server, SqliteStore};
///
/// let store = SqliteStore::open(Path::new("octopus-argo.db")).await?;
/// let server = Server::new(Arc::new(store));
/// # let _ = server;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore(SqlStore<Pools>);

const MIGRATIONS: Embedded = Embedded(&[(
    1,
    "instances",
    include_str!("migrations/sqlite/0001_instances.sql"),
)]);

/// How long a writer waits for one in another process. Writes take milliseconds; what takes longer is stuck.
const BUSY: Duration = Duration::from_secs(10);

/// How many read at once. Each is a thread, and a read takes well under a millisecond.
const READERS: u32 = 4;

impl SqliteStore {
    /// Opens a file, makes it if it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError::Backend`]: the file cannot be opened, is no database, or was written by a later version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Only this has a write that was acknowledged survive the loss of power, too.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        // One writer waits in line here, which is fair, and not at the file's lock, which is not.
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let writer = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(StoreError::backend)?;
        let migrator = Migrator::new(MIGRATIONS).await.map_err(StoreError::backend)?;
        migrator.run(&writer).await.map_err(StoreError::backend)?;
        let readers = pool(READERS).connect_lazy_with(options);
        Ok(Self(SqlStore::new(Pools { writer, readers })))
    }

    /// Closes the file, after what goes on has ended. Whatever comes later fails.
    ///
    /// # Cancel safety
    /// Safe: it goes on closing by itself.
    pub async fn close(&self) {
        let Pools { writer, readers } = self.0.engine();
        readers.close().await;
        writer.close().await;
    }
}

struct Pools {
    writer: SqlitePool,
    readers: SqlitePool,
}

#[async_trait]
impl Engine for Pools {
    async fn begin(&self, access: Access) -> Result<Box<dyn engine::Transaction>, sqlx::Error> {
        let transaction = match access {
            Access::Read => self.readers.begin().await?,
            // Takes the lock at once: a transaction that reads first and writes then fails where another wrote between.
            Access::Write => self.writer.begin_with("BEGIN IMMEDIATE").await?,
        };
        Ok(Box::new(transaction))
    }
}

engine::transaction!(Sqlite, SqliteArguments<'static>, SqliteRow);
delegate!(SqliteStore);

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteStore")
    }
}
