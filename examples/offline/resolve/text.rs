//! Texts of others on a terminal.

use std::fmt::Write as _;

/// `text` without control characters, so that a manifest cannot speak to the terminal.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            let _ = write!(clean, "{}", character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}
