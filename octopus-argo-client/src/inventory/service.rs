//! The inventory as the server calls it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use octopus_argo_proto::inventory::uid_from_wire;
use octopus_argo_proto::v1::{self, change, inventory_server};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::ReusableBoxFuture;
use tonic::{Request, Response, Status, Streaming};

use super::table::{Listener, News, Table};

/// How many records one answer holds at most.
const BATCH: usize = 64;

/// The most records that a server may say it knows. A fleet of that size would not fit its memory.
const MOST_KNOWN: usize = 200_000;

/// How many calls of the inventory there may be at once. A server needs one, and a second while it comes back.
const MOST_CALLS: usize = 4;

pub(crate) struct InventoryService {
    table: Arc<Table>,
    calls: Arc<Semaphore>,
}

impl InventoryService {
    pub(crate) fn new(table: Arc<Table>) -> Self {
        Self {
            table,
            calls: Arc::new(Semaphore::new(MOST_CALLS)),
        }
    }
}

#[tonic::async_trait]
impl inventory_server::Inventory for InventoryService {
    type WatchStream = Changes;

    async fn watch(
        &self,
        request: Request<Streaming<v1::WatchRequest>>,
    ) -> Result<Response<Changes>, Status> {
        let Ok(permit) = self.calls.clone().try_acquire_owned() else {
            return Err(Status::resource_exhausted(
                "the inventory is being watched often enough",
            ));
        };
        let mut known = HashMap::new();
        let mut messages = request.into_inner();
        while let Some(message) = messages.message().await? {
            for record in message.known {
                let uid = uid_from_wire(&record.uid)
                    .map_err(|error| Status::invalid_argument(error.to_string()))?;
                known.insert(uid, record.digest);
            }
            if known.len() > MOST_KNOWN {
                return Err(Status::resource_exhausted(
                    "more known records than any fleet has",
                ));
            }
        }
        Ok(Response::new(Changes::new(
            self.table.clone(),
            Listener::knowing(known),
            permit,
        )))
    }
}

/// What changes, for one call.
pub(crate) struct Changes {
    next: ReusableBoxFuture<'static, (News, Listener)>,
    table: Arc<Table>,
    _permit: OwnedSemaphorePermit,
}

impl Changes {
    fn new(table: Arc<Table>, listener: Listener, permit: OwnedSemaphorePermit) -> Self {
        Self {
            next: ReusableBoxFuture::new(next(table.clone(), listener)),
            table,
            _permit: permit,
        }
    }
}

async fn next(table: Arc<Table>, mut listener: Listener) -> (News, Listener) {
    let mut changed = table.subscribe();
    loop {
        changed.mark_unchanged();
        let news = table.news(&mut listener, BATCH);
        if !news.is_empty() {
            return (news, listener);
        }
        // The table lives as long as this future holds it.
        if changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl tokio_stream::Stream for Changes {
    type Item = Result<v1::WatchResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (news, listener) = std::task::ready!(self.next.poll(cx));
        let table = self.table.clone();
        self.next.set(next(table, listener));
        Poll::Ready(Some(Ok(response(news))))
    }
}

fn response(news: News) -> v1::WatchResponse {
    let argo_cd = news.argo_cd.map(change::Change::ArgoCd);
    let removed = news
        .removed
        .into_iter()
        .map(|uid| change::Change::Removed(Bytes::copy_from_slice(uid.as_bytes())));
    let records = news
        .records
        .into_iter()
        .map(|record| change::Change::Upsert(Arc::unwrap_or_clone(record)));
    let complete = news.complete.map(|applications| {
        change::Change::SnapshotEnd(v1::SnapshotEnd {
            applications: applications as u64,
        })
    });
    let changes = argo_cd.into_iter().chain(removed).chain(records).chain(complete);
    v1::WatchResponse {
        changes: changes
            .map(|change| v1::Change { change: Some(change) })
            .collect(),
    }
}
