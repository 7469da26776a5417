//! Taking known fields out of JSON or YAML in one pass, tolerant of what is unknown, strict about wrong types.
//!
//! A wrong type does not end the pass: it is noted with its path, and the value is skipped. Only when the whole object
//! has been read, and its `kind` is known wherever it stood, is it clear whether the note matters. The serde derive
//! cannot do that, because it gives up in the middle of the input.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What a value turned out to be, in the words of the error.
pub(super) type Found = &'static str;

/// One step from an object to a value within it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Field(&'static str),
    Index(usize),
}

/// A value of the wrong type, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrongType {
    pub(super) path: String,
    pub(super) expected: &'static str,
    pub(super) found: Found,
}

/// Where the pass is, and the first wrong type of the object that it is in.
#[derive(Debug, Default)]
pub(super) struct Cx {
    path: Vec<Step>,
    wrong: Option<WrongType>,
}

impl Cx {
    /// A pass over one element of a list that the caller takes apart.
    pub(super) fn at_element(list: Option<&'static str>, index: usize) -> Self {
        let steps = list.map(Step::Field).into_iter().chain([Step::Index(index)]);
        Self {
            path: steps.collect(),
            wrong: None,
        }
    }

    /// The first wrong type noted since the last call.
    pub(super) fn take_wrong(&mut self) -> Option<WrongType> {
        self.wrong.take()
    }

    /// Notes a wrong type of the value under `key`, which stands below the current path.
    pub(super) fn wrong(&mut self, key: &str, expected: &'static str, found: Found) {
        if self.wrong.is_none() {
            let mut path = self.path();
            push_key(&mut path, key);
            self.wrong = Some(WrongType {
                path,
                expected,
                found,
            });
        }
    }

    fn wrong_here(&mut self, expected: &'static str, found: Found) {
        if self.wrong.is_none() {
            self.wrong = Some(WrongType {
                path: self.path(),
                expected,
                found,
            });
        }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) => push_key(&mut path, name),
                // Writing to a `String` cannot fail.
                Step::Index(index) => {
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        path
    }
}

/// Appends a key to a path: `.name`, or `["a.b/c"]` where it holds other characters. Long keys are cut.
fn push_key(path: &mut String, key: &str) {
    const SHOWN: usize = 120;
    if !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
        return;
    }
    let shown: String = key.chars().take(SHOWN).collect();
    let _ = write!(path, "[{shown:?}]");
}

/// Implements the visits of scalars for a visitor: what is found, by name, goes to `$found`, and null to `$null`.
macro_rules! scalars {
    ($found:expr, $null:expr) => {
        fn visit_bool<Err: Error>(self, _: bool) -> Result<Self::Value, Err> {
            Ok($found(self, "a boolean"))
        }

        fn visit_i64<Err: Error>(self, _: i64) -> Result<Self::Value, Err> {
            Ok($found(self, "a number"))
        }

        fn visit_u64<Err: Error>(self, _: u64) -> Result<Self::Value, Err> {
            Ok($found(self, "a number"))
        }

        fn visit_i128<Err: Error>(self, _: i128) -> Result<Self::Value, Err> {
            Ok($found(self, "a number"))
        }

        fn visit_u128<Err: Error>(self, _: u128) -> Result<Self::Value, Err> {
            Ok($found(self, "a number"))
        }

        fn visit_f64<Err: Error>(self, _: f64) -> Result<Self::Value, Err> {
            Ok($found(self, "a number"))
        }

        fn visit_bytes<Err: Error>(self, _: &[u8]) -> Result<Self::Value, Err> {
            Ok($found(self, "binary data"))
        }

        fn visit_unit<Err: Error>(self) -> Result<Self::Value, Err> {
            Ok($null(self))
        }

        fn visit_none<Err: Error>(self) -> Result<Self::Value, Err> {
            Ok($null(self))
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_any(self)
        }
    };
}

/// Something read from an object, field by field.
pub(super) trait Fields {
    /// Takes the value of `key`, or skips it. Every key of the object comes by, in the input's order.
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error>;
}

/// The value of the current key: take it in exactly one of these ways.
pub(super) struct Value<'v, A> {
    map: &'v mut A,
    cx: &'v mut Cx,
    key: &'v str,
}

impl<'de, A: MapAccess<'de>> Value<'_, A> {
    pub(super) fn skip(self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>().map(drop)
    }

    /// A text; null counts as absent.
    pub(super) fn text(self) -> Result<Option<Box<str>>, A::Error> {
        match self.map.next_value_seed(TextSeed)? {
            Ok(text) => Ok(text),
            Err(found) => {
                self.cx.wrong(self.key, "text", found);
                Ok(None)
            }
        }
    }

    /// Whether there is a value other than null.
    pub(super) fn present(self) -> Result<bool, A::Error> {
        self.map.next_value_seed(PresentSeed)
    }

    /// The fields of an object; null counts as absent, and the answer says whether there was an object.
    pub(super) fn object<F: Fields>(self, name: &'static str, into: &mut F) -> Result<bool, A::Error> {
        self.cx.path.push(Step::Field(name));
        let present = self.map.next_value_seed(ObjectSeed {
            cx: &mut *self.cx,
            into,
        });
        self.cx.path.pop();
        present
    }

    /// A list whose elements go to `into` one by one; null counts as empty.
    pub(super) fn list<E: Elements>(self, name: &'static str, into: &mut E) -> Result<(), A::Error> {
        self.cx.path.push(Step::Field(name));
        let result = self.map.next_value_seed(ListSeed {
            cx: &mut *self.cx,
            into,
        });
        self.cx.path.pop();
        result
    }

    /// A list of objects.
    pub(super) fn objects<F: Fields + Default>(self, name: &'static str) -> Result<Vec<F>, A::Error> {
        let mut list = ObjectList(Vec::new());
        self.list(name, &mut list)?;
        Ok(list.0)
    }

    /// A list of texts; a null entry counts as empty text.
    pub(super) fn texts(self, name: &'static str) -> Result<Vec<Box<str>>, A::Error> {
        let mut list = TextList(Vec::new());
        self.list(name, &mut list)?;
        Ok(list.0)
    }
}

/// Something that takes the elements of a list.
pub(super) trait Elements {
    /// Takes the next element, which is number `index`; false where there is none.
    fn element<'de, A: SeqAccess<'de>>(
        &mut self,
        cx: &mut Cx,
        index: usize,
        list: &mut A,
    ) -> Result<bool, A::Error>;
}

struct ObjectList<F>(Vec<F>);

impl<F: Fields + Default> Elements for ObjectList<F> {
    fn element<'de, A: SeqAccess<'de>>(
        &mut self,
        cx: &mut Cx,
        _index: usize,
        list: &mut A,
    ) -> Result<bool, A::Error> {
        let mut item = F::default();
        let Some(present) = list.next_element_seed(ObjectSeed {
            cx: &mut *cx,
            into: &mut item,
        })?
        else {
            return Ok(false);
        };
        if !present {
            cx.wrong_here("an object", "null");
        }
        self.0.push(item);
        Ok(true)
    }
}

struct TextList(Vec<Box<str>>);

impl Elements for TextList {
    fn element<'de, A: SeqAccess<'de>>(
        &mut self,
        cx: &mut Cx,
        _index: usize,
        list: &mut A,
    ) -> Result<bool, A::Error> {
        match list.next_element_seed(TextSeed)? {
            None => return Ok(false),
            Some(Ok(text)) => self.0.push(text.unwrap_or_default()),
            Some(Err(found)) => cx.wrong_here("text", found),
        }
        Ok(true)
    }
}

/// Reads a list element by element.
pub(super) struct ListSeed<'v, E> {
    pub(super) cx: &'v mut Cx,
    pub(super) into: &'v mut E,
}

impl<'de, E: Elements> DeserializeSeed<'de> for ListSeed<'_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Reads an object field by field; the value says whether there was one.
pub(super) struct ObjectSeed<'v, F> {
    pub(super) cx: &'v mut Cx,
    pub(super) into: &'v mut F,
}

impl<'de, F: Fields> DeserializeSeed<'de> for ObjectSeed<'_, F> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Reads an object or a list, whichever comes.
pub(super) struct EitherSeed<'v, T> {
    pub(super) cx: &'v mut Cx,
    pub(super) into: &'v mut T,
}

impl<'de, T: Fields + Elements> DeserializeSeed<'de> for EitherSeed<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Fields + Elements> Visitor<'de> for EitherSeed<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    scalars!(|seed: Self, found| seed.cx.wrong_here("an object", found), |_| ());

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.cx.wrong_here("an object", "text");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        ListSeed {
            cx: self.cx,
            into: self.into,
        }
        .visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        ObjectSeed {
            cx: self.cx,
            into: self.into,
        }
        .visit_map(map)
        .map(drop)
    }
}

fn drain_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

fn drain_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de, F: Fields> Visitor<'de> for ObjectSeed<'_, F> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    scalars!(
        |seed: Self, found| {
            seed.cx.wrong_here("an object", found);
            true
        },
        |_| false
    );

    fn visit_str<E: Error>(self, _: &str) -> Result<bool, E> {
        self.cx.wrong_here("an object", "text");
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<bool, A::Error> {
        self.cx.wrong_here("an object", "a list");
        drain_seq(seq).map(|()| true)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(key) = map.next_key_seed(KeySeed)? {
            self.into.field(
                &key,
                Value {
                    map: &mut map,
                    cx: &mut *self.cx,
                    key: &key,
                },
            )?;
        }
        Ok(true)
    }
}

impl<'de, E: Elements> Visitor<'de> for ListSeed<'_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    scalars!(|seed: Self, found| seed.cx.wrong_here("a list", found), |_| ());

    fn visit_str<R: Error>(self, _: &str) -> Result<(), R> {
        self.cx.wrong_here("a list", "text");
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.cx.wrong_here("a list", "an object");
        drain_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for index in 0.. {
            self.cx.path.push(Step::Index(index));
            let more = self.into.element(self.cx, index, &mut seq);
            self.cx.path.pop();
            if !more? {
                break;
            }
        }
        Ok(())
    }
}

/// A text, or null, or what was found instead.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Result<Option<Box<str>>, Found>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Result<Option<Box<str>>, Found>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    scalars!(|_, found| Err(found), |_| Ok(None));

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Ok(Some(text.into())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Ok(Some(text.into_boxed_str())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        drain_seq(seq).map(|()| Err("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        drain_map(map).map(|()| Err("an object"))
    }
}

/// Whether there is a value other than null.
struct PresentSeed;

impl<'de> DeserializeSeed<'de> for PresentSeed {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PresentSeed {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    scalars!(|_, _| true, |_| false);

    fn visit_str<E: Error>(self, _: &str) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<bool, A::Error> {
        drain_seq(seq).map(|()| true)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        drain_map(map).map(|()| true)
    }
}

/// A key, borrowed where the input allows. YAML keys need not be text: those get a name that no field has.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    scalars!(|_, found| Cow::Borrowed(found), |_| Cow::Borrowed("null"));

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        drain_seq(seq).map(|()| Cow::Borrowed("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        drain_map(map).map(|()| Cow::Borrowed("an object"))
    }
}
