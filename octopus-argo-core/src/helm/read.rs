//! Values out of a file.

use serde_json::{Map, Value};

use super::key::Entry;
use super::keys::{self, OPEN, RENAMED};
use super::setting::{Kind, Malformed, Period};
use super::values::{HelmValues, find};

/// What becomes of keys that newer charts do not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OldKeys {
    /// Their values move to the keys that replaced them.
    #[default]
    Replace,
    /// They stay, for a chart that is as old as they are.
    Keep,
}

/// Values that were read, and what is to be said about them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReadValues {
    /// The values.
    pub values: HelmValues,
    /// What is old, unknown or without effect in them.
    pub findings: Vec<Finding>,
}

/// Something about a values file that its author should know. It was read all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The key is old. Its value was moved.
    #[error("{old} is old: {new} replaces it, and its value was moved there")]
    Replaced {
        /// The old key.
        old: &'static str,
        /// The key that replaces it.
        new: &'static str,
    },
    /// The key is old, and the one that replaces it is set too. The old value was dropped.
    #[error("{old} is old and was dropped, because {new}, which replaces it, is set too")]
    Dropped {
        /// The old key.
        old: &'static str,
        /// The key that replaces it.
        new: &'static str,
    },
    /// The key is old, and its value has no counterpart: 0 turned the probes off. It was kept.
    #[error(
        "{old} is old, and 0, which turned the probes off, has no counterpart in {new}: it was kept as it is"
    )]
    NoCounterpart {
        /// The old key.
        old: &'static str,
        /// The key that replaces it.
        new: &'static str,
    },
    /// A spelling of older documentation. Its value was moved.
    #[error("{found} is spelt {key} today, and its value was moved there")]
    Renamed {
        /// What was written.
        found: &'static str,
        /// The key.
        key: &'static str,
    },
    /// The chart has no such key, so Helm takes it and it does nothing. It was kept.
    #[error("{path} is no key of the chart, so it has no effect{}", suggestion(*.meant))]
    Unknown {
        /// The path.
        path: String,
        /// The key that was probably meant.
        meant: Option<&'static str>,
    },
    /// `null` takes the chart's default away. Here it counts as not set.
    #[error("{path} is null: it was read as not set")]
    Null {
        /// The path.
        path: String,
    },
}

fn suggestion(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |key| format!("; did you mean {key}?"))
}

/// Why values could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadValuesError {
    /// The text is no YAML, or costs more than it may.
    #[cfg(feature = "yaml")]
    #[error("not YAML, line {line}, column {column}: {message}")]
    #[non_exhaustive]
    Yaml {
        /// The line, from 1; 0 where it is not known.
        line: u64,
        /// The column, from 1.
        column: u64,
        /// What the parser found, without any of the text.
        message: String,
    },
    /// The root is something other than an object.
    #[error("values are an object of keys and values")]
    NoObject,
    /// Some values are not what their keys hold. All of them are named.
    #[error("{}", join(.0))]
    Values(Vec<WrongValue>),
}

fn join(wrong: &[WrongValue]) -> String {
    wrong
        .iter()
        .map(WrongValue::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// A value that is not what its key holds. What stood there is not repeated, because it may be a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}, found {found}{}", why(.malformed.as_ref()))]
#[non_exhaustive]
pub struct WrongValue {
    /// The path of the value, `gateway.argocd.projectAuthentication[1].token`.
    pub path: String,
    /// What the key holds.
    pub expected: Expected,
    /// The type of what stood there.
    pub found: JsonType,
    /// Why a text of the right type is no good.
    pub malformed: Option<Malformed>,
}

fn why(malformed: Option<&Malformed>) -> String {
    malformed.map_or_else(String::new, |malformed| format!(" ({malformed})"))
}

/// What should have stood in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// More keys.
    Keys,
    /// A value.
    Value(Kind),
    /// A part of a list or object: a text.
    Text,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keys => f.write_str("more keys"),
            Self::Value(kind) => kind.fmt(f),
            Self::Text => f.write_str("a text"),
        }
    }
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonType {
    /// `null`, or nothing at all.
    Null,
    /// A truth.
    Bool,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A list.
    List,
    /// An object.
    Object,
}

impl JsonType {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }
}

impl std::fmt::Display for JsonType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "nothing",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        })
    }
}

impl HelmValues {
    /// Reads values as `helm get values -o json` prints them, or as anything else hands them over.
    ///
    /// ```
    /// use octopus_argo_core::helm::{Finding, HelmValues, OldKeys, keys};
    ///
    /// let json = serde_json::json!({"gateway": {"octopus": {"keepAlive": {"intervalSeconds": 15}}}});
    /// let read = HelmValues::from_json(&json, OldKeys::Replace)?;
    /// let interval = read.values.get(keys::GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL);
    /// assert_eq!(interval.unwrap().to_string(), "15s");
    /// assert!(matches!(read.findings[..], [Finding::Replaced { .. }]));
    /// # Ok::<(), octopus_argo_core::helm::ReadValuesError>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadValuesError::Values`] names every value of a wrong type with its path.
    pub fn from_json(json: &Value, old: OldKeys) -> Result<ReadValues, ReadValuesError> {
        let mut reader = Reader::default();
        match json {
            // A file of comments.
            Value::Null => {}
            Value::Object(map) => reader.walk(&mut Vec::new(), map),
            _ => return Err(ReadValuesError::NoObject),
        }
        if !reader.wrong.is_empty() {
            return Err(ReadValuesError::Values(reader.wrong));
        }
        if old == OldKeys::Replace {
            reader.replace_certificates();
            reader.replace_keep_alive();
        }
        Ok(ReadValues {
            values: reader.values,
            findings: reader.findings,
        })
    }

    /// Reads a values file.
    ///
    /// # Errors
    /// As for [`from_json`](Self::from_json), and [`ReadValuesError::Yaml`]. A file is at most 1 MiB.
    #[cfg(feature = "yaml")]
    pub fn from_yaml(text: &str, old: OldKeys) -> Result<ReadValues, ReadValuesError> {
        let limits = crate::read::Limits::default();
        if text.len() > FILE_BYTES {
            return Err(ReadValuesError::Yaml {
                line: 0,
                column: 0,
                message: format!("the file is larger than {FILE_BYTES} bytes"),
            });
        }
        // An empty file sets nothing.
        let read =
            serde_saphyr::from_str_with_options::<Option<Value>>(text, crate::read::yaml::options(&limits));
        let json = read.map_err(|error| {
            let location = error.location();
            let message = error.without_snippet().to_string();
            ReadValuesError::Yaml {
                line: location.map_or(0, |location| location.line()),
                column: location.map_or(0, |location| location.column()),
                message: message.split(" at line ").next().unwrap_or_default().to_owned(),
            }
        })?;
        Self::from_json(&json.unwrap_or_default(), old)
    }
}

/// Helm keeps values in a Secret, which holds 1 MiB.
#[cfg(feature = "yaml")]
const FILE_BYTES: usize = 1 << 20;

#[derive(Default)]
struct Reader {
    values: HelmValues,
    findings: Vec<Finding>,
    wrong: Vec<WrongValue>,
}

impl Reader {
    fn walk<'a>(&mut self, path: &mut Vec<&'a str>, map: &'a Map<String, Value>) {
        for (name, value) in map {
            path.push(name);
            self.visit(path, value);
            path.pop();
        }
    }

    fn visit<'a>(&mut self, path: &mut Vec<&'a str>, value: &'a Value) {
        if let Some((found, key)) = RENAMED
            .iter()
            .find(|(found, _)| found.split('.').eq(path.iter().copied()))
        {
            self.findings.push(Finding::Renamed { found, key });
            // What is spelt as it should be wins, whichever comes first.
            if let Some(entry) = find(key)
                && self.values.value(entry).is_none()
            {
                self.admit(entry, value);
            }
            return;
        }
        let known = |entry: &&Entry| entry.path().split('.').eq(path.iter().copied());
        if let Some(entry) = keys::ALL.iter().find(known) {
            return match value {
                Value::Null => self.null(path),
                _ => self.admit(entry, value),
            };
        }
        let above = keys::ALL.iter().any(|entry| {
            let mut parts = entry.path().split('.');
            path.iter().all(|part| parts.next() == Some(part))
        });
        match value {
            Value::Null if above => self.null(path),
            Value::Object(map) if above => self.walk(path, map),
            _ if above => self.wrong.push(WrongValue {
                path: path.join("."),
                expected: Expected::Keys,
                found: JsonType::of(value),
                malformed: None,
            }),
            _ => self.unknown(path, value),
        }
    }

    fn null(&mut self, path: &[&str]) {
        self.findings.push(Finding::Null { path: path.join(".") });
    }

    fn admit(&mut self, entry: &Entry, value: &Value) {
        match entry.kind().admit(value) {
            Ok(value) => self.values.put(entry, value),
            Err(refused) => {
                let expected = match (&*refused.within, entry.kind()) {
                    ("", kind) => Expected::Value(kind),
                    (within, kind @ Kind::ProjectTokens) if within.ends_with(']') => Expected::Value(kind),
                    _ => Expected::Text,
                };
                self.wrong.push(WrongValue {
                    path: format!("{}{}", entry.path(), refused.within),
                    expected,
                    found: JsonType::of(at(value, &refused.within)),
                    malformed: refused.malformed,
                });
            }
        }
    }

    fn unknown(&mut self, path: &[&str], value: &Value) {
        let open = path.first().is_some_and(|first| OPEN.contains(first));
        if !open {
            let text = path.join(".");
            self.findings.push(Finding::Unknown {
                meant: probably_meant(&text),
                path: text,
            });
        }
        let path = path.iter().map(|&part| part.to_owned()).collect();
        self.values.unknown.insert(path, value.clone());
    }

    /// The three single certificates into the list.
    fn replace_certificates(&mut self) {
        let new = keys::GATEWAY_SERVER_CERTIFICATES;
        for old in [
            keys::GATEWAY_OCTOPUS_SERVER_CERTIFICATE,
            keys::GATEWAY_ARGOCD_SERVER_CERTIFICATE,
            keys::REGISTRATION_OCTOPUS_SERVER_CERTIFICATE,
        ] {
            let Some(certificate) = self.values.get(old) else {
                continue;
            };
            self.values.unset(old);
            self.findings.push(Finding::Replaced {
                old: old.path(),
                new: new.path(),
            });
            let mut certificates = self.values.get(new).unwrap_or_default();
            if !certificate.is_empty() && !certificates.contains(&certificate) {
                certificates.push(certificate);
                self.values.set(new, certificates);
            }
        }
    }

    /// Counts of probes into lengths of time.
    ///
    /// The old check gave up on failure number n, which is n − 1 intervals after the first. At least one second is left,
    /// because the new one takes 0 for its default.
    fn replace_keep_alive(&mut self) {
        let (old, new) = (
            keys::GATEWAY_OCTOPUS_KEEP_ALIVE_INTERVAL_SECONDS,
            keys::GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL,
        );
        let seconds = self.values.get(old);
        if seconds == Some(0) {
            self.findings.push(Finding::NoCounterpart {
                old: old.path(),
                new: new.path(),
            });
            return;
        }
        let effective = self.values.effective(old).unwrap_or(30);
        self.replace(old, new, seconds.map(seconds_long));
        let (old, new) = (
            keys::GATEWAY_OCTOPUS_KEEP_ALIVE_MAX_CONSECUTIVE_FAILURES,
            keys::GATEWAY_OCTOPUS_HEALTH_CHECK_GIVE_UP_AFTER,
        );
        let failures = self.values.get(old);
        let outage =
            |failures: u32| seconds_long(failures.saturating_sub(1).saturating_mul(effective).max(1));
        self.replace(old, new, failures.map(outage));
    }

    fn replace(&mut self, old: super::Key<u32>, new: super::Key<Period>, value: Option<Period>) {
        let Some(value) = value else { return };
        self.values.unset(old);
        let (old, path) = (old.path(), new.path());
        if self.values.get(new).is_some() {
            self.findings.push(Finding::Dropped { old, new: path });
        } else {
            self.values.set(new, value);
            self.findings.push(Finding::Replaced { old, new: path });
        }
    }
}

fn seconds_long(seconds: u32) -> Period {
    std::time::Duration::from_secs(seconds.into()).into()
}

/// What stands at `[1].token` within `value`.
fn at<'a>(value: &'a Value, within: &str) -> &'a Value {
    let mut found = value;
    for part in within.split(['[', ']', '.']).filter(|part| !part.is_empty()) {
        let next = match part.parse::<usize>() {
            Ok(index) => found.get(index),
            Err(_) => found.get(part),
        };
        found = next.unwrap_or(&Value::Null);
    }
    found
}

/// The known key that differs in letter case, stands deeper, or is one mistake away.
fn probably_meant(path: &str) -> Option<&'static str> {
    let deeper = |key: &str| key.strip_suffix(path).is_some_and(|above| above.ends_with('.'));
    let known = || keys::ALL.iter().map(Entry::path);
    known()
        .find(|key| key.eq_ignore_ascii_case(path))
        .or_else(|| known().find(|key| path.contains('.') && deeper(key)))
        .or_else(|| known().find(|key| crate::scope::is_one_mistake(path, key)))
}
