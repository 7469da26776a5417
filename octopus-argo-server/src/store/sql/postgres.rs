//! A store in Postgres.

use std::fmt;
use std::str::FromStr as _;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::ConnectOptions as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow, Postgres};

use super::engine::{self, Access, Embedded, Engine, Row, Value};
use super::{SqlStore, delegate};
use crate::store::StoreError;

/// A store in Postgres, for when one machine is not enough. Several servers may share one.
///
/// Its tables are `spaces`, `gateways` and `instances`, and `_sqlx_migrations`, in the first schema of the search path.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use octopus_argo_server::{PostgresStore, Server};
///
/// let url = std::env::var("DATABASE_URL")?;
/// let store = PostgresStore::connect(&url.into()).await?;
/// let server = Server::new(Arc::new(store));
/// # let _ = server;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore(SqlStore<Pool>);

const MIGRATIONS: Embedded = Embedded(&[(
    1,
    "instances",
    include_str!("migrations/postgres/0001_instances.sql"),
)]);

/// How many connections there are at most. A query takes about a millisecond, so that is some thousands a second.
const CONNECTIONS: u32 = 8;

impl PostgresStore {
    /// Connects with a URL such as `postgres://user:password@host/database?sslmode=verify-full`, by up to 8 connections,
    /// and brings the tables up to date.
    ///
    /// Without `sslmode` TLS is used only where the server offers it, and the server is not checked: over a network ask
    /// for `verify-full`. What the URL leaves out comes from the usual `PG…` variables and `.pgpass`.
    ///
    /// # Errors
    /// [`StoreError::Backend`]: the URL cannot be read, the database does not answer or does not let in, or its tables
    /// were written by a later version. The password is in none of them.
    pub async fn connect(url: &SecretString) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url.expose_secret())
            .map_err(StoreError::backend)?
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(options)
            .await
            .map_err(StoreError::backend)?;
        let migrator = Migrator::new(MIGRATIONS).await.map_err(StoreError::backend)?;
        migrator.run(&pool).await.map_err(StoreError::backend)?;
        Ok(Self(SqlStore::new(Pool(pool))))
    }

    /// Closes the connections, after what goes on has ended. Whatever comes later fails.
    ///
    /// # Cancel safety
    /// Safe: it goes on closing by itself.
    pub async fn close(&self) {
        self.0.engine().0.close().await;
    }
}

struct Pool(PgPool);

#[async_trait]
impl Engine for Pool {
    async fn begin(&self, access: Access) -> Result<Box<dyn engine::Transaction>, sqlx::Error> {
        let begin = match access {
            // Two queries see one state.
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            // Every operation locks its rows first, and has to see what those before it left.
            Access::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        Ok(Box::new(self.0.begin_with(begin).await?))
    }
}

engine::transaction!(Postgres, PgArguments, PgRow);
delegate!(PostgresStore);

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresStore")
    }
}
