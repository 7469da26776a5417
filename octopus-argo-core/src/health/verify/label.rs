//! Which applications a verification is about, by their labels.

/// Why a text is not a label filter.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelFilterError {
    /// It is no regular expression, or one that is not supported, such as one with look-around.
    #[error("not a regular expression: {message}")]
    #[non_exhaustive]
    Syntax {
        /// What the expression's reader said.
        message: String,
    },
    /// Compiled, it is larger than [`LabelFilter::SIZE_LIMIT`].
    #[error(
        "the regular expression is larger than the {} bytes it may have compiled",
        LabelFilter::SIZE_LIMIT
    )]
    TooLarge,
    /// This build has no regular expressions.
    #[error("this build has no regular expressions: enable the feature `regex` of octopus-argo-core")]
    NotBuiltIn,
}

/// A regular expression over an application's labels, each written `key: value` and tested alone.
///
/// It may match anywhere in the text, and case counts. Empty means every application; otherwise an application without
/// labels does not pass. Matching takes time linear in the text, whatever the expression. Expressions with look-around
/// or back-references, which cannot promise that, are refused.
///
/// Rule: Octopus docs, "Wait for Argo CD applications"; unanchored and case-sensitive are ours.
///
#[cfg_attr(feature = "regex", doc = "```")]
#[cfg_attr(not(feature = "regex"), doc = "```ignore")]
/// use octopus_argo_core::health::verify::LabelFilter;
///
/// let filter = LabelFilter::new("team: (payments|risk)")?;
/// assert!(filter.matches([("tier", "1"), ("team", "payments")]));
/// assert!(!filter.matches([]));
/// # Ok::<(), octopus_argo_core::health::verify::LabelFilterError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct LabelFilter(Option<Expression>);

#[cfg(feature = "regex")]
type Expression = regex::Regex;
/// Without the feature no filter but the empty one exists.
#[cfg(not(feature = "regex"))]
type Expression = std::convert::Infallible;

impl LabelFilter {
    /// The most bytes that a compiled expression may take: a tenth of what the `regex` crate allows by default.
    pub const SIZE_LIMIT: usize = 1 << 20;

    /// The filter for this expression. Empty text lets every application pass; blanks are not trimmed.
    ///
    /// # Errors
    /// [`LabelFilterError`] says why it is no filter.
    pub fn new(expression: &str) -> Result<Self, LabelFilterError> {
        if expression.is_empty() {
            return Ok(Self(None));
        }
        compile(expression).map(|expression| Self(Some(expression)))
    }

    /// Whether an application with these labels passes.
    #[must_use]
    pub fn matches<'a>(&self, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
        let Some(expression) = &self.0 else {
            return true;
        };
        let mut text = String::new();
        labels.into_iter().any(|(key, value)| {
            text.clear();
            text.push_str(key);
            text.push_str(": ");
            text.push_str(value);
            is_match(expression, &text)
        })
    }
}

#[cfg(feature = "regex")]
fn compile(expression: &str) -> Result<Expression, LabelFilterError> {
    let compiled = regex::RegexBuilder::new(expression)
        .size_limit(LabelFilter::SIZE_LIMIT)
        .build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => LabelFilterError::TooLarge,
        // The last line says what is wrong; those above draw the expression.
        other => LabelFilterError::Syntax {
            message: other
                .to_string()
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned(),
        },
    })
}

#[cfg(feature = "regex")]
fn is_match(expression: &Expression, text: &str) -> bool {
    expression.is_match(text)
}

#[cfg(not(feature = "regex"))]
fn compile(_: &str) -> Result<Expression, LabelFilterError> {
    Err(LabelFilterError::NotBuiltIn)
}

#[cfg(not(feature = "regex"))]
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "one signature with and without the feature"
)]
fn is_match(expression: &Expression, _: &str) -> bool {
    match *expression {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_filter_lets_everything_pass() {
        assert!(LabelFilter::new("").unwrap().matches([]));
        assert!(LabelFilter::default().matches([("team", "payments")]));
    }

    #[cfg(feature = "regex")]
    #[test]
    fn labels_are_tested_one_by_one_with_case() {
        let matches = |expression: &str| {
            let filter = LabelFilter::new(expression).unwrap();
            filter.matches([("team", "payments"), ("tier", "1")])
        };
        assert!(matches("^team: payments$") && matches("ier: \\d") && matches("(?i)TEAM"));
        assert!(!matches("Team") && !matches("payments.*tier") && !matches("team:payments"));
        assert!(!LabelFilter::new(".*").unwrap().matches([]));
    }

    #[cfg(feature = "regex")]
    #[test]
    fn what_cannot_be_compiled_is_refused() {
        let unclosed = LabelFilter::new("(team").unwrap_err();
        assert_eq!(unclosed.to_string(), "not a regular expression: unclosed group");
        assert!(matches!(
            LabelFilter::new("(?=x)"),
            Err(LabelFilterError::Syntax { .. })
        ));
        assert!(matches!(
            LabelFilter::new("(\\w{100}){100}"),
            Err(LabelFilterError::TooLarge)
        ));
    }

    #[cfg(not(feature = "regex"))]
    #[test]
    fn without_the_feature_a_filter_is_refused() {
        assert!(matches!(LabelFilter::new("x"), Err(LabelFilterError::NotBuiltIn)));
    }
}
