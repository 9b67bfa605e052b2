//! What the broker asks. Bytes that decode encode to the same bytes: there is one way to say a thing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use privsep::request::Request;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((seq, request)) = Request::decode(bytes) {
        assert_eq!(request.encode(seq), bytes);
    }
});
