//! What programs write and clients send, where another would read more into it.

use std::fs;
use std::process::Command;

use system_tests::wait_for;

use crate::ask::{basic, document};
use crate::world::{PORT, World, hashed, told};

const PASSWORD: &str = "text";

/// Reads the log by every method there is, with the parser that most clients have.
const READ: &str = r#"
import sys, xmlrpc.client
server = xmlrpc.client.ServerProxy(sys.argv[1]).supervisor
size = int(sys.argv[2])
whole = server.readProcessStdoutLog("odd", 0, 0)
assert all(c in "\t\n\x7f\ufffd" or 32 <= ord(c) < 127 for c in whole), whole
assert whole.count("\t") == 1 and "\ufffd\t\n\ufffd" in whole, whole
assert "abcxyz" in whole and "\ufffd" in whole, whole
assert server.readProcessLog("odd", 0, 0) == whole
# Offsets and lengths count bytes, whatever they were shown as.
text, offset, overflow = server.tailProcessStdoutLog("odd", 0, size)
assert (text, offset, overflow) == (whole, size, False), (text, offset, overflow)
assert server.readProcessStdoutLog("odd", 65, 3) == "ABC"
for at in range(size):
    server.readProcessStdoutLog("odd", at, 1)
print("all read")
"#;

#[test]
fn a_log_of_all_bytes_is_a_well_formed_answer() {
    let (world, _) = World::new(|room, _, config| {
        let mut bytes: Vec<u8> = (0..=255).collect();
        bytes.extend(b"abcxyz");
        fs::write(room.path("bytes"), bytes).expect("a file");
        let command = format!("/bin/sh -c 'cat {}; exec sleep 100000'", room.text("bytes"));
        let log = format!("startsecs=0\nstdout_logfile={}", room.text("odd.out"));
        config
            .program("odd", &command, &log)
            .section(&format!("[user:bob]\npassword={}", hashed(room, PASSWORD)))
            .section("[role:team]\nmembers=bob\nprograms=odd\nactions=log")
    });
    let size = 262;
    wait_for("the bytes", || {
        fs::metadata(world.room.path("odd.out")).is_ok_and(|meta| meta.len() == size)
    });
    let mut command = Command::new("/usr/bin/python3");
    let url = format!("http://bob:{PASSWORD}@127.0.0.1:{PORT}/RPC2");
    command.args(["-c", READ, &url, &size.to_string()]);
    let output = world.network.inside(|| command.output()).expect("python3");
    assert_eq!(told(&output), (0, "all read\n".to_owned()));
}

/// Documents that are to fill memory, to take long, or to be two things at once.
fn bombs() -> Vec<(&'static str, String)> {
    let state = document("supervisor.shutdown", &[]);
    let call = state.trim_start_matches("<?xml version='1.0'?>");
    let name = "supervisor.shutdown";
    let laughs: String = (1..10)
        .map(|n| format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10)))
        .collect();
    let attributes: String = (0..20_000).map(|n| format!(" a{n}=''")).collect();
    let repeat = |text: &str| text.repeat(30_000);
    vec![
        ("a billion laughs", format!("<!DOCTYPE x [<!ENTITY a0 'ha'>{laughs}]><methodCall><methodName>&a9;</methodName></methodCall>")),
        ("a file", "<!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><methodCall><methodName>&f;</methodName></methodCall>".to_owned()),
        ("a document type alone", format!("<!DOCTYPE methodCall>{call}")),
        ("an unknown entity", "<methodCall><methodName>&nbsp;</methodName></methodCall>".to_owned()),
        ("an instruction", format!("<?x y?>{call}")),
        ("attributes", format!("<methodCall{attributes}><methodName>{name}</methodName></methodCall>")),
        ("one attribute", format!("<methodCall a='b'><methodName>{name}</methodName></methodCall>")),
        ("another encoding", format!("<?xml version='1.0' encoding='UTF-16'?>{call}")),
        ("two calls", format!("{call}{call}")),
        ("text after the end", format!("{call}x")),
        ("a NUL", call.replace("supervisor.", "supervisor.\u{0}")),
        ("depth", format!("<methodCall><methodName>x</methodName><params><param>{}", repeat("<value><array><data>"))),
        ("width", format!("<methodCall><methodName>x</methodName><params>{}</params></methodCall>", repeat("<param><value/></param>"))),
        ("no end", "<methodCall><methodName>".to_owned() + &"x".repeat(500_000)),
        ("comments without end", format!("<methodCall>{}", "<!-- ".repeat(100_000))),
        ("markup within a name", "<methodCall><methodName>supervisor.<b/>shutdown</methodName></methodCall>".to_owned()),
    ]
}

#[test]
fn no_document_is_more_than_it_says() {
    let (world, _) = World::new(|room, _, config| {
        config
            .section(&format!("[user:boss]\npassword={}", hashed(room, PASSWORD)))
            .section("[role:boss]\nmembers=boss\nprograms=*\nactions=admin")
    });
    let broker = world.daemon.broker();
    let boss = basic("boss", PASSWORD);
    for (what, body) in bombs() {
        let length = body.len();
        let head = format!(
            "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n{boss}\
             Connection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        let answer = world.ask(&[head.as_bytes(), body.as_bytes()].concat());
        let fault = answer.fault().map(|(code, _)| code);
        assert!(answer.status == 400 || [Some(1), Some(2)].contains(&fault), "{what}: {answer:?}");
        assert!(!answer.body.contains("root:"), "{what}");
    }
    assert_eq!(world.daemon.broker(), broker);
    world.daemon.client.call("supervisor.getState", &[]).expect("it has not gone down");
    let most = system_tests::procfs::Status::of(broker).numbers("VmHWM")[0];
    assert!(most < 40 << 10, "the broker had {most} KiB");
}
