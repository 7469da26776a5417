//! Whether a server is to be trusted: the decision alone, without certificates.
//!
//! | [`Verification`] | accepted when | host name checked |
//! |---|---|---|
//! | `Plaintext` | always: there is no TLS | no |
//! | `HostName` | the chain is good **and** the host name matches | yes |
//! | `Compatible` | the chain is good, otherwise the thumbprint is equal | no |
//! | `Pinned` | a pin is equal; roots are never consulted | no |
//!
//! `Compatible` is what Octopus's own gateway does when it has a thumbprint and pinning is off. Any certificate of any
//! trusted authority passes then, whatever host it was made for: use it to match an existing set-up, not for a new one.
//!
//! Rule: OctopusDeploy/octopus-grpc `go/pkg/connection/dial.go` and `go/certificate/verification.go`.

/// How a server proves who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verification {
    /// No TLS, so no proof at all.
    Plaintext,
    /// A chain to a trusted root, for the host name that was dialled.
    #[default]
    HostName,
    /// A chain to a trusted root for any host name, or else an expected thumbprint.
    Compatible,
    /// An expected thumbprint or key, and nothing else.
    Pinned,
}

impl Verification {
    /// What the three settings of Octopus's gateway amount to.
    ///
    /// Plaintext switches everything off, and pinning means nothing without a thumbprint to pin.
    ///
    /// ```
    /// use octopus_argo_core::tls::{ExpectedThumbprint, Verification};
    ///
    /// let compatible = ExpectedThumbprint::Set { pinned: false };
    /// assert_eq!(Verification::from_settings(false, compatible), Verification::Compatible);
    /// assert_eq!(Verification::from_settings(true, compatible), Verification::Plaintext);
    /// ```
    #[must_use]
    pub fn from_settings(plaintext: bool, thumbprint: ExpectedThumbprint) -> Self {
        match thumbprint {
            _ if plaintext => Self::Plaintext,
            ExpectedThumbprint::Unset => Self::HostName,
            ExpectedThumbprint::Set { pinned: false } => Self::Compatible,
            ExpectedThumbprint::Set { pinned: true } => Self::Pinned,
        }
    }

    /// Whether the connection is encrypted at all.
    #[must_use]
    pub fn uses_tls(self) -> bool {
        self != Self::Plaintext
    }

    /// Whether the host name takes part in the decision.
    #[must_use]
    pub fn checks_host_name(self) -> bool {
        self == Self::HostName
    }

    /// Whether trusted roots take part in the decision.
    #[must_use]
    pub fn consults_roots(self) -> bool {
        matches!(self, Self::HostName | Self::Compatible)
    }

    /// Decides on what was found out about the server's certificate.
    ///
    /// ```
    /// use octopus_argo_core::tls::{DecidedBy, Facts, Verification};
    ///
    /// let facts = Facts::default().chain_trusted(true).host_name_matches(false);
    /// assert!(!Verification::HostName.decide(facts).accepted());
    ///
    /// let verdict = Verification::Compatible.decide(facts);
    /// assert!(verdict.accepted());
    /// assert_eq!(verdict.decided_by(), DecidedBy::Chain);
    /// ```
    #[must_use]
    pub fn decide(self, facts: Facts) -> Verdict {
        let (accepted, decided_by) = match self {
            Self::Plaintext => (true, DecidedBy::None),
            Self::HostName => (
                facts.chain_trusted && facts.host_name_matches,
                DecidedBy::ChainAndHostName,
            ),
            Self::Compatible if facts.chain_trusted => (true, DecidedBy::Chain),
            Self::Compatible | Self::Pinned => (facts.pin_matches, DecidedBy::Thumbprint),
        };
        Verdict { accepted, decided_by }
    }
}

/// Whether a thumbprint is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExpectedThumbprint {
    /// None is.
    #[default]
    Unset,
    /// One is.
    Set {
        /// Whether it is the only thing that counts.
        pinned: bool,
    },
}

/// What was found out about a server's certificate. Everything is false until said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    chain_trusted: bool,
    host_name_matches: bool,
    pin_matches: bool,
}

impl Facts {
    /// Whether the certificate has a valid chain to a trusted root at this time.
    #[must_use]
    pub fn chain_trusted(self, chain_trusted: bool) -> Self {
        Self {
            chain_trusted,
            ..self
        }
    }

    /// Whether the certificate is for the host that was dialled.
    #[must_use]
    pub fn host_name_matches(self, host_name_matches: bool) -> Self {
        Self {
            host_name_matches,
            ..self
        }
    }

    /// Whether one of the expected thumbprints or keys is this certificate's.
    #[must_use]
    pub fn pin_matches(self, pin_matches: bool) -> Self {
        Self { pin_matches, ..self }
    }
}

/// What [`Verification::decide`] decided, and on what grounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    accepted: bool,
    decided_by: DecidedBy,
}

impl Verdict {
    /// Whether to go on with the connection.
    #[must_use]
    pub fn accepted(self) -> bool {
        self.accepted
    }

    /// The fact that decided, either way.
    #[must_use]
    pub fn decided_by(self) -> DecidedBy {
        self.decided_by
    }
}

/// The fact that decided for or against a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecidedBy {
    /// Nothing was asked.
    None,
    /// The chain together with the host name.
    ChainAndHostName,
    /// The chain alone.
    Chain,
    /// A thumbprint or a pinned key.
    Thumbprint,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table, row by row: mode, chain, host name, thumbprint; accepted, decided by.
    #[test]
    fn decides_by_the_table() {
        use {DecidedBy as By, Verification as V};
        let rows = [
            (V::HostName, true, true, false, true, By::ChainAndHostName),
            (V::HostName, true, false, true, false, By::ChainAndHostName),
            (V::HostName, false, true, true, false, By::ChainAndHostName),
            (V::Compatible, false, false, true, true, By::Thumbprint),
            (V::Compatible, true, false, false, true, By::Chain),
            (V::Compatible, false, true, false, false, By::Thumbprint),
            (V::Pinned, true, true, false, false, By::Thumbprint),
            (V::Pinned, false, false, true, true, By::Thumbprint),
            (V::Plaintext, false, false, false, true, By::None),
        ];
        for (mode, chain, host, pin, accepted, by) in rows {
            let facts = Facts::default()
                .chain_trusted(chain)
                .host_name_matches(host)
                .pin_matches(pin);
            let verdict = mode.decide(facts);
            assert_eq!(
                (verdict.accepted(), verdict.decided_by()),
                (accepted, by),
                "{mode:?} {facts:?}"
            );
        }
    }

    #[test]
    fn settings_give_a_mode_and_plaintext_beats_all() {
        let modes = |plaintext| {
            [
                ExpectedThumbprint::Unset,
                ExpectedThumbprint::Set { pinned: false },
                ExpectedThumbprint::Set { pinned: true },
            ]
            .map(|thumbprint| Verification::from_settings(plaintext, thumbprint))
        };
        assert_eq!(
            modes(false),
            [
                Verification::HostName,
                Verification::Compatible,
                Verification::Pinned
            ]
        );
        assert_eq!(modes(true), [Verification::Plaintext; 3]);
    }
}
