//! The caller's words on their way to the reader.
#![no_main]

use libfuzzer_sys::fuzz_target;
use privsep::frame::Wire;
use privsep::start::Start;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(start) = Start::decode(bytes) {
        assert_eq!(start.encode(), bytes);
    }
});
