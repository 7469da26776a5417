//! Argo CD, networks and their failures, simulated in your test's own process.
//!
//! For those who embed the Octopus Argo SDK, and for the SDK's own tests: no cluster, no account and no network beyond
//! loopback is needed.
//!
//! | feature  | what it brings |
//! |----------|----------------|
//! | `argocd` | the module `argocd`: an Argo CD API server on a real socket; on by default |
//! | `tls`    | TLS for it, with a self-signed certificate as Argo CD makes one; brings rustls with ring |
//!
//! To come: in-memory and simulated networks, and a relay that delays, throttles and cuts connections.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "argocd")]
pub mod argocd;
