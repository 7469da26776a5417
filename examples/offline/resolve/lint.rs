//! `--lint`: what is wrong or doubtful about the annotations, whatever is deployed.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use octopus_argo_core::lint::{Issue, RULES, lint_text};
use octopus_argo_core::read::{Format, Limits, Problem};
use octopus_argo_core::scope::Severity;
use serde_json::{Value, json};

use crate::args::{Output, STDIN};
use crate::input;
use crate::text::clean;

/// What was found, ready to be printed.
pub struct Verdict {
    pub output: Vec<u8>,
    /// No warning and no error; notes do not count.
    pub clean: bool,
}

struct Found {
    file: String,
    application: String,
    issue: Issue,
}

#[derive(Default)]
struct Run {
    found: Vec<Found>,
    applications: usize,
    errors: Vec<String>,
}

pub fn run(paths: &[PathBuf], output: Output) -> Result<Verdict, Vec<String>> {
    let mut run = Run::default();
    for path in paths {
        if path.is_dir() {
            run.folder(path);
        } else {
            run.file(path, false);
        }
    }
    if run.errors.is_empty() && run.applications == 0 {
        run.errors.push("there is no Application in the input".to_owned());
    }
    if !run.errors.is_empty() {
        return Err(run.errors);
    }
    let clean = run
        .found
        .iter()
        .all(|found| found.issue.severity == Severity::Note);
    let output = match output {
        Output::Table => table(&run).into_bytes(),
        Output::Json => line(&json_answer(&run)),
        Output::Sarif => line(&sarif(&run)),
    };
    Ok(Verdict { output, clean })
}

impl Run {
    fn folder(&mut self, folder: &Path) {
        let mut files = Vec::new();
        if let Err(error) = input::find_files(folder, &mut files) {
            self.errors.push(format!("{}: {error}", folder.display()));
        }
        files.sort();
        for file in files {
            self.file(&file, true);
        }
    }

    /// In a folder, files that hold nothing for us are passed over.
    fn file(&mut self, path: &Path, in_folder: bool) {
        let is_stdin = path == Path::new(STDIN);
        let name = if is_stdin {
            "standard-input".to_owned()
        } else {
            path.display().to_string()
        };
        let text = if is_stdin {
            let mut text = Vec::new();
            io::stdin().lock().read_to_end(&mut text).map(|_| text)
        } else {
            fs::read(path)
        };
        let text = match text {
            Ok(text) => text,
            Err(error) => return self.errors.push(format!("{name}: {error}")),
        };
        match lint_text(&text, Format::of_file_name(&name), &Limits::default()) {
            Ok(linted) => {
                self.applications += linted.len();
                for linted in linted {
                    let application = linted.name.to_string();
                    self.found.extend(linted.issues.into_iter().map(|issue| Found {
                        file: name.clone(),
                        application: application.clone(),
                        issue,
                    }));
                }
            }
            Err(error) => {
                let foreign = matches!(error.problem(), Problem::NotAnApplication { .. });
                if !in_folder || !foreign && input::mentions_argo_cd(path) {
                    self.errors.push(input::with_causes(&error.in_file(&name)));
                }
            }
        }
    }
}

fn line(value: &Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

fn table(run: &Run) -> String {
    let mut text = String::new();
    for Found {
        file,
        application,
        issue,
    } in &run.found
    {
        let place = match (issue.line, issue.column) {
            (Some(line), Some(column)) => format!(":{line}:{column}"),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "{}{place}: {}[{}] {}: {}",
            clean(file),
            issue.severity,
            issue.code,
            clean(application),
            clean(&issue.message)
        );
        let _ = writeln!(text, "    at {}", clean(&issue.path.to_string()));
        if let Some(mend) = &issue.mend {
            let _ = writeln!(text, "    mend: {}", clean(mend));
        }
    }
    let count = |severity| {
        run.found
            .iter()
            .filter(|found| found.issue.severity == severity)
            .count()
    };
    let _ = writeln!(
        text,
        "{} applications: {} errors, {} warnings, {} notes",
        run.applications,
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Note)
    );
    text
}

fn json_answer(run: &Run) -> Value {
    let issues = run.found.iter().map(|found| {
        let mut issue = json!(found.issue);
        issue["file"] = json!(found.file);
        issue["application"] = json!(found.application);
        issue
    });
    json!({"version": 1, "applications": run.applications, "issues": issues.collect::<Vec<_>>()})
}

/// A log as the Static Analysis Results Interchange Format 2.1.0 defines it, which code hosts show beside the lines.
fn sarif(run: &Run) -> Value {
    let rules = RULES.iter().map(|rule| {
        json!({
            "id": rule.code,
            "shortDescription": {"text": rule.summary},
            "defaultConfiguration": {"level": rule.severity.to_string()},
        })
    });
    let results = run.found.iter().map(|found| {
        let issue = &found.issue;
        let mend = issue.mend.as_ref().map(|mend| format!("; mend: {mend}")).unwrap_or_default();
        let mut location = json!({"artifactLocation": {"uri": uri(&found.file)}});
        if let (Some(line), Some(column)) = (issue.line, issue.column) {
            location["region"] = json!({"startLine": line, "startColumn": column});
        }
        json!({
            "ruleId": issue.code,
            "ruleIndex": RULES.iter().position(|rule| rule.code == issue.code),
            "level": issue.severity.to_string(),
            "message": {"text": format!("{}: {}{mend}", found.application, issue.message)},
            "locations": [{
                "physicalLocation": location,
                "logicalLocations": [{"fullyQualifiedName": format!("{}: {}", found.application, issue.path)}],
            }],
        })
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "octopus-argo-resolve", "version": env!("CARGO_PKG_VERSION"), "rules": rules.collect::<Vec<_>>()}},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

/// A path as a relative reference of a URI.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.trim_start_matches("./").bytes() {
        match byte {
            b'\\' => uri.push('/'),
            byte if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) => uri.push(char::from(byte)),
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}
