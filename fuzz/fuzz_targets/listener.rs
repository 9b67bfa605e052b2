//! Event listeners: what they say, in pieces of any size, and what a broker leaves on its tape. Any bytes are a tape; what
//! is read of one is the same when it is read again; and at every few steps, and wherever it matters, the tape says what
//! is in memory.
//!
//! The first byte says whether the others are a tape, what one listener says, or acts.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use supervisor::config::settings::Level;
use supervisor::events::{
    About, Channel, Event, Exchange, Input, Kept, Kinds, Now, Output, Pool, names,
};

const IDENTIFIER: &str = "supervisor";

fn pools() -> Vec<Pool> {
    let kinds = |name| Kinds::named(name).expect("a name");
    let listeners = |slots: &[u32]| slots.iter().map(|slot| (*slot, format!("l{slot}"))).collect();
    vec![
        Pool {
            name: "a".to_owned(),
            buffer_size: 2,
            kinds: kinds("EVENT"),
            listeners: listeners(&[0, 1]),
        },
        Pool {
            name: "b".to_owned(),
            buffer_size: 100,
            kinds: kinds("PROCESS_LOG").or(kinds("TICK_5")),
            listeners: listeners(&[2]),
        },
    ]
}

fn at(millis: u64) -> Now {
    Now { mono: Duration::from_millis(millis), wall: Duration::from_millis(millis) }
}

fn a_tape(bytes: &[u8]) {
    let mut exchange = Exchange::restore(IDENTIFIER, bytes);
    let snapshot = exchange.snapshot();
    let again = Exchange::restore(IDENTIFIER, &snapshot);
    assert!(again.snapshot() == snapshot && again.redo() == exchange.redo());
    for name in names() {
        assert!(Kinds::named(name).is_some());
    }
    let kept = [0, 1, 2].map(|slot| Kept { slot, instance: 1, running: true, staged: 3 });
    let mut tape = snapshot;
    let mut out = Vec::new();
    exchange.resume(at(1_000), &kept, &mut out);
    tape.extend(exchange.records());
    for input in [Input::Timer, Input::Pools(pools()), Input::Timer] {
        exchange.handle(at(2_000_000), input, &mut out);
        tape.extend(exchange.records());
    }
    assert!(Exchange::restore(IDENTIFIER, &tape).snapshot() == exchange.snapshot());
}

/// The lines from WARN up that a listener without events causes, when it says this in pieces of some size.
fn complaints(bytes: &[u8], size: usize) -> Vec<String> {
    let mut exchange = Exchange::new(IDENTIFIER, 0);
    let mut out = Vec::new();
    exchange.log_from(Level::Warn);
    exchange.handle(at(0), Input::Pools(pools()), &mut out);
    for (turn, bytes) in (1..).zip(bytes.chunks(size)) {
        let bytes = bytes.to_vec();
        exchange.handle(at(0), Input::Heard { slot: 0, instance: 1, turn, bytes }, &mut out);
    }
    let line = |output| match output {
        Output::Log(_, text) => Some(text),
        _ => None,
    };
    out.into_iter().filter_map(line).collect()
}

struct Acts<'a> {
    bytes: &'a [u8],
    exchange: Exchange,
    tape: Vec<u8>,
    millis: u64,
    turn: u32,
    /// Steps since the tape was read last.
    unread: u32,
    /// By slot: an event is being sent, and how long it is.
    sending: [Option<usize>; 3],
}

impl Acts<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    fn text(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte() & 31).min(self.bytes.len());
        let (text, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        text.to_vec()
    }

    fn done(&mut self, out: Vec<Output>, anew: bool) {
        self.tape.extend(self.exchange.records());
        for output in out {
            if let Output::Send { slot, event, from, .. } = output {
                let sending = &mut self.sending[slot as usize];
                assert!(from < event.len());
                assert!(anew || sending.is_none() || from > 0, "two events at once");
                *sending = Some(event.len());
            }
        }
        self.unread += 1;
        if self.unread >= 8 {
            self.check();
        }
    }

    /// What the tape says is what is in memory. Reading it takes longer than many steps.
    fn check(&mut self) -> Exchange {
        self.unread = 0;
        let again = Exchange::restore(IDENTIFIER, &self.tape);
        assert!(again.snapshot() == self.exchange.snapshot(), "the tape is another");
        again
    }

    fn act(&mut self) {
        let code = self.byte();
        let slot = u32::from(code >> 4) % 3;
        let instance = u32::from(code >> 6) + 1;
        let mut out = Vec::new();
        let about = About { process: "p", group: "g" };
        self.turn += 1;
        let turn = self.turn;
        let input = match code & 15 {
            0..=3 => Input::Heard { slot, instance, turn, bytes: self.text() },
            4 => Input::Spawned { slot, instance },
            5 => Input::Running { slot, instance, running: code & 32 == 0 },
            6 => Input::Ended { slot, instance },
            7 => Input::Staged { slot, instance, done: usize::from(self.byte()) },
            8 => Input::Spliced { slot, instance },
            9 => Input::Broken { slot, instance },
            10 => {
                let kept = [0, 1, 2].map(|slot| Kept {
                    slot,
                    instance,
                    running: code & 32 == 0,
                    staged: usize::from(code & 16),
                });
                self.exchange = self.check();
                self.exchange.resume(at(self.millis), &kept, &mut out);
                return self.done(out, true);
            }
            11 => {
                self.millis += 100 * u64::from(self.byte());
                Input::Timer
            }
            12 => {
                let (slot, data) = (9, self.text());
                let events = vec![Event::log(about, Channel::Stderr, 1, &data)];
                Input::Told { slot, instance, channel: Channel::Stderr, turn, events }
            }
            13 => {
                let many = usize::from(self.byte() & 7);
                Input::Pools(pools().into_iter().rev().take(many).collect())
            }
            _ => {
                let data = self.text();
                Input::Happened(vec![Event::communication(about, Channel::Stdout, 1, &data); 2])
            }
        };
        let ends =
            matches!(input, Input::Ended { .. } | Input::Spawned { .. } | Input::Broken { .. });
        let ends =
            ends || matches!(input, Input::Spliced { .. } | Input::Heard { .. } | Input::Pools(_));
        if ends {
            // Whatever was on its way may be through or given up.
            self.sending = [None; 3];
        }
        self.exchange.handle(at(self.millis), input, &mut out);
        self.done(out, false);
        if self.tape.len() > 2_000 {
            self.check();
            self.tape = self.exchange.snapshot();
        }
    }
}

fn acts(bytes: &[u8]) {
    let exchange = Exchange::new(IDENTIFIER, 0);
    let tape = exchange.snapshot();
    let mut acts =
        Acts { bytes, exchange, tape, millis: 0, turn: 0, unread: 0, sending: [None; 3] };
    let mut out = Vec::new();
    acts.exchange.handle(at(0), Input::Pools(pools()), &mut out);
    acts.done(out, false);
    while !acts.bytes.is_empty() {
        acts.act();
    }
    acts.check();
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => a_tape(bytes),
        1 => {
            let size = usize::from(*kind) + 1;
            assert_eq!(complaints(bytes, 1), complaints(bytes, size));
        }
        _ => acts(bytes),
    }
});
