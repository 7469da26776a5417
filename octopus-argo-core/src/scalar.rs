//! Texts as YAML.

use std::fmt::Write as _;

/// A text as YAML, in quotes unless it is certainly text without them: `true` and `1.0` are not.
pub(crate) fn scalar(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    let starts_as_word = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if starts_as_word && !word && text.bytes().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // Line ends to some readers, invisible to people, or not allowed at all.
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => escape(&mut quoted, character),
            _ if character.is_control() => escape(&mut quoted, character),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn escape(text: &mut String, character: char) {
    // Writing to a `String` cannot fail.
    let _ = write!(text, "\\u{:04x}", u32::from(character));
}

/// Texts that some YAML reader takes for something else.
const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
