//! Reads a file of cases, runs every one, and reports all that fail at once.

use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What runs a case: its operation (empty where the file has only one) and its input in, what came of it out.
pub(crate) type Judge = fn(op: &str, input: Input) -> Result<Value, Unreadable>;

/// The input of a case.
pub(crate) struct Input(Value);

impl Input {
    /// The input as what the operation takes.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, Unreadable> {
        serde_json::from_value(self.0).map_err(|error| Unreadable(error.to_string()))
    }
}

/// Why a case could not be run.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) String);

/// Runs the cases of `file`, whose operations are `ops` and nothing else.
pub(crate) fn run(file: &str, ops: &[&str], judge: Judge) {
    let Some(text) = load(file) else { return };
    match check(&text, ops, judge) {
        Ok(count) => assert!(count > 0),
        Err(report) => panic!("{file}: {report}"),
    }
}

/// Runs those cases of `file` whose operations `owner` owns. `owners` says who owns which: an operation that is in nobody's
/// list fails here too, so that each target alone sees it.
///
/// The file of the repository has cases for every owner. Another file may have none for this one, and the run says so.
pub(crate) fn run_own(file: &str, owners: &[(&str, &[&str])], owner: &str, judge: Judge) {
    let Some(text) = load(file) else { return };
    match check_own(&text, owners, owner, judge) {
        Ok(count) if count > 0 => {}
        Ok(_) if elsewhere().is_some() => say(&format!("SKIPPED: {file} has no case for {owner}")),
        Ok(_) => panic!("{file}: no case for {owner}"),
        Err(report) => panic!("{file}: {report}"),
    }
}

/// A line that is seen in a test that passes, where macros are silent.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The folder that was named instead of the repository's.
fn elsewhere() -> Option<PathBuf> {
    let folder = env::var_os("OCTOPUS_ARGO_VECTORS").filter(|folder| !folder.is_empty());
    folder.map(PathBuf::from)
}

/// The text of `file`, or `None` where another folder was named and lacks it.
pub(crate) fn load(file: &str) -> Option<String> {
    let other = elsewhere();
    let ours = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let folder = other.clone().unwrap_or_else(ours);
    // A folder misspelt would skip everything.
    assert!(folder.is_dir(), "{} is no folder", folder.display());
    let path = folder.join(file);
    match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if other.is_some() && error.kind() == io::ErrorKind::NotFound => {
            say(&format!(
                "SKIPPED: {} does not exist, so its cases were not run",
                path.display()
            ));
            None
        }
        Err(error) => panic!("cannot read {}: {error}", path.display()),
    }
}

/// How many cases ran, or everything that is wrong.
fn check(text: &str, ops: &[&str], judge: Judge) -> Result<usize, String> {
    check_own(text, &[("", ops)], "", judge)
}

/// How many cases of `owner` ran, or everything that is wrong.
fn check_own(text: &str, owners: &[(&str, &[&str])], owner: &str, judge: Judge) -> Result<usize, String> {
    let own = owners.iter().find(|(name, _)| *name == owner);
    let (_, own) = own.ok_or_else(|| format!("{owner} is no owner"))?;
    let mut all: Vec<&str> = owners.iter().flat_map(|(_, ops)| ops.iter().copied()).collect();
    all.sort_unstable();
    if let Some(twice) = all
        .windows(2)
        .find_map(|pair| (pair[0] == pair[1]).then_some(pair[0]))
    {
        return Err(format!("the operation {twice:?} is owned twice"));
    }
    let cases: Vec<Value> =
        serde_json::from_str(text).map_err(|error| format!("no list of cases: {error}"))?;
    if cases.is_empty() {
        return Err("no cases".to_owned());
    }
    let mut report = String::new();
    let mut failed = 0;
    let mut ran = 0;
    for (number, case) in cases.iter().enumerate() {
        let id = case
            .get("id")
            .and_then(Value::as_str)
            .map_or_else(|| format!("case {number}"), str::to_owned);
        let op = case.pointer("/input/op").and_then(Value::as_str);
        // Whoever owns it runs it.
        if op.is_some_and(|op| all.contains(&op) && !own.contains(&op)) {
            continue;
        }
        ran += 1;
        if let Err(difference) = run_case(case, own, judge) {
            failed += 1;
            let _ = write!(report, "\n  {id}: {difference}");
        }
    }
    match failed {
        0 => Ok(ran),
        _ => Err(format!("{failed} of {ran} cases fail{report}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "id")]
    _id: String,
    description: String,
    input: Map<String, Value>,
    expect: Map<String, Value>,
    /// The rule is ours. It counts all the same.
    #[serde(default, rename = "proposed")]
    _proposed: bool,
    /// The case pins what the reference does although it is probably unwanted. It counts all the same.
    #[serde(default, rename = "quirk")]
    _quirk: bool,
    #[serde(default, rename = "quirk_note")]
    _quirk_note: Option<String>,
}

fn run_case(case: &Value, ops: &[&str], judge: Judge) -> Result<(), String> {
    let case: Case = Case::deserialize(case).map_err(|error| format!("unreadable case: {error}"))?;
    let op = match case.input.get("op") {
        None => "",
        Some(op) => op.as_str().ok_or("unreadable case: op is no text")?,
    };
    if !ops.contains(&op) {
        return Err(format!("nobody owns the operation {op:?}"));
    }
    if case.expect.is_empty() {
        return Err("unreadable case: nothing is expected".to_owned());
    }
    let judged = catch_unwind(AssertUnwindSafe(|| {
        judge(op, Input(Value::Object(case.input.clone())))
    }));
    let actual = match judged {
        Err(_) => return Err(format!("panicked ({})", case.description)),
        Ok(Err(Unreadable(why))) => return Err(format!("unreadable case: {why}")),
        Ok(Ok(actual)) => actual,
    };
    let mut difference = String::new();
    for (key, expected) in &case.expect {
        match actual.get(key) {
            Some(actual) if actual == expected => {}
            Some(actual) => {
                let _ = write!(difference, "{key}: expected {expected}, got {actual}; ");
            }
            None => {
                let _ = write!(difference, "{key}: expected {expected}, got nothing; ");
            }
        }
    }
    if difference.is_empty() {
        return Ok(());
    }
    Err(format!("{difference}{}", case.description))
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    fn judge(op: &str, input: Input) -> Result<Value, Unreadable> {
        assert!(op != "burst");
        let number: Map<String, Value> = input.read()?;
        let number = number.get("n").and_then(Value::as_i64);
        let number = number.ok_or_else(|| Unreadable("n is no number".to_owned()))?;
        Ok(serde_json::json!({"twice": number * 2, "more": true}))
    }
    let ops = ["twice", "burst"];
    let case = |id: &str, input: &str, twice: i32| {
        format!(r#"{{"id": "{id}", "description": "d", "input": {input}, "expect": {{"twice": {twice}}}}}"#)
    };
    let good = case("a", r#"{"op": "twice", "n": 2}"#, 4);
    assert_eq!(check(&format!("[{good}]"), &ops, judge), Ok(1));
    let bad = [
        good,
        case("b", r#"{"op": "twice", "n": 2}"#, 5),
        case("c", r#"{"op": "thrice", "n": 2}"#, 6),
        case("d", r#"{"op": "twice"}"#, 4),
        case("e", r#"{"n": 2}"#, 4),
        r#"{"id": "f"}"#.to_owned(),
        case("g", r#"{"op": "burst"}"#, 4),
    ];
    let report = check(&format!("[{}]", bad.join(",")), &ops, judge).unwrap_err();
    assert!(report.starts_with("6 of 7 cases fail"), "{report}");
    for part in [
        "b: twice: expected 5, got 4",
        "c: nobody owns the operation \"thrice\"",
        "d: unreadable case: n is no number",
        "e: nobody owns the operation \"\"",
        "f: unreadable case: missing field",
        "g: panicked",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

#[test]
fn each_owner_runs_its_own_cases_and_sees_those_of_nobody() {
    let judge: Judge = |op, _| Ok(serde_json::json!({ "op": op }));
    let case = |op: &str| {
        format!(
            r#"{{"id": "{op}", "description": "d", "input": {{"op": "{op}"}}, "expect": {{"op": "{op}"}}}}"#
        )
    };
    let owners: &[(&str, &[&str])] = &[("core", &["a", "b"]), ("proto", &["c"])];
    let text = format!("[{}]", ["a", "b", "c"].map(case).join(","));
    assert_eq!(check_own(&text, owners, "core", judge), Ok(2));
    assert_eq!(check_own(&text, owners, "proto", judge), Ok(1));
    assert_eq!(
        check_own(&format!("[{}]", case("a")), owners, "proto", judge),
        Ok(0)
    );
    let text = format!("[{}]", ["a", "d"].map(case).join(","));
    for owner in ["core", "proto"] {
        let report = check_own(&text, owners, owner, judge).unwrap_err();
        assert!(report.contains("nobody owns the operation \"d\""), "{report}");
    }
    assert!(check_own(&text, owners, "client", judge).is_err());
    let twice: &[(&str, &[&str])] = &[("core", &["a"]), ("proto", &["a"])];
    let report = check_own(&text, twice, "core", judge).unwrap_err();
    assert_eq!(report, "the operation \"a\" is owned twice");
}

#[test]
fn a_file_without_cases_fails() {
    let judge: Judge = |_, _| Ok(Value::Null);
    for text in ["", "[]", "{}", "[", "null"] {
        assert!(check(text, &[], judge).is_err(), "{text:?}");
    }
}
