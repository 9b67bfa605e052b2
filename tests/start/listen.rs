//! `sockets=`: the spawner holds a program's listening sockets over its restarts and passes them by the LISTEN_FDS
//! convention.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

use system_tests::dist::{Dist, reference};
use system_tests::net::{self, Asking, Peer};
use system_tests::procfs::Status;
use system_tests::{Config, Daemon, Launch, NOBODY, Room, Value, poll_until, procfs, wait_for};

const NONBLOCK: u32 = 0o4000;

/// A program, another one beside it, and both by the daemon's file.
fn config(room: &Room, name: &str, command: &str, lines: &str) -> Config {
    Config::new(room).program(name, command, &format!("startsecs=0\n{lines}")).program(
        "other",
        "/bin/sleep 100000",
        "startsecs=0",
    )
}

fn launch(room: &Room, config: &Config) -> Daemon {
    Launch::new(room, Dist::plain().supervisord()).config(&config.write(room)).ready()
}

/// Serves descriptor 3; a while after its start, and with the connection in hand finished at its end.
fn serving(room: &Room) -> String {
    format!("/bin/sh -c \"exec {} graceful 150 hello 0<&3\"", room.helper("server").display())
}

fn ctl(binary: &Path, room: &Room, words: &[&str]) -> Output {
    let mut command = Command::new(binary);
    command.arg("-c").arg(room.path("supervisord.conf")).args(words).env_clear();
    command.output().expect("a client")
}

fn variable(pid: i32, name: &str) -> Option<String> {
    let prefix = format!("{name}=");
    let all = procfs::environment(pid).into_iter();
    all.filter_map(|v| v.strip_prefix(&prefix).map(str::to_owned)).next()
}

/// The program has exactly these sockets from descriptor 3 on, and knows; nobody else has them.
fn assert_passed(daemon: &Daemon, name: &str, names: &str, count: u32) -> Vec<u64> {
    let pid = daemon.wait_running(name);
    // In the midst of an exec there is none.
    wait_for("its environment", || variable(pid, "LISTEN_FDS").is_some());
    assert_eq!(variable(pid, "LISTEN_FDS"), Some(count.to_string()));
    assert_eq!(variable(pid, "LISTEN_PID"), Some(pid.to_string()));
    assert_eq!(variable(pid, "LISTEN_FDNAMES").as_deref(), Some(names));
    let inodes: Vec<u64> = (3..3 + count)
        .map(|n| {
            assert_eq!(net::flags(pid, n) & NONBLOCK, 0, "descriptor {n} does not wait");
            net::socket_at(pid, n).expect("a socket")
        })
        .collect();
    let all: BTreeSet<u64> = inodes.iter().copied().collect();
    assert_eq!(net::sockets(pid), all, "sockets of the program");
    let held = net::sockets(daemon.pid);
    let other = daemon.wait_running("other");
    net::wait_descriptors(other, 3);
    assert_eq!(variable(other, "LISTEN_FDS"), None);
    assert_eq!(variable(other, "LISTEN_PID"), None);
    for inode in &inodes {
        assert!(held.contains(inode), "the spawner does not hold {inode}");
        for stranger in [other, daemon.broker()] {
            assert!(!net::sockets(stranger).contains(inode), "{stranger} has {inode}");
        }
    }
    inodes
}

#[test]
fn several_sockets_come_in_their_order() {
    let room = Room::new();
    let address = net::address();
    let (one, two) = (Peer::tcp(address, 8_001), Peer::tcp(address, 8_002));
    let path = room.path("third.sock");
    let lines = format!(
        "user=nobody\nsockets={},{},{}\nsocket_mode=0640\nsocket_owner=nobody",
        two.url(),
        Peer::unix(&path).url(),
        one.url()
    );
    let daemon = launch(&room, &config(&room, "web", "/bin/sleep 100000", &lines));
    let inodes = assert_passed(&daemon, "web", "8002:third.sock:8001", 3);
    assert_eq!(net::listening(&two), Some(inodes[0]));
    assert_eq!(net::listening(&one), Some(inodes[2]));
    let meta = fs::metadata(&path).expect("the socket's file");
    assert_eq!((meta.mode(), meta.uid(), meta.gid()), (0o140_640, NOBODY, 0));
    net::wait_descriptors(daemon.program("web"), 6);
    // Standard input is the pipe that it always is.
    let pid = daemon.program("web");
    assert_eq!(net::socket_at(pid, 0), None);
}

#[test]
fn they_are_bound_once_and_the_same_for_every_instance_and_process() {
    let room = Room::new();
    let peer = Peer::tcp(net::address(), 8_001);
    let lines = format!("sockets={}\nnumprocs=2\nprocess_name=web_%(process_num)d", peer.url());
    let daemon = launch(&room, &config(&room, "web", "/bin/sleep 100000", &lines));
    let first = assert_passed(&daemon, "web:web_0", "8001", 1);
    assert_eq!(assert_passed(&daemon, "web:web_1", "8001", 1), first);
    for name in ["web:web_0", "web:web_1"] {
        daemon.ask("supervisor.stopProcess", &[name.into(), true.into()]);
    }
    assert_eq!(net::listening(&peer), Some(first[0]), "not held while nothing runs");
    daemon.ask("supervisor.startProcess", &["web:web_1".into(), true.into()]);
    assert_eq!(assert_passed(&daemon, "web:web_1", "8001", 1), first);
}

#[test]
fn nobody_serves_a_low_port() {
    let room = Room::new();
    let peer = Peer::tcp(net::address(), 80);
    let lines = format!("user=nobody\nsockets={}", peer.url());
    let daemon = launch(&room, &config(&room, "web", &serving(&room), &lines));
    let pid = daemon.wait_running("web");
    assert_eq!(peer.ask().expect("an answer"), format!("{pid} hello"));
    let status = Status::of(pid);
    assert_eq!(status.numbers("Uid"), [NOBODY; 4]);
    assert_eq!(status.mask("CapEff"), 0);
}

/// All were answered, the first and the last by different instances.
fn assert_answered(answers: &[String]) {
    let bad = |a: &&String| !a.ends_with(" hello");
    assert_eq!(answers.iter().find(bad), None, "among {} answers", answers.len());
    let instances: BTreeSet<&String> = answers.iter().collect();
    assert!(instances.len() >= 3, "served by {} instances only", instances.len());
}

fn restarts_refuse_nobody(peer: impl Fn(&Room) -> Peer) {
    let room = Room::new();
    let peer = peer(&room);
    let lines = format!("user=nobody\nsockets={}\nsocket_mode=0777", peer.url());
    let lines =
        if matches!(peer, Peer::Tcp(_)) { lines.replace("\nsocket_mode=0777", "") } else { lines };
    let daemon = launch(&room, &config(&room, "web", &serving(&room), &lines));
    daemon.wait_running("web");
    let asking = Asking::begin(&peer);
    for binary in [Dist::plain().supervisorctl(), reference("supervisorctl")].iter().cycle().take(4)
    {
        let before = asking.count();
        wait_for("some answers", || asking.count() > before + 5);
        let done = ctl(binary, &room, &["restart", "web"]);
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(text, "web: stopped\nweb: started\n", "{done:?}");
    }
    let before = asking.count();
    wait_for("some answers", || asking.count() > before + 5);
    assert_answered(&asking.end());
}

#[test]
fn no_connection_over_tcp_is_refused_during_restarts() {
    restarts_refuse_nobody(|_| Peer::tcp(net::address(), 8_001));
}

#[test]
fn no_connection_to_a_unix_socket_is_refused_during_restarts() {
    restarts_refuse_nobody(|room| Peer::unix(&room.path("web.sock")));
}

#[test]
fn a_crash_refuses_nobody() {
    let room = Room::new();
    let peer = Peer::tcp(net::address(), 8_001);
    let lines = format!("autorestart=true\nsockets={}", peer.url());
    let daemon = launch(&room, &config(&room, "web", &serving(&room), &lines));
    let asking = Asking::begin(&peer);
    for _ in 0..5 {
        let before = asking.count();
        wait_for("some answers", || asking.count() > before + 5);
        let pid = daemon.wait_running("web");
        procfs::signal(pid, nix::sys::signal::Signal::SIGKILL);
        poll_until("another instance", || {
            let new = daemon.program("web");
            (new != 0 && new != pid).then_some(())
        });
    }
    let before = asking.count();
    wait_for("some answers", || asking.count() > before + 5);
    let answers = asking.end();
    // What was accepted by one that was killed is lost; nobody was turned away.
    let refused = answers.iter().filter(|a| a.contains("refused"));
    assert_eq!(refused.count(), 0, "{answers:?}");
    let lost = answers.iter().filter(|a| !a.ends_with(" hello")).count();
    assert!(lost <= 5, "{lost} connections were lost to five crashes: {answers:?}");
}

#[test]
fn they_are_held_over_brokers() {
    let room = Room::new();
    let peer = Peer::tcp(net::address(), 8_001);
    let lines = format!("user=nobody\nsockets={}", peer.url());
    let daemon = launch(&room, &config(&room, "web", &serving(&room), &lines));
    let before = assert_passed(&daemon, "web", "8001", 1);
    let pid = daemon.program("web");
    let asking = Asking::begin(&peer);
    for _ in 0..3 {
        daemon.replace_broker();
        let count = asking.count();
        wait_for("some answers", || asking.count() > count + 5);
    }
    assert_eq!(daemon.program("web"), pid);
    daemon.ask("supervisor.stopProcess", &["web".into(), true.into()]);
    daemon.replace_broker();
    assert_eq!(net::listening(&peer), Some(before[0]), "not held while nothing runs");
    daemon.ask("supervisor.startProcess", &["web".into(), true.into()]);
    assert_eq!(assert_passed(&daemon, "web", "8001", 1), before);
    let count = asking.count();
    wait_for("some answers", || asking.count() > count + 5);
    let answers = asking.end();
    assert!(answers.iter().all(|a| a.ends_with(" hello")), "{answers:?}");
}

#[test]
fn they_close_when_the_program_is_removed() {
    let room = Room::new();
    let (peer, path) = (Peer::tcp(net::address(), 8_001), room.path("web.sock"));
    let lines = format!("sockets={},{}", peer.url(), Peer::unix(&path).url());
    let with = config(&room, "web", "/bin/sleep 100000", &lines);
    let daemon = launch(&room, &with);
    let inodes = assert_passed(&daemon, "web", "8001:web.sock", 2);
    let other = daemon.program("other");
    Config::new(&room).program("other", "/bin/sleep 100000", "startsecs=0").write(&room);
    let update = ctl(&reference("supervisorctl"), &room, &["update"]);
    let text = String::from_utf8_lossy(&update.stdout).into_owned();
    assert_eq!(text, "web: stopped\nweb: removed process group\n", "{update:?}");
    wait_for("the sockets to close", || {
        let held = net::sockets(daemon.pid);
        inodes.iter().all(|n| !held.contains(n)) && net::listening(&peer).is_none()
    });
    wait_for("the name to go", || !path.exists());
    assert!(peer.ask().is_err());
    assert_eq!(daemon.program("other"), other);
    // And they can be bound again.
    with.write(&room);
    let update = ctl(&Dist::plain().supervisorctl(), &room, &["update"]);
    assert_eq!(String::from_utf8_lossy(&update.stdout), "web: added process group\n", "{update:?}");
    let again = assert_passed(&daemon, "web", "8001:web.sock", 2);
    assert_eq!(net::listening(&peer), Some(again[0]));
    assert!(path.exists());
}

#[test]
fn a_change_of_the_program_keeps_its_socket() {
    let room = Room::new();
    let peer = Peer::tcp(net::address(), 8_001);
    let lines = format!("user=nobody\nsockets={}", peer.url());
    let daemon = launch(&room, &config(&room, "web", &serving(&room), &lines));
    let before = assert_passed(&daemon, "web", "8001", 1);
    let old = daemon.program("web");
    let asking = Asking::begin(&peer);
    config(&room, "web", &serving(&room), &format!("{lines}\nenvironment=NEW=\"1\"")).write(&room);
    let update = ctl(&Dist::plain().supervisorctl(), &room, &["update"]);
    let text = String::from_utf8_lossy(&update.stdout).into_owned();
    assert_eq!(text, "web: stopped\nweb: updated process group\n", "{update:?}");
    let count = asking.count();
    wait_for("some answers", || asking.count() > count + 5);
    let answers = asking.end();
    assert!(answers.iter().all(|a| a.ends_with(" hello")), "{answers:?}");
    let new = daemon.wait_running("web");
    assert_ne!(new, old);
    assert_eq!(variable(new, "NEW").as_deref(), Some("1"));
    assert_eq!(assert_passed(&daemon, "web", "8001", 1), before, "bound again");
}

#[test]
fn a_busy_address_fails_the_program_alone() {
    let room = Room::new();
    let peer = Peer::tcp(net::address(), 8_001);
    let Peer::Tcp(address) = &peer else { unreachable!() };
    let busy = std::net::TcpListener::bind(address).expect("an address of this test");
    let lines = format!("startretries=0\nsockets={}", peer.url());
    let daemon = launch(&room, &config(&room, "web", "/bin/sleep 100000", &lines));
    let info = daemon.wait_state("web", "FATAL");
    assert!(info.get("spawnerr").str().contains("EADDRINUSE"), "{info:?}");
    daemon.wait_running("other");
    drop(busy);
    daemon.ask("supervisor.startProcess", &["web".into(), true.into()]);
    assert_passed(&daemon, "web", "8001", 1);
}

/// Carries out what the configuration file says now, over RPC.
fn update(daemon: &Daemon) {
    let lists = daemon.ask("supervisor.reloadConfig", &[]);
    let [added, changed, removed] = [0, 1, 2].map(|n| lists.array()[0].array()[n].array().to_vec());
    let call = |method: &str, name: &Value| {
        let done = daemon.client.call(&format!("supervisor.{method}"), std::slice::from_ref(name));
        assert!(done.is_ok(), "{method}: {done:?}");
    };
    for name in removed.iter().chain(&changed) {
        call("stopProcessGroup", name);
        call("removeProcessGroup", name);
    }
    changed.iter().chain(&added).for_each(|name| call("addProcessGroup", name));
}

#[test]
fn a_socket_of_two_programs_stays_until_both_are_gone() {
    let room = Room::new();
    let peer = Peer::tcp(net::address(), 8_001);
    let lines = format!("startsecs=0\nsockets={}", peer.url());
    let with = |names: &[&str]| {
        names.iter().fold(Config::new(&room), |c, n| c.program(n, "/bin/sleep 100000", &lines))
    };
    let daemon = launch(&room, &with(&["one", "two"]));
    let inode = net::listening(&peer);
    assert!(inode.is_some());
    for name in ["one", "two"] {
        assert_eq!(net::socket_at(daemon.wait_running(name), 3), inode, "{name}");
    }
    with(&["two", "three"]).write(&room);
    update(&daemon);
    for name in ["two", "three"] {
        assert_eq!(net::socket_at(daemon.wait_running(name), 3), inode, "{name}");
    }
    with(&["three"]).write(&room);
    update(&daemon);
    assert_eq!(net::listening(&peer), inode);
    with(&[]).write(&room);
    update(&daemon);
    wait_for("the socket to close", || net::listening(&peer).is_none());
}

#[test]
fn a_change_of_the_socket_itself_is_carried_out() {
    let room = Room::new();
    let (web, fast, held) = (room.path("web.sock"), room.path("fast.sock"), net::address());
    let held = Peer::tcp(held, 8_001);
    let server = room.helper("server").display().to_string();
    let with = |n: usize| {
        let mode = ["0700", "0770", "0777"][n % 3];
        Config::new(&room)
            .program(
                "web",
                &format!("/bin/sh -c \"exec {server} graceful 0 hello 0<&3\""),
                &format!(
                    "startsecs=0\nsockets=unix://{},{}\nsocket_mode={mode}\nsocket_backlog={}",
                    web.display(),
                    held.url(),
                    100 + n
                ),
            )
            .section(&format!(
                "[fcgi-program:fast]\ncommand={server} plain hello\nstartsecs=0\nsocket=unix://{}\n\
                 socket_mode={mode}\n",
                fast.display()
            ))
    };
    let daemon = launch(&room, &with(0));
    for n in 0..15 {
        with(n).write(&room);
        update(&daemon);
        let pids = ["web", "fast"].map(|name| daemon.wait_running(name));
        for (path, pid) in [(&web, pids[0]), (&fast, pids[1])] {
            let answer = Peer::unix(path).ask();
            let answer = answer.unwrap_or_else(|e| panic!("{} at {n}: {e}", path.display()));
            assert_eq!(answer, format!("{pid} hello"));
            let mode = fs::metadata(path).expect("a socket's file").mode() & 0o777;
            assert_eq!(mode, [0o700, 0o770, 0o777][n % 3], "{} at {n}", path.display());
        }
        assert_eq!(net::listening(&held), net::socket_at(pids[0], 4), "at {n}");
    }
    let left = || fs::read_dir(room.dir()).expect("the room").flatten();
    let odd = |e: &fs::DirEntry| e.file_name().to_string_lossy().contains(".sock.");
    assert_eq!(left().filter(odd).count(), 0, "names that sockets were bound under are left");
}
