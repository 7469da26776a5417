//! The example `resolve`, run as a person or a CI job runs it.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which the lint's exception misses"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The built example, which `cargo test` puts beside the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    profile
        .join("examples")
        .join(format!("resolve{}", std::env::consts::EXE_SUFFIX))
}

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(example())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`cargo test` builds the examples");
    // The program may end before it has read everything, and that is its right.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn fleet() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../fleet").to_owned()
}

const STAGING: [&str; 4] = ["--project", "payments", "--environment", "staging"];

fn json(arguments: &[&str], input: &[u8]) -> (i32, Value) {
    let output = run(&[arguments, &["--output", "json"]].concat(), input);
    let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), answer)
}

fn matched(answer: &Value) -> Vec<(String, u64)> {
    let mut matched = Vec::new();
    for application in answer["applications"].as_array().unwrap() {
        for source in application["sources"].as_array().unwrap() {
            if source["inScope"] == true {
                matched.push((
                    application["name"].as_str().unwrap().to_owned(),
                    source["index"].as_u64().unwrap(),
                ));
            }
        }
    }
    matched.sort();
    matched
}

#[test]
fn the_sample_fleet_answers() {
    type Case = (&'static [&'static str], &'static [(&'static str, u64)]);
    let cases: [Case; 5] = [
        (
            &["--project", "payments", "--environment", "staging"],
            &[
                ("payments-api-staging", 0),
                ("payments-ledger-staging", 1),
                ("payments-refunds-staging-acme", 0),
            ],
        ),
        (
            &[
                "--project",
                "Payments",
                "--environment",
                "staging",
                "--tenant",
                "ACME",
            ],
            &[
                ("payments-api-staging-acme", 0),
                ("payments-fraud-staging-acme", 0),
                ("payments-fraud-staging-acme", 1),
            ],
        ),
        (
            &["--project", "storefront", "--environment", "staging"],
            &[
                ("storefront-cart-staging", 1),
                ("storefront-checkout-staging", 0),
                ("storefront-web-staging", 0),
            ],
        ),
        (
            &["--project", "identity", "--environment", "production"],
            &[("identity-server-production", 0)],
        ),
        (&["--project", "notifications", "--environment", "staging"], &[]),
    ];
    for (scope, expected) in cases {
        let (code, answer) = json(&[scope, &[fleet().as_str()]].concat(), b"");
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, index)| ((*name).to_owned(), *index))
            .collect();
        assert_eq!(matched(&answer), expected, "{scope:?}");
        assert_eq!(code, i32::from(expected.is_empty()), "{scope:?}");
        assert_eq!(answer["version"], 1);
        assert_eq!(
            (
                &answer["summary"]["applications"],
                &answer["summary"]["applicationSets"]
            ),
            (&43.into(), &2.into())
        );
    }
}

#[test]
fn without_arguments_it_demonstrates_itself() {
    let output = run(&[], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for expected in [
        "payments-ledger-staging",
        "Near misses",
        "payments-webhooks-staging",
        "43 applications",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "colour only on a terminal");
}

#[test]
fn explain_gives_reasons_findings_and_hints() {
    let (_, answer) = json(&[&STAGING[..], &["--explain", fleet().as_str()]].concat(), b"");
    let application = |name: &str| {
        let all = answer["applications"].as_array().unwrap();
        all.iter()
            .find(|application| application["name"] == name)
            .unwrap()
            .clone()
    };
    let gateway = application("payments-gateway-staging");
    assert_eq!(gateway["findings"][0]["code"], "unqualified-annotations");
    let acme = application("payments-api-staging-acme");
    assert_eq!(
        acme["sources"][0]["reasons"][0],
        serde_json::json!({"code": "tenant-unexpected", "found": "acme"})
    );
    assert_eq!(
        application("storefront-promo-production")["hints"][0]["code"],
        "misspelt-key"
    );
    let set = application("payments-api-tenants");
    assert_eq!(
        (&set["kind"], &set["matchedCount"]),
        (&"ApplicationSet".into(), &0.into())
    );
    assert_eq!(set["sources"][0]["reasons"][0]["code"], "template-expression");
}

#[test]
fn a_pipe_works_like_a_file() {
    let file = std::fs::read(format!("{}/payments/staging.yaml", fleet())).unwrap();
    let (code, from_pipe) = json(&STAGING, &file);
    assert_eq!((code, matched(&from_pipe).len()), (0, 3));
    let (_, from_dash) = json(&[&STAGING[..], &["-"]].concat(), &file);
    assert_eq!(from_dash, from_pipe);
}

#[test]
fn exit_codes_tell_nothing_matched_from_bad_input() {
    let empty = br#"{"apiVersion":"v1","kind":"List","items":[]}"#;
    assert_eq!(run(&STAGING, empty).status.code(), Some(1));
    let inputs: [&[u8]; 9] = [
        b"",
        b"  \n",
        b"kind: Deployment\n",
        b"not yaml: [",
        b"\x00\x01\x02",
        br#"{"items":[{"kind":"Application","metadata":{"name":"a"}},{"kind":"Appl"#,
        br#"{"kind":"Application","spec":{"source":{"path":1}}}"#,
        b"- 1",
        b"kind: Application\n---\n{",
    ];
    for input in inputs {
        let output = run(&STAGING, input);
        let text = String::from_utf8_lossy(input);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(output.stdout.is_empty(), "nothing is printed half: {text}");
        assert!(output.stderr.starts_with(b"resolve: standard input"), "{text}");
    }
    for arguments in [
        &["--project", "p"][..],
        &["--nonsense"],
        &["/nowhere/at/all.yaml", "--project", "p", "--environment", "e"],
    ] {
        assert_eq!(run(arguments, b"").status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(run(&[], empty).status.code(), Some(2), "input without a question");
}

#[test]
fn folders_are_searched_and_strangers_in_them_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("values.yaml", "replicas: 3\n");
    write(
        "templates/deployment.yaml",
        "{{- if .Values.on }}\nkind: Deployment\n{{- end }}\n",
    );
    write("notes.txt", "not looked at");
    write(".git/broken.yaml", "a: [");
    let path = folder.path().to_str().unwrap().to_owned();
    let arguments = [&STAGING[..], &[path.as_str()]].concat();
    assert_eq!(
        run(&arguments, b"").status.code(),
        Some(2),
        "no application anywhere"
    );

    write(
        "apps/web.yml",
        "kind: Application\nmetadata:\n  name: web\n  annotations:\n    argo.octopus.com/project: payments\n    \
         argo.octopus.com/environment: staging\nspec:\n  source: {repoURL: u}\n",
    );
    let (code, answer) = json(&arguments, b"");
    assert_eq!((code, &answer["summary"]["otherFiles"]), (0, &2.into()));

    write(
        "apps/broken.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: [\n",
    );
    let output = run(&arguments, b"");
    assert_eq!(
        output.status.code(),
        Some(2),
        "a broken application is not passed over"
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken.yaml"));
}

#[test]
fn texts_of_others_cannot_speak_to_the_terminal() {
    let input = br#"{"kind":"Application","metadata":{"name":"\u001b[31mred","annotations":{
        "argo.octopus.com/project":"payments","argo.octopus.com/environment":"staging"}},
        "spec":{"source":{"repoURL":"u\u0007"}}}"#;
    let output = run(&STAGING, input);
    assert_eq!(output.status.code(), Some(0));
    assert!(!output.stdout.contains(&0x1b) && !output.stdout.contains(&0x07));
}

#[test]
fn help_teaches_the_annotations() {
    let output = run(&["--help"], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for key in [
        "argo.octopus.com/project:",
        "argo.octopus.com/environment.web:",
        "argo.octopus.com/tenant:",
        "Exit code",
    ] {
        assert!(text.contains(key), "{key}");
    }
}

const SPELT: &[u8] = br#"{"kind":"Application","metadata":{"name":"web","annotations":{
 "argo.octopus.com/project":"shop","argo.octopus.com/environment":"test"}},
 "spec":{"source":{"repoURL":"https://git.example.test/web.git"}}}"#;

#[test]
fn lint_is_a_check_for_continuous_integration() {
    let misspelt = String::from_utf8_lossy(SPELT).replace("/environment", "/enviroment");
    let code = |arguments: &[&str], input: &[u8]| run(arguments, input).status.code().unwrap();
    assert_eq!(code(&["--lint"], SPELT), 0);
    assert_eq!(code(&["--lint"], misspelt.as_bytes()), 1);
    assert_eq!(code(&["--lint"], b"{"), 2);
    assert_eq!(code(&["--lint", "--project", "p"], SPELT), 2);
    assert_eq!(
        code(
            &["--output", "sarif", "--project", "p", "--environment", "e"],
            SPELT
        ),
        2
    );
    let table = String::from_utf8(run(&["--lint"], misspelt.as_bytes()).stdout).unwrap();
    assert!(
        table.starts_with("standard-input:2:36: warning[misspelt-key] web: "),
        "{table}"
    );
}

#[test]
fn lint_speaks_sarif() {
    let output = run(&["--lint", "--output", "sarif", &fleet()], b"");
    assert_eq!(output.status.code(), Some(1));
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[rule]["id"], result["ruleId"]);
        assert!(["note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["region"]["startLine"].as_u64().unwrap() > 1, "{result}");
    }
}
