//! `connection.json`, as far as this crate owns it.

use std::collections::BTreeMap;

use octopus_argo_proto::registration::{CredentialKind, GatewaySecret, IncompleteResponse, RegisterResponse};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::loader::{self, Input, Unreadable};
use crate::owners;

#[test]
fn connection() {
    let owner = env!("CARGO_PKG_NAME");
    loader::run_own(
        "connection.json",
        owners::CONNECTION,
        owner,
        |op, input| match op {
            "octopus_auth_header" => auth_header(input),
            "registration_secret" => secret(input),
            "new_registration_response" => response(input),
            _ => Err(Unreadable(format!("nothing here runs {op:?}"))),
        },
    );
}

fn auth_header(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Header {
        credential: String,
    }
    let Header { credential } = input.read()?;
    let kind = CredentialKind::of(&credential);
    Ok(json!({"header": kind.header(), "value": format!("{}{credential}", kind.prefix())}))
}

fn secret(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Content {
        authentication_token: String,
        client_id: String,
        thumbprint: Option<String>,
    }
    let content: Content = input.read()?;
    let secret = GatewaySecret::new(
        content.authentication_token,
        content.client_id,
        content.thumbprint,
    );
    let yaml = secret.to_yaml();
    // By a parser that knows nothing of the keys.
    let yaml: BTreeMap<String, String> =
        serde_saphyr::from_str(yaml.expose_secret()).map_err(|error| Unreadable(error.to_string()))?;
    Ok(json!({"secret": GatewaySecret::NAME, "key": GatewaySecret::KEY, "yaml": yaml}))
}

fn response(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Answer {
        body: Value,
    }
    let body = input.read::<Answer>()?.body.to_string();
    let Ok(response) = RegisterResponse::from_json(body.as_bytes()) else {
        return Ok(json!({"error": "invalid_response"}));
    };
    Ok(match response.into_first() {
        Ok(first) => json!({
            "id": first.id,
            "client_id": first.client_id,
            "token": first.token.expose_secret(),
            "thumbprint": first.thumbprint.unwrap_or_default(),
        }),
        Err(IncompleteResponse::NoToken { .. }) => json!({"error": "missing_token"}),
        Err(_) => json!({"error": "missing_id"}),
    })
}
