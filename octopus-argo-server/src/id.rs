//! Who a gateway is, and under which record it is known.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 128 visible ASCII characters")]
#[non_exhaustive]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
                if fits { Ok(Self(text.into())) } else { Err(IdError) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id! {
    /// A gateway: the `ClientId` of its registration. It has one credential and at most one live connection.
    ///
    /// ```
    /// use octopus_argo_server::GatewayId;
    ///
    /// let id: GatewayId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse()?;
    /// assert_eq!(id.as_str().len(), 36);
    /// # Ok::<(), octopus_argo_server::IdError>(())
    /// ```
    GatewayId
}

id! {
    /// A gateway's record in one space, for example `ArgoCDGateways-1`. One gateway may have records in several spaces.
    InstanceId
}
