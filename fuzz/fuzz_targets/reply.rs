//! What the spawner tells.
#![no_main]

use libfuzzer_sys::fuzz_target;
use privsep::reply::{MAX_DESCRIPTORS, Reply};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reply) = Reply::decode(bytes) {
        assert_eq!(reply.encode(), bytes);
        assert!(reply.descriptors() <= MAX_DESCRIPTORS);
    }
});
