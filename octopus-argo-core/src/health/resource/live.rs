//! Reading a live object: what is absent has a default, what has the wrong type is an error with its path.

use std::fmt::Write as _;

use serde_json::Value;

use super::error::CheckError;

/// Field names from an object down to a value.
pub(super) type Path = &'static [&'static str];

/// A live object, or an object within one of its lists. Nothing is copied.
#[derive(Clone, Copy)]
pub(super) struct Live<'a> {
    value: &'a Value,
    /// The list that it is an element of, and its index there.
    within: Option<(Path, usize)>,
}

impl<'a> Live<'a> {
    pub(super) const fn new(value: &'a Value) -> Self {
        Self { value, within: None }
    }

    /// The value at `path`, whatever its type and that of what it stands in.
    ///
    /// Not `Value::pointer`: that one allocates twice for every name on the way.
    pub(super) fn at(self, path: Path) -> Option<&'a Value> {
        path.iter().try_fold(self.value, |value, key| value.get(key))
    }

    /// The value at `path`; `None` where it, or an object on the way, is absent or null.
    fn find(self, path: Path) -> Result<Option<&'a Value>, CheckError> {
        let mut value = self.value;
        for (depth, key) in path.iter().enumerate() {
            match value {
                Value::Object(fields) => match fields.get(*key) {
                    Some(found) => value = found,
                    None => return Ok(None),
                },
                Value::Null => return Ok(None),
                other => return Err(self.wrong(path.get(..depth).unwrap_or(path), "an object", other)),
            }
        }
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    /// A text; empty where it is absent.
    pub(super) fn text(self, path: Path) -> Result<&'a str, CheckError> {
        match self.find(path)? {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.wrong(path, "text", other)),
        }
    }

    /// A whole number, if there is one. `3.0` is one too: the API server's JSON does not tell them apart.
    pub(super) fn number_if_set(self, path: Path) -> Result<Option<i64>, CheckError> {
        match self.find(path)? {
            None => Ok(None),
            Some(value) => match whole(value) {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(path, "a whole number", value)),
            },
        }
    }

    /// A whole number; 0 where it is absent.
    pub(super) fn number(self, path: Path) -> Result<i64, CheckError> {
        self.number_if_set(path).map(Option::unwrap_or_default)
    }

    /// A yes or no; no where it is absent.
    pub(super) fn flag(self, path: Path) -> Result<bool, CheckError> {
        match self.find(path)? {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(path, "true or false", other)),
        }
    }

    /// The object at `path`, if there is one.
    pub(super) fn object(self, path: Path) -> Result<Option<&'a serde_json::Map<String, Value>>, CheckError> {
        match self.find(path)? {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(fields)),
            Some(other) => Err(self.wrong(path, "an object", other)),
        }
    }

    /// The objects of a list; none where it is absent. An element that is null has no fields.
    pub(super) fn objects(
        self,
        path: Path,
    ) -> Result<impl DoubleEndedIterator<Item = Live<'a>> + Clone, CheckError> {
        let list: &'a [Value] = match self.find(path)? {
            None => &[],
            Some(Value::Array(list)) => list,
            Some(other) => return Err(self.wrong(path, "a list", other)),
        };
        let element = move |(index, value)| Live {
            value,
            within: Some((path, index)),
        };
        let elements = list.iter().enumerate().map(element);
        for element in elements.clone() {
            element.object(&[])?;
        }
        Ok(elements)
    }

    /// `status.conditions`. All are checked before the first is given, as Argo CD decodes the whole object first.
    pub(super) fn conditions(self) -> Result<impl Iterator<Item = Condition<'a>> + Clone, CheckError> {
        let list = self.objects(&["status", "conditions"])?;
        for condition in list.clone() {
            Condition::read(condition)?;
        }
        Ok(list.filter_map(|condition| Condition::read(condition).ok()))
    }

    /// Whether the parts that every object has are objects. Argo CD decodes the whole object before it looks at it.
    pub(super) fn check_frame(self) -> Result<(), CheckError> {
        const FRAME: [Path; 5] = [
            &["metadata"],
            &["metadata", "annotations"],
            &["metadata", "labels"],
            &["spec"],
            &["status"],
        ];
        FRAME.into_iter().try_for_each(|path| self.object(path).map(drop))
    }

    /// The annotation called `key`, if there is one.
    pub(super) fn annotation(self, key: &'static str) -> Result<Option<&'a str>, CheckError> {
        let Some(annotations) = self.object(&["metadata", "annotations"])? else {
            return Ok(None);
        };
        match annotations.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(&["metadata", "annotations"], "texts", other)),
        }
    }

    /// Whether the controller has not seen the newest specification yet.
    pub(super) fn is_generation_ahead(self) -> Result<bool, CheckError> {
        let generation = self.number(&["metadata", "generation"])?;
        Ok(generation > self.number(&["status", "observedGeneration"])?)
    }

    fn wrong(self, path: Path, expected: &'static str, found: &Value) -> CheckError {
        let mut full = String::new();
        if let Some((list, index)) = self.within {
            full.push_str(&list.join("."));
            // Writing to a `String` cannot fail.
            let _ = write!(full, "[{index}]");
        }
        for key in path {
            if !full.is_empty() {
                full.push('.');
            }
            full.push_str(key);
        }
        CheckError::Field {
            path: full.into(),
            expected,
            found: type_of(found),
        }
    }
}

/// A condition of an object's status.
#[derive(Clone, Copy)]
pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

impl<'a> Condition<'a> {
    fn read(live: Live<'a>) -> Result<Self, CheckError> {
        Ok(Self {
            kind: live.text(&["type"])?,
            status: live.text(&["status"])?,
            reason: live.text(&["reason"])?,
            message: live.text(&["message"])?,
        })
    }

    pub(super) fn is_true(&self) -> bool {
        self.status == "True"
    }
}

fn whole(value: &Value) -> Option<i64> {
    /// Every whole number up to here is a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let Value::Number(number) = value else {
        return None;
    };
    if let Some(whole) = number.as_i64() {
        return Some(whole);
    }
    let float = number.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and small enough to be exact"
    )]
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_name_the_path_and_what_was_found() {
        let object = json!({"status": {"conditions": [{}, {"type": 3}]}, "spec": []});
        let live = Live::new(&object);
        let message = |error: Option<CheckError>| error.unwrap().to_string();
        assert_eq!(
            message(live.conditions().err()),
            "status.conditions[1].type: expected text, found a number"
        );
        assert_eq!(
            message(live.number(&["spec", "replicas"]).err()),
            "spec: expected an object, found a list"
        );
    }

    #[test]
    fn null_is_absent_and_whole_floats_are_numbers() {
        let object = json!({"a": null, "b": 3.0, "c": 2.5, "d": 18_446_744_073_709_551_615_u64});
        let live = Live::new(&object);
        assert_eq!(live.number_if_set(&["a", "b"]).unwrap(), None);
        assert_eq!(live.number(&["b"]).unwrap(), 3);
        assert!(live.number(&["c"]).is_err() && live.number(&["d"]).is_err());
    }
}
