//! What the two databases have in common, as far as the store needs it.

use async_trait::async_trait;
use sqlx::migrate::{Migration, MigrationSource, MigrationType};

/// A value on its way to a database or from it. A missing one has a type too, because Postgres asks for it.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<Option<[u8; 32]>> for Value {
    fn from(bytes: Option<[u8; 32]>) -> Self {
        Self::Bytes(bytes.map(Vec::from))
    }
}

/// A row that was read. Each column is taken once, in any order.
pub(super) struct Row(pub(super) Vec<Value>);

/// A column does not hold what this version wrote. Somebody else did, or the file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database holds something unexpected: {0}")]
pub(super) struct Unexpected(pub(super) &'static str);

impl Row {
    fn take(&mut self, column: usize) -> Result<Value, Unexpected> {
        let value = self.0.get_mut(column).ok_or(Unexpected("too few columns"))?;
        Ok(std::mem::replace(value, Value::Number(None)))
    }

    pub(super) fn maybe_number(&mut self, column: usize) -> Result<Option<i64>, Unexpected> {
        match self.take(column)? {
            Value::Number(number) => Ok(number),
            Value::Text(None) | Value::Bytes(None) => Ok(None),
            _ => Err(Unexpected("no number")),
        }
    }

    pub(super) fn maybe_text(&mut self, column: usize) -> Result<Option<String>, Unexpected> {
        match self.take(column)? {
            Value::Text(text) => Ok(text),
            Value::Number(None) | Value::Bytes(None) => Ok(None),
            _ => Err(Unexpected("no text")),
        }
    }

    pub(super) fn maybe_hash(&mut self, column: usize) -> Result<Option<[u8; 32]>, Unexpected> {
        match self.take(column)? {
            Value::Bytes(Some(bytes)) => Ok(Some(bytes.try_into().map_err(|_| Unexpected("no hash"))?)),
            Value::Bytes(None) | Value::Number(None) | Value::Text(None) => Ok(None),
            _ => Err(Unexpected("no hash")),
        }
    }

    pub(super) fn number(&mut self, column: usize) -> Result<i64, Unexpected> {
        self.maybe_number(column)?.ok_or(Unexpected("no number"))
    }

    pub(super) fn text(&mut self, column: usize) -> Result<String, Unexpected> {
        self.maybe_text(column)?.ok_or(Unexpected("no text"))
    }
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// To read one state of the database.
    Read,
    /// To change it.
    Write,
}

/// A database.
#[async_trait]
pub(super) trait Engine: Send + Sync + 'static {
    /// Begins a transaction. Dropped, it is as if it had not been.
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction>, sqlx::Error>;
}

/// A transaction. Values stand for `$1` and so on.
#[async_trait]
pub(super) trait Transaction: Send {
    /// Changes something, and gives how many rows were.
    async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, sqlx::Error>;

    /// Reads, or changes and reads.
    async fn rows(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, sqlx::Error>;

    /// Keeps it all.
    async fn commit(self: Box<Self>) -> Result<(), sqlx::Error>;
}

/// The same words for each database, since `sqlx` has no type that spans them.
macro_rules! transaction {
    ($database:ty, $arguments:ty, $row:ty) => {
        #[async_trait::async_trait]
        impl $crate::store::sql::engine::Transaction for sqlx::Transaction<'static, $database> {
            async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, sqlx::Error> {
                let done = bound(sql, values).execute(&mut **self).await?;
                Ok(done.rows_affected())
            }

            async fn rows(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
                let rows = bound(sql, values).fetch_all(&mut **self).await?;
                rows.iter().map(row).collect()
            }

            async fn commit(self: Box<Self>) -> Result<(), sqlx::Error> {
                (*self).commit().await
            }
        }

        fn bound(
            sql: &'static str,
            values: Vec<Value>,
        ) -> sqlx::query::Query<'static, $database, $arguments> {
            let mut query = sqlx::query(sql);
            for value in values {
                query = match value {
                    Value::Number(number) => query.bind(number),
                    Value::Text(text) => query.bind(text),
                    Value::Bytes(bytes) => query.bind(bytes),
                };
            }
            query
        }

        fn row(row: &$row) -> Result<Row, sqlx::Error> {
            use sqlx::{Row as _, TypeInfo as _, ValueRef as _};

            let columns = 0..row.len();
            let values = columns.map(|column| {
                let raw = row.try_get_raw(column)?;
                Ok(match raw.type_info().name() {
                    _ if raw.is_null() => Value::Number(None),
                    "TEXT" => Value::Text(row.try_get(column)?),
                    "BLOB" | "BYTEA" => Value::Bytes(row.try_get(column)?),
                    _ => Value::Number(row.try_get(column)?),
                })
            });
            values.collect::<Result<_, _>>().map(Row)
        }
    };
}
pub(super) use transaction;

/// Migrations that are part of the program: their number, what they are about, and what they do.
#[derive(Debug)]
pub(super) struct Embedded(pub(super) &'static [(i64, &'static str, &'static str)]);

impl MigrationSource<'static> for Embedded {
    fn resolve(
        self,
    ) -> std::pin::Pin<
        Box<
            dyn Future<Output = Result<Vec<Migration>, Box<dyn std::error::Error + Send + Sync + 'static>>>
                + Send
                + 'static,
        >,
    > {
        let migrations = self.0.iter().map(|(version, about, sql)| {
            Migration::new(
                *version,
                (*about).into(),
                MigrationType::Simple,
                (*sql).into(),
                false,
            )
        });
        let migrations = migrations.collect();
        Box::pin(async move { Ok(migrations) })
    }
}
