//! Who a gateway is, under which record it is known, and what that record may serve.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// It has no character, more than 128, or one that is not visible ASCII.
    #[error("expected 1 to 128 visible ASCII characters")]
    Text,
    /// It is not the id of an instance.
    #[error("expected an id such as ArgoCDGateways-1")]
    Instance,
    /// It is blank, longer than 200 bytes, or has control characters.
    #[error("expected 1 to 200 bytes that are neither blank nor control characters")]
    Reference,
}

/// A gateway: the `ClientId` of its registration. It has one credential and at most one live connection.
///
/// The contract has it be a GUID, and GUIDs compare without regard to case. So letters are folded to lower case where
/// the id is read; what else it may be is for whoever registers gateways to say.
///
/// ```
/// use octopus_argo_server::GatewayId;
///
/// let id: GatewayId = "0F8FAD5B-d9cb-469f-a165-70867728950e".parse()?;
/// assert_eq!(id.as_str(), "0f8fad5b-d9cb-469f-a165-70867728950e");
/// # Ok::<(), octopus_argo_server::IdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayId(Arc<str>);

impl GatewayId {
    /// The text, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GatewayId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(IdError::Text)
        }
    }
}

/// A gateway's record in one space, for example `ArgoCDGateways-1`. One gateway may have records in several spaces.
///
/// The store counts them up over all spaces, and never gives a number twice. They are ordered by their number.
///
/// ```
/// use octopus_argo_server::InstanceId;
///
/// let id: InstanceId = "argocdgateways-12".parse()?;
/// assert_eq!((id.number(), id.as_str()), (12, "ArgoCDGateways-12"));
/// assert!("ArgoCDGateways-2".parse::<InstanceId>()? < id);
/// # Ok::<(), octopus_argo_server::IdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct InstanceId {
    number: i64,
    text: Arc<str>,
}

/// What stands before the number.
const INSTANCE: &str = "ArgoCDGateways-";

impl InstanceId {
    /// The id with this number; none below 1.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        (number >= 1).then(|| Self {
            number,
            text: format!("{INSTANCE}{number}").into(),
        })
    }

    /// The number, from 1.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.number
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for InstanceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text
            .split_at_checked(INSTANCE.len())
            .filter(|(start, _)| start.eq_ignore_ascii_case(INSTANCE))
            .map(|(_, digits)| digits)
            .filter(|digits| !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok());
        number.and_then(Self::from_number).ok_or(IdError::Instance)
    }
}

impl Ord for InstanceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

impl PartialOrd for InstanceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text as it was given, trimmed.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            fn folded(&self) -> impl Iterator<Item = u8> + '_ {
                self.0.bytes().map(|byte| byte.to_ascii_lowercase())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let text = text.trim();
                let fits = (1..=200).contains(&text.len()) && !text.contains(char::is_control);
                if fits { Ok(Self(text.into())) } else { Err(IdError::Reference) }
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.eq_ignore_ascii_case(&other.0)
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.folded().for_each(|byte| state.write_u8(byte));
                state.write_u8(0xff);
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.folded().cmp(other.folded())
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
    };
}

reference! {
    /// An environment as a record refers to it: its id, for example `Environments-1`. Compared without regard to the
    /// case of ASCII letters.
    ///
    /// An id outlives a change of the slug, so it is what is stored. Where nobody knows of ids, the slug serves as one.
    EnvironmentId
}

reference! {
    /// A tenant as a record refers to it: its id, for example `Tenants-1`, or its slug where nobody knows of ids.
    /// Compared without regard to the case of ASCII letters.
    TenantId
}

macro_rules! written {
    ($($name:ident)+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.as_str())
            }
        }
    )+};
}

written! { GatewayId InstanceId EnvironmentId TenantId }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_a_number_that_is_written_one_way() {
        for text in [
            "",
            "1",
            "ArgoCDGateways-",
            "ArgoCDGateways-0",
            "ArgoCDGateways-01",
            "ArgoCDGateways-+1",
            "ArgoCDGateways--1",
            "ArgoCDGateways-1 ",
            "Spaces-1",
            "ArgoCDGateways-9223372036854775808",
            "ArgoCDGateway\u{e9}s-1",
        ] {
            assert_eq!(text.parse::<InstanceId>(), Err(IdError::Instance), "{text}");
        }
        let largest: InstanceId = "ArgoCDGateways-9223372036854775807".parse().unwrap();
        assert_eq!(largest.number(), i64::MAX);
    }

    #[test]
    fn references_compare_without_regard_to_case() {
        let id = |text: &str| text.parse::<EnvironmentId>().unwrap();
        assert_eq!(id(" Environments-1 "), id("environments-1"));
        assert_eq!(id("A").cmp(&id("a")), Ordering::Equal);
        assert!(" \t".parse::<TenantId>().is_err());
        assert!("a\nb".parse::<TenantId>().is_err());
        assert!("x".repeat(201).parse::<TenantId>().is_err());
    }
}
