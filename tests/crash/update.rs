//! The broker is killed while the configuration is read again and groups come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use system_tests::dist::Dist;
use system_tests::net::{self, Peer};
use system_tests::{Client, Config, Daemon, Error, Launch, Room, Value, procfs, wait_for};

const SLEEP: &str = "/bin/sleep 100000";
const GROUPS: usize = 30;

/// Programs that are in every configuration, one of which writes to an AUTO log and one of which holds a socket.
fn common(room: &Room, socket: &Peer) -> Config {
    Config::new(room)
        .program("stays", SLEEP, "startsecs=0")
        .program("quiet", SLEEP, "startsecs=0\nstdout_logfile=NONE\nstderr_logfile=NONE")
        .program("web", SLEEP, &format!("startsecs=0\nsockets={}", socket.url()))
}

/// Groups number `from` to `to`; what they are depends on `word`.
fn with(config: Config, from: usize, to: usize, word: &str) -> Config {
    (from..to).fold(config, |config, n| {
        let lines = format!("startsecs=0\nenvironment=WORD=\"{word}\"");
        config.program(&format!("g{n:02}"), SLEEP, &lines)
    })
}

fn launch(room: &Room, config: &Config) -> Daemon {
    let daemon = Launch::new(room, Dist::hooks().supervisord()).config(&config.write(room)).ready();
    wait_running(&daemon);
    daemon
}

/// Name → state and pid.
fn states(daemon: &Daemon) -> BTreeMap<String, (String, i32)> {
    let all = daemon.ask("supervisor.getAllProcessInfo", &[]);
    let row = |info: &Value| {
        let pid = i32::try_from(info.get("pid").int()).expect("a process id");
        (info.get("name").str().to_owned(), (info.get("statename").str().to_owned(), pid))
    };
    all.array().iter().map(row).collect()
}

/// All programs run, and the daemon has no other child than them and the broker.
fn wait_running(daemon: &Daemon) -> BTreeMap<String, i32> {
    let mut states = states(daemon);
    wait_for("every program to run, and nothing else", || {
        states = self::states(daemon);
        let pids: BTreeSet<i32> = states.values().map(|(_, pid)| *pid).collect();
        let broker = daemon.try_broker();
        let children = procfs::children(daemon.pid).into_iter().filter(|c| Some(*c) != broker);
        states.values().all(|(state, _)| state == "RUNNING") && children.eq(pids)
    });
    states.into_iter().map(|(name, (_, pid))| (name, pid)).collect()
}

/// Added, changed, removed.
fn reload(client: &Client) -> Result<[Vec<String>; 3], Error> {
    let lists = client.call("supervisor.reloadConfig", &[])?;
    let names = |n: usize| -> Vec<String> {
        lists.array()[0].array()[n].array().iter().map(|v| v.str().to_owned()).collect()
    };
    Ok([names(0), names(1), names(2)])
}

/// What `supervisorctl update` does, as far as it gets.
fn update(client: &Client) -> Result<usize, Error> {
    let [added, changed, removed] = reload(client)?;
    let call = |method: &str, params: &[Value]| {
        match client.call(&format!("supervisor.{method}"), params) {
            // Done before, by a broker that died over it.
            Ok(_) | Err(Error::Fault(10 | 90, _)) => Ok(()),
            Err(error) => Err(error),
        }
    };
    for name in removed.iter().chain(&changed) {
        call("stopProcessGroup", &[name.as_str().into(), true.into()])?;
        call("removeProcessGroup", &[name.as_str().into()])?;
    }
    for name in changed.iter().chain(&added) {
        call("addProcessGroup", &[name.as_str().into()])?;
    }
    Ok(added.len() + changed.len() + removed.len())
}

/// Updates until there is nothing more to do.
fn update_whatever_happens(client: &Client) {
    let mut last = None;
    wait_for("an update that finds nothing to do", || {
        let done = update(client);
        let over = matches!(done, Ok(0));
        if let Err(error @ Error::Fault(..)) = done {
            last = Some(error);
        }
        over
    });
}

fn assert_kept(old: &BTreeMap<String, i32>, new: &BTreeMap<String, i32>) {
    for name in ["stays", "quiet", "web"] {
        assert_eq!(new.get(name), old.get(name), "{name} was restarted");
    }
}

fn assert_groups(running: &BTreeMap<String, i32>, from: usize, to: usize, word: &str) {
    let groups: Vec<_> = running.iter().filter(|(name, _)| name.starts_with('g')).collect();
    let names: Vec<String> = groups.iter().map(|(name, _)| (*name).clone()).collect();
    assert_eq!(names, (from..to).map(|n| format!("g{n:02}")).collect::<Vec<_>>());
    for (name, pid) in groups {
        let environment = procfs::environment(*pid);
        assert!(environment.contains(&format!("WORD={word}")), "{name} is of another reading");
    }
}

#[test]
fn between_a_reading_and_its_update() {
    let room = Room::new();
    let socket = Peer::tcp(net::address(), 8_001);
    let daemon = launch(&room, &with(common(&room, &socket), 0, 10, "one"));
    let old = wait_running(&daemon);
    // 0 to 4 go, 5 to 9 change, 10 to 14 are new.
    with(common(&room, &socket), 5, 15, "two").write(&room);
    let lists = reload(&daemon.client).expect("a reading");
    assert_eq!(lists.each_ref().map(Vec::len), [5, 5, 5]);
    daemon.replace_broker();
    // The reading counts for the next broker too: what is new can be added, what is old runs as it did.
    assert_eq!(wait_running(&daemon), old);
    daemon.ask("supervisor.addProcessGroup", &["g10".into()]);
    let gone = daemon.client.call("supervisor.addProcessGroup", &["g00".into()]);
    assert!(matches!(gone, Err(Error::Fault(10, _))), "{gone:?}");
    wait_running(&daemon);
    daemon.replace_broker();
    let running = wait_running(&daemon);
    assert!(running.contains_key("g10") && !running.contains_key("g11"), "{running:?}");
    let lists = reload(&daemon.client).expect("a reading");
    assert_eq!(lists.each_ref().map(Vec::len), [4, 5, 5]);
    update_whatever_happens(&daemon.client);
    let running = wait_running(&daemon);
    assert_kept(&old, &running);
    assert_groups(&running, 5, 15, "two");
    daemon.replace_broker();
    assert_eq!(wait_running(&daemon), running);
}

#[test]
fn what_was_added_and_removed_is_known_to_the_next() {
    let room = Room::new();
    let socket = Peer::tcp(net::address(), 8_001);
    let daemon = launch(&room, &with(common(&room, &socket), 0, 4, "one"));
    let old = wait_running(&daemon);
    with(common(&room, &socket), 2, 6, "one").write(&room);
    update_whatever_happens(&daemon.client);
    let running = wait_running(&daemon);
    assert_groups(&running, 2, 6, "one");
    for name in ["g02", "g03"] {
        assert_eq!(running[name], old[name]);
    }
    for _ in 0..3 {
        daemon.replace_broker();
        assert_eq!(wait_running(&daemon), running);
        assert_eq!(reload(&daemon.client).expect("a reading").concat(), Vec::<String>::new());
    }
    // A group that was stopped by hand stays stopped, an exit meanwhile is noticed.
    daemon.ask("supervisor.stopProcess", &["g02".into(), true.into()]);
    daemon.kill_broker();
    procfs::signal(running["g04"], Signal::SIGKILL);
    daemon.wait_state("g02", "STOPPED");
    daemon.wait_running("g04");
    assert_ne!(daemon.program("g04"), running["g04"]);
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[test]
fn in_the_middle_of_updates() {
    let room = Room::new();
    let socket = Peer::tcp(net::address(), 8_001);
    let daemon = launch(&room, &with(common(&room, &socket), 0, GROUPS, "start"));
    let old = wait_running(&daemon);
    let inode = net::listening(&socket);
    let mut dice = Dice(20_261_121);
    let descriptors = procfs::descriptor_count(daemon.pid);
    for round in 0..12_u64 {
        let word = format!("round{}", round % 2);
        let from = usize::try_from(dice.below(10)).expect("a small number");
        let to = GROUPS + from;
        with(common(&room, &socket), from, to, &word).write(&room);
        let client = daemon.client.clone();
        let updating = thread::spawn(move || update_whatever_happens(&client));
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(dice.below(60)));
            daemon.kill_broker();
        }
        if updating.join().is_err() {
            panic!("round {round} did not end: {:?}", states(&daemon));
        }
        let running = wait_running(&daemon);
        assert_kept(&old, &running);
        assert_groups(&running, from, to, &word);
        assert_eq!(net::listening(&socket), inode, "the socket was bound again");
    }
    // What a broker that died over its retirement has left in the table is taken up by the next that has it.
    for (to, word) in [(GROUPS + 10, "round0"), (GROUPS + 10, "round1"), (GROUPS, "start")] {
        with(common(&room, &socket), 0, to, word).write(&room);
        update_whatever_happens(&daemon.client);
        assert_groups(&wait_running(&daemon), 0, to, word);
    }
    wait_for("as many descriptors of the spawner as before", || {
        procfs::descriptor_count(daemon.pid) == descriptors
    });
}

#[test]
fn while_it_reads() {
    let room = Room::new();
    let socket = Peer::tcp(net::address(), 8_001);
    let one = with(common(&room, &socket), 0, 5, "one");
    let two = with(common(&room, &socket), 3, 8, "two");
    let daemon = launch(&room, &one);
    let old = wait_running(&daemon);
    let mut dice = Dice(7);
    for round in 0..20 {
        let config = if round % 2 == 0 { &two } else { &one };
        config.write(&room);
        let client = daemon.client.clone();
        let reading = thread::spawn(move || client.call("supervisor.reloadConfig", &[]).is_ok());
        thread::sleep(Duration::from_micros(dice.below(9_000)));
        daemon.kill_broker();
        reading.join().expect("a client that gives up");
        // What was read or not, what runs is what was in force.
        assert_eq!(wait_running(&daemon), old, "round {round}");
        let lists = reload(&daemon.client).expect("a reading");
        let expected = if round % 2 == 0 { [3, 2, 3] } else { [0, 0, 0] };
        assert_eq!(lists.each_ref().map(Vec::len), expected, "round {round}: {lists:?}");
    }
    two.write(&room);
    update_whatever_happens(&daemon.client);
    let running = wait_running(&daemon);
    assert_kept(&old, &running);
    assert_groups(&running, 3, 8, "two");
}

#[test]
fn a_group_that_is_not_known_to_the_next_does_not_run_on() {
    // Whatever the moment: what a broker has started and not written down, the next one stops.
    let room = Room::new();
    let socket = Peer::tcp(net::address(), 8_001);
    let daemon = launch(&room, &common(&room, &socket));
    let old = wait_running(&daemon);
    with(common(&room, &socket), 0, 3, "one").write(&room);
    let mut dice = Dice(99);
    for _ in 0..15 {
        reload(&daemon.client).expect("a reading");
        for name in ["g00", "g01", "g02"] {
            let _ = daemon.client.call("supervisor.addProcessGroup", &[name.into()]);
        }
        thread::sleep(Duration::from_micros(dice.below(30_000)));
        daemon.kill_broker();
        let running = wait_running(&daemon);
        assert_kept(&old, &running);
        for name in ["g00", "g01", "g02"] {
            if running.contains_key(name) {
                daemon.ask("supervisor.stopProcess", &[name.into(), true.into()]);
                daemon.client.call("supervisor.removeProcessGroup", &[name.into()]).expect(name);
            }
        }
    }
}

#[test]
fn a_retirement_is_not_lost_with_the_broker() {
    let room = Room::new();
    let socket = Peer::tcp(net::address(), 8_001);
    let daemon = launch(&room, &common(&room, &socket));
    let old = wait_running(&daemon);
    let without = Config::new(&room).program("stays", SLEEP, "startsecs=0").program(
        "quiet",
        SLEEP,
        "startsecs=0\nstdout_logfile=NONE\nstderr_logfile=NONE",
    );
    without.write(&room);
    assert_eq!(reload(&daemon.client).expect("a reading")[2], ["web"]);
    daemon.ask("supervisor.stopProcess", &["web".into(), true.into()]);
    let broker = daemon.broker();
    // The spawner has no time to hear of it before the broker is dead.
    daemon.signal(Signal::SIGSTOP);
    daemon.client.call("supervisor.removeProcessGroup", &["web".into()]).expect("a removal");
    thread::sleep(Duration::from_millis(100));
    procfs::signal(broker, Signal::SIGKILL);
    daemon.signal(Signal::SIGCONT);
    let running = wait_running(&daemon);
    assert_eq!(running.keys().collect::<Vec<_>>(), ["quiet", "stays"]);
    assert_eq!(running["stays"], old["stays"]);
    wait_for("the socket of the program to close", || net::listening(&socket).is_none());
}
