//! Brokers that die while there is much to tell.

use std::time::Duration;

use system_tests::{Config, Room, wait_for};

use crate::{MANY, MESSAGES, heard, launch, launch_many, numbers, pool};

#[test]
fn nothing_is_lost_or_doubled_by_another_broker() {
    let room = Room::new();
    let listener = format!("record {}", room.text("heard"));
    let mut daemon = launch_many(&room, ("all", &listener, ""), MANY);
    let process = daemon.wait_running("all");
    room.file("go", "");
    for part in [MANY / 10, MANY / 2] {
        wait_for("a part of the events", || heard(&room, "heard").len() as u64 >= part);
        daemon.replace_broker();
    }
    wait_for("the last event", || heard(&room, "heard").len() as u64 >= MANY);
    // Had any come twice, it would be there by now or come soon.
    std::thread::sleep(Duration::from_millis(200));
    let events = heard(&room, "heard");
    assert_eq!(numbers(&events), (1..=MANY).collect::<Vec<_>>());
    let serials: Vec<u64> = events.iter().map(|event| event.pool_serial).collect();
    assert_eq!(serials, (0..MANY).collect::<Vec<_>>());
    assert_eq!(daemon.program("all"), process, "the listener was started again");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn whatever_listeners_do_all_of_it_goes_on() {
    const EVENTS: u64 = 600;
    let room = Room::new();
    let how = |name: &str, mode: &str| {
        let mode = mode.replace("FILE", &room.text(name));
        pool(&room, name, &mode, &format!("{MESSAGES}\nbuffer_size={EVENTS}\nautorestart=true"))
    };
    let helper = room.helper("listener");
    // Each takes several pages of a pipe.
    let speaker = format!("{} says 1 {EVENTS} {} 20000", helper.display(), room.text("go"));
    let config = Config::new(&room)
        .section(&how("good", "record FILE"))
        .section(&how("picky", "rejects FILE 97"))
        .section(&how("mortal", "dies FILE 150"))
        .program("speaker", &speaker, "stdout_capture_maxbytes=1MB\nstartsecs=0");
    let mut daemon = launch(&room, &config);
    for name in ["good", "picky", "mortal"] {
        daemon.wait_running(name);
    }
    room.file("go", "");
    let arrived =
        |name: &str| heard(&room, name).last().is_some_and(|e| e.last_line == EVENTS.to_string());
    for part in [1, 3, 5] {
        wait_for("a part of the events", || heard(&room, "good").len() as u64 >= part * EVENTS / 8);
        daemon.replace_broker();
    }
    for name in ["good", "picky", "mortal"] {
        wait_for(&format!("the last event of {name}"), || arrived(name));
        let events = heard(&room, name);
        let mut all = numbers(&events);
        assert!(all.is_sorted(), "{name}: {all:?}");
        all.dedup();
        assert_eq!(all, (1..=EVENTS).collect::<Vec<_>>(), "{name}");
        // What is rejected and what a death leaves comes again, and nothing else.
        let heard = events.len() as u64;
        let again = heard - EVENTS;
        let expected = match name {
            "picky" => heard / 97,
            "mortal" => (heard - 1) / 151,
            _ => 0,
        };
        assert_eq!(again, expected, "{name}: {heard} events");
    }
    assert_eq!(daemon.stop(), 0);
}
