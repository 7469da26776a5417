//! The task that checks a gateway's health.

use serde::{Deserialize, Serialize};

use super::or_default;

/// The name of the task.
pub const HEALTH_CHECK_TASK: &str = "ArgoCDGatewayHealthCheck";

/// The body of `POST /api/{space}/tasks`, as far as it concerns gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct TaskRequest {
    /// What to do. Here it is [`HEALTH_CHECK_TASK`].
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// To what.
    #[serde(deserialize_with = "or_default")]
    pub arguments: TaskArguments,
}

impl TaskRequest {
    /// A check of this record's gateway.
    pub fn health_check(gateway: impl Into<String>) -> Self {
        Self {
            name: HEALTH_CHECK_TASK.to_owned(),
            arguments: TaskArguments {
                argo_cd_gateway_id: gateway.into(),
            },
        }
    }
}

/// What a task is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TaskArguments {
    /// The record, for example `ArgoCDGateways-1`.
    #[serde(rename = "ArgoCDGatewayId", deserialize_with = "or_default")]
    pub argo_cd_gateway_id: String,
}

/// A task, as the server answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct TaskResource {
    /// Its id, for example `ServerTasks-12`.
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    /// The space.
    #[serde(deserialize_with = "or_default")]
    pub space_id: String,
    /// What it does.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// To what.
    #[serde(deserialize_with = "or_default")]
    pub arguments: TaskArguments,
    /// How far it is: `Queued`, `Executing`, `Success`, `Failed` and others.
    #[serde(deserialize_with = "or_default")]
    pub state: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_asked_for_in_the_documented_words() {
        let json = serde_json::to_string(&TaskRequest::health_check("ArgoCDGateways-7")).unwrap();
        assert_eq!(
            json,
            r#"{"Name":"ArgoCDGatewayHealthCheck","Arguments":{"ArgoCDGatewayId":"ArgoCDGateways-7"}}"#
        );
    }
}
