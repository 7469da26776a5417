//! Installing the gateway with Helm: the chart's values, the commands, and what Argo CD has to grant.
//!
//! [`HelmValues`] knows every key of the chart ([`keys`]), with its type, default and what it excludes. Values are read
//! from a file or from `helm get values`, checked ([`HelmValues::problems`], [`HelmValues::warnings`]) and written.
//!
//! [`Install`] composes the commands, quoted for Helm and for the shell, with credentials by reference. [`AccountSetup`]
//! and [`RoleSetup`] are what Argo CD has to be told first.
//!
//! Rules: Octopus docs, "Helm chart values" and "Argo CD instances". The chart's templates are not public, so what it
//! refuses follows from the descriptions of its values.

mod setting;
pub use setting::{Kind, Malformed, Period, PeriodError, Setting};

mod key;
pub use key::{Default, Entry, Key};

pub mod keys;

mod values;
pub use values::HelmValues;

mod read;
pub use read::{Expected, Finding, JsonType, OldKeys, ReadValues, ReadValuesError, WrongValue};

mod yaml;
pub use yaml::{Show, ValuesFile};

mod check;
pub use check::{Facts, Named, Problem, SpaceFacts};

mod warn;
pub use warn::Warning;

mod set;

mod words;
pub use words::{Command, NulError, Step, Variable, VariableError, Word};

mod credential;
pub use credential::{ArgoCdCredential, Credential, SecretRef, SecretRefError};

mod install;
pub use install::{ArgoCdEndpoint, CHART, Form, Install, InstallError, NEWEST, Namespace, OnFailure};

mod account;
pub use account::{AccountSetup, RoleSetup};

// Commands are tested by the shell of the machine.
#[cfg(all(test, unix))]
mod tests;
