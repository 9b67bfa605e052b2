//! What broker and PAM helper say to each other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use privsep::frame::Wire;
use privsep::login::{Attempt, MAX_ATTEMPT, MAX_GROUPS, MAX_SECRET, Verdict};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(attempt) = Attempt::read(bytes) {
        assert_eq!(attempt.encode(), bytes);
        assert!(bytes.len() <= MAX_ATTEMPT);
        for text in [&attempt.name, &attempt.password] {
            assert!((1..=MAX_SECRET).contains(&text.len()) && !text.contains(&0));
        }
    }
    if let Ok(verdict) = Verdict::unseal(bytes) {
        assert_eq!(verdict.seal(), bytes);
        if let Verdict::Accepted { groups, .. } = verdict {
            assert!(groups.len() <= MAX_GROUPS);
        }
    }
});
