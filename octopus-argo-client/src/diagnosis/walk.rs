//! The walk itself: from the credentials to HTTP/2.

use std::time::Duration;

use octopus_argo_core::{Host, ServerAddress, Thumbprint};
use tokio::time::{Instant, timeout};
use tower_layer::Layer as _;

use super::{Diagnosis, Finding, Options, Outcome, Stage, ask, clock, idle, inspect};
use crate::connection::{Config, Connection, Endpoint, Http2, Http2Error};
use crate::credentials::{AuthenticateLayer, Credentials};
use crate::dial::{BoxStream, DialError, ProxyError};
use crate::tls::TlsError;

pub(super) async fn walk(config: &Config, options: &Options) -> Diagnosis {
    let mut walk = Walk {
        endpoint: &config.endpoint,
        proxy: config.endpoint.dial.proxy(config.server()).cloned(),
        options,
        report: Diagnosis::new(config.server().clone()),
    };
    let credentials = walk.credentials(config).await;
    // The way is worth knowing without credentials as well.
    if let Some(http2) = walk.connect().await
        && let Some(credentials) = credentials
    {
        let connection = Connection::new(AuthenticateLayer::new(&credentials).layer(http2));
        ask::ask(&mut walk.report, &connection, options).await;
        if let Some(limit) = options.idle {
            idle::idle(&mut walk.report, &connection, limit).await;
        }
    }
    walk.report.complete();
    walk.report
}

struct Walk<'a> {
    endpoint: &'a Endpoint,
    proxy: Option<ServerAddress>,
    options: &'a Options,
    report: Diagnosis,
}

impl Walk<'_> {
    async fn credentials(&mut self, config: &Config) -> Option<Credentials> {
        let start = Instant::now();
        let found = config.credentials.credentials().await;
        let took = start.elapsed();
        let finding = match found {
            Ok(credentials) if self.endpoint.uses_tls() || credentials.allows_plaintext() => {
                let detail = format!("client id {}", credentials.client_id());
                self.report
                    .step(Stage::Credentials, Outcome::Passed, detail, took);
                return Some(credentials);
            }
            Ok(_) => Finding::PlaintextCredentials,
            Err(source) => Finding::NoCredentials { source },
        };
        self.fail(Stage::Credentials, "cannot be sent", took, finding);
        None
    }

    async fn connect(&mut self) -> Option<Http2> {
        self.look_up().await?;
        let stream = self.open().await?;
        let (stream, certificate) = self.secure(stream).await?;
        self.begin(stream, certificate).await
    }

    /// What is dialled: the proxy, if there is one.
    fn first_hop(&self) -> &ServerAddress {
        self.proxy.as_ref().unwrap_or(&self.endpoint.server)
    }

    async fn look_up(&mut self) -> Option<()> {
        let start = Instant::now();
        let after = self.endpoint.dial_timeout;
        let found = timeout(after, self.endpoint.dial.lookup(&self.endpoint.server)).await;
        let found = found.unwrap_or(Err(DialError::Timeout { after }));
        let took = start.elapsed();
        let host = self.first_hop().host().clone();
        match found {
            Ok(_) if matches!(host, Host::Ip(_)) => {
                let detail = format!("{host} needs no look-up");
                self.report
                    .step(Stage::Dns, Outcome::Skipped, detail, Duration::ZERO);
            }
            Ok(sockets) if sockets.is_empty() => {
                let detail = "left to the dialler";
                self.report
                    .step(Stage::Dns, Outcome::Skipped, detail, Duration::ZERO);
            }
            Ok(sockets) => {
                let addresses: Vec<_> = sockets.iter().map(|socket| socket.ip().to_string()).collect();
                let detail = format!("{host} is {}", addresses.join(", "));
                self.report.step(Stage::Dns, Outcome::Passed, detail, took);
            }
            Err(source) => {
                let host = host.to_string();
                self.fail(
                    Stage::Dns,
                    "not found",
                    took,
                    Finding::NameUnknown { host, source },
                );
                return None;
            }
        }
        Some(())
    }

    async fn open(&mut self) -> Option<BoxStream> {
        let start = Instant::now();
        let opened = self.endpoint.open().await;
        let took = start.elapsed();
        match opened {
            Ok(stream) => {
                let detail = format!("connected to {}", self.first_hop().authority());
                self.report.step(Stage::Tcp, Outcome::Passed, detail, took);
                let (outcome, detail) = match &self.proxy {
                    Some(proxy) => (
                        Outcome::Passed,
                        format!("{} goes on to the server", proxy.authority()),
                    ),
                    None => (Outcome::Skipped, "none".to_owned()),
                };
                self.report.step(Stage::Proxy, outcome, detail, Duration::ZERO);
                return Some(stream);
            }
            Err(DialError::Proxy { proxy, source }) => {
                if let ProxyError::Unreachable { source } = source {
                    self.not_reached(proxy, (*source).clone(), took);
                    return None;
                }
                let detail = format!("connected to {}", proxy.authority());
                self.report.step(Stage::Tcp, Outcome::Passed, detail, took);
                let refused = matches!(source, ProxyError::Refused { .. });
                let finding = Finding::Proxy { proxy, source };
                self.fail(
                    Stage::Proxy,
                    "does not connect to the server",
                    Duration::ZERO,
                    finding,
                );
                if refused {
                    self.try_port_443().await;
                }
            }
            Err(source) => {
                let no_port = !matches!(source, DialError::Resolve { .. } | DialError::NoAddress);
                self.not_reached(self.endpoint.server.clone(), source, took);
                if no_port {
                    self.try_port_443().await;
                }
            }
        }
        None
    }

    fn not_reached(&mut self, address: ServerAddress, source: DialError, took: Duration) {
        if matches!(source, DialError::Resolve { .. } | DialError::NoAddress) {
            let host = address.host().to_string();
            self.fail(
                Stage::Dns,
                "not found",
                took,
                Finding::NameUnknown { host, source },
            );
        } else {
            let detail = format!("no connection to {}", address.authority());
            self.fail(Stage::Tcp, detail, took, Finding::Unreachable { address, source });
        }
    }

    /// Where gateways do not get through, browsers often do.
    async fn try_port_443(&mut self) {
        let address = self.endpoint.server.clone();
        let Ok(web) = format!("{}:{WEB_PORT}", address.host()).parse::<ServerAddress>() else {
            return;
        };
        if web == address {
            return;
        }
        let limit = self.endpoint.dial_timeout.min(WEB_TIMEOUT);
        if let Ok(Ok(_)) = timeout(limit, self.endpoint.dial.dial(&web)).await {
            self.report.find(Finding::OnlyPort443 { address });
        }
    }

    async fn secure(&mut self, stream: BoxStream) -> Option<(BoxStream, Option<Thumbprint>)> {
        if !self.endpoint.uses_tls() {
            for stage in [Stage::Tls, Stage::Alpn] {
                let detail = "plaintext is configured";
                self.report.step(stage, Outcome::Skipped, detail, Duration::ZERO);
            }
            return Some((stream, None));
        }
        let start = Instant::now();
        let clock = clock::for_tls(self.options.clock.clone());
        let secured = self.endpoint.secure(stream, Some(clock)).await;
        let took = start.elapsed();
        let error = match secured {
            Ok((stream, certificate)) => {
                let detail = certificate.map_or_else(String::new, |thumbprint| {
                    format!("the certificate {thumbprint} is accepted")
                });
                self.report.step(Stage::Tls, Outcome::Passed, detail, took);
                self.report
                    .step(Stage::Alpn, Outcome::Passed, "h2", Duration::ZERO);
                return Some((stream, certificate));
            }
            Err(error) => error,
        };
        let finding = match error {
            TlsError::NoHttp2 => {
                self.report
                    .step(Stage::Tls, Outcome::Passed, "the server speaks TLS", took);
                let proxy = self.proxy.clone();
                self.fail(Stage::Alpn, "no h2", Duration::ZERO, Finding::NoHttp2 { proxy });
                return None;
            }
            TlsError::NotTls => {
                let http2 = inspect::speaks_plaintext_http2(self.endpoint).await;
                Finding::ServerIsPlaintext { http2 }
            }
            TlsError::WrongThumbprint {
                expected, presented, ..
            } => Finding::WrongThumbprint { expected, presented },
            TlsError::HostName { expected, presented } => Finding::WrongHostName { expected, presented },
            source @ TlsError::Expired { .. } => Finding::Expired { source },
            source @ TlsError::NotYetValid { .. } => Finding::NotYetValid { source },
            source @ TlsError::Untrusted { .. } => Finding::Untrusted { source },
            source => Finding::TlsFailed { source },
        };
        let dates = matches!(finding, Finding::Expired { .. } | Finding::NotYetValid { .. });
        self.fail(Stage::Tls, "no trusted connection", took, finding);
        if dates && let Some(there) = inspect::server_clock(self.endpoint).await {
            clock::compare(&mut self.report, there, self.options);
        }
        None
    }

    async fn begin(&mut self, stream: BoxStream, certificate: Option<Thumbprint>) -> Option<Http2> {
        let start = Instant::now();
        let begun = self.endpoint.begin(stream, certificate).await;
        let took = start.elapsed();
        let error = match begun {
            Ok(http2) => {
                let detail = "the server's settings came";
                self.report.step(Stage::Http2, Outcome::Passed, detail, took);
                return Some(http2);
            }
            Err(error) => error,
        };
        let finding = match error {
            Http2Error::ExpectsTls => Finding::ServerExpectsTls,
            Http2Error::Http1 | Http2Error::NotHttp2 => Finding::NoHttp2 {
                proxy: self.proxy.clone(),
            },
            // Some TLS servers answer plaintext with nothing at all.
            _ if !self.endpoint.uses_tls() && inspect::speaks_tls(self.endpoint).await => {
                Finding::ServerExpectsTls
            }
            source => Finding::Http2Failed { source },
        };
        self.fail(Stage::Http2, "no HTTP/2", took, finding);
        None
    }

    fn fail(&mut self, stage: Stage, detail: impl Into<String>, took: Duration, finding: Finding) {
        self.report.step(stage, Outcome::Failed, detail, took);
        self.report.find(finding);
    }
}

const WEB_PORT: u16 = 443;

/// How long port 443 may take: it is only a hint.
const WEB_TIMEOUT: Duration = Duration::from_secs(5);
