//! No bytes make the JSON reader or the linter panic, and a stream reads what a slice reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use octopus_argo_core::lint::lint_text;
use octopus_argo_core::read::{Format, Limits, read, read_slice};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let (mut from_slice, mut from_stream) = (Vec::new(), Vec::new());
    let sliced = read_slice(bytes, Format::Json, &limits, |object| {
        from_slice.push(format!("{object:?}"))
    });
    let streamed = read(bytes, Format::Json, &limits, |object| {
        from_stream.push(format!("{object:?}"))
    });
    // A stream allows less depth in what it skips.
    if sliced.is_ok() && streamed.is_ok() {
        assert_eq!(from_slice, from_stream);
    }
    let _ = lint_text(bytes, Format::Json, &limits);
});
