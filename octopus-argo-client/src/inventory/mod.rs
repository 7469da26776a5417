//! The applications of Argo CD, told to the server as they change.

mod feed;
mod service;
mod table;

pub(crate) use feed::feed;
pub(crate) use service::InventoryService;
pub(crate) use table::Table;
