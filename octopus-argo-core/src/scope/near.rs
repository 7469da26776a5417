//! What comes close: near misses, misspelt keys, keys for names that differ a little.

use std::collections::BTreeMap;

use super::Resolution;
use super::resolve::has_expression;
use crate::annotation::{Key, PREFIX, Purpose};
use crate::slug::same_slug;

/// Whether a resolution without a match looks as if someone had meant one: among the annotations for one source there
/// is something like the project and something like the environment, or the environment was forgotten.
pub(super) fn is_near_miss(resolution: &Resolution<'_>) -> bool {
    #[derive(Default)]
    struct Meaning {
        project: bool,
        environment: Option<bool>,
    }

    let scope = resolution.scope();
    // Of a large fleet nearly everything stops here, so this costs no allocation.
    let annotations = &resolution.application().annotations;
    let about_project = |(key, value): (&str, &str)| {
        meant(key).is_some_and(|meant| meant.purpose == Purpose::Project)
            && resembles(value, scope.project().as_str())
    };
    if !annotations.iter().any(about_project) {
        return false;
    }
    let mut by_source: BTreeMap<Option<String>, Meaning> = BTreeMap::new();
    for (key, value) in annotations.iter() {
        let Some(Meant { purpose, source }) = meant(key) else {
            continue;
        };
        let meaning = by_source
            .entry(source.map(|name| name.trim().to_ascii_lowercase()))
            .or_default();
        match purpose {
            Purpose::Project => meaning.project |= resembles(value, scope.project().as_str()),
            Purpose::Environment => {
                let right = resembles(value, scope.environment().as_str());
                meaning.environment = Some(meaning.environment.unwrap_or_default() || right);
            }
            _ => {}
        }
    }
    by_source
        .values()
        .any(|meaning| meaning.project && meaning.environment != Some(false))
}

/// Whether a value was perhaps meant to be the slug: equal, a list with it, its display name, a template, a typo.
fn resembles(value: &str, slug: &str) -> bool {
    let words = || value.split([',', ';', '|']).map(str::trim);
    let display_name = || {
        value.trim().contains(char::is_whitespace)
            && same_slug(&value.split_whitespace().collect::<Vec<_>>().join("-"), slug)
    };
    let typo = || slug.len() >= 5 && is_one_mistake(value.trim(), slug);
    words().any(|word| same_slug(word, slug))
        || value.split_whitespace().any(|word| same_slug(word, slug))
        || display_name()
        || has_expression(value)
        || typo()
}

/// A key as it was probably meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meant<'a> {
    pub(super) purpose: Purpose,
    pub(super) source: Option<&'a str>,
}

/// Beginnings of keys that people write for [`PREFIX`] and a slash, the right one first.
const PREFIXES: [&str; 9] = [
    "argo.octopus.com/",
    "argo.octopus.com.",
    "argo.octopus/",
    "argo.octopus.",
    "argo.octopus.app/",
    "argo.octopusdeploy.com/",
    "argocd.octopus.com/",
    "argo-octopus.com/",
    "octopus.com/",
];

/// What a key that looks like one of ours was probably meant to be; for a right key, what it is.
pub(super) fn meant(key: &str) -> Option<Meant<'_>> {
    if let Some(right) = Key::parse(key) {
        return Some(Meant {
            purpose: right.purpose(),
            source: right.source(),
        });
    }
    let trimmed = key.trim();
    PREFIXES.into_iter().find_map(|prefix| {
        let start = trimmed.get(..prefix.len())?;
        let rest = trimmed.get(prefix.len()..)?;
        if !start.eq_ignore_ascii_case(prefix) {
            return None;
        }
        let (word, source) = match rest.split_once('.') {
            Some((word, source)) => (word, Some(source)),
            None => (rest, None),
        };
        nearest_purpose(word.trim()).map(|purpose| Meant { purpose, source })
    })
}

/// The purpose whose word is at most two typing mistakes away, and not most of the word.
fn nearest_purpose(word: &str) -> Option<Purpose> {
    let candidates = Purpose::ALL
        .into_iter()
        .map(|purpose| (mistakes(word, purpose.as_str()), purpose));
    let (mistakes, purpose) = candidates.min_by_key(|(mistakes, _)| *mistakes)?;
    (mistakes <= 2 && mistakes * 3 <= purpose.as_str().len()).then_some(purpose)
}

/// Whether at most one letter has to be added, dropped, replaced or swapped with its neighbour, ignoring case.
pub(crate) fn is_one_mistake(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len().abs_diff(right.len()) > 1 {
        return false;
    }
    let same = |(l, r): &(&u8, &u8)| l.eq_ignore_ascii_case(r);
    let shorter = left.len().min(right.len());
    let start = left.iter().zip(right).take_while(same).count();
    let end = left
        .iter()
        .rev()
        .zip(right.iter().rev())
        .take(shorter - start)
        .take_while(same)
        .count();
    match (
        left.get(start..left.len() - end),
        right.get(start..right.len() - end),
    ) {
        (Some([] | [_]), Some([] | [_])) => true,
        (Some([a, b]), Some([c, d])) => a.eq_ignore_ascii_case(d) && b.eq_ignore_ascii_case(c),
        _ => false,
    }
}

/// How many letters have to be added, dropped, replaced or swapped with their neighbour, ignoring case. Words far from
/// each other in length are far from each other: the exact number does not matter then.
fn mistakes(left: &str, right: &str) -> usize {
    let (left, right): (Vec<u8>, Vec<u8>) = (
        left.to_ascii_lowercase().into_bytes(),
        right.to_ascii_lowercase().into_bytes(),
    );
    if left.len().abs_diff(right.len()) > 2 {
        return usize::MAX;
    }
    // Row by row of the usual table; `before` is the row of two letters ago, for swaps.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&above, j) + usize::from(l != r);
            let mut least = replaced.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && left.get(i - 1) == Some(r) && right.get(j - 1) == Some(l);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

/// Whether `key` is exactly one that Octopus reads on the cluster, not on the application.
pub(super) fn belongs_on_cluster(key: &str) -> bool {
    under_prefix(key) == Some("default-container-registry")
}

/// Whether `key` belongs to the aliases of old documentation.
pub(super) fn is_alias(key: &str) -> bool {
    under_prefix(key)
        .is_some_and(|rest| rest == "image-replace-alias" || rest.starts_with("image-replace-alias."))
}

fn under_prefix(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_what_was_meant() {
        for (key, purpose, source) in [
            ("argo.octopus.com/project", Purpose::Project, None),
            ("argo.octopus.environment", Purpose::Environment, None),
            (
                "argo.octopus.com/Environment.Web",
                Purpose::Environment,
                Some("Web"),
            ),
            (
                "argo.octopus.com/enviroment.web",
                Purpose::Environment,
                Some("web"),
            ),
            ("ARGO.octopus.com/tenant", Purpose::Tenant, None),
            ("argo.octopus.com/porject", Purpose::Project, None),
            (
                "argo.octopus.com/image-replace-path.x",
                Purpose::ImageReplacePaths,
                Some("x"),
            ),
            ("argo.octopus.com/tenants", Purpose::Tenant, None),
        ] {
            assert_eq!(meant(key), Some(Meant { purpose, source }), "{key}");
        }
        for key in [
            "argo.octopus.com/space",
            "argo.octopus.com/",
            "octopus",
            "argo.octopus.com/step-id",
        ] {
            assert_eq!(meant(key), None, "{key}");
        }
    }

    #[test]
    fn a_near_miss_is_meant_for_the_same_deployment() {
        let scope = crate::Scope::from_texts("shop", "staging", None).unwrap();
        let near = |annotations: &str| {
            let json = format!(
                r#"{{"metadata":{{"annotations":{{{annotations}}}}},"spec":{{"source":{{"repoURL":"u"}}}}}}"#
            );
            crate::Application::from_json(json.as_bytes())
                .unwrap()
                .resolve(&scope)
                .is_near_miss()
        };
        let project = r#""argo.octopus.com/project":"shop""#;
        for environment in [
            r#""argo.octopus.com/environment":"staging","argo.octopus.com/tenant":"acme""#,
            r#""argo.octopus.environment":"staging""#,
            r#""argo.octopus.com/environment":"staging, production""#,
            r#""argo.octopus.com/environment":"Staging EU""#,
            r#""argo.octopus.com/environment":"stagin""#,
            r#""argo.octopus.com/environment":"{{env}}""#,
            r#""argo.octopus.com/tenant":"acme""#,
        ] {
            assert!(near(&format!("{project},{environment}")), "{environment}");
        }
        assert!(!near(&format!(
            r#"{project},"argo.octopus.com/environment":"production""#
        )));
        assert!(!near(
            r#""argo.octopus.com/project":"till","argo.octopus.com/environment":"staging""#
        ));
        // What belongs to different sources does not add up.
        assert!(!near(
            r#""argo.octopus.com/project.a":"shop","argo.octopus.com/environment.a":"production",
               "argo.octopus.com/project.b":"till","argo.octopus.com/environment.b":"staging""#
        ));
    }

    proptest! {
        #[test]
        fn the_quick_answer_is_the_exact_one(left in "[abA]{0,5}", right in "[abA]{0,5}") {
            prop_assert_eq!(is_one_mistake(&left, &right), mistakes(&left, &right) <= 1);
        }
    }

    #[test]
    fn counts_typing_mistakes() {
        assert_eq!(mistakes("", ""), 0);
        assert_eq!(mistakes("tenant", "tennant"), 1);
        assert_eq!(mistakes("porject", "project"), 1);
        assert_eq!(mistakes("abc", "xyz"), 3);
        assert_eq!(mistakes("a", "abcd"), usize::MAX);
    }
}
