//! What is answered, and in which shape.

use super::*;

#[tokio::test]
async fn a_gateway_is_registered_and_its_token_shown_once() {
    let octopus = Octopus::start().await;
    let (status, body) = octopus
        .register("Spaces-1", "EU", &GUID.to_uppercase(), None)
        .await;
    assert_eq!(status, StatusCode::OK);
    let resource = &body["Resource"];
    assert_eq!(resource["Id"], "ArgoCDGateways-1");
    assert_eq!(resource["SpaceId"], "Spaces-1");
    assert_eq!(resource["Name"], "EU");
    assert_eq!(resource["ClientId"], GUID);
    assert_eq!(resource["EnvironmentIds"], json!(["Environments-2"]));
    assert_eq!(resource["HealthStatus"], "Unavailable");
    assert_eq!(body["CertificateThumbprint"], "AB".repeat(20));
    let token = body["AuthenticationToken"].as_str().unwrap();
    assert!(octopus.admits(GUID, token).await);
    let (_, read) = octopus
        .call(
            "GET",
            "/api/spaces/Spaces-1/argocdgateways/ArgoCDGateways-1",
            &Value::Null,
        )
        .await;
    assert_eq!(&read["Resource"], resource);
    assert!(!read.to_string().contains(token));
}

#[tokio::test]
async fn a_second_space_keeps_the_token_or_renews_it() {
    let octopus = Octopus::start().await;
    let token = |body: &Value| body["AuthenticationToken"].as_str().map(str::to_owned);
    let first = token(&octopus.register("Spaces-1", "EU", GUID, None).await.1).unwrap();
    let (status, body) = octopus.register("Spaces-2", "EU", GUID, Some(true)).await;
    assert_eq!(
        (status, &body["AuthenticationToken"]),
        (StatusCode::OK, &Value::Null)
    );
    assert!(octopus.admits(GUID, &first).await);

    let gone = octopus
        .call(
            "DELETE",
            "/api/Spaces-2/argocdgateways/ArgoCDGateways-2",
            &Value::Null,
        )
        .await;
    assert_eq!(gone.0, StatusCode::OK);
    assert!(octopus.admits(GUID, &first).await);
    for preserve in [None, Some(false)] {
        let (_, body) = octopus.register("Spaces-2", "EU", GUID, preserve).await;
        let second = token(&body).unwrap();
        assert!(octopus.admits(GUID, &second).await && !octopus.admits(GUID, &first).await);
        let id = body["Resource"]["Id"].as_str().unwrap();
        octopus
            .call(
                "DELETE",
                &format!("/api/Spaces-2/argocdgateways/{id}"),
                &Value::Null,
            )
            .await;
    }
    // With the last record the credential goes.
    let (_, body) = octopus.register("Spaces-2", "EU", GUID, None).await;
    let last = token(&body).unwrap();
    for path in [
        "Spaces-1/argocdgateways/ArgoCDGateways-1",
        "spaces/Spaces-2/argocdgateways/ArgoCDGateways-5",
    ] {
        assert_eq!(
            octopus
                .call("DELETE", &format!("/api/{path}"), &Value::Null)
                .await
                .0,
            StatusCode::OK
        );
    }
    assert!(!octopus.admits(GUID, &last).await);
    let again = octopus
        .call(
            "DELETE",
            "/api/Spaces-1/argocdgateways/ArgoCDGateways-1",
            &Value::Null,
        )
        .await;
    assert_eq!(again.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_record_is_changed_as_far_as_the_request_goes() {
    let octopus = Octopus::start().await;
    octopus.register("Spaces-1", "EU", GUID, None).await;
    let path = "/api/Spaces-1/argocdgateways/ArgoCDGateways-1";
    let body = json!({"Id": "ArgoCDGateways-1", "SpaceId": "Spaces-1", "Name": "EU 2", "WebUIUri": "https://argo.example.test/"});
    let (status, changed) = octopus.call("POST", path, &body).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&changed["Name"], &changed["WebUIUri"]),
        (&"EU 2".into(), &"https://argo.example.test".into())
    );
    assert_eq!(changed["EnvironmentIds"], json!(["Environments-2"]));
    let (_, changed) = octopus
        .call("POST", path, &json!({"WebUIUri": "", "EnvironmentIds": []}))
        .await;
    assert_eq!(
        (&changed["WebUIUri"], &changed["EnvironmentIds"]),
        (&Value::Null, &json!([]))
    );
    assert_eq!(changed["Name"], "EU 2");
}

#[tokio::test]
async fn instances_are_listed_by_name_and_by_part_of_it() {
    let octopus = Octopus::start().await;
    for (name, last) in [("EU", '0'), ("EU West", '1'), ("US", '2')] {
        octopus
            .register(
                "Spaces-1",
                name,
                &format!("0f8fad5b-d9cb-469f-a165-70867728950{last}"),
                None,
            )
            .await;
    }
    let names = async |query: &str| {
        let path = format!("/api/spaces/Spaces-1/argocdinstances/summaries{query}");
        let (status, body) = octopus.call("GET", &path, &Value::Null).await;
        assert_eq!(status, StatusCode::OK);
        let list = body["Resources"].as_array().unwrap().clone();
        assert_eq!(body["TotalCount"], list.len());
        assert!(
            list.iter()
                .all(|one| one["Id"] == one["GatewayId"] && one["Id"].is_string())
        );
        list.iter()
            .map(|one| one["Name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["EU", "EU West", "US"]);
    assert_eq!(names("?name=eu").await, ["EU"]);
    assert_eq!(names("?partialName=eu%20w").await, ["EU West"]);
    assert_eq!(names("?partialName=").await.len(), 3);
}

#[tokio::test]
async fn a_check_tells_of_a_gateway_that_never_connected() {
    let octopus = Octopus::start().await;
    octopus.register("Spaces-1", "EU", GUID, None).await;
    let body =
        json!({"Name": "ArgoCDGatewayHealthCheck", "Arguments": {"ArgoCDGatewayId": "ArgoCDGateways-1"}});
    let (status, task) = octopus.call("POST", "/api/Spaces-1/tasks", &body).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&task["Id"], &task["State"]),
        (&"ServerTasks-1".into(), &"Failed".into())
    );
    assert!(
        task["ErrorMessage"]
            .as_str()
            .unwrap()
            .contains("has not established a gRPC connection"),
        "{task}"
    );
    let (_, read) = octopus
        .call(
            "GET",
            "/api/Spaces-1/argocdgateways/ArgoCDGateways-1",
            &Value::Null,
        )
        .await;
    assert!(read["Resource"]["HealthLastChecked"].is_string(), "{read}");
}
