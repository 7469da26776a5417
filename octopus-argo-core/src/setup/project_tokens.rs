//! One token for each project, as people give them.

use std::collections::HashSet;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::{ProjectTokenError, TokenClaims};

/// Why a list of project tokens cannot be used. No token is repeated here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectTokensError {
    /// Nothing stands before the `=`.
    #[error("entry {number} names no project: expected project=token")]
    #[non_exhaustive]
    EmptyProject {
        /// Which entry, from 1.
        number: usize,
    },
    /// Nothing stands after the `=`, or the entry is blank.
    #[error("entry {number} holds no token: expected project=token")]
    #[non_exhaustive]
    EmptyToken {
        /// Which entry, from 1.
        number: usize,
    },
    /// An entry without `project=` whose token does not tell the project either.
    #[error("entry {number} does not say which project it is for")]
    #[non_exhaustive]
    Token {
        /// Which entry, from 1.
        number: usize,
        /// Why not.
        source: ProjectTokenError,
    },
    /// Two entries are for the same project.
    #[error("there are two tokens for the project {project:?}")]
    #[non_exhaustive]
    DuplicateProject {
        /// The project.
        project: String,
    },
}

/// A token for one project.
#[derive(Clone)]
pub struct ProjectToken {
    project: String,
    token: SecretString,
}

impl ProjectToken {
    /// A token for `project`.
    pub fn new(project: impl Into<String>, token: SecretString) -> Self {
        Self {
            project: project.into(),
            token,
        }
    }

    /// The project. [`ProjectTokens::UNSCOPED`] is for calls that name none.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &SecretString {
        &self.token
    }
}

impl fmt::Debug for ProjectToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectToken")
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}

/// Tokens by project, each project once, in the order in which they were given.
///
/// An entry is `project=token`, or a bare token that names its project itself. What stands before the first `=` is a project
/// unless it holds a dot, as only tokens do: a token needs no `=`, except as padding at the end of one of its parts.
///
/// ```
/// use octopus_argo_core::setup::ProjectTokens;
///
/// let tokens = ProjectTokens::read(["default=opaque-1", " team-a = e30.e30.c2ln "])?;
/// let projects: Vec<_> = tokens.iter().map(|token| token.project()).collect();
/// assert_eq!(projects, ["default", "team-a"]);
/// # Ok::<(), octopus_argo_core::setup::ProjectTokensError>(())
/// ```
///
/// Rule: OctopusDeploy/cli `argocd/projects.go`, which takes every text with two dots for a bare token and so loses the
/// project before a real one. Cases: `vectors/connection.json`.
#[derive(Clone, Debug, Default)]
pub struct ProjectTokens(Vec<ProjectToken>);

impl ProjectTokens {
    /// The entry whose token is used for calls that name no project. Without one the first token is.
    pub const UNSCOPED: &str = "octo-gateway-unscoped";

    /// Reads entries. Whether a token has ended is not looked at: see [`TokenClaims::expiry`].
    ///
    /// # Errors
    /// [`ProjectTokensError`] for the first entry that cannot be used.
    pub fn read<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, ProjectTokensError> {
        let mut seen = HashSet::new();
        let mut tokens = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let token = read(entry.as_ref().trim(), index + 1)?;
            if !seen.insert(token.project.clone()) {
                return Err(ProjectTokensError::DuplicateProject {
                    project: token.project,
                });
            }
            tokens.push(token);
        }
        Ok(Self(tokens))
    }

    /// Every token.
    pub fn iter(&self) -> std::slice::Iter<'_, ProjectToken> {
        self.0.iter()
    }

    /// The token for calls that name no project.
    #[must_use]
    pub fn unscoped(&self) -> Option<&ProjectToken> {
        let own = self.iter().find(|token| token.project == Self::UNSCOPED);
        own.or_else(|| self.0.first())
    }

    /// The token of this project.
    #[must_use]
    pub fn of(&self, project: &str) -> Option<&SecretString> {
        let own = self.iter().find(|token| token.project == project);
        own.map(ProjectToken::token)
    }
}

impl<'a> IntoIterator for &'a ProjectTokens {
    type Item = &'a ProjectToken;
    type IntoIter = std::slice::Iter<'a, ProjectToken>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn read(entry: &str, number: usize) -> Result<ProjectToken, ProjectTokensError> {
    let (project, token) = match entry.split_once('=') {
        Some((project, _)) if project.trim().is_empty() => {
            return Err(ProjectTokensError::EmptyProject { number });
        }
        Some((project, token)) if !project.contains('.') => (project.trim().to_owned(), token.trim()),
        _ => (String::new(), entry),
    };
    if token.is_empty() {
        return Err(ProjectTokensError::EmptyToken { number });
    }
    let project = if project.is_empty() {
        own_project(token, number)?
    } else {
        project
    };
    Ok(ProjectToken {
        project,
        token: SecretString::from(token),
    })
}

fn own_project(token: &str, number: usize) -> Result<String, ProjectTokensError> {
    let problem = |source| ProjectTokensError::Token { number, source };
    let claims = TokenClaims::read(token).map_err(|source| problem(ProjectTokenError::Unreadable(source)))?;
    match claims.project_role() {
        Some((project, _)) => Ok(project.to_owned()),
        None => Err(problem(ProjectTokenError::NotAProjectRole)),
    }
}

impl PartialEq for ProjectToken {
    /// In variable time: for comparing what one side holds, not for checking what somebody presents.
    fn eq(&self, other: &Self) -> bool {
        self.project == other.project && self.token.expose_secret() == other.token.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// {"sub":"proj:shop:octopus"}
    const TOKEN: &str = "e30.eyJzdWIiOiJwcm9qOnNob3A6b2N0b3B1cyJ9.c2ln";

    fn pairs(entries: &[&str]) -> Result<Vec<(String, String)>, ProjectTokensError> {
        let pair = |token: &ProjectToken| (token.project.clone(), token.token.expose_secret().to_owned());
        Ok(ProjectTokens::read(entries)?.iter().map(pair).collect())
    }

    #[test]
    fn a_bare_token_names_its_project_and_a_real_one_keeps_the_project_before_it() {
        let pair = |project: &str, token: &str| (project.to_owned(), token.to_owned());
        assert_eq!(pairs(&[&format!(" {TOKEN} ")]).unwrap(), [pair("shop", TOKEN)]);
        assert_eq!(
            pairs(&[&format!("other={TOKEN}")]).unwrap(),
            [pair("other", TOKEN)]
        );
        let padded = TOKEN.replace(".c2ln", "==.c2ln");
        assert_eq!(pairs(&[&padded]).unwrap(), [pair("shop", &padded)]);
        assert_eq!(pairs(&["a=b=c"]).unwrap(), [pair("a", "b=c")]);
        assert_eq!(pairs(&[]).unwrap(), []);
    }

    #[test]
    fn each_mistake_is_named_with_its_place_and_without_the_token() {
        use ProjectTokensError as E;
        assert_eq!(pairs(&["a=b", " =c"]), Err(E::EmptyProject { number: 2 }));
        assert_eq!(pairs(&["a= "]), Err(E::EmptyToken { number: 1 }));
        assert_eq!(pairs(&[" "]), Err(E::EmptyToken { number: 1 }));
        let error = pairs(&["a=1", "b=2", "a=3"]).unwrap_err();
        assert_eq!(
            error,
            E::DuplicateProject {
                project: "a".to_owned()
            }
        );
        let error = pairs(&[TOKEN, &format!("shop={TOKEN}")]).unwrap_err();
        assert_eq!(
            error,
            E::DuplicateProject {
                project: "shop".to_owned()
            }
        );
        let error = pairs(&["hunter2"]).unwrap_err();
        assert!(matches!(error, E::Token { number: 1, .. }));
        assert!(!format!("{error:?} {error}").contains("hunter2"));
        let tokens = ProjectTokens::read(["a=hunter2"]).unwrap();
        assert!(!format!("{tokens:?}").contains("hunter2"));
    }

    #[test]
    fn calls_without_a_project_have_a_token() {
        let unscoped = |entries: &[&str]| {
            let tokens = ProjectTokens::read(entries).unwrap();
            tokens
                .unscoped()
                .map(|token| token.token.expose_secret().to_owned())
        };
        assert_eq!(
            unscoped(&["a=1", "octo-gateway-unscoped=2"]).as_deref(),
            Some("2")
        );
        assert_eq!(unscoped(&["a=1", "b=2"]).as_deref(), Some("1"));
        assert_eq!(unscoped(&[]), None);
    }
}
