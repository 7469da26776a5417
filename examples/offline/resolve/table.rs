//! The answer for people.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use anstyle::{AnsiColor, Style};
use octopus_argo_core::annotation::Purpose;
use octopus_argo_core::scope::{Declared, Reason, Severity, SourceMatch};
use octopus_argo_core::{Resolution, Scope, Source};

use crate::run::{Report, Summary};
use crate::text::clean;

const HEADINGS: [&str; 7] = [
    "APPLICATION",
    "SOURCE",
    "TYPE",
    "REPOSITORY",
    "REVISION",
    "PATH",
    "STATUS",
];

pub struct TableReport {
    scope: Scope,
    explain: bool,
    demonstration: bool,
    style: Palette,
    rows: Vec<[String; HEADINGS.len()]>,
    /// What is said of applications one by one, as text already.
    matched_notes: String,
    near_misses: String,
}

/// Colours, or none where nobody would see them.
#[derive(Clone, Copy, Default)]
struct Palette {
    strong: Style,
    good: Style,
    bad: Style,
    faint: Style,
}

impl Palette {
    fn for_stdout() -> Self {
        let wanted = std::io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|text| text.is_empty());
        if !wanted {
            return Self::default();
        }
        Self {
            strong: Style::new().bold(),
            good: AnsiColor::Green.on_default(),
            bad: AnsiColor::Yellow.on_default(),
            faint: Style::new().dimmed(),
        }
    }
}

impl TableReport {
    pub fn new(scope: &Scope, explain: bool, demonstration: bool) -> Self {
        Self {
            scope: scope.clone(),
            explain,
            demonstration,
            style: Palette::for_stdout(),
            rows: Vec::new(),
            matched_notes: String::new(),
            near_misses: String::new(),
        }
    }

    fn add_rows(&mut self, resolution: &Resolution<'_>) {
        let application = resolution.application();
        let status = if resolution.is_template() {
            "template".to_owned()
        } else {
            application
                .status
                .as_ref()
                .map_or_else(|| "no status yet".to_owned(), status_text)
        };
        for source in resolution.matched() {
            let fields = source.source();
            self.rows.push([
                clean(&resolution.name().to_string()),
                source_label(source.index(), fields),
                source
                    .source_type()
                    .map_or_else(|| "?".to_owned(), |kind| clean(kind.as_str())),
                clean(&fields.repo_url),
                clean(fields.target_revision.as_deref().unwrap_or("HEAD")),
                clean(fields.path.as_deref().or(fields.chart.as_deref()).unwrap_or("-")),
                status.clone(),
            ]);
        }
    }

    /// Everything that is remarkable about one application, below its name.
    fn explanation(&self, resolution: &Resolution<'_>) -> String {
        let Palette {
            strong, bad, faint, ..
        } = self.style;
        let mut lines = String::new();
        let kind = if resolution.is_template() {
            " (template of an ApplicationSet)"
        } else {
            ""
        };
        let _ = writeln!(
            lines,
            "  {strong}{}{strong:#}{kind}",
            clean(&resolution.name().to_string())
        );
        for source in resolution.sources().iter().filter(|source| !source.in_scope()) {
            let label = source_label(source.index(), source.source());
            let _ = writeln!(lines, "    source {label}: {}", why_not(source));
        }
        for finding in resolution.findings() {
            let style = if finding.severity() == Severity::Error {
                strong
            } else {
                bad
            };
            let _ = writeln!(
                lines,
                "    {style}{}:{style:#} {}",
                finding.severity(),
                clean(&finding.to_string())
            );
        }
        for hint in resolution.hints() {
            let _ = writeln!(lines, "    {faint}hint:{faint:#} {}", clean(&hint.to_string()));
        }
        lines
    }

    fn heading(&self, output: &mut String, text: &str) {
        let strong = self.style.strong;
        let _ = writeln!(output, "\n{strong}{text}{strong:#}");
    }
}

impl Report for TableReport {
    fn add(&mut self, resolution: &Resolution<'_>) {
        if resolution.is_match() {
            self.add_rows(resolution);
            let remarkable = !resolution.findings().is_empty() || !resolution.hints().is_empty();
            if self.explain && remarkable {
                self.matched_notes.push_str(&self.explanation(resolution));
            }
        } else if self.explain && resolution.is_near_miss() {
            self.near_misses.push_str(&self.explanation(resolution));
        }
    }

    fn finish(self: Box<Self>, summary: &Summary) -> Vec<u8> {
        let mut output = String::new();
        let strong = self.style.strong;
        let scope = clean(&self.scope.to_string());
        if self.demonstration {
            output.push_str(DEMONSTRATION);
        }
        let _ = writeln!(output, "Deploying {strong}{scope}{strong:#}");
        if self.rows.is_empty() {
            let _ = writeln!(output, "\nNo source is in scope.");
        } else {
            self.heading(&mut output, "In scope");
            write_table(&mut output, &self.rows, self.style);
        }
        if !self.matched_notes.is_empty() {
            self.heading(&mut output, "Remarks on these");
            output.push_str(&self.matched_notes);
        }
        if !self.near_misses.is_empty() {
            self.heading(&mut output, "Near misses");
            output.push_str(&self.near_misses);
        }
        output.push('\n');
        output.push_str(&summary_text(summary, self.explain));
        output.into_bytes()
    }
}

const DEMONSTRATION: &str = "\
This is the sample fleet of the repository (examples/fleet). Your own:
  kubectl get applications -A -o json | cargo run --release --example resolve -- --project SLUG --environment SLUG

";

fn status_text(status: &octopus_argo_core::Status) -> String {
    let or_none = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let health = or_none(
        status
            .health
            .as_ref()
            .map(octopus_argo_core::health::HealthStatus::as_str),
    );
    let sync = or_none(
        status
            .sync
            .as_ref()
            .map(octopus_argo_core::health::SyncStatus::as_str),
    );
    clean(&format!("{health}, {sync}"))
}

/// Why a source is out of scope; short where nothing is declared for it at all.
fn why_not(source: &SourceMatch<'_>) -> String {
    let unnamed = matches!(source.reasons(), [Reason::UnnamedInMultiSource { .. }]);
    if source.declared() == Declared::NONE && !unnamed {
        let key = Purpose::Project.key(source.source().name());
        return format!(
            "not annotated; its keys would be `{}` and so on",
            clean(&key.to_string())
        );
    }
    let reasons: Vec<String> = source
        .reasons()
        .iter()
        .map(|reason| clean(&reason.to_string()))
        .collect();
    reasons.join("; ")
}

/// A source as people speak of it: its number, and its name if it has one.
fn source_label(index: usize, source: &Source) -> String {
    source
        .name()
        .map_or_else(|| index.to_string(), |name| format!("{index} {}", clean(name)))
}

fn write_table(output: &mut String, rows: &[[String; HEADINGS.len()]], style: Palette) {
    let mut widths = HEADINGS.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut line = |cells: &[&str; HEADINGS.len()], style: Style| {
        let mut text = String::from("  ");
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(text, "{cell:width$}  ");
        }
        let _ = writeln!(output, "{style}{}{style:#}", text.trim_end());
    };
    line(&HEADINGS, style.faint);
    for row in rows {
        line(&row.each_ref().map(String::as_str), style.good);
    }
}

fn summary_text(summary: &Summary, explained: bool) -> String {
    let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let mut text = format!(
        "{} of {} in scope",
        plural(summary.matched_sources, "source"),
        plural(summary.applications, "application")
    );
    if summary.application_sets > 0 {
        let _ = write!(
            text,
            " and {}",
            plural(summary.application_sets, "ApplicationSet")
        );
    }
    let _ = write!(
        text,
        "; {}",
        plural(summary.near_misses, "near miss").replace("misss", "misses")
    );
    if summary.near_misses > 0 && !explained {
        text.push_str(" (--explain shows them)");
    }
    let _ = write!(text, "; {} without annotations", summary.unannotated);
    for (count, what) in [
        (summary.other_objects, "other object"),
        (summary.other_files, "other file"),
    ] {
        if count > 0 {
            let _ = write!(text, "; {} passed over", plural(count, what));
        }
    }
    text.push_str(".\n");
    text
}
