//! The command line.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use lexopt::ValueExt as _;
use lexopt::prelude::{Long, Short, Value};
use octopus_argo_core::Scope;

pub const HELP: &str = "\
Which Argo CD application sources does an Octopus deployment touch, and why not the others?

Usage:
  kubectl get applications -A -o json | resolve --project SLUG --environment SLUG [--tenant SLUG]
  resolve --project SLUG --environment SLUG [OPTIONS] [FILE|FOLDER|-]...
  resolve --lint [OPTIONS] [FILE|FOLDER|-]...  check the annotations, whatever is deployed
  resolve                                     on a terminal: a demonstration on the sample fleet

Options:
  --project SLUG        the slug of the Octopus project that is deployed
  --environment SLUG    the slug of the environment that it is deployed to
  --tenant SLUG         the slug of the tenant that it is deployed for; without it, untenanted
  --explain             also show what nearly matched, and what is wrong or unusual with the annotations
  --lint                no deployment: say what is wrong or doubtful about the annotations, where, and what mends it
  --output table|json   how to answer; the default is table. The JSON shape is described in docs/resolve-json.md
  --output sarif        with --lint: a SARIF 2.1.0 log, for code hosts; see docs/lint.md
  --help                this text

Input: JSON or YAML as kubectl and Argo CD print it (single objects, lists, several documents, ApplicationSets), from
standard input or from files. Of a folder, every .yaml, .yml and .json file is read, subfolders included; files that
do not mention argoproj.io and cannot be read as an Application are passed over there.

Exit code: 0 at least one source is in scope; 1 none is; 2 the arguments or the input are wrong, and nothing is printed
on standard output. With --lint: 0 no warning and no error; 1 some; 2 as above.

The annotations, on the Application:
  argo.octopus.com/project: payments          the project's slug
  argo.octopus.com/environment: staging       the environment's slug
  argo.octopus.com/tenant: acme               the tenant's slug; leave it out for untenanted deployments

  A source is in scope when all three are equal to the deployment's, ignoring upper and lower case. No tenant equals
  only no tenant. One annotation holds one slug: no lists, no wildcards, no display names.

  The keys above are for an application with one source that has no name. Where the source has a name, its name ends
  the key. With several sources each needs a name, and only keys with a name count:
    argo.octopus.com/project.web: payments
    argo.octopus.com/environment.web: staging
";

/// What was asked for.
pub enum Invocation {
    Help,
    Run(Args),
    Lint(Output, Vec<PathBuf>),
}

#[derive(Debug)]
pub struct Args {
    pub scope: Scope,
    pub explain: bool,
    pub output: Output,
    pub input: Input,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Table,
    Json,
    /// With `--lint` only.
    Sarif,
}

#[derive(Debug)]
pub enum Input {
    /// The sample fleet, because nothing was asked for.
    Demonstration,
    /// Files and folders; `-` is standard input.
    Paths(Vec<PathBuf>),
}

impl Args {
    pub fn from_command_line() -> Result<Invocation, lexopt::Error> {
        Self::parse(lexopt::Parser::from_env(), std::io::stdin().is_terminal())
    }

    fn parse(mut parser: lexopt::Parser, terminal: bool) -> Result<Invocation, lexopt::Error> {
        let (mut project, mut environment, mut tenant) = (None, None, None);
        let (mut explain, mut lint, mut output, mut paths) = (false, false, Output::Table, Vec::new());
        let mut any = false;
        while let Some(argument) = parser.next()? {
            any = true;
            match argument {
                Long("help") | Short('h') => return Ok(Invocation::Help),
                Long("project") => project = Some(parser.value()?.string()?),
                Long("environment") => environment = Some(parser.value()?.string()?),
                Long("tenant") => tenant = Some(parser.value()?.string()?),
                Long("explain") => explain = true,
                Long("lint") => lint = true,
                Long("output") | Short('o') => output = parse_output(&parser.value()?)?,
                Value(path) => paths.push(PathBuf::from(path)),
                other => return Err(other.unexpected()),
            }
        }
        if !any {
            return Ok(Invocation::Run(Self::demonstration()));
        }
        if lint {
            if project.is_some() || environment.is_some() || tenant.is_some() || explain {
                return Err("--lint looks at no deployment: leave --project and the like out".into());
            }
            if paths.is_empty() {
                if terminal {
                    return Err("no input: name files or folders, or pipe applications in".into());
                }
                paths.push(PathBuf::from(STDIN));
            }
            return Ok(Invocation::Lint(output, paths));
        }
        if output == Output::Sarif {
            return Err("--output sarif goes with --lint".into());
        }
        let project = project.ok_or("which project? --project SLUG is missing")?;
        let environment = environment.ok_or("which environment? --environment SLUG is missing")?;
        let scope = Scope::from_texts(&project, &environment, tenant.as_deref())
            .map_err(|error| lexopt::Error::Custom(error.into()))?;
        if paths.is_empty() {
            if terminal {
                return Err("no input: pipe `kubectl get applications -A -o json` in, or name files".into());
            }
            paths.push(PathBuf::from(STDIN));
        }
        Ok(Invocation::Run(Self {
            scope,
            explain,
            output,
            input: Input::Paths(paths),
        }))
    }

    fn demonstration() -> Self {
        let scope = Scope::from_texts("payments", "staging", None).expect("both slugs are written out");
        Self {
            scope,
            explain: true,
            output: Output::Table,
            input: Input::Demonstration,
        }
    }
}

/// The path that stands for standard input.
pub const STDIN: &str = "-";

fn parse_output(text: &OsStr) -> Result<Output, lexopt::Error> {
    match text.to_str() {
        Some("table") => Ok(Output::Table),
        Some("json") => Ok(Output::Json),
        Some("sarif") => Ok(Output::Sarif),
        _ => Err(format!("--output is table, json or sarif, not {}", text.to_string_lossy()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str], terminal: bool) -> Result<Invocation, String> {
        Args::parse(lexopt::Parser::from_args(arguments), terminal).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_at_all_is_the_demonstration() {
        for terminal in [true, false] {
            let Ok(Invocation::Run(args)) = parse(&[], terminal) else {
                panic!("refused")
            };
            assert!(matches!(args.input, Input::Demonstration));
        }
    }

    #[test]
    fn a_scope_without_files_reads_standard_input_unless_that_is_a_terminal() {
        let scope = ["--project", "p", "--environment", "e"];
        assert!(parse(&scope, true).is_err());
        let Ok(Invocation::Run(args)) = parse(&scope, false) else {
            panic!("refused")
        };
        assert!(matches!(args.input, Input::Paths(paths) if paths == [PathBuf::from(STDIN)]));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(parse(&["--project", "p"], false).is_err_and(|error| error.contains("--environment")));
        assert!(parse(&["a.yaml"], false).is_err_and(|error| error.contains("--project")));
        assert!(parse(&["--project", " ", "--environment", "e"], false).is_err());
        assert!(parse(&["--output", "xml"], false).is_err_and(|error| error.contains("xml")));
    }
}
