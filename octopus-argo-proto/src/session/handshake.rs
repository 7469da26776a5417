//! Hello and Welcome.

use std::fmt;

use super::config::{Config, OLDEST_REVISION, REVISION};
use super::event::{GoodbyeReason, Peer};
use crate::v1;

/// A gateway process: 16 random bytes, drawn once when it starts.
///
/// The credential says who a gateway is; this says which of its processes, so that a restart is told from a second
/// installation with the same credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InstanceId([u8; 16]);

impl InstanceId {
    /// The process with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceId({self})")
    }
}

/// A session's number in the logs of both sides: 16 random bytes, drawn by the server. Not a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// The session with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

pub(super) fn hello(config: &Config, instance: InstanceId) -> v1::Hello {
    v1::Hello {
        revision: REVISION,
        oldest_revision: OLDEST_REVISION,
        features: Vec::new(),
        software: Some(config.software.clone()),
        limits: Some(config.limits()),
        instance_id: prost::bytes::Bytes::copy_from_slice(&instance.0),
        resume: None,
    }
}

/// The server's answer to a hello: a welcome and who the gateway is, or why not.
pub(super) fn answer(
    config: &Config,
    session: SessionId,
    hello: v1::Hello,
) -> Result<(v1::Welcome, Peer), (GoodbyeReason, &'static str)> {
    if hello.oldest_revision > REVISION || hello.revision < OLDEST_REVISION {
        return Err((GoodbyeReason::Incompatible, "update the older side"));
    }
    let Ok(instance) = <[u8; 16]>::try_from(&*hello.instance_id) else {
        return Err((GoodbyeReason::ProtocolError, "the instance id has to be 16 bytes"));
    };
    let revision = hello.revision.min(REVISION);
    // Sessions are not resumed by this version: no token is given, and a resume is answered by a new session.
    let refusal = match hello.resume {
        Some(_) => v1::ResumeRefusal::NotSupported,
        None => v1::ResumeRefusal::Unspecified,
    };
    let welcome = v1::Welcome {
        revision,
        features: Vec::new(),
        software: Some(config.software.clone()),
        limits: Some(config.limits()),
        session_id: prost::bytes::Bytes::copy_from_slice(&session.0),
        resume_token: prost::bytes::Bytes::new(),
        resume_grace_ms: 0,
        attachment: 1,
        resumed: None,
        resume_refusal: refusal.into(),
        recommended_gateway_version: config.recommended_gateway_version.clone(),
    };
    let software = hello.software.unwrap_or_default();
    let peer = Peer {
        software: shortened(&software.name),
        version: shortened(&software.version),
        revision,
        instance: Some(InstanceId(instance)),
        session,
        recommended_version: None,
    };
    Ok((welcome, peer))
}

/// What a welcome says of the server.
pub(super) fn accept(welcome: v1::Welcome) -> Result<Peer, (GoodbyeReason, &'static str)> {
    if welcome.revision < OLDEST_REVISION || welcome.revision > REVISION {
        return Err((
            GoodbyeReason::Incompatible,
            "the server chose a revision that was not offered",
        ));
    }
    let Ok(session) = <[u8; 16]>::try_from(&*welcome.session_id) else {
        return Err((GoodbyeReason::ProtocolError, "the session id has to be 16 bytes"));
    };
    let software = welcome.software.unwrap_or_default();
    let recommended = shortened(&welcome.recommended_gateway_version);
    Ok(Peer {
        software: shortened(&software.name),
        version: shortened(&software.version),
        revision: welcome.revision,
        instance: None,
        session: SessionId(session),
        recommended_version: (!recommended.is_empty()).then_some(recommended),
    })
}

/// A name that goes to logs and screens: of a length that fits there, and without what moves a cursor.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 100;
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
