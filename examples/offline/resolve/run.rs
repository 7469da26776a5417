//! From input to answer.

use std::io::{IsTerminal as _, stdin};
use std::path::PathBuf;

use octopus_argo_core::read::Object;
use octopus_argo_core::{Resolution, Scope};

use crate::args::{Args, Input, Output};
use crate::input::{self, Beside};
use crate::json::JsonReport;
use crate::table::TableReport;

/// The whole answer: printed only when the whole input has been read.
pub struct Answer {
    pub output: Vec<u8>,
    pub matched: bool,
}

/// How many of what were seen.
#[derive(Debug, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub applications: usize,
    pub application_sets: usize,
    pub matched_applications: usize,
    pub matched_sources: usize,
    pub near_misses: usize,
    /// Applications without any annotation of ours.
    pub unannotated: usize,
    pub other_objects: usize,
    pub other_files: usize,
}

impl Summary {
    fn add(&mut self, resolution: &Resolution<'_>) {
        if resolution.is_template() {
            self.application_sets += 1;
        } else {
            self.applications += 1;
        }
        let matched = resolution.matched().count();
        self.matched_sources += matched;
        self.matched_applications += usize::from(matched > 0);
        self.near_misses += usize::from(resolution.is_near_miss());
        self.unannotated += usize::from(resolution.application().annotations.is_empty());
    }

    fn note(&mut self, beside: &Beside) {
        self.other_objects = beside.other_objects;
        self.other_files = beside.other_files;
    }
}

/// Something that takes one resolution after another and makes the answer of them.
pub trait Report {
    fn add(&mut self, resolution: &Resolution<'_>);
    fn finish(self: Box<Self>, summary: &Summary) -> Vec<u8>;
}

pub fn run(args: &Args) -> Result<Answer, Vec<String>> {
    let (paths, demonstration) = match &args.input {
        Input::Paths(paths) => (paths.clone(), false),
        Input::Demonstration if !stdin().is_terminal() && input::stdin_has_input() => {
            let reason = "which deployment? --project SLUG and --environment SLUG are missing";
            return Err(vec![reason.to_owned()]);
        }
        Input::Demonstration => (vec![sample_fleet()], true),
    };
    let mut report: Box<dyn Report> = match args.output {
        Output::Table => Box::new(TableReport::new(&args.scope, args.explain, demonstration)),
        // Refused with the arguments: SARIF knows of issues, not of answers.
        Output::Json | Output::Sarif => Box::new(JsonReport::new(&args.scope, args.explain)),
    };
    let mut summary = Summary::default();
    let scope: &Scope = &args.scope;
    let beside = input::read_all(&paths, |object| match object {
        Object::Application(application) => {
            let resolution = application.resolve(scope);
            summary.add(&resolution);
            report.add(&resolution);
        }
        Object::ApplicationSet(set) => {
            let resolution = set.resolve(scope);
            summary.add(&resolution);
            report.add(&resolution);
        }
        _ => {}
    })?;
    summary.note(&beside);
    Ok(Answer {
        output: report.finish(&summary),
        matched: summary.matched_sources > 0,
    })
}

/// The sample fleet of this repository, wherever it is checked out.
fn sample_fleet() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fleet"))
}
