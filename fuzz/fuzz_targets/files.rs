//! What the reader asks for, and what it is answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use privsep::files::{Answer, Ask};
use privsep::frame::Wire;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(ask) = Ask::read(bytes) {
        assert_eq!(ask.encode(), bytes);
        if let Ask::File { name, .. } = &ask {
            assert!(!name.contains(&b'/') && name != b"." && name != b"..");
        }
    }
    if let Ok(answer) = Answer::unseal(bytes) {
        assert_eq!(answer.seal(), bytes);
    }
});
