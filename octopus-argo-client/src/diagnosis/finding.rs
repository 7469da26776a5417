//! What can be wrong, and what to do about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::{DEFAULT_GRPC_PORT, ServerAddress};
use tonic::Status;

use crate::connection::{HealthError, Http2Error};
use crate::credentials::CredentialsError;
use crate::dial::{DialError, ProxyError};
use crate::tls::{Pin, Presented, TlsError};

/// Something that keeps a gateway from its server, or may. `Display` says what was seen, [`advice`](Self::advice) what to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Finding {
    /// There are no credentials.
    NoCredentials {
        /// What the provider said.
        source: CredentialsError,
    },
    /// The credentials may be sent over TLS only, and TLS is switched off.
    PlaintextCredentials,
    /// A name could not be looked up.
    NameUnknown {
        /// The name: the server's, or the proxy's.
        host: String,
        /// What the look-up said.
        source: DialError,
    },
    /// No TCP connection could be made.
    Unreachable {
        /// Where to: the server, or the proxy.
        address: ServerAddress,
        /// What failed.
        source: DialError,
    },
    /// The server's port is not reached, and its port 443 is: mostly a firewall or a proxy that passes web traffic only.
    OnlyPort443 {
        /// The address that is not reached.
        address: ServerAddress,
    },
    /// The proxy did not connect us.
    Proxy {
        /// Where it is.
        proxy: ServerAddress,
        /// What it said.
        source: ProxyError,
    },
    /// The server answers without TLS, where TLS is expected.
    ServerIsPlaintext {
        /// Whether it speaks HTTP/2 then.
        http2: bool,
    },
    /// The server expects TLS, where plaintext is configured.
    ServerExpectsTls,
    /// The certificate is not the expected one.
    WrongThumbprint {
        /// What would have been accepted.
        expected: Vec<Pin>,
        /// What the server showed.
        presented: Presented,
    },
    /// The certificate is for other names.
    WrongHostName {
        /// The name that was dialled.
        expected: String,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// The certificate has expired, by this machine's clock.
    Expired {
        /// What rustls said, with the times.
        source: TlsError,
    },
    /// The certificate is not valid yet, by this machine's clock.
    NotYetValid {
        /// What rustls said, with the times.
        source: TlsError,
    },
    /// No trusted authority vouches for the certificate.
    Untrusted {
        /// What rustls said.
        source: TlsError,
    },
    /// The TLS handshake failed in another way.
    TlsFailed {
        /// How.
        source: TlsError,
    },
    /// What answers does not speak HTTP/2: a web server, or a proxy that opens the connection and passes HTTP/1 only.
    NoHttp2 {
        /// The proxy that the connection goes through, if any is known.
        proxy: Option<ServerAddress>,
    },
    /// HTTP/2 did not begin.
    Http2Failed {
        /// How.
        source: Http2Error,
    },
    /// This machine's clock and the server's differ.
    ClockSkew {
        /// By how much.
        by: Duration,
        /// Whether this machine's is the one ahead.
        ahead: bool,
    },
    /// The server does not accept the client id and the token.
    TokenRefused {
        /// The server's answer.
        source: Arc<Status>,
    },
    /// The server does not count as healthy.
    Unhealthy {
        /// What came of the check.
        source: HealthError,
    },
    /// The server has no tunnel of this SDK.
    NoTunnel,
    /// The server was asked for a tunnel, and nothing came back in time.
    TunnelHeldUp {
        /// The limit.
        after: Duration,
    },
    /// The server does not open a tunnel.
    TunnelRefused {
        /// The server's answer.
        source: Arc<Status>,
    },
    /// Something cut a connection on which nothing happened.
    IdleCut {
        /// After how long.
        after: Duration,
    },
    /// A connection on which nothing happened is dead, and nobody said so.
    IdleDropped {
        /// For how long nothing happened.
        after: Duration,
    },
}

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// A gateway cannot connect.
    Error,
    /// A gateway can connect, and will have trouble.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::ClockSkew { .. } | Self::IdleCut { .. } | Self::IdleDropped { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// A name that stays the same over versions, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCredentials { .. } => "no-credentials",
            Self::PlaintextCredentials => "plaintext-credentials",
            Self::NameUnknown { .. } => "name-unknown",
            Self::Unreachable { .. } => "unreachable",
            Self::OnlyPort443 { .. } => "only-port-443",
            Self::Proxy { .. } => "proxy",
            Self::ServerIsPlaintext { .. } => "server-is-plaintext",
            Self::ServerExpectsTls => "server-expects-tls",
            Self::WrongThumbprint { .. } => "wrong-thumbprint",
            Self::WrongHostName { .. } => "wrong-host-name",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::Untrusted { .. } => "untrusted",
            Self::TlsFailed { .. } => "tls-failed",
            Self::NoHttp2 { .. } => "no-http2",
            Self::Http2Failed { .. } => "http2-failed",
            Self::ClockSkew { .. } => "clock-skew",
            Self::TokenRefused { .. } => "token-refused",
            Self::Unhealthy { .. } => "unhealthy",
            Self::NoTunnel => "no-tunnel",
            Self::TunnelHeldUp { .. } => "tunnel-held-up",
            Self::TunnelRefused { .. } => "tunnel-refused",
            Self::IdleCut { .. } => "idle-cut",
            Self::IdleDropped { .. } => "idle-dropped",
        }
    }

    /// What to do, in a sentence or two.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::NoCredentials { .. } => "Register the gateway, or mend what its credentials are read from.".into(),
            Self::PlaintextCredentials => {
                "Use TLS. If something else encrypts the connection, the credentials have to allow plaintext as well.".into()
            }
            Self::NameUnknown { .. } => {
                "Check the spelling, and that the name server of this network (of the cluster, in a pod) knows the name.".into()
            }
            Self::Unreachable { address, .. } => format!(
                "Check the address, that the server listens there, and that firewalls, network policies and egress rules let \
                 TCP port {} through.",
                address.port()
            ),
            Self::OnlyPort443 { address } => format!(
                "Open port {} to the server beside 443: the web portal and registration use 443, gateways use {}. Or let the \
                 server take gateways at 443 too.",
                address.port(),
                DEFAULT_GRPC_PORT
            ),
            Self::Proxy { source, .. } => proxy_advice(source).into(),
            Self::ServerIsPlaintext { http2: true } => {
                "Configure the server with a certificate, or switch to plaintext here if something else encrypts the \
                 connection. Never send a token over a network in plaintext."
                    .into()
            }
            Self::ServerIsPlaintext { http2: false } => format!(
                "This is probably another port: a web port without TLS, or another program's. Gateways use {DEFAULT_GRPC_PORT}."
            ),
            Self::ServerExpectsTls => "Switch plaintext off here: the server expects TLS.".into(),
            Self::WrongThumbprint { presented, .. } => format!(
                "If the server's certificate was replaced, expect {} from now on (or its key, {}, which may outlive it). \
                 Compare it with what the server's administrator sees. If it is unknown there, something between here and the \
                 server opens the connection: do not trust it.",
                presented.thumbprint, presented.key
            ),
            Self::WrongHostName { .. } => {
                "Use one of the names in the certificate as the address, or have a certificate issued for this name.".into()
            }
            Self::Expired { .. } => "Renew the server's certificate, and check this machine's clock.".into(),
            Self::NotYetValid { .. } => {
                "Check this machine's clock: it may be slow. Otherwise wait, or have another certificate issued.".into()
            }
            Self::Untrusted { .. } => {
                "Add the certificate of the authority that issued it to the trusted roots, or pin its thumbprint. If a proxy \
                 opens TLS connections in this network, it is that proxy's authority."
                    .into()
            }
            Self::TlsFailed { .. } => {
                "Look at the server's log. A proxy or firewall that inspects TLS may be in between.".into()
            }
            Self::NoHttp2 { proxy: Some(_) } => {
                "The proxy, or a load balancer behind it, opens the connection and speaks HTTP/1 only. Let it pass this server's \
                 connections on unopened, or with HTTP/2 (ALPN h2) to the end."
                    .into()
            }
            Self::NoHttp2 { proxy: None } => format!(
                "Check the port: gateways use {DEFAULT_GRPC_PORT}, and a web server may answer at 443. If it is right, a load \
                 balancer in between has to pass HTTP/2 on (ALPN h2, or plain TCP)."
            ),
            Self::Http2Failed { .. } => {
                "Look at the server's log, and at what is in between: something ends the connection before the first frame.".into()
            }
            Self::ClockSkew { .. } => {
                "Set this machine's clock by a time server (NTP); in a pod it is the node's. If it is right, set the server's."
                    .into()
            }
            Self::TokenRefused { .. } => {
                "Check that client id and token belong together and to this server. A token that was revoked or replaced needs \
                 a new registration, or the new token."
                    .into()
            }
            Self::Unhealthy { source } => match source {
                HealthError::NoHealthService { .. } => {
                    "Serve grpc.health.v1 beside the tunnel, or pass its path on in the proxy. Gateways take its absence for an \
                     outage unless their health checks are switched off."
                        .into()
                }
                HealthError::NotServing { .. } => "The server may be starting or going down. Look at its log.".into(),
                _ => "Look at the server's log, and at what is in between.".into(),
            },
            Self::NoTunnel => {
                "This is a gRPC server, and not one of this SDK. A stock Octopus Server speaks messages of its own, which are \
                 not published."
                    .into()
            }
            Self::TunnelHeldUp { .. } => {
                "A proxy in between holds streams back until they end. It has to pass gRPC on as it comes: no buffering of \
                 requests or responses."
                    .into()
            }
            Self::TunnelRefused { .. } => "Look at the server's log.".into(),
            Self::IdleCut { after } | Self::IdleDropped { after } => {
                let seconds = after.as_secs().max(1);
                format!(
                    "Raise the idle timeout of the load balancer or firewall in between well above 30 s, or let the gateway \
                     check its health more often than every {seconds} s."
                )
            }
        }
    }
}

fn proxy_advice(source: &ProxyError) -> &'static str {
    match source {
        ProxyError::Unreachable { .. } => "Check the proxy's address, and that it runs.",
        ProxyError::AuthenticationRequired => {
            "Give the proxy's user name and password, and check that they are right."
        }
        ProxyError::Refused {
            status: 403 | 405, ..
        } => "Have the proxy allow CONNECT to this server and port: many allow it to port 443 only.",
        ProxyError::Refused { .. } => {
            "The proxy itself may not reach the server: check that it knows the name and may connect to it."
        }
        _ => "Check that this is the port of an HTTP proxy.",
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredentials { source } => with_causes(f, "there are no credentials", source),
            Self::PlaintextCredentials => {
                f.write_str("the credentials are for TLS only, and TLS is switched off")
            }
            Self::NameUnknown { host, source } => with_causes(f, &format!("{host} was not found"), source),
            Self::Unreachable { address, source } => {
                with_causes(f, &format!("no connection to {}", address.authority()), source)
            }
            Self::OnlyPort443 { address } => write!(
                f,
                "port 443 of {} is reached, and port {} is not",
                address.host(),
                address.port()
            ),
            Self::Proxy { proxy, source } => {
                with_causes(f, &format!("the proxy {}", proxy.authority()), source)
            }
            Self::ServerIsPlaintext { http2: true } => {
                f.write_str("the server speaks HTTP/2 without TLS, and TLS is expected")
            }
            Self::ServerIsPlaintext { http2: false } => {
                f.write_str("what answers speaks neither TLS nor HTTP/2")
            }
            Self::ServerExpectsTls => f.write_str("the server expects TLS, and plaintext is configured"),
            Self::WrongThumbprint { expected, presented } => {
                let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "the server shows the certificate {} (key {}), and {} is expected",
                    presented.thumbprint,
                    presented.key,
                    expected.join(" or ")
                )
            }
            Self::WrongHostName { expected, presented } => write!(
                f,
                "the certificate is for {}, not for {expected}",
                if presented.is_empty() {
                    "no name".to_owned()
                } else {
                    presented.join(", ")
                }
            ),
            Self::Expired { source } | Self::NotYetValid { source } | Self::Untrusted { source } => {
                with_causes(f, "the server does not prove who it is", source)
            }
            Self::TlsFailed { source } => with_causes(f, "no TLS connection", source),
            Self::NoHttp2 { proxy: Some(proxy) } => {
                write!(f, "there is no HTTP/2 behind the proxy {}", proxy.authority())
            }
            Self::NoHttp2 { proxy: None } => f.write_str("what answers does not speak HTTP/2"),
            Self::Http2Failed { source } => with_causes(f, "HTTP/2 did not begin", source),
            Self::ClockSkew { by, ahead } => write!(
                f,
                "this machine's clock is {} {} the server's",
                rough(*by),
                if *ahead { "ahead of" } else { "behind" }
            ),
            Self::TokenRefused { source } => {
                write!(
                    f,
                    "the server refuses the client id or the token: {}",
                    visible(source.message())
                )
            }
            Self::Unhealthy { source } => with_causes(f, "the server does not count as healthy", source),
            Self::NoTunnel => f.write_str("the server has no tunnel"),
            Self::TunnelHeldUp { after } => {
                write!(
                    f,
                    "the server did not answer within {after:?} when asked for a tunnel"
                )
            }
            Self::TunnelRefused { source } => {
                write!(
                    f,
                    "the server opens no tunnel: {:?}: {}",
                    source.code(),
                    visible(source.message())
                )
            }
            Self::IdleCut { after } => {
                write!(
                    f,
                    "a connection was cut after {} in which nothing happened",
                    rough(*after)
                )
            }
            Self::IdleDropped { after } => write!(
                f,
                "a connection was dead after {} in which nothing happened, and nobody said so",
                rough(*after)
            ),
        }
    }
}

fn with_causes(f: &mut fmt::Formatter<'_>, what: &str, error: &dyn std::error::Error) -> fmt::Result {
    write!(f, "{what}: {}", visible(&error.to_string()))?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, ": {}", visible(&error.to_string()))?;
        cause = error.source();
    }
    Ok(())
}

/// Without what would move the cursor of a terminal: some of it was said by a peer.
fn visible(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// In the largest unit that says something.
fn rough(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
