//! What is read, and what is refused, from the outside.
#![cfg(feature = "yaml")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which the lint's exception misses"
)]

use octopus_argo_core::read::{Format, Limits, Object, Problem, ReadError, read, read_slice};
use octopus_argo_core::{Application, SourceType};

fn all(input: &str) -> Result<Vec<Object>, ReadError> {
    let mut objects = Vec::new();
    read(input.as_bytes(), Format::Detect, &Limits::default(), |object| {
        objects.push(object)
    })?;
    Ok(objects)
}

fn names(input: &str) -> Vec<String> {
    let name = |object: &Object| match object {
        Object::Application(application) => application.name.to_string(),
        Object::ApplicationSet(set) => format!("set {}", set.name),
        Object::Other { kind, .. } => format!("other {kind}"),
        _ => "?".to_owned(),
    };
    all(input).unwrap().iter().map(name).collect()
}

#[test]
fn every_form_that_argo_cd_and_kubectl_emit() {
    let application = r#""metadata":{"name":"a","namespace":"argocd"},"spec":{"source":{"repoURL":"u"}}"#;
    let with_kind = format!(r#"{{"apiVersion":"argoproj.io/v1alpha1","kind":"Application",{application}}}"#);
    for input in [
        with_kind.clone(),
        format!("{{{application}}}"),
        format!(r#"{{{application},"kind":"Application"}}"#),
        format!(r#"{{"apiVersion":"v1","items":[{with_kind}],"kind":"List","metadata":{{}}}}"#),
        format!(r#"{{"metadata":{{"resourceVersion":"7"}},"items":[{{{application}}}]}}"#),
        format!(r#"{{"kind":"ApplicationList","items":[{{{application}}}]}}"#),
        format!("[{with_kind}]"),
        format!(r#"{{"result":{{"type":"ADDED","application":{{{application}}}}}}}"#),
        format!(r#"{{"type":"ADDED","object":{with_kind}}}"#),
        "kind: Application\nmetadata: {name: a, namespace: argocd}\nspec: {source: {repoURL: u}}\n"
            .to_owned(),
        "items:\n- metadata: {name: a, namespace: argocd}\n  spec: {destination: {}}\nkind: List\n"
            .to_owned(),
    ] {
        assert_eq!(names(&input), ["argocd/a"], "{input}");
    }
    assert_eq!(
        names(&format!("{with_kind}\n{with_kind}")),
        ["argocd/a", "argocd/a"]
    );
}

#[test]
fn other_kinds_are_passed_over_whatever_they_hold() {
    let deployment =
        "kind: Deployment\nmetadata: {name: d, annotations: [1]}\nspec: {source: 7, template: [x]}\n";
    let late = "spec: {source: 7}\nstatus: 3\nkind: Deployment\n";
    assert_eq!(
        names(&format!("{deployment}---\n{late}")),
        ["other Deployment", "other Deployment"]
    );
}

#[test]
fn sets_show_their_template() {
    let set = "
kind: ApplicationSet
metadata: {name: s, namespace: argocd}
spec:
  generators: [{list: {elements: []}}]
  template:
    metadata:
      name: '{{name}}'
      annotations: {argo.octopus.com/project: shop, argo.octopus.com/environment: '{{env}}'}
    spec: {source: {repoURL: u}}
";
    let objects = all(set).unwrap();
    let [Object::ApplicationSet(set)] = objects.as_slice() else {
        panic!("{objects:?}")
    };
    assert_eq!(set.name.to_string(), "argocd/s");
    assert_eq!(
        set.template.annotations.get("argo.octopus.com/environment"),
        Some("{{env}}")
    );
    assert!(!set.patched);
}

#[test]
fn null_and_missing_mean_absent() {
    let application = Application::from_json(
        br#"{"kind":"Application","metadata":{"name":"a","annotations":null,"labels":null},
             "spec":{"source":null,"sources":null},"status":null}"#,
    )
    .unwrap();
    assert!(
        application.annotations.is_empty() && application.sources.is_empty() && application.status.is_none()
    );
}

#[test]
fn null_is_a_blank_where_presence_counts() {
    let application = Application::from_json(
        br#"{"metadata":{"annotations":{"argo.octopus.com/project":null,"argo.octopus.com/tenant.a":null,
                 "argo.octopus.com/path":null,"argo.octopus.com/image-replace-paths":null}},
             "spec":{"source":{"repoURL":"u"}},"status":{"sourceType":null,"sourceTypes":null}}"#,
    )
    .unwrap();
    let kept: Vec<_> = application.annotations.iter().collect();
    assert_eq!(
        kept,
        [
            ("argo.octopus.com/project", ""),
            ("argo.octopus.com/tenant.a", "")
        ]
    );
    assert_eq!(application.source_type(0), Some(&SourceType::Directory));
}

#[test]
fn an_application_without_kind_may_have_no_sources() {
    for sources in ["[]", "null"] {
        let json = format!(r#"{{"metadata":{{"name":"a"}},"spec":{{"sources":{sources}}}}}"#);
        assert!(
            Application::from_json(json.as_bytes())
                .unwrap()
                .sources
                .is_empty()
        );
    }
}

#[test]
fn the_status_is_kept_as_far_as_it_is_needed() {
    let application = Application::from_yaml(
        "
kind: Application
metadata: {name: a, deletionTimestamp: '2026-01-01T00:00:00Z', uid: 0f8fad5b-d9cb-469f-a165-70867728950e}
spec: {sources: [{repoURL: u, name: ' web '}, {repoURL: v, ref: vals}]}
status:
  health: {status: Sleepy, message: zzz}
  sync: {status: '', revision: ignored, revisions: [one, two]}
  sourceTypes: [helm, '']
  operationState: {phase: Running}
  conditions: [{type: ComparisonError, message: bad}]
",
    )
    .unwrap();
    assert!(application.deleting && application.uid.is_some());
    assert_eq!(application.sources[0].name(), Some("web"));
    assert_eq!(application.source_type(0), Some(&SourceType::Helm));
    assert_eq!(application.source_type(1), Some(&SourceType::Directory));
    let status = application.status.unwrap();
    assert_eq!(status.health.unwrap().as_str(), "Sleepy");
    assert_eq!((status.sync, status.revisions.len()), (None, 2));
    assert_eq!(&*status.conditions[0].kind, "ComparisonError");
}

/// The error for an input, and that nothing about it depends on how it is handed in.
fn refused(input: &str) -> ReadError {
    let error = all(input).map(|objects| format!("{objects:?}")).unwrap_err();
    let sliced = read_slice(input.as_bytes(), Format::Detect, &Limits::default(), |_| {}).unwrap_err();
    assert_eq!(
        std::mem::discriminant(error.problem()),
        std::mem::discriminant(sliced.problem()),
        "{error} / {sliced}"
    );
    error
}

#[test]
fn wrong_types_are_refused_with_their_path() {
    for (input, path, found) in [
        (
            r#"{"kind":"Application","metadata":{"name":7}}"#,
            "metadata.name",
            "a number",
        ),
        (
            r#"{"kind":"Application","metadata":{"annotations":{"argo.octopus.com/project":true}}}"#,
            r#"metadata.annotations["argo.octopus.com/project"]"#,
            "a boolean",
        ),
        (
            r#"{"kind":"Application","spec":{"sources":[{},{"path":[1]}]}}"#,
            "spec.sources[1].path",
            "a list",
        ),
        (
            r#"{"kind":"Application","spec":{"sources":[null]}}"#,
            "spec.sources[0]",
            "null",
        ),
        (
            r#"{"kind":"Application","spec":{"source":"x"}}"#,
            "spec.source",
            "text",
        ),
        (
            r#"{"items":[{"kind":"Application","spec":[]}]}"#,
            "items[0].spec",
            "a list",
        ),
        (
            "kind: Application\nspec: {source: {targetRevision: 1.10}}",
            "spec.source.targetRevision",
            "a number",
        ),
        (
            "kind: Application\nmetadata: {annotations: {argo.octopus.com/tenant: {{ x }}}}",
            "",
            "",
        ),
    ] {
        let error = refused(input);
        let Problem::WrongType {
            path: at,
            found: what,
            ..
        } = error.problem()
        else {
            panic!("{error}")
        };
        if !path.is_empty() {
            assert_eq!((at.as_str(), *what), (path, found), "{input}");
        }
    }
}

#[test]
fn what_is_no_application_is_refused() {
    assert!(matches!(
        refused("[1]").problem(),
        Problem::WrongType { .. } | Problem::NotAnObject { .. }
    ));
    assert!(matches!(
        refused("just text").problem(),
        Problem::NotAnObject { found: "text", .. }
    ));
    let error = refused(r#"{"nodes":[],"hosts":[]}"#);
    assert!(error.to_string().ends_with("but nodes, hosts"), "{error}");
    assert!(matches!(
        refused("metadata: {uid: 7f}\nspec: {source: {}}").problem(),
        Problem::Uid { .. }
    ));
}

#[test]
fn broken_texts_are_refused_with_their_line() {
    let error = refused("kind: Application\n---\nkind: Application\nspec: {a: [}\n");
    assert_eq!(
        (error.place().document, error.place().line),
        (Some(2), Some(4)),
        "{error}"
    );
    assert!(matches!(
        refused("{\"kind\":\n\"Application\",}").problem(),
        Problem::Syntax { .. }
    ));
    assert!(matches!(
        refused("{\"items\": [{\"kind\": \"Pod\"}").problem(),
        Problem::Truncated { .. }
    ));
    let error = refused("kind: Pod\nkind: Pod\n");
    assert!(error.to_string().contains("stands twice"), "{error}");
}

#[test]
fn hostile_inputs_cost_little() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(200), close.repeat(200));
    let stream = read(
        deep("{\"a\":", "}").as_bytes(),
        Format::Json,
        &Limits::default(),
        |_| {},
    )
    .unwrap_err();
    assert!(matches!(stream.problem(), Problem::TooDeep), "{stream}");
    assert!(matches!(
        refused(&format!("x: {}", deep("[", "]"))).problem(),
        Problem::TooDeep
    ));

    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    let line = |level: usize| {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        format!("a{level}: &a{level} [{aliases}]\n")
    };
    bomb.extend((1..10).map(line));
    assert!(matches!(refused(&bomb).problem(), Problem::Budget { .. }));

    let limits = Limits::default().object_bytes(1000).yaml_document_bytes(5000);
    let long_line = format!("a: {}", "x".repeat(2000));
    let many_lines = format!("a:\n{}", "- abc\n".repeat(2000));
    for (input, limit) in [(&long_line, 1000), (&many_lines, 5000)] {
        let error = read(input.as_bytes(), Format::Yaml, &limits, |_| {}).unwrap_err();
        assert!(
            matches!(error.problem(), Problem::TooLarge { limit: met, .. } if *met == limit),
            "{error}"
        );
    }
    assert!(matches!(refused("a\0b").problem(), Problem::Binary));
    let utf16: Vec<u8> = "kind".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = read(
        [&b"\xff\xfe"[..], &utf16].concat().as_slice(),
        Format::Detect,
        &Limits::default(),
        |_| {},
    );
    assert!(matches!(error.unwrap_err().problem(), Problem::Utf16));
}

#[test]
fn objects_before_a_mistake_are_handed_over() {
    let mut seen = 0;
    let input = "kind: Pod\n---\nkind: Pod\n---\n- 1\n";
    read(input.as_bytes(), Format::Yaml, &Limits::default(), |_| seen += 1).unwrap_err();
    assert_eq!(seen, 2);
}

/// Every manifest of a folder of real ones is read, or refused for a reason that fits.
#[test]
fn real_manifests() {
    let Some(folder) = std::env::var_os("OCTOPUS_ARGO_REAL_DATA") else {
        println!("SKIPPED: OCTOPUS_ARGO_REAL_DATA is not set");
        return;
    };
    let mut applications = 0;
    for sub in ["annotated", "live"] {
        for entry in std::fs::read_dir(std::path::Path::new(&folder).join(sub)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_string_lossy().into_owned();
            let file = std::fs::File::open(&path).unwrap();
            let result = read(file, Format::of_file_name(&name), &Limits::default(), |object| {
                applications += usize::from(matches!(object, Object::Application(_)));
            });
            if let Err(error) = result {
                println!("{}", error.in_file(&name));
                assert!(
                    name.ends_with(".tpl.yaml"),
                    "only a template may be no YAML: {name}"
                );
            }
        }
    }
    assert!(applications > 60, "{applications}");
}
