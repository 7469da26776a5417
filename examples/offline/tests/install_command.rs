//! The example `install_command`, run as a person runs it.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which the lint's exception misses"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The built example, which `cargo test` puts beside the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    profile
        .join("examples")
        .join(format!("install_command{}", std::env::consts::EXE_SUFFIX))
}

fn run(arguments: &[&str]) -> Output {
    Command::new(example())
        .args(arguments)
        .output()
        .expect("`cargo test` builds the examples")
}

/// Exit code, what was printed, and what was said beside it.
fn answer(arguments: &[&str]) -> (i32, String, String) {
    let output = run(arguments);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn yaml(text: &str) -> Vec<Value> {
    text.split("---\n")
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect()
}

const OSLO: [&str; 8] = [
    "--name",
    "Oslo's Shop",
    "--octopus-url",
    "https://shop.octopus.app",
    "--space",
    "Spaces-4",
    "-e",
    "test",
];

fn oslo(more: &[&str]) -> (i32, String, String) {
    answer(&[&OSLO, more].concat())
}

#[test]
fn help_and_mistakes() {
    let (code, help, notes) = answer(&["--help"]);
    assert_eq!((code, notes.as_str()), (0, ""));
    assert!(help.contains("--inline-secrets") && help.contains("Exit code"));
    for (arguments, said) in [
        (&[][..], "--name NAME is missing"),
        (&["--name", "a"], "--octopus-url URL is missing"),
        (&["--nonsense", "a"], "--nonsense"),
        (&["--output", "xml"], "command, values or rbac"),
        (&["--argocd-variable", "A-B"], "names no variable"),
        (&["--argocd-secret", "a"], "name of a Secret and a key"),
        (&["--name", "???", "--octopus-url", "https://a"], "no letter"),
        (&["--name", "a", "--octopus-url", "shop"], "starts with a scheme"),
        (&["--check", "/nowhere/values.yaml"], "/nowhere/values.yaml"),
        (
            &[
                "--name",
                "a",
                "--octopus-url",
                "https://a",
                "--aws",
                "b",
                "--argocd-server-grpc-url",
                "c",
            ],
            "exclude",
        ),
        (
            &[
                "--name",
                "a",
                "--octopus-url",
                "https://a",
                "--argocd-project",
                "p",
            ],
            "which variable",
        ),
        (
            &["--output", "rbac", "--account", "a,b"],
            "cannot stand in a policy",
        ),
    ] {
        let (code, output, errors) = answer(arguments);
        assert_eq!((code, output.as_str()), (2, ""), "{arguments:?}");
        assert!(
            errors.contains(said) && errors.starts_with("install_command: "),
            "{arguments:?}: {errors}"
        );
    }
    let (code, _, errors) = oslo(&["--release", "Not A Name"]);
    assert_eq!(code, 2, "{errors}");
}

#[test]
fn values_that_cannot_work_are_told_one_by_one() {
    let (code, output, errors) = answer(&["--name", "a", "--octopus-url", "https://localhost"]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert_eq!(errors.lines().count(), 4, "{errors}");
    for said in [
        "no space",
        "environments is not set",
        "serverApiUrl is an address of the pod itself",
    ] {
        assert!(errors.contains(said), "{errors}");
    }
}

/// What a shell makes of the commands, with `helm` and `kubectl` replaced.
#[cfg(unix)]
fn calls(script: &str) -> Vec<String> {
    let tell = "helm() { printf 'helm'; printf ' <%s>' \"$@\"; echo; }
kubectl() { printf 'kubectl'; printf ' <%s>' \"$@\"; printf ' '; cat; echo; }
";
    let output = Command::new("sh")
        .args(["-c", &format!("{tell}{script}")])
        .env("ARGOCD_TOKEN", "argo-t")
        .env("OCTOPUS_TOKEN", "octo-t")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[cfg(unix)]
#[test]
fn the_command_runs_in_a_shell_and_shows_no_token() {
    let (code, script, notes) = oslo(&[]);
    assert_eq!(code, 0, "{notes}");
    let calls = calls(&script);
    assert_eq!(calls.len(), 4, "{calls:#?}");
    assert_eq!(
        calls[0],
        "kubectl <create> <namespace> <octo-argo-gateway-oslo-s-shop>"
    );
    assert!(
        calls[1].ends_with("OCTOPUS_SERVER_ACCESS_TOKEN=octo-t"),
        "{}",
        calls[1]
    );
    assert!(calls[2].ends_with("ARGOCD_AUTH_TOKEN=argo-t"), "{}", calls[2]);
    assert!(
        calls[3].contains("<registration.octopus.name=Oslo's Shop>"),
        "{}",
        calls[3]
    );
    assert!(calls.iter().all(|call| !call.contains("-t>")), "{calls:#?}");
    assert!(
        notes.contains("current context") && notes.contains("neither certificate nor host name"),
        "{notes}"
    );

    let (_, script, notes) = oslo(&["--inline-secrets", "--existing-namespace", "--namespace", "ours"]);
    let calls = calls_of_one(&script);
    assert!(
        calls.contains("<gateway.argocd.authenticationToken=argo-t>"),
        "{calls}"
    );
    assert!(!calls.contains("--create-namespace"), "{calls}");
    assert!(
        notes.contains("lists of processes") || notes.contains("list of processes"),
        "{notes}"
    );
}

#[cfg(unix)]
fn calls_of_one(script: &str) -> String {
    let mut calls = calls(script);
    assert_eq!(calls.len(), 1, "{calls:#?}");
    calls.remove(0)
}

#[test]
fn values_are_yaml_that_checks_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.yaml");
    let path = path.to_str().unwrap();
    let more = ["--output", "values", "--argocd-plaintext", "--auto-update", "off"];
    let (code, values, _) = oslo(&more);
    assert_eq!(code, 0);
    let read = &yaml(&values)[0];
    assert_eq!(read["registration"]["octopus"]["environments"][0], "test");
    assert_eq!(
        (
            &read["gateway"]["argocd"]["plaintext"],
            &read["autoUpdate"]["enabled"]
        ),
        (&true.into(), &false.into())
    );
    std::fs::write(path, &values).unwrap();
    let (code, output, notes) = answer(&["--check", path, "--managed-by-argocd"]);
    assert_eq!((code, output.as_str()), (0, "nothing is wrong\n"), "{notes}");
    assert!(
        notes.contains("plaintext") && !notes.contains("autoUpdate"),
        "{notes}"
    );

    // The command goes with the file.
    let (_, script, _) = oslo(&["--values-file", path]);
    assert!(
        script.contains("--values ") && !script.contains("--set "),
        "{script}"
    );

    // Old and unknown keys, and what cannot be.
    std::fs::write(
        path,
        "gateway: {octopus: {keepAlive: {intervalSeconds: 15}}, argocd: {plainText: true}}\n",
    )
    .unwrap();
    let (code, values, notes) = oslo(&["--output", "values", "--values", path]);
    assert_eq!(code, 0);
    assert_eq!(
        yaml(&values)[0]["gateway"]["octopus"]["healthCheck"]["interval"],
        "15s"
    );
    assert!(
        notes.contains("healthCheck.interval replaces it")
            && notes.contains("did you mean gateway.argocd.plaintext?"),
        "{notes}"
    );
    std::fs::write(path, "replicaCount: two\n").unwrap();
    let (code, output, errors) = answer(&["--check", path]);
    assert_eq!((code, output.as_str()), (2, ""));
    assert!(
        errors.contains("replicaCount: expected a whole number"),
        "{errors}"
    );
    std::fs::write(path, "metrics: {serviceMonitor: {enabled: true}}\n").unwrap();
    let (code, _, errors) = answer(&["--check", path]);
    assert!(
        code == 1 && errors.contains("metrics.serviceMonitor.enabled needs metrics.enabled"),
        "{errors}"
    );
}

#[test]
fn rights_are_manifests() {
    let (code, output, notes) = answer(&["--output", "rbac"]);
    assert_eq!(code, 0);
    assert!(notes.contains("--policy-csv"));
    assert!(output.contains("#   argocd account generate-token"), "{output}");
    let maps = yaml(&output);
    assert_eq!(maps[0]["data"]["accounts.octopus"], "apiKey");
    assert_eq!(maps[1]["data"]["policy.csv"].as_str().unwrap().lines().count(), 4);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.csv");
    std::fs::write(&path, "g, ours, role:admin\np, octopus, clusters, get, *, allow").unwrap();
    let arguments = [
        "--output",
        "rbac",
        "--no-sync",
        "--argocd-namespace",
        "gitops",
        "--policy-csv",
        path.to_str().unwrap(),
    ];
    let (_, output, notes) = answer(&arguments);
    let maps = yaml(&output);
    assert_eq!(
        (maps[1]["metadata"]["namespace"].as_str().unwrap(), notes.as_str()),
        ("gitops", "")
    );
    let policy = maps[1]["data"]["policy.csv"].as_str().unwrap();
    assert!(
        policy.starts_with("g, ours, role:admin\n") && !policy.contains("sync"),
        "{policy}"
    );
    assert_eq!(policy.lines().count(), 4);

    let (_, output, _) = answer(&[
        "--output",
        "rbac",
        "--argocd-project",
        "shop",
        "--argocd-project",
        "billing",
    ]);
    let projects = yaml(&output);
    assert_eq!(
        projects[1]["spec"]["roles"][0]["policies"][0],
        "p, proj:billing:octopus, applications, get, billing/*, allow"
    );
}
