//! FastCGI programs: a socket that the spawner binds is standard input of every process of the group, for as long as
//! one of them is there.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use system_tests::dist::{Dist, reference};
use system_tests::net::{self, Peer};
use system_tests::{Config, Daemon, Error, Launch, NOBODY, Room, procfs, wait_for};

const NONBLOCK: u32 = 0o4000;

fn fcgi(name: &str, command: &str, socket: &str, lines: &str) -> String {
    format!("[fcgi-program:{name}]\ncommand={command}\nsocket={socket}\nstartsecs=0\n{lines}\n")
}

fn two(command: &str, socket: &str, lines: &str) -> String {
    let two = "numprocs=2\nprocess_name=%(program_name)s_%(process_num)d";
    fcgi("web", command, socket, &format!("{two}\n{lines}"))
}

fn start(room: &Room, section: &str) -> Daemon {
    let config = Config::new(room).program("other", "/bin/sleep 100000", "startsecs=0");
    Launch::new(room, Dist::plain().supervisord())
        .config(&config.section(section).write(room))
        .ready()
}

fn call(daemon: &Daemon, method: &str, name: &str) {
    let done = daemon.client.call(&format!("supervisor.{method}"), &[name.into()]);
    assert!(done.is_ok(), "{method} of {name}: {done:?}");
}

/// Type and mode, uid, gid.
fn owner(path: &Path) -> (u32, u32, u32) {
    let meta = fs::symlink_metadata(path).expect("a socket file");
    (meta.mode(), meta.uid(), meta.gid())
}

/// Every process of the group has the same listening socket as descriptor 0, and accept() waits on it.
fn assert_shared(daemon: &Daemon, names: &[&str]) -> u64 {
    let mut inodes: Vec<u64> = Vec::new();
    for name in names {
        let pid = daemon.wait_running(name);
        inodes.push(net::socket_at(pid, 0).expect("descriptor 0 is a socket"));
        assert_eq!(net::flags(pid, 0) & NONBLOCK, 0, "the socket of {name} does not wait");
        net::wait_descriptors(pid, 3);
    }
    assert!(inodes.iter().all(|n| *n == inodes[0]), "{inodes:?}");
    let other = daemon.wait_running("other");
    assert!(!net::sockets(other).contains(&inodes[0]), "another program has the socket");
    assert!(!net::sockets(daemon.broker()).contains(&inodes[0]), "the broker has the socket");
    inodes[0]
}

#[test]
fn a_unix_socket_lives_as_long_as_one_process_of_the_group() {
    let room = Room::new();
    let path = room.path("web.sock");
    let peer = Peer::unix(&path);
    let command = format!("{} plain hello", room.helper("server").display());
    let daemon = start(&room, &two(&command, &peer.url(), "user=nobody"));
    let inode = assert_shared(&daemon, &["web:web_0", "web:web_1"]);
    assert_eq!(owner(&path), (0o140_700, NOBODY, NOBODY));
    let pids = ["web:web_0", "web:web_1"].map(|name| daemon.program(name).to_string());
    let answer = peer.ask().expect("an answer");
    assert!(pids.iter().any(|pid| answer == format!("{pid} hello")), "{answer}");

    call(&daemon, "stopProcess", "web:web_0");
    assert!(path.exists(), "unlinked while a process had it");
    assert_eq!(peer.ask().expect("an answer"), format!("{} hello", pids[1]));
    assert!(net::sockets(daemon.pid).contains(&inode), "the spawner gave it up too early");
    call(&daemon, "startProcess", "web:web_0");
    assert_eq!(assert_shared(&daemon, &["web:web_0", "web:web_1"]), inode, "bound again");

    call(&daemon, "stopProcessGroup", "web");
    wait_for("the name to go", || !path.exists());
    assert!(!net::sockets(daemon.pid).contains(&inode), "the spawner still has it");

    call(&daemon, "startProcessGroup", "web");
    assert_ne!(assert_shared(&daemon, &["web:web_0", "web:web_1"]), inode, "an old socket");
    assert!(peer.ask().expect("an answer").ends_with(" hello"));
}

#[test]
fn a_tcp_socket_lives_as_long_as_one_process_of_the_group() {
    let room = Room::new();
    let peer = Peer::tcp(net::address(), 9_000);
    let command = format!("{} plain hello", room.helper("server").display());
    let mut daemon = start(&room, &two(&command, &peer.url(), "user=nobody"));
    let inode = assert_shared(&daemon, &["web:web_0", "web:web_1"]);
    assert_eq!(net::listening(&peer), Some(inode));
    assert!(peer.ask().expect("an answer").ends_with(" hello"));
    call(&daemon, "stopProcess", "web:web_1");
    assert_eq!(net::listening(&peer), Some(inode));
    call(&daemon, "stopProcess", "web:web_0");
    wait_for("the socket to close", || net::listening(&peer).is_none());
    assert!(peer.ask().is_err());
    // The last connection is in TIME_WAIT, which keeps nobody from binding again.
    call(&daemon, "startProcess", "web:web_0");
    let again = assert_shared(&daemon, &["web:web_0"]);
    assert_eq!(net::listening(&peer), Some(again));
    assert_eq!(daemon.stop(), 0);
    assert_eq!(net::listening(&peer), None);
}

/// What the socket file looks like under a daemon.
fn seen(binary: PathBuf, room: &Room, lines: &str) -> (u32, u32, u32) {
    let path = room.path("seen.sock");
    let section = fcgi("web", "/bin/sleep 100000", &Peer::unix(&path).url(), lines);
    let config = Config::new(room).section(&section);
    let mut daemon = Launch::new(room, binary).config(&config.write(room)).ready();
    daemon.wait_running("web");
    let seen = owner(&path);
    assert_eq!(daemon.stop(), 0);
    seen
}

#[test]
fn owner_and_mode_are_those_of_the_reference() {
    for (lines, expected) in [
        ("", (0o700, 0, 0)),
        ("user=nobody", (0o700, NOBODY, NOBODY)),
        ("socket_mode=0660", (0o660, 0, 0)),
        ("user=nobody\nsocket_owner=root", (0o700, 0, 0)),
        ("user=nobody\nsocket_owner=root:adm\nsocket_mode=0777", (0o777, 0, group("adm"))),
        ("socket_owner=nobody\nsocket_mode=0600", (0o600, NOBODY, 0)),
    ] {
        let room = Room::new();
        let ours = seen(Dist::plain().supervisord(), &room, lines);
        let (mode, uid, gid) = expected;
        assert_eq!(ours, (0o140_000 | mode, uid, gid), "{lines}");
        assert!(!room.path("seen.sock").exists(), "left behind");
        let theirs = seen(reference("supervisord"), &room, lines);
        assert_eq!(ours, theirs, "the reference with {lines}");
    }
}

fn group(name: &str) -> u32 {
    let text = fs::read_to_string("/etc/group").expect("groups");
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|l| l.split(':').nth(1)?.parse().ok()).expect("a group of this system")
}

/// How many connections wait before one more is turned away.
fn waiting(path: &Path) -> usize {
    let address = UnixAddr::new(path).expect("an address");
    let mut clients = Vec::new();
    loop {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let client = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket");
        match connect(std::os::fd::AsRawFd::as_raw_fd(&client), &address) {
            Ok(()) => clients.push(client),
            Err(Errno::EAGAIN) => return clients.len(),
            Err(e) => panic!("cannot connect: {e}"),
        }
    }
}

#[test]
fn the_backlog_is_the_configured_one() {
    let room = Room::new();
    let path = room.path("web.sock");
    let url = Peer::unix(&path).url();
    let daemon = start(&room, &fcgi("web", "/bin/sleep 100000", &url, "socket_backlog=3"));
    daemon.wait_running("web");
    // The system takes one more than it is told.
    assert_eq!(waiting(&path), 4);
}

#[test]
fn a_socket_in_a_directory_of_the_program_s_user() {
    let room = Room::new();
    room.directory_of(NOBODY, "theirs");
    let path = room.path("theirs/web.sock");
    let peer = Peer::unix(&path);
    let command = format!("{} plain hello", room.helper("server").display());
    let daemon = start(&room, &two(&command, &peer.url(), "user=nobody\nsocket_mode=0770"));
    assert_shared(&daemon, &["web:web_0", "web:web_1"]);
    assert_eq!(owner(&path), (0o140_770, NOBODY, NOBODY));
    assert!(peer.ask().expect("an answer").ends_with(" hello"));
    call(&daemon, "stopProcessGroup", "web");
    wait_for("the name to go", || !path.exists());
    let left: Vec<_> = fs::read_dir(room.path("theirs")).expect("a directory").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_name_that_the_user_put_elsewhere_is_not_followed_at_the_end() {
    let room = Room::new();
    let theirs = room.directory_of(NOBODY, "theirs");
    room.directory("roots");
    let path = room.path("theirs/web.sock");
    let daemon =
        start(&room, &fcgi("web", "/bin/sleep 100000", &Peer::unix(&path).url(), "user=nobody"));
    daemon.wait_running("web");
    // Another file under the name when the socket goes: it is not the spawner's to remove.
    fs::remove_file(&path).expect("the socket's name");
    room.file("theirs/web.sock", "theirs");
    room.file("roots/web.sock", "root's");
    call(&daemon, "stopProcess", "web");
    wait_for("the spawner to be done", || procfs::children(daemon.pid).len() == 2);
    assert_eq!(fs::read_to_string(&path).expect("the user's file"), "theirs");
    // The same with the directory replaced by a link.
    fs::remove_file(&path).expect("the user's file");
    call(&daemon, "startProcess", "web");
    assert!(path.exists());
    fs::rename(&theirs, room.path("moved")).expect("a directory that moves");
    std::os::unix::fs::symlink(room.path("roots"), &theirs).expect("a link");
    call(&daemon, "stopProcess", "web");
    wait_for("the spawner to be done", || procfs::children(daemon.pid).len() == 2);
    let roots = fs::read_to_string(room.path("roots/web.sock"));
    assert_eq!(roots.expect("the file of root"), "root's");
}

#[test]
fn a_stale_socket_file_is_taken_over() {
    for dir in ["", "theirs"] {
        let room = Room::new();
        room.directory_of(NOBODY, "theirs");
        let path = room.path(dir).join("web.sock");
        drop(UnixListener::bind(&path).expect("a socket"));
        assert!(fs::metadata(&path).expect("what it left").file_type().is_socket());
        let peer = Peer::unix(&path);
        let command = format!("{} plain hello", room.helper("server").display());
        let daemon = start(&room, &fcgi("web", &command, &peer.url(), "user=nobody"));
        let pid = daemon.wait_running("web");
        assert_eq!(peer.ask().expect("an answer"), format!("{pid} hello"));
        assert_eq!(owner(&path), (0o140_700, NOBODY, NOBODY));
    }
}

/// The program ends up in FATAL with a reason; the daemon and its other program do not mind.
fn assert_fails(daemon: &Daemon, says: &str) {
    let other = daemon.wait_running("other");
    let info = daemon.wait_state("web", "FATAL");
    let reason = info.get("spawnerr").str().to_owned();
    assert!(reason.contains(says), "{reason:?}");
    let line = format!("spawnerr: {reason}");
    assert!(daemon.activity().contains(&line), "no {line:?} in the activity log");
    let fault = daemon.client.call("supervisor.startProcess", &["web".into()]);
    assert!(matches!(fault, Err(Error::Fault(50, _))), "{fault:?}");
    daemon.wait_state("web", "FATAL");
    assert_eq!(daemon.wait_running("other"), other);
}

#[test]
fn a_busy_address_fails_the_program_alone() {
    let room = Room::new();
    let peer = Peer::tcp(net::address(), 9_000);
    let Peer::Tcp(address) = &peer else { unreachable!() };
    let busy = std::net::TcpListener::bind(address).expect("an address of this test");
    let daemon = start(&room, &fcgi("web", "/bin/sleep 100000", &peer.url(), "startretries=1"));
    assert_fails(&daemon, "EADDRINUSE");
    drop(busy);
    call(&daemon, "startProcess", "web");
    assert_eq!(net::listening(&peer), net::socket_at(daemon.wait_running("web"), 0));
}

#[test]
fn a_busy_unix_socket_fails_the_program_alone() {
    let room = Room::new();
    let path = room.path("web.sock");
    let busy = UnixListener::bind(&path).expect("a socket");
    let before = fs::metadata(&path).expect("its file").ino();
    let url = Peer::unix(&path).url();
    let daemon = start(&room, &fcgi("web", "/bin/sleep 100000", &url, "startretries=1"));
    assert_fails(&daemon, "EADDRINUSE");
    assert_eq!(fs::metadata(&path).expect("its file").ino(), before, "it was taken away");
    drop(busy);
    call(&daemon, "startProcess", "web");
    daemon.wait_running("web");
}

#[test]
fn a_file_in_the_way_is_kept() {
    let room = Room::new();
    let path = room.file("web.sock", "precious");
    let url = Peer::unix(&path).url();
    let daemon = start(&room, &fcgi("web", "/bin/sleep 100000", &url, "startretries=0"));
    assert_fails(&daemon, "ENOTSOCK");
    assert_eq!(fs::read_to_string(&path).expect("the file"), "precious");
}

#[test]
fn a_new_broker_finds_the_socket_in_use() {
    let room = Room::new();
    let path = room.path("web.sock");
    let daemon = start(&room, &two("/bin/sleep 100000", &Peer::unix(&path).url(), ""));
    let names = ["web:web_0", "web:web_1"];
    let inode = assert_shared(&daemon, &names);
    daemon.replace_broker();
    assert_eq!(assert_shared(&daemon, &names), inode);
    call(&daemon, "stopProcess", "web:web_0");
    assert!(path.exists());
    daemon.replace_broker();
    call(&daemon, "stopProcess", "web:web_1");
    wait_for("the name to go", || !path.exists());
    wait_for("the spawner to close it", || !net::sockets(daemon.pid).contains(&inode));
}
