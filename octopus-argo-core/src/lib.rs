//! Which Octopus project, environment and tenant an Argo CD application belongs to, and how healthy it is.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod open_enum;

mod slug;
pub use slug::{EnvironmentSlug, ProjectSlug, SlugError, SpaceId, TenantSlug, same_slug};

mod name;
pub use name::{ApplicationName, DEFAULT_NAMESPACE, Uid, UidError};

pub mod annotation;

mod application;
pub use application::{
    Annotations, Application, ApplicationSet, Condition, Destination, Helm, Operation, Source, SourceName,
    SourceType, Sources, Status,
};

pub mod read;

pub mod health;
