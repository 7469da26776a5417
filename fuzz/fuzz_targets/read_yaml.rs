//! No bytes make the YAML reader or the linter panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use octopus_argo_core::lint::lint_text;
use octopus_argo_core::read::{Format, Limits};

fuzz_target!(|bytes: &[u8]| {
    let _ = lint_text(bytes, Format::Yaml, &Limits::default());
});
