//! How healthy are these objects? See `HELP`, or run it with `--help`.

mod arguments;
mod input;
mod report;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use arguments::{Arguments, Asked};

fn main() -> ExitCode {
    let stdin = io::stdin();
    let terminal = stdin.is_terminal();
    match run(
        std::env::args_os().skip(1),
        stdin.lock(),
        terminal,
        &mut io::stdout().lock(),
    ) {
        Ok(Verdict::Well) => ExitCode::SUCCESS,
        Ok(Verdict::NotWell) => ExitCode::from(1),
        // Whoever reads the output has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("health: {failure}");
            ExitCode::from(2)
        }
    }
}

/// What the objects come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Well,
    NotWell,
}

/// Why there is no verdict.
#[derive(Debug)]
enum Failure {
    Usage(lexopt::Error),
    Input(String),
    Output(io::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(error) => write!(f, "{error}; try --help"),
            Self::Input(message) => f.write_str(message),
            Self::Output(error) => write!(f, "cannot write: {error}"),
        }
    }
}

fn run(
    arguments: impl Iterator<Item = OsString>,
    mut stdin: impl Read,
    terminal: bool,
    out: &mut impl Write,
) -> Result<Verdict, Failure> {
    let arguments = match Arguments::parse(arguments).map_err(Failure::Usage)? {
        Asked::Help => {
            out.write_all(arguments::HELP.as_bytes())
                .map_err(Failure::Output)?;
            return Ok(Verdict::Well);
        }
        Asked::Judge(arguments) => arguments,
    };
    if terminal && arguments.reads_stdin() {
        return Err(Failure::Usage("pipe objects in, or name files".into()));
    }
    let objects = input::read(&arguments, &mut stdin).map_err(Failure::Input)?;
    let tree = input::tree(&arguments).map_err(Failure::Input)?;
    report::write(&arguments, &objects, &tree, out).map_err(Failure::Output)
}

#[cfg(test)]
mod tests;
