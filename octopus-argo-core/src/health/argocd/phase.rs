//! What the phase of an operation means.

use crate::health::OperationPhase;

/// Rule: Argo CD `gitops-engine/pkg/sync/common/types.go`. The four questions are Argo CD's own, oddities included.
impl OperationPhase {
    /// Whether the operation is over: Failed, Error or Succeeded.
    ///
    /// ```
    /// use octopus_argo_core::health::OperationPhase;
    ///
    /// // Could not be carried out at all: over, but neither failed nor successful.
    /// let phase = OperationPhase::Error;
    /// assert!(phase.is_completed() && !phase.is_failed() && !phase.is_successful());
    /// ```
    #[must_use]
    pub fn is_completed(&self) -> bool {
        matches!(self, Self::Failed | Self::Error | Self::Succeeded)
    }

    /// Whether the operation is running. One that is being stopped (Terminating) is not, nor is it completed.
    #[must_use]
    pub fn is_running(&self) -> bool {
        *self == Self::Running
    }

    /// Whether the operation ended well.
    #[must_use]
    pub fn is_successful(&self) -> bool {
        *self == Self::Succeeded
    }

    /// Whether the operation ran and something in it failed. Error is not that: then it could not be carried out.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        *self == Self::Failed
    }
}
