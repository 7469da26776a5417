//! The events of a JSON text.

use super::locate::{Event, Locator};

/// Tells `locator` what stands where in a text that has been read, and so is JSON. Recurses nowhere.
pub(super) fn events(text: &str, locator: &mut Locator) {
    let mut scanner = Scanner {
        text,
        at: 0,
        line: 1,
        line_start: 0,
        counted: (0, 0),
    };
    let mut depth = 0_usize;
    while let Some(byte) = scanner.next_significant() {
        if depth == 0 {
            locator.event(Event::DocumentStart, (scanner.line, 1));
        }
        let place = scanner.place();
        match byte {
            b'{' | b'[' => {
                depth += 1;
                scanner.at += 1;
                locator.event(
                    if byte == b'{' {
                        Event::MapStart
                    } else {
                        Event::ListStart
                    },
                    place,
                );
                continue;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                scanner.at += 1;
                locator.event(Event::End, place);
            }
            b'"' => {
                let quoted = scanner.text_value();
                if quoted.contains('\\') {
                    let text = serde_json::from_str::<String>(quoted).unwrap_or_default();
                    locator.event(Event::Text(&text), place);
                } else {
                    locator.event(Event::Text(quoted.trim_matches('"')), place);
                }
            }
            _ => {
                scanner.word();
                locator.event(Event::Other, place);
            }
        }
        if depth == 0 {
            locator.event(Event::DocumentEnd, place);
        }
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    line_start: usize,
    /// A position on this line and the characters before it, so that a long line is counted once.
    counted: (usize, usize),
}

impl<'t> Scanner<'t> {
    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The next byte that begins a value or ends one.
    fn next_significant(&mut self) -> Option<u8> {
        loop {
            let byte = *self.rest().first()?;
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.line_start = self.at + 1;
                    self.counted = (self.line_start, 0);
                }
                b' ' | b'\t' | b'\r' | b',' | b':' => {}
                _ => return Some(byte),
            }
            self.at += 1;
        }
    }

    fn place(&mut self) -> (usize, usize) {
        let (from, before) = self.counted;
        let between = self.text.get(from..self.at).unwrap_or_default();
        self.counted = (self.at, before + between.chars().count());
        (self.line, self.counted.1 + 1)
    }

    /// The text that begins here, with its quotes.
    fn text_value(&mut self) -> &'t str {
        let start = self.at;
        self.at += 1;
        while let Some(found) = memchr::memchr2(b'"', b'\\', self.rest()) {
            let escape = self.rest().get(found) == Some(&b'\\');
            self.at += found + if escape { 2 } else { 1 };
            if !escape {
                return self.text.get(start..self.at).unwrap_or_default();
            }
        }
        self.at = self.text.len();
        self.text.get(start..).unwrap_or_default()
    }

    fn word(&mut self) {
        let end = |byte: &u8| {
            matches!(byte, b',' | b':' | b'}' | b']' | b'{' | b'[' | b'"') || byte.is_ascii_whitespace()
        };
        self.at += self
            .rest()
            .iter()
            .position(end)
            .unwrap_or_else(|| self.rest().len())
            .max(1);
    }
}
