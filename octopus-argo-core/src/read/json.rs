//! JSON: from memory in one pass, and from a stream object by object.

use std::io::{self, BufRead, Read};

use serde_json::error::Category;

use super::root::{self, Stopped};
use super::shape::Cx;
use super::{Limits, Object, Place, Problem, ReadError};

/// Reads every JSON value in `input`, one after another.
pub(super) fn read_slice(input: &[u8], each: &mut dyn FnMut(Object)) -> Result<(), ReadError> {
    let mut rest = input;
    let mut document = 0;
    loop {
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        rest = rest.get(blank..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        document += 1;
        let before = input.len() - rest.len();
        let mut json = serde_json::Deserializer::from_slice(rest);
        root::read_document(&mut json, each).map_err(|stopped| {
            let lines = count_lines(input.get(..before).unwrap_or_default());
            error(stopped, document, lines)
        })?;
        let taken = json.into_iter::<serde::de::IgnoredAny>().byte_offset();
        rest = rest.get(taken..).unwrap_or_default();
    }
}

/// Reads every JSON value of a stream. Of a list, one entry at a time is in memory; of anything else, all of it.
pub(super) fn read_stream(
    input: impl BufRead,
    limits: &Limits,
    each: &mut dyn FnMut(Object),
) -> Result<(), ReadError> {
    let mut splitter = Splitter::new(input, limits);
    let mut document = 0;
    while let Some(first) = splitter.peek_significant()? {
        document += 1;
        splitter.document = document;
        match first {
            b'[' => splitter.list(None, each)?,
            b'{' => splitter.object(each)?,
            _ => {
                let line = splitter.line;
                let value = splitter.value()?;
                let mut json = serde_json::Deserializer::from_slice(value);
                root::read_document(&mut json, each).map_err(|stopped| error(stopped, document, line))?;
            }
        }
    }
    Ok(())
}

fn error(stopped: Stopped<serde_json::Error>, document: usize, lines_before: usize) -> ReadError {
    let mut place = Place {
        document: Some(document),
        ..Place::default()
    };
    let problem = match stopped {
        Stopped::Problem(problem) => problem,
        Stopped::Format(error) => {
            if error.line() > 0 {
                place.line = Some(lines_before + error.line());
                place.column = Some(error.column());
            }
            let text = error.to_string();
            // The reader appends its own place, which is ours already and may count from another start.
            let message = text.split(" at line ").next().unwrap_or_default().to_owned();
            match error.classify() {
                Category::Eof => Problem::Truncated { message },
                _ if message.starts_with("recursion limit") => Problem::TooDeep,
                _ => Problem::Syntax {
                    message: format!("not JSON: {message}"),
                },
            }
        }
    };
    ReadError::at(place, problem)
}

fn count_lines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

/// Cuts a stream of JSON into the pieces that are read at once: the entries of lists, and whole other values.
///
/// It only finds where values end, by counting brackets outside strings; that the pieces are JSON is checked when they
/// are read. A list's remainder, its "shell", is kept with the entries left out, and read like any object at the end.
struct Splitter<R> {
    input: Window<R>,
    limit: usize,
    /// The piece at hand.
    piece: Vec<u8>,
    document: usize,
    /// Lines before the current position.
    line: usize,
    /// Lines before the piece at hand.
    piece_line: usize,
}

impl<R: BufRead> Splitter<R> {
    fn new(input: R, limits: &Limits) -> Self {
        Self {
            input: Window::new(input),
            limit: limits.object_bytes,
            piece: Vec::new(),
            document: 0,
            line: 0,
            piece_line: 0,
        }
    }

    fn fail(&self, problem: Problem) -> ReadError {
        let place = Place {
            document: Some(self.document),
            line: Some(self.line + 1),
            ..Place::default()
        };
        ReadError::at(place, problem)
    }

    fn truncated(&self, wanted: &str) -> ReadError {
        self.fail(Problem::Truncated {
            message: format!("expected {wanted}"),
        })
    }

    /// The next byte that is not whitespace, which stays in the input.
    fn peek_significant(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) => return Err(self.fail(error.into())),
            };
            if chunk.is_empty() {
                return Ok(None);
            }
            let blank = chunk.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let found = chunk.get(blank).copied();
            self.line += count_lines(chunk.get(..blank).unwrap_or_default());
            self.input.consume(blank);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Takes the next significant byte if it is `wanted`.
    fn take(&mut self, wanted: u8) -> Result<bool, ReadError> {
        let found = self.peek_significant()? == Some(wanted);
        if found {
            self.input.consume(1);
        }
        Ok(found)
    }

    /// Takes the next significant byte, which has to be one of two.
    fn take_either(&mut self, more: u8, end: u8) -> Result<bool, ReadError> {
        match self.peek_significant()? {
            Some(byte) if byte == more || byte == end => {
                self.input.consume(1);
                Ok(byte == more)
            }
            Some(byte) => Err(self.fail(Problem::Syntax {
                message: format!(
                    "not JSON: expected `{}` or `{}`, found `{}`",
                    char::from(more),
                    char::from(end),
                    char::from(byte).escape_default()
                ),
            })),
            None => Err(self.truncated(&format!("`{}` or `{}`", char::from(more), char::from(end)))),
        }
    }

    /// Takes the next value whole.
    fn value(&mut self) -> Result<&[u8], ReadError> {
        self.piece.clear();
        self.peek_significant()?;
        self.piece_line = self.line;
        self.append_value()?;
        Ok(&self.piece)
    }

    /// Appends the next value to the piece at hand.
    fn append_value(&mut self) -> Result<(), ReadError> {
        if self.peek_significant()?.is_none() {
            return Err(self.truncated("a value"));
        }
        let mut end = ValueEnd::default();
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) => return Err(self.fail(error.into())),
            };
            if chunk.is_empty() {
                return if end.may_end() {
                    Ok(())
                } else {
                    Err(self.truncated("the end of a value"))
                };
            }
            let found = end.find(chunk);
            let taken = found.unwrap_or(chunk.len());
            if end.deepest > Limits::DEPTH {
                return Err(self.fail(Problem::TooDeep));
            }
            if self.piece.len() + taken > self.limit {
                return Err(self.fail(Problem::TooLarge { limit: self.limit }));
            }
            let part = chunk.get(..taken).unwrap_or_default();
            self.line += count_lines(part);
            self.piece.extend_from_slice(part);
            self.input.consume(taken);
            if found.is_some() {
                return Ok(());
            }
        }
    }

    /// Takes a list and hands every entry over.
    fn list(&mut self, name: Option<&'static str>, each: &mut dyn FnMut(Object)) -> Result<(), ReadError> {
        self.take(b'[')?;
        if self.take(b']')? {
            return Ok(());
        }
        for index in 0.. {
            self.entry(name, index, each)?;
            if !self.take_either(b',', b']')? {
                break;
            }
        }
        Ok(())
    }

    /// Takes a list's entry and hands it over, read where it stands in the window. Where the window ends before it,
    /// it is read again with more: finding its end first would go over every byte twice.
    fn entry(
        &mut self,
        name: Option<&'static str>,
        index: usize,
        each: &mut dyn FnMut(Object),
    ) -> Result<(), ReadError> {
        self.peek_significant()?;
        loop {
            let seen = self.input.seen();
            let whole = seen.len() > self.limit;
            let part = seen.get(..self.limit).unwrap_or(seen);
            let mut json = serde_json::Deserializer::from_slice(part);
            let read = root::read_element(&mut json, Cx::at_element(name, index), each);
            match read {
                Err(Stopped::Format(broken)) if broken.is_eof() => {
                    if whole {
                        return Err(self.fail(Problem::TooLarge { limit: self.limit }));
                    }
                    match self.input.extend(2 * seen.len().max(ROOM / 2)) {
                        Ok(true) => {}
                        Ok(false) => return Err(error(Stopped::Format(broken), self.document, self.line)),
                        Err(failure) => return Err(self.fail(failure.into())),
                    }
                }
                Err(stopped) => return Err(error(stopped, self.document, self.line)),
                Ok(()) => {
                    let taken = json.into_iter::<serde::de::IgnoredAny>().byte_offset();
                    self.line += count_lines(part.get(..taken).unwrap_or_default());
                    self.input.consume(taken);
                    return Ok(());
                }
            }
        }
    }

    /// Takes an object and hands it over, or its `items` if it has them.
    fn object(&mut self, each: &mut dyn FnMut(Object)) -> Result<(), ReadError> {
        let start_line = self.line;
        self.take(b'{')?;
        let mut shell = vec![b'{'];
        let mut more = !self.take(b'}')?;
        while more {
            self.piece_for(&mut shell)?;
            let is_items = self.piece == b"\"items\"";
            if !self.take(b':')? {
                return Err(self.fail(Problem::Syntax {
                    message: "not JSON: expected `:`".to_owned(),
                }));
            }
            shell.push(b':');
            if is_items && self.peek_significant()? == Some(b'[') {
                self.list(Some("items"), each)?;
                shell.extend_from_slice(b"[]");
            } else {
                self.piece_for(&mut shell)?;
            }
            more = self.take_either(b',', b'}')?;
            shell.push(if more { b',' } else { b'}' });
        }
        if shell == b"{" {
            shell.push(b'}');
        }
        let mut json = serde_json::Deserializer::from_slice(&shell);
        root::read_document(&mut json, each)
            .and_then(|()| json.end().map_err(Stopped::Format))
            .map_err(|stopped| error(stopped, self.document, start_line))
    }

    /// Takes the next value and appends it to the shell. Checked here already, because a mistake found in the shell
    /// has lost its line.
    fn piece_for(&mut self, shell: &mut Vec<u8>) -> Result<(), ReadError> {
        self.value()?;
        serde_json::from_slice::<serde::de::IgnoredAny>(&self.piece)
            .map_err(|broken| error(Stopped::Format(broken), self.document, self.piece_line))?;
        if shell.len() + self.piece.len() > self.limit {
            return Err(self.fail(Problem::TooLarge { limit: self.limit }));
        }
        shell.extend_from_slice(&self.piece);
        Ok(())
    }
}

/// A reader that can be asked for more before what it has shown is taken.
struct Window<R> {
    input: R,
    bytes: Vec<u8>,
    /// Bytes that have been taken.
    start: usize,
}

/// Room to begin with: an entry at the end of the window is read twice, so it holds many.
const ROOM: usize = 256 << 10;

impl<R: BufRead> Window<R> {
    fn new(input: R) -> Self {
        Self {
            input,
            bytes: Vec::new(),
            start: 0,
        }
    }

    fn seen(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Reads until `wanted` bytes are seen; false at the end of the input.
    fn extend(&mut self, wanted: usize) -> io::Result<bool> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let before = self.bytes.len();
        let missing = wanted.saturating_sub(before);
        self.bytes.reserve(missing);
        // Past the buffer beneath, where that is empty, so that what is read is copied once.
        self.input
            .by_ref()
            .take(missing as u64)
            .read_to_end(&mut self.bytes)?;
        Ok(self.bytes.len() > before)
    }

    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.bytes.len() {
            // What is there is enough: whoever watches a stream sees an object when it comes, not when a buffer is full.
            self.bytes.clear();
            self.start = 0;
            let chunk = self.input.fill_buf()?;
            let taken = chunk.len();
            self.bytes.extend_from_slice(chunk);
            self.input.consume(taken);
        }
        Ok(self.seen())
    }

    fn consume(&mut self, taken: usize) {
        self.start += taken;
    }
}

/// Finds the end of a JSON value that comes in chunks.
#[derive(Default)]
struct ValueEnd {
    state: ValueState,
    depth: usize,
    deepest: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum ValueState {
    /// Nothing has been seen.
    #[default]
    Start,
    /// In a number or a word, which end only where something else begins.
    Bare,
    /// In an object or a list, outside texts.
    Nested,
    Text,
    /// Behind a backslash in a text.
    Escape,
}

impl ValueEnd {
    /// Whether the input may end here.
    fn may_end(&self) -> bool {
        self.state == ValueState::Bare
    }

    /// The number of bytes of `chunk` that belong to the value, or `None` where all do and more are to come.
    fn find(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            match self.state {
                ValueState::Start => {
                    self.state = match rest.first() {
                        Some(b'"') => ValueState::Text,
                        Some(b'{' | b'[') => {
                            self.depth = 1;
                            ValueState::Nested
                        }
                        // A stray delimiter becomes a value of one byte, which its reader then refuses.
                        _ => ValueState::Bare,
                    };
                    at += 1;
                }
                ValueState::Bare => return rest.iter().position(|byte| ends_bare(*byte)).map(|end| at + end),
                ValueState::Nested => {
                    let found = rest.iter().position(|byte| is_bracket_or_quote(*byte))?;
                    at += found + 1;
                    match rest.get(found) {
                        Some(b'"') => self.state = ValueState::Text,
                        Some(b'{' | b'[') => {
                            self.depth += 1;
                            self.deepest = self.deepest.max(self.depth);
                        }
                        _ => {
                            self.depth -= 1;
                            if self.depth == 0 {
                                return Some(at);
                            }
                        }
                    }
                }
                ValueState::Text => {
                    let found = memchr::memchr2(b'"', b'\\', rest)?;
                    at += found + 1;
                    if rest.get(found) == Some(&b'\\') {
                        self.state = ValueState::Escape;
                    } else if self.depth == 0 {
                        return Some(at);
                    } else {
                        self.state = ValueState::Nested;
                    }
                }
                ValueState::Escape => {
                    self.state = ValueState::Text;
                    at += 1;
                }
            }
        }
        None
    }
}

fn ends_bare(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b',' | b':')
}

fn is_bracket_or_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'{' | b'}' | b'[' | b']')
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    /// A reader that gives `size` bytes at a time, so that every boundary falls everywhere.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let size = self.1.min(into.len()).min(self.0.len());
            let (now, later) = self.0.split_at(size);
            into[..size].copy_from_slice(now);
            self.0 = later;
            Ok(size)
        }
    }

    fn both(input: &[u8], chunk: usize) -> (Result<Vec<String>, String>, Result<Vec<String>, String>) {
        let mut from_slice = Vec::new();
        let sliced = read_slice(input, &mut |object| from_slice.push(format!("{object:?}")));
        let mut from_stream = Vec::new();
        let reader = BufReader::with_capacity(chunk, Dribble(input, chunk));
        let streamed = read_stream(reader, &Limits::default(), &mut |object| {
            from_stream.push(format!("{object:?}"))
        });
        (
            sliced.map(|()| from_slice).map_err(|error| error.to_string()),
            streamed.map(|()| from_stream).map_err(|error| error.to_string()),
        )
    }

    const INPUTS: &[&str] = &[
        "",
        " \n ",
        "{}",
        "[]",
        "null",
        r#"{"kind":"List","items":[]}"#,
        r#"{"items":[{"metadata":{"name":"a"},"spec":{"source":{"repoURL":"u\"\\"}}}],"kind":"List"}"#,
        r#"{"items":[{"kind":"Pod"},{"kind":"Pod","metadata":{"name":"[{\"\\]"}}]} {"kind":"Pod"}"#,
        r#"[{"kind":"Pod"},{"kind":"Service"}]"#,
        r#"{"kind":"Pod","metadata":{"name":"p","labels":{"a":[1,2.5,true,null]}}}"#,
        r#"{"result":{"type":"ADDED","application":{"kind":"Pod"}}}{"type":"X","object":{"kind":"Pod"}}"#,
        r#"{"items":[{"kind":"Application","spec":{"source":{"path":1}}}]}"#,
        r#"{"items":{"kind":"Pod"}}"#,
        r#"{"items":[null]}"#,
        "{\"items\":[{\"kind\":\"Pod\"}",
        "{\"kind\":\"Pod\"",
        "{\"kind\":",
        "{\"kind\" \"Pod\"}",
        "[{} {}]",
        "[1]",
        "tru",
        "12",
        "\"text\"",
        "{]",
        "[}",
        "}",
        ",",
    ];

    #[test]
    fn stream_and_slice_agree_wherever_the_chunks_end() {
        for input in INPUTS {
            for chunk in [1, 2, 3, 7, 64] {
                let (sliced, streamed) = both(input.as_bytes(), chunk);
                // What is wrong is the same; the words and columns of broken JSON depend on how much was seen.
                assert_eq!(
                    sliced.is_ok(),
                    streamed.is_ok(),
                    "{input}: {sliced:?} {streamed:?}"
                );
                if sliced.is_ok() {
                    assert_eq!(sliced, streamed, "{input}");
                }
            }
        }
    }

    #[test]
    fn lines_count_from_the_start_of_the_input() {
        let input = b"{\"items\": [\n{\"kind\": \"Pod\"},\n{\"kind\": oops}\n]}";
        for error in [both(input, 4).0, both(input, 4).1] {
            let error = error.unwrap_err();
            assert!(error.contains("line 3"), "{error}");
        }
    }

    #[test]
    fn one_object_has_a_limit_and_a_list_has_none() {
        let entry = format!("{{\"kind\":\"Pod\",\"pad\":\"{}\"}}", "x".repeat(500));
        let list = format!("[{}]", vec![entry.as_str(); 100].join(","));
        let limits = Limits::default().object_bytes(600);
        let mut count = 0;
        read_stream(list.as_bytes(), &limits, &mut |_| count += 1).unwrap();
        assert_eq!(count, 100);
        let error = read_stream(list.as_bytes(), &limits.object_bytes(400), &mut |_| {}).unwrap_err();
        assert!(
            matches!(error.problem(), Problem::TooLarge { limit: 400 }),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), chunk in 1_usize..9) {
            let _ = both(&bytes, chunk);
        }

        #[test]
        fn json_like_texts_agree(text in r#"[\[\]{},:"a1 \\\n]{0,30}"#, chunk in 1_usize..5) {
            let (sliced, streamed) = both(text.as_bytes(), chunk);
            prop_assert_eq!(sliced.is_ok(), streamed.is_ok(), "{:?} {:?}", sliced, streamed);
        }
    }
}
