//! Registration over REST, as an axum router to be mounted: the calls that Octopus's own tools make.
//!
//! | method and path | what it does |
//! |---|---|
//! | `POST /api/{space}/argocdgateways` | registers a gateway |
//! | `GET /api/{space}/argocdgateways/{id}` | reads a record |
//! | `POST /api/{space}/argocdgateways/{id}` | changes it |
//! | `DELETE /api/{space}/argocdgateways/{id}` | removes it, in this space only |
//! | `GET /api/{space}/argocdinstances/summaries` | lists, by `name` or `partialName` |
//! | `POST /api/{space}/tasks` | checks a gateway's health now (`ArgoCDGatewayHealthCheck`) |
//!
//! `/api/spaces/{space}/…` is the same. Callers show an API key (`X-Octopus-ApiKey`) or an access token
//! (`Authorization: Bearer`), and [`Access`] says who that is and what they may. It is asked before anything else, also
//! before the body is read. Whatever is refused is answered with Octopus's error body, and nothing is stored.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use octopus_argo_server::registration::{Grant, MemoryAccess, Registrar};
//! use octopus_argo_server::{MemoryStore, Server};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new(Arc::new(MemoryStore::default()));
//! let access = MemoryAccess::default();
//! access.grant(&"API-EXAMPLE0123".parse()?, Grant::new("installer"));
//! let router: axum::Router = Registrar::new(&server, access).router();
//! # Ok(())
//! # }
//! ```
//!
//! Mount it on the web server that people use: tools expect it on port 443, often with HTTP/1. It also runs beside the
//! tunnel on one port, where clients that speak HTTP/2 reach it.
//!
//! Rule: OctopusDeploy/cli and the Octopus docs; what is ours is said where it is done.

mod access;
pub use access::{Access, Action, Caller, Denied, Grant, MemoryAccess, Presented};

mod answer;

mod convert;

mod directory;
pub use directory::{Directory, DirectoryError};

mod health;
pub use health::{HealthCheck, HealthCheckError, LinkCheck};

mod registrar;
pub use registrar::Registrar;

mod routes;
