//! What is printed, and how.

use std::io::IsTerminal as _;

use anstyle::{AnsiColor, Style};

/// Colours, or none where nobody would see them.
#[derive(Clone, Copy, Default)]
pub struct Screen {
    strong: Style,
    good: Style,
    bad: Style,
    faint: Style,
    steps: usize,
}

impl Screen {
    pub fn new() -> Self {
        let colour = std::io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|text| text.is_empty());
        if !colour {
            return Self::default();
        }
        Self {
            strong: Style::new().bold(),
            good: AnsiColor::Green.on_default(),
            bad: AnsiColor::Yellow.on_default(),
            faint: Style::new().dimmed(),
            steps: 0,
        }
    }

    /// Begins the next part of the tour.
    pub fn step(&mut self, title: &str) {
        let Self { strong, .. } = self;
        self.steps += 1;
        println!("\n{strong}{}  {title}{strong:#}", self.steps);
    }

    #[expect(clippy::unused_self, reason = "it reads like its coloured siblings")]
    pub fn line(&self, text: &str) {
        println!("   {}", clean(text));
    }

    pub fn good(&self, text: &str) {
        let Self { good, .. } = self;
        println!("   {good}{}{good:#}", clean(text));
    }

    pub fn bad(&self, text: &str) {
        let Self { bad, .. } = self;
        println!("   {bad}{}{bad:#}", clean(text));
    }

    pub fn faint(&self, text: &str) {
        let Self { faint, .. } = self;
        println!("   {faint}{}{faint:#}", clean(text));
    }

    /// A table; the last column is good or bad news.
    pub fn table<const N: usize>(&self, headings: [&str; N], rows: &[([String; N], bool)]) {
        let mut widths = headings.map(str::len);
        for (row, _) in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: [&str; N]| {
            let cells = cells
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.faint(&line(headings));
        for (row, good) in rows {
            let text = line(row.each_ref().map(String::as_str));
            if *good { self.line(&text) } else { self.bad(&text) }
        }
    }
}

/// `text` without control characters, so that a manifest cannot speak to the terminal.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

/// An error with what caused it, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
