//! A key that parses prints as it was, and is relevant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use octopus_argo_core::annotation::{Key, is_relevant};

fuzz_target!(|text: &str| {
    if let Some(key) = Key::parse(text) {
        assert_eq!(key.to_string(), text);
        assert!(key.is(text) && is_relevant(text));
    }
    let _ = is_relevant(text);
});
