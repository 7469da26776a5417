//! Enumerations that others may extend: unknown texts are kept, never guessed at.

/// Defines an enumeration over texts whose unknown values are kept in `Other`.
///
/// Comparison with known texts is exact, as Argo CD's own is. Blank texts are the caller's concern: on the wire they
/// mean "not set", which is an `Option`, not a variant. Where people read other words than programs do, both are read
/// (`InSync = "InSync" | "In Sync"`); the first is written, and [`labels!`] adds a way to write the second.
macro_rules! open_enum {
    (
        $(#[$doc:meta])*
        $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $text:literal $(| $label:literal)?, )+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_doc])* $variant, )+
            /// A text that this version does not know, kept as it was.
            Other(Box<str>),
        }

        impl $name {
            /// The values with a name, in the order of their definition.
            pub const KNOWN: &'static [Self] = &[$( Self::$variant, )+];

            /// The text that programs exchange.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $( $text $(| $label)? => Self::$variant, )+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(Self::from(text))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Ok(Self::from(&*text))
            }
        }
    };
}

/// Adds the words that people read to an enumeration whose programs exchange others.
macro_rules! labels {
    ($name:ident { $( $variant:ident = $label:literal, )+ }) => {
        impl $name {
            /// The words that a person reads, for example on a dashboard.
            #[must_use]
            pub fn label(&self) -> &str {
                match self {
                    $( Self::$variant => $label, )+
                    other => other.as_str(),
                }
            }

            /// Writes the words that a person reads, for `#[serde(serialize_with)]`. Reading takes both spellings.
            ///
            /// # Errors
            /// Those of the serializer.
            pub fn serialize_label<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.label())
            }
        }
    };
}

pub(crate) use {labels, open_enum};
