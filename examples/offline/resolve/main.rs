//! Which application sources does a deployment touch, and why not the others?
//!
//! `cargo run --release --example resolve -- --help` tells everything else.

mod args;
mod input;
mod json;
mod lint;
mod run;
mod table;
mod text;

use std::io::{self, Write as _};
use std::process::ExitCode;

use args::{Args, Invocation};

/// At least one source is in scope; or nothing is wrong, with `--lint`.
const MATCHED: u8 = 0;
/// The input was read, and no source is in scope; or something is wrong, with `--lint`.
const NOTHING_MATCHED: u8 = 1;
/// The arguments or the input are wrong; nothing was printed but the reason.
const INPUT_ERROR: u8 = 2;

fn main() -> ExitCode {
    let args = match Args::from_command_line() {
        Ok(Invocation::Run(args)) => args,
        Ok(Invocation::Lint(output, paths)) => {
            return match lint::run(&paths, output) {
                Ok(verdict) => print(
                    &verdict.output,
                    if verdict.clean { MATCHED } else { NOTHING_MATCHED },
                ),
                Err(errors) => {
                    complain(&errors);
                    ExitCode::from(INPUT_ERROR)
                }
            };
        }
        Ok(Invocation::Help) => return print(args::HELP.as_bytes(), MATCHED),
        Err(error) => {
            complain(&[format!("{error}"), "Try `--help`.".to_owned()]);
            return ExitCode::from(INPUT_ERROR);
        }
    };
    match run::run(&args) {
        Ok(report) => print(
            &report.output,
            if report.matched { MATCHED } else { NOTHING_MATCHED },
        ),
        Err(errors) => {
            complain(&errors);
            ExitCode::from(INPUT_ERROR)
        }
    }
}

fn print(output: &[u8], code: u8) -> ExitCode {
    match io::stdout().lock().write_all(output) {
        Ok(()) => ExitCode::from(code),
        // Whoever reads has seen enough, as in `| head`: the answer stands.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(code),
        Err(error) => {
            complain(&[format!("could not write the answer: {error}")]);
            ExitCode::from(INPUT_ERROR)
        }
    }
}

fn complain(lines: &[String]) {
    let mut stderr = io::stderr().lock();
    for line in lines {
        // Where not even this can be written, nobody is there to be told.
        let _ = writeln!(stderr, "resolve: {}", text::clean(line));
    }
}
