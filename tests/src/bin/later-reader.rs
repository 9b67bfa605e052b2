//! In the reader's place: at the daemon's start the real one, which lies beside it as `supervisor-reader.real`; at a
//! later reading it does what the first word in the file `how` beside it says.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, exit};
use std::time::Duration;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessage, MsgFlags, recvmsg, sendmsg};
use nix::unistd::getppid;
use privsep::files::{ANSWER_SIZE, Ask};
use privsep::frame::Wire;
use privsep::start::{CURRENT, SETTINGS, SOCKET, START, Start, TABLE};
use privsep::table::{Entry, Identity, MAX_SLOTS, Sink, Table};

fn main() {
    let own = fs::read_link("/proc/self/exe").unwrap_or_default();
    let dir = own.parent().map(PathBuf::from).unwrap_or_default();
    let start = fs::read(format!("/proc/self/fd/{START}")).ok();
    let Some(start) = start.and_then(|bytes| Start::decode(&bytes).ok()) else {
        exit(90);
    };
    let how = fs::read_to_string(dir.join("how")).unwrap_or_default();
    let words: Vec<&str> = how.split_whitespace().collect();
    match words.as_slice() {
        _ if !start.again => {}
        [] => {}
        ["slow", millis] => std::thread::sleep(Duration::from_millis(millis.parse().unwrap_or(0))),
        [word, ..] => misbehave(word, &start),
    }
    let real = Command::new(dir.join("supervisor-reader.real")).arg0("supervisor-reader").exec();
    eprintln!("later-reader: cannot run the real one: {real}");
    exit(1);
}

fn misbehave(how: &str, start: &Start) -> ! {
    match how {
        "silent" => exit(0),
        "abort" => std::process::abort(),
        "hang" => rest(),
        "fork" => {
            let _ = Command::new("/bin/sleep").arg("987654322").spawn();
        }
        "kill" => {
            let hit = [Signal::SIGKILL, Signal::SIGSTOP].map(|s| kill(getppid(), s).is_ok());
            if hit != [false, false] {
                // Nobody is left to be told.
                rest();
            }
            send(&Ask::Leave(2).encode(), 0);
        }
        "ask-garbage" => send(&[0xff; 40], 0),
        "ask-descriptors" => send(&Ask::Main(b"/etc/passwd".to_vec()).encode(), 200),
        "ask-flood" => (0..100_000).for_each(|_| send(&Ask::Dir(b"/etc".to_vec()).encode(), 0)),
        "leave-well" => leave(0),
        "leave-badly" => leave(2),
        "accept-unread" => send(&Ask::Accept.encode(), 0),
        "fill" => fill(),
        how => {
            read_main(start);
            accept(how);
        }
    }
    rest();
}

/// With complaints that are none.
fn leave(status: u8) {
    write_to(SETTINGS, &[0x5a; 100_000]);
    send(&Ask::Leave(status).encode(), 0);
}

fn accept(how: &str) {
    let Some(mut table) = current() else {
        eprintln!("later-reader: no table in force");
        exit(92);
    };
    let bytes = match how {
        "empty" => Vec::new(),
        "garbage" => vec![0x5a; 5_000],
        "short" => table.encode()[..60].to_vec(),
        "nothing" => Table { broker: table.broker.clone(), ..Table::default() }.encode(),
        _ => {
            alter(how, &mut table);
            table.encode()
        }
    };
    write_to(TABLE, &bytes);
    write_to(SETTINGS, b"settings");
    if how == "sealed" {
        let sheet = File::options().write(true).open(format!("/proc/self/fd/{TABLE}"));
        let _ = sheet.map(|f| fcntl(&f, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SEAL)));
    }
    if how == "write-on" {
        write_on();
    }
    send(&Ask::Accept.encode(), 0);
}

fn current() -> Option<Table> {
    let bytes = fs::read(format!("/proc/self/fd/{CURRENT}")).ok()?;
    // It is only to be read.
    write_to(CURRENT, &[0; 64]);
    Table::read(&bytes).ok()
}

/// Changes what lives, or gives what nobody may have.
fn alter(how: &str, table: &mut Table) {
    let first = table.entries.iter().position(Option::is_some).unwrap_or(0);
    let broker = table.broker.clone();
    let mut change =
        |f: &dyn Fn(&mut Entry)| table.entries.iter_mut().flatten().take(1).for_each(f);
    match how {
        "drop" => table.entries[first] = None,
        "cut" => table.entries.clear(),
        "swap" => table.entries.reverse(),
        "argv" => change(&|e| e.argv = vec![b"/bin/true".to_vec()]),
        "executable" => change(&|e| e.executables = vec![b"/bin/true".to_vec()]),
        "user" => change(&|e| e.identity = None),
        "environment" => change(&|e| e.env.push(b"LD_PRELOAD=/tmp/x".to_vec())),
        "name" => change(&|e| e.name.push(b'x')),
        "logless" => change(&|e| e.stdout_log = None),
        "socketless" => change(&|e| e.listen.clear()),
        "signal" => change(&|e| e.stop_signal = 9),
        "log" => {
            let files = table.logs.iter_mut().flatten();
            for sink in files {
                if let Sink::File(file) = sink {
                    file.path = b"/etc/passwd".to_vec();
                }
            }
        }
        "socket" => table.shared.iter_mut().flatten().for_each(|s| s.backlog += 1),
        "shared-held" => table.shared.iter_mut().flatten().for_each(|s| s.held = !s.held),
        "slots" => table.entries.resize(MAX_SLOTS + 1, None),
        "broker-uid" => add(table, broker),
        "broker-uid-freed" => {
            // Another one for the broker does not make room for its old user id.
            table.broker = Some(Identity { uid: 65_500, gid: 65_500, groups: Vec::new() });
            add(table, broker);
        }
        "lone-uid" => add(table, Some(Identity { uid: u32::MAX, gid: 1, groups: Vec::new() })),
        "daemon" => {
            table.broker = Some(Identity { uid: 65_501, gid: 65_501, groups: Vec::new() });
            table.pidfile = Some(b"/etc/nothing.pid".to_vec());
            table.user = None;
            table.env = vec![b"LD_PRELOAD=/tmp/x".to_vec()];
            table.cgroup = None;
        }
        _ => {}
    }
}

/// One more program, under an identity.
fn add(table: &mut Table, identity: Option<Identity>) {
    let like = table.entries.iter().flatten().next().cloned();
    table.entries.push(like.map(|entry| Entry { name: b"more:more".to_vec(), identity, ..entry }));
}

fn read_main(start: &Start) {
    let texts = start.env.iter().map(|v| String::from_utf8_lossy(v).into_owned());
    let mut room = texts.filter_map(|v| v.strip_prefix("SUPERVISOR_TEST_ROOM=").map(str::to_owned));
    let room = room.next().unwrap_or_default();
    send(&Ask::Main(format!("{}/supervisord.conf", room.trim_end_matches('/')).into()).encode(), 0);
    let mut bytes = [0; ANSWER_SIZE];
    let mut space = nix::cmsg_space!([RawFd; 4]);
    let mut iov = [IoSliceMut::new(&mut bytes)];
    let _ = recvmsg::<()>(SOCKET, &mut iov, Some(&mut space), MsgFlags::empty());
}

/// A child that keeps writing into the table.
fn write_on() {
    let script = format!(
        "while :; do printf X | dd of=/proc/self/fd/{TABLE} bs=1 seek=8 conv=notrunc 2>/dev/null; done"
    );
    let _ = Command::new("/bin/sh").args(["-c", &script, "987654323"]).spawn();
}

/// Writes as much as it is let.
fn fill() {
    let block = vec![0x41; 1 << 20];
    for descriptor in [TABLE, SETTINGS] {
        for _ in 0..4096 {
            let file = File::options().append(true).open(format!("/proc/self/fd/{descriptor}"));
            if file.and_then(|mut f| f.write_all(&block)).is_err() {
                break;
            }
        }
    }
    send(&Ask::Accept.encode(), 0);
}

fn rest() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(600));
    }
}

fn send(bytes: &[u8], descriptors: usize) {
    let fds: Vec<RawFd> = vec![SOCKET; descriptors];
    let rights = [ControlMessage::ScmRights(&fds)];
    let control = if descriptors == 0 { &[][..] } else { &rights[..] };
    let _ = sendmsg::<()>(SOCKET, &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None);
}

fn write_to(descriptor: i32, bytes: &[u8]) {
    let file = File::options().write(true).open(format!("/proc/self/fd/{descriptor}"));
    let _ = file.and_then(|mut f| f.write_all(bytes));
}
