//! What the `argocd` command line sends, call by call and as it sends it: native gRPC with its own headers over TLS, and
//! gRPC-Web by the proxy that it has within.
//!
//! Rule: Argo CD `cmd/argocd/commands/login.go`, `app.go`, `pkg/apiclient/apiclient.go`, `grpcproxy.go`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request as HttpRequest};
use octopus_argo_core::setup::TokenClaims;
use octopus_argo_proto::argocd::application::{ApplicationSyncRequest, ResourcesQuery};
use octopus_argo_proto::argocd::cluster::{Settings, SettingsQuery};
use octopus_argo_proto::argocd::project::ProjectQuery;
use octopus_argo_proto::argocd::session::{GetUserInfoRequest, GetUserInfoResponse};
use octopus_argo_proto::argocd::v1alpha1::{AppProject, Application, ApplicationList, ApplicationTree};
use octopus_argo_proto::argocd::version::VersionMessage;
use octopus_argo_proto::prost::Message;
use octopus_argo_testkit::argocd::{Alpn, Controller, Method};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::web;

/// Its login is in no package of the SDK: a gateway has no use for it.
#[derive(Clone, PartialEq, octopus_argo_proto::prost::Message)]
#[prost(prost_path = "octopus_argo_proto::prost")]
struct Login {
    #[prost(string, tag = "1")]
    username: String,
    #[prost(string, tag = "2")]
    password: String,
}

#[derive(Clone, PartialEq, octopus_argo_proto::prost::Message)]
#[prost(prost_path = "octopus_argo_proto::prost")]
struct Session {
    #[prost(string, tag = "1")]
    token: String,
}

/// One command: a connection of its own, and the token that its configuration holds, which is empty before a login and is
/// sent all the same.
struct Command {
    calls: h2::client::SendRequest<Bytes>,
    token: String,
    authority: String,
    /// The headers of the last answer.
    headers: HeaderMap,
    _connection: JoinSet<()>,
}

async fn tls(sim: &ArgoCdSim) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(sim.certificate_der().unwrap().to_vec()))
        .unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = soon(TcpStream::connect(sim.address())).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream))
        .await
        .unwrap()
}

impl Command {
    async fn begin(sim: &ArgoCdSim, token: &str) -> Self {
        let (calls, connection) = soon(h2::client::handshake(tls(sim).await)).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async {
            // How it ends is seen by the calls.
            let _ = connection.await;
        });
        let mut command = Self {
            calls,
            token: token.to_owned(),
            authority: format!("localhost:{}", sim.address().port()),
            headers: HeaderMap::new(),
            _connection: tasks,
        };
        // Whether gRPC gets through at all; else it would try gRPC-Web.
        let version: VersionMessage = command.call(Method::Version, &()).await.unwrap();
        assert_eq!(version.version, "v3.5.0");
        command
    }

    async fn call<A: Message + Default>(
        &mut self,
        method: Method,
        request: &impl Message,
    ) -> Result<A, (i32, String)> {
        let mut answers = self.calling(method, request).await?;
        let message = soon(answers.next()).await.unwrap();
        let end = soon(answers.end()).await;
        if end == 0 {
            Ok(message)
        } else {
            Err((end, String::new()))
        }
    }

    async fn calling<A: Message + Default>(
        &mut self,
        method: Method,
        request: &impl Message,
    ) -> Result<Answers<A>, (i32, String)> {
        let request_head = HttpRequest::post(format!("https://{}/{}", self.authority, method.path()))
            .header("content-type", "application/grpc")
            .header("user-agent", "argocd-client/v3.5.0 grpc-go/1.83.0")
            .header("te", "trailers")
            .header("token", &self.token)
            .body(())
            .unwrap();
        self.calls = soon(self.calls.clone().ready()).await.unwrap();
        let (answer, mut body) = self.calls.send_request(request_head, false).unwrap();
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(request.encoded_len()).unwrap());
        request.encode(&mut frame).unwrap();
        body.send_data(frame.freeze(), true).unwrap();
        let (head, body) = soon(answer).await.unwrap().into_parts();
        self.headers = head.headers;
        if let Some(code) = self.headers.get("grpc-status") {
            let message = self
                .headers
                .get("grpc-message")
                .map_or("", |text| text.to_str().unwrap());
            return Err((code.to_str().unwrap().parse().unwrap(), message.to_owned()));
        }
        Ok(Answers {
            body,
            read: BytesMut::new(),
            message: std::marker::PhantomData,
        })
    }
}

/// The messages of an answer.
struct Answers<A> {
    body: h2::RecvStream,
    read: BytesMut,
    message: std::marker::PhantomData<A>,
}

impl<A: Message + Default> Answers<A> {
    async fn next(&mut self) -> Option<A> {
        loop {
            if let Some([0, length @ ..]) = self.read.first_chunk::<5>() {
                let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
                if self.read.len() >= 5 + length {
                    let message = self.read.split_to(5 + length);
                    return Some(A::decode(&message[5..]).unwrap());
                }
            }
            let data = self.body.data().await?.unwrap();
            self.body.flow_control().release_capacity(data.len()).unwrap();
            self.read.extend_from_slice(&data);
        }
    }

    async fn end(&mut self) -> i32 {
        let trailers = self.body.trailers().await.unwrap().unwrap();
        trailers["grpc-status"].to_str().unwrap().parse().unwrap()
    }
}

fn served() -> ArgoCdSimBuilder {
    let everything = Access::new("admin").allow("*", "*", "*");
    builder()
        .user("admin", "simulated", everything)
        .self_signed_tls()
        .alpn(Alpn::OfVersion)
}

async fn log_in(sim: &ArgoCdSim) -> String {
    // Before anything it looks whether there is TLS, and leaves again.
    drop(tls(sim).await);
    let mut login = Command::begin(sim, "").await;
    let wrong = Login {
        username: "admin".into(),
        password: "guessed".into(),
    };
    let refused = login.call::<Session>(Method::CreateSession, &wrong).await;
    assert_eq!(refused, Err((16, "Invalid username or password".into())));
    let right = Login {
        username: "admin".into(),
        password: "simulated".into(),
    };
    let session: Session = login.call(Method::CreateSession, &right).await.unwrap();
    session.token
}

/// `argocd login`, `account get-user-info`, `app list`, `app get`, `app sync`, `app resources`.
#[tokio::test]
async fn it_logs_in_and_works() {
    let controller = Controller::default().sync_after(Duration::from_millis(20), Duration::from_millis(20));
    let sim = served().controller(controller).start().await.unwrap();
    let token = log_in(&sim).await;
    // It reads who has logged in from the token itself.
    let claims = TokenClaims::read(&token).unwrap();
    assert_eq!(claims.subject(), Some("admin:login"));

    let mut command = Command::begin(&sim, &token).await;
    let user: GetUserInfoResponse = command
        .call(Method::GetUserInfo, &GetUserInfoRequest {})
        .await
        .unwrap();
    assert_eq!((user.logged_in, &*user.username), (true, "admin"));
    let settings: Settings = command
        .call(Method::GetSettings, &SettingsQuery {})
        .await
        .unwrap();
    assert!(!settings.resource_overrides.is_empty(), "it is known");

    let mut command = Command::begin(&sim, &token).await;
    // Pointers to empty texts, as its flags are.
    let everything = ApplicationQuery {
        selector: text(""),
        repo: text(""),
        app_namespace: text(""),
        ..ApplicationQuery::default()
    };
    let list: ApplicationList = command.call(Method::List, &everything).await.unwrap();
    assert_eq!(list.items.len(), 3);

    let mut command = Command::begin(&sim, &token).await;
    let one = ApplicationQuery {
        name: text("web"),
        app_namespace: text(""),
        ..ApplicationQuery::default()
    };
    let web: Application = command.call(Method::Get, &one).await.unwrap();
    let project = ProjectQuery {
        name: web.spec.unwrap().project.unwrap(),
    };
    let project: AppProject = command.call(Method::GetProject, &project).await.unwrap();
    assert_eq!(project.metadata.unwrap().name(), "shop");
    let tree = ResourcesQuery {
        application_name: "web".into(),
        app_namespace: text(""),
        ..ResourcesQuery::default()
    };
    let tree: ApplicationTree = command.call(Method::ResourceTree, &tree).await.unwrap();
    assert_eq!(tree.nodes.len(), 1);

    let mut command = Command::begin(&sim, &token).await;
    let sync = ApplicationSyncRequest {
        name: "web".into(),
        app_namespace: text(""),
        project: text("shop"),
        revision: text(""),
        dry_run: Some(false),
        prune: Some(false),
        ..ApplicationSyncRequest::default()
    };
    let begun: Application = command.call(Method::Sync, &sync).await.unwrap();
    assert!(begun.operation.is_some());
    // It waits by watching.
    let watched = ApplicationQuery {
        resource_version: begun.metadata.unwrap().resource_version,
        ..one
    };
    let mut events: Answers<ApplicationWatchEvent> = command.calling(Method::Watch, &watched).await.unwrap();
    loop {
        let event = soon(events.next()).await.unwrap();
        let application = event.application.unwrap();
        let state = application.status.unwrap().operation_state;
        if application.operation.is_none() && state.is_some_and(|state| state.phase() == "Succeeded") {
            break;
        }
    }
}

/// A login is good for a day, and whoever calls shortly before its end is given another token.
#[tokio::test]
async fn a_login_is_renewed_before_it_ends() {
    let now = Arc::new(AtomicU64::new(NOW));
    let clock = now.clone();
    let sim = served()
        .clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)))
        .start()
        .await
        .unwrap();
    let token = log_in(&sim).await;
    let mut command = Command::begin(&sim, &token).await;
    let list = ApplicationQuery::default();
    command
        .call::<ApplicationList>(Method::List, &list)
        .await
        .unwrap();
    assert!(!command.headers.contains_key("renew-token"));
    now.fetch_add(24 * 3600 - 60, Ordering::Relaxed);
    command
        .call::<ApplicationList>(Method::List, &list)
        .await
        .unwrap();
    let renewed = command.headers["renew-token"].to_str().unwrap().to_owned();
    assert_ne!(renewed, token);
    now.fetch_add(120, Ordering::Relaxed);
    let (code, message) = command
        .call::<ApplicationList>(Method::List, &list)
        .await
        .unwrap_err();
    assert_eq!(code, 16);
    assert!(message.contains("token is expired"), "{message}");
    let mut command = Command::begin(&sim, &renewed).await;
    command
        .call::<ApplicationList>(Method::List, &list)
        .await
        .unwrap();
}

/// With `--grpc-web` a server within the command forwards each call over HTTP/1.1, and looks for the status in the headers
/// alone.
#[tokio::test]
async fn it_works_by_grpc_web_too() {
    let everything = Access::new("admin").allow("*", "*", "*");
    let sim = builder()
        .user("admin", "simulated", everything)
        .root_path("argo")
        .start()
        .await
        .unwrap();
    let forward = async |method: Method, token: &str, message: Vec<u8>| {
        let mut stream = BufReader::new(soon(TcpStream::connect(sim.address())).await.unwrap());
        let head = format!(
            "POST /argo/{} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: argocd-client/v3.5.0 grpc-go/1.83.0\r\n\
             Content-Length: {}\r\nContent-Type: application/grpc-web+proto\r\nToken: {token}\r\n\
             Accept-Encoding: gzip\r\nConnection: close\r\n\r\n",
            method.path(),
            message.len()
        );
        soon(stream.write_all(&[head.as_bytes(), &message].concat()))
            .await
            .unwrap();
        web::read(&mut stream).await
    };
    let version = forward(Method::Version, "", web::message(&())).await;
    assert_eq!(version.header("grpc-status"), None);
    let login = Login {
        username: "admin".into(),
        password: "simulated".into(),
    };
    let answer = forward(Method::CreateSession, "", web::message(&login)).await;
    let session = Session::decode(answer.frames()[0].1).unwrap();
    let list = web::message(&ApplicationQuery::default());
    let answer = forward(Method::List, &session.token, list.clone()).await;
    let list_of = ApplicationList::decode(answer.frames()[0].1).unwrap();
    assert_eq!(list_of.items.len(), 3);
    let refused = forward(Method::List, "", list).await;
    assert_eq!(refused.header("grpc-status"), Some("16"));
}
