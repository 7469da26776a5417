//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use octopus_argo_core::health::argocd::ArgoCdVersion;
use octopus_argo_core::health::resource::Flavor;

pub(crate) const HELP: &str = "\
How healthy are these objects, as Argo CD and Octopus see them?

usage: health [options] [file...]

Reads Kubernetes objects and Argo CD Applications, as JSON or YAML: single ones, several one after another, or a list.
Without files, or for the file -, it reads the pipe:

    kubectl get deploy,sts,job,pod -n shop -o yaml | health
    argocd app get web -o json | health --argocd-version 3.3

For every object it prints health, name and message. Of several objects it tells what an application of them would be,
and which ones are the cause. An Application shows what Argo CD says of it, and the label in Octopus of every resource
that is not well.

options:
    --argocd-version V   judge as this version does, for example 2.14 or v3.4.1; the newest known if not given
    --tree FILE          the resource tree of the Application, as /api/v1/applications/NAME/resource-tree answers; since
                         Argo CD 3.0 the health of single resources is there
    --flavor F           argocd (if not given), or octopus-monitor: no ready replica is Degraded at once
    -h, --help           this text

exit status:
    0   everything is Healthy or Suspended, or of a kind without a check
    1   something is Progressing, Missing, Degraded or Unknown
    2   the command line or the input cannot be read; nothing is printed of such an input
";

/// What the command line asks for.
pub(crate) enum Asked {
    Help,
    Judge(Arguments),
}

/// How to judge what.
pub(crate) struct Arguments {
    pub(crate) version: ArgoCdVersion,
    pub(crate) flavor: Flavor,
    /// The resource tree of the applications.
    pub(crate) tree: Option<PathBuf>,
    /// The files, never none; `-` is the pipe.
    pub(crate) files: Vec<PathBuf>,
}

impl Arguments {
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Asked, lexopt::Error> {
        let mut parser = lexopt::Parser::from_args(arguments);
        let mut parsed = Self {
            version: ArgoCdVersion::NEWEST,
            flavor: Flavor::ArgoCd,
            tree: None,
            files: Vec::new(),
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(Asked::Help),
                Long("argocd-version") => parsed.version = parser.value()?.parse()?,
                Long("tree") => parsed.tree = Some(parser.value()?.into()),
                Long("flavor") => parsed.flavor = parser.value()?.parse_with(flavor)?,
                Value(file) => parsed.files.push(file.into()),
                other => return Err(other.unexpected()),
            }
        }
        if parsed.files.is_empty() {
            parsed.files.push("-".into());
        }
        Ok(Asked::Judge(parsed))
    }

    pub(crate) fn reads_stdin(&self) -> bool {
        self.files.iter().any(|file| file.as_os_str() == "-")
    }
}

fn flavor(text: &str) -> Result<Flavor, &'static str> {
    match text {
        "argocd" => Ok(Flavor::ArgoCd),
        "octopus-monitor" => Ok(Flavor::OctopusMonitor),
        _ => Err("expected argocd or octopus-monitor"),
    }
}
