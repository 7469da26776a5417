//! What kind of step a deployment runs on the sources in scope.

use std::fmt;

use serde::{Serialize, Serializer};

/// A step of a deployment. The steps agree on which sources are in scope, and differ in what happens to them.
///
/// ```
/// use octopus_argo_core::scope::Step;
///
/// assert_eq!(Step::IMAGE_TAGS.to_string(), "image-tags");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Update Argo CD application image tags.
    ImageTags(HelmPaths),
    /// Update Argo CD application manifests.
    Manifests,
}

/// Where the image-tags step learns which Helm values hold images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HelmPaths {
    /// From the `argo.octopus.com/image-replace-paths` annotations.
    #[default]
    Annotations,
    /// From the step: at least one of its images has a Helm value path. Then the annotations are not used at all.
    Step,
}

impl Step {
    /// The image-tags step without Helm value paths of its own.
    pub const IMAGE_TAGS: Self = Self::ImageTags(HelmPaths::Annotations);

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImageTags(_) => "image-tags",
            Self::Manifests => "manifests",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
