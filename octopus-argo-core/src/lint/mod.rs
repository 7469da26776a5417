//! What is wrong or doubtful about annotations, whatever is deployed.
//!
//! ```
//! use octopus_argo_core::lint::lint_text;
//! use octopus_argo_core::read::{Format, Limits};
//!
//! let text = br#"{"kind": "Application", "metadata": {"name": "web", "annotations": {
//!   "argo.octopus.com/project": "shop",
//!   "argo.octopus.com/enviroment": "staging"
//! }}, "spec": {"source": {"repoURL": "https://git.example.test/web.git"}}}"#;
//! let linted = lint_text(text, Format::Json, &Limits::default())?;
//! let issue = &linted[0].issues[0];
//! assert_eq!((issue.code, issue.line, issue.column), ("misspelt-key", Some(3), Some(3)));
//! assert_eq!(issue.mend.as_deref(), Some("rename the key to `argo.octopus.com/environment`"));
//! # Ok::<(), octopus_argo_core::read::ReadError>(())
//! ```

mod json;
mod locate;
mod path;
mod rules;
#[cfg(feature = "yaml")]
mod yaml;

use serde::Serialize;

pub use self::path::{FieldPath, Step};
pub use self::rules::{RULES, Rule};

use self::locate::Locator;
use crate::application::{Application, ApplicationSet};
use crate::name::ApplicationName;
use crate::read::{Format, Limits, Object, ReadError, read_slice};
use crate::scope::Severity;

/// One thing that is wrong or doubtful. `Serialize` gives all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Issue {
    /// The stable code: that of a [`Finding`](crate::scope::Finding), a [`Hint`](crate::scope::Hint), a
    /// [`Concern`](crate::scope::Concern), or `incomplete-scope`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The sentence.
    pub message: String,
    /// The annotation or field that it is about, from the top of the object.
    pub path: FieldPath,
    /// What to do about it, where that is certain.
    pub mend: Option<String>,
    /// The line, from 1, where the issue comes from a text and the field was found in it.
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    pub column: Option<usize>,
}

/// An object of a text and what is wrong with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Linted {
    /// The name of the application or the set.
    pub name: ApplicationName,
    /// Its issues, in the order of the rules.
    pub issues: Vec<Issue>,
}

/// What is wrong or doubtful about `application`, whatever is deployed.
#[must_use]
pub fn lint(application: &Application) -> Vec<Issue> {
    rules::of_application(application, None)
}

/// As [`lint`], for the applications that the template of `set` will make.
#[must_use]
pub fn lint_set(set: &ApplicationSet) -> Vec<Issue> {
    rules::of_application(&set.template, Some(&["spec", "template"]))
}

/// Lints every application and set of `text`, and finds the places of the fields in it.
///
/// The text is gone through a second time where there is an issue. A field that comes out of an alias has no place of
/// its own: then the place is that of what is around it.
///
/// # Errors
/// As [`read_slice`].
pub fn lint_text(text: &[u8], format: Format, limits: &Limits) -> Result<Vec<Linted>, ReadError> {
    let mut linted = Vec::new();
    let mut locator = Locator::default();
    let mut number = 0;
    read_slice(text, format, limits, |object| {
        let (name, issues) = match object {
            Object::Application(application) => (application.name.clone(), lint(&application)),
            Object::ApplicationSet(set) => (set.name.clone(), lint_set(&set)),
            Object::Other { .. } => {
                number += 1;
                return;
            }
        };
        for issue in &issues {
            locator.want(number, &issue.path);
        }
        number += 1;
        linted.push((number - 1, Linted { name, issues }));
    })?;
    if locator.wants_any() {
        find(text, format, &mut locator);
    }
    for (number, linted) in &mut linted {
        for issue in &mut linted.issues {
            if let Some((line, column)) = locator.place(*number, &issue.path) {
                (issue.line, issue.column) = (Some(line), Some(column));
            }
        }
    }
    Ok(linted.into_iter().map(|(_, linted)| linted).collect())
}

/// Tells the locator what stands where. It is a text that has been read, so mistakes in it are passed over.
fn find(text: &[u8], format: Format, locator: &mut Locator) {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_json = match format {
        Format::Json => true,
        Format::Yaml => false,
        Format::Detect => matches!(first, Some(b'{' | b'[')),
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    if is_json {
        json::events(text, locator);
    } else {
        #[cfg(feature = "yaml")]
        yaml::events(text, locator);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<(&'static str, Option<usize>, Option<usize>)> {
        let linted = lint_text(text.as_bytes(), Format::Detect, &Limits::default()).unwrap();
        let issues = linted.into_iter().flat_map(|linted| linted.issues);
        issues
            .map(|issue| (issue.code, issue.line, issue.column))
            .collect()
    }

    const LIST: &str = r#"{"kind": "List", "items": [{"kind": "Pod", "metadata": {"annotations": {"argo.octopus.com/Project": "x"}}},
  {"metadata": {"name": "ü", "annotations": {"argo.octopus.com\/Project": "shop"}},
   "spec": {"source": {"repoURL": "https://g.example.test/a.git"}}}
]}
{"metadata": {"name": "b"}, "spec": {"sources": [
  {"name": "x", "repoURL": "u"},
  {"name":  "x", "repoURL": "u"}]}}"#;

    #[test]
    fn json_issues_have_places() {
        assert_eq!(
            places(LIST),
            [
                ("misspelt-key", Some(2), Some(46)),
                ("duplicate-source-name", Some(7), Some(4))
            ]
        );
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn yaml_issues_have_places() {
        let yaml = "# a
---
kind: Application
metadata:
  name: a
  annotations:
    argo.octopus.com/project: shop
    argo.octopus.com/environment: dev, test
spec:
  source: {repoURL: 'https://g.example.test/a.git'}
---
kind: Application
x: &all
  argo.octopus.com/project: shop
metadata:
  annotations: *all
spec:
  source:
    repoURL: 'https://g.example.test/a.git'
    name: web
---
kind: ApplicationSet
spec:
  generators: []
  template:
    metadata:
      annotations:
        argo.octopus.com/tennant: x
    spec:
      source: {repoURL: u}
";
        assert_eq!(
            places(yaml),
            [
                ("not-one-slug", Some(8), Some(5)),
                // The alias has no place for its keys: that of the annotations is the nearest.
                ("named-source-needs-suffix", Some(16), Some(3)),
                ("misspelt-key", Some(28), Some(9)),
            ]
        );
    }

    #[test]
    fn a_clean_application_has_no_issues() {
        let json = r#"{"metadata":{"annotations":{"argo.octopus.com/project":"p","argo.octopus.com/environment":"e"}},
            "spec":{"source":{"repoURL":"https://g.example.test/a.git","targetRevision":"main","path":"a"}}}"#;
        assert_eq!(lint(&Application::from_json(json.as_bytes()).unwrap()), []);
    }
}
