//! Logs: several at once, by lines, and what they may do to a terminal.

use nix::sys::signal::Signal;
use system_tests::wait::wait_for;

use crate::client::World;

/// Puts something on the clipboard, sets the title, colours by C1, rings.
const HOSTILE: &str =
    "printf 'a\\033]52;c;eA==\\007b\\033]0;title\\007c\\302\\23331md\\2331m\\re\\tf\\n'";

fn hostile() -> World {
    let world = World::new(|room, config| {
        let script = room.file("hostile.sh", &format!("{HOSTILE}\nexec sleep 1000\n"));
        let command = format!("/bin/sh {}", script.display());
        config.program("hostile", &command, "startsecs=0")
    });
    written(&world, "hostile", "f\n");
    world
}

/// Waits until a log has a text.
fn written(world: &World, name: &str, text: &str) {
    wait_for("output", || world.ctl(&format!("tail -0 {name}")).1.contains(text));
}

#[test]
fn a_terminal_gets_no_commands_from_a_log() {
    let world = hostile();
    // What XML cannot carry was replaced by the daemon; C1 was not.
    let piped = world.run("tail hostile").stdout;
    assert!(
        String::from_utf8_lossy(&piped).contains("c\u{9b}31md"),
        "off a terminal nothing is touched"
    );
    for line in ["tail hostile", "tail -n 5 hostile", "tail -n 5 hostile hostile"] {
        let shown = world.on_terminal(line, &[]);
        let text = String::from_utf8_lossy(&shown);
        assert!(!shown.contains(&0x1b) && !text.contains('\u{9b}'), "{line}: {text:?}");
        assert!(text.contains("c\\x9b31md"), "{line}: {text:?}");
        let raw = world.on_terminal(&format!("{line} --raw"), &[]);
        assert!(String::from_utf8_lossy(&raw).contains("c\u{9b}31md"), "{line}: {raw:?}");
    }
}

#[test]
fn a_terminal_gets_no_commands_from_a_log_that_is_followed() {
    let world = hostile();
    for (line, clean) in [("tail -f hostile", true), ("--raw tail -f hostile", false)] {
        // A tab and an f.
        let shown = world.on_terminal_until(line, "0966");
        let text = String::from_utf8_lossy(&shown);
        assert_eq!(!shown.contains(&0x1b), clean, "{line}: {text:?}");
        assert_eq!(text.contains("\\x1b]52;c;eA==\\x07"), clean, "{line}: {text:?}");
        // A byte that is no character by itself.
        assert_eq!(text.contains("d\\x9b1m\\x0de\tf"), clean, "{line}: {text:?}");
    }
}

fn loud(name: &str) -> String {
    format!("/bin/sh -c 'while :; do echo tick-{name}; echo err-{name} >&2; sleep 0.1; done'")
}

#[test]
fn several_logs_are_followed_line_by_line() {
    let world = World::new(|_, config| {
        config.program("a", &loud("a"), "").program("b", &loud("b"), "").program(
            "c",
            &loud("c"),
            "",
        )
    });
    for (line, word) in [
        ("tail -f a b", "tick"),
        ("tail -f a b stderr", "err"),
        ("tail --stderr -f [ab]", "err"),
        ("tail -f -n 1 a b", "tick"),
        ("tail -f a b c", "tick"),
    ] {
        let mut client = world.begin(line);
        client.until(&format!("a | {word}-a\n"));
        client.until(&format!("b | {word}-b\n"));
        client.signal(Signal::SIGINT);
        let (status, text) = client.end();
        assert_eq!(status, Some(0), "{line}: {text}");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("==> Press Ctrl-C to exit <=="));
        for shown in lines.filter(|shown| !shown.is_empty()) {
            let whole = ["a", "b", "c"].map(|name| format!("{name} | {word}-{name}"));
            assert!(whole.iter().any(|whole| whole == shown), "{line}: {shown:?}");
        }
    }
}

#[test]
fn logs_are_shown_by_lines() {
    let world = World::new(|_, config| {
        let count = "i=0; while [ $i -lt 5000 ]; do echo \"line $i\"; i=$((i+1)); done";
        let script = format!(
            "/bin/sh -c '{count}; echo end; trap \"echo more\" USR1; while :; do sleep 0.1; done'"
        );
        config.program("long", &script, "startsecs=0").program("other", &script, "startsecs=0")
    });
    written(&world, "long", "end\n");
    written(&world, "other", "end\n");
    assert_eq!(world.ctl("tail -n 3 long"), (0, "line 4998\nline 4999\nend\n".to_owned()));
    assert_eq!(world.ctl("tail -n 0 long"), (0, String::new()));
    let (_, all) = world.ctl("tail -n 99999 long");
    assert_eq!(all.lines().count(), 5001);
    let (_, many) = world.ctl("tail -n 3000 long");
    assert_eq!(many.lines().count(), 3000);
    assert!(many.starts_with("line 2001\n"));
    let both = "long | line 4999\nlong | end\nother | line 4999\nother | end\n".to_owned();
    assert_eq!(world.ctl("tail -n 2 long other"), (0, both));
    let one = "nope: ERROR (no such process name)\nlong | end\n".to_owned();
    assert_eq!(world.ctl("tail -n 1 long nope"), (1, one));
    assert_eq!(world.ctl("tail long nope"), (1, "Error: bad channel 'nope'\n".to_owned()));
    let (exit, text) = world.ctl("tail -40 long other nope");
    assert_eq!(exit, 1, "{text}");
    assert!(
        text.starts_with("nope: ERROR (no such process name)\nlong | ")
            && text.ends_with("other | end\n")
    );
    assert_eq!(world.ctl("maintail -n 1").1.lines().count(), 1);
    // More lines than the stream begins with, then what is new.
    let mut client = world.begin("tail -n 2000 -f long");
    client.until("end\n");
    world.ctl("signal USR1 long");
    client.until("end\nmore\n");
    client.signal(Signal::SIGINT);
    let (status, text) = client.end();
    assert_eq!(status, Some(0));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "line 3001");
    assert_eq!(lines.len(), 2003, "{:?}", &lines[lines.len() - 5..]);
}
