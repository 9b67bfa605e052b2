//! A reader that misbehaves at a later reading: what runs goes on as before, the broker is told, and the next reading
//! by an honest one is as good as ever.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use system_tests::dist::{self, Dist};
use system_tests::net::{self, Peer};
use system_tests::procfs::{self, Status};
use system_tests::{Config, Daemon, Error, Launch, NOBODY, Room, Value, wait_for};

struct Site {
    room: Room,
    daemon: Daemon,
    dist: Dist,
    socket: Peer,
}

fn config(room: &Room, socket: &Peer) -> Config {
    let lines = format!("user=nobody\nstartsecs=0\nsockets={}", socket.url());
    Config::new(room)
        .program("a", "/bin/sleep 100000", &lines)
        .program("b", "/bin/sleep 100000", "user=nobody\nstartsecs=0")
        .program("c", "/bin/sleep 100000", "autostart=false\nstartsecs=0")
}

impl Site {
    fn start() -> Site {
        let room = Room::new();
        let dist = Dist::hooks().copy(&room);
        let real = dist.helper("supervisor-reader.real");
        fs::copy(dist.helper("supervisor-reader"), &real).expect("a copy of the reader");
        room.mode("dist/libexec/supervisor/supervisor-reader.real", 0o755);
        dist.replace("supervisor-reader", &dist::helper("later-reader"));
        let socket = Peer::tcp(net::address(), 8_001);
        let config = config(&room, &socket).write(&room);
        let daemon = Launch::new(&room, dist.supervisord()).config(&config).ready();
        daemon.wait_running("a");
        daemon.wait_running("b");
        // From here on its logs are open.
        daemon.ask("supervisor.startProcess", &["c".into(), true.into()]);
        daemon.ask("supervisor.stopProcess", &["c".into(), true.into()]);
        Site { room, daemon, dist, socket }
    }

    /// How the next readers are to behave; honestly without a word.
    fn tell(&self, how: &str) {
        fs::write(self.dist.helper("how"), how).expect("cannot write the word");
    }

    fn reload(&self) -> Result<Value, Error> {
        self.daemon.client.call("supervisor.reloadConfig", &[])
    }

    /// State and pid of every process.
    fn states(&self) -> BTreeMap<String, (String, i64)> {
        let all = self.daemon.ask("supervisor.getAllProcessInfo", &[]);
        let row = |info: &Value| {
            let state = info.get("statename").str().to_owned();
            (info.get("name").str().to_owned(), (state, info.get("pid").int()))
        };
        all.array().iter().map(row).collect()
    }

    /// Nothing but the broker and the two programs is left.
    fn wait_quiet(&self) {
        // What a reader left behind would have become a child of the daemon too.
        wait_for("the reader to end", || procfs::children(self.daemon.pid).len() == 3);
    }

    /// An honest reading finds nothing to do, and one of another configuration can be carried out.
    fn assert_works(&self) {
        self.tell("");
        let none = Value::Array(Vec::new());
        let lists = self.reload().expect("an honest reading");
        assert_eq!(lists.array()[0], Value::Array(vec![none.clone(), none.clone(), none]));
        config(&self.room, &self.socket)
            .program("d", "/bin/sleep 100000", "user=nobody\nstartsecs=0")
            .write(&self.room);
        let lists = self.reload().expect("an honest reading");
        assert_eq!(lists.array()[0].array()[0], Value::Array(vec!["d".into()]));
        self.daemon.ask("supervisor.addProcessGroup", &["d".into()]);
        let pid = self.daemon.wait_running("d");
        assert_eq!(Status::of(pid).numbers("Uid"), [NOBODY; 4]);
        self.daemon.ask("supervisor.stopProcess", &["d".into()]);
        self.daemon.client.call("supervisor.removeProcessGroup", &["d".into()]).expect("a removal");
        config(&self.room, &self.socket).write(&self.room);
        self.reload().expect("an honest reading");
    }

    /// The table in force is as it was: what is started by it is what the configuration says.
    fn assert_untouched(&self, before: &BTreeMap<String, (String, i64)>, how: &str) {
        assert_eq!(&self.states(), before, "{how}");
        let pid = self.daemon.program("a");
        let stop = |method: &str, name: &str| {
            self.daemon.ask(&format!("supervisor.{method}"), &[name.into(), true.into()]);
        };
        stop("startProcess", "c");
        let c = self.daemon.wait_running("c");
        assert_eq!(procfs::arguments(c), ["/bin/sleep", "100000"], "{how}");
        assert!(!procfs::environment(c).iter().any(|v| v.starts_with("LD_")), "{how}");
        stop("stopProcess", "c");
        let status = Status::of(pid);
        assert_eq!(status.numbers("Uid"), [NOBODY; 4], "{how}");
        assert_eq!(net::listening(&self.socket), net::socket_at(pid, 3), "{how}");
    }
}

/// Each is answered with a fault; meanwhile and afterwards all is as before.
fn each_is_refused(ways: &[&str]) {
    let site = Site::start();
    let broker = site.daemon.broker();
    let before = site.states();
    let descriptors = procfs::descriptor_count(site.daemon.pid);
    for how in ways {
        site.tell(how);
        let began = Instant::now();
        match site.reload() {
            Err(Error::Fault(92, text)) => println!("{how}: {text}"),
            other => panic!("{how}: {other:?}"),
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{how}: {:?}", began.elapsed());
        site.wait_quiet();
        site.assert_untouched(&before, how);
        site.wait_quiet();
        assert_eq!(site.daemon.broker(), broker, "{how}: another broker");
        assert_eq!(procfs::descriptor_count(site.daemon.pid), descriptors, "{how}");
    }
    site.assert_works();
    // The next broker is greeted as if there had been nothing.
    site.daemon.replace_broker();
    site.assert_untouched(&site.states(), "the next broker");
    site.assert_works();
}

#[test]
fn tables_that_drop_or_change_what_lives() {
    each_is_refused(&[
        "drop",
        "cut",
        "swap",
        "argv",
        "executable",
        "user",
        "environment",
        "name",
        "logless",
        "socketless",
        "signal",
        "log",
        "socket",
        "shared-held",
        "nothing",
    ]);
}

#[test]
fn tables_that_give_what_nobody_may_have() {
    each_is_refused(&["broker-uid", "broker-uid-freed", "lone-uid", "slots"]);
}

#[test]
fn tables_that_are_none() {
    each_is_refused(&["empty", "garbage", "short", "sealed", "write-on", "fill"]);
}

#[test]
fn requests_that_no_reader_makes() {
    each_is_refused(&["ask-garbage", "ask-descriptors", "ask-flood", "accept-unread", "kill"]);
}

#[test]
fn readers_that_end_without_a_word_or_with_a_wrong_one() {
    each_is_refused(&["silent", "abort", "leave-well", "leave-badly"]);
}

#[test]
fn what_concerns_the_daemon_is_not_the_reader_s_to_change() {
    let site = Site::start();
    let uid = Status::of(site.daemon.broker()).numbers("Uid");
    site.tell("daemon");
    // The table is accepted, for what it says of programs; the settings are no settings.
    let answer = site.reload();
    assert!(matches!(answer, Err(Error::Fault(92, _))), "{answer:?}");
    site.wait_quiet();
    let before = site.states();
    site.assert_untouched(&before, "daemon");
    let broker = site.daemon.replace_broker();
    assert_eq!(Status::of(broker).numbers("Uid"), uid);
    site.assert_untouched(&before, "daemon");
    site.assert_works();
    assert!(site.room.path("supervisord.pid").exists());
}

#[test]
fn settings_that_make_no_sense_keep_no_broker_from_its_service() {
    let site = Site::start();
    let before = site.states();
    site.tell("same");
    let answer = site.reload();
    assert!(matches!(answer, Err(Error::Fault(92, _))), "{answer:?}");
    for _ in 0..2 {
        site.daemon.replace_broker();
        site.assert_untouched(&before, "same");
    }
    site.assert_works();
}

/// It is ended when its time is over; all goes on meanwhile.
fn ends_in_its_time(how: &str) {
    let site = Site::start();
    let before = site.states();
    site.tell(how);
    let began = Instant::now();
    let client = site.daemon.client.clone();
    let reading = std::thread::spawn(move || client.call("supervisor.reloadConfig", &[]));
    site.daemon.ask("supervisor.stopProcess", &["b".into(), true.into()]);
    site.daemon.ask("supervisor.startProcess", &["b".into(), true.into()]);
    assert!(began.elapsed() < Duration::from_secs(20), "nothing was done meanwhile");
    let answer = reading.join().expect("an answer");
    assert!(matches!(answer, Err(Error::Fault(92, _))), "{how}: {answer:?}");
    assert!(began.elapsed() < Duration::from_secs(50), "{how}: {:?}", began.elapsed());
    site.wait_quiet();
    assert_eq!(site.states()["a"], before["a"]);
    site.assert_works();
}

#[test]
fn a_reader_that_never_ends() {
    ends_in_its_time("hang");
}

#[test]
fn a_reader_that_leaves_a_child() {
    ends_in_its_time("fork");
}

#[test]
fn a_daemon_that_ends_takes_a_reader_that_hangs_with_it() {
    let mut site = Site::start();
    site.tell("hang");
    let client = site.daemon.client.clone();
    let reading = std::thread::spawn(move || client.call("supervisor.reloadConfig", &[]).is_ok());
    let children = || procfs::children(site.daemon.pid);
    wait_for("the reader to begin", || children().len() == 4);
    let all: Vec<i32> =
        children().into_iter().flat_map(|p| [vec![p], procfs::children(p)].concat()).collect();
    let began = Instant::now();
    assert_eq!(site.daemon.stop(), 0);
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    assert!(!reading.join().expect("no answer"));
    wait_for("the reader to end", || !all.iter().any(|pid| procfs::alive(*pid)));
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "readers are left for {:?}",
        began.elapsed()
    );
}

#[test]
fn a_reading_whose_asker_is_gone_is_not_put_in_force_behind_the_next_one_s_back() {
    let site = Site::start();
    let before = site.states();
    let text = |n: u32| {
        config(&site.room, &site.socket)
            .section(&format!(
                "[program:n{n}]\ncommand=/bin/true\nnumprocs=4000\nprocess_name=%(process_num)d\nautostart=false\n\
                 stdout_logfile=NONE\nstderr_logfile=NONE\n"
            ))
            .write(&site.room);
    };
    // Each would leave 4,000 entries that no broker knows of; there is room for 16,384.
    for n in 0..6 {
        text(n);
        site.tell("slow 1500");
        let client = site.daemon.client.clone();
        let reading =
            std::thread::spawn(move || client.call("supervisor.reloadConfig", &[]).is_ok());
        wait_for("the reader to begin", || procfs::children(site.daemon.pid).len() == 4);
        site.daemon.replace_broker();
        assert!(!reading.join().expect("no answer"));
        site.wait_quiet();
        assert_eq!(site.states(), before);
    }
    site.tell("");
    text(99);
    let lists = site.reload().expect("room for what is configured");
    assert_eq!(lists.array()[0].array()[0], Value::Array(vec!["n99".into()]));
    config(&site.room, &site.socket).write(&site.room);
    site.assert_works();
}
