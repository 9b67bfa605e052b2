//! In the reader's place: asks for what it must not have, or does not behave at all. The variable HOSTILE in the
//! caller's environment says which.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::RawFd;
use std::process::exit;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessage, MsgFlags, recvmsg, sendmsg};
use nix::unistd::getppid;
use privsep::files::{ANSWER_SIZE, Answer, Ask, MAX_DIRS, MAX_NAMED};
use privsep::frame::Wire;
use privsep::start::{SETTINGS, SOCKET, START, Start, TABLE};
use privsep::table::{Identity, Table};

fn main() {
    let start =
        fs::read(format!("/proc/self/fd/{START}")).ok().and_then(|b| Start::decode(&b).ok());
    let Some(start) = start else {
        eprintln!("hostile-reader: no start record");
        exit(90);
    };
    let variable = |name: &str| {
        let prefix = format!("{name}=");
        let texts = start.env.iter().map(|v| String::from_utf8_lossy(v).into_owned());
        texts.filter_map(|v| v.strip_prefix(&prefix).map(str::to_owned)).next().unwrap_or_default()
    };
    let room = variable("SUPERVISOR_TEST_ROOM");
    match variable("HOSTILE").as_str() {
        "asks" => asks(&room),
        "directories" => directories(&room),
        "named" => named(&room),
        "named-relative" => ask_raw(&[&[6], &text(b"server.pem")]),
        "slash" => ask_raw(&[&[3], &0u16.encode(), &text(b"../secret")]),
        "dots" => ask_raw(&[&[3], &0u16.encode(), &text(b"..")]),
        "relative" => ask_raw(&[&[1], &text(b"supervisord.conf")]),
        "nul" => ask_raw(&[&[1], &text(b"/etc/passwd\0x")]),
        "garbage" => send(&[0xff; 40], 0),
        "empty" => send(&[], 0),
        "huge" => send(&[1; 60_000], 0),
        "descriptors" => send(&Ask::Main(b"/etc/passwd".to_vec()).encode(), 200),
        "flood" => (0..100_000).for_each(|_| send(&Ask::Dir(b"/etc".to_vec()).encode(), 0)),
        "accept-nothing" => send(&Ask::Accept.encode(), 0),
        "accept-garbage" => accept(&[0x5a; 5000]),
        "accept-short" => accept(&table().encode()[..60]),
        "accept-root" => accept(&with_root_broker().encode()),
        "fill" => fill(),
        "silent" => exit(0),
        "abort" => std::process::abort(),
        "hang" => rest(),
        "close" => {
            let _ = nix::unistd::close(SOCKET);
            rest();
        }
        "fork" => {
            let _ = std::process::Command::new("/bin/sleep")
                .arg(format!("98765.{}", std::process::id()))
                .spawn();
            let _ = std::process::Command::new("/bin/sleep").arg("987654321").spawn();
            rest();
        }
        "memory" => memory(),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "kill" => {
            for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
                println!("kill: {:?}", kill(getppid(), signal));
            }
            send(&Ask::Leave(3).encode(), 0);
        }
        other => {
            eprintln!("hostile-reader: what is {other:?}?");
            exit(91);
        }
    }
    // Whoever broke the rules has not long to live; whoever did not waits for its end.
    rest();
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

fn text(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec().encode()
}

fn ask_raw(fields: &[&[u8]]) {
    send(&fields.concat(), 0);
}

fn answer() -> Option<Answer> {
    let mut bytes = [0; ANSWER_SIZE];
    let mut space = nix::cmsg_space!([RawFd; 4]);
    let mut iov = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<()>(SOCKET, &mut iov, Some(&mut space), MsgFlags::empty()).ok()?;
    if message.bytes == 0 {
        return None;
    }
    Answer::unseal(&bytes).ok()
}

fn ask(label: &str, ask: &Ask) -> Option<Answer> {
    send(&ask.encode(), 0);
    let answer = answer();
    println!("{label}: {answer:?}");
    answer
}

fn asks(room: &str) {
    let at = |name: &str| format!("{room}/{name}").into_bytes();
    let file = |dir: u16, name: &str| Ask::File { dir, name: name.as_bytes().to_vec() };
    ask("file without a directory", &file(0, "good.conf"));
    ask("named before the main file", &Ask::Named(b"/etc/shadow".to_vec()));
    ask("main", &Ask::Main(at("supervisord.conf")));
    ask("second main", &Ask::Main(b"/etc/shadow".to_vec()));
    ask("foreign directory", &Ask::Dir(at("users")));
    ask("no directory", &Ask::Dir(at("supervisord.conf")));
    ask("directory", &Ask::Dir(at("conf.d")));
    ask("good", &file(0, "good.conf"));
    for name in ["writable.conf", "foreign.conf", "fifo.conf", "sub", "turned.conf", "missing.conf"]
    {
        ask(name, &file(0, name));
    }
    ask("another directory", &file(1, "good.conf"));
    for name in ["named", "exposed", "theirs", "fifo", "turned", "nowhere"] {
        ask(&format!("named {name}"), &Ask::Named(at(&format!("named/{name}"))));
    }
    ask("named directory", &Ask::Named(at("conf.d")));
    send(&Ask::Leave(3).encode(), 0);
}

fn directories(room: &str) {
    ask("main", &Ask::Main(format!("{room}/supervisord.conf").into_bytes()));
    let mut granted = 0;
    for _ in 0..u32::from(MAX_DIRS) + 50 {
        let path = format!("{room}/conf.d").into_bytes();
        send(&Ask::Dir(path).encode(), 0);
        match answer() {
            Some(Answer::Granted) => granted += 1,
            Some(_) => {}
            None => break,
        }
    }
    println!("granted: {granted}");
    send(&Ask::Leave(3).encode(), 0);
}

fn named(room: &str) {
    ask("main", &Ask::Main(format!("{room}/supervisord.conf").into_bytes()));
    let path = format!("{room}/named/named").into_bytes();
    let granted = (0..MAX_NAMED + 50).filter(|_| {
        send(&Ask::Named(path.clone()).encode(), 0);
        answer() == Some(Answer::Granted)
    });
    println!("granted: {}", granted.count());
    send(&Ask::Leave(3).encode(), 0);
}

fn write_to(descriptor: i32, bytes: &[u8]) {
    let file = File::options().write(true).open(format!("/proc/self/fd/{descriptor}"));
    let _ = file.and_then(|mut f| f.write_all(bytes));
}

fn accept(table: &[u8]) {
    write_to(TABLE, table);
    write_to(SETTINGS, b"settings");
    send(&Ask::Accept.encode(), 0);
}

fn table() -> Table {
    let broker = Identity { uid: 65_520, gid: 65_520, groups: Vec::new() };
    Table { broker: Some(broker), ..Table::default() }
}

fn with_root_broker() -> Table {
    let broker = Identity { uid: 0, gid: 0, groups: Vec::new() };
    Table { broker: Some(broker), ..Table::default() }
}

/// Writes as much as it is let.
fn fill() {
    let block = vec![0x41; 1 << 20];
    for descriptor in [TABLE, SETTINGS] {
        for _ in 0..4096 {
            let path = format!("/proc/self/fd/{descriptor}");
            let file = File::options().append(true).open(path);
            if file.and_then(|mut f| f.write_all(&block)).is_err() {
                break;
            }
        }
    }
    send(&Ask::Accept.encode(), 0);
}

fn memory() {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for _ in 0..8192 {
        blocks.push(vec![1; 1 << 20]);
    }
    println!("memory: {} MiB", blocks.len());
    send(&Ask::Leave(3).encode(), 0);
}
