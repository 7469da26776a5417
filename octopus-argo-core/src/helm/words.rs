//! Commands as words, and words as a shell reads them.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};

/// The name of a variable of a shell: letters, digits and underscores, not beginning with a digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variable(String);

/// Why a text names no variable of a shell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} names no variable: letters, digits and underscores, not beginning with a digit")]
#[non_exhaustive]
pub struct VariableError {
    /// The text.
    pub name: Box<str>,
}

impl Variable {
    /// A name that is written out in this crate.
    pub(super) fn known(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The name, without a dollar sign.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Variable {
    type Err = VariableError;

    fn from_str(text: &str) -> Result<Self, VariableError> {
        let digit = text.bytes().next().is_none_or(|first| first.is_ascii_digit());
        if digit || !super::warn::is_variable_name(text) {
            return Err(VariableError { name: text.into() });
        }
        Ok(Self(text.to_owned()))
    }
}

/// One argument of a command: texts and variables, one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Word {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Secret(SecretString),
    Variable(Variable),
}

impl Word {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::default().and_text(text)
    }

    pub(super) fn secret(text: impl Into<SecretString>) -> Self {
        Self {
            parts: vec![Part::Secret(text.into())],
        }
    }

    pub(super) fn and_text(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Text(text.into()));
        self
    }

    pub(super) fn and_variable(mut self, variable: &Variable) -> Self {
        self.parts.push(Part::Variable(variable.clone()));
        self
    }

    /// Whether a credential stands in it. A variable is none.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Secret(_)))
    }

    /// The argument as it stands, credentials included, given what the variables hold; `None` if one of them holds
    /// nothing.
    #[must_use]
    pub fn expand(&self, variable: impl Fn(&Variable) -> Option<String>) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Secret(part) => text.push_str(part.expose_secret()),
                Part::Variable(name) => text.push_str(&variable(name)?),
            }
        }
        Some(text)
    }

    /// The argument for a POSIX shell, credentials included. Whatever is in it, the shell hands the same text on: nothing
    /// is expanded but the variables.
    ///
    /// Rule: POSIX, "Shell Command Language", 2.2 Quoting. Single quotes keep everything but themselves.
    #[must_use]
    pub fn to_sh(&self) -> String {
        let mut quoted = String::new();
        // Neighbouring texts share their quotes.
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Secret(part) => text.push_str(part.expose_secret()),
                Part::Variable(name) => {
                    quoted.push_str(&flush(&mut text));
                    for part in ["\"${", name.as_str(), "}\""] {
                        quoted.push_str(part);
                    }
                }
            }
        }
        quoted.push_str(&flush(&mut text));
        if quoted.is_empty() {
            "''".to_owned()
        } else {
            quoted
        }
    }

    pub(super) fn has_nul(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Text(text) => text.contains('\0'),
            Part::Secret(text) => text.expose_secret().contains('\0'),
            Part::Variable(_) => false,
        })
    }
}

fn flush(text: &mut String) -> String {
    let text = std::mem::take(text);
    if text.is_empty() { text } else { quote(&text) }
}

/// `text` so that a POSIX shell takes it as it stands.
fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&byte);
    // zsh expands a word that begins with `=`.
    if text.bytes().all(plain) && !text.starts_with('=') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// One program with its arguments, and what it reads on its standard input.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) words: Vec<Word>,
    /// Lines of `key=value`.
    pub(super) input: Vec<Word>,
}

impl Step {
    pub(super) fn new(words: &[&str]) -> Self {
        Self {
            words: words.iter().map(|word| Word::text(*word)).collect(),
            input: Vec::new(),
        }
    }

    /// The program and its arguments.
    #[must_use]
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// The lines that it reads on its standard input.
    #[must_use]
    pub fn input(&self) -> &[Word] {
        &self.input
    }

    /// Whether a credential stands in it.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.words.iter().chain(&self.input).any(Word::is_secret)
    }

    fn has_nul(&self) -> bool {
        self.words.iter().chain(&self.input).any(Word::has_nul)
    }

    fn write_sh(&self, script: &mut String) {
        if !self.input.is_empty() {
            // `printf` is built in, so that no list of processes shows what it is given.
            script.push_str("printf '%s\\n'");
            for line in &self.input {
                script.push(' ');
                script.push_str(&line.to_sh());
            }
            script.push_str(" |\n  ");
        }
        let mut first = true;
        for word in &self.words {
            let word = word.to_sh();
            // A line for each flag with what follows it.
            if !first {
                script.push_str(if word.starts_with("--") { " \\\n  " } else { " " });
            }
            script.push_str(&word);
            first = false;
        }
        script.push('\n');
    }
}

/// Programs to run one after another.
///
/// `Debug` hides credentials that stand in it. [`to_sh`](Self::to_sh) shows them, because a shell needs them; by default
/// there are none.
#[derive(Clone, Debug)]
pub struct Command {
    steps: Vec<Step>,
}

/// A command that no operating system can be given: an argument holds a NUL character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value holds a NUL character, which no argument of a command may")]
#[non_exhaustive]
pub struct NulError;

impl Command {
    pub(super) fn new(steps: Vec<Step>) -> Result<Self, NulError> {
        if steps.iter().any(Step::has_nul) {
            return Err(NulError);
        }
        Ok(Self { steps })
    }

    /// One step without anything of a stranger in it.
    pub(super) fn of(step: Step) -> Self {
        Self::of_steps(vec![step])
    }

    /// Steps whose words were checked to hold no NUL.
    pub(super) fn of_steps(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// What to run, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether a credential stands in it.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.steps.iter().any(Step::is_secret)
    }

    /// The command for a POSIX shell, to paste or to save. Credentials that were given inline stand in it.
    ///
    /// ```
    /// # use octopus_argo_core::setup::AccountName;
    /// # use octopus_argo_core::helm::AccountSetup;
    /// let command = AccountSetup::new(AccountName::default()).token_command();
    /// assert_eq!(command.to_sh(), "argocd account generate-token \\\n  --account octopus\n");
    /// ```
    #[must_use]
    pub fn to_sh(&self) -> String {
        let mut script = String::new();
        for step in &self.steps {
            step.write_sh(&mut script);
        }
        script
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.0)
    }
}
