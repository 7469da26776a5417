//! How messages are written.

use super::ArgoCdVersion;

/// Whether empty texts, numbers, flags and structs of applications, clusters and projects are on the wire.
///
/// Real Argo CD writes them all, as [`Presence::Always`] does: a client sees `Some("")` for what is not set, and a
/// `source` full of empty texts beside `sources`. Messages of the packages that are proto3 (versions, sessions, settings)
/// leave empty values out whatever is set here.
///
/// Rule: Argo CD `pkg/apis/application/v1alpha1/generated.pb.go` (`MarshalToSizedBuffer`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Presence {
    /// As Argo CD writes them. The default.
    #[default]
    Always,
    /// What is empty is left out, as another writer of the same messages would do. A client must read both alike.
    OmitEmpty,
}

/// What the bytes of an object depend on besides the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) version: ArgoCdVersion,
    pub(super) presence: Presence,
    /// Where health of resources is, for objects that do not say.
    pub(super) health_in_tree: bool,
}
