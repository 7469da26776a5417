//! The messages of Argo CD's gRPC API, and what they mean in the types of `octopus-argo-core`.
//!
//! One module a package, by the last part of its name; those of Kubernetes are in [`k8s`]. With the feature `tonic` the
//! packages with services also hold their clients and servers, for example
//! `application::application_service_client::ApplicationServiceClient`.
//!
//! [`Api`], also with that feature, makes typed calls of all of it, over any channel.
//!
//! # Presence
//! Types of [`v1alpha1`] and of Kubernetes are proto2, so that presence is exact. Argo CD writes every plain text,
//! number, flag and struct even when it is empty: read `Some("")` as unset. The requests of [`application`] are the
//! other way round: there a present empty text is a request of its own, so leave out what you do not mean. An empty
//! [`k8s::meta::Time`] is unset, not 1970: see [`k8s::meta::Time::unix_seconds`].
//!
//! Rule: the marshalers in Argo CD `pkg/apis/application/v1alpha1/generated.pb.go` and `pkg/apiclient/application`.

mod application_from_wire;
pub use application_from_wire::FromWireError;

mod detail_from_wire;

mod route;
pub use route::project_of_request;

mod list;
pub use list::{ListEnd, ListError, ListReader, Listed};

#[cfg(feature = "tonic")]
mod api;
#[cfg(feature = "tonic")]
pub use api::*;

mod time;

use crate::generated::argocd as packages;

#[doc(inline)]
pub use packages::{account, application, cluster, events, project, repository, session, version};

#[doc(inline)]
pub use packages::github::com::argoproj::argo_cd::{
    server::settings::oidc, v3::pkg::apis::application::v1alpha1,
};

/// The packages of Kubernetes that Argo CD's messages use, by the last part of their names.
pub mod k8s {
    use super::packages::k8s::io as packages;

    #[doc(inline)]
    pub use packages::{
        api::core::v1 as core,
        apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions,
        apimachinery::pkg::{apis::meta::v1 as meta, runtime, util::intstr},
    };
}
