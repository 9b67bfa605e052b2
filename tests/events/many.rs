//! Ten thousand events.

use system_tests::{Config, Room, poll_until, wait_for};

use crate::{MANY, MESSAGES, heard, launch, launch_many, numbers, pool, speaker};

#[test]
fn one_listener_hears_all_in_order() {
    let room = Room::new();
    let listener = format!("record {}", room.text("heard"));
    let mut daemon = launch_many(&room, ("all", &listener, ""), MANY);
    daemon.wait_running("all");
    room.file("go", "");
    wait_for("the last event", || heard(&room, "heard").len() as u64 >= MANY);
    let events = heard(&room, "heard");
    assert_eq!(numbers(&events), (1..=MANY).collect::<Vec<_>>());
    // Nobody else asks for anything: both numbers go up by one.
    let first = events[0].serial;
    for (event, expected) in events.iter().zip(0..) {
        assert_eq!((event.serial, event.pool_serial), (first + expected, expected));
        assert_eq!(event.of_type, "PROCESS_COMMUNICATION_STDOUT");
    }
    assert!(!daemon.activity().contains("overflowed"), "{}", daemon.activity());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn four_listeners_share_what_there_is_and_each_hears_it_in_order() {
    let room = Room::new();
    let listener = format!("record {}.%(process_num)d", room.text("heard"));
    let several = "numprocs=4\nprocess_name=%(program_name)s_%(process_num)d";
    let mut daemon = launch_many(&room, ("all", &listener, several), MANY);
    for n in 0..4 {
        daemon.wait_running(&format!("all:all_{n}"));
    }
    room.file("go", "");
    let files: Vec<String> = (0..4).map(|n| format!("heard.{n}")).collect();
    let all = || files.iter().map(|file| heard(&room, file)).collect::<Vec<_>>();
    wait_for("the last event", || all().iter().map(Vec::len).sum::<usize>() as u64 >= MANY);
    let lists = all();
    for list in &lists {
        assert!(list.windows(2).all(|two| two[0].serial < two[1].serial), "out of order");
    }
    let mut together = lists.concat();
    together.sort_by_key(|event| event.serial);
    assert_eq!(numbers(&together), (1..=MANY).collect::<Vec<_>>());
    let serials: Vec<u64> = together.iter().map(|event| event.pool_serial).collect();
    assert_eq!(serials, (0..MANY).collect::<Vec<_>>());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_does_not_fit_is_counted_and_named() {
    const ROOM: u64 = 100;
    let room = Room::new();
    let listener = format!("held {} {}", room.text("heard"), room.text("answer"));
    let (first, lines) = speaker(&room, 1, 1, "go-first");
    let (rest, _) = speaker(&room, 2, MANY, "go-rest");
    let config = Config::new(&room)
        .section(&pool(&room, "full", &listener, &format!("{MESSAGES}\nbuffer_size={ROOM}")))
        .program("first", &first, lines)
        .program("rest", &rest, lines);
    let mut daemon = launch(&room, &config);
    daemon.wait_running("full");
    room.file("go-first", "");
    let held = poll_until("the first event", || heard(&room, "heard").first().cloned());
    room.file("go-rest", "");
    // One is with the listener, so many wait, the others had to go.
    let lost = MANY - 1 - ROOM;
    let line = "ERRO pool full event buffer overflowed, discarding event ";
    let discarded = || {
        let log = daemon.activity();
        let rows = log.lines().filter_map(|row| row.split_once(line));
        rows.map(|(_, serial)| serial.parse::<u64>().expect("a serial")).collect::<Vec<_>>()
    };
    wait_for("all to be said", || discarded().len() as u64 >= lost);
    let expected: Vec<u64> = (held.serial + 1..=held.serial + lost).collect();
    assert_eq!(discarded(), expected);
    room.file("answer", "");
    wait_for("those that waited", || heard(&room, "heard").len() as u64 > ROOM);
    let waited = numbers(&heard(&room, "heard")[1..]);
    assert_eq!(waited, (MANY - ROOM + 1..=MANY).collect::<Vec<_>>());
    let summary = format!(
        "WARN pool full event buffer has room again, {lost} events were discarded, serials {} to {}",
        expected[0],
        held.serial + lost
    );
    wait_for("a line that counts them", || daemon.activity().contains(&summary));
    assert_eq!(discarded().len() as u64, lost, "more was lost later");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_is_rejected_keeps_its_place() {
    const EVENTS: u64 = 500;
    let room = Room::new();
    let listener = format!("rejects {} 100", room.text("heard"));
    let mut daemon = launch_many(&room, ("picky", &listener, ""), EVENTS);
    daemon.wait_running("picky");
    room.file("go", "");
    wait_for("the last event", || {
        heard(&room, "heard").last().is_some_and(|event| event.last_line == EVENTS.to_string())
    });
    // Whatever was rejected came again at once after itself.
    let mut all = numbers(&heard(&room, "heard"));
    assert_eq!(all.len() as u64, EVENTS + EVENTS / 100);
    assert!(all.is_sorted());
    all.dedup();
    assert_eq!(all, (1..=EVENTS).collect::<Vec<_>>());
    let rejections = daemon.activity().matches("WARN picky: event was rejected").count() as u64;
    assert_eq!(rejections, EVENTS / 100);
    assert_eq!(daemon.stop(), 0);
}
