//! Versions of Argo CD, and which rule of health each one follows.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a version of Argo CD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a version such as 3.4 or v3.4.1+abc")]
#[non_exhaustive]
pub struct ArgoCdVersionError;

/// A version of Argo CD, as far as rules depend on it: `v3.4.1+abc`, `3.4.1-rc2`, `2.14`.
///
/// What follows `+` or `-` is dropped: a release candidate already follows the rules of its release. A missing patch
/// number counts as 0. The default is [`ArgoCdVersion::NEWEST`].
///
/// ```
/// use octopus_argo_core::health::argocd::{ArgoCdVersion, MissingRule};
///
/// let version: ArgoCdVersion = "v3.3.2+8c1e2b7".parse()?;
/// assert_eq!(version.to_string(), "3.3.2");
/// assert_eq!(version.rules().missing, MissingRule::EachCheckedKind);
/// # Ok::<(), octopus_argo_core::health::argocd::ArgoCdVersionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArgoCdVersion {
    major: u32,
    minor: u32,
    patch: u32,
}

impl ArgoCdVersion {
    /// The newest version whose rules are known here.
    pub const NEWEST: Self = Self::new(3, 6, 0);

    /// Puts the three numbers together.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// The rules of this version. Versions later than [`ArgoCdVersion::NEWEST`] get its rules.
    ///
    /// Rule: Argo CD's release tags from 2.9 to 3.5, its main branch, and its upgrade notes 2.14-3.0, 3.1-3.2, 3.3-3.4
    /// and 3.5-3.6.
    #[must_use]
    pub const fn rules(self) -> Rules {
        Rules {
            ignore_annotation: match () {
                () if self.is_at_least(3, 2) => IgnoreAnnotation::OnLive,
                () if self.is_at_least(2, 14) => IgnoreAnnotation::OnTarget,
                () => IgnoreAnnotation::None,
            },
            missing: if self.is_at_least(3, 4) {
                MissingRule::OnlyAllTogether
            } else {
                MissingRule::EachCheckedKind
            },
            health_in_application: !self.is_at_least(3, 0),
            hook_finalizer_exempt: self.is_at_least(3, 0),
            cron_job_check: self.is_at_least(3, 2),
            hpa_metric_failures: self.is_at_least(3, 5),
            causes_in_message: self.is_at_least(3, 6),
            job_suspended_message: self.is_at_least(3, 6),
            pod_ignore_restart_policy: self.is_at_least(3, 6),
        }
    }

    /// Whether the answer of `call` carries the health of single resources, wherever it is kept.
    ///
    /// Where it does not, ask for the resource tree too and use [`resource_health`](super::resource_health).
    ///
    /// Rule: Argo CD `server/application/application.go` by release tag.
    #[must_use]
    pub const fn answers_resource_health(self, call: ApiCall) -> bool {
        if self.rules().health_in_application {
            return true;
        }
        match call {
            ApiCall::Get | ApiCall::Watch | ApiCall::Change => true,
            ApiCall::GetWithRefresh => match (self.major, self.minor) {
                (3, 0) => self.patch >= 20,
                (3, 1) => self.patch >= 9,
                _ => true,
            },
            ApiCall::List => false,
        }
    }

    const fn is_at_least(self, major: u32, minor: u32) -> bool {
        self.major > major || (self.major == major && self.minor >= minor)
    }
}

impl Default for ArgoCdVersion {
    fn default() -> Self {
        Self::NEWEST
    }
}

impl fmt::Display for ArgoCdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for ArgoCdVersion {
    type Err = ArgoCdVersionError;

    fn from_str(text: &str) -> Result<Self, ArgoCdVersionError> {
        let text = text.trim();
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let numbers = text.split(['+', '-']).next().unwrap_or_default();
        let mut numbers = numbers.split('.').map(number);
        let version = Self {
            major: numbers.next().ok_or(ArgoCdVersionError)??,
            minor: numbers.next().ok_or(ArgoCdVersionError)??,
            patch: numbers.next().unwrap_or(Ok(0))?,
        };
        match numbers.next() {
            None => Ok(version),
            Some(_) => Err(ArgoCdVersionError),
        }
    }
}

/// Digits only: the standard library would take a sign too.
fn number(text: &str) -> Result<u32, ArgoCdVersionError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ArgoCdVersionError);
    }
    text.parse().map_err(|_| ArgoCdVersionError)
}

/// What changed between versions of Argo CD, each with the first version that does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a table of independent changes, each with a version of its own"
)]
pub struct Rules {
    /// Which object's annotation `argocd.argoproj.io/ignore-healthcheck` counts.
    pub ignore_annotation: IgnoreAnnotation,
    /// What a missing resource does to the application.
    pub missing: MissingRule,
    /// Up to 2.x: the health of single resources is kept in the application. Later: in the resource tree.
    pub health_in_application: bool,
    /// 3.0: an object kept from deletion by the finalizer of Argo CD's hooks is judged normally.
    pub hook_finalizer_exempt: bool,
    /// 3.2: a script judges `CronJob`; before, nothing does.
    pub cron_job_check: bool,
    /// 3.5: more metric failures degrade an autoscaler, and one anywhere in the list outranks what is well.
    pub hpa_metric_failures: bool,
    /// 3.6: `status.health.message` names the resources that caused the health.
    pub causes_in_message: bool,
    /// 3.6: a suspended job gives its message.
    pub job_suspended_message: bool,
    /// 3.6: the annotation `argocd.argoproj.io/ignore-restart-policy` is read on pods.
    pub pod_ignore_restart_policy: bool,
}

/// Which object's annotation `argocd.argoproj.io/ignore-healthcheck: "true"` takes a resource out of the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IgnoreAnnotation {
    /// None: it has no meaning before 2.14.
    None,
    /// The one in Git: 2.14 to 3.1.
    OnTarget,
    /// The one in the cluster: since 3.2.
    OnLive,
}

/// What a resource that Git has and the cluster does not have does to the health of its application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissingRule {
    /// Up to 3.3: it counts as Missing if its kind has a check in Argo CD's program or settings.
    EachCheckedKind,
    /// Since 3.4: only an application of which nothing is there is Missing.
    OnlyAllTogether,
}

/// Calls of Argo CD's API that answer with applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiCall {
    /// One application.
    Get,
    /// One application, compared anew.
    GetWithRefresh,
    /// A stream of changes.
    Watch,
    /// Update, sync or rollback.
    Change,
    /// Many applications.
    List,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ArgoCdVersion {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_argo_cd_reports() {
        assert_eq!(version("v3.4.1+abc"), ArgoCdVersion::new(3, 4, 1));
        assert_eq!(version(" 2.14 "), ArgoCdVersion::new(2, 14, 0));
        assert_eq!(version("3.6.0-rc1+deadbeef"), ArgoCdVersion::NEWEST);
        for odd in [
            "",
            "v",
            "3",
            "3.x",
            "3.4.1.2",
            "+3.4",
            "3.+4",
            "latest",
            "3.99999999999",
        ] {
            assert_eq!(odd.parse::<ArgoCdVersion>(), Err(ArgoCdVersionError), "{odd}");
        }
    }

    #[test]
    fn each_rule_begins_with_its_version() {
        assert_eq!(
            version("2.13.9").rules().ignore_annotation,
            IgnoreAnnotation::None
        );
        assert_eq!(
            version("2.14").rules().ignore_annotation,
            IgnoreAnnotation::OnTarget
        );
        assert_eq!(
            version("3.1.9").rules().ignore_annotation,
            IgnoreAnnotation::OnTarget
        );
        assert_eq!(version("3.2").rules().ignore_annotation, IgnoreAnnotation::OnLive);
        assert_eq!(version("3.3.99").rules().missing, MissingRule::EachCheckedKind);
        assert_eq!(version("3.4").rules().missing, MissingRule::OnlyAllTogether);
        assert_eq!(version("4.0").rules(), ArgoCdVersion::NEWEST.rules());
    }

    #[test]
    fn a_refresh_answers_resource_health_from_three_patches_on() {
        let refreshed = |text| version(text).answers_resource_health(ApiCall::GetWithRefresh);
        assert!(refreshed("2.14") && !refreshed("3.0.19") && refreshed("3.0.20"));
        assert!(!refreshed("3.1.8") && refreshed("3.1.9") && refreshed("3.2.0"));
        assert!(!version("3.2").answers_resource_health(ApiCall::List));
    }
}
