//! Hello and Welcome.

use std::fmt;
use std::time::Duration;

use prost::bytes::Bytes;

use super::attachment::{Attachment, ResumeRefusal, ResumeToken, Resumption};
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

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
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

/// A gateway's first frame. `resume` is the session to go on with, and up to where its packets have arrived.
pub(super) fn hello(config: &Config, instance: InstanceId, resume: Option<(&Resumption, u64)>) -> v1::Hello {
    v1::Hello {
        revision: REVISION,
        oldest_revision: OLDEST_REVISION,
        features: Vec::new(),
        software: Some(config.software.clone()),
        limits: Some(config.limits()),
        instance_id: Bytes::copy_from_slice(&instance.0),
        resume: resume.map(|(resumption, received)| v1::Resume {
            session_id: Bytes::copy_from_slice(resumption.session.as_bytes()),
            resume_token: Bytes::copy_from_slice(resumption.token.as_bytes()),
            received,
        }),
    }
}

/// What a server learns from a hello that it can answer.
pub(super) struct Greeted {
    pub(super) revision: u32,
    pub(super) instance: InstanceId,
    pub(super) peer: Peer,
    pub(super) wanted_to_resume: bool,
}

/// Who the gateway is, or why it cannot be answered.
pub(super) fn greet(session: SessionId, hello: v1::Hello) -> Result<Greeted, (GoodbyeReason, &'static str)> {
    if hello.oldest_revision > REVISION || hello.revision < OLDEST_REVISION {
        return Err((GoodbyeReason::Incompatible, "update the older side"));
    }
    let Ok(instance) = <[u8; 16]>::try_from(&*hello.instance_id) else {
        return Err((GoodbyeReason::ProtocolError, "the instance id has to be 16 bytes"));
    };
    let (revision, instance) = (hello.revision.min(REVISION), InstanceId(instance));
    let software = hello.software.unwrap_or_default();
    Ok(Greeted {
        revision,
        instance,
        peer: Peer {
            software: shortened(&software.name),
            version: shortened(&software.version),
            revision,
            instance: Some(instance),
            session,
            recommended_version: None,
        },
        wanted_to_resume: hello.resume.is_some(),
    })
}

/// The server's answer to a hello that begins a session.
pub(super) fn welcome(
    config: &Config,
    revision: u32,
    session: SessionId,
    resumption: Option<&Resumption>,
    refusal: Option<ResumeRefusal>,
) -> v1::Welcome {
    let token = resumption.map(|resumption| Bytes::copy_from_slice(resumption.token.as_bytes()));
    let grace = resumption.map_or(0, |resumption| resumption.grace.as_millis());
    v1::Welcome {
        revision,
        features: Vec::new(),
        software: Some(config.software.clone()),
        limits: Some(config.limits()),
        session_id: Bytes::copy_from_slice(&session.0),
        resume_token: token.unwrap_or_default(),
        resume_grace_ms: u32::try_from(grace).unwrap_or(u32::MAX),
        attachment: Attachment::FIRST.number(),
        resumed: None,
        resume_refusal: refusal
            .map_or(v1::ResumeRefusal::Unspecified, ResumeRefusal::to_wire)
            .into(),
        recommended_gateway_version: config.recommended_gateway_version.clone(),
    }
}

/// What a welcome allows to go on with later; nothing where the server gives no token.
pub(super) fn resumption(welcome: &v1::Welcome) -> Option<Resumption> {
    let token = <[u8; 32]>::try_from(&*welcome.resume_token).ok()?;
    Some(Resumption {
        session: SessionId::from_slice(&welcome.session_id)?,
        token: ResumeToken::from_bytes(token),
        grace: Duration::from_millis(welcome.resume_grace_ms.into()).min(LONGEST_GRACE),
    })
}

/// Longer than this a gateway keeps no session, whatever the server says.
const LONGEST_GRACE: Duration = Duration::from_secs(600);

/// What a welcome says of the server.
pub(super) fn accept(welcome: v1::Welcome) -> Result<Peer, (GoodbyeReason, &'static str)> {
    if welcome.revision < OLDEST_REVISION || welcome.revision > REVISION {
        return Err((
            GoodbyeReason::Incompatible,
            "the server chose a revision that was not offered",
        ));
    }
    let Some(session) = SessionId::from_slice(&welcome.session_id) else {
        return Err((GoodbyeReason::ProtocolError, "the session id has to be 16 bytes"));
    };
    let software = welcome.software.unwrap_or_default();
    let recommended = shortened(&welcome.recommended_gateway_version);
    Ok(Peer {
        software: shortened(&software.name),
        version: shortened(&software.version),
        revision: welcome.revision,
        instance: None,
        session,
        recommended_version: (!recommended.is_empty()).then_some(recommended),
    })
}

/// A name that goes to logs and screens: of a length that fits there, and without what moves a cursor.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 100;
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
