//! Which Argo CD is simulated.

/// A version of Argo CD whose behaviour the simulator takes on.
///
/// | what | 2.8 | 2.14 | 3.0 | 3.5 |
/// |------|-----|------|-----|-----|
/// | ALPN | none | `http/1.1`, `h2` | as 2.14 | as 2.14 |
/// | health of resources is kept | in the object | in the object | in the tree | in the tree |
/// | pod logs need `logs, get` | by a switch | by a switch | always | always |
/// | filter of pod logs | looks at case | looks at case | does not, unless `matchCase` | as 3.0 |
/// | `sourcePositions`, `revisions`, `sourceIndex`, `versionId` | ignored | read | read | read |
/// | `GetManifests` fills in | everything | `manifests` | `manifests` | `manifests` |
/// | a project that is missing | is not looked at | code 3 | code 3 | code 3 |
/// | `lastTransitionTime`, names of sources, hydrator, `shardsCount`, `installationID` | no | yes | yes | yes |
/// | `automated.enabled`, `tagPrefix`, `isAppOfApps`, source integrity | no | no | no | yes |
/// | events | empty values present | present | present | left out |
/// | configuration of clusters | credentials blanked | blanked | blanked | and how they are obtained left out |
/// | version of a cluster | `1.27` | `1.31` | `1.32` | `v1.34.1` |
/// | `resourceOverrides` without a token | yes | yes | yes | no |
/// | `CanI` about `P/<control plane's namespace>/A` | another object | another | another | `P/A` |
/// | tracking by default | label | label | annotation | annotation |
/// | JSON that changes something is `application/json` | or anything | exactly | exactly | exactly |
/// | another revision may need `override` | no | no | no | by a switch |
/// | an expired token is told | `token is expired` | as 2.8 | `token has invalid claims: …` | as 3.0 |
///
/// What changed between two of these is with the later one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ArgoCdVersion {
    /// 2.8: no ALPN.
    V2_8,
    /// 2.14: ALPN answers `http/1.1` before `h2`.
    V2_14,
    /// 3.0: pod logs always need the right `logs, get`.
    V3_0,
    /// 3.5.
    #[default]
    V3_5,
}

impl ArgoCdVersion {
    /// What `VersionService/Version` answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2_8 => "v2.8.0",
            Self::V2_14 => "v2.14.0",
            Self::V3_0 => "v3.0.0",
            Self::V3_5 => "v3.5.0",
        }
    }

    /// The version of Kubernetes that a cluster has, in the form of this version.
    ///
    /// Rule: with `v` and patch from 3.4 on.
    pub(super) const fn kubernetes(self) -> &'static str {
        match self {
            Self::V2_8 => "1.27",
            Self::V2_14 => "1.31",
            Self::V3_0 => "1.32",
            Self::V3_5 => "v1.34.1",
        }
    }

    pub(super) const fn is_3_or_later(self) -> bool {
        matches!(self, Self::V3_0 | Self::V3_5)
    }
}
