//! There and back again, what is old, what is wrong.

use octopus_argo_core::helm::{
    Facts, Finding, HelmValues, Kind, Named, OldKeys, Problem, ReadValuesError, Show, SpaceFacts, Warning,
    keys,
};
use octopus_argo_core::setup::{KnownEnvironment, ProjectToken};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any value of a kind.
fn any_of(kind: Kind) -> BoxedStrategy<Value> {
    let text = || "\\PC{0,12}|.{0,12}|[a-z:#{}\\[\\],&*!|>'\"%@` \\n\\t-]{0,8}|true|null|1e3|~|- a|007|0x1f";
    let json = || {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            text().prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 12, 3, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map(text(), inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect()))
            ]
        })
    };
    match kind {
        Kind::Text | Kind::Secret => text().prop_map(Value::from).boxed(),
        Kind::Thumbprint => "([0-9a-f]{40})?".prop_map(Value::from).boxed(),
        Kind::Period => "([1-9][0-9]{0,3}(s|m|ms))?".prop_map(Value::from).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Kind::Int => any::<u32>().prop_map(Value::from).boxed(),
        Kind::Texts => proptest::collection::vec(text(), 0..3)
            .prop_map(Value::from)
            .boxed(),
        Kind::ProjectTokens => proptest::collection::vec((text(), text()), 0..3)
            .prop_map(|pairs| {
                pairs
                    .iter()
                    .map(|(project, token)| json!({"project": project, "token": token}))
                    .collect()
            })
            .boxed(),
        Kind::List => proptest::collection::vec(json(), 0..3)
            .prop_map(Value::from)
            .boxed(),
        Kind::Object => proptest::collection::btree_map(text(), json(), 0..3)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
            .boxed(),
        other => panic!("no values for {other:?}"),
    }
}

fn put<'a>(map: &mut Map<String, Value>, path: impl IntoIterator<Item = &'a str>, value: Value) {
    let mut parts: Vec<_> = path.into_iter().collect();
    let last = parts.pop().unwrap();
    let mut map = map;
    for part in parts {
        let next = map.entry(part).or_insert_with(|| json!({}));
        map = next.as_object_mut().unwrap();
    }
    map.insert(last.to_owned(), value);
}

/// Values with any of the keys, and with some that nobody knows.
fn any_values() -> impl Strategy<Value = Value> {
    let known = keys::ALL
        .iter()
        .map(|entry| proptest::option::weighted(0.2, any_of(entry.kind())))
        .collect::<Vec<_>>();
    let unknown = proptest::collection::vec(("x-\\PC{0,6}", any_of(Kind::Object)), 0..3);
    (known, unknown).prop_map(|(known, unknown)| {
        let mut map = Map::new();
        for (entry, value) in keys::ALL.iter().zip(known) {
            if let Some(value) = value {
                put(&mut map, entry.path().split('.'), value);
            }
        }
        for (number, (name, value)) in unknown.into_iter().enumerate() {
            let above: &[&str] = [&[][..], &["gateway", "argocd"], &["podSecurityContext"]][number];
            put(&mut map, above.iter().copied().chain([name.as_str()]), value);
        }
        Value::Object(map)
    })
}

fn read(json: &Value) -> HelmValues {
    HelmValues::from_json(json, OldKeys::Keep).unwrap().values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_written_reads_back(json in any_values()) {
        let values = read(&json);
        let written = values.to_yaml(Show::Set);
        let again = HelmValues::from_yaml(written.as_str(), OldKeys::Keep);
        prop_assert_eq!(again.map(|read| read.values), Ok(values.clone()), "{}", written.as_str());

        let changes = HelmValues::from_yaml(values.to_yaml(Show::Changes).as_str(), OldKeys::Keep).unwrap().values;
        let all = HelmValues::from_yaml(values.to_yaml(Show::All).as_str(), OldKeys::Keep).unwrap().values;
        // Written out in full, they are the same: nothing is lost by leaving defaults out, or by adding them.
        prop_assert_eq!(changes.to_yaml(Show::All), values.to_yaml(Show::All));
        prop_assert_eq!(all.to_yaml(Show::Changes), values.to_yaml(Show::Changes));

        let secret = values.secret_keys().next().is_some();
        prop_assert_eq!(written.as_str().starts_with("# This file holds credentials"), secret);
    }

    #[test]
    fn no_text_panics(text in "[a-z:{}\\[\\] \\n&*'\"-]{0,60}|.{0,40}") {
        let _ = HelmValues::from_yaml(&text, OldKeys::Replace);
    }

    #[test]
    fn no_tree_panics(json in any_of(Kind::Object)) {
        let _ = HelmValues::from_json(&json, OldKeys::Replace);
        let _ = HelmValues::from_json(&json!({"gateway": json, "image": {"tag": json}}), OldKeys::Replace);
    }
}

#[test]
fn everything_that_is_wrong_is_named_with_its_path() {
    let yaml = "
gateway:
  debug: 'yes'
  octopus: grpc://octopus.example.com
  argocd:
    authenticationToken: [hunter2]
    projectAuthentication:
    - {project: shop, token: hunter2}
    - {project: 7, token: hunter2}
    - hunter2
registration:
  octopus:
    environments: production
autoUpdate: {job: {backoffLimit: -1}}
gateway2: 1
";
    let error = HelmValues::from_yaml(yaml, OldKeys::Replace).unwrap_err();
    let ReadValuesError::Values(wrong) = &error else {
        panic!("{error}")
    };
    let mut paths: Vec<_> = wrong.iter().map(|wrong| wrong.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "autoUpdate.job.backoffLimit",
            "gateway.argocd.authenticationToken",
            "gateway.argocd.projectAuthentication[1].project",
            "gateway.debug",
            "gateway.octopus",
            "registration.octopus.environments",
        ]
    );
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("gateway.octopus: expected more keys, found a text"),
        "{text}"
    );
    assert!(
        text.contains("gateway.debug: expected true or false, without quotes, found a text"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
    for root in ["[1]", "hello", "3"] {
        assert_eq!(
            HelmValues::from_yaml(root, OldKeys::Replace),
            Err(ReadValuesError::NoObject),
            "{root}"
        );
    }
    for empty in ["", "# nothing\n", "{}", "null"] {
        assert_eq!(
            HelmValues::from_yaml(empty, OldKeys::Replace).unwrap().values,
            HelmValues::new(),
            "{empty}"
        );
    }
}

#[test]
fn what_is_no_yaml_is_refused_with_its_place_and_without_its_text() {
    let yaml = "gateway:\n  argocd:\n    authenticationToken: hunter2\n   bad: [hunter2\n";
    let error = HelmValues::from_yaml(yaml, OldKeys::Replace).unwrap_err();
    assert!(
        matches!(error, ReadValuesError::Yaml { line: 3..=5, .. }),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    assert!(matches!(
        HelmValues::from_yaml(bomb, OldKeys::Replace),
        Err(ReadValuesError::Yaml { .. })
    ));
    let large = format!("nameOverride: {}", "a".repeat(1 << 20));
    assert!(matches!(
        HelmValues::from_yaml(&large, OldKeys::Replace),
        Err(ReadValuesError::Yaml { .. })
    ));
}

#[test]
fn old_keys_move_to_their_successors() {
    let json = json!({
        "gateway": {
            "serverCertificates": ["A"],
            "octopus": {
                "serverCertificate": "B", "plainText": true,
                "keepAlive": {"intervalSeconds": 15, "maxConsecutiveFailures": 5},
            },
            "argocd": {"serverCertificate": "A"},
        },
        "registration": {"octopus": {"serverCertificate": "C"}},
    });
    let read = HelmValues::from_json(&json, OldKeys::Replace).unwrap();
    let values = &read.values;
    assert_eq!(
        values.get(keys::GATEWAY_SERVER_CERTIFICATES).unwrap(),
        ["A", "B", "C"]
    );
    assert_eq!(values.get(keys::GATEWAY_OCTOPUS_PLAINTEXT), Some(true));
    assert_eq!(
        values
            .get(keys::GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL)
            .unwrap()
            .to_string(),
        "15s"
    );
    // The fifth failure comes four intervals after the first.
    assert_eq!(
        values
            .get(keys::GATEWAY_OCTOPUS_HEALTH_CHECK_GIVE_UP_AFTER)
            .unwrap()
            .to_string(),
        "1m"
    );
    assert!(values.keys().all(|entry| entry.replaced_by().is_none()));
    let replaced: Vec<_> = read
        .findings
        .iter()
        .filter(|finding| matches!(finding, Finding::Replaced { .. }))
        .collect();
    assert_eq!(replaced.len(), 5, "{:?}", read.findings);
    assert!(read.findings.contains(&Finding::Renamed {
        found: "gateway.octopus.plainText",
        key: "gateway.octopus.plaintext",
    }));

    let kept = HelmValues::from_json(&json, OldKeys::Keep).unwrap();
    assert_eq!(
        kept.values.get(keys::GATEWAY_OCTOPUS_KEEP_ALIVE_INTERVAL_SECONDS),
        Some(15)
    );
    assert_eq!(kept.findings.len(), 1);
}

#[test]
fn old_keys_do_not_overrule_their_successors() {
    let json = json!({"gateway": {"octopus": {
        "keepAlive": {"intervalSeconds": 15},
        "healthCheck": {"interval": "20s"},
    }}});
    let read = HelmValues::from_json(&json, OldKeys::Replace).unwrap();
    assert_eq!(
        read.values
            .get(keys::GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL)
            .unwrap()
            .to_string(),
        "20s"
    );
    assert!(
        matches!(read.findings[..], [Finding::Dropped { .. }]),
        "{:?}",
        read.findings
    );

    // Probes that were off have no counterpart, and turning them on would be somebody's surprise.
    let json =
        json!({"gateway": {"octopus": {"keepAlive": {"intervalSeconds": 0, "maxConsecutiveFailures": 3}}}});
    let read = HelmValues::from_json(&json, OldKeys::Replace).unwrap();
    assert_eq!(
        read.values.get(keys::GATEWAY_OCTOPUS_KEEP_ALIVE_INTERVAL_SECONDS),
        Some(0)
    );
    assert!(
        matches!(read.findings[..], [Finding::NoCounterpart { .. }]),
        "{:?}",
        read.findings
    );
}

#[test]
fn unknown_keys_are_kept_and_reported_with_what_was_meant() {
    let json = json!({
        "gateway": {"argoCD": {"plaintext": true}, "argocd": {"grpcweb": true, "servrGrpcUrl": "a"}},
        "argocd": {"webUiUrl": "https://a"},
        "podSecurityContext": {"runAsUser": 1000},
        "mine": 1,
        "image": {"tag": null},
    });
    let read = HelmValues::from_json(&json, OldKeys::Replace).unwrap();
    let mut findings: Vec<_> = read.findings.iter().map(ToString::to_string).collect();
    findings.sort();
    assert_eq!(
        findings,
        [
            "argocd is no key of the chart, so it has no effect",
            "gateway.argoCD is no key of the chart, so it has no effect",
            "gateway.argocd.grpcweb is no key of the chart, so it has no effect; did you mean gateway.argocd.grpcWeb?",
            "gateway.argocd.servrGrpcUrl is no key of the chart, so it has no effect; did you mean \
             gateway.argocd.serverGrpcUrl?",
            "image.tag is null: it was read as not set",
            "mine is no key of the chart, so it has no effect",
        ]
    );
    let yaml = read.values.to_yaml(Show::Changes);
    assert!(
        yaml.as_str().contains("podSecurityContext:\n  runAsUser: 1000\n"),
        "{}",
        yaml.as_str()
    );
    assert!(
        yaml.as_str()
            .contains("  argocd:\n    grpcweb: true\n    servrGrpcUrl: a\n"),
        "{}",
        yaml.as_str()
    );
}

/// Values that work.
fn good() -> HelmValues {
    HelmValues::new()
        .with(keys::REGISTRATION_OCTOPUS_NAME, "Oslo".to_owned())
        .with(
            keys::REGISTRATION_OCTOPUS_SERVER_API_URL,
            "https://shop.octopus.app".to_owned(),
        )
        .with(keys::REGISTRATION_OCTOPUS_SPACE_ID, "Spaces-1".to_owned())
        .with(
            keys::REGISTRATION_OCTOPUS_ENVIRONMENTS,
            vec!["production".to_owned()],
        )
        .with(
            keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN,
            "API-HUNTER2".to_owned().into(),
        )
        .with(
            keys::GATEWAY_OCTOPUS_SERVER_GRPC_URL,
            "grpc://shop.octopus.app:8443".to_owned(),
        )
        .with(
            keys::GATEWAY_ARGOCD_SERVER_GRPC_URL,
            "grpc://argocd-server.argocd.svc".to_owned(),
        )
        .with(
            keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN,
            "hunter3".to_owned().into(),
        )
}

/// The same, changed.
fn without(change: fn(&mut HelmValues)) -> HelmValues {
    let mut values = good();
    change(&mut values);
    values
}

fn problems(values: &HelmValues) -> Vec<Problem> {
    values.problems(&Facts::default())
}

#[test]
fn each_rule_of_credentials_has_its_problem() {
    assert_eq!(problems(&good()), []);
    let (token, name, key) = (
        keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN,
        keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN_SECRET_NAME,
        keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN_SECRET_KEY,
    );
    let (projects, projects_name) = (
        keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION,
        keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION_SECRET_NAME,
    );
    let shop = || vec![ProjectToken::new("shop", "t".to_owned().into())];
    // Rule 1: one way, and only one.
    let none = without(|values| values.unset(keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN));
    assert_eq!(problems(&none), [Problem::NoArgoCdCredential]);
    let exclusive = |one: &'static str, other: &'static str| Problem::Exclusive { one, other };
    assert_eq!(
        problems(&good().with(projects, shop())),
        [exclusive(token.path(), projects.path())]
    );
    assert_eq!(
        problems(&good().with(projects_name, "s".into())),
        [exclusive(token.path(), projects_name.path())]
    );
    assert_eq!(
        problems(
            &none
                .clone()
                .with(projects, shop())
                .with(projects_name, "s".into())
        ),
        [exclusive(projects_name.path(), projects.path())]
    );
    assert_eq!(
        problems(
            &none
                .clone()
                .with(name, "s".into())
                .with(key, "k".into())
                .with(projects, shop())
        ),
        [exclusive(name.path(), projects.path())]
    );
    assert_eq!(problems(&none.clone().with(projects, shop())), []);
    assert_eq!(problems(&none.clone().with(projects_name, "s".into())), []);
    // Rules 2 and 4: half a reference.
    let half = |set: &'static str, missing: &'static str| Problem::HalfReference { set, missing };
    assert_eq!(
        problems(&none.clone().with(name, "s".into())),
        [half(name.path(), key.path())]
    );
    assert_eq!(
        problems(&none.clone().with(key, "k".into())),
        [half(key.path(), name.path())]
    );
    assert_eq!(problems(&none.with(name, "s".into()).with(key, "k".into())), []);
    let octopus = without(|values| values.unset(keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN));
    assert_eq!(problems(&octopus), [Problem::NoOctopusCredential]);
    let (octopus_name, octopus_key) = (
        keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN_SECRET_NAME,
        keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN_SECRET_KEY,
    );
    assert_eq!(
        problems(&octopus.clone().with(octopus_name, "s".into())),
        [half(octopus_name.path(), octopus_key.path())]
    );
    assert_eq!(problems(&octopus.with(keys::REGISTRATION_REGISTER, false)), []);
}

#[test]
fn the_other_rules_have_theirs() {
    let (token, name) = (
        keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN,
        keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN_SECRET_NAME,
    );
    // Rule 3: a name beside an inline credential is allowed, and told.
    let named = good().with(name, "s".into());
    assert_eq!(problems(&named), []);
    assert!(
        named
            .warnings(&Facts::default())
            .contains(&Warning::NamesOwnSecret {
                inline: token.path(),
                name: name.path(),
            })
    );
    // Rule 5.
    assert_eq!(
        problems(&without(
            |values| values.unset(keys::REGISTRATION_OCTOPUS_SPACE_ID)
        )),
        [Problem::NoSpace]
    );
    let joined = good().with(
        keys::REGISTRATION_OCTOPUS_SPACE_IDS,
        vec!["Spaces-2".into(), "Spaces-1".into()],
    );
    let spaces: Vec<_> = joined
        .spaces()
        .iter()
        .map(|space| space.as_str().to_owned())
        .collect();
    assert_eq!(spaces, ["Spaces-1", "Spaces-2"]);
    // Rules 9 and 10.
    let monitor = good().with(keys::METRICS_SERVICE_MONITOR_ENABLED, true);
    assert_eq!(
        problems(&monitor),
        [Problem::Needs {
            key: "metrics.serviceMonitor.enabled",
            needed: "metrics.enabled"
        }]
    );
    assert_eq!(problems(&monitor.with(keys::METRICS_ENABLED, true)), []);
    let both = good()
        .with(keys::GATEWAY_OCTOPUS_KEEP_ALIVE_MAX_CONSECUTIVE_FAILURES, 0)
        .with(
            keys::GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL,
            "15s".parse().unwrap(),
        );
    assert!(matches!(problems(&both)[..], [Problem::TwoGenerations { .. }]));
}

#[test]
fn environments_and_tenants_exist_in_every_space() {
    let known = |slug: &str| {
        KnownEnvironment::new(
            format!("Environments-{slug}"),
            slug.to_uppercase(),
            Some(slug.into()),
        )
    };
    let mut facts = Facts::default();
    facts.spaces = vec![
        SpaceFacts::new(
            "Spaces-1".parse().unwrap(),
            vec![known("production")],
            vec![known("acme")],
        ),
        SpaceFacts::new("Spaces-2".parse().unwrap(), vec![known("test")], vec![]),
        SpaceFacts::new("Spaces-3".parse().unwrap(), vec![], vec![]),
    ];
    facts.tenants = vec!["Acme".into()];
    let values = good()
        .with(keys::REGISTRATION_OCTOPUS_SPACE_IDS, vec!["Spaces-2".into()])
        .with(
            keys::REGISTRATION_OCTOPUS_ENVIRONMENTS,
            vec!["PRODUCTION".into(), "Environments-test".into()],
        );
    let missing = |what, name: &str, space: &str| Problem::NotInSpace {
        what,
        name: name.into(),
        space: space.parse().unwrap(),
    };
    assert_eq!(
        values.problems(&facts),
        [
            missing(Named::Environment, "Environments-test", "Spaces-1"),
            missing(Named::Environment, "PRODUCTION", "Spaces-2"),
            missing(Named::Tenant, "Acme", "Spaces-2"),
        ]
    );
}

#[test]
fn addresses_and_tokens_are_checked() {
    let octopus = keys::GATEWAY_OCTOPUS_SERVER_GRPC_URL;
    let argo_cd = keys::GATEWAY_ARGOCD_SERVER_GRPC_URL;
    let api = keys::REGISTRATION_OCTOPUS_SERVER_API_URL;
    let (octopus_path, argo_path, api_path) = (octopus.path(), argo_cd.path(), api.path());
    for text in ["grpc://shop.octopus.app", "shop.octopus.app", "[fd00::5]"] {
        assert_eq!(
            problems(&good().with(octopus, text.into())),
            [Problem::NoPort { key: octopus_path }],
            "{text}"
        );
    }
    for text in [
        "shop.octopus.app:8443",
        "https://shop.octopus.app:443",
        "[fd00::5]:8444",
    ] {
        assert_eq!(problems(&good().with(octopus, text.into())), [], "{text}");
    }
    for text in [
        "grpc://localhost:8443",
        "127.0.0.1:8443",
        "[::1]:8443",
        "0.0.0.0:1",
    ] {
        assert_eq!(
            problems(&good().with(octopus, text.into())),
            [Problem::Loopback { key: octopus_path }],
            "{text}"
        );
    }
    assert_eq!(
        problems(&good().with(argo_cd, "localhost:8080".into())),
        [Problem::Loopback { key: argo_path }]
    );
    assert_eq!(
        problems(&good().with(argo_cd, String::new())),
        [Problem::Missing { key: argo_path }]
    );
    assert!(matches!(
        problems(&good().with(octopus, "a b".into()))[..],
        [Problem::Address { .. }]
    ));
    assert_eq!(
        problems(&good().with(api, "shop.octopus.app".into())),
        [Problem::NotWeb { key: api_path }]
    );
    assert_eq!(
        problems(&good().with(api, "grpc://shop.octopus.app".into())),
        [Problem::NotWeb { key: api_path }]
    );
    assert_eq!(problems(&good().with(api, "HTTPS://shop.octopus.app".into())), []);

    // {"sub":"proj:shop:octopus","exp":1710000000}
    let token = "e30.eyJzdWIiOiJwcm9qOnNob3A6b2N0b3B1cyIsImV4cCI6MTcxMDAwMDAwMH0.c2ln";
    let values = good().with(keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN, token.to_owned().into());
    let mut facts = Facts::default();
    assert_eq!(values.problems(&facts), []);
    facts.now = Some(1_710_000_001);
    let key = keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN.path();
    assert_eq!(values.problems(&facts), [Problem::Expired { key, project: None }]);
    facts.now = Some(1_710_000_000 - 7200);
    assert_eq!(values.problems(&facts), []);
    assert!(
        values
            .warnings(&facts)
            .iter()
            .any(|warning| warning.to_string().ends_with("ends in 2 h"))
    );

    let twice = ["a", "a"].map(|project| ProjectToken::new(project, token.to_owned().into()));
    let mut values = good().with(keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION, twice.into());
    values.unset(keys::GATEWAY_ARGOCD_AUTHENTICATION_TOKEN);
    assert_eq!(
        values.problems(&Facts::default()),
        [Problem::TwiceAProject { project: "a".into() }]
    );
}

#[test]
fn each_warning_has_its_reason() {
    let warns = |values: &HelmValues, facts: &Facts| {
        values
            .warnings(facts)
            .iter()
            .map(|warning| format!("{warning:?}"))
            .collect::<Vec<_>>()
    };
    let facts = Facts::default();
    let inline = "InlineSecrets { keys: [\"gateway.argocd.authenticationToken\", \"registration.octopus.serverAccessToken\"] }";
    assert_eq!(warns(&good(), &facts), [inline]);
    let insecure = good().with(keys::GATEWAY_ARGOCD_INSECURE, true);
    assert_eq!(warns(&insecure, &facts), ["Insecure", inline]);
    let both = warns(&insecure.with(keys::GATEWAY_ARGOCD_PLAINTEXT, true), &facts);
    assert!(
        both[0].starts_with("Plaintext") && both[1].starts_with("NoEffect") && both.len() == 3,
        "{both:?}"
    );
    let web = good()
        .with(keys::GATEWAY_ARGOCD_GRPC_WEB, false)
        .with(keys::GATEWAY_ARGOCD_GRPC_WEB_ROOT_PATH, "/argo/api".into());
    assert!(warns(&web, &facts)[0].contains("grpcWebRootPath"));
    let wizard = good().with(
        keys::REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN,
        "eyJ".to_owned().into(),
    );
    assert_eq!(warns(&wizard, &facts)[1], "WizardToken");
    let own = good().with(
        keys::GATEWAY_OCTOPUS_SERVER_GRPC_URL,
        "grpc://octopus.example.com:8443".into(),
    );
    assert_eq!(warns(&own, &facts)[1], "ForwardPort { port: 8443 }");

    let mut facts = Facts::default();
    facts.managed_by_argo_cd = true;
    assert_eq!(warns(&good(), &facts)[1], "ManagedByArgoCd");
    assert_eq!(
        warns(&good().with(keys::AUTO_UPDATE_ENABLED, false), &facts).len(),
        1
    );
    let mut facts = Facts::default();
    facts.balancer_idle = Some(std::time::Duration::from_secs(30));
    assert!(
        warns(&good(), &facts)[1].starts_with("BalancerIdle"),
        "30 s against 30 s"
    );
    let often = good().with(
        keys::GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL,
        "15s".parse().unwrap(),
    );
    assert_eq!(warns(&often, &facts).len(), 1);
    let often = good().with(keys::GATEWAY_OCTOPUS_KEEP_ALIVE_INTERVAL_SECONDS, 15);
    assert_eq!(warns(&often, &facts).len(), 1);
}

#[test]
fn no_credential_is_in_debug() {
    let mut json = json!({
        "gateway": {"argocd": {
            "authenticationToken": "hunter2",
            "projectAuthentication": [{"project": "shop", "token": "hunter2"}],
            "autenticationToken": "hunter2",
        }},
        "registration": {"octopus": {"serverAccessToken": "hunter2"}},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://me:hunter2@proxy"}],
        "other": {"password": "hunter2"},
    });
    let read = HelmValues::from_json(&json, OldKeys::Replace).unwrap();
    let file = read.values.to_yaml(Show::Set);
    let text = format!(
        "{read:?} {:?} {file:?} {:?}",
        read.values,
        read.values.problems(&Facts::default())
    );
    assert!(
        text.contains("gateway.argocd.authenticationToken") && !text.contains("hunter2"),
        "{text}"
    );
    assert_eq!(
        file.secret_keys(),
        [
            "gateway.argocd.authenticationToken",
            "gateway.argocd.projectAuthentication",
            "registration.octopus.serverAccessToken"
        ]
    );
    // Without credentials there is nothing to say, and nothing to hide.
    json["gateway"]["argocd"] = json!({"authenticationToken": ""});
    json["registration"] = json!({});
    let file = HelmValues::from_json(&json, OldKeys::Replace)
        .unwrap()
        .values
        .to_yaml(Show::Set);
    assert!(
        file.secret_keys().is_empty() && file.as_str().starts_with("gateway:"),
        "{}",
        file.as_str()
    );
}
