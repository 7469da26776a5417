//! Reading applications from JSON and YAML, as Argo CD and `kubectl` emit them.
//!
//! What is understood: single objects; `List` and `ApplicationList`; several documents one after another; answers of
//! Argo CD's API, which leave `kind` and `apiVersion` out; watch events (`result.application` of Argo CD, `object` of
//! `kubectl get --watch --output-watch-events`); sets of applications (`ApplicationSet`). Objects of other kinds are reported and skipped.
//!
//! Unknown fields are ignored and a missing `status` is fine, but a known field of the wrong type is an error, with its
//! path. Objects are handed over one by one, so memory grows with what the receiver keeps, not with the input.
//!
//! ```
//! use octopus_argo_core::read::{Format, Limits, Object, read};
//!
//! let list = r#"{"kind": "List", "items": [
//!     {"kind": "Application", "metadata": {"name": "web"}, "spec": {}},
//!     {"kind": "Service", "metadata": {"name": "web"}, "spec": {}}
//! ]}"#;
//! let mut names = Vec::new();
//! read(list.as_bytes(), Format::Json, &Limits::default(), |object| {
//!     if let Object::Application(application) = object {
//!         names.push(application.name.to_string());
//!     }
//! })?;
//! assert_eq!(names, ["web"]);
//! # Ok::<(), octopus_argo_core::read::ReadError>(())
//! ```

mod error;
mod json;
mod object;
mod root;
mod shape;
#[cfg(feature = "yaml")]
pub(crate) mod yaml;

use std::io::{self, BufRead, BufReader, Read};

pub use error::{Place, Problem, ReadError};

use crate::application::{Application, ApplicationSet};

/// Something that the input held.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Object {
    /// An Argo CD `Application`.
    Application(Application),
    /// An Argo CD `ApplicationSet`. Nothing matches it; it is there to be shown.
    ApplicationSet(ApplicationSet),
    /// An object of another kind, which was skipped.
    Other {
        /// `kind`, as written.
        kind: Box<str>,
        /// `metadata.name`, if any.
        name: Option<Box<str>>,
    },
}

/// How the input is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JSON where the first character is `{` or `[`, otherwise YAML.
    #[default]
    Detect,
    /// JSON, one value or several one after another.
    Json,
    /// YAML, one document or several. Needs the feature `yaml`.
    Yaml,
}

impl Format {
    /// The format that the ending of a file's name promises, or [`Format::Detect`].
    ///
    /// ```
    /// use octopus_argo_core::read::Format;
    ///
    /// assert_eq!(Format::of_file_name("apps/web.YML"), Format::Yaml);
    /// assert_eq!(Format::of_file_name("-"), Format::Detect);
    /// ```
    #[must_use]
    pub fn of_file_name(name: &str) -> Self {
        let ending = name
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_ascii_lowercase());
        match ending.as_deref() {
            Some("json") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Detect,
        }
    }
}

/// What one input may cost. Every limit ends in a typed error, never in a crash.
#[derive(Clone, Debug)]
pub struct Limits {
    object_bytes: usize,
    yaml_document_bytes: usize,
    yaml_nodes: usize,
}

impl Limits {
    /// Default of [`Limits::object_bytes`]: ten times what Kubernetes stores of one object (1.5 MiB).
    pub const OBJECT_BYTES: usize = 16 << 20;
    /// Default of [`Limits::yaml_document_bytes`]: a YAML list of some 10 000 applications.
    pub const YAML_DOCUMENT_BYTES: usize = 64 << 20;
    /// Default of [`Limits::yaml_nodes`]: 300 per application in the same list.
    pub const YAML_NODES: usize = 3_000_000;
    /// How deep objects and lists may be nested. Not adjustable: it protects the stack, of which the YAML reader needs
    /// up to 16 KiB a level in a debug build. Real manifests stay below 30.
    ///
    /// JSON may be deeper in values that are skipped, from memory and in the entries of lists: skipping them there needs
    /// no stack.
    pub const DEPTH: usize = 64;

    /// The largest single JSON object, and the longest line of YAML, in bytes. It is held in memory while it is read;
    /// a list may be of any size.
    #[must_use]
    pub fn object_bytes(mut self, bytes: usize) -> Self {
        self.object_bytes = bytes;
        self
    }

    /// The largest YAML document, in bytes. Documents are read as a stream; this bounds the time that one may take.
    #[must_use]
    pub fn yaml_document_bytes(mut self, bytes: usize) -> Self {
        self.yaml_document_bytes = bytes;
        self
    }

    /// The most values in one YAML document.
    #[must_use]
    pub fn yaml_nodes(mut self, nodes: usize) -> Self {
        self.yaml_nodes = nodes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            object_bytes: Self::OBJECT_BYTES,
            yaml_document_bytes: Self::YAML_DOCUMENT_BYTES,
            yaml_nodes: Self::YAML_NODES,
        }
    }
}

/// Reads `input` to its end and hands every object to `each`, in order.
///
/// Objects before a mistake have been handed over when the error is returned: who must not act on half an input
/// collects first.
///
/// # Errors
/// [`ReadError`] says where (document, line, path within the object) and what is wrong. Reading stops there.
pub fn read(
    input: impl Read,
    format: Format,
    limits: &Limits,
    mut each: impl FnMut(Object),
) -> Result<(), ReadError> {
    let mut input = BufReader::with_capacity(CHUNK, input);
    match sniff(&mut input, format)? {
        Sniffed::Nothing => Ok(()),
        Sniffed::Json => json::read_stream(input, limits, &mut each),
        Sniffed::Yaml => read_yaml(input, limits, &mut each),
    }
}

/// As [`read`], from memory: JSON of any size is taken apart where it stands, without a copy.
///
/// # Errors
/// As [`read`].
pub fn read_slice(
    input: &[u8],
    format: Format,
    limits: &Limits,
    mut each: impl FnMut(Object),
) -> Result<(), ReadError> {
    let mut rest = input;
    match sniff(&mut rest, format)? {
        Sniffed::Nothing => Ok(()),
        Sniffed::Json => json::read_slice(rest, &mut each),
        Sniffed::Yaml => read_yaml(rest, limits, &mut each),
    }
}

impl Application {
    /// Reads the one application that `json` holds.
    ///
    /// # Errors
    /// As [`read`], and [`Problem::Count`] unless there is exactly one application and nothing else.
    pub fn from_json(json: &[u8]) -> Result<Self, ReadError> {
        the_one(|each| read_slice(json, Format::Json, &Limits::default(), each))
    }

    /// Reads the one application that `yaml` holds.
    ///
    /// # Errors
    /// As [`read`], and [`Problem::Count`] unless there is exactly one application and nothing else.
    #[cfg(feature = "yaml")]
    pub fn from_yaml(yaml: &str) -> Result<Self, ReadError> {
        the_one(|each| read_slice(yaml.as_bytes(), Format::Yaml, &Limits::default(), each))
    }
}

fn the_one(
    read: impl FnOnce(&mut dyn FnMut(Object)) -> Result<(), ReadError>,
) -> Result<Application, ReadError> {
    let mut first = None;
    let mut objects = 0;
    read(&mut |object| {
        objects += 1;
        if objects == 1 {
            first = Some(object);
        }
    })?;
    match first {
        Some(Object::Application(application)) if objects == 1 => Ok(application),
        _ => Err(ReadError::new(Problem::Count { objects })),
    }
}

#[cfg(feature = "yaml")]
fn read_yaml(input: impl BufRead, limits: &Limits, each: &mut dyn FnMut(Object)) -> Result<(), ReadError> {
    yaml::read_documents(input, limits, each)
}

#[cfg(not(feature = "yaml"))]
fn read_yaml(_: impl BufRead, _: &Limits, _: &mut dyn FnMut(Object)) -> Result<(), ReadError> {
    Err(ReadError::new(Problem::YamlNotBuiltIn))
}

enum Sniffed {
    Nothing,
    Json,
    Yaml,
}

/// How much is read at once. Also how far a first look for binary data goes.
const CHUNK: usize = 64 << 10;

/// Looks at the beginning of the input without taking more of it than a byte order mark.
fn sniff(input: &mut impl BufRead, format: Format) -> Result<Sniffed, ReadError> {
    let fail = |error: io::Error| ReadError::new(error.into());
    if input.fill_buf().map_err(fail)?.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    let start = input.fill_buf().map_err(fail)?;
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Err(ReadError::new(Problem::Utf16));
    }
    // From memory the start is all of it, and a pass over that would cost a twentieth of reading.
    if start.get(..CHUNK).unwrap_or(start).contains(&0) {
        return Err(ReadError::new(Problem::Binary));
    }
    let Some(first) = start.iter().find(|byte| !byte.is_ascii_whitespace()) else {
        // A chunk of nothing but whitespace is left to the reader of the format.
        return Ok(match (start.is_empty(), format) {
            (true, _) => Sniffed::Nothing,
            (false, Format::Json) => Sniffed::Json,
            (false, _) => Sniffed::Yaml,
        });
    };
    Ok(match format {
        Format::Json => Sniffed::Json,
        Format::Detect if matches!(first, b'{' | b'[') => Sniffed::Json,
        Format::Yaml | Format::Detect => Sniffed::Yaml,
    })
}
