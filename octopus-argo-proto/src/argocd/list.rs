//! The answer of List, read one application at a time as its bytes come.

use octopus_argo_core::Application;
use prost::Message as _;
use prost::bytes::{Buf as _, BytesMut};
use prost::encoding::{WireType, decode_varint};

use super::application_from_wire::FromWireError;
use super::k8s::meta::ListMeta;
use super::v1alpha1 as wire;

/// An application, and the version that orders its states.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// The application.
    pub application: Application,
    /// `metadata.resourceVersion`: of two states of one application the larger is the newer. 0 where it is no number.
    pub version: u64,
}

impl TryFrom<&wire::Application> for Listed {
    type Error = FromWireError;

    fn try_from(wire: &wire::Application) -> Result<Self, FromWireError> {
        let metadata = wire.metadata.as_ref();
        let version = metadata.and_then(|metadata| metadata.resource_version.as_deref());
        Ok(Self {
            version: version.and_then(|version| version.parse().ok()).unwrap_or(0),
            application: Application::try_from(wire)?,
        })
    }
}

/// Why the answer of List cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The bytes are no message.
    #[error("the list is no message")]
    Malformed,
    /// The bytes of an application are no message.
    #[error("item {index} of the list is no message")]
    #[non_exhaustive]
    Item {
        /// Which one, counted from 0.
        index: usize,
        /// What the decoder says.
        source: prost::DecodeError,
    },
    /// An application is larger than any that a cluster stores.
    #[error(
        "item {index} of the list has {bytes} bytes, more than {} are not read",
        ListReader::MAX_ITEM
    )]
    #[non_exhaustive]
    ItemTooLarge {
        /// Which one, counted from 0.
        index: usize,
        /// Its size.
        bytes: u64,
    },
    /// The answer ended in the middle of the message.
    #[error("the list was cut")]
    Cut,
}

/// Reads an `ApplicationList` from its bytes, one application at a time, without holding the others.
///
/// A List has no pages: it may have 200 MiB. Held at once are an application that has not come completely, and what was
/// [fed](ListReader::feed) and not read yet.
///
/// ```
/// use octopus_argo_proto::argocd::{ListReader, k8s::meta::ObjectMeta, v1alpha1};
/// use octopus_argo_proto::prost::Message;
///
/// let named = |name: &str| v1alpha1::Application {
///     metadata: Some(ObjectMeta { name: Some(name.into()), ..Default::default() }),
///     ..Default::default()
/// };
/// let list = v1alpha1::ApplicationList { metadata: None, items: vec![named("api"), named("web")] };
///
/// let mut reader = ListReader::default();
/// let mut names = Vec::new();
/// for piece in list.encode_to_vec().chunks(5) {
///     reader.feed(piece);
///     while let Some(listed) = reader.read()? {
///         names.push(listed?.application.name.to_string());
///     }
/// }
/// reader.finish()?;
/// assert_eq!(names, ["api", "web"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct ListReader {
    buffer: BytesMut,
    /// How many bytes of an unknown field are still to come.
    skip: u64,
    items: usize,
    version: Option<u64>,
}

impl ListReader {
    /// The largest application that is read, in bytes: 4 MiB. A cluster stores objects of 1.5 MiB by default.
    pub const MAX_ITEM: u64 = 4 << 20;

    /// Takes the next bytes of the message.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        // Without this a large field that nobody knows would be kept until it has come.
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        bytes.advance(skipped);
        self.buffer.extend_from_slice(bytes);
    }

    /// The next application, or `None` if more bytes are needed. The inner error is about this application alone, and
    /// reading goes on behind it.
    ///
    /// # Errors
    /// [`ListError`]: nothing can be read any more.
    pub fn read(&mut self) -> Result<Option<Result<Listed, FromWireError>>, ListError> {
        loop {
            let Some((field, length)) = self.header()? else {
                return Ok(None);
            };
            match field {
                ITEMS | METADATA => {
                    if length > Self::MAX_ITEM {
                        let (index, bytes) = (self.items, length);
                        return Err(ListError::ItemTooLarge { index, bytes });
                    }
                    let Some(bytes) = self.body(length) else {
                        return Ok(None);
                    };
                    if field == METADATA {
                        let metadata = ListMeta::decode(&*bytes).map_err(|_| ListError::Malformed)?;
                        self.version = metadata.resource_version().parse().ok();
                        continue;
                    }
                    let index = self.items;
                    self.items += 1;
                    let item = wire::Application::decode(&*bytes)
                        .map_err(|source| ListError::Item { index, source })?;
                    return Ok(Some(Listed::try_from(&item)));
                }
                _ => self.pass_over(length),
            }
        }
    }

    /// The end of the message: how many applications there were, and the version of the list as a whole.
    ///
    /// # Errors
    /// [`ListError::Cut`] where something was left in the middle.
    pub fn finish(self) -> Result<ListEnd, ListError> {
        if !self.buffer.is_empty() || self.skip > 0 {
            return Err(ListError::Cut);
        }
        Ok(ListEnd {
            items: self.items,
            version: self.version,
        })
    }

    /// The number of the next field, and how many bytes belong to it behind its header, which stays in the buffer.
    fn header(&self) -> Result<Option<(u32, u64)>, ListError> {
        let mut rest = &*self.buffer;
        let Some(key) = varint(&mut rest)? else {
            return Ok(None);
        };
        let field = u32::try_from(key >> 3).map_err(|_| ListError::Malformed)?;
        let kind = WireType::try_from(key & 7).map_err(|_| ListError::Malformed)?;
        if field == 0 || (matches!(field, METADATA | ITEMS) && kind != WireType::LengthDelimited) {
            return Err(ListError::Malformed);
        }
        Ok(match kind {
            WireType::LengthDelimited => varint(&mut rest)?.map(|length| (field, length)),
            WireType::ThirtyTwoBit => Some((field, 4)),
            WireType::SixtyFourBit => Some((field, 8)),
            WireType::Varint => {
                let before = rest.len();
                varint(&mut rest)?.map(|_| (field, (before - rest.len()) as u64))
            }
            // Nobody writes groups any more.
            WireType::StartGroup | WireType::EndGroup => return Err(ListError::Malformed),
        })
    }

    /// How many bytes the header in front has.
    fn header_length(&self) -> usize {
        let mut rest = &*self.buffer;
        let delimited = varint(&mut rest).ok().flatten().is_some_and(|key| key & 7 == 2);
        if delimited {
            let _ = varint(&mut rest);
        }
        self.buffer.len() - rest.len()
    }

    fn body(&mut self, length: u64) -> Option<BytesMut> {
        let length = usize::try_from(length).ok()?;
        let header = self.header_length();
        if self.buffer.len() - header < length {
            return None;
        }
        self.buffer.advance(header);
        Some(self.buffer.split_to(length))
    }

    fn pass_over(&mut self, length: u64) {
        self.buffer.advance(self.header_length());
        let here = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(self.buffer.len());
        self.buffer.advance(here);
        self.skip = length - here as u64;
    }
}

/// How a list ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListEnd {
    /// How many applications there were, those included that could not be read.
    pub items: usize,
    /// `metadata.resourceVersion` of the list: the last version that the server had seen of any application.
    pub version: Option<u64>,
}

/// The number at the front, or `None` if it has not come completely.
fn varint(rest: &mut &[u8]) -> Result<Option<u64>, ListError> {
    let complete = rest.iter().take(MAX_VARINT).any(|byte| byte & 0x80 == 0);
    if !complete {
        return if rest.len() < MAX_VARINT {
            Ok(None)
        } else {
            Err(ListError::Malformed)
        };
    }
    decode_varint(rest).map(Some).map_err(|_| ListError::Malformed)
}

const MAX_VARINT: usize = 10;

/// `ApplicationList`'s fields.
const METADATA: u32 = 1;
const ITEMS: u32 = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argocd::k8s::meta::ObjectMeta;

    fn list(names: &[String]) -> wire::ApplicationList {
        let item = |name: &String| wire::Application {
            metadata: Some(ObjectMeta {
                name: Some(name.clone()),
                resource_version: Some("41".into()),
                ..ObjectMeta::default()
            }),
            ..wire::Application::default()
        };
        wire::ApplicationList {
            metadata: Some(ListMeta {
                resource_version: Some("42".into()),
                ..ListMeta::default()
            }),
            items: names.iter().map(item).collect(),
        }
    }

    /// Every item by name or error, and how it ended.
    fn read(bytes: &[u8], piece: usize) -> Result<(Vec<Result<String, FromWireError>>, ListEnd), ListError> {
        let mut reader = ListReader::default();
        let mut items = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.feed(piece);
            while let Some(item) = reader.read()? {
                items.push(item.map(|listed| {
                    assert_eq!(listed.version, 41);
                    listed.application.name.to_string()
                }));
            }
        }
        Ok((items, reader.finish()?))
    }

    #[test]
    fn one_without_a_name_does_not_hide_the_others() {
        let bytes = list(&["a".into(), String::new(), "c".into()]).encode_to_vec();
        let (items, end) = read(&bytes, 7).unwrap();
        assert_eq!(
            items,
            [Ok("a".into()), Err(FromWireError::Nameless), Ok("c".into())]
        );
        assert_eq!((end.items, end.version), (3, Some(42)));
    }

    #[test]
    fn unknown_fields_are_passed_over_without_keeping_them() {
        // Field 3 with 100 bytes, field 4 as a number, field 5 with 4 bytes, field 6 with 8.
        let mut bytes = vec![0x1a, 100];
        bytes.extend([7; 100]);
        bytes.extend([0x20, 0xff, 0x01, 0x2d, 1, 2, 3, 4, 0x31, 1, 2, 3, 4, 5, 6, 7, 8]);
        bytes.extend(list(&["a".into()]).encode_to_vec());
        for piece in [1, 3, 50, 1000] {
            assert_eq!(read(&bytes, piece).unwrap().0, [Ok("a".into())], "{piece}");
        }
        let mut reader = ListReader::default();
        reader.feed(&[0x1a, 0xff, 0xff, 0xff, 0x7f]);
        for _ in 0..64 {
            assert!(reader.read().unwrap().is_none());
            reader.feed(&[0; 4096]);
        }
        assert!(reader.buffer.len() <= 4096);
    }

    #[test]
    fn what_is_cut_malformed_or_too_large_is_said() {
        let bytes = list(&["a".into()]).encode_to_vec();
        assert_eq!(read(&bytes[..bytes.len() - 1], 4), Err(ListError::Cut));
        assert_eq!(read(&[0x13], 1), Err(ListError::Malformed), "a group");
        assert_eq!(
            read(&[0x10, 1], 1),
            Err(ListError::Malformed),
            "an item that is a number"
        );
        assert_eq!(read(&[0xff; 11], 1), Err(ListError::Malformed));
        let large = [0x12, 0xff, 0xff, 0xff, 0x7f];
        assert!(matches!(
            read(&large, 1),
            Err(ListError::ItemTooLarge { index: 0, .. })
        ));
        assert!(matches!(
            read(&[0x12, 1, 0xff], 3),
            Err(ListError::Item { index: 0, .. })
        ));
    }

    proptest! {
        #[test]
        fn reads_what_prost_reads_however_it_comes(
            names in proptest::collection::vec("[a-z]{1,9}", 0..8),
            piece in 1_usize..64,
        ) {
            let bytes = list(&names).encode_to_vec();
            let (items, end) = read(&bytes, piece).unwrap();
            prop_assert_eq!(items, names.into_iter().map(Ok).collect::<Vec<_>>());
            prop_assert_eq!(end.version, Some(42));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1_usize..20) {
            let mut reader = ListReader::default();
            for piece in bytes.chunks(piece) {
                reader.feed(piece);
                while let Ok(Some(_)) = reader.read() {}
            }
            let _ = reader.finish();
        }
    }
}
