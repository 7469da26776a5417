//! How a call went, in a form that can be compared.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use octopus_argo_server::TunnelError;
use tonic::metadata::MetadataMap;
use tonic::{Code, Response, Status};

/// Where the outcome of a call through the tunnel may differ from that of the same call without one, and why. Nothing
/// else may, but for headers that belong to a hop: `date`, `user-agent`, and credentials of the connection behind the
/// gateway.
pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        case: "deadline",
        places: &["code", "message", "tunnel"],
        reason: "tonic's channel says CANCELLED when a deadline passes; gRPC wants DEADLINE_EXCEEDED, and the handle says it",
    },
    Difference {
        case: "no service",
        places: &["message", "trailers"],
        reason: "the gateway says that it is the one without the service; tonic's router says nothing, with a content-length",
    },
    Difference {
        case: "too large metadata",
        places: &["code", "message", "tunnel"],
        reason: "hyper answers HTTP 431, which tonic takes for UNKNOWN; the session knows its limit, and says RESOURCE_EXHAUSTED",
    },
];

pub(crate) struct Difference {
    case: &'static str,
    places: &'static [&'static str],
    #[expect(dead_code, reason = "for who reads the table")]
    reason: &'static str,
}

/// The length of a message, its first bytes, and a hash of all.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    length: usize,
    first: Bytes,
    hash: u64,
}

impl Digest {
    pub(crate) fn of(message: &Bytes) -> Self {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        message.hash(&mut hasher);
        Self {
            length: message.len(),
            first: message.slice(..message.len().min(2000)),
            hash: hasher.finish(),
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {:x}", self.length, self.hash)?;
        if self.length < 2000 {
            write!(f, ": {}", self.first.escape_ascii())?;
        }
        Ok(())
    }
}

pub(crate) type Headers = Vec<(String, String)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Well, with these trailers.
    Ok(Headers),
    Status {
        code: Code,
        message: String,
        details: Vec<u8>,
        trailers: Headers,
        /// The tunnel says that it was its doing.
        tunnel: bool,
    },
    /// The caller did not wait for it.
    GivenUp,
}

impl End {
    pub(crate) fn of(status: &Status) -> Self {
        Self::Status {
            code: status.code(),
            message: status.message().to_owned(),
            details: status.details().to_vec(),
            trailers: headers(status.metadata()),
            tunnel: TunnelError::find(status).is_some(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) head: Option<Headers>,
    pub(crate) messages: Vec<Digest>,
    pub(crate) end: End,
    /// What the service told of the call, sorted.
    pub(crate) told: Vec<String>,
}

impl Outcome {
    pub(crate) fn of_one(response: Response<Bytes>) -> Self {
        let (metadata, message, _) = response.into_parts();
        Self {
            head: Some(headers(&metadata)),
            messages: vec![Digest::of(&message)],
            end: End::Ok(Vec::new()),
            told: Vec::new(),
        }
    }

    pub(crate) fn of_status(status: &Status) -> Self {
        Self {
            head: None,
            messages: Vec::new(),
            end: End::of(status),
            told: Vec::new(),
        }
    }

    pub(crate) fn given_up() -> Self {
        Self {
            head: None,
            messages: Vec::new(),
            end: End::GivenUp,
            told: Vec::new(),
        }
    }

    /// The code, where the call did not end well.
    pub(crate) fn code(&self) -> Code {
        match &self.end {
            End::Status { code, .. } => *code,
            End::Ok(_) | End::GivenUp => Code::Ok,
        }
    }
}

/// Headers as they came, sorted by name, in their order within a name.
pub(crate) fn headers(metadata: &MetadataMap) -> Headers {
    let mut headers: Headers = metadata
        .as_ref()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().escape_ascii().to_string()))
        // Every HTTP server adds the time of day, and the tunnel is none.
        .filter(|(name, _)| name != "date")
        .collect();
    headers.sort_by(|one, other| one.0.cmp(&other.0));
    headers
}

/// Fails unless two outcomes are the same but for what [`DIFFERENCES`] lists under `case`.
pub(crate) fn compare(case: &str, way: &str, direct: &Outcome, other: &Outcome) {
    let mut found = BTreeSet::new();
    let mut differ = |place: &'static str, differs: bool| {
        if differs {
            found.insert(place);
        }
    };
    differ("head", direct.head != other.head);
    differ("messages", direct.messages != other.messages);
    differ("told", direct.told != other.told);
    match (&direct.end, &other.end) {
        (
            End::Status {
                code,
                message,
                details,
                trailers,
                ..
            },
            End::Status {
                code: other_code,
                message: other_message,
                details: other_details,
                trailers: other_trailers,
                tunnel,
            },
        ) => {
            differ("code", code != other_code);
            differ("message", message != other_message);
            differ("details", details != other_details);
            differ("trailers", trailers != other_trailers);
            differ("tunnel", *tunnel);
        }
        (one, another) => differ("end", one != another),
    }
    let listed = DIFFERENCES.iter().find(|difference| difference.case == case);
    let listed: BTreeSet<_> = listed
        .map_or(&[][..], |listed| listed.places)
        .iter()
        .copied()
        .collect();
    assert_eq!(
        found, listed,
        "{case}, {way}: not the listed places differ\ndirect: {direct:#?}\n{way}: {other:#?}"
    );
}
