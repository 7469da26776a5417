//! `connection.json`, as far as this crate owns it: setting a gateway up.

use std::collections::HashMap;

use octopus_argo_core::setup::{
    AccountName, GatewayNames, KnownEnvironment, ManagedEndpoint, NameError, ProbeTarget, ProjectTokens,
    ProjectTokensError, ServiceAddress, ServicePort, SyncRight, TokenClaims, image_version, is_api_server,
    match_environments, missing_policies, required_policies,
};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::loader::{Input, Unreadable};

pub(crate) fn judge(op: &str, input: Input) -> Result<Value, Unreadable> {
    match op {
        "probe_target" => probe_target(input),
        "managed_endpoint" => managed_endpoint(input),
        "gateway_names" => gateway_names(input),
        "argocd_service_address" => service_address(input),
        "image_version" => version(input),
        "is_argocd_api_server" => api_server(input),
        "project_token" => project_token(input),
        "project_token_flags" => flags(input),
        "required_policies" => required(input),
        "missing_policies" => missing(input),
        "match_environments" => environments(input),
        _ => Err(Unreadable(format!("nothing here runs {op:?}"))),
    }
}

fn probe_target(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Address {
        address: String,
    }
    Ok(match input.read::<Address>()?.address.parse::<ProbeTarget>() {
        Ok(target) => json!({
            "host": target.host(),
            "port": target.port().to_string(),
            "static_check": if target.is_loopback() { "failed_loopback" } else { "none" },
        }),
        Err(_) => json!({"error": "invalid_address", "static_check": "failed_invalid"}),
    })
}

fn managed_endpoint(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Endpoint {
        endpoint: String,
    }
    let endpoint = ManagedEndpoint::new(&input.read::<Endpoint>()?.endpoint);
    let text = |part: fn(&ManagedEndpoint) -> &str| endpoint.as_ref().map_or("", part);
    Ok(json!({
        "grpc_url": text(ManagedEndpoint::grpc_url),
        "web_ui_url": text(ManagedEndpoint::web_ui_url),
    }))
}

fn gateway_names(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Names {
        name: String,
        prefix: Option<String>,
        release: Option<String>,
        namespace: Option<String>,
    }
    let input: Names = input.read()?;
    let prefix = input.prefix.as_deref().unwrap_or(GatewayNames::NAMESPACE_PREFIX);
    let mut names = match GatewayNames::with_prefix(&input.name, prefix) {
        Ok(names) => names,
        Err(NameError::PrefixTooLong { .. }) => return Ok(json!({"error": "prefix_too_long"})),
        Err(_) => return Ok(json!({"error": "no_usable_characters"})),
    };
    if let Some(release) = input.release {
        names = names.with_release(release);
    }
    if let Some(namespace) = input.namespace {
        names = names.with_namespace(namespace);
    }
    Ok(json!({"slug": names.slug(), "release": names.release(), "namespace": names.namespace()}))
}

fn service_address(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Port {
        name: Option<String>,
        port: u16,
    }
    #[derive(Deserialize)]
    struct Target {
        service: String,
        namespace: String,
        #[serde(default)]
        ports: Vec<Port>,
        server_insecure: Option<String>,
    }
    let input: Target = input.read()?;
    let ports: Vec<_> = input
        .ports
        .iter()
        .map(|port| ServicePort::new(port.name.as_deref(), port.port))
        .collect();
    let insecure = input.server_insecure.as_deref();
    let address = ServiceAddress::new(&input.service, &input.namespace, &ports, insecure);
    Ok(json!({
        "grpc_url": address.grpc_url(),
        "plaintext": address.is_plaintext(),
        "insecure": address.is_insecure(),
    }))
}

fn version(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Image {
        image: String,
    }
    Ok(json!({"version": image_version(&input.read::<Image>()?.image).unwrap_or_default()}))
}

fn api_server(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Deployment {
        name: String,
        #[serde(default)]
        labels: Option<HashMap<String, String>>,
    }
    let input: Deployment = input.read()?;
    let labels = input.labels.unwrap_or_default();
    let component = labels.get("app.kubernetes.io/component").map(String::as_str);
    Ok(json!({"is_api_server": is_api_server(&input.name, component)}))
}

fn project_token(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Token {
        token: String,
        now: i64,
    }
    let Token { token, now } = input.read()?;
    let Ok(claims) = TokenClaims::read(&token) else {
        return Ok(json!({"error": "malformed_token"}));
    };
    Ok(match claims.project_role() {
        Some((project, role)) => json!({
            "project": project,
            "role": role,
            "expires_at": claims.expires_at(),
            "expired": claims.is_expired(now),
        }),
        None => json!({"error": "not_a_project_role_token"}),
    })
}

fn flags(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Flags {
        values: Vec<String>,
    }
    let tokens = match ProjectTokens::read(input.read::<Flags>()?.values) {
        Ok(tokens) => tokens,
        Err(error) => {
            let code = match error {
                ProjectTokensError::DuplicateProject { .. } => "duplicate_project",
                ProjectTokensError::EmptyProject { .. } => "empty_project",
                ProjectTokensError::EmptyToken { .. } => "empty_token",
                _ => "not_a_project_role_token",
            };
            return Ok(json!({"error": code}));
        }
    };
    let tokens: Vec<_> = tokens
        .iter()
        .map(|token| json!({"project": token.project(), "token": token.token().expose_secret()}))
        .collect();
    Ok(json!({"tokens": tokens}))
}

#[derive(Deserialize)]
struct Rights {
    account: String,
    #[serde(default = "yes")]
    allow_sync: bool,
    #[serde(default, alias = "existing", alias = "policy", alias = "csv")]
    policy_csv: String,
}

fn yes() -> bool {
    true
}

impl Rights {
    fn required(&self) -> Result<Vec<String>, Unreadable> {
        let account: AccountName = self
            .account
            .parse()
            .map_err(|error| Unreadable(format!("{error}")))?;
        let sync = if self.allow_sync {
            SyncRight::Allowed
        } else {
            SyncRight::Withheld
        };
        Ok(required_policies(&account, sync))
    }
}

fn required(input: Input) -> Result<Value, Unreadable> {
    Ok(json!({"policies": input.read::<Rights>()?.required()?}))
}

fn missing(input: Input) -> Result<Value, Unreadable> {
    let input: Rights = input.read()?;
    let missing = missing_policies(&input.required()?, &input.policy_csv);
    Ok(json!({"missing": missing, "policies": missing}))
}

fn environments(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Known {
        id: String,
        name: String,
        slug: Option<String>,
    }
    #[derive(Deserialize)]
    struct Environments {
        known: Vec<Known>,
        requested: Vec<String>,
    }
    let input: Environments = input.read()?;
    let known = input.known.into_iter();
    let known: Vec<_> = known
        .map(|one| KnownEnvironment::new(one.id, one.name, one.slug))
        .collect();
    Ok(match match_environments(&known, &input.requested) {
        Ok(environments) => json!({"environments": environments}),
        Err(unknown) => json!({"error": "unknown_environment", "requested": unknown.requested}),
    })
}
