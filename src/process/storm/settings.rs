//! Settings at random.

use privsep::request::Slot;

use super::{Dice, HURRY};
use crate::config::settings::{Autorestart, Group, Of, Process, Settings};
use crate::process::world::{program, settings};

pub(super) fn some_program(dice: &mut Dice, name: &str) -> Process {
    Process {
        priority: dice.below(3) as i64,
        autostart: dice.percent(70),
        autorestart: match dice.below(3) {
            0 => Autorestart::Never,
            1 => Autorestart::Unexpected,
            _ => Autorestart::Always,
        },
        startsecs: dice.below(4) as i64 - 1,
        startretries: dice.below(5) as i64 - 1,
        stopwaitsecs: dice.below(6) as i64 - 1,
        stopasgroup: dice.percent(30),
        killasgroup: dice.percent(30),
        killtree: dice.percent(30),
        command_error: dice.percent(5).then(|| "command is empty".to_owned()),
        ..program(name)
    }
}

/// A group of these slots, and nothing else.
pub(super) fn some_group(dice: &mut Dice, name: &str, slots: Vec<Slot>) -> Settings {
    let mut settings = settings(Vec::new());
    for slot in &slots {
        let process = some_program(dice, &format!("{name}{slot}"));
        settings.processes.insert(*slot, Process { group: name.to_owned(), ..process });
    }
    let (name, priority) = (name.to_owned(), dice.below(3) as i64);
    settings.groups.push(Group { name, priority, of: Of::Programs, slots });
    settings
}

pub(super) fn some_settings(dice: &mut Dice) -> Settings {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let mut programs: Vec<Process> = names.iter().map(|name| some_program(dice, name)).collect();
    let rest = programs.split_off(2);
    let mut middle = rest;
    let last = middle.split_off(3);
    let mut settings = settings(vec![
        ("one", dice.below(3) as i64, programs),
        ("two", dice.below(3) as i64, middle),
        ("three", dice.below(3) as i64, last),
    ]);
    settings.shutdown_timeout = dice.percent(30).then_some(HURRY);
    settings
}
