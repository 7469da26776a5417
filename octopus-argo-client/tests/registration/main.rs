//! The registration client against a server that answers by script, over HTTP/1.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands, in helpers too"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use octopus_argo_client::registration::{
    Client, Deleted, InstallError, ModifyRequest, NameFilter, Registration, RegistrationError, Stage,
    TokenChoice,
};
use octopus_argo_core::SpaceId;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const KEY: &str = "API-HUNTER2";

/// Answers one request after another, each on a connection of its own, and notes what was asked.
struct Script {
    client: Client,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    _tasks: JoinSet<()>,
}

impl Script {
    async fn start<const N: usize>(answers: [(u16, &str); N]) -> Self {
        Self::with(answers.map(|(status, body)| {
            format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }))
        .await
    }

    async fn with(answers: impl IntoIterator<Item = String>) -> Self {
        let answers: Vec<String> = answers.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let log = asked.clone();
        tasks.spawn(async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                let (head, body) = loop {
                    socket.read_buf(&mut request).await.unwrap();
                    let text = String::from_utf8(request.clone()).unwrap();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else {
                        continue;
                    };
                    let length = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "));
                    if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                        break (head.to_owned(), body.to_owned());
                    }
                };
                log.lock()
                    .unwrap()
                    .push((head, serde_json::from_str(&body).unwrap_or(Value::Null)));
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            // Whoever asks more than the script holds waits, and is told by its own limit.
            std::future::pending::<()>().await;
        });
        let client = Client::danger_plaintext(&address, KEY.parse().unwrap()).unwrap();
        Self {
            client: client.timeout(Duration::from_secs(20)),
            asked,
            _tasks: tasks,
        }
    }

    /// The request lines so far.
    fn lines(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .map(|(head, _)| head.lines().next().unwrap().to_owned())
            .collect()
    }
}

fn space() -> SpaceId {
    SpaceId::default()
}

fn eu() -> Registration {
    Registration::new(space(), "EU")
        .unwrap()
        .environments(["production"])
}

const MADE: &str = r#"{"Resource": {"Id": "ArgoCDGateways-7"}, "AuthenticationToken": "gw-secret", "CertificateThumbprint": ""}"#;
const KEPT: &str = r#"{"Resource": {"Id": "ArgoCDGateways-8"}, "AuthenticationToken": null}"#;
const TAKEN: &str = r#"{"ErrorMessage": "There was a problem.", "Errors": ["An ArgoCDGateway with this name already exists."]}"#;

#[tokio::test]
async fn a_gateway_is_registered_as_documented() {
    let script = Script::start([(201, MADE)]).await;
    let registered = script.client.register(&eu()).await.unwrap();
    assert_eq!(registered.records[0].id, "ArgoCDGateways-7");
    assert_eq!(registered.token.as_ref().unwrap().expose_secret(), "gw-secret");
    assert_eq!(registered.thumbprint, None);
    assert!(!format!("{registered:?} {:?}", registered.secret()).contains("gw-secret"));
    let asked = script.asked.lock().unwrap();
    let (head, body) = &asked[0];
    assert!(
        head.starts_with("POST /api/Spaces-1/argocdgateways HTTP/1.1\r\n"),
        "{head}"
    );
    let head = head.to_lowercase();
    assert!(
        head.contains("x-octopus-apikey: api-hunter2") && !head.contains("authorization"),
        "{head}"
    );
    assert_eq!(
        *body,
        json!({"SpaceId": "Spaces-1", "Name": "EU", "Environments": ["production"], "ClientId": registered.client_id})
    );
}

#[tokio::test]
async fn a_name_that_is_taken_has_its_own_error() {
    let script = Script::start([(400, TAKEN)]).await;
    let error = script.client.register(&eu()).await.unwrap_err();
    assert!(matches!(error, RegistrationError::NameTaken { .. }), "{error:?}");
    assert_eq!((error.stage(), error.is_retryable()), (Stage::Refused, false));
}

#[tokio::test]
async fn a_record_without_a_token_is_taken_back() {
    let script = Script::start([(200, KEPT), (200, "")]).await;
    let error = script.client.register(&eu()).await.unwrap_err();
    assert!(matches!(error, RegistrationError::Incomplete(_)), "{error:?}");
    assert_eq!(
        script.lines()[1],
        "DELETE /api/Spaces-1/argocdgateways/ArgoCDGateways-8 HTTP/1.1"
    );
}

#[tokio::test]
async fn a_failed_installation_takes_the_registration_back_and_is_what_is_told() {
    let install = |_| async { Err::<(), _>(std::io::Error::other("no cluster")) };
    let script = Script::start([(200, MADE), (204, "")]).await;
    let error = script.client.register_then(&eu(), install).await.unwrap_err();
    let InstallError::Install {
        source, leftovers, ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!((source.to_string().as_str(), leftovers.len()), ("no cluster", 0));
    assert_eq!(
        script.lines()[1],
        "DELETE /api/Spaces-1/argocdgateways/ArgoCDGateways-7 HTTP/1.1"
    );

    // When that fails too, the first failure stays the one to tell.
    let script = Script::start([(200, MADE), (500, "")]).await;
    let error = script.client.register_then(&eu(), install).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("ArgoCDGateways-7 in Spaces-1"), "{text}");
    let InstallError::Install {
        source, leftovers, ..
    } = error
    else {
        panic!()
    };
    assert_eq!(source.to_string(), "no cluster");
    assert!(matches!(leftovers[0].error, RegistrationError::Server { .. }));
}

#[tokio::test]
async fn several_spaces_share_a_client_id_and_a_refusal_takes_all_back() {
    let second: SpaceId = "Spaces-2".parse().unwrap();
    let version = r#"{"Version": "2026.3.7755"}"#;
    let script = Script::start([(200, MADE), (200, version), (200, KEPT)]).await;
    let registered = script
        .client
        .register_in_spaces(&eu(), [second.clone()])
        .await
        .unwrap();
    assert_eq!(registered.records.len(), 2);
    assert_eq!(registered.token.unwrap().expose_secret(), "gw-secret");
    {
        let asked = script.asked.lock().unwrap();
        assert_eq!(asked[2].1["PreserveAuthenticationToken"], true);
        assert_eq!(asked[2].1["ClientId"], asked[0].1["ClientId"]);
        assert_eq!(asked[2].1["SpaceId"], "Spaces-2");
    }
    let script = Script::start([(200, MADE), (404, ""), (400, TAKEN), (404, "")]).await;
    let error = script
        .client
        .register_in_spaces(&eu(), [second.clone()])
        .await
        .unwrap_err();
    assert_eq!((error.space, error.leftovers.len()), (second, 0));
    assert!(matches!(error.source, RegistrationError::NameTaken { .. }));
    assert!(script.lines()[3].starts_with("DELETE"), "{:?}", script.lines());
}

#[tokio::test]
async fn an_older_server_is_not_asked_to_keep_a_token() {
    let script = Script::start([(200, r#"{"Version": "2026.3.7754"}"#)]).await;
    let error = script
        .client
        .register(&eu().token(TokenChoice::Keep))
        .await
        .unwrap_err();
    assert!(matches!(error, RegistrationError::TooOld { .. }), "{error:?}");
    assert_eq!((script.lines().len(), error.stage()), (1, Stage::NotSent));
}

#[tokio::test]
async fn a_running_gateway_is_added_to_a_space() {
    let record = r#"{"Resource": {"Id": "ArgoCDGateways-7", "Name": "EU", "ClientId": "0f8fad5b-d9cb-469f-a165-70867728950e"}}"#;
    let script = Script::start([(200, record), (404, ""), (200, KEPT)]).await;
    let added = script
        .client
        .add_space(&space(), "ArgoCDGateways-7", "Spaces-2".parse().unwrap())
        .await
        .unwrap();
    assert!(added.token.is_none() && added.secret().is_none());
    let asked = script.asked.lock().unwrap();
    assert_eq!(
        asked[2].1,
        json!({"SpaceId": "Spaces-2", "Name": "EU", "Environments": [], "PreserveAuthenticationToken": true,
            "ClientId": "0f8fad5b-d9cb-469f-a165-70867728950e"})
    );
}

#[tokio::test]
async fn a_list_is_searched_for_the_very_name() {
    let list = r#"{"Resources": [{"Name": "EU West", "GatewayId": "ArgoCDGateways-1"}, {"Name": "eu", "Id": "ArgoCDGateways-2"}], "TotalCount": 2}"#;
    let script = Script::start([(200, list), (200, list), (200, list)]).await;
    assert_eq!(
        script.client.find(&space(), " EU ").await.unwrap().unwrap().id,
        "ArgoCDGateways-2"
    );
    assert!(script.client.find(&space(), "E&U").await.unwrap().is_none());
    assert_eq!(
        script
            .client
            .summaries(&space(), NameFilter::All)
            .await
            .unwrap()
            .total_count,
        2
    );
    assert_eq!(
        script.lines()[1],
        "GET /api/Spaces-1/argocdinstances/summaries?partialName=E%26U HTTP/1.1"
    );
}

#[tokio::test]
async fn what_is_gone_is_gone_and_a_change_may_be_answered_with_nothing() {
    let script = Script::start([
        (404, "{}"),
        (200, ""),
        (204, ""),
        (200, r#"{"Resource": {"Name": "US"}}"#),
    ])
    .await;
    assert_eq!(
        script.client.delete(&space(), "A-1").await.unwrap(),
        Deleted::Before
    );
    assert_eq!(script.client.delete(&space(), "A-1").await.unwrap(), Deleted::Now);
    let changed = script
        .client
        .modify(&space(), "A-1", &ModifyRequest::default())
        .await
        .unwrap();
    assert_eq!(changed.name, "US");
    assert_eq!(script.lines()[3], "GET /api/Spaces-1/argocdgateways/A-1 HTTP/1.1");
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let script = Script::with([
        "HTTP/1.1 302 X\r\nLocation: https://octopus/login?code=hunter2\r\nContent-Length: 0\r\n\r\n"
            .to_owned(),
        "HTTP/1.1 200 X\r\nContent-Length: 6\r\n\r\n<html>".to_owned(),
        format!(
            "HTTP/1.1 200 X\r\nContent-Length: 5000000\r\n\r\n{}",
            "x".repeat(5_000_000)
        ),
        "SSH-2.0-OpenSSH\r\n".to_owned(),
    ])
    .await;
    let mut errors = Vec::new();
    for _ in 0..4 {
        errors.push(script.client.read(&space(), "A-1").await.unwrap_err());
    }
    let [redirected, page, large, other] = errors.try_into().unwrap();
    assert!(
        matches!(redirected, RegistrationError::Redirected { .. }),
        "{redirected:?}"
    );
    assert!(matches!(page, RegistrationError::Unreadable { .. }), "{page:?}");
    assert!(matches!(large, RegistrationError::TooLarge { .. }), "{large:?}");
    assert!(matches!(other, RegistrationError::Http { .. }), "{other:?}");
    for error in [redirected, page, large, other] {
        let text = format!("{error} {error:?}");
        assert!(!text.to_lowercase().contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let script = Script::start([]).await;
    let client = script.client.clone().timeout(Duration::from_millis(50));
    let error = client.register(&eu()).await.unwrap_err();
    assert!(matches!(error, RegistrationError::Timeout { .. }), "{error:?}");
    assert_eq!(error.stage(), Stage::Unknown);
    let nowhere = Client::danger_plaintext("http://127.0.0.1:1", KEY.parse().unwrap()).unwrap();
    let error = nowhere.register(&eu()).await.unwrap_err();
    assert_eq!(error.stage(), Stage::NotSent, "{error:?}");
}
