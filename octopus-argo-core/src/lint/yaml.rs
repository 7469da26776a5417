//! The events of a YAML text.

use granit_parser::{Event as Yaml, Parser};

use super::locate::{Event, Locator};

/// Tells `locator` what stands where. Aliases are not followed, so the work is that of the text's length.
pub(super) fn events(text: &str, locator: &mut Locator) {
    for event in Parser::new_from_str(text) {
        // The text has been read: where its second reader disagrees, what it has found so far stands.
        let Ok((event, span)) = event else { return };
        let place = (span.start.line(), span.start.col() + 1);
        let event = match &event {
            Yaml::DocumentStart(..) => Event::DocumentStart,
            Yaml::DocumentEnd => Event::DocumentEnd,
            Yaml::MappingStart(..) => Event::MapStart,
            Yaml::SequenceStart(..) => Event::ListStart,
            Yaml::MappingEnd | Yaml::SequenceEnd => Event::End,
            Yaml::Scalar(text, ..) => Event::Text(text),
            Yaml::Alias(_) => Event::Other,
            _ => continue,
        };
        locator.event(event, place);
    }
}
