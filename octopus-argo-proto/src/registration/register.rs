//! Registering a gateway: the request and its answer, the only message that ever holds the gateway's token.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{GatewayResource, or_default};

/// The body of `POST /api/{space}/argocdgateways`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct RegisterRequest {
    /// The space, as in the path.
    #[serde(default, deserialize_with = "or_default")]
    pub space_id: String,
    /// The display name, unique in the space.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// The environments that the gateway may serve, by slug or id. Written even where there are none.
    #[serde(default, deserialize_with = "or_default")]
    pub environments: Vec<String>,
    /// The gateway, by a GUID that the caller chooses. The server requires it.
    #[serde(default, deserialize_with = "or_default")]
    pub client_id: String,
    /// Whether a gateway that is registered already, in another space, keeps its token. `None` is not written, and means
    /// no: a new token is issued, and the running gateway loses access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve_authentication_token: Option<bool>,
    /// The tenants that the gateway may serve. How Octopus calls this when registering is not public, so it is not
    /// written unless set; our server reads it.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub tenant_ids: Vec<String>,
    /// Where people see Argo CD in a browser. The same holds for it.
    #[serde(default, rename = "WebUIUri", skip_serializing_if = "Option::is_none")]
    pub web_ui_uri: Option<String>,
}

impl RegisterRequest {
    /// A request without environments, for a new token.
    pub fn new(space_id: impl Into<String>, name: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            space_id: space_id.into(),
            name: name.into(),
            client_id: client_id.into(),
            ..Self::default()
        }
    }
}

/// The answer to a registration. `Debug` hides the token.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RegisterResponse {
    /// The new record.
    pub resource: GatewayResource,
    /// What the gateway connects with, shown only here. `None` where it keeps the one that it has.
    pub authentication_token: Option<SecretString>,
    /// The SHA-1 thumbprint of the certificate that gateways see; empty where the server does not know it.
    pub certificate_thumbprint: String,
}

impl RegisterResponse {
    /// Reads an answer.
    ///
    /// # Errors
    /// An answer that is no JSON, or whose fields have other types. The error does not hold the token.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// What came of a registration that was to issue a token.
    ///
    /// # Errors
    /// [`IncompleteResponse`]: a gateway without an id could not be deleted again, and one without a token never connect.
    pub fn into_first(self) -> Result<FirstRegistration, IncompleteResponse> {
        let (id, client_id) = self.known_id()?;
        let Some(token) = self.authentication_token else {
            return Err(IncompleteResponse::NoToken { id });
        };
        Ok(FirstRegistration {
            id,
            client_id,
            token,
            thumbprint: Some(self.certificate_thumbprint).filter(|thumbprint| !thumbprint.trim().is_empty()),
        })
    }

    /// The id of the record and of the gateway, after whatever registration.
    ///
    /// # Errors
    /// [`IncompleteResponse::NoId`].
    pub fn known_id(&self) -> Result<(String, String), IncompleteResponse> {
        if self.resource.id.trim().is_empty() {
            return Err(IncompleteResponse::NoId);
        }
        Ok((self.resource.id.clone(), self.resource.client_id.clone()))
    }
}

impl fmt::Debug for RegisterResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterResponse")
            .field("resource", &self.resource)
            .field(
                "authentication_token",
                &self.authentication_token.as_ref().map(|_| "hidden"),
            )
            .field("certificate_thumbprint", &self.certificate_thumbprint)
            .finish()
    }
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
struct Wire<'a> {
    #[serde(deserialize_with = "or_default")]
    resource: GatewayResource,
    authentication_token: Option<std::borrow::Cow<'a, str>>,
    #[serde(deserialize_with = "or_default")]
    certificate_thumbprint: String,
}

impl Serialize for RegisterResponse {
    /// With the token in clear text: it has to get to the gateway, and this is the one way there.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire {
            resource: self.resource.clone(),
            authentication_token: self
                .authentication_token
                .as_ref()
                .map(|token| token.expose_secret().into()),
            certificate_thumbprint: self.certificate_thumbprint.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RegisterResponse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let token = wire.authentication_token.map(std::borrow::Cow::into_owned);
        Ok(Self {
            resource: wire.resource,
            authentication_token: token
                .filter(|token| !token.trim().is_empty())
                .map(SecretString::from),
            certificate_thumbprint: wire.certificate_thumbprint,
        })
    }
}

/// What a first registration gives.
#[derive(Clone)]
#[non_exhaustive]
pub struct FirstRegistration {
    /// The id of the record, for example `ArgoCDGateways-7`.
    pub id: String,
    /// The gateway's id, as the server repeats it; empty if it does not.
    pub client_id: String,
    /// What the gateway connects with.
    pub token: SecretString,
    /// The SHA-1 thumbprint of the certificate that it will see, where the server knows.
    pub thumbprint: Option<String>,
}

impl fmt::Debug for FirstRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstRegistration")
            .field("id", &self.id)
            .field("client_id", &self.client_id)
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

/// What the answer to a registration lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IncompleteResponse {
    /// The id of the record.
    #[error("the server's answer has no id for the new gateway")]
    NoId,
    /// The token.
    #[error("the server registered {id} and gave no token, so that the gateway could not connect")]
    #[non_exhaustive]
    NoToken {
        /// The record, which exists now.
        id: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_documented() {
        let mut request = RegisterRequest::new("Spaces-2", "EU", "c1");
        request.preserve_authentication_token = Some(true);
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(
            json,
            r#"{"SpaceId":"Spaces-2","Name":"EU","Environments":[],"ClientId":"c1","PreserveAuthenticationToken":true}"#
        );
        assert_eq!(serde_json::from_str::<RegisterRequest>(&json).unwrap(), request);
        let nothing: RegisterRequest = serde_json::from_str(r#"{"Environments": null, "New": 1}"#).unwrap();
        assert_eq!(nothing, RegisterRequest::default());
    }

    #[test]
    fn an_answer_reads_back_and_a_kept_token_is_null() {
        let mut response = RegisterResponse::default();
        response.resource.id = "ArgoCDGateways-1".to_owned();
        let json = serde_json::to_value(&response).unwrap();
        assert_eq!(json["AuthenticationToken"], serde_json::Value::Null);
        assert_eq!(json["CertificateThumbprint"], "");
        response.authentication_token = Some("gw-secret".into());
        let json = serde_json::to_string(&response).unwrap();
        let back = RegisterResponse::from_json(json.as_bytes())
            .unwrap()
            .into_first()
            .unwrap();
        assert_eq!(
            (back.token.expose_secret(), back.thumbprint.as_deref()),
            ("gw-secret", None)
        );
        assert!(!format!("{response:?} {back:?}").contains("gw-secret"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let first = |json: &str| {
            RegisterResponse::from_json(json.as_bytes())
                .unwrap()
                .into_first()
                .unwrap_err()
        };
        assert_eq!(first("{}"), IncompleteResponse::NoId);
        assert_eq!(first(r#"{"Resource": null}"#), IncompleteResponse::NoId);
        assert_eq!(
            first(r#"{"Resource": {"Id": " "}, "AuthenticationToken": "x"}"#),
            IncompleteResponse::NoId
        );
        for token in ["null", "\"\""] {
            let json = format!(r#"{{"Resource": {{"Id": "A-1"}}, "AuthenticationToken": {token}}}"#);
            assert_eq!(first(&json), IncompleteResponse::NoToken { id: "A-1".to_owned() });
        }
        // The token stands before what breaks the answer, and is not in the error.
        let error =
            RegisterResponse::from_json(br#"{"AuthenticationToken": "hunter2", "Resource": 7}"#).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
