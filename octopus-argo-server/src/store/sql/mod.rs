//! The store in a database: its queries, written once for every engine.
//!
//! Postgres lets transactions run beside each other. So each that writes first locks what its decision rests on, by an
//! update that changes nothing: the space (its names), then the gateway (its credential and its records), in this order.
//! On SQLite a writing transaction is alone anyway.

mod engine;
mod record;

#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;

use std::sync::Arc;
use std::time::SystemTime;

use octopus_argo_core::SpaceId;

use self::engine::{Access, Engine, Row, Transaction, Unexpected, Value};
use self::record::{folded, list, millis, pattern};
use super::{
    Deleted, InstanceChange, InstancePage, InstanceQuery, Observation, Registered, Registration, StoreError,
    TokenChoice,
};
use crate::{
    EnvironmentId, GatewayFacts, GatewayId, Instance, InstanceId, InstanceName, Space, TenantId, TokenHash,
};

/// A store on some engine. Cheap to clone.
struct SqlStore<E>(Arc<E>);

impl<E> Clone for SqlStore<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::backend(error)
    }
}

impl From<Unexpected> for StoreError {
    fn from(error: Unexpected) -> Self {
        Self::backend(error)
    }
}

/// A record and what is known of its gateway, as [`record::instance`] reads it.
macro_rules! select_record {
    ($rest:literal) => {
        concat!(
            "SELECT CAST(CASE WHEN g.token_hash IS NULL THEN 0 ELSE 1 END AS BIGINT), g.gateway_version, \
             g.chart_version, g.release_name, g.namespace, g.argo_cd_version, g.last_seen, g.health, \
             g.health_checked, i.number, s.space_id, i.name, i.gateway_id, i.environments, i.tenants, i.web_ui \
             FROM instances i \
             JOIN spaces s ON s.space_key = i.space_key \
             JOIN gateways g ON g.gateway_id = i.gateway_id ",
            $rest
        )
    };
}

/// Which records a query asks for: `$1` to `$4`.
macro_rules! where_asked {
    ($start:expr, $rest:literal) => {
        concat!(
            $start,
            "WHERE ($1 IS NULL OR i.space_key = $1) AND ($2 IS NULL OR i.gateway_id = $2) \
             AND ($3 IS NULL OR i.name_key = $3) AND ($4 IS NULL OR i.name_key LIKE $4 ESCAPE '\\') ",
            $rest
        )
    };
}

const ONE: &str = select_record!("WHERE i.number = $1 AND i.space_key = $2");
const COUNT: &str = where_asked!("SELECT COUNT(*) FROM instances i ", "");
const PAGE: &str = where_asked!(select_record!(""), "ORDER BY i.number LIMIT $5 OFFSET $6");

impl<E: Engine> SqlStore<E> {
    fn new(engine: E) -> Self {
        Self(Arc::new(engine))
    }

    fn engine(&self) -> &E {
        &self.0
    }

    async fn begin(&self, access: Access) -> Result<Work, StoreError> {
        Ok(Work(self.0.begin(access).await?))
    }

    async fn authenticate(
        &self,
        gateway: &GatewayId,
        token: &TokenHash,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT token_hash, old_token_hash, old_token_until FROM gateways WHERE gateway_id = $1";
        let mut work = self.begin(Access::Read).await?;
        let row = work.row(sql, [gateway.as_str().into()]).await?;
        let (mut current, mut old) = (None, None);
        if let Some(mut row) = row {
            current = row.maybe_hash(0)?.map(TokenHash::from_bytes);
            let good = row.maybe_number(2)?.is_some_and(|until| millis(now) < until);
            old = row.maybe_hash(1)?.filter(|_| good).map(TokenHash::from_bytes);
        }
        Ok(token.is_any_of(current.iter().chain(&old)))
    }

    async fn register(
        &self,
        registration: &Registration,
        token: &TokenHash,
    ) -> Result<Registered, StoreError> {
        let mut work = self.begin(Access::Write).await?;
        let Registration {
            space,
            name,
            gateway,
            installation,
            ..
        } = registration;
        let space = work.lock_space(space).await?;
        work.check_name(&space, name, 0).await?;
        let sql = "SELECT number FROM instances WHERE gateway_id = $1 AND space_key = $2";
        let other = work
            .row(sql, [gateway.as_str().into(), folded(&space).into()])
            .await?;
        if other.is_some() {
            return Err(StoreError::duplicate_gateway(&space, gateway));
        }

        let (known, has_token) = work.add_gateway(gateway).await?;
        let token_issued = !has_token || registration.token == TokenChoice::Renew;
        if token_issued {
            work.set_token(gateway, Some(token), None).await?;
        }
        let sql = "UPDATE gateways SET gateway_version = COALESCE($2, gateway_version), \
                   chart_version = COALESCE($3, chart_version), release_name = COALESCE($4, release_name), \
                   namespace = COALESCE($5, namespace), argo_cd_version = COALESCE($6, argo_cd_version) \
                   WHERE gateway_id = $1";
        let installation = installation.clone();
        let values = [
            gateway.as_str().into(),
            installation.gateway_version.into(),
            installation.chart_version.into(),
            installation.release.into(),
            installation.namespace.into(),
            installation.argo_cd_version.into(),
        ];
        work.execute(sql, values).await?;

        let sql = "INSERT INTO instances (space_key, gateway_id, name, name_key, environments, tenants, web_ui) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING number";
        let values = [
            folded(&space).into(),
            gateway.as_str().into(),
            name.as_str().into(),
            name.folded().into(),
            list(registration.environments.iter().map(EnvironmentId::as_str)).into(),
            list(registration.tenants.iter().map(TenantId::as_str)).into(),
            registration.web_ui.as_ref().map(ToString::to_string).into(),
        ];
        let row = work.row(sql, values).await?;
        let number = row.ok_or(Unexpected("no number"))?.number(0)?;
        let id = InstanceId::from_number(number).ok_or(Unexpected("no number"))?;
        let instance = work.instance(&space, &id).await?;
        work.commit().await?;
        Ok(Registered::new(instance, token_issued, known))
    }

    async fn instance(&self, space: &SpaceId, id: &InstanceId) -> Result<Instance, StoreError> {
        let mut work = self.begin(Access::Read).await?;
        work.check_space(space).await?;
        work.instance(space, id).await
    }

    async fn instances(&self, query: &InstanceQuery) -> Result<InstancePage, StoreError> {
        let mut work = self.begin(Access::Read).await?;
        if let Some(space) = &query.space {
            work.check_space(space).await?;
        }
        let name = query.name.as_ref().map(|name| name.trim().to_lowercase());
        let part = query.name_contains.as_ref().map(|part| part.to_lowercase());
        let texts = [name.as_deref(), part.as_deref()];
        if !texts.into_iter().flatten().all(record::may_be_in_a_name) {
            return Ok(InstancePage::default());
        }
        let asked: [Value; 4] = [
            query.space.as_ref().map(folded).into(),
            query.gateway.as_ref().map(ToString::to_string).into(),
            name.into(),
            part.as_deref().map(pattern).into(),
        ];
        let count = work.row(COUNT, asked.clone()).await?;
        let total = count.ok_or(Unexpected("no count"))?.number(0)?;
        let take = query.take.map_or(i64::MAX, i64::from);
        let page = [take.into(), i64::from(query.skip).into()];
        let rows = work.rows(PAGE, asked.into_iter().chain(page)).await?;
        let instances = rows.into_iter().map(record::instance);
        Ok(InstancePage::new(
            instances.collect::<Result<_, _>>()?,
            u64::try_from(total).unwrap_or_default(),
        ))
    }

    async fn modify(
        &self,
        space: &SpaceId,
        id: &InstanceId,
        change: &InstanceChange,
    ) -> Result<Instance, StoreError> {
        let mut work = self.begin(Access::Write).await?;
        work.lock_space(space).await?;
        let mut instance = work.instance(space, id).await?;
        if let Some(name) = &change.name {
            work.check_name(space, name, id.number()).await?;
        }
        change.apply(&mut instance);
        let sql = "UPDATE instances SET name = $2, name_key = $3, environments = $4, tenants = $5, web_ui = $6 \
                   WHERE number = $1";
        let values = [
            id.number().into(),
            instance.name.as_str().into(),
            instance.name.folded().into(),
            list(instance.environments.iter().map(EnvironmentId::as_str)).into(),
            list(instance.tenants.iter().map(TenantId::as_str)).into(),
            instance.web_ui.as_ref().map(ToString::to_string).into(),
        ];
        work.execute(sql, values).await?;
        work.commit().await?;
        Ok(instance)
    }

    async fn delete(&self, space: &SpaceId, id: &InstanceId) -> Result<Deleted, StoreError> {
        let mut work = self.begin(Access::Write).await?;
        work.lock_space(space).await?;
        let gateway = work.instance(space, id).await?.gateway;
        work.lock_gateway(&gateway).await?;
        // Once more, since its gateway may have changed before it was locked.
        let instance = work.instance(space, id).await?;
        work.execute("DELETE FROM instances WHERE number = $1", [id.number().into()])
            .await?;
        let sql = "DELETE FROM gateways WHERE gateway_id = $1 \
                   AND NOT EXISTS (SELECT 1 FROM instances WHERE gateway_id = $1)";
        let was_last = work.execute(sql, [gateway.as_str().into()]).await? > 0;
        work.commit().await?;
        Ok(Deleted::new(instance, was_last))
    }

    async fn gateway(&self, gateway: &GatewayId) -> Result<GatewayFacts, StoreError> {
        let sql = "SELECT CAST(CASE WHEN token_hash IS NULL THEN 0 ELSE 1 END AS BIGINT), gateway_version, \
                   chart_version, release_name, namespace, argo_cd_version, last_seen, health, health_checked \
                   FROM gateways WHERE gateway_id = $1";
        let mut work = self.begin(Access::Read).await?;
        let row = work.row(sql, [gateway.as_str().into()]).await?;
        let mut row = row.ok_or_else(|| StoreError::unknown_gateway(gateway))?;
        Ok(record::facts(&mut row)?)
    }

    async fn rotate(
        &self,
        gateway: &GatewayId,
        token: &TokenHash,
        overlap: Option<SystemTime>,
    ) -> Result<(), StoreError> {
        let mut work = self.begin(Access::Write).await?;
        work.lock_gateway(gateway).await?;
        work.set_token(gateway, Some(token), overlap).await?;
        work.commit().await
    }

    async fn revoke(&self, gateway: &GatewayId) -> Result<(), StoreError> {
        let mut work = self.begin(Access::Write).await?;
        work.lock_gateway(gateway).await?;
        work.set_token(gateway, None, None).await?;
        work.commit().await
    }

    async fn observe(&self, observations: &[Observation]) -> Result<(), StoreError> {
        if observations.is_empty() {
            return Ok(());
        }
        let sql = "UPDATE gateways SET \
                   last_seen = CASE WHEN $2 > COALESCE(last_seen, -1) THEN $2 ELSE last_seen END, \
                   gateway_version = COALESCE($3, gateway_version), chart_version = COALESCE($4, chart_version), \
                   release_name = COALESCE($5, release_name), namespace = COALESCE($6, namespace), \
                   argo_cd_version = COALESCE($7, argo_cd_version), \
                   health = CASE WHEN $9 >= COALESCE(health_checked, -1) THEN $8 ELSE health END, \
                   health_checked = CASE WHEN $9 >= COALESCE(health_checked, -1) THEN $9 ELSE health_checked END \
                   WHERE gateway_id = $1";
        // In one order, so that two of these do not wait for each other.
        let mut sorted: Vec<&Observation> = observations.iter().collect();
        sorted.sort_by(|left, right| left.gateway.cmp(&right.gateway));
        let mut work = self.begin(Access::Write).await?;
        for observation in sorted {
            let at = millis(observation.at);
            let health = observation.health.as_ref();
            let installation = observation.installation.clone();
            let values = [
                observation.gateway.as_str().into(),
                observation.connected.then_some(at).into(),
                installation.gateway_version.into(),
                installation.chart_version.into(),
                installation.release.into(),
                installation.namespace.into(),
                installation.argo_cd_version.into(),
                health.map(ToString::to_string).into(),
                health.map(|_| at).into(),
            ];
            work.execute(sql, values).await?;
        }
        work.commit().await
    }

    async fn spaces(&self) -> Result<Vec<Space>, StoreError> {
        let mut work = self.begin(Access::Read).await?;
        let rows = work.rows("SELECT space_id, name FROM spaces", []).await?;
        let spaces = rows.into_iter().map(|mut row| {
            let id = row.text(0)?.parse().map_err(|_| Unexpected("no space"))?;
            Ok(Space::new(id, row.text(1)?))
        });
        let mut spaces = spaces.collect::<Result<Vec<_>, Unexpected>>()?;
        // Here, because databases differ in how they order texts.
        spaces.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(spaces)
    }

    async fn put_space(&self, space: &Space) -> Result<(), StoreError> {
        let sql = "INSERT INTO spaces (space_key, space_id, name) VALUES ($1, $2, $3) \
                   ON CONFLICT (space_key) DO UPDATE SET name = excluded.name";
        let values = [
            folded(&space.id).into(),
            space.id.as_str().into(),
            space.name.as_str().into(),
        ];
        let mut work = self.begin(Access::Write).await?;
        work.execute(sql, values).await?;
        work.commit().await
    }

    async fn remove_space(&self, space: &SpaceId) -> Result<(), StoreError> {
        let mut work = self.begin(Access::Write).await?;
        work.lock_space(space).await?;
        let sql = "DELETE FROM spaces WHERE space_key = $1 \
                   AND NOT EXISTS (SELECT 1 FROM instances WHERE space_key = $1)";
        if work.execute(sql, [folded(space).into()]).await? == 0 {
            return Err(StoreError::space_in_use(space));
        }
        work.commit().await
    }
}

/// A transaction, and the steps that several operations take in it.
struct Work(Box<dyn Transaction>);

impl Work {
    async fn execute(
        &mut self,
        sql: &'static str,
        values: impl IntoIterator<Item = Value> + Send,
    ) -> Result<u64, StoreError> {
        Ok(self.0.execute(sql, values.into_iter().collect()).await?)
    }

    async fn rows(
        &mut self,
        sql: &'static str,
        values: impl IntoIterator<Item = Value> + Send,
    ) -> Result<Vec<Row>, StoreError> {
        Ok(self.0.rows(sql, values.into_iter().collect()).await?)
    }

    async fn row(
        &mut self,
        sql: &'static str,
        values: impl IntoIterator<Item = Value> + Send,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }

    async fn check_space(&mut self, space: &SpaceId) -> Result<(), StoreError> {
        let sql = "SELECT space_id FROM spaces WHERE space_key = $1";
        let row = self.row(sql, [folded(space).into()]).await?;
        row.map(drop).ok_or_else(|| StoreError::unknown_space(space))
    }

    /// Holds up everybody else who would change what is in the space, and gives its id as it is written.
    async fn lock_space(&mut self, space: &SpaceId) -> Result<SpaceId, StoreError> {
        let sql = "UPDATE spaces SET name = name WHERE space_key = $1 RETURNING space_id";
        let row = self.row(sql, [folded(space).into()]).await?;
        let id = row.ok_or_else(|| StoreError::unknown_space(space))?.text(0)?;
        Ok(id.parse().map_err(|_| Unexpected("no space"))?)
    }

    /// Holds up everybody else who would change the gateway.
    async fn lock_gateway(&mut self, gateway: &GatewayId) -> Result<(), StoreError> {
        let sql = "UPDATE gateways SET gateway_id = gateway_id WHERE gateway_id = $1";
        match self.execute(sql, [gateway.as_str().into()]).await? {
            0 => Err(StoreError::unknown_gateway(gateway)),
            _ => Ok(()),
        }
    }

    /// No record of the space but the one with this number may have the name. The space is locked.
    async fn check_name(&mut self, space: &SpaceId, name: &InstanceName, but: i64) -> Result<(), StoreError> {
        let sql = "SELECT number FROM instances WHERE space_key = $1 AND name_key = $2 AND number <> $3";
        let values = [folded(space).into(), name.folded().into(), but.into()];
        match self.row(sql, values).await? {
            Some(_) => Err(StoreError::duplicate_name(space, name)),
            None => Ok(()),
        }
    }

    /// Makes a gateway known and locks it. Gives whether it was known before, and whether it has a token.
    async fn add_gateway(&mut self, gateway: &GatewayId) -> Result<(bool, bool), StoreError> {
        let add = "INSERT INTO gateways (gateway_id) VALUES ($1) ON CONFLICT (gateway_id) DO NOTHING";
        let lock = "UPDATE gateways SET gateway_id = gateway_id WHERE gateway_id = $1 RETURNING token_hash";
        // Again where it was known, and its last record was deleted before it was locked.
        for _ in 0..ATTEMPTS {
            let added = self.execute(add, [gateway.as_str().into()]).await? > 0;
            if let Some(mut row) = self.row(lock, [gateway.as_str().into()]).await? {
                return Ok((!added, row.maybe_hash(0)?.is_some()));
            }
        }
        Err(Unexpected("a gateway that comes and goes").into())
    }

    /// Makes a token the gateway's. The one before is good until `overlap`, if there is one. The gateway is locked.
    async fn set_token(
        &mut self,
        gateway: &GatewayId,
        token: Option<&TokenHash>,
        overlap: Option<SystemTime>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE gateways SET \
                   old_token_hash = CASE WHEN $3 IS NULL THEN NULL ELSE token_hash END, \
                   old_token_until = CASE WHEN token_hash IS NULL THEN NULL ELSE $3 END, \
                   token_hash = $2 WHERE gateway_id = $1";
        let values = [
            gateway.as_str().into(),
            token.map(|token| *token.as_bytes()).into(),
            overlap.map(millis).into(),
        ];
        self.execute(sql, values).await.map(drop)
    }

    async fn instance(&mut self, space: &SpaceId, id: &InstanceId) -> Result<Instance, StoreError> {
        let row = self.row(ONE, [id.number().into(), folded(space).into()]).await?;
        let row = row.ok_or_else(|| StoreError::unknown_instance(space, id))?;
        Ok(record::instance(row)?)
    }
}

/// How often a gateway may vanish between two statements before something else must be wrong.
const ATTEMPTS: usize = 10;

/// Makes a type that holds a [`SqlStore`] a store.
macro_rules! delegate {
    ($store:ty) => {
        #[async_trait::async_trait]
        impl $crate::InstanceStore for $store {
            async fn authenticate(
                &self,
                gateway: &$crate::GatewayId,
                token: &$crate::TokenHash,
                now: std::time::SystemTime,
            ) -> Result<bool, StoreError> {
                self.0.authenticate(gateway, token, now).await
            }

            async fn register(
                &self,
                registration: &$crate::Registration,
                token: &$crate::TokenHash,
            ) -> Result<$crate::Registered, StoreError> {
                self.0.register(registration, token).await
            }

            async fn instance(
                &self,
                space: &octopus_argo_core::SpaceId,
                id: &$crate::InstanceId,
            ) -> Result<$crate::Instance, StoreError> {
                self.0.instance(space, id).await
            }

            async fn instances(
                &self,
                query: &$crate::InstanceQuery,
            ) -> Result<$crate::InstancePage, StoreError> {
                self.0.instances(query).await
            }

            async fn modify(
                &self,
                space: &octopus_argo_core::SpaceId,
                id: &$crate::InstanceId,
                change: &$crate::InstanceChange,
            ) -> Result<$crate::Instance, StoreError> {
                self.0.modify(space, id, change).await
            }

            async fn delete(
                &self,
                space: &octopus_argo_core::SpaceId,
                id: &$crate::InstanceId,
            ) -> Result<$crate::Deleted, StoreError> {
                self.0.delete(space, id).await
            }

            async fn gateway(&self, gateway: &$crate::GatewayId) -> Result<$crate::GatewayFacts, StoreError> {
                self.0.gateway(gateway).await
            }

            async fn rotate(
                &self,
                gateway: &$crate::GatewayId,
                token: &$crate::TokenHash,
                overlap: Option<std::time::SystemTime>,
            ) -> Result<(), StoreError> {
                self.0.rotate(gateway, token, overlap).await
            }

            async fn revoke(&self, gateway: &$crate::GatewayId) -> Result<(), StoreError> {
                self.0.revoke(gateway).await
            }

            async fn observe(&self, observations: &[$crate::Observation]) -> Result<(), StoreError> {
                self.0.observe(observations).await
            }

            async fn spaces(&self) -> Result<Vec<$crate::Space>, StoreError> {
                self.0.spaces().await
            }

            async fn put_space(&self, space: &$crate::Space) -> Result<(), StoreError> {
                self.0.put_space(space).await
            }

            async fn remove_space(&self, space: &octopus_argo_core::SpaceId) -> Result<(), StoreError> {
                self.0.remove_space(space).await
            }
        }
    };
}
use delegate;
