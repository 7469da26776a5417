//! From arguments to the answer.

use std::fs;
use std::path::Path;

use octopus_argo_core::helm::{
    AccountSetup, Facts, Form, HelmValues, InstallError, OldKeys, ReadValues, RoleSetup, keys,
};
use octopus_argo_core::setup::ProjectRole;

use crate::args::{Args, Output, in_full};

/// What is printed, and what is said beside it.
pub struct Answer {
    pub output: String,
    pub notes: Vec<String>,
}

/// Why nothing is printed.
pub enum Failure {
    /// The values cannot work.
    Problems(Vec<String>),
    /// The arguments or a file.
    Input(Vec<String>),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Input(vec![reason])
    }
}

pub fn compose(args: &Args, now: Option<i64>) -> Result<Answer, Failure> {
    if args.output == Output::Rbac {
        return rbac(args);
    }
    let mut install = args.install()?;
    let mut notes = Vec::new();
    if let Some(on) = args.auto_update {
        install = install.with(keys::AUTO_UPDATE_ENABLED, on);
    }
    if let Some(path) = &args.values {
        let read = values(path)?;
        notes.extend(
            read.findings
                .iter()
                .map(|finding| format!("{}: {finding}", path.display())),
        );
        install = install.merge(read.values);
    }
    let mut facts = args.facts.clone();
    facts.now = now;
    let form = args.values_file.clone().map_or(Form::Arguments, Form::File);
    // The command is composed for the values too: whatever stands in its way stands in theirs.
    let command = install.command(&form, &facts).map_err(|error| match error {
        InstallError::Problems(problems) => {
            Failure::Problems(problems.iter().map(|problem| in_full(problem)).collect())
        }
        error => Failure::Input(vec![in_full(&error)]),
    })?;
    notes.extend(install.warnings(&facts).iter().map(ToString::to_string));
    let output = match args.output {
        Output::Values => install.values_file().as_str().to_owned(),
        _ => command.to_sh(),
    };
    Ok(Answer { output, notes })
}

pub fn check(path: &Path, mut facts: Facts, now: Option<i64>) -> Result<Answer, Failure> {
    facts.now = now;
    let ReadValues { values, findings, .. } = values(path)?;
    let problems = values.problems(&facts);
    if !problems.is_empty() {
        return Err(Failure::Problems(
            problems.iter().map(|problem| in_full(problem)).collect(),
        ));
    }
    let findings = findings.iter().map(ToString::to_string);
    Ok(Answer {
        output: "nothing is wrong\n".to_owned(),
        notes: findings
            .chain(values.warnings(&facts).iter().map(ToString::to_string))
            .collect(),
    })
}

fn values(path: &Path) -> Result<ReadValues, Failure> {
    let text = read(path)?;
    HelmValues::from_yaml(&text, OldKeys::Replace)
        .map_err(|error| format!("{}: {error}", path.display()).into())
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn rbac(args: &Args) -> Result<Answer, Failure> {
    if !args.projects.is_empty() {
        let mut output = String::new();
        for (project, _) in &args.projects {
            let role = ProjectRole::new(project, args.account.as_str()).map_err(|error| error.to_string())?;
            let setup = RoleSetup::new(role, args.sync);
            if !output.is_empty() {
                output.push_str("---\n");
            }
            output.push_str(&commented("as commands:", &setup.create_command().to_sh()));
            output.push_str(&commented("then its token:", &setup.token_command().to_sh()));
            output.push_str(&setup.to_yaml());
        }
        let notes = vec!["tokens of projects see no clusters, and so no annotations on them".to_owned()];
        return Ok(Answer { output, notes });
    }
    let mut setup = AccountSetup::new(args.account.clone()).sync(args.sync);
    if let Some(namespace) = &args.argocd_namespace {
        setup = setup.namespace(namespace);
    }
    let mut notes = Vec::new();
    match &args.policy_csv {
        Some(path) => setup = setup.policy_csv(read(path)?),
        None => notes.push(
            "policy.csv holds nothing but these lines: give the present one with --policy-csv, or add them to it".to_owned(),
        ),
    }
    let mut output = String::new();
    if let Some(command) = setup.patch_command() {
        output.push_str(&commented("as commands:", &command.to_sh()));
    }
    output.push_str(&commented("then its token:", &setup.token_command().to_sh()));
    output.push_str(&setup.to_yaml());
    Ok(Answer { output, notes })
}

fn commented(title: &str, script: &str) -> String {
    let mut text = format!("# {title}\n");
    for line in script.lines() {
        text.push_str("#   ");
        text.push_str(line);
        text.push('\n');
    }
    text
}
