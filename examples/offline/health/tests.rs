//! The program from its arguments to its output.

use super::{Failure, Verdict, run};

const PIPE: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {replicas: 3}
status: {replicas: 3, updatedReplicas: 1, availableReplicas: 1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
";

fn health(arguments: &[&str], stdin: &str) -> (Result<Verdict, Failure>, String) {
    let mut out = Vec::new();
    let arguments = arguments.iter().map(Into::into);
    let verdict = run(arguments, stdin.as_bytes(), false, &mut out);
    (verdict, String::from_utf8(out).unwrap())
}

#[test]
fn objects_are_judged_one_by_one_and_together() {
    let (verdict, out) = health(&[], PIPE);
    assert_eq!(verdict.unwrap(), Verdict::NotWell);
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(
        lines,
        [
            "Progressing  apps/Deployment:shop/web  1 of 3 replicas are updated",
            "-            ConfigMap:shop/settings  (no check for this kind)",
            "Progressing  together, for Argo CD 3.6.0  Caused by apps/Deployment:shop/web",
        ]
    );
}

#[test]
fn the_version_decides_what_a_missing_resource_does() {
    let application = r#"{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "web"},
        "status": {"health": {"status": "Healthy"}, "sync": {"status": "OutOfSync"}, "resources": [
            {"group": "apps", "kind": "Deployment", "name": "web", "status": "OutOfSync", "health": {"status": "Missing"}},
            {"kind": "Service", "name": "web", "status": "Synced", "health": {"status": "Healthy"}}]}}"#;
    let (verdict, new) = health(&[], application);
    assert_eq!(verdict.unwrap(), Verdict::Well);
    assert!(
        new.contains("Healthy      argoproj.io/Application:web  OutOfSync"),
        "{new}"
    );
    assert!(new.contains("    Missing      apps/Deployment:web"), "{new}");
    assert!(
        new.contains("    Healthy      from its resources, for Argo CD 3.6.0"),
        "{new}"
    );
    let (_, old) = health(&["--argocd-version", "v3.3.1+abc"], application);
    assert!(
        old.contains("    Missing      from its resources, for Argo CD 3.3.1  Caused by apps/Deployment:web"),
        "{old}"
    );
}

#[test]
fn lists_files_and_the_flavor() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.json");
    let list = r#"{"kind": "List", "items": [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2}, "status": {"updatedReplicas": 2}}]}"#;
    std::fs::write(&file, list).unwrap();
    let file = file.to_str().unwrap();
    assert!(health(&[file], "").1.starts_with("Progressing"));
    assert!(
        health(&["--flavor=octopus-monitor", file], "")
            .1
            .starts_with("Degraded")
    );
}

#[test]
fn a_resource_tree_names_the_causes() {
    let application = r#"{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "web"},
        "status": {"health": {"status": "Degraded"}, "sync": {"status": "Synced"}, "resourceHealthSource": "appTree",
            "resources": [{"group": "batch", "kind": "Job", "name": "migrate", "status": "Synced"}]}}"#;
    assert!(health(&[], application).1.contains("see --tree"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tree.json");
    let tree = r#"{"nodes": [{"group": "batch", "kind": "Job", "name": "migrate", "uid": "1", "health": {"status": "Degraded"}}]}"#;
    std::fs::write(&file, tree).unwrap();
    let (_, out) = health(&["--tree", file.to_str().unwrap()], application);
    assert!(out.contains("Caused by batch/Job:migrate"), "{out}");
}

#[test]
fn mistakes_are_failures() {
    for arguments in [
        &["--argocd-version", "three"][..],
        &["--flavor", "mint"],
        &["--what"],
        &["/no/such/file"],
    ] {
        assert!(health(arguments, "").0.is_err(), "{arguments:?}");
    }
    for odd in ["{", "5", "{\"items\": 3}", "a: [b"] {
        assert!(matches!(health(&[], odd).0, Err(Failure::Input(_))), "{odd}");
    }
    let terminal = run(std::iter::empty(), &b""[..], true, &mut Vec::new());
    assert!(matches!(terminal, Err(Failure::Usage(_))));
}

#[test]
fn help_names_every_option_and_exit_status() {
    let (verdict, help) = health(&["--help"], "");
    assert_eq!(verdict.unwrap(), Verdict::Well);
    for part in ["--argocd-version", "--flavor", "exit status", "usage:"] {
        assert!(help.contains(part), "{part}");
    }
}
