//! Git drift: whether what Octopus wrote is still there, at the commit that Argo CD looks at.
//!
//! A deployment records what it wrote as [`SourceFileChanges`]; [`Drift`] says which files to look at and what follows.

mod changes;
pub use changes::{FileHash, FileJsonPatch, SourceFileChanges};

#[cfg(feature = "json-patch")]
mod patch;

mod decision;
pub use decision::{Answer, Drift, Expected, Need};
