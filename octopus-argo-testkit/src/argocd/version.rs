//! Which Argo CD is simulated.

/// A version of Argo CD whose behaviour the simulator takes on.
///
/// What differs so far: the version text, which protocols TLS offers, whether pod logs need a right of their own, and
/// whether the filter of pod logs looks at case.
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

    /// The protocols that the server offers in TLS, its favourite first.
    ///
    /// Rule: Argo CD `server/server.go` (`Run`, `NextProtos`): none up to 2.13; since then the answer to a client that
    /// offers both is `http/1.1`.
    #[cfg(feature = "tls")]
    pub(super) const fn alpn(self) -> &'static [&'static [u8]] {
        match self {
            Self::V2_8 => &[],
            Self::V2_14 | Self::V3_0 | Self::V3_5 => &[b"http/1.1", b"h2"],
        }
    }

    pub(super) fn is_3_or_later(self) -> bool {
        self >= Self::V3_0
    }
}
