//! What Octopus answers where it does not do what it was asked.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::or_default;

/// The body of an error. All of it is optional, and only the first two fields are written here.
///
/// Its text is the server's own: it is shown, and never decided by, except for a duplicate name, which Octopus tells in
/// words only.
///
/// Rule: OctopusDeploy/go-octopusdeploy `pkg/core/api_error.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct ErrorBody {
    /// What is wrong, in one sentence.
    #[serde(default, deserialize_with = "or_default")]
    pub error_message: String,
    /// What is wrong, point by point.
    #[serde(default, deserialize_with = "or_default")]
    pub errors: Vec<String>,
    /// A stack trace. It is read, for people who look for the cause, and never written.
    #[serde(default, deserialize_with = "or_default", skip_serializing)]
    pub full_exception: String,
    /// Where to read about it.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub help_link: String,
    /// What to do.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub help_text: String,
    /// The links in the help text.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub parsed_help_links: Vec<String>,
}

impl ErrorBody {
    /// The words in which Octopus refuses a name that is taken. In which field they stand is not public.
    pub const NAME_TAKEN: &str = "An ArgoCDGateway with this name already exists.";

    /// An error with one sentence, and the points that it is about.
    pub fn new(message: impl Into<String>, errors: impl IntoIterator<Item = String>) -> Self {
        Self {
            error_message: message.into(),
            errors: errors.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Reads an error; `None` for a body that is none, such as the page of a proxy. At most `max` characters are kept
    /// of any text.
    #[must_use]
    pub fn from_json(json: &[u8], max: usize) -> Option<Self> {
        let mut body: Self = serde_json::from_slice(json).ok()?;
        let texts = [
            &mut body.error_message,
            &mut body.help_link,
            &mut body.help_text,
            &mut body.full_exception,
        ];
        for text in texts
            .into_iter()
            .chain(&mut body.errors)
            .chain(&mut body.parsed_help_links)
        {
            if let Some((end, _)) = text.char_indices().nth(max) {
                text.truncate(end);
            }
        }
        (body != Self::default()).then_some(body)
    }

    /// Whether it says that the name is taken.
    #[must_use]
    pub fn is_name_taken(&self) -> bool {
        let words = "with this name already exists";
        let texts = [&self.error_message, &self.full_exception].into_iter();
        texts
            .chain(&self.errors)
            .any(|text| text.to_lowercase().contains(words))
    }
}

impl fmt::Display for ErrorBody {
    /// The sentence and the points, each once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.error_message.trim();
        f.write_str(message)?;
        let mut first = message.is_empty();
        for error in self.errors.iter().map(|error| error.trim()) {
            if !error.is_empty() && error != message {
                if !first {
                    f.write_str(" ")?;
                }
                f.write_str(error)?;
                first = false;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_is_seen_wherever_it_stands() {
        let read = |json: &str| ErrorBody::from_json(json.as_bytes(), 100).unwrap();
        assert!(
            read(r#"{"ErrorMessage": "An ArgoCDGateway with this name already exists."}"#).is_name_taken()
        );
        let both = read(
            r#"{"ErrorMessage": "There was a problem.", "Errors": ["an argocdgateway WITH THIS NAME already exists."]}"#,
        );
        assert!(both.is_name_taken());
        assert_eq!(
            both.to_string(),
            "There was a problem. an argocdgateway WITH THIS NAME already exists."
        );
        assert!(!read(r#"{"Errors": ["A space with that name exists."]}"#).is_name_taken());
    }

    #[test]
    fn only_an_error_is_read_as_one_and_never_without_end() {
        assert_eq!(ErrorBody::from_json(b"<html>", 9), None);
        assert_eq!(ErrorBody::from_json(b"{}", 9), None);
        assert_eq!(ErrorBody::from_json(b"[1]", 9), None);
        let long = format!(
            r#"{{"ErrorMessage": "{}", "Errors": null, "X": 1}}"#,
            "\u{e4}".repeat(50)
        );
        assert_eq!(
            ErrorBody::from_json(long.as_bytes(), 9).unwrap().error_message,
            "\u{e4}".repeat(9)
        );
    }

    #[test]
    fn what_is_written_is_the_documented_error() {
        let body = ErrorBody::new("No.", ["Because.".to_owned()]);
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"ErrorMessage":"No.","Errors":["Because."]}"#
        );
    }
}
