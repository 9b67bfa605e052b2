//! What a broker leaves behind: any bytes give a payload or nothing, and a whole copy is found again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use privsep::journal::{COPY, decode, encode, newest};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first_chunk::<COPY>() else {
        return;
    };
    let second = rest.first_chunk::<COPY>().unwrap_or(&[0; COPY]);
    if let Some((seq, payload)) = decode(first) {
        assert_eq!(&encode(seq, &payload), first);
    }
    if let Some((seq, payload, which)) = newest(first, second) {
        assert_eq!(&encode(seq, &payload), if which { second } else { first });
    }
    // A copy that is written after whatever was there is whole.
    let seq = newest(first, second).map_or(1, |(seq, ..)| seq.saturating_add(1));
    let payload = [7; privsep::journal::PAYLOAD];
    assert_eq!(decode(&encode(seq, &payload)), Some((seq, payload)));
});
