//! Commands, as a shell and Helm read them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail where it stands, in helpers too"
)]

use std::process::{Command as Process, Stdio};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::set::tests::helm_reads;
use super::words::{Command, Variable, Word};
use super::*;
use crate::setup::{AccountName, ManagedEndpoint, ServiceAddress, ServicePort, SyncRight};

/// One program as it was called: its arguments, and what it read.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    argv: Vec<String>,
    input: String,
}

const VARIABLES: [(&str, &str); 5] = [
    ("OCTOPUS_TOKEN", "API-OCTO$HOME`id`"),
    ("ARGOCD_TOKEN", "eyJ.argo 'cd'.\"x\""),
    ("SHOP", "shop.tok.en"),
    ("BILLING", "billing.tok.en"),
    ("EMPTY", ""),
];

/// What programs a script calls, with the programs replaced by ones that tell. In a folder with files that `*.*` matches.
fn run(shell: &str, script: &str) -> Vec<Call> {
    const TELL: &str = "tell() { printf '%s\\0' \"$@\"; printf '\\1\\0'; }
helm() { tell helm \"$@\"; printf '\\0'; }
argocd() { tell argocd \"$@\"; printf '\\0'; }
kubectl() { tell kubectl \"$@\"; cat; printf '\\0'; }
";
    let output = Process::new(shell)
        .args(["-c", &format!("{TELL}{script}")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .envs(VARIABLES)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{errors}\n{script}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.split_terminator('\0').map(str::to_owned);
    let mut calls = Vec::new();
    loop {
        let argv: Vec<_> = words.by_ref().take_while(|word| word != "\u{1}").collect();
        if argv.is_empty() {
            return calls;
        }
        let input = words.next().unwrap();
        calls.push(Call { argv, input });
    }
}

/// What the command says it would run, without any shell.
fn expanded(command: &Command) -> Vec<Call> {
    let variable = |name: &Variable| {
        let known = VARIABLES.iter().find(|(known, _)| *known == name.as_str());
        known.map(|(_, value)| (*value).to_owned())
    };
    let expand = |word: &Word| word.expand(variable).unwrap();
    command
        .steps()
        .iter()
        .map(|step| Call {
            argv: step.words().iter().map(expand).collect(),
            input: step.input().iter().map(|line| expand(line) + "\n").collect(),
        })
        .collect()
}

/// The call of Helm with what is set in the order of its keys, because the order means nothing.
fn helm(calls: &[Call]) -> Vec<String> {
    let mut argv = calls.last().unwrap().argv.clone();
    assert_eq!(argv[0], "helm");
    let is_set = |word: &String| word.starts_with("--set");
    let first = argv.iter().position(is_set).unwrap();
    let tail = argv.split_off(argv.len() - 2);
    let mut pairs: Vec<_> = argv
        .split_off(first)
        .chunks(2)
        .map(|pair| pair.join(" "))
        .collect();
    pairs.sort();
    argv.into_iter().chain(pairs).chain(tail).collect()
}

fn assert_same_as(command: &Command, example: &str) {
    for shell in shells() {
        let calls = run(shell, &command.to_sh());
        assert_eq!(calls, expanded(command), "{shell}");
        assert_eq!(
            helm(&calls),
            helm(&run(shell, example)),
            "{shell}\n{}",
            command.to_sh()
        );
    }
}

/// `sh`, and `bash` where there is one, which has more that could be expanded.
fn shells() -> impl Iterator<Item = &'static str> {
    let there = |shell: &&str| Process::new(shell).args(["-c", ":"]).output().is_ok();
    ["sh", "bash"].into_iter().filter(there)
}

fn stock(insecure: Option<&str>) -> ArgoCdEndpoint {
    let ports = [
        ServicePort::new(Some("http"), 80),
        ServicePort::new(Some("https"), 443),
    ];
    ArgoCdEndpoint::from(&ServiceAddress::new("argocd-server", "argocd", &ports, insecure))
}

fn variable(name: &str) -> Variable {
    name.parse().unwrap()
}

fn secret(text: &str) -> SecretRef {
    text.parse().unwrap()
}

#[test]
fn a_stock_argo_cd_with_everything_inline() {
    let install = Install::new("Oslo Shop", "https://shop.octopus.app", stock(None))
        .unwrap()
        .space("Spaces-4".parse().unwrap())
        .environment("test")
        .environment("production")
        .octopus_credential(Credential::DangerInlineVariable(variable("OCTOPUS_TOKEN")))
        .argo_cd_credential(ArgoCdCredential::Account(Credential::DangerInlineVariable(
            variable("ARGOCD_TOKEN"),
        )));
    let command = install.command(&Form::Arguments, &Facts::default()).unwrap();
    assert_same_as(
        &command,
        r#"helm upgrade --install --atomic --create-namespace \
  --namespace octo-argo-gateway-oslo-shop --version "*.*" \
  --set registration.octopus.name="Oslo Shop" \
  --set registration.octopus.serverApiUrl="https://shop.octopus.app" \
  --set registration.octopus.spaceId="Spaces-4" \
  --set registration.octopus.environments="{test,production}" \
  --set registration.octopus.serverAccessToken="$OCTOPUS_TOKEN" \
  --set gateway.octopus.serverGrpcUrl="grpc://shop.octopus.app:8443" \
  --set gateway.argocd.serverGrpcUrl="grpc://argocd-server.argocd.svc.cluster.local" \
  --set gateway.argocd.insecure="true" --set gateway.argocd.plaintext="false" \
  --set gateway.argocd.authenticationToken="$ARGOCD_TOKEN" \
  oslo-shop oci://registry-1.docker.io/octopusdeploy/octopus-argocd-gateway-chart"#,
    );
    assert!(!command.is_secret(), "only names of variables");
    let warnings = install.warnings(&Facts::default());
    let said = |wanted: &dyn Fn(&Warning) -> bool| warnings.iter().any(wanted);
    assert!(said(&|warning| matches!(warning, Warning::CurrentContext)));
    assert!(said(&|warning| matches!(warning, Warning::Insecure)));
    assert!(said(
        &|warning| matches!(warning, Warning::InlineSecrets { keys } if keys.len() == 2)
    ));
    assert!(said(
        &|warning| matches!(warning, Warning::AfterRollBack { name } if name == "Oslo Shop")
    ));
    assert!(!said(&|warning| matches!(
        warning,
        Warning::Plaintext { .. } | Warning::ExistingNamespace { .. } | Warning::ForwardPort { .. }
    )));
}

#[test]
fn two_spaces_in_a_namespace_that_exists_with_secrets_by_reference() {
    let facts = Facts {
        balancer_idle: Some(std::time::Duration::from_secs(30)),
        ..Facts::default()
    };
    let install = Install::new("Factory", "https://deploy.example.com", stock(Some("true")))
        .unwrap()
        .namespace("gitops-bridge", Namespace::Existing)
        .space("Spaces-1".parse().unwrap())
        .space("Spaces-9".parse().unwrap())
        .environment("production")
        .with(
            keys::GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL,
            "15s".parse().unwrap(),
        )
        .octopus_credential(Credential::Stored(
            secret("octo-reg/OCTOPUS_SERVER_ACCESS_TOKEN"),
            variable("OCTOPUS_TOKEN"),
        ))
        .argo_cd_credential(ArgoCdCredential::Account(Credential::Stored(
            secret("argo-read/ARGOCD_AUTH_TOKEN"),
            variable("ARGOCD_TOKEN"),
        )));
    let command = install.command(&Form::Arguments, &facts).unwrap();
    assert_same_as(
        &command,
        r#"helm upgrade --install --atomic --namespace gitops-bridge --version "*.*" \
  --set registration.octopus.name="Factory" \
  --set registration.octopus.serverApiUrl="https://deploy.example.com" \
  --set 'registration.octopus.spaceIds={Spaces-1,Spaces-9}' \
  --set registration.octopus.environments="{production}" \
  --set registration.octopus.serverAccessTokenSecretName="octo-reg" \
  --set registration.octopus.serverAccessTokenSecretKey="OCTOPUS_SERVER_ACCESS_TOKEN" \
  --set gateway.octopus.serverGrpcUrl="grpc://deploy.example.com:8443" \
  --set gateway.octopus.healthCheck.interval="15s" \
  --set gateway.argocd.serverGrpcUrl="grpc://argocd-server.argocd.svc.cluster.local" \
  --set gateway.argocd.plaintext="true" --set gateway.argocd.insecure="false" \
  --set gateway.argocd.authenticationTokenSecretName="argo-read" \
  --set gateway.argocd.authenticationTokenSecretKey="ARGOCD_AUTH_TOKEN" \
  factory oci://registry-1.docker.io/octopusdeploy/octopus-argocd-gateway-chart"#,
    );
    // The Secrets come first, and no argument of a program holds a token.
    let calls = run("sh", &command.to_sh());
    let made: Vec<_> = calls
        .iter()
        .map(|call| (call.argv.join(" "), call.input.as_str()))
        .collect();
    assert_eq!(made.len(), 3);
    let flags = "--namespace gitops-bridge --from-env-file=/dev/stdin";
    assert_eq!(
        made[..2],
        [
            (
                format!("kubectl create secret generic octo-reg {flags}"),
                "OCTOPUS_SERVER_ACCESS_TOKEN=API-OCTO$HOME`id`\n"
            ),
            (
                format!("kubectl create secret generic argo-read {flags}"),
                "ARGOCD_AUTH_TOKEN=eyJ.argo 'cd'.\"x\"\n"
            ),
        ]
    );
    let warnings = install.warnings(&facts);
    let names: Vec<_> = warnings.iter().map(|warning| format!("{warning:?}")).collect();
    assert!(
        names.iter().any(|name| name.starts_with("Plaintext")),
        "{names:?}"
    );
    assert!(
        names.iter().any(|name| name == "ForwardPort { port: 8443 }"),
        "{names:?}"
    );
    assert!(
        names.iter().any(|name| name.starts_with("ExistingNamespace")),
        "{names:?}"
    );
    assert!(
        !names
            .iter()
            .any(|name| name.starts_with("Balancer") || name.starts_with("Inline")),
        "{names:?}"
    );

    // An older chart has the same by its old name.
    let mut older = install.values();
    older.unset(keys::GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL);
    older.set(keys::GATEWAY_OCTOPUS_KEEP_ALIVE_INTERVAL_SECONDS, 15);
    assert_eq!(older.problems(&facts), []);
    assert!(
        !older
            .warnings(&facts)
            .iter()
            .any(|warning| matches!(warning, Warning::BalancerIdle { .. }))
    );
}

#[test]
fn an_argo_cd_of_aws_with_tokens_of_projects() {
    let found = ManagedEndpoint::new("https://abc123.eks-capabilities.eu-west-1.amazonaws.com/").unwrap();
    let mut endpoint = ArgoCdEndpoint::from(&found);
    endpoint.grpc_web_root_path = Some("/argo/api".into());
    endpoint.web_ui_url = None;
    let tokens = [
        ("shop", "SHOP"),
        ("billing", "BILLING"),
        ("octo-gateway-unscoped", "SHOP"),
    ];
    let tokens = tokens.map(|(project, name)| (project.to_owned(), variable(name)));
    let install = Install::new("EKS EU", "https://acme.octopus.app", endpoint)
        .unwrap()
        .space("Spaces-1".parse().unwrap())
        .environment("production")
        .octopus_credential(Credential::DangerInlineVariable(variable("OCTOPUS_TOKEN")))
        .argo_cd_credential(ArgoCdCredential::DangerInlineProjectVariables(tokens.to_vec()));
    let command = install.command(&Form::Arguments, &Facts::default()).unwrap();
    assert_same_as(
        &command,
        r#"helm upgrade --install --atomic --create-namespace \
  --namespace octo-argo-gateway-eks-eu --version "*.*" \
  --set registration.octopus.name="EKS EU" \
  --set registration.octopus.serverApiUrl="https://acme.octopus.app" \
  --set registration.octopus.spaceId="Spaces-1" \
  --set registration.octopus.environments="{production}" \
  --set registration.octopus.serverAccessToken="$OCTOPUS_TOKEN" \
  --set gateway.octopus.serverGrpcUrl="grpc://acme.octopus.app:8443" \
  --set gateway.argocd.serverGrpcUrl="grpc://abc123.eks-capabilities.eu-west-1.amazonaws.com" \
  --set gateway.argocd.insecure="false" --set gateway.argocd.plaintext="false" \
  --set gateway.argocd.grpcWebRootPath="/argo/api" \
  --set-json "gateway.argocd.projectAuthentication=[{\"project\":\"shop\",\"token\":\"$SHOP\"},{\"project\":\"billing\",\"token\":\"$BILLING\"},{\"project\":\"octo-gateway-unscoped\",\"token\":\"$SHOP\"}]" \
  eks-eu oci://registry-1.docker.io/octopusdeploy/octopus-argocd-gateway-chart"#,
    );
    let warnings = install.warnings(&Facts::default());
    assert!(
        warnings
            .iter()
            .any(|warning| matches!(warning, Warning::InlineSecrets { .. }))
    );
    assert!(
        !warnings
            .iter()
            .any(|warning| matches!(warning, Warning::Insecure))
    );
    // By reference, one Secret holds them all.
    let install = install.argo_cd_credential(ArgoCdCredential::StoredProjects {
        secret: "project-tokens".into(),
        tokens: tokens.to_vec(),
    });
    let calls = run(
        "sh",
        &install
            .command(&Form::Arguments, &Facts::default())
            .unwrap()
            .to_sh(),
    );
    assert_eq!(
        calls[0].argv.join(" "),
        "kubectl create namespace octo-argo-gateway-eks-eu"
    );
    assert_eq!(
        calls[1].input,
        "PROJECT_AUTH_TOKEN_shop=shop.tok.en\nPROJECT_AUTH_TOKEN_billing=billing.tok.en\n\
         PROJECT_AUTH_TOKEN_octo-gateway-unscoped=shop.tok.en\n"
    );
}

fn plain(name: &str) -> Install {
    Install::new(name, "https://shop.octopus.app", stock(None))
        .unwrap()
        .space("Spaces-1".parse().unwrap())
        .environment("production")
}

#[test]
fn secrets_are_by_reference_unless_asked_for_otherwise() {
    let install = plain("Oslo");
    let command = install.command(&Form::Arguments, &Facts::default()).unwrap();
    assert_eq!(
        command.to_sh(),
        "kubectl create namespace octo-argo-gateway-oslo
printf '%s\\n' OCTOPUS_SERVER_ACCESS_TOKEN=\"${OCTOPUS_TOKEN}\" |
  kubectl create secret generic octopus-server-access-token \\
  --namespace octo-argo-gateway-oslo \\
  --from-env-file=/dev/stdin
printf '%s\\n' ARGOCD_AUTH_TOKEN=\"${ARGOCD_TOKEN}\" |
  kubectl create secret generic argocd-auth-token \\
  --namespace octo-argo-gateway-oslo \\
  --from-env-file=/dev/stdin
helm upgrade \\
  --install \\
  --atomic \\
  --create-namespace \\
  --namespace octo-argo-gateway-oslo \\
  --version '*.*' \\
  --set registration.octopus.name=Oslo \\
  --set registration.octopus.serverApiUrl=https://shop.octopus.app \\
  --set registration.octopus.serverAccessTokenSecretName=octopus-server-access-token \\
  --set registration.octopus.serverAccessTokenSecretKey=OCTOPUS_SERVER_ACCESS_TOKEN \\
  --set 'registration.octopus.environments={production}' \\
  --set registration.octopus.spaceId=Spaces-1 \\
  --set gateway.octopus.serverGrpcUrl=grpc://shop.octopus.app:8443 \\
  --set gateway.argocd.serverGrpcUrl=grpc://argocd-server.argocd.svc.cluster.local \\
  --set gateway.argocd.authenticationTokenSecretName=argocd-auth-token \\
  --set gateway.argocd.authenticationTokenSecretKey=ARGOCD_AUTH_TOKEN \\
  --set gateway.argocd.plaintext=false \\
  --set gateway.argocd.insecure=true oslo oci://registry-1.docker.io/octopusdeploy/octopus-argocd-gateway-chart
"
    );
    assert!(!command.is_secret() && install.values_file().secret_keys().is_empty());
}

#[test]
fn a_values_file_leaves_only_variables_in_the_command() {
    let install =
        plain("Oslo").octopus_credential(Credential::DangerInlineVariable(variable("OCTOPUS_TOKEN")));
    let form = Form::File("my values.yaml".into());
    let calls = run("sh", &install.command(&form, &Facts::default()).unwrap().to_sh());
    let argv = &calls.last().unwrap().argv;
    let values = argv.iter().position(|word| word == "--values").unwrap();
    assert_eq!(argv[values + 1], "my values.yaml");
    let set: Vec<_> = argv.iter().filter(|word| word.contains('=')).collect();
    assert_eq!(set, ["registration.octopus.serverAccessToken=API-OCTO$HOME`id`"]);
    assert!(install.values_file().as_str().contains("insecure: true\n"));
}

#[test]
fn later_changes_keep_the_rest() {
    let install = plain("Oslo").chart_version("2.2.0");
    let changes = HelmValues::new()
        .with(keys::AUTO_UPDATE_ENABLED, false)
        .with(keys::AUTO_UPDATE_SCHEDULE, "0 3 * * 1-5".to_owned());
    let command = install.upgrade_command(&changes).unwrap();
    let calls = run("sh", &command.to_sh());
    assert_eq!(
        calls[0].argv[1..],
        [
            "upgrade",
            "--atomic",
            "--reset-then-reuse-values",
            "--namespace",
            "octo-argo-gateway-oslo",
            "--version",
            "2.2.0",
            "--set",
            "autoUpdate.enabled=false",
            "--set",
            "autoUpdate.schedule=0 3 * * 1-5",
            "oslo",
            CHART
        ]
    );
    let gone = run("sh", &install.uninstall_command().unwrap().to_sh());
    assert_eq!(
        gone[0].argv.join(" "),
        "helm uninstall --namespace octo-argo-gateway-oslo oslo"
    );
}

#[test]
fn nothing_is_composed_of_what_cannot_work() {
    let facts = Facts::default();
    let error = |install: &Install| install.command(&Form::Arguments, &facts).unwrap_err();
    assert!(matches!(
        Install::new("???", "https://a", stock(None)),
        Err(InstallError::Name(_))
    ));
    assert!(matches!(
        Install::new("a", "shop", stock(None)),
        Err(InstallError::OctopusUrl(_))
    ));
    assert!(matches!(
        error(&plain("a").release("a".repeat(54))),
        InstallError::Release { .. }
    ));
    assert!(matches!(
        error(&plain("a").release("-oops")),
        InstallError::Release { .. }
    ));
    let namespace = plain("a").namespace("a".repeat(64), Namespace::New);
    assert!(matches!(error(&namespace), InstallError::Namespace { .. }));
    assert!(
        plain("a")
            .release("a".repeat(53))
            .namespace("a".repeat(63), Namespace::New)
            .command(&Form::Arguments, &facts)
            .is_ok()
    );
    let nul = plain("a").with(keys::NAME_OVERRIDE, "a\0b".into());
    assert!(matches!(error(&nul), InstallError::Nul(_)));
    let blank = plain("a").with(keys::GATEWAY_ARGOCD_SERVER_GRPC_URL, String::new());
    assert!(matches!(error(&blank), InstallError::Problems(problems) if problems.len() == 1));
    // A project that no key of a Secret can be called after.
    let tokens = vec![("bad project".to_owned(), variable("SHOP"))];
    let stored = ArgoCdCredential::StoredProjects {
        secret: "s".into(),
        tokens,
    };
    assert!(matches!(
        error(&plain("a").argo_cd_credential(stored)),
        InstallError::Secret(SecretRefError::Key { .. })
    ));
    for text in ["A/k", "a", "a/", "/k", "a/1k", "a/k k", "a_b/k"] {
        assert!(text.parse::<SecretRef>().is_err(), "{text}");
    }
    for text in ["", "1A", "A-B", "A B", "A$(id)"] {
        assert!(text.parse::<Variable>().is_err(), "{text}");
    }
    // Both kinds of credentials for Argo CD, one of them through the values.
    let token = crate::setup::ProjectToken::new("p", "hunter2".to_owned().into());
    let both = plain("a").with(keys::GATEWAY_ARGOCD_PROJECT_AUTHENTICATION, vec![token]);
    assert!(
        matches!(error(&both), InstallError::Problems(problems) if matches!(problems[..], [Problem::Exclusive { .. }]))
    );
}

#[test]
fn credentials_are_in_the_script_alone() {
    let inline = |text: &str| Credential::DangerInline(text.to_owned().into());
    let install = plain("a")
        .octopus_credential(inline("API-HUNTER2,}"))
        .argo_cd_credential(ArgoCdCredential::Account(inline("HUNTER2")))
        .merge(
            HelmValues::from_json(&json!({"mine": {"pass.word": "HUNTER2"}}), OldKeys::Replace)
                .unwrap()
                .values,
        );
    let command = install.command(&Form::Arguments, &Facts::default()).unwrap();
    assert!(command.is_secret());
    let debug = format!(
        "{install:?} {command:?} {:?} {:?}",
        install.values(),
        install.values_file()
    );
    assert!(!debug.contains("HUNTER2"), "{debug}");
    let calls = run("sh", &command.to_sh());
    let argv = &calls[0].argv;
    assert!(
        argv.contains(&"registration.octopus.serverAccessToken=API-HUNTER2\\,\\}".to_owned()),
        "{argv:?}"
    );
    assert!(
        argv.contains(&"mine={\"pass.word\":\"HUNTER2\"}".to_owned()),
        "{argv:?}"
    );
}

#[test]
fn an_account_gets_what_it_lacks_and_keeps_what_it_has() {
    let setup = AccountSetup::new(AccountName::default());
    assert_eq!(
        setup.accounts_patch().unwrap(),
        json!({"data": {"accounts.octopus": "apiKey", "accounts.octopus.enabled": "true"}})
    );
    let lines = "p, octopus, applications, get, *, allow\np, octopus, applications, sync, *, allow\n\
                 p, octopus, clusters, get, *, allow\np, octopus, logs, get, */*, allow\n";
    assert_eq!(
        setup.rbac_patch().unwrap(),
        json!({"data": {"policy.csv": lines}})
    );

    let other = setup
        .clone()
        .capabilities("login")
        .enabled("false")
        .policy_csv("g, admins, role:admin")
        .sync(SyncRight::Withheld)
        .resource_versions(Some("7".into()), Some("8".into()));
    assert_eq!(
        other.accounts_patch().unwrap(),
        json!({
            "metadata": {"resourceVersion": "7"},
            "data": {"accounts.octopus": "login, apiKey", "accounts.octopus.enabled": "true"},
        })
    );
    let patch = other.rbac_patch().unwrap();
    assert_eq!(patch["metadata"]["resourceVersion"], "8");
    let policy = patch["data"]["policy.csv"].as_str().unwrap();
    assert!(
        policy.starts_with("g, admins, role:admin\np, octopus, applications, get")
            && !policy.contains("sync")
    );
    assert_eq!(
        other.operator_patch().unwrap()["spec"]["extraConfig"]["accounts.octopus"],
        "login, apiKey"
    );

    let done = setup
        .clone()
        .capabilities("apiKey, login")
        .enabled("true")
        .policy_csv(lines.replace(", ", ","));
    assert_eq!(
        (done.accounts_patch(), done.rbac_patch(), done.operator_patch()),
        (None, None, None)
    );
    assert!(done.patch_command().is_none());

    // What `kubectl` is given is what the patch says, quotes and all.
    let command = other.namespace("gitops").patch_command().unwrap();
    let calls = run("sh", &command.to_sh());
    assert_eq!(calls, expanded(&command));
    let argv = &calls[1].argv;
    assert_eq!(
        argv[..8].join(" "),
        "kubectl patch configmap argocd-rbac-cm --namespace gitops --type merge"
    );
    assert_eq!(
        serde_json::from_str::<Value>(argv.last().unwrap()).unwrap(),
        patch
    );
    let token = run("sh", &setup.token_command().to_sh());
    assert_eq!(
        token[0].argv.join(" "),
        "argocd account generate-token --account octopus"
    );
}

#[cfg(feature = "yaml")]
#[test]
fn the_manifests_of_an_account_are_yaml() {
    let setup = AccountSetup::new("octo-2".parse().unwrap()).policy_csv("# \"ours\"\ng, a: b, role:admin\n");
    let yaml = setup.to_yaml();
    let documents: Vec<Value> = yaml
        .split("---\n")
        .map(|text| serde_saphyr::from_str(text).unwrap())
        .collect();
    assert_eq!(documents.len(), 2);
    assert_eq!(documents[0]["metadata"]["name"], "argocd-cm");
    assert_eq!(documents[0]["data"]["accounts.octo-2"], "apiKey");
    assert_eq!(documents[1]["kind"], "ConfigMap");
    assert_eq!(documents[1]["data"], setup.rbac_patch().unwrap()["data"]);

    let role = RoleSetup::new(
        crate::setup::ProjectRole::new("shop", "octopus").unwrap(),
        SyncRight::Allowed,
    );
    let project: Value = serde_saphyr::from_str(&role.to_yaml()).unwrap();
    assert_eq!(
        project["spec"]["roles"][0]["policies"][2],
        "p, proj:shop:octopus, logs, get, shop/*, allow"
    );
    let calls = run("sh", &role.create_command().to_sh());
    let calls: Vec<_> = calls.iter().map(|call| call.argv.join(" ")).collect();
    assert_eq!(
        calls,
        [
            "argocd proj role create shop octopus",
            "argocd proj role add-policy shop octopus --action get --object *",
            "argocd proj role add-policy shop octopus --action sync --object *",
            "argocd proj role add-policy shop octopus --action get --object * --resource logs",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Through both layers: the shell hands Helm what was meant, and Helm makes the value of it.
    #[test]
    fn any_text_comes_through_shell_and_helm(
        texts in proptest::collection::vec("[^\0\u{1}]{0,16}|[ $`\"'\\\\!*?~{}(),;&|<>#=\\n-]{0,10}", 1..4),
        key in "[^\0\u{1}]{1,8}",
    ) {
        let annotations = [(key, Value::from(texts[0].as_str()))].into_iter().collect();
        let values = HelmValues::new()
            .with(keys::NAME_OVERRIDE, texts[0].clone())
            .with(keys::GATEWAY_SERVER_CERTIFICATES, texts.clone())
            .with(keys::POD_ANNOTATIONS, annotations);
        let command = plain("a").upgrade_command(&values).unwrap();
        for shell in shells() {
            let calls = run(shell, &command.to_sh());
            prop_assert_eq!(&calls, &expanded(&command), "{}", command.to_sh());
            let argv = &calls[0].argv;
            let first = argv.iter().position(|word| word.starts_with("--set")).unwrap();
            let mut out = serde_json::Map::new();
            for pair in argv[first..argv.len() - 2].chunks(2) {
                let (path, value) = helm_reads(&pair[0], &pair[1]).unwrap();
                out.insert(path.join("."), value);
            }
            let expected = json!({
                "nameOverride": texts[0],
                "gateway.serverCertificates": texts,
                "podAnnotations": values.get(keys::POD_ANNOTATIONS).unwrap(),
            });
            prop_assert_eq!(Value::Object(out), expected);
        }
    }
}
