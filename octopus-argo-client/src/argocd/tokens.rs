//! The tokens for Argo CD: one of an account, or one for each project; given, or read from files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use octopus_argo_core::setup::{ProjectTokens, TokenClaims};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

/// Why a text cannot be an Argo CD token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an Argo CD token is one line of visible characters")]
#[non_exhaustive]
pub struct TokenError;

/// Why tokens cannot be used. No token is repeated here.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// A token is no token.
    #[error("the Argo CD token cannot be used")]
    #[non_exhaustive]
    Token {
        /// What is wrong with it.
        source: TokenError,
    },
    /// A file with a token cannot be read.
    #[error("the Argo CD token cannot be read from {}", path.display())]
    #[non_exhaustive]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: Arc<std::io::Error>,
    },
    /// A token that is to be a project's does not say of which, or the file now holds one of another project.
    #[error("the Argo CD token is not of a role of the project that it is to be for")]
    NotOfProject,
    /// Two tokens are for the same project.
    #[error("there are two Argo CD tokens for the project {project:?}")]
    #[non_exhaustive]
    Duplicate {
        /// Which project.
        project: String,
    },
}

/// The tokens that are presented to Argo CD.
///
/// With the tokens of projects each call takes the one of its project. A call that names none takes the account's; without
/// one, that of the project [`octo-gateway-unscoped`](ProjectTokens::UNSCOPED), or else the first.
///
/// Files are read again every [`REREAD`](Self::REREAD) while there are calls, and at once when Argo CD does not accept what
/// they held: a call that was refused for a token that has been replaced is made again with the new one.
///
/// ```no_run
/// use octopus_argo_client::argocd::Tokens;
///
/// // One token for everything, which another program renews.
/// let account = Tokens::from_file("/var/run/argocd/token")?;
/// // One for each of two projects; the tokens themselves say which.
/// let projects = Tokens::default()
///     .with_project_file("/var/run/argocd/shop")?
///     .with_project_file("/var/run/argocd/team")?;
/// # Ok::<(), octopus_argo_client::argocd::TokensError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    account: Option<Arc<Entry>>,
    projects: Vec<(Box<str>, Arc<Entry>)>,
}

impl Tokens {
    /// How old what was read from a file may be: 10 s.
    pub const REREAD: Duration = Duration::from_secs(10);

    /// The token of an account.
    ///
    /// # Errors
    /// [`TokensError::Token`].
    pub fn new(token: SecretString) -> Result<Self, TokensError> {
        Ok(Self {
            account: Some(Arc::new(Entry::new(Origin::Given(token), None)?)),
            projects: Vec::new(),
        })
    }

    /// The token of an account, in a file. White space around it does not count.
    ///
    /// # Errors
    /// [`TokensError`] if it cannot be read now.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokensError> {
        Ok(Self {
            account: Some(Arc::new(Entry::new(
                Origin::File(path.as_ref().to_owned()),
                None,
            )?)),
            projects: Vec::new(),
        })
    }

    /// The token of a project's role, which says itself of which project.
    ///
    /// # Errors
    /// [`TokensError`].
    pub fn with_project(self, token: SecretString) -> Result<Self, TokensError> {
        let project = project_of(token.expose_secret())?;
        self.with_entry(project, Origin::Given(token))
    }

    /// The same in a file. Whatever is in the file later has to be of the same project.
    ///
    /// # Errors
    /// [`TokensError`].
    pub fn with_project_file(self, path: impl AsRef<Path>) -> Result<Self, TokensError> {
        let origin = Origin::File(path.as_ref().to_owned());
        let project = project_of(origin.read()?.expose_secret())?;
        self.with_entry(project, origin)
    }

    /// The tokens of projects as an installer has read them, which also say of which project an opaque one is.
    ///
    /// # Errors
    /// [`TokensError`].
    pub fn with_projects(mut self, tokens: &ProjectTokens) -> Result<Self, TokensError> {
        for token in tokens {
            self = self.with_entry(token.project().into(), Origin::Given(token.token().clone()))?;
        }
        Ok(self)
    }

    fn with_entry(mut self, project: Box<str>, origin: Origin) -> Result<Self, TokensError> {
        if self.projects.iter().any(|(known, _)| *known == project) {
            return Err(TokensError::Duplicate {
                project: project.into(),
            });
        }
        let entry = Entry::new(origin, Some(project.clone()))?;
        self.projects.push((project, Arc::new(entry)));
        Ok(self)
    }

    /// The projects that have a token of their own.
    pub fn projects(&self) -> impl Iterator<Item = &str> {
        let real = self.projects.iter().map(|(project, _)| &**project);
        real.filter(|project| *project != ProjectTokens::UNSCOPED)
    }

    /// Whether the account's token is there, which sees every project that its rights cover.
    pub(crate) fn has_account(&self) -> bool {
        self.account.is_some()
    }

    /// Whether it matters which project a call is about.
    pub(super) fn by_project(&self) -> bool {
        !self.projects.is_empty()
    }

    /// The token for calls about this project, or about none.
    pub(super) fn of(&self, project: Option<&str>) -> Option<&Arc<Entry>> {
        let named = |name: &str| {
            self.projects
                .iter()
                .find(|(known, _)| &**known == name)
                .map(|(_, entry)| entry)
        };
        project
            .and_then(named)
            .or(self.account.as_ref())
            .or_else(|| named(ProjectTokens::UNSCOPED))
            .or_else(|| self.projects.first().map(|(_, entry)| entry))
    }
}

fn project_of(token: &str) -> Result<Box<str>, TokensError> {
    let claims = TokenClaims::read(token).map_err(|_| TokensError::NotOfProject)?;
    let (project, _) = claims.project_role().ok_or(TokensError::NotOfProject)?;
    Ok(project.into())
}

/// One token, and where it comes from.
pub(super) struct Entry {
    origin: Origin,
    project: Option<Box<str>>,
    held: Mutex<Held>,
}

enum Origin {
    Given(SecretString),
    File(PathBuf),
}

struct Held {
    header: HeaderValue,
    expires_at: Option<i64>,
    /// Counts what was read that differed.
    generation: u64,
    read: Option<Instant>,
}

/// A token as it is presented now.
#[derive(Clone)]
pub(super) struct Presented {
    pub(super) header: HeaderValue,
    generation: u64,
}

impl Origin {
    fn read(&self) -> Result<SecretString, TokensError> {
        match self {
            Self::Given(token) => Ok(token.clone()),
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(SecretString::from(text.trim())),
                Err(error) => Err(TokensError::File {
                    path: path.clone(),
                    source: Arc::new(error),
                }),
            },
        }
    }
}

impl Entry {
    fn new(origin: Origin, project: Option<Box<str>>) -> Result<Self, TokensError> {
        let token = origin.read()?;
        let (header, expires_at) = presented(&token)?;
        Ok(Self {
            origin,
            project,
            held: Mutex::new(Held {
                header,
                expires_at,
                generation: 0,
                read: None,
            }),
        })
    }

    /// When the token says that it ends, in seconds since 1970.
    pub(super) fn expires_at(&self) -> Option<i64> {
        self.held().expires_at
    }

    /// Whether another token may be there later.
    pub(super) fn may_change(&self) -> bool {
        matches!(self.origin, Origin::File(_))
    }

    /// The token, read again where it is time to.
    pub(super) async fn present(self: &Arc<Self>) -> Presented {
        let (now, due) = {
            let held = self.held();
            let due = held.read.is_none_or(|read| read.elapsed() >= Tokens::REREAD);
            (held.presented(), due)
        };
        if due && self.may_change() {
            return self.reread().await;
        }
        now
    }

    /// Another token than this one, which was refused, if there is one by now.
    pub(super) async fn instead_of(self: &Arc<Self>, refused: &Presented) -> Option<Presented> {
        if !self.may_change() {
            return None;
        }
        let now = self.reread().await;
        (now.generation != refused.generation).then_some(now)
    }

    async fn reread(self: &Arc<Self>) -> Presented {
        let entry = self.clone();
        let read = tokio::task::spawn_blocking(move || entry.origin.read()).await;
        let mut held = self.held();
        held.read = Some(Instant::now());
        let Ok(read) = read else { return held.presented() };
        match read.and_then(|token| self.fitting(&token)) {
            Ok((header, expires_at)) => {
                if held.header != header {
                    held.generation += 1;
                    held.header = header;
                    held.expires_at = expires_at;
                    tracing::info!(
                        project = self.project.as_deref(),
                        "the Argo CD token was replaced"
                    );
                }
            }
            // A file that is being written anew may be empty for a moment: the last good token stays.
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "kept the last Argo CD token"
            ),
        }
        held.presented()
    }

    fn fitting(&self, token: &SecretString) -> Result<(HeaderValue, Option<i64>), TokensError> {
        if let Some(project) = &self.project
            && project_of(token.expose_secret())? != *project
        {
            return Err(TokensError::NotOfProject);
        }
        presented(token)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn presented(&self) -> Presented {
        Presented {
            header: self.header.clone(),
            generation: self.generation,
        }
    }
}

/// The header, which hides itself from logs, and when the token ends.
fn presented(token: &SecretString) -> Result<(HeaderValue, Option<i64>), TokensError> {
    let refused = |_| TokensError::Token { source: TokenError };
    let text = token.expose_secret();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokensError::Token { source: TokenError });
    }
    let mut header = HeaderValue::try_from(format!("Bearer {text}")).map_err(refused)?;
    header.set_sensitive(true);
    // An opaque token may never end, for all one can see.
    let expires_at = TokenClaims::read(text)
        .ok()
        .and_then(|claims| claims.expires_at());
    Ok((header, expires_at))
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match &self.origin {
            Origin::Given(_) => None,
            Origin::File(path) => Some(path),
        };
        f.debug_struct("Entry")
            .field("project", &self.project)
            .field("file", &file)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"sub":"proj:shop:r"}` and `{"sub":"proj:team:r"}`.
    const SHOP: &str = "e30.eyJzdWIiOiJwcm9qOnNob3A6ciJ9.secret-s";
    const TEAM: &str = "e30.eyJzdWIiOiJwcm9qOnRlYW06ciJ9.secret-t";

    async fn of(tokens: &Tokens, project: Option<&str>) -> String {
        let presented = tokens.of(project).unwrap().present().await;
        presented.header.to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn calls_take_the_token_of_their_project() {
        let tokens = Tokens::default().with_project(SHOP.into()).unwrap();
        let tokens = tokens.with_project(TEAM.into()).unwrap();
        assert_eq!(of(&tokens, Some("team")).await, format!("Bearer {TEAM}"));
        assert_eq!(of(&tokens, None).await, format!("Bearer {SHOP}"), "the first");
        assert!(matches!(
            tokens.with_project(TEAM.into()),
            Err(TokensError::Duplicate { .. })
        ));

        let named = ProjectTokens::read([&*format!("team={TEAM}"), "octo-gateway-unscoped=opaque"]).unwrap();
        let tokens = Tokens::default().with_projects(&named).unwrap();
        assert_eq!(of(&tokens, None).await, "Bearer opaque");
        assert_eq!(tokens.projects().collect::<Vec<_>>(), ["team"]);

        let tokens = Tokens::new("account".into())
            .unwrap()
            .with_project(TEAM.into())
            .unwrap();
        assert_eq!(of(&tokens, Some("elsewhere")).await, "Bearer account");
        assert!(!format!("{tokens:?}").contains("secret"), "{tokens:?}");
    }

    #[tokio::test]
    async fn a_file_is_read_again_and_a_bad_one_keeps_the_last_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, format!("{SHOP}\n")).unwrap();
        let tokens = Tokens::default().with_project_file(&path).unwrap();
        let entry = tokens.of(Some("shop")).unwrap();
        let first = entry.present().await;
        assert!(entry.instead_of(&first).await.is_none());
        for bad in ["", "two\nlines", TEAM] {
            std::fs::write(&path, bad).unwrap();
            assert!(entry.instead_of(&first).await.is_none(), "{bad:?}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(entry.instead_of(&first).await.is_none());
        std::fs::write(&path, SHOP.replace("secret-s", "renewed")).unwrap();
        let renewed = entry.instead_of(&first).await.unwrap();
        assert!(renewed.header.to_str().unwrap().ends_with("renewed"));
    }

    #[test]
    fn what_is_no_token_is_refused_without_repeating_it() {
        for text in ["", "secret two", "secret\n", "sécret"] {
            let error = Tokens::new(text.into()).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("cret"), "{error:?}");
        }
        assert!(matches!(
            Tokens::default().with_project("opaque".into()),
            Err(TokensError::NotOfProject)
        ));
        assert!(matches!(
            Tokens::from_file("/nowhere/at/all"),
            Err(TokensError::File { .. })
        ));
    }
}
