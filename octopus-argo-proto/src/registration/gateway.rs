//! The record of a gateway: read, changed, and listed.

use serde::{Deserialize, Deserializer, Serialize};

use super::or_default;

/// A gateway's record in one space.
///
/// Which fields a server sends is up to it; those it leaves out are empty here.
///
/// Rule: Octopus docs, "Argo CD instances"; the health and installation fields are those of a public Go fork.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct GatewayResource {
    /// The record's id, for example `ArgoCDGateways-1`.
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    /// The space.
    #[serde(deserialize_with = "or_default")]
    pub space_id: String,
    /// The display name.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// The gateway, the same in all its spaces.
    #[serde(deserialize_with = "or_default")]
    pub client_id: String,
    /// The environments that it may serve.
    #[serde(deserialize_with = "or_default")]
    pub environment_ids: Vec<String>,
    /// The tenants that it may serve.
    #[serde(deserialize_with = "or_default")]
    pub tenant_ids: Vec<String>,
    /// Where people see Argo CD in a browser.
    #[serde(rename = "WebUIUri")]
    pub web_ui_uri: Option<String>,
    /// How the last check went: `Healthy` and `Unavailable` are seen. A new gateway is `Unavailable` before its first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_status: Option<String>,
    /// When that was, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_last_checked: Option<String>,
    /// The task that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check_server_task_id: Option<String>,
    /// What runs where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install_details: Option<InstallDetails>,
}

/// What runs where, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct InstallDetails {
    /// The version of the gateway.
    pub gateway_version: Option<String>,
    /// The version of its Helm chart.
    pub helm_chart_version: Option<String>,
    /// The name of its Helm release.
    pub helm_release_name: Option<String>,
    /// The namespace that it runs in.
    pub kubernetes_namespace: Option<String>,
    /// The version of Argo CD.
    #[serde(rename = "ArgoCDVersion")]
    pub argo_cd_version: Option<String>,
}

/// The answer to `GET /api/{space}/argocdgateways/{id}`: a record under `Resource`. A bare record is read too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct ResourceEnvelope {
    /// The record.
    pub resource: GatewayResource,
}

impl ResourceEnvelope {
    /// A record to be sent.
    #[must_use]
    pub fn new(resource: GatewayResource) -> Self {
        Self { resource }
    }
}

impl<'de> Deserialize<'de> for ResourceEnvelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Either {
            resource: Option<GatewayResource>,
            #[serde(flatten)]
            bare: GatewayResource,
        }
        let either = Either::deserialize(deserializer)?;
        Ok(Self {
            resource: either.resource.unwrap_or(either.bare),
        })
    }
}

/// The body of `POST /api/{space}/argocdgateways/{id}`, which changes a record.
///
/// All of it is written: change what was read, and send it back. A server takes a field that is missing
/// or `null` as unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct ModifyRequest {
    /// The record, as in the path.
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    /// The space, as in the path.
    #[serde(deserialize_with = "or_default")]
    pub space_id: String,
    /// The display name.
    pub name: Option<String>,
    /// Where people see Argo CD in a browser. An empty text is nowhere.
    #[serde(rename = "WebUIUri")]
    pub web_ui_uri: Option<String>,
    /// The environments that it may serve.
    pub environment_ids: Option<Vec<String>>,
    /// The tenants that it may serve.
    pub tenant_ids: Option<Vec<String>>,
}

impl ModifyRequest {
    /// A request that leaves `record` as it is, to be changed.
    #[must_use]
    pub fn unchanged(record: &GatewayResource) -> Self {
        Self {
            id: record.id.clone(),
            space_id: record.space_id.clone(),
            name: Some(record.name.clone()),
            web_ui_uri: record.web_ui_uri.clone(),
            environment_ids: Some(record.environment_ids.clone()),
            tenant_ids: Some(record.tenant_ids.clone()),
        }
    }
}

/// The answer to `GET /api/{space}/argocdinstances/summaries`. It is not the usual page of Octopus lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct Summaries {
    /// The instances found. A filter by name may let more through than was asked for.
    #[serde(deserialize_with = "or_default")]
    pub resources: Vec<Summary>,
    /// How many there are altogether.
    #[serde(deserialize_with = "or_default")]
    pub total_count: u64,
}

impl Summaries {
    /// All that there are.
    #[must_use]
    pub fn all(resources: Vec<Summary>) -> Self {
        Self {
            total_count: resources.len() as u64,
            resources,
        }
    }
}

/// What a list tells of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Summary {
    /// The record's id. Both `Id` and `GatewayId` are in use for it: both are written, and either is read.
    pub id: String,
    /// The same.
    gateway_id: String,
    /// The display name.
    pub name: String,
    /// How the last check went.
    pub health_status: Option<String>,
    /// The environments that it may serve.
    pub environment_ids: Vec<String>,
    /// The tenants that it may serve.
    pub tenant_ids: Vec<String>,
    /// Where people see Argo CD in a browser.
    #[serde(rename = "WebUIUri")]
    pub web_ui_uri: Option<String>,
}

impl From<&GatewayResource> for Summary {
    fn from(record: &GatewayResource) -> Self {
        Self {
            id: record.id.clone(),
            gateway_id: record.id.clone(),
            name: record.name.clone(),
            health_status: record.health_status.clone(),
            environment_ids: record.environment_ids.clone(),
            tenant_ids: record.tenant_ids.clone(),
            web_ui_uri: record.web_ui_uri.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for Summary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Wire {
            gateway_id: Option<String>,
            #[serde(flatten)]
            record: GatewayResource,
        }
        let Wire {
            gateway_id,
            mut record,
        } = Wire::deserialize(deserializer)?;
        if let Some(id) = gateway_id.filter(|id| !id.is_empty()) {
            record.id = id;
        }
        Ok(Self::from(&record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_bare_and_wrapped() {
        let read = |json: &str| serde_json::from_str::<ResourceEnvelope>(json).unwrap().resource;
        let bare = read(r#"{"Id": "A-1", "Name": "EU", "EnvironmentIds": null, "Links": {}}"#);
        assert_eq!((bare.id.as_str(), bare.name.as_str()), ("A-1", "EU"));
        let wrapped = read(r#"{"Resource": {"Id": "A-1", "Name": "EU"}, "Id": "X"}"#);
        assert_eq!(wrapped, bare);
        let json = serde_json::to_value(ResourceEnvelope::new(bare.clone())).unwrap();
        assert_eq!(json["Resource"]["EnvironmentIds"], serde_json::json!([]));
        assert_eq!(
            serde_json::from_value::<ResourceEnvelope>(json).unwrap().resource,
            bare
        );
    }

    #[test]
    fn an_instance_has_its_id_under_either_name() {
        let read = |json: &str| serde_json::from_str::<Summary>(json).unwrap();
        for json in [
            r#"{"GatewayId": "A-1"}"#,
            r#"{"Id": "A-1"}"#,
            r#"{"Id": "X", "GatewayId": "A-1"}"#,
        ] {
            assert_eq!(read(json).id, "A-1", "{json}");
        }
        let json = serde_json::to_value(read(r#"{"Id": "A-1"}"#)).unwrap();
        assert_eq!((&json["Id"], &json["GatewayId"]), (&"A-1".into(), &"A-1".into()));
        let list: Summaries = serde_json::from_str(r#"{"Resources": null, "TotalCount": 3}"#).unwrap();
        assert_eq!((list.resources.len(), list.total_count), (0, 3));
    }

    #[test]
    fn a_change_is_written_as_documented() {
        let json = serde_json::to_string(&ModifyRequest::unchanged(&GatewayResource::default())).unwrap();
        assert_eq!(
            json,
            r#"{"Id":"","SpaceId":"","Name":"","WebUIUri":null,"EnvironmentIds":[],"TenantIds":[]}"#
        );
    }
}
