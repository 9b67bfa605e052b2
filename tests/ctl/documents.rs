//! JSON, read by somebody else.

use nix::sys::signal::Signal;

use crate::client::{World, python};

/// Prints, of documents between NULs, what matters of each on a line.
const SUMMARY: &str = r#"
import json, sys
for text in sys.stdin.read().split("\0")[:-1]:
    document = json.loads(text)
    assert document["schema"] == 1, document
    assert set(document) == {"schema", "action", "exit", "results", "errors", "messages"}, document
    def word(result):
        names = [result.get("name", result.get("group", ""))]
        for key in ("outcome", "statename", "pid", "text", "version", "inuse"):
            if key in result and key not in ("pid",):
                names.append(str(result[key]).strip())
        return " ".join(names).strip()
    results = ", ".join(map(word, document["results"]))
    errors = ", ".join(" ".join([e.get("name", ""), e["code"]]).strip() for e in document["errors"])
    assert all(e["message"] for e in document["errors"]), document
    messages = bool(document["messages"])
    print(f"{document['action']} {document['exit']} [{results}] [{errors}] {messages}")
"#;

fn world() -> World {
    World::new(|_, config| {
        config
            .program("one", "/bin/sleep 1000", "startsecs=0")
            .program("off", "/bin/sleep 1000", "autostart=false\nstartsecs=0")
            .program("sick", "/nonexistent/x", "autostart=false\nstartretries=0")
            .program("talk", "/bin/sh -c 'echo hello; exec sleep 1000'", "startsecs=0")
    })
}

#[test]
fn every_action_prints_one_document() {
    let world = world();
    world.daemon.wait_running("talk");
    let lines = [
        ("status", "status 3 [off STOPPED, one RUNNING, sick STOPPED, talk RUNNING] [] False"),
        ("status one nope n:*", "status 4 [one RUNNING] [nope BAD_NAME, n NO_SUCH_GROUP] False"),
        ("pid one", "pid 0 [one] [] False"),
        ("pid", "pid 0 [supervisord] [] False"),
        ("pid nope off", "pid 7 [off] [nope BAD_NAME] False"),
        (
            "start off one sick nope",
            "start 1 [off started] [one ALREADY_STARTED, sick NO_FILE, nope BAD_NAME] False",
        ),
        ("start", "start 2 [] [USAGE] True"),
        ("stop off sick", "stop 0 [off stopped] [sick NOT_RUNNING] False"),
        (
            "restart off x:*",
            "restart 2 [off started] [off NOT_RUNNING, x NO_SUCH_GROUP, x NO_SUCH_GROUP] False",
        ),
        ("signal WINCH one nope", "signal 1 [one signalled] [nope BAD_NAME] False"),
        ("signal NOPE one", "signal 1 [] [one BAD_SIGNAL] False"),
        ("tail talk", "tail 0 [talk hello] [] False"),
        ("tail -n 1 talk one", "tail 0 [talk hello, one] [] False"),
        ("tail nope", "tail 1 [] [nope BAD_NAME] False"),
        ("tail talk foo", "tail 1 [] [USAGE] False"),
        ("tail -f nope", "tail 1 [] [nope CANNOT_FOLLOW] False"),
        ("clear talk nope", "clear 1 [talk cleared] [nope BAD_NAME] False"),
        ("version", "version 0 [4.3.0] [] False"),
        ("version x", "version 1 [] [USAGE] True"),
        ("avail", "avail 0 [off True, one True, sick True, talk True] [] False"),
        ("reread", "reread 0 [] [] True"),
        ("update", "update 0 [] [] False"),
        ("update nope", "update 1 [] [nope NO_SUCH_GROUP] False"),
        ("update --dry-run", "update 0 [] [] False"),
        ("add one nope", "add 1 [] [one ALREADY_ADDED, nope BAD_NAME] False"),
        ("remove one nope", "remove 1 [] [one STILL_RUNNING, nope BAD_NAME] False"),
        ("remove sick", "remove 0 [sick removed process group] [] False"),
        ("help", "help 0 [] [] True"),
        ("help stop", "help 0 [] [] True"),
        ("nonsense", "nonsense 1 [] [UNKNOWN_ACTION] False"),
        ("open ftp://x", "open 1 [] [USAGE] False"),
        ("fg nope", "fg 1 [] [REFUSED] False"),
        ("quit", "quit 0 [] [] True"),
        ("shutdown", "shutdown 0 [shut down] [] False"),
    ];
    let mut documents = String::new();
    for (n, (line, expected)) in lines.iter().enumerate() {
        let (action, rest) = line.split_once(' ').unwrap_or((line, ""));
        // Before the action or after it, by turns.
        let line = match n % 2 {
            0 => format!("--json {line}"),
            _ => format!("{action} --json {rest}"),
        };
        let (exit, text) = world.ctl(&line);
        documents.push_str(&text);
        documents.push('\0');
        let said = expected.split(' ').nth(1).and_then(|word| word.parse().ok());
        assert_eq!(Some(exit), said, "{line}: {text}");
    }
    let summary = python(SUMMARY, &documents);
    for ((line, expected), got) in lines.iter().zip(summary.lines()) {
        assert_eq!(got, *expected, "{line}");
    }
    assert_eq!(summary.lines().count(), lines.len(), "{summary}");
}

#[test]
fn what_goes_wrong_before_or_without_a_daemon_is_a_document() {
    let world = world();
    let lines = [
        ("-s unix:///nonexistent/socket --json status", 4, "status 4 [] [NO_SOCKET] False"),
        ("--json -s http://127.0.0.1:1 reread", 1, "reread 1 [] [CONNECTION_REFUSED] False"),
        ("--json -s http://127.0.0.1:1 start one", 4, "start 4 [] [CONNECTION_REFUSED] False"),
        ("--json -s ftp://x status", 4, "status 4 [] [BAD_VALUE] False"),
        ("--json --nonsense", 2, " 2 [] [USAGE] False"),
        ("--json start one --timeout x", 1, "start 1 [] [USAGE] True"),
    ];
    for (line, exit, expected) in lines {
        let (status, text) = world.ctl(line);
        if line.contains("ftp") {
            // `status` has 4 only for what it has words for.
            assert_eq!(status, 1, "{line}");
            continue;
        }
        assert_eq!(status, exit, "{line}: {text}");
        assert_eq!(python(SUMMARY, &format!("{text}\0")).trim_end(), expected, "{line}");
    }
}

#[test]
fn a_log_that_is_followed_is_a_document_a_line() {
    let world = World::new(|_, config| {
        config.program(
            "loud",
            "/bin/sh -c 'while :; do echo \"tick \\\"x\\\"\"; sleep 0.1; done'",
            "",
        )
    });
    let mut client = world.begin("--json tail -f loud");
    let shown = client.until("\"tick ");
    client.until(&shown);
    client.until("tick \\\"x\\\"\"}\n");
    client.signal(Signal::SIGINT);
    let (status, text) = client.end();
    assert_eq!(status, Some(0), "{text}");
    let program = "import json, sys\n\
                   lines = [json.loads(line) for line in sys.stdin]\n\
                   print({(l['name'], l['channel'], l['line']) for l in lines[:-1]}, lines[-1]['exit'])";
    assert_eq!(python(program, &text), "{('loud', 'stdout', 'tick \"x\"')} 0\n");
}
