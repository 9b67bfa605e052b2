//! What the reader asks for, and what it is answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use privsep::files::{Answer, Ask};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(ask) = Ask::decode(bytes) {
        assert_eq!(ask.encode(), bytes);
        if let Ask::File { name, .. } = &ask {
            assert!(!name.contains(&b'/') && name != b"." && name != b"..");
        }
    }
    if let Ok(answer) = Answer::decode(bytes) {
        // Fields that a kind does not use are not looked at, so only the value is compared.
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
});
