//! Registration over REST: the bodies, the documented error, and the Secret that a gateway starts from.
//!
//! JSON in `PascalCase`. What is written is what Octopus documents, field by field; reading is tolerant: unknown fields are
//! passed over, `null` counts as missing, and where two forms are in use both are read. Nothing here connects: the calls
//! are made by `octopus-argo-client` and answered by `octopus-argo-server`.
//!
//! ```
//! use octopus_argo_proto::registration::{RegisterRequest, RegisterResponse};
//!
//! let request = RegisterRequest::new("Spaces-1", "EU", "7b3f7c52-0d2e-4a3a-9d1c-1a2b3c4d5e6f");
//! assert_eq!(
//!     serde_json::to_string(&request)?,
//!     r#"{"SpaceId":"Spaces-1","Name":"EU","Environments":[],"ClientId":"7b3f7c52-0d2e-4a3a-9d1c-1a2b3c4d5e6f"}"#
//! );
//! let answer = br#"{"Resource": {"Id": "ArgoCDGateways-7"}, "AuthenticationToken": "gw-secret"}"#;
//! let gateway = RegisterResponse::from_json(answer)?.into_first()?;
//! assert_eq!(gateway.id, "ArgoCDGateways-7");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Rule: OctopusDeploy/cli, OctopusDeploy/go-octopusdeploy and the Octopus docs. Cases: `vectors/connection.json`.

mod credential;
pub use credential::{API_KEY_HEADER, Credential, CredentialKind, CredentialTextError};

mod error;
pub use error::ErrorBody;

mod gateway;
pub use gateway::{GatewayResource, InstallDetails, ModifyRequest, ResourceEnvelope, Summaries, Summary};

mod register;
pub use register::{FirstRegistration, IncompleteResponse, RegisterRequest, RegisterResponse};

mod secret;
pub use secret::{GatewaySecret, GatewaySecretError};

mod task;
pub use task::{HEALTH_CHECK_TASK, TaskArguments, TaskRequest, TaskResource};

/// A field that may be missing or `null`, in place of which its default counts.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default,
{
    use serde::Deserialize as _;
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
