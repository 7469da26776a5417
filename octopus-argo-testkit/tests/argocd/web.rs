//! HTTP/1.1: gRPC-Web, and what is none.

use octopus_argo_proto::argocd::application::ResourcesQuery;
use octopus_argo_proto::argocd::v1alpha1::{Application, ApplicationWatchEvent};
use octopus_argo_proto::prost::Message;
use octopus_argo_testkit::argocd::Method;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::*;

const GET: &str = "/application.ApplicationService/Get";
const WATCH: &str = "/application.ApplicationService/Watch";

/// The head of an answer, its names in lower case, and the frames that follow, to the end of the connection.
pub(crate) struct Answer {
    pub(crate) status: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Flag and payload of each frame that is complete.
    pub(crate) fn frames(&self) -> Vec<(u8, &[u8])> {
        let mut frames = Vec::new();
        let mut rest = self.body.as_slice();
        while let [flag, a, b, c, d, after @ ..] = rest {
            let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap();
            if after.len() < length {
                break;
            }
            frames.push((*flag, &after[..length]));
            rest = &after[length..];
        }
        frames
    }
}

pub(crate) fn message(query: &impl Message) -> Vec<u8> {
    let message = query.encode_to_vec();
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    body
}

/// Sends a request and reads to the end; `after` runs when the head has been read.
async fn exchange(sim: &ArgoCdSim, path: &str, content_type: &str, body: &[u8]) -> Answer {
    let mut stream = BufReader::new(soon(TcpStream::connect(sim.address())).await.unwrap());
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ntoken: {TOKEN}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    soon(stream.write_all(head.as_bytes())).await.unwrap();
    soon(stream.write_all(body)).await.unwrap();
    read(&mut stream).await
}

pub(crate) async fn read(stream: &mut BufReader<TcpStream>) -> Answer {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        soon(stream.read_line(&mut line)).await.unwrap();
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let mut raw = Vec::new();
    let _ = soon(stream.read_to_end(&mut raw)).await;
    Answer {
        status: lines[0].clone(),
        headers,
        body: if chunked { unchunked(&raw) } else { raw },
    }
}

fn unchunked(mut raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = raw.windows(2).position(|pair| pair == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&raw[..end]).unwrap(), 16).unwrap();
        let from = end + 2;
        body.extend(&raw[from..(from + length).min(raw.len())]);
        raw = raw.get(from + length + 2..).unwrap_or_default();
    }
    body
}

const WEB: &str = "application/grpc-web+proto";

#[tokio::test]
async fn a_message_is_a_frame_and_the_status_another() {
    let sim = sim(Access::read_only("gateway")).await;
    let answer = exchange(&sim, GET, WEB, &message(&named("api"))).await;
    assert_eq!(answer.status, "HTTP/1.1 200 OK");
    assert_eq!(answer.header("content-type"), Some(WEB));
    assert_eq!(answer.header("grpc-status"), None);
    let frames = answer.frames();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].0, 0);
    let application = Application::decode(frames[0].1).unwrap();
    assert_eq!(application.metadata.unwrap().name(), "api");
    assert_eq!(frames[1], (0x80, &b"grpc-status: 0\r\n"[..]));
}

#[tokio::test]
async fn an_error_before_any_message_is_in_the_headers() {
    let sim = sim(Access::read_only("gateway")).await;
    let mut query = named("absent");
    query.project.push("shop".to_owned());
    let answer = exchange(&sim, GET, WEB, &message(&query)).await;
    assert_eq!(answer.status, "HTTP/1.1 200 OK");
    assert_eq!(answer.header("grpc-status"), Some("5"));
    assert_eq!(
        answer.header("grpc-message"),
        Some("applications.argoproj.io \"absent\" not found")
    );
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn an_error_after_a_message_is_in_the_last_frame() {
    let sim = sim(Access::read_only("gateway")).await;
    let mut stream = BufReader::new(soon(TcpStream::connect(sim.address())).await.unwrap());
    let body = message(&named("api"));
    let head = format!(
        "POST {WATCH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {WEB}\r\ntoken: {TOKEN}\r\n\
         grpc-timeout: 1S\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    soon(stream.write_all(&[head.as_bytes(), &body].concat()))
        .await
        .unwrap();
    let answer = read(&mut stream).await;
    assert_eq!(answer.header("grpc-status"), None);
    let frames = answer.frames();
    let event = ApplicationWatchEvent::decode(frames[0].1).unwrap();
    assert_eq!(event.r#type(), "ADDED");
    let (flag, trailers) = frames.last().unwrap();
    assert_eq!(*flag, 0x80);
    let trailers = String::from_utf8_lossy(trailers);
    assert!(trailers.contains("grpc-status: 4\r\n"), "{trailers}");
}

#[tokio::test]
async fn a_body_that_is_torn_off_has_no_last_frame() {
    let sim = sim(Access::read_only("gateway")).await;
    sim.faults().break_after(Method::Watch, 2);
    let answer = exchange(&sim, WATCH, WEB, &message(&ApplicationQuery::default())).await;
    let flags: Vec<u8> = answer.frames().iter().map(|(flag, _)| *flag).collect();
    assert_eq!(flags, [0, 0]);
}

#[tokio::test]
async fn any_other_content_type_is_the_file_servers() {
    let sim = sim(Access::read_only("gateway")).await;
    for other in [
        "application/grpc-web",
        "application/grpc-web-text",
        "application/grpc-web+proto; charset=utf-8",
        "application/grpc",
        "application/json",
    ] {
        let answer = exchange(&sim, GET, other, &message(&named("api"))).await;
        assert_eq!(answer.status, "HTTP/1.1 404 Not Found", "{other}");
    }
}

#[tokio::test]
async fn a_root_path_moves_http_1_alone() {
    let sim = builder()
        .token(TOKEN, Access::read_only("gateway"))
        .root_path("/argo/")
        .start()
        .await
        .unwrap();
    let body = message(&named("api"));
    let answer = exchange(&sim, &format!("/argo{GET}"), WEB, &body).await;
    assert_eq!(answer.frames().len(), 2);
    for elsewhere in [GET.to_owned(), format!("/argon{GET}"), format!("/other{GET}")] {
        let answer = exchange(&sim, &elsewhere, WEB, &body).await;
        assert_eq!(answer.status, "HTTP/1.1 404 Not Found", "{elsewhere}");
    }
    let answer = exchange(&sim, "/healthz", "text/plain", &[]).await;
    assert_eq!(
        (answer.status.as_str(), answer.body.as_slice()),
        ("HTTP/1.1 200 OK", &b"ok"[..])
    );

    let mut native = client(&sim).await;
    assert!(soon(native.get(named("api"))).await.is_ok(), "not moved");
    let prefixed = Endpoint::new(sim.uri()).unwrap().connect().await.unwrap();
    let origin = format!("{}/argo", sim.uri()).parse().unwrap();
    let mut prefixed = ApplicationServiceClient::with_origin(prefixed, origin);
    let unknown = "unknown service argo/application.ApplicationService";
    assert_status(
        soon(prefixed.get(named("api"))).await,
        Code::Unimplemented,
        unknown,
    );
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn plain_http_to_a_port_with_tls_is_sent_elsewhere() {
    let sim = builder().self_signed_tls().start().await.unwrap();
    let answer = exchange(&sim, "/api/version?x=y", "text/plain", &[]).await;
    assert_eq!(answer.status, "HTTP/1.1 307 Temporary Redirect");
    assert_eq!(
        answer.header("location"),
        Some("https://localhost/api/version?x=y")
    );
}

#[tokio::test]
async fn a_stream_that_ends_without_a_message_is_headers_alone() {
    let sim = sim(Access::read_only("gateway")).await;
    let query = octopus_argo_proto::argocd::application::ApplicationPodLogsQuery {
        name: "api".to_owned(),
        ..Default::default()
    };
    let path = format!("/{}", Method::PodLogs.path());
    let answer = exchange(&sim, &path, WEB, &message(&query)).await;
    assert_eq!(
        (answer.header("grpc-status"), answer.body.len()),
        (Some("0"), 0),
        "no pods, no lines, and no error"
    );

    let query = ResourcesQuery {
        application_name: "api".to_owned(),
        ..ResourcesQuery::default()
    };
    let path = format!("/{}", Method::WatchResourceTree.path());
    let body = message(&query);
    let silent = exchange(&sim, &path, WEB, &body);
    tokio::pin!(silent);
    // It waits for the tree, and for nothing else: what ends it is the deletion.
    let answer = soon(async {
        loop {
            tokio::select! {
                biased;
                answer = &mut silent => return answer,
                () = tokio::task::yield_now() => {
                    if sim.traffic().calls() == 2 {
                        // Once; after that there is nothing to delete.
                        let _ = sim.fleet().delete(&app("api"));
                    }
                }
            }
        }
    })
    .await;
    // Before it has looked, an application that is gone is forbidden.
    assert!(matches!(answer.header("grpc-status"), Some("2" | "7")));
    assert!(answer.body.is_empty());
}
