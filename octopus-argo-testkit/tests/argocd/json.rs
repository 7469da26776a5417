//! The JSON API, as a browser or a script sees it.

use octopus_argo_testkit::argocd::{ArgoCdVersion, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::web::{Answer, read};
use super::*;

const BEARER: (&str, &str) = ("authorization", "Bearer e30.e30.c2ln");

async fn send(sim: &ArgoCdSim, line: &str, headers: &[(&str, &str)], body: &str) -> BufReader<TcpStream> {
    let mut stream = BufReader::new(soon(TcpStream::connect(sim.address())).await.unwrap());
    let mut head = format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    soon(stream.write_all(format!("{head}\r\n{body}").as_bytes()))
        .await
        .unwrap();
    stream
}

async fn ask(sim: &ArgoCdSim, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    read(&mut send(sim, line, headers, body).await).await
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

async fn reading() -> ArgoCdSim {
    sim(Access::read_and_sync("gateway")).await
}

#[tokio::test]
async fn objects_are_those_of_the_cluster() {
    let sim = reading().await;
    let answer = ask(&sim, "GET /api/v1/applications/web", &[BEARER], "").await;
    assert_eq!(answer.status, "HTTP/1.1 200 OK");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let web = json_of(&answer);
    let kept = sim.fleet().manifest(&app("web")).unwrap();
    for part in ["metadata", "spec"] {
        assert_eq!(web[part], kept[part]);
    }
    assert_eq!(web["status"]["health"], json!({"status": "Healthy"}));
    assert_eq!(
        web["status"]["resources"][0]["health"],
        json!({"status": "Healthy"})
    );

    let list = json_of(&ask(&sim, "GET /api/v1/applications?projects=team", &[BEARER], "").await);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert!(list["items"][0]["status"]["resources"].is_null());
    let some = ask(
        &sim,
        "GET /api/v1/applications?fields=items.metadata.name,items.spec.project",
        &[BEARER],
        "",
    )
    .await;
    assert_eq!(
        json_of(&some)["items"][0],
        json!({"metadata": {"name": "api"}, "spec": {"project": ""}})
    );

    let tree = json_of(&ask(&sim, "GET /api/v1/applications/web/resource-tree", &[BEARER], "").await);
    assert_eq!(
        (&tree["nodes"][0]["kind"], &tree["nodes"][0]["name"]),
        (&"Service".into(), &"web".into())
    );
    let version = json_of(&ask(&sim, "GET /api/version", &[], "").await);
    assert_eq!(version, json!({"Version": "v3.5.0"}));
}

#[tokio::test]
async fn a_token_comes_as_bearer_cookie_or_metadata_and_not_as_a_header_of_its_name() {
    let sim = reading().await;
    for (header, known) in [
        (BEARER, true),
        (("cookie", "a=b; argocd.token=e30.e30.c2ln"), true),
        (("cookie", "argocd.token-1=.c2ln; argocd.token=2:e30.e30"), true),
        (("grpc-metadata-token", TOKEN), true),
        (("token", TOKEN), false),
    ] {
        let info = json_of(&ask(&sim, "GET /api/v1/session/userinfo", &[header], "").await);
        assert_eq!(info["loggedIn"] == true, known, "{header:?}");
    }
}

#[tokio::test]
async fn errors_have_the_status_of_their_code() {
    let sim = reading().await;
    for (path, headers, status, code) in [
        (
            "/api/v1/applications/gone?project=shop",
            &[BEARER][..],
            "404 Not Found",
            5,
        ),
        ("/api/v1/applications/gone", &[BEARER], "403 Forbidden", 7),
        ("/api/v1/applications", &[], "401 Unauthorized", 16),
        (
            "/api/v1/applications?selector=a%20in",
            &[BEARER],
            "500 Internal Server Error",
            2,
        ),
        (
            "/api/v1/applications/web/logs?tailLines=few",
            &[BEARER],
            "400 Bad Request",
            3,
        ),
    ] {
        let answer = ask(&sim, &format!("GET {path}"), headers, "").await;
        assert_eq!(answer.status, format!("HTTP/1.1 {status}"), "{path}");
        let json = json_of(&answer);
        assert_eq!(json["code"], code, "{path}");
        assert_eq!(json["error"], json["message"], "{path}");
    }
    let nothing = ask(&sim, "GET /api/v1/nothing", &[BEARER], "").await;
    assert_eq!(nothing.status, "HTTP/1.1 404 Not Found");
}

/// What changes something has to be JSON, and say so in two words: scripts of others cannot.
#[tokio::test]
async fn a_sync_is_json_and_nothing_else() {
    for (version, kind, accepted) in [
        (ArgoCdVersion::V3_5, Some("application/json"), true),
        (
            ArgoCdVersion::V3_5,
            Some("application/json; charset=utf-8"),
            false,
        ),
        (ArgoCdVersion::V3_5, None, false),
        (ArgoCdVersion::V2_8, None, true),
    ] {
        let access = Access::read_and_sync("gateway");
        let sim = builder()
            .version(version)
            .token(TOKEN, access)
            .start()
            .await
            .unwrap();
        let mut headers = vec![BEARER];
        headers.extend(kind.map(|kind| ("content-type", kind)));
        let body = r#"{"prune": true, "strategy": {"hook": {"force": true}}}"#;
        let answer = ask(&sim, "POST /api/v1/applications/web/sync", &headers, body).await;
        let status = if accepted {
            "200 OK"
        } else {
            "415 Unsupported Media Type"
        };
        assert_eq!(
            answer.status,
            format!("HTTP/1.1 {status}"),
            "{version:?} {kind:?}"
        );
        let operation = sim.fleet().manifest(&app("web")).unwrap()["operation"].clone();
        assert_eq!(operation["sync"]["prune"] == true, accepted);
        if accepted {
            assert_eq!(json_of(&answer)["operation"]["sync"], operation["sync"]);
        }
    }
    let sim = reading().await;
    let headers = [BEARER, ("content-type", "application/json")];
    let none = ask(&sim, "DELETE /api/v1/applications/web/operation", &headers, "").await;
    assert_eq!(none.status, "HTTP/1.1 400 Bad Request");
}

#[tokio::test]
async fn a_login_is_a_cookie() {
    let everything = Access::new("admin").allow("*", "*", "*");
    let sim = builder()
        .user("admin", "simulated", everything)
        .start()
        .await
        .unwrap();
    let kind = ("content-type", "application/json");
    let wrong = r#"{"username": "admin", "password": "guessed"}"#;
    let refused = ask(&sim, "POST /api/v1/session", &[kind], wrong).await;
    assert_eq!(refused.status, "HTTP/1.1 401 Unauthorized");
    let right = r#"{"username": "admin", "password": "simulated"}"#;
    let answer = ask(&sim, "POST /api/v1/session", &[kind], right).await;
    let token = json_of(&answer)["token"].as_str().unwrap().to_owned();
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap();
    assert_eq!(cookie, format!("argocd.token={token}"));
    let listed = ask(&sim, "GET /api/v1/applications", &[("cookie", cookie)], "").await;
    assert_eq!(json_of(&listed)["items"].as_array().unwrap().len(), 3);
}

/// The next line of a stream that is in chunks.
async fn line(stream: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        soon(stream.read_line(&mut line)).await.unwrap();
        if line.starts_with('{') || line.starts_with("data: ") {
            return line.trim_end().to_owned();
        }
        assert!(!line.is_empty(), "the stream has ended");
    }
}

#[tokio::test]
async fn a_stream_is_an_object_a_line_and_an_event_that_says_nothing_new_is_none() {
    let sim = reading().await;
    let mut stream = send(&sim, "GET /api/v1/stream/applications?name=api", &[BEARER], "").await;
    let first: Value = serde_json::from_str(&line(&mut stream).await).unwrap();
    assert_eq!(first["result"]["type"], "ADDED");
    assert_eq!(first["result"]["application"]["metadata"]["name"], "api");
    sim.fleet().annotate(&app("api"), "x", Some("1")).unwrap();
    let second: Value = serde_json::from_str(&line(&mut stream).await).unwrap();
    assert_eq!(second["result"]["type"], "MODIFIED");

    let mut records = send(
        &sim,
        "GET /api/v1/stream/applications?name=api&fields=result.type,type",
        &[BEARER, ("accept", "text/event-stream")],
        "",
    )
    .await;
    assert_eq!(line(&mut records).await, r#"data: {"result":{"type":"ADDED"}}"#);
}

#[tokio::test]
async fn an_error_in_a_stream_is_its_last_line() {
    let sim = reading().await;
    let error = |code: i32, http: u16, text: &str| json!({"error": {"grpc_code": code, "http_code": http, "message": "no more", "http_status": text}});
    sim.faults()
        .fail_after(Method::Watch, 1, Code::ResourceExhausted, "no more");
    let answer = ask(&sim, "GET /api/v1/stream/applications", &[BEARER], "").await;
    assert_eq!(answer.status, "HTTP/1.1 200 OK");
    let text = String::from_utf8(answer.body).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1], error(8, 429, "Too Many Requests"));
    sim.faults()
        .fail_after(Method::Watch, 0, Code::PermissionDenied, "no more");
    let answer = ask(&sim, "GET /api/v1/stream/applications", &[BEARER], "").await;
    assert_eq!(answer.status, "HTTP/1.1 403 Forbidden");
    assert_eq!(json_of(&answer), error(7, 403, "Forbidden"));
}

#[tokio::test]
async fn a_root_path_moves_it() {
    let sim = builder().root_path("argo").start().await.unwrap();
    let moved = ask(&sim, "GET /argo/api/version", &[], "").await;
    assert_eq!(json_of(&moved)["Version"], "v3.5.0");
    let before = ask(&sim, "GET /api/version", &[], "").await;
    assert_eq!(before.status, "HTTP/1.1 404 Not Found");
}
