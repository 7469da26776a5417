//! The outermost value of a document: an object, a list of objects, or an event that holds one.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess};

use super::object::RawObject;
use super::shape::{Cx, EitherSeed, Elements, Fields, ObjectSeed, Value, WrongType};
use super::{Object, Problem};

/// Reads one document and hands its objects over.
pub(super) fn read_document<'de, D: Deserializer<'de>>(
    deserializer: D,
    each: &mut dyn FnMut(Object),
) -> Result<(), Stopped<D::Error>> {
    let mut cx = Cx::default();
    let mut root = Root {
        each,
        object: RawObject::default(),
        content: Content::Object,
        problem: None,
    };
    let read = EitherSeed {
        cx: &mut cx,
        into: &mut root,
    }
    .deserialize(deserializer);
    match (root.problem.take(), read) {
        (Some(problem), _) => Err(Stopped::Problem(problem)),
        (None, Err(error)) => Err(Stopped::Format(error)),
        (None, Ok(())) => root.finish(&mut cx).map_err(Stopped::Problem),
    }
}

/// Reads one element of a list that the caller takes apart, and hands it over.
pub(super) fn read_element<'de, D: Deserializer<'de>>(
    deserializer: D,
    mut cx: Cx,
    each: &mut dyn FnMut(Object),
) -> Result<(), Stopped<D::Error>> {
    let mut object = RawObject::default();
    let seed = ObjectSeed {
        cx: &mut cx,
        into: &mut object,
    };
    let present = seed.deserialize(deserializer).map_err(Stopped::Format)?;
    hand_over(object, present, &mut cx, each).map_err(Stopped::Problem)
}

/// Why a document was not read to its end.
pub(super) enum Stopped<E> {
    /// The text is not of its format, or breaks a limit of the format's reader.
    Format(E),
    /// The text is well formed, but not what we read.
    Problem(Problem),
}

struct Root<'e> {
    each: &'e mut dyn FnMut(Object),
    object: RawObject,
    content: Content,
    /// Why reading stopped. The error that serde carries meanwhile is only a messenger.
    problem: Option<Problem>,
}

/// What the document turned out to hold.
enum Content {
    /// Itself, one object.
    Object,
    /// A list, whose entries have been handed over.
    List,
    /// An event with an object.
    Event(Box<RawObject>),
}

impl Root<'_> {
    fn finish(self, cx: &mut Cx) -> Result<(), Problem> {
        match self.content {
            Content::Object if self.object.is_untouched() => match cx.take_wrong() {
                Some(wrong) => Err(wrong.into()),
                // An empty document, or null.
                None => Ok(()),
            },
            Content::Object => hand_over(self.object, true, cx, self.each),
            Content::Event(object) => hand_over(*object, true, cx, self.each),
            Content::List => cx.take_wrong().map_or(Ok(()), |wrong| Err(wrong.into())),
        }
    }
}

/// Hands over `object`, unless something in it that concerns us has the wrong type.
fn hand_over(
    object: RawObject,
    present: bool,
    cx: &mut Cx,
    each: &mut dyn FnMut(Object),
) -> Result<(), Problem> {
    let wrong = cx.take_wrong();
    if let Some(wrong) = wrong.filter(|_| object.may_concern_us()) {
        return Err(wrong.into());
    }
    if !present {
        return Err(Problem::NotAnObject { found: "null" });
    }
    each(object.finish()?);
    Ok(())
}

impl Fields for Root<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "items" => {
                self.content = Content::List;
                value.list("items", self)
            }
            "result" => {
                let mut event = Event::default();
                value.object("result", &mut event)?;
                self.content = Content::Event(event.object.into());
                Ok(())
            }
            "object" => {
                let mut object = RawObject::default();
                value.object("object", &mut object)?;
                self.content = Content::Event(object.into());
                Ok(())
            }
            _ => self.object.field(key, value),
        }
    }
}

impl Elements for Root<'_> {
    fn element<'de, A: SeqAccess<'de>>(
        &mut self,
        cx: &mut Cx,
        _index: usize,
        list: &mut A,
    ) -> Result<bool, A::Error> {
        self.content = Content::List;
        let mut object = RawObject::default();
        let seed = ObjectSeed {
            cx: &mut *cx,
            into: &mut object,
        };
        let Some(present) = list.next_element_seed(seed)? else {
            return Ok(false);
        };
        hand_over(object, present, cx, self.each).map_err(|problem| {
            self.problem = Some(problem);
            A::Error::custom("stopped")
        })?;
        Ok(true)
    }
}

/// `{"type": "MODIFIED", "application": {…}}`, as Argo CD's API streams it.
#[derive(Default)]
struct Event {
    object: RawObject,
}

impl Fields for Event {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "application" => value.object("application", &mut self.object).map(drop),
            _ => value.skip(),
        }
    }
}

impl From<WrongType> for Problem {
    fn from(wrong: WrongType) -> Self {
        let WrongType {
            path,
            expected,
            found,
        } = wrong;
        if path.is_empty() {
            return Self::NotAnObject { found };
        }
        Self::WrongType {
            path,
            expected,
            found,
        }
    }
}
