//! The answer for programs. The shape is described in `docs/resolve-json.md`, and changes only with its version.

use octopus_argo_core::{Resolution, Scope};
use serde::Serialize;
use serde_json::json;

use crate::run::{Report, Summary};

/// Counts up when a field changes its meaning or goes away; new fields may come at any time.
const VERSION: u32 = 1;

pub struct JsonReport {
    scope: Scope,
    explain: bool,
    /// The resolutions, each as text already: the applications themselves are gone.
    applications: Vec<Box<serde_json::value::RawValue>>,
}

impl JsonReport {
    pub fn new(scope: &Scope, explain: bool) -> Self {
        Self {
            scope: scope.clone(),
            explain,
            applications: Vec::new(),
        }
    }
}

impl Report for JsonReport {
    fn add(&mut self, resolution: &Resolution<'_>) {
        if self.explain || resolution.is_match() {
            let text = serde_json::value::to_raw_value(resolution).expect("a resolution has only text keys");
            self.applications.push(text);
        }
    }

    fn finish(self: Box<Self>, summary: &Summary) -> Vec<u8> {
        #[derive(Serialize)]
        struct Answer<'a> {
            version: u32,
            scope: serde_json::Value,
            summary: &'a Summary,
            applications: &'a [Box<serde_json::value::RawValue>],
        }
        let scope = json!({
            "project": self.scope.project().as_str(),
            "environment": self.scope.environment().as_str(),
            "tenant": self.scope.tenant().map(octopus_argo_core::TenantSlug::as_str),
        });
        let answer = Answer {
            version: VERSION,
            scope,
            summary,
            applications: &self.applications,
        };
        let mut output = serde_json::to_vec(&answer).expect("an answer has only text keys");
        output.push(b'\n');
        output
    }
}
