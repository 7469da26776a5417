//! What the annotations of a manifest say to Argo CD's folds.

use super::words::HookType;

/// The annotation that makes a manifest a hook of Argo CD.
pub const HOOK: &str = "argocd.argoproj.io/hook";
/// The annotation that makes a manifest a hook of Helm, which Argo CD runs as one of its own.
pub const HELM_HOOK: &str = "helm.sh/hook";
/// The annotation that takes a resource out of the application's health. Only the value `true` does.
pub const IGNORE_HEALTHCHECK: &str = "argocd.argoproj.io/ignore-healthcheck";

/// What Argo CD's folds need of one manifest, the one in Git or the one in the cluster.
///
/// ```
/// use octopus_argo_core::health::argocd::Marks;
///
/// let marks = Marks::from_annotations([("helm.sh/hook", "post-install")]);
/// assert!(marks.is_hook());
/// // Helm writes the same annotation on definitions of kinds, which are not hooks.
/// assert!(!Marks::from_annotations([("helm.sh/hook", "crd-install")]).is_hook());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks {
    hook: bool,
    skipped: bool,
    ignores_health: bool,
}

impl Marks {
    /// Reads `metadata.annotations`; keys of no concern may be among them.
    ///
    /// Rule: Argo CD `gitops-engine/pkg/sync/hook`.
    #[must_use]
    pub fn from_annotations<'a>(annotations: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hook = None;
        let mut helm_hook = false;
        let mut ignores_health = false;
        for (key, value) in annotations {
            match key {
                HOOK => hook = Some(value),
                HELM_HOOK => helm_hook = value != "crd-install",
                IGNORE_HEALTHCHECK => ignores_health = value == "true",
                _ => {}
            }
        }
        let skipped = hook.is_some_and(is_only_skip);
        Self {
            // With an annotation of Argo CD's own, whatever its value, Helm's is not looked at.
            hook: if hook.is_some() { !skipped } else { helm_hook },
            skipped,
            ignores_health,
        }
    }

    /// Whether it is a hook.
    #[must_use]
    pub const fn is_hook(self) -> bool {
        self.hook
    }

    /// Whether it is left out altogether: its only hook type is `Skip`.
    #[must_use]
    pub const fn is_skipped(self) -> bool {
        self.skipped
    }

    /// Whether it asks not to be counted in the application's health.
    #[must_use]
    pub const fn ignores_health(self) -> bool {
        self.ignores_health
    }
}

/// Whether the words of a hook annotation come down to exactly one `Skip`. Words of no meaning are dropped first.
fn is_only_skip(value: &str) -> bool {
    let mut types = value
        .split(',')
        .map(|word| HookType::from(word.trim()))
        .filter(|word| {
            // The two deletion hooks are for the controller; to the sync engine they are no words.
            !matches!(
                word,
                HookType::Other(_) | HookType::PreDelete | HookType::PostDelete
            )
        });
    types.next() == Some(HookType::Skip) && types.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argo(value: &str) -> Marks {
        Marks::from_annotations([(HOOK, value)])
    }

    #[test]
    fn any_hook_annotation_is_a_hook_but_a_single_skip() {
        for value in ["", "Whenever", "PreSync", "Skip,Sync", "Skip,Skip", "skip"] {
            assert!(argo(value).is_hook() && !argo(value).is_skipped(), "{value}");
        }
        for value in ["Skip", " Skip ,", "Skip,Whenever"] {
            assert!(!argo(value).is_hook() && argo(value).is_skipped(), "{value}");
        }
    }

    #[test]
    fn argo_cds_annotation_outranks_helms() {
        let both = Marks::from_annotations([(HELM_HOOK, "pre-install"), (HOOK, "Skip")]);
        assert!(!both.is_hook() && both.is_skipped());
        assert!(Marks::from_annotations([(HELM_HOOK, "")]).is_hook());
    }
}
