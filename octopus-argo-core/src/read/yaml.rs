//! YAML: a stream of documents, each read as it comes.

use std::io::{self, BufRead, Read};

use serde_saphyr::Options;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy, MergeKeyPolicy};

use super::root::{self, Stopped};
use super::{Limits, Object, Place, Problem, ReadError};

/// Reads every document of `input`.
pub(super) fn read_documents(
    input: impl BufRead,
    limits: &Limits,
    each: &mut dyn FnMut(Object),
) -> Result<(), ReadError> {
    let mut documents = Documents::new(input, limits.yaml_document_bytes, limits.object_bytes);
    let mut number = 0;
    loop {
        let place = |line| Place {
            document: Some(number + 1),
            line,
            ..Place::default()
        };
        match documents.next_document() {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(ReadError::at(place(None), error.into())),
        }
        let line_before = documents.line;
        let mut stopped = None;
        let read = serde_saphyr::with_deserializer_from_reader_with_options(
            &mut documents,
            options(limits),
            |document| match root::read_document(document, &mut *each) {
                Ok(()) => Ok(()),
                Err(Stopped::Format(error)) => Err(error),
                Err(Stopped::Problem(problem)) => {
                    stopped = Some(problem);
                    Ok(())
                }
            },
        );
        if let Some(problem) = stopped {
            // The path says where in the document; the line where that begins, unless it is the first.
            return Err(ReadError::at(
                place((number > 0).then_some(line_before + 1)),
                problem,
            ));
        }
        if let Err(error) = read {
            let location = error.location().filter(|location| location.line() > 0);
            let mut place = place(
                location
                    .and_then(|l| usize::try_from(l.line()).ok())
                    .map(|l| l + line_before),
            );
            place.column = location.and_then(|location| usize::try_from(location.column()).ok());
            return Err(ReadError::at(place, documents.problem(&error)));
        }
        number += 1;
    }
}

/// What one document may cost. Aliases may repeat what is there, but not multiply it.
pub(crate) fn options(limits: &Limits) -> Options {
    let budget = serde_saphyr::budget! {
        max_reader_input_bytes: None,
        max_depth: Limits::DEPTH,
        max_nodes: limits.yaml_nodes,
        max_events: limits.yaml_nodes.saturating_mul(2),
        max_total_scalar_bytes: limits.yaml_document_bytes,
        max_documents: 1,
        // What an anchor names is held in memory, so there are few of them.
        max_anchors: 1_000,
        max_aliases: 10_000,
        max_merge_keys: 10_000,
    };
    let mut options = Options::default();
    options.budget = budget;
    options.emit_comments = false;
    options.with_snippet = false;
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.merge_keys = MergeKeyPolicy::Merge;
    let mut aliases = AliasLimits::default();
    aliases.max_total_replayed_events = 200_000;
    aliases.max_replay_stack_depth = 16;
    options.alias_limits = aliases;
    options
}

/// Splits a stream at its document markers, so that one document at a time is parsed and errors stay in their own.
///
/// `---` and `...` at the start of a line end a document wherever they stand: YAML forbids them inside block and
/// quoted texts. Reading gives the current document; at its end the source counts as ended until [`next_document`].
///
/// [`next_document`]: Documents::next_document
struct Documents<R> {
    input: R,
    /// Bytes taken from the input that belong to what comes next.
    ahead: Vec<u8>,
    /// Whether the next byte of `ahead`, or else of the input, begins a line.
    line_start: bool,
    ended: bool,
    /// Lines before the next byte.
    line: usize,
    limit: usize,
    line_limit: usize,
    given: usize,
    given_of_line: usize,
    too_large: Option<usize>,
    failed: Option<Problem>,
}

/// How much of a line is looked at to tell whether it is blank, a comment or a marker.
const LOOK: usize = 1024;

impl<R: BufRead> Documents<R> {
    fn new(input: R, limit: usize, line_limit: usize) -> Self {
        Self {
            input,
            ahead: Vec::new(),
            line_start: true,
            ended: true,
            line: 0,
            limit,
            line_limit,
            given: 0,
            given_of_line: 0,
            too_large: None,
            failed: None,
        }
    }

    /// Goes to the next document that has content; false where there is none.
    ///
    /// Comments, blank lines, directives and empty documents are dropped on the way. Of the directives only `%TAG`
    /// could matter, and Kubernetes manifests have no tags.
    fn next_document(&mut self) -> io::Result<bool> {
        self.ended = false;
        self.given = 0;
        self.given_of_line = 0;
        // What a parser left of the previous document is none of ours.
        loop {
            let whole = self.look_at_line()?;
            if self.ahead.is_empty() {
                self.ended = true;
                return Ok(false);
            }
            if !is_filler(&self.ahead) {
                self.line_start = true;
                return Ok(true);
            }
            self.ahead.clear();
            if !whole {
                self.skip_line()?;
            }
            self.line += 1;
        }
    }

    /// Brings the start of the current line into `ahead`; true where that is all of it, with its end.
    fn look_at_line(&mut self) -> io::Result<bool> {
        while self.ahead.len() < LOOK && self.ahead.last() != Some(&b'\n') {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            let chunk = chunk.get(..LOOK - self.ahead.len()).unwrap_or(chunk);
            let taken = memchr::memchr(b'\n', chunk).map_or(chunk.len(), |end| end + 1);
            self.ahead
                .extend_from_slice(chunk.get(..taken).unwrap_or_default());
            self.input.consume(taken);
        }
        Ok(self.ahead.last() == Some(&b'\n'))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let chunk = self.input.fill_buf()?;
            let end = memchr::memchr(b'\n', chunk);
            let taken = end.map_or(chunk.len(), |end| end + 1);
            self.input.consume(taken);
            if end.is_some() || taken == 0 {
                return Ok(());
            }
        }
    }

    /// What a parser's error means.
    fn problem(&mut self, error: &serde_saphyr::Error) -> Problem {
        use serde_saphyr::Error as Yaml;

        if let Some(limit) = self.too_large {
            return Problem::TooLarge { limit };
        }
        if let Some(problem) = self.failed.take() {
            return problem;
        }
        let text = error.without_snippet().to_string();
        // The parser puts its own place somewhere into the sentence; ours counts from the start of the input.
        let message = text
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .trim_end_matches([',', ':', ' ']);
        match error.without_snippet() {
            Yaml::Budget { breach, .. } => budget(breach),
            Yaml::AliasReplayCounterOverflow { .. }
            | Yaml::AliasReplayLimitExceeded { .. }
            | Yaml::AliasExpansionLimitExceeded { .. }
            | Yaml::AliasReplayStackDepthExceeded { .. } => Problem::Budget {
                message: message.to_owned(),
            },
            // The same, found while an alias within an alias was being replayed.
            Yaml::AliasError { msg, .. }
                if msg.starts_with("alias replay") || msg.starts_with("alias expansion") =>
            {
                Problem::Budget {
                    message: message.to_owned(),
                }
            }
            Yaml::DuplicateMappingKey { key: Some(key), .. } => {
                let key: String = key.chars().take(80).collect();
                Problem::Syntax {
                    message: format!("the key `{key}` stands twice in one mapping"),
                }
            }
            Yaml::Eof { .. } => Problem::Truncated {
                message: message.to_owned(),
            },
            _ => Problem::Syntax {
                message: format!("not YAML: {message}"),
            },
        }
    }

    /// The number of bytes at the start of `chunk` that certainly belong to the current document, given that it does
    /// not begin a line.
    fn within_document(chunk: &[u8]) -> usize {
        for newline in memchr::memchr_iter(b'\n', chunk) {
            let next_line = chunk.get(newline + 1..).unwrap_or_default();
            if next_line.len() < MARKER || next_line.starts_with(b"---") || next_line.starts_with(b"...") {
                return newline + 1;
            }
        }
        chunk.len()
    }
}

fn budget(breach: &BudgetBreach) -> Problem {
    let message = match breach {
        BudgetBreach::Depth { .. } => return Problem::TooDeep,
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => "it has too many values",
        BudgetBreach::Anchors { .. } => "it has too many anchors",
        BudgetBreach::Aliases { .. } | BudgetBreach::AliasAnchorRatio { .. } => "it has too many aliases",
        BudgetBreach::MergeKeys { .. } => "it has too many merge keys",
        BudgetBreach::ScalarBytes { .. } => "its texts are too long",
        other => {
            return Problem::Budget {
                message: format!("{other:?}"),
            };
        }
    };
    Problem::Budget {
        message: message.to_owned(),
    }
}

/// The length of a document marker.
const MARKER: usize = 3;

/// Whether a line holds nothing that a document could begin with.
fn is_filler(line: &[u8]) -> bool {
    if line.starts_with(b"%") {
        return true;
    }
    let rest = line
        .strip_prefix(b"---")
        .or_else(|| line.strip_prefix(b"..."))
        .unwrap_or(line);
    let blank = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .count();
    let separated = blank > 0 || rest.len() == line.len();
    match rest.get(blank) {
        None => true,
        Some(b'#') => separated,
        Some(_) => false,
    }
}

/// Whether a line, of which at least four bytes are known unless it is shorter, is a document marker.
fn is_marker(line: &[u8]) -> bool {
    (line.starts_with(b"---") || line.starts_with(b"..."))
        && line
            .get(MARKER)
            .is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

impl<R: BufRead> Read for Documents<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ended || into.is_empty() {
            return Ok(0);
        }
        if self.line_start {
            if self.given > 0 {
                self.look_at_line()?;
                if is_marker(&self.ahead) {
                    self.ended = true;
                    return Ok(0);
                }
            }
            self.line_start = false;
        }
        let from_ahead = !self.ahead.is_empty();
        let given = if from_ahead {
            let size = self.ahead.len().min(into.len());
            let rest = self.ahead.split_off(size);
            copy(&self.ahead, into);
            self.line_start = self.ahead.last() == Some(&b'\n') && rest.is_empty();
            self.ahead = rest;
            size
        } else {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) => {
                    let again = io::Error::from(error.kind());
                    self.failed = Some(error.into());
                    return Err(again);
                }
            };
            let certain = Self::within_document(chunk);
            let part = chunk.get(..certain.min(into.len())).unwrap_or_default();
            copy(part, into);
            self.line_start = part.last() == Some(&b'\n');
            let size = part.len();
            self.input.consume(size);
            size
        };
        let part = into.get(..given).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', part).count();
        self.given += given;
        self.given_of_line = match memchr::memrchr(b'\n', part) {
            Some(newline) => given - newline - 1,
            None => self.given_of_line + given,
        };
        self.too_large = (self.given > self.limit)
            .then_some(self.limit)
            .or_else(|| (self.given_of_line > self.line_limit).then_some(self.line_limit));
        if self.too_large.is_some() {
            return Err(io::Error::other("too large"));
        }
        Ok(given)
    }
}

fn copy(from: &[u8], into: &mut [u8]) {
    if let Some(into) = into.get_mut(..from.len()) {
        into.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn split(input: &str, chunk: usize) -> Vec<(usize, String)> {
        let mut documents = Documents::new(
            BufReader::with_capacity(chunk, input.as_bytes()),
            usize::MAX,
            usize::MAX,
        );
        let mut all = Vec::new();
        while documents.next_document().unwrap() {
            let line = documents.line;
            let mut text = String::new();
            documents.read_to_string(&mut text).unwrap();
            all.push((line + 1, text));
        }
        all
    }

    #[test]
    fn splits_at_markers_and_drops_fillers() {
        let input = "# head\n\n%YAML 1.2\n---\na: 1\n---\n--- # empty\n---\nb: |\n  --- no marker\n ---\n...\n# tail\n--- {c: 1}\n";
        for chunk in 1..20 {
            assert_eq!(
                split(input, chunk),
                [
                    (5, "a: 1\n".to_owned()),
                    (9, "b: |\n  --- no marker\n ---\n".to_owned()),
                    (14, "--- {c: 1}\n".to_owned()),
                ],
                "chunk {chunk}"
            );
        }
    }

    #[test]
    fn markers_need_a_boundary() {
        assert_eq!(
            split("a: 1\n---b: 2\n----\n", 3),
            [(1, "a: 1\n---b: 2\n----\n".to_owned())]
        );
        assert_eq!(split("a: 1\n---", 2), [(1, "a: 1\n".to_owned())]);
        assert_eq!(
            split("a: 1\r\n---\r\nb: 2\r\n", 5),
            [(1, "a: 1\r\n".into()), (3, "b: 2\r\n".into())]
        );
    }

    #[test]
    fn long_comments_and_long_first_lines_pass() {
        let comment = format!("#{}\n", "x".repeat(3 * LOOK));
        let content = format!("a: {}\nb: 1\n", "y".repeat(3 * LOOK));
        assert_eq!(split(&format!("{comment}{content}"), 100), [(2, content)]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-. #%a:\\[{}&*\n]{0,60}") {
            let _ = read_documents(text.as_bytes(), &Limits::default(), &mut |_| {});
        }

        #[test]
        fn chunks_do_not_matter(text in "[-. #%a\n]{0,40}", chunk in 1_usize..8) {
            prop_assert_eq!(split(&text, chunk), split(&text, 4096));
        }
    }
}
