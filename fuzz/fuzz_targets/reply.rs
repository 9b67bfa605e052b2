//! What the spawner tells.
#![no_main]

use libfuzzer_sys::fuzz_target;
use privsep::reply::{MAX_DESCRIPTORS, Reply, STAGING, STDIN};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reply) = Reply::decode(bytes) {
        assert_eq!(reply.encode(), bytes);
        assert!(reply.descriptors() <= MAX_DESCRIPTORS);
        if let Reply::Spawned { pipes, .. } = reply {
            assert!(pipes & STAGING == 0 || pipes & STDIN != 0);
        }
    }
});
