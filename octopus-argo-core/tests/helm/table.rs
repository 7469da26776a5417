//! `vectors/helm-values.csv`, which has quotes around fields with commas.

use std::fs;
use std::path::Path;

pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) kind: String,
    pub(crate) default: String,
    description: String,
}

impl Row {
    pub(crate) fn says(&self, words: &str) -> bool {
        self.description.contains(words)
    }
}

pub(crate) fn rows(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("key,type,default,description"));
    lines
        .map(|line| {
            let [key, kind, default, description] = fields(line)
                .try_into()
                .unwrap_or_else(|fields| panic!("{fields:?}"));
            Row {
                key,
                kind,
                default,
                description,
            }
        })
        .collect()
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                fields.last_mut().unwrap().push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(character),
        }
    }
    assert!(!quoted, "{line}");
    fields
}
