//! What is refused: the documented error, and nothing stored.

use super::*;

#[tokio::test]
async fn bad_json_is_refused_without_being_repeated() {
    let octopus = Octopus::start().await;
    for text in [
        "",
        "{",
        "[]",
        "7",
        r#"{"Name": ["hunter2"]}"#,
        "\u{feff}{}",
        r#"{"Environments": "hunter2"}"#,
    ] {
        let request = Request::post("/api/Spaces-1/argocdgateways").header("X-Octopus-ApiKey", KEY);
        let (status, body) = octopus.send(request.body(Body::from(text)).unwrap()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
        let message = body["ErrorMessage"].as_str().unwrap();
        assert!(
            !message.is_empty() && !body.to_string().contains("hunter2"),
            "{body}"
        );
        assert!(body["Errors"].is_array(), "{body}");
    }
    assert_eq!(octopus.stored().await, 0);
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let octopus = Octopus::start().await;
    let body = json!({"SpaceId": "Spaces-2", "Name": "  ", "Environments": ["staging"], "ClientId": "c1", "WebUIUri": "x"});
    let (status, body) = octopus.call("POST", "/api/Spaces-1/argocdgateways", &body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let errors = body["Errors"].to_string();
    for part in ["SpaceId", "Name", "staging", "ClientId", "WebUIUri"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    let (status, _) = octopus
        .call("POST", "/api/Spaces-1/argocdgateways", &json!({}))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(octopus.stored().await, 0);
}

#[tokio::test]
async fn an_unknown_space_has_nothing_in_it() {
    let octopus = Octopus::start().await;
    let (status, body) = octopus.register("Spaces-9", "EU", GUID, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(
        body["ErrorMessage"].as_str().unwrap().contains("Spaces-9"),
        "{body}"
    );
    for (method, path) in [
        ("GET", "/api/Spaces-9/argocdgateways/ArgoCDGateways-1"),
        ("DELETE", "/api/spaces/Spaces-9/argocdgateways/ArgoCDGateways-1"),
        ("GET", "/api/Spaces-9/argocdinstances/summaries"),
    ] {
        assert_eq!(
            octopus.call(method, path, &json!({})).await.0,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    assert_eq!(octopus.stored().await, 0);
}

#[tokio::test]
async fn a_name_is_taken_in_any_letter_case() {
    let octopus = Octopus::start().await;
    assert_eq!(
        octopus.register("Spaces-1", "EU West", GUID, None).await.0,
        StatusCode::OK
    );
    let other = "1f8fad5b-d9cb-469f-a165-70867728950e";
    let (status, body) = octopus.register("Spaces-1", " eu WEST ", other, None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        body["Errors"],
        json!(["An ArgoCDGateway with this name already exists."])
    );
    // Nor may a gateway have two records in one space.
    let (status, body) = octopus.register("Spaces-1", "Other", GUID, Some(true)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["Errors"][0].as_str().unwrap().contains("ClientId"), "{body}");
    assert_eq!(octopus.stored().await, 1);
    // In another space the name is free.
    assert_eq!(
        octopus.register("Spaces-2", "EU West", other, None).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn who_does_not_prove_who_they_are_is_told_so_before_anything_else() {
    let octopus = Octopus::start().await;
    let with = |name: &'static str, value: &'static str| {
        Request::post("/api/Spaces-9/argocdgateways")
            .header(name, value)
            .body(Body::from("{"))
            .unwrap()
    };
    let cases = [
        (with("accept", "*/*"), "You must provide"),
        (with("X-Octopus-ApiKey", "API-WRONG"), "not valid"),
        (with("Authorization", "Bearer wrong"), "not valid"),
        (with("Authorization", "Basic API-EXAMPLE0123"), "You must provide"),
        (
            with("Authorization", "Bearer an-access-token-of-yesterday"),
            "has expired",
        ),
    ];
    for (request, words) in cases {
        let (status, body) = octopus.send(request).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
        assert!(body["ErrorMessage"].as_str().unwrap().contains(words), "{body}");
    }
    assert_eq!(octopus.stored().await, 0);
}

#[tokio::test]
async fn a_caller_stays_within_what_they_may() {
    let octopus = Octopus::start().await;
    let list = |space: &str| format!("/api/{space}/argocdinstances/summaries");
    let (status, _) = octopus
        .call_as(READER, "GET", &list("Spaces-1"), &Value::Null)
        .await;
    assert_eq!(status, StatusCode::OK);
    let (status, body) = octopus
        .call_as(READER, "GET", &list("Spaces-2"), &Value::Null)
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        body["ErrorMessage"].as_str().unwrap().contains("permission"),
        "{body}"
    );
    let body = request("Spaces-1", "EU", GUID);
    let (status, _) = octopus
        .call_as(READER, "POST", "/api/Spaces-1/argocdgateways", &body)
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(octopus.stored().await, 0);
}

#[tokio::test]
async fn a_body_has_an_end() {
    let octopus = Octopus::start().await;
    let mut body = request("Spaces-1", "EU", GUID);
    body["Padding"] = "x".repeat(4096).into();
    let (status, body) = octopus.call("POST", "/api/Spaces-1/argocdgateways", &body).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(body["ErrorMessage"].as_str().unwrap().contains("4096"), "{body}");
    assert_eq!(octopus.stored().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_not_waited_for() {
    let octopus = Octopus::start().await;
    let body = Body::from_stream(tokio_stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let request = Request::post("/api/Spaces-1/argocdgateways").header("X-Octopus-ApiKey", KEY);
    let (status, body) = octopus.send(request.body(body).unwrap()).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert!(body["ErrorMessage"].is_string(), "{body}");
}

#[tokio::test]
async fn another_method_and_another_task_are_told_of() {
    let octopus = Octopus::start().await;
    let (status, body) = octopus
        .call("PUT", "/api/Spaces-1/argocdgateways/ArgoCDGateways-1", &json!({}))
        .await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(body["ErrorMessage"].is_string(), "{body}");
    let (status, body) = octopus
        .call("POST", "/api/Spaces-1/tasks", &json!({"Name": "Deploy"}))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        body["Errors"][0]
            .as_str()
            .unwrap()
            .contains("ArgoCDGatewayHealthCheck"),
        "{body}"
    );
    let body =
        json!({"Name": "ArgoCDGatewayHealthCheck", "Arguments": {"ArgoCDGatewayId": "ArgoCDGateways-7"}});
    assert_eq!(
        octopus.call("POST", "/api/Spaces-1/tasks", &body).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_change_that_does_not_fit_changes_nothing() {
    let octopus = Octopus::start().await;
    octopus.register("Spaces-1", "EU", GUID, None).await;
    octopus
        .register("Spaces-1", "US", "1f8fad5b-d9cb-469f-a165-70867728950e", None)
        .await;
    let path = "/api/Spaces-1/argocdgateways/ArgoCDGateways-1";
    let (_, before) = octopus.call("GET", path, &Value::Null).await;
    for body in [
        json!({"Name": "us"}),
        json!({"Name": ""}),
        json!({"Id": "ArgoCDGateways-2", "Name": "New"}),
        json!({"SpaceId": "Spaces-2", "Name": "New"}),
        json!({"EnvironmentIds": ["nowhere"], "Name": "New"}),
        json!({"TenantIds": ["nobody"], "Name": "New"}),
        json!({"WebUIUri": "javascript:alert(1)", "Name": "New"}),
    ] {
        let (status, _) = octopus.call("POST", path, &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(octopus.call("GET", path, &Value::Null).await.1, before);
}
