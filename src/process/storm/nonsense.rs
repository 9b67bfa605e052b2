//! Inputs and journals without any sense.

use std::collections::BTreeSet;
use std::time::Duration;

use privsep::journal::Payload;
use privsep::reply::Stage;

use super::Dice;
use super::settings::some_settings;
use crate::process::record::Record;
use crate::process::world::{failure, millis};
use crate::process::{Command, Heart, Input, Now, Output, Ticket};

#[test]
fn nonsense_does_no_harm() {
    for seed in 1..=200 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let settings = some_settings(&mut dice);
        let journal: Vec<Option<Payload>> = (0..dice.below(12))
            .map(|_| {
                let bytes = std::array::from_fn(|_| dice.next() as u8);
                let known = Record::default().encode();
                Some(if dice.percent(50) { bytes } else { known })
            })
            .collect();
        let mut heart = Heart::new(&settings, &journal);
        let mut now = Now { mono: Duration::ZERO, wall: Duration::ZERO };
        let mut open = BTreeSet::new();
        for ticket in 0..400u64 {
            now.mono = now.mono.saturating_add(millis(dice.below(3_000)));
            let slot = dice.below(9) as u32;
            let instance = [0, 1, 2, 3, u32::MAX][dice.below(5) as usize];
            let number = dice.next() as i32;
            let broken = failure(Stage::Find, number);
            let input = match dice.below(12) {
                0 | 1 => Input::Spawned { slot, instance, pid: number, failure: None },
                2 => Input::SpawnFailed { slot, failure: broken },
                3 => Input::Probed { slot, failure: dice.percent(50).then_some(broken) },
                4 | 5 => Input::Exited {
                    slot,
                    instance,
                    status: number,
                    at: Duration::from_nanos(dice.next()),
                },
                6 => Input::SignalFailed { slot, instance, errno: number % 5 },
                7 => Input::Begin,
                8 if dice.percent(10) => Input::Shutdown,
                8 => Input::Renew { slot, instance },
                9 | 10 => {
                    open.insert(ticket);
                    let slots = vec![slot, dice.below(9) as u32];
                    let wait = dice.percent(50);
                    let command = match dice.below(3) {
                        0 => Command::Start { slots, wait },
                        1 => Command::Stop { slots, wait },
                        _ => Command::Restart { slots, wait },
                    };
                    let ticket = Ticket(ticket);
                    Input::Command { ticket, command }
                }
                _ => Input::Timer,
            };
            let mut out = Vec::new();
            heart.handle(now, input, &mut out);
            if dice.percent(5) {
                let name = ["one", "two", "three", "new"][dice.below(4) as usize];
                let _ = heart.remove(now, name, &mut out);
            }
            heart.dirty();
            for output in out {
                if let Output::Reply(Ticket(ticket), _) = output {
                    assert!(open.remove(&ticket), "answered twice");
                }
            }
            for slot in 0..9 {
                heart.info(slot, now);
            }
        }
    }
}
