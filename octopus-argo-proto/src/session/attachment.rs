//! One connection after the other: a session goes on where the last one was cut.
//!
//! A session has at most one connection that it uses, its *attachment*. When that is gone, the session is *detached*: its
//! calls stay open, nothing is sent, and after the grace it is over. A gateway may come back before its old connection is
//! gone; then the new one takes over when the server has welcomed it, and what still arrives over the old one is discarded.

use std::fmt;
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq as _;

use super::end::EndCause;
use super::event::{CloseReason, Event, GoodbyeReason};
use super::handshake::{self, SessionId};
use super::machine::{Phase, Role, Session};
use crate::v1::frame::Body;
use crate::v1::{self, Packet};

/// One of the connections of a session, as this side counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment(u32);

impl Attachment {
    /// The connection that a session begins with.
    pub const FIRST: Self = Self(1);

    pub(super) fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What allows a gateway to go on with its session: 32 random bytes, drawn by the server for each session. A secret.
#[derive(Clone)]
pub struct ResumeToken([u8; 32]);

impl ResumeToken {
    /// The token with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// In a time that tells nothing of where they differ.
    fn is(&self, other: &[u8]) -> bool {
        self.0.as_slice().ct_eq(other).into()
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(hidden)")
    }
}

/// Why a session was not resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeRefusal {
    /// The server does not know the session: it restarted, or the grace is over.
    #[error("the server does not know the session any more")]
    UnknownSession,
    /// The token or the instance is another.
    #[error("the session belongs to somebody else")]
    NotYours,
    /// One side lacks packets that the other has dropped.
    #[error("packets are missing that are no longer kept")]
    Gap,
    /// The server does not resume sessions.
    #[error("the server does not resume sessions")]
    NotSupported,
    /// For no reason that this version knows.
    #[error("for no reason given")]
    Unspecified,
}

impl ResumeRefusal {
    pub(super) fn to_wire(self) -> v1::ResumeRefusal {
        match self {
            Self::UnknownSession => v1::ResumeRefusal::UnknownSession,
            Self::NotYours => v1::ResumeRefusal::NotYours,
            Self::Gap => v1::ResumeRefusal::Gap,
            Self::NotSupported => v1::ResumeRefusal::NotSupported,
            Self::Unspecified => v1::ResumeRefusal::Unspecified,
        }
    }

    pub(super) fn from_wire(refusal: v1::ResumeRefusal) -> Self {
        match refusal {
            v1::ResumeRefusal::UnknownSession => Self::UnknownSession,
            v1::ResumeRefusal::NotYours => Self::NotYours,
            v1::ResumeRefusal::Gap => Self::Gap,
            v1::ResumeRefusal::NotSupported => Self::NotSupported,
            v1::ResumeRefusal::Unspecified => Self::Unspecified,
        }
    }
}

/// The session that the first packet of a gateway wants to go on with, if it does.
#[must_use]
pub fn wants_to_resume(packet: &Packet) -> Option<SessionId> {
    let resume = hello_of(packet)?.resume.as_ref()?;
    SessionId::from_slice(&resume.session_id)
}

fn hello_of(packet: &Packet) -> Option<&v1::Hello> {
    packet.frames.iter().find_map(|frame| match &frame.body {
        Some(Body::Hello(hello)) => Some(hello),
        _ => None,
    })
}

/// The connections of a session.
#[derive(Debug)]
pub(super) struct Attachments {
    last: Attachment,
    /// The one that is used.
    pub(super) current: Option<Attachment>,
    /// A gateway's one whose hello is not answered yet.
    pub(super) joining: Option<Joining>,
}

#[derive(Debug)]
pub(super) struct Joining {
    pub(super) via: Attachment,
    since: Instant,
    deadline: Instant,
    /// Its hello has gone out.
    pub(super) greeted: bool,
}

impl Attachments {
    pub(super) fn new() -> Self {
        Self {
            last: Attachment(0),
            current: None,
            joining: None,
        }
    }

    pub(super) fn join(&mut self, now: Instant, timeout: Duration) -> Attachment {
        let via = self.next();
        self.joining = Some(Joining {
            via,
            since: now,
            deadline: now + timeout,
            greeted: false,
        });
        via
    }

    pub(super) fn next(&mut self) -> Attachment {
        self.last = Attachment(self.last.0.saturating_add(1));
        self.last
    }

    pub(super) fn is_joining(&self, via: Attachment) -> bool {
        self.joining.as_ref().is_some_and(|joining| joining.via == via)
    }

    /// Whether the hello of one that is joining is still to go out.
    pub(super) fn is_to_greet(&self) -> bool {
        self.joining.as_ref().is_some_and(|joining| !joining.greeted)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.joining.as_ref().map(|joining| joining.deadline)
    }

    /// The one over which a goodbye can go out. Before its hello none can but the first: nobody would know whose it is.
    pub(super) fn settle_for(&mut self) -> Option<Attachment> {
        let joining = self
            .joining
            .take_if(|joining| joining.greeted || joining.via == Attachment::FIRST);
        self.joining = None;
        let joining = joining.map(|joining| joining.via);
        self.current = self.current.or(joining);
        self.current
    }
}

/// What both sides need to go on after a cut.
#[derive(Clone, Debug)]
pub(super) struct Resumption {
    pub(super) session: SessionId,
    pub(super) token: ResumeToken,
    pub(super) grace: Duration,
}

impl Session {
    /// Begins another connection of a gateway; its first packet is the Hello, which asks to go on with the session if there
    /// is one. `None`: the session is over, or this is a server, whose connections begin with [`Session::resume`].
    ///
    /// A connection that stands is used until the new one is welcomed. One that is joining is given up.
    pub fn attach(&mut self, now: Instant) -> Option<Attachment> {
        let open = matches!(
            self.phase,
            Phase::Handshake { .. } | Phase::Attached | Phase::Detached { .. }
        );
        let timeout = self.config.handshake_timeout;
        (open && matches!(self.role, Role::Gateway(_))).then(|| self.attachments.join(now, timeout))
    }

    /// Takes a gateway back that went on with this session over another connection, whose first packet this is. The answer
    /// to it is the first packet of the connection that is returned; the one before it is no longer used.
    ///
    /// # Errors
    /// [`ResumeRefusal`] says why not. The session is as it was; the gateway is to get a new one that says so, by
    /// [`Session::refusing`].
    pub fn resume(&mut self, packet: &Packet, now: Instant) -> Result<Attachment, ResumeRefusal> {
        let Some(resumption) = &self.resumption else {
            return Err(ResumeRefusal::NotSupported);
        };
        let hello = hello_of(packet).filter(|_| matches!(self.role, Role::Server(_)));
        let Some((hello, resume)) = hello.and_then(|hello| Some((hello, hello.resume.as_ref()?))) else {
            return Err(ResumeRefusal::UnknownSession);
        };
        let known = matches!(
            self.phase,
            Phase::Attached | Phase::Detached { .. } | Phase::Leaving(_)
        );
        if !known || resume.session_id != resumption.session.as_bytes().as_slice() {
            return Err(ResumeRefusal::UnknownSession);
        }
        let instance = self
            .peer_instance
            .is_some_and(|instance| hello.instance_id == instance.as_bytes().as_slice());
        if !resumption.token.is(&resume.resume_token) || !instance {
            return Err(ResumeRefusal::NotYours);
        }
        let leaving = matches!(self.phase, Phase::Leaving(_));
        // While a hello is under way the connection before may still stand, and what is acknowledged over that is newer.
        let received = resume.received.max(self.replay.acknowledged_up_to());
        if !leaving && !self.replay.reaches(received) {
            return Err(ResumeRefusal::Gap);
        }
        let via = self.attachments.next();
        self.attachments.current = Some(via);
        self.outbox.forget_unnumbered();
        if leaving {
            // All that is left to be said is the goodbye.
            return Ok(via);
        }
        let session = resumption.session;
        let welcome = handshake::welcome(&self.config, self.peer_revision, session, Some(resumption), None);
        self.outbox.push_unnumbered(Body::Welcome(v1::Welcome {
            attachment: via.number(),
            resumed: Some(v1::Resumed {
                received: self.numbering.received(),
            }),
            ..welcome
        }));
        self.go_on(received, now);
        Ok(via)
    }

    /// Makes a server's session say in its welcome that another was not resumed, and why.
    #[must_use]
    pub fn refusing(mut self, refusal: ResumeRefusal) -> Self {
        self.refusal = Some(refusal);
        self
    }

    /// Makes a server's session one that outlives its connection.
    #[must_use]
    pub fn resumable(mut self, token: ResumeToken) -> Self {
        if let Role::Server(session) = self.role {
            let grace = self.config.resume_grace;
            self.resumption = Some(Resumption {
                session,
                token,
                grace,
            });
        }
        self
    }

    /// The connection `via` is gone. Without it a session is detached until the gateway comes back; one that cannot be
    /// resumed is over, and every call ends. Does nothing if the session uses another one by now.
    pub fn detach(&mut self, via: Attachment, now: Instant) {
        if self.attachments.is_joining(via) {
            self.attachments.joining = None;
            if matches!(self.phase, Phase::Handshake { .. }) {
                self.lost();
            }
        } else if self.attachments.current == Some(via) {
            self.unattached(now);
        }
    }

    /// Whether anything may still be sent or received over `via`.
    #[must_use]
    pub fn uses(&self, via: Attachment) -> bool {
        !self.is_over() && (self.attachments.current == Some(via) || self.attachments.is_joining(via))
    }

    /// The connections of which [`Session::uses`] is true: the one that carries the session, and one that is to take over.
    #[must_use]
    pub fn in_use(&self) -> [Option<Attachment>; 2] {
        if self.is_over() {
            return [None, None];
        }
        let joining = self.attachments.joining.as_ref();
        [self.attachments.current, joining.map(|joining| joining.via)]
    }

    /// Whether the session waits for the gateway to come back, and until when.
    #[must_use]
    pub fn detached_until(&self) -> Option<Instant> {
        match self.phase {
            Phase::Detached { until } => Some(until),
            _ => None,
        }
    }

    pub(super) fn unattached(&mut self, now: Instant) {
        self.attachments.current = None;
        match (&self.phase, &self.resumption) {
            (Phase::Attached, Some(resumption)) => {
                let until = now + resumption.grace;
                self.phase = Phase::Detached { until };
                self.outbox.forget_unnumbered();
                self.events.push_back(Event::Detached { until });
            }
            _ => self.lost(),
        }
    }

    /// A welcome to a connection that is joining.
    pub(super) fn welcomed(
        &mut self,
        via: Attachment,
        welcome: v1::Welcome,
        now: Instant,
    ) -> Result<(), (GoodbyeReason, &'static str)> {
        let limits = super::arrival::acceptable(welcome.limits)?;
        let resumed = welcome.resumed;
        let refusal = ResumeRefusal::from_wire(welcome.resume_refusal());
        let resumption = handshake::resumption(&welcome);
        let peer = handshake::accept(welcome)?;
        let took = self
            .attachments
            .joining
            .take()
            .map(|joining| now.saturating_duration_since(joining.since));
        self.attachments.current = Some(via);
        if let Some(took) = took {
            self.round_trip.add(took, now);
        }
        if let Some(resumed) = resumed {
            let same = self
                .resumption
                .as_ref()
                .is_some_and(|known| known.session == peer.session);
            if !same || !self.replay.reaches(resumed.received) {
                return Err((
                    GoodbyeReason::ProtocolError,
                    "the server goes on with what was not asked for",
                ));
            }
            self.go_on(resumed.received, now);
            return Ok(());
        }
        if !matches!(self.phase, Phase::Handshake { .. }) {
            self.begin_anew(refusal);
        }
        self.resumption = resumption;
        self.establish(limits, peer, now);
        Ok(())
    }

    /// Both sides know what the other has: what it lacks goes out again.
    fn go_on(&mut self, received: u64, now: Instant) {
        // The callers have asked whether it reaches that far.
        if self.replay.rewind(received, now).is_ok() {
            self.phase = Phase::Attached;
            self.liveness.begin(now);
            self.events.push_back(Event::Resumed);
        }
    }

    /// The server has begun a new session instead of going on: nothing of the old one is left on its side.
    fn begin_anew(&mut self, refusal: ResumeRefusal) {
        self.end_all(EndCause::Lost);
        self.events.push_back(Event::ResumeRefused(refusal));
        self.reset();
    }

    /// Gives the session up without a goodbye, as when the connection is gone and will not come back. Every call ends.
    pub fn lost(&mut self) {
        if !matches!(self.phase, Phase::Over) {
            let told = matches!(self.phase, Phase::Leaving(_));
            self.phase = Phase::Over;
            self.attachments = Attachments::new();
            if !told {
                self.end_all(EndCause::Lost);
                self.events.push_back(Event::Closed(CloseReason::Lost));
            }
        }
    }
}
