//! What the index is compared with: the same rules, one application after another.

use octopus_argo_core::{Application, Scope, same_slug};

/// How many sources of `applications` are in scope. No explanation, no allocation: a scan at its best.
#[must_use]
pub fn count(applications: &[Application], scope: &Scope) -> usize {
    let same = |found: Option<&str>, wanted: Option<&str>| match (found, wanted) {
        (None, None) => true,
        (Some(found), Some(wanted)) => same_slug(found, wanted),
        _ => false,
    };
    let mut count = 0;
    for application in applications {
        for index in 0..application.sources.len() {
            let declared = application.declared(index);
            let matches = same(declared.project, Some(scope.project().as_str()))
                && same(declared.environment, Some(scope.environment().as_str()))
                && same(declared.tenant, scope.tenant().map(AsRef::as_ref));
            count += usize::from(matches);
        }
    }
    count
}
