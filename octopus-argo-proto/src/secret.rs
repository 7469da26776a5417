//! Debug of the messages that carry a secret.

use std::fmt;

use crate::v1::{Metadata, Resume, Welcome};

/// A resume token, which says no more of itself than whether it is there.
struct Hidden<'a>(&'a [u8]);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "hidden" })
    }
}

impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("revision", &self.revision)
            .field("features", &self.features)
            .field("software", &self.software)
            .field("limits", &self.limits)
            .field("session_id", &self.session_id)
            .field("resume_token", &Hidden(&self.resume_token))
            .field("resume_grace_ms", &self.resume_grace_ms)
            .field("attachment", &self.attachment)
            .field("resumed", &self.resumed)
            .field("resume_refusal", &self.resume_refusal)
            .field("recommended_gateway_version", &self.recommended_gateway_version)
            .finish()
    }
}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume")
            .field("session_id", &self.session_id)
            .field("resume_token", &Hidden(&self.resume_token))
            .field("received", &self.received)
            .finish()
    }
}

impl fmt::Debug for Metadata {
    /// The key, and how long the value is: any header may carry a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} bytes", self.key, self.value.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_hidden() {
        let token = prost::bytes::Bytes::from_static(b"SECRETSECRET");
        let welcome = Welcome {
            resume_token: token.clone(),
            ..Welcome::default()
        };
        let resume = Resume {
            resume_token: token.clone(),
            ..Resume::default()
        };
        for text in [format!("{welcome:?}"), format!("{resume:?}")] {
            assert!(!text.contains("SECRET") && text.contains("hidden"), "{text}");
        }
        let metadata = Metadata {
            key: "authorization".to_owned(),
            value: token,
        };
        assert_eq!(format!("{metadata:?}"), "authorization: 12 bytes");
    }
}
