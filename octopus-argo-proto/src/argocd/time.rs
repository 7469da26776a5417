//! Kubernetes times, whose zero value is an empty message.

use super::k8s::meta::Time;

impl Time {
    /// The time this many seconds after 1970, in whole seconds, as servers write it.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self {
            seconds: Some(seconds),
            nanos: Some(0),
        }
    }

    /// Seconds since 1970, or `None` for the empty message, which means that no time is set. `nanos` is ignored, as
    /// every reader ignores it.
    ///
    /// Rule: Kubernetes `pkg/apis/meta/v1/time_proto.go`.
    ///
    /// ```
    /// use octopus_argo_proto::argocd::k8s::meta::Time;
    ///
    /// assert_eq!(Time::from_unix_seconds(1_700_000_000).unix_seconds(), Some(1_700_000_000));
    /// assert_eq!(Time::default().unix_seconds(), None);
    /// ```
    #[must_use]
    pub const fn unix_seconds(&self) -> Option<i64> {
        match (self.seconds, self.nanos) {
            (None, None) => None,
            (None, Some(_)) => Some(0),
            (seconds, _) => seconds,
        }
    }
}
