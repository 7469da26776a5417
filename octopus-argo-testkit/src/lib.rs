//! Argo CD, networks and their failures, simulated in your test's own process.
//!
//! For those who embed the Octopus Argo SDK, and for the SDK's own tests: no cluster, no account and no network beyond
//! loopback is needed.
//!
//! | feature  | what it brings |
//! |----------|----------------|
//! | `argocd` | the module `argocd`: an Argo CD API server on a real socket; on by default |
//! | `tls`    | TLS for it, with a self-signed certificate as Argo CD makes one; brings rustls with ring |
//! | `relay`  | the module `relay`: a TCP relay that delays, throttles, stalls and cuts connections |
//!
//! To come: in-memory networks.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "argocd")]
pub mod argocd;

#[cfg(feature = "relay")]
pub mod relay;
