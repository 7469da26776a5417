//! The command that installs a gateway, its values, and what Argo CD has to grant.
//!
//! `cargo run --example install_command -- --help` tells everything else.

mod args;
mod run;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use args::{Args, Invocation};
use run::{Answer, Failure};

/// What was asked for was printed; with `--check`, nothing is wrong.
const GOOD: u8 = 0;
/// The values cannot work together. Nothing was printed but the reasons.
const PROBLEMS: u8 = 1;
/// The arguments or the files are wrong. Nothing was printed but the reason.
const INPUT_ERROR: u8 = 2;

fn main() -> ExitCode {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let now = now.and_then(|since| i64::try_from(since.as_secs()).ok());
    let answer = match Args::from_command_line() {
        Ok(Invocation::Help) => return print(args::HELP),
        Ok(Invocation::Compose(args)) => run::compose(&args, now),
        Ok(Invocation::Check(path, facts)) => run::check(&path, facts, now),
        Err(error) => Err(Failure::Input(vec![
            error.to_string(),
            "Try `--help`.".to_owned(),
        ])),
    };
    match answer {
        Ok(Answer { output, notes }) => {
            complain("note: ", &notes);
            print(&output)
        }
        Err(Failure::Problems(lines)) => {
            complain("", &lines);
            ExitCode::from(PROBLEMS)
        }
        Err(Failure::Input(lines)) => {
            complain("", &lines);
            ExitCode::from(INPUT_ERROR)
        }
    }
}

fn print(output: &str) -> ExitCode {
    match io::stdout().lock().write_all(output.as_bytes()) {
        Ok(()) => ExitCode::from(GOOD),
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(GOOD),
        Err(error) => {
            complain("", &[format!("could not write the answer: {error}")]);
            ExitCode::from(INPUT_ERROR)
        }
    }
}

fn complain(what: &str, lines: &[String]) {
    let mut stderr = io::stderr().lock();
    for line in lines {
        // Names and values of strangers do not speak to the terminal. Where not even this can be written, nobody is there.
        let clean: String = line.chars().flat_map(clean).collect();
        let _ = writeln!(stderr, "install_command: {what}{clean}");
    }
}

fn clean(character: char) -> Vec<char> {
    if character.is_control() {
        character.escape_default().collect()
    } else {
        vec![character]
    }
}
