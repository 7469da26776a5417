//! What can be wrong with an input, and where.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::Limits;
use crate::name::UidError;

/// Why an input could not be read, and where.
///
/// `Display` gives one line: the place, then the problem.
#[derive(Clone, Debug)]
pub struct ReadError {
    place: Place,
    problem: Problem,
}

impl ReadError {
    pub(super) fn new(problem: Problem) -> Self {
        Self {
            place: Place::default(),
            problem,
        }
    }

    pub(super) fn at(place: Place, problem: Problem) -> Self {
        Self { place, problem }
    }

    /// Says in which file it is, for inputs that are files.
    #[must_use]
    pub fn in_file(mut self, name: &str) -> Self {
        self.place.file = Some(name.into());
        self
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What it is.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}", self.problem)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.problem)
    }
}

/// A place in an input, as exactly as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file, where the caller has named one.
    pub file: Option<Arc<str>>,
    /// The document within the input, counted from 1.
    pub document: Option<usize>,
    /// The line within the input, counted from 1.
    pub line: Option<usize>,
    /// The column within the line, in characters or bytes as the format's reader counts, from 1.
    pub column: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(file) = &self.file {
            f.write_str(file)?;
            separator = ", ";
        }
        // The first document is the only one as a rule, and naming it would be noise.
        if let Some(document) = self.document.filter(|document| *document > 1) {
            write!(f, "{separator}document {document}")?;
            separator = ", ";
        }
        if let Some(line) = self.line {
            write!(f, "{separator}line {line}")?;
            if let Some(column) = self.column {
                write!(f, " column {column}")?;
            }
        }
        Ok(())
    }
}

/// What can be wrong with an input.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes could not be had.
    #[error("could not read the input")]
    #[non_exhaustive]
    Io {
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The input is no text at all.
    #[error("this is binary data, neither JSON nor YAML")]
    Binary,
    /// The input is UTF-16, as some shells write when they redirect.
    #[error("this is UTF-16 text; save it as UTF-8")]
    Utf16,
    /// The input ends in the middle of a value.
    #[error("the input ends too early: {message}")]
    #[non_exhaustive]
    Truncated {
        /// What the format's reader was waiting for.
        message: String,
    },
    /// The text is not of its format.
    #[error("{message}")]
    #[non_exhaustive]
    Syntax {
        /// What the format's reader said.
        message: String,
    },
    /// Objects and lists are nested too deeply.
    #[error("nested more than {} levels deep", Limits::DEPTH)]
    TooDeep,
    /// A single object or document is larger than allowed.
    #[error("larger than the {limit} bytes that one object may have")]
    #[non_exhaustive]
    TooLarge {
        /// The limit that was met.
        limit: usize,
    },
    /// A YAML document costs more than allowed, for example because its aliases multiply.
    #[error("refused, because reading it would cost too much: {message}")]
    #[non_exhaustive]
    Budget {
        /// Which budget was exceeded.
        message: String,
    },
    /// A field that we read has a value of another type.
    #[error("{path}: expected {expected}, found {found}")]
    #[non_exhaustive]
    WrongType {
        /// The path within the document, for example `items[3].spec.source.path`.
        path: String,
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// The id is not one that Kubernetes gives.
    #[error("metadata.uid is not a uid")]
    #[non_exhaustive]
    Uid {
        /// What a uid looks like.
        source: UidError,
    },
    /// A document or list entry is not an object.
    #[error("expected an object, found {found}")]
    #[non_exhaustive]
    NotAnObject {
        /// What was found instead.
        found: &'static str,
    },
    /// An object without a kind, which has none of the fields that make an application.
    #[error(
        "not an Application: no kind, and no spec with source, sources or destination{}",
        Shown(keys)
    )]
    #[non_exhaustive]
    NotAnApplication {
        /// Some of the keys that it has instead.
        keys: Box<[Box<str>]>,
    },
    /// One application was asked for.
    #[error("expected exactly one Application and nothing else, found {objects} objects")]
    #[non_exhaustive]
    Count {
        /// How many objects there are, of any kind.
        objects: usize,
    },
    /// The input is YAML, and this build reads only JSON.
    #[error("this build reads JSON only: enable the feature `yaml` of octopus-argo-core")]
    YamlNotBuiltIn,
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData && error.get_ref().is_none() {
            return Self::Binary;
        }
        Self::Io {
            source: Arc::new(error),
        }
    }
}

struct Shown<'a>(&'a [Box<str>]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, ", but {}", self.0.join(", "))
    }
}
