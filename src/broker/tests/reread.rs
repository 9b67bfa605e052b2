//! Tests: readings of the configuration, groups that come and go, and what a successor makes of both.

use privsep::journal::PAYLOAD;
use tokio::task::spawn_local;

use policy::access::Action;

use super::*;
use crate::config::settings::{Complaints, Server, Tls};
use crate::process::{Command, State as Is, roster};
use crate::rpc::guard::free;
use crate::rpc::office::{Office, Unmoved};

/// Groups of one program each, without logs; slots as listed.
fn groups(names: &[&str]) -> Settings {
    let programs = names.iter().map(|name| {
        let process = Process { startsecs: 0, ..program(name) };
        (*name, 999, vec![process])
    });
    let mut settings = world::settings(programs.collect());
    settings.activity = ActivityLog { log: Some(0), level: Level::Info, stdout: false };
    settings.logs.insert(0, log_file("activity"));
    settings
}

fn encoded(settings: &Settings) -> Vec<u8> {
    settings.encode().unwrap()
}

/// A broker that serves: `p` runs in slot 0 as instance 1.
async fn serving() -> (Fake, Rc<Broker>, Task) {
    let (fake, broker, task) = launch(tempfile::tempdir().unwrap());
    assert_eq!(fake.hear().await.1, Request::Ready);
    fake.greet_with(0, Cause::Start, &groups(&["p"]));
    fake.opens(0, Mode::Write, "activity").await;
    fake.tell(Reply::Complete, &[]);
    fake.runs(0, 1).await;
    (fake, broker.await.unwrap(), task)
}

/// The broker after that one; `live` is handed back.
async fn successor(
    fake: Fake,
    task: Task,
    latest: &Settings,
    live: &[(u32, u32)],
) -> (Fake, Rc<Broker>) {
    successor_of(Cause::Died, fake, task, latest, live).await
}

async fn successor_of(
    cause: Cause,
    fake: Fake,
    task: Task,
    latest: &Settings,
    live: &[(u32, u32)],
) -> (Fake, Rc<Broker>) {
    task.abort();
    let _ = task.await;
    let (fake, broker, _) = launch(fake.dir);
    assert_eq!(fake.hear().await.1, Request::Ready);
    fake.greet_with(1, cause, latest);
    fake.opens(0, Mode::Write, "activity").await;
    for (slot, instance) in live {
        fake.is_running(0, *slot, *instance);
    }
    fake.tell(Reply::Complete, &[]);
    (fake, broker.await.unwrap())
}

impl Fake {
    async fn runs(&self, slot: u32, instance: u32) {
        let (seq, request) = self.hear().await;
        assert_eq!(request, Request::Spawn { slot });
        self.is_running(seq, slot, instance);
        let pid = format!("with pid {}\n", 100 * slot + instance);
        self.shows("activity", &pid).await;
    }

    fn is_running(&self, seq: u32, slot: u32, instance: u32) {
        let pid = i32::try_from(100 * slot + instance).unwrap();
        let reply = Reply::Spawned { seq, slot, instance, pid, failure: None, pipes: 0 };
        self.tell(reply, &[]);
    }

    fn ends(&self, slot: u32, instance: u32) {
        let at = u64::try_from(clock::now().mono.as_nanos()).unwrap();
        self.tell(Reply::Exited { slot, instance, status: 9, at, cpu: 0, maxrss: 0 }, &[]);
    }

    /// Whatever the broker had to say, it has said before this.
    async fn is_quiet(&self, broker: &Broker) {
        broker.link.send(Request::Probe { slot: 0 });
        assert_eq!(self.hear().await.1, Request::Probe { slot: 0 });
    }
}

async fn reread(fake: &Fake, broker: &Rc<Broker>, settings: &Settings) {
    let asked = Rc::clone(broker);
    let client = spawn_local(async move { asked.reread(&free(Action::Config)).await });
    fake.reads(0, &encoded(settings)).await;
    assert_eq!(client.await.unwrap(), Ok(()));
}

async fn stop(fake: &Fake, broker: &Rc<Broker>, slot: u32, instance: u32) {
    let asked = Rc::clone(broker);
    let command = Command::Stop { slots: vec![slot], wait: true };
    let client = spawn_local(async move { asked.command(&[free(Action::Stop)], command).await });
    let (seq, request) = fake.hear().await;
    assert!(matches!(request, Request::Signal { signo: 15, .. }), "{request:?}");
    fake.tell(Reply::Done { seq, errno: 0 }, &[]);
    fake.ends(slot, instance);
    assert_eq!(fake.hear().await.1, Request::Ack { slot, instance });
    assert_eq!(client.await.unwrap(), [(slot, Ok(()))]);
}

fn cell(broker: &Broker, slot: usize) -> [u8; PAYLOAD] {
    broker.journal.read(slot + 1).unwrap_or([0; PAYLOAD])
}

#[tokio::test]
async fn who_asks_during_a_reading_shares_the_next() {
    LocalSet::new().run_until(sharing()).await;
}

async fn sharing() {
    let (fake, broker, _task) = serving().await;
    let ask = || {
        let asked = Rc::clone(&broker);
        spawn_local(async move { asked.reread(&free(Action::Config)).await })
    };
    let first = ask();
    let (seq, request) = fake.hear().await;
    assert_eq!(request, Request::Reread);
    let later = [ask(), ask()];
    tokio::task::yield_now().await;
    fake.has_read(seq, 0, &encoded(&groups(&["p"])));
    assert_eq!(first.await.unwrap(), Ok(()));
    // Meanwhile nobody is held up.
    assert_eq!(broker.heart(|heart| heart.state(0)), Some(Is::Running));
    let complaints = Complaints {
        fault: "no key x in [program:p]".into(),
        lines: vec![(Level::Error, "file.conf:3: no key x".into())],
    };
    fake.reads(2, &complaints.encode().unwrap()).await;
    for client in later {
        assert_eq!(client.await.unwrap(), Err("no key x in [program:p]".into()));
    }
    fake.shows("activity", "ERRO file.conf:3: no key x\n").await;
    fake.is_quiet(&broker).await;
}

#[tokio::test]
async fn a_busy_spawner_is_asked_again_and_a_failed_reading_is_told() {
    LocalSet::new().run_until(busy()).await;
}

async fn busy() {
    let (fake, broker, _task) = serving().await;
    let asked = Rc::clone(&broker);
    let client = spawn_local(async move { asked.reread(&free(Action::Config)).await });
    for errno in [Errno::EBUSY, Errno::EBUSY, Errno::ETIMEDOUT] {
        let (seq, request) = fake.hear().await;
        assert_eq!(request, Request::Reread);
        // What somebody else had asked for counts, but began before this client asked.
        fake.has_read(4_711, 0, &encoded(&groups(&["p", "q"])));
        fake.tell(Reply::Done { seq, errno: errno as i32 }, &[]);
    }
    let text = "the configuration could not be read: Connection timed out";
    assert_eq!(client.await.unwrap(), Err(text.into()));
    fake.shows("activity", text).await;
    assert_eq!(broker.latest().groups.len(), 2);
    let asked = Rc::clone(&broker);
    let client = spawn_local(async move { asked.reread(&free(Action::Config)).await });
    fake.reads(0, b"nonsense").await;
    assert_eq!(client.await.unwrap(), Err("what the reader wrote makes no sense".into()));
}

#[tokio::test]
async fn groups_come_and_go() {
    LocalSet::new().run_until(coming_and_going()).await;
}

async fn coming_and_going() {
    let (fake, broker, _task) = serving().await;
    let mut both = groups(&["p", "q"]);
    both.notes = vec![(Level::Warn, "user changed; it takes effect at the next restart".into())];
    reread(&fake, &broker, &both).await;
    fake.shows("activity", "WARN user changed; it takes effect at the next restart\n").await;
    assert_eq!(broker.add_group(&[free(Action::Config)], "q"), Ok(()));
    assert_eq!(broker.add_group(&[free(Action::Config)], "q"), Err(Unmoved::InForce));
    assert_eq!(broker.heart(|heart| heart.state(1)), Some(Is::Stopped), "not at once");
    fake.runs(1, 1).await;
    let text = broker.journal.text().unwrap();
    assert_eq!(Settings::decode(&text), Some((*broker.settings()).clone()), "before it started");
    assert_eq!(broker.remove_group(&[free(Action::Config)], "q"), Err(Unmoved::Running));
    stop(&fake, &broker, 1, 1).await;
    assert_eq!(broker.remove_group(&[free(Action::Config)], "q"), Ok(()));
    assert_eq!(broker.remove_group(&[free(Action::Config)], "q"), Err(Unmoved::Unknown));
    fake.is_quiet(&broker).await;
    // The same slot again: a life of its own, that starts by itself.
    assert_eq!(broker.add_group(&[free(Action::Config)], "q"), Ok(()));
    fake.runs(1, 2).await;
    stop(&fake, &broker, 1, 2).await;
    assert_eq!(broker.remove_group(&[free(Action::Config)], "q"), Ok(()));
    assert_ne!(cell(&broker, 1), [0; PAYLOAD]);
    reread(&fake, &broker, &groups(&["p"])).await;
    assert_eq!(fake.hear().await.1, Request::Retire { slot: 1 });
    assert_eq!(cell(&broker, 1), [0; PAYLOAD]);
    assert_eq!(broker.add_group(&[free(Action::Config)], "q"), Err(Unmoved::Unknown));
}

#[tokio::test]
async fn nothing_is_retired_while_the_table_is_read() {
    LocalSet::new().run_until(late_retirement()).await;
}

async fn late_retirement() {
    let (fake, broker, _task) = serving().await;
    stop(&fake, &broker, 0, 1).await;
    reread(&fake, &broker, &groups(&[])).await;
    let asked = Rc::clone(&broker);
    let client = spawn_local(async move { asked.reread(&free(Action::Config)).await });
    let (seq, _) = fake.hear().await;
    assert_eq!(broker.remove_group(&[free(Action::Config)], "p"), Ok(()));
    tokio::time::sleep(Duration::from_millis(20)).await;
    fake.is_quiet(&broker).await;
    // The reader has given the entry to the new configuration once more.
    fake.has_read(seq, 0, &encoded(&groups(&["p"])));
    assert_eq!(client.await.unwrap(), Ok(()));
    fake.is_quiet(&broker).await;
    assert_eq!(broker.add_group(&[free(Action::Config)], "p"), Ok(()));
    fake.runs(0, 2).await;
}

#[tokio::test]
async fn a_successor_knows_which_groups_are_in_force() {
    LocalSet::new().run_until(knowing()).await;
}

async fn knowing() {
    let (fake, broker, task) = serving().await;
    let three = groups(&["p", "q", "r", "s"]);
    reread(&fake, &broker, &three).await;
    broker.add_group(&[free(Action::Config)], "q").unwrap();
    fake.runs(1, 1).await;
    drop(broker);
    // `r` was never added; slot 7 is of a group that nobody remembers.
    let two = groups(&["p", "q", "r"]);
    let (fake, broker) = successor(fake, task, &two, &[(0, 1), (1, 1), (7, 3)]).await;
    let (_, request) = fake.hear().await;
    let (signo, whom) = (9, Whom::Tree);
    assert_eq!(request, Request::Signal { slot: 7, instance: 3, signo, whom });
    let names: Vec<_> = broker.settings().groups.iter().map(|g| g.name.clone()).collect();
    assert_eq!(names, ["p", "q"]);
    assert_eq!(broker.heart(|heart| heart.state(1)), Some(Is::Running));
    assert_eq!(broker.latest().groups.len(), 3);
    // What the former broker had not come to.
    assert_eq!(fake.hear().await.1, Request::Retire { slot: 3 });
    fake.ends(7, 3);
    assert_eq!(fake.hear().await.1, Request::Ack { slot: 7, instance: 3 });
    assert_eq!(fake.hear().await.1, Request::Retire { slot: 7 });
    assert_eq!(broker.add_group(&[free(Action::Config)], "r"), Ok(()));
    fake.runs(2, 1).await;
}

#[tokio::test]
async fn what_logs_a_process_has_is_not_for_a_former_broker_to_say() {
    LocalSet::new().run_until(lying()).await;
}

async fn lying() {
    let (fake, broker, task) = serving().await;
    let logged = |names: &[&str], logs: &[Option<u32>]| {
        let mut settings = groups(names);
        for (process, log) in settings.processes.values_mut().zip(logs) {
            (process.stdout, process.stderr) = (stream(*log), stream(*log));
        }
        settings.logs.extend([1, 2, 3].map(|n| (n, log_file(&n.to_string()))));
        settings
    };
    let latest = logged(&["p", "q"], &[Some(1), Some(2)]);
    reread(&fake, &broker, &latest).await;
    assert!(broker.vouches(0) && broker.vouches(2));
    let mut forged = logged(&["p", "q", "r"], &[Some(2), None, Some(2)]);
    forged.logs.get_mut(&2).unwrap().path = "elsewhere".to_owned();
    forged.processes.get_mut(&0).unwrap().labels = vec!["public".to_owned()];
    assert!(broker.journal.write_text(&encoded(&forged)));
    drop(broker);
    let (_fake, broker) = successor(fake, task, &latest, &[(0, 1)]).await;
    let settings = broker.settings();
    let logs = |slot| settings.process(slot).map(|p| (p.stdout.log, p.stderr.log));
    assert_eq!(logs(0), Some((Some(1), Some(1))));
    assert_eq!(logs(1), Some((Some(2), Some(2))));
    assert_eq!(settings.logs[&2], latest.logs[&2]);
    assert_eq!(settings.process(0).map(|p| p.labels.len()), Some(0));
    // What nobody has read still writes; nobody reads that.
    assert_eq!(settings.process(2).map(|p| p.name.as_str()), Some("r"));
    assert_eq!([0, 1, 2].map(|slot| broker.vouches(slot)), [true, true, false]);
}

#[tokio::test]
async fn keys_are_not_left_to_a_successor() {
    LocalSet::new().run_until(leaving()).await;
}

async fn leaving() {
    let (fake, broker, task) = serving().await;
    let secure = |names: &[&str], key: &[u8], sockets: &[u32]| {
        let mut settings = groups(names);
        let tls = Tls { chain: vec![vec![1]], key: key.to_vec(), clients: None };
        settings.servers = sockets.iter().map(|socket| server(*socket, tls.clone())).collect();
        settings
    };
    *broker.active.borrow_mut() = Rc::new(secure(&["p"], b"a key", &[0, 1]));
    let latest = secure(&["p", "q"], b"another key", &[0]);
    reread(&fake, &broker, &latest).await;
    broker.add_group(&[free(Action::Config)], "q").unwrap();
    fake.runs(1, 1).await;
    let left = broker.journal.text().unwrap();
    let left = Settings::decode(&left).unwrap();
    assert_eq!(left.groups.len(), 2);
    assert!(left.servers.iter().all(|s| s.tls.as_ref().is_some_and(|tls| tls.key.is_empty())));
    drop(broker);
    let (_fake, broker) = successor(fake, task, &latest, &[(0, 1), (1, 1)]).await;
    let keys = |server: &Server| server.tls.as_ref().map(|tls| tls.key.clone());
    let keys: Vec<_> = broker.settings().servers.iter().map(keys).collect();
    // One that is in no reading any more speaks TLS still, and with nobody.
    assert_eq!(keys, [Some(b"another key".to_vec()), Some(Vec::new())]);
}

fn server(socket: u32, tls: Tls) -> Server {
    Server {
        section: format!("s{socket}"),
        socket,
        credentials: None,
        hosts: Vec::new(),
        legacy_get_actions: false,
        guarded: false,
        pam: false,
        tls: Some(tls),
    }
}

#[tokio::test]
async fn a_broker_that_broke_the_rules_is_not_believed() {
    LocalSet::new().run_until(disbelief()).await;
}

async fn disbelief() {
    let (fake, broker, task) = serving().await;
    let latest = groups(&["p"]);
    reread(&fake, &broker, &latest).await;
    let mut forged = groups(&["p", "q"]);
    let q = forged.processes.remove(&1).unwrap();
    forged.processes.insert(9_999, q);
    forged.groups[1].slots = vec![9_999];
    assert!(broker.journal.write_text(&encoded(&forged)));
    drop(broker);
    let (fake, broker) = successor_of(Cause::Misbehaved, fake, task, &latest, &[(0, 1)]).await;
    assert_eq!(*broker.settings(), latest);
    // Nor will the next one.
    let text = || Settings::decode(&broker.journal.text().unwrap());
    for _ in 0..4_000 {
        if text() == Some(latest.clone()) {
            return fake.is_quiet(&broker).await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the forged text is still there");
}

#[tokio::test]
async fn a_bad_configuration_refuses_the_restart() {
    LocalSet::new().run_until(refusing()).await;
}

async fn refusing() {
    let (fake, broker, task) = serving().await;
    fake.tell(Reply::SignalReceived { signo: 1 }, &[]);
    let (seq, request) = fake.hear().await;
    assert_eq!(request, Request::Reread);
    assert_eq!(fake.hear().await.1, Request::AckSignal { signo: 1 });
    let complaints = Complaints { fault: "no such user".into(), lines: Vec::new() };
    fake.has_read(seq, 2, &complaints.encode().unwrap());
    let text = "ERRO restart refused, everything goes on as it was: no such user\n";
    fake.shows("activity", text).await;
    assert!(!broker.heart(|heart| heart.shutting_down()));
    let asked = Rc::clone(&broker);
    let client = spawn_local(async move { asked.restart(&free(Action::Admin)).await });
    fake.reads(2, &complaints.encode().unwrap()).await;
    assert_eq!(client.await.unwrap(), Err("no such user".into()));
    // A signal whose check the broker did not live to see the end of.
    fake.tell(Reply::SignalReceived { signo: 1 }, &[]);
    assert_eq!(fake.hear().await.1, Request::Reread);
    assert_eq!(fake.hear().await.1, Request::AckSignal { signo: 1 });
    drop(broker);
    let settings = groups(&["p"]);
    let (fake, broker) = successor(fake, task, &settings, &[(0, 1)]).await;
    fake.reads(0, &encoded(&settings)).await;
    let (_, request) = fake.hear().await;
    assert!(matches!(request, Request::Signal { signo: 15, .. }), "{request:?}");
    fake.ends(0, 1);
    assert_eq!(fake.hear().await.1, Request::Ack { slot: 0, instance: 1 });
    assert_eq!(fake.hear().await.1, Request::End(End::Restart));
    drop(broker);
}

#[tokio::test]
async fn a_hundred_groups_are_one_change() {
    LocalSet::new().run_until(many()).await;
}

async fn many() {
    let (fake, broker, _task) = serving().await;
    let names: Vec<String> = (0..100).map(|n| format!("g{n}")).collect();
    let mut all = vec!["p"];
    all.extend(names.iter().map(String::as_str));
    reread(&fake, &broker, &groups(&all)).await;
    let before = broker.journal.text();
    for name in &names {
        broker.add_group(&[free(Action::Config)], name).unwrap();
    }
    assert_eq!(broker.journal.text(), before);
    for slot in 1..=100 {
        assert_eq!(fake.hear().await.1, Request::Spawn { slot });
    }
    let text = broker.journal.text().unwrap();
    assert_eq!(Settings::decode(&text).unwrap().groups.len(), 101);
}

#[tokio::test]
async fn many_readings_leave_nothing_behind() {
    LocalSet::new().run_until(over_and_over()).await;
}

async fn over_and_over() {
    let (fake, broker, _task) = serving().await;
    let (mut one, mut two) = (groups(&["p", "q"]), groups(&["p", "q"]));
    for (settings, slot) in [(&mut one, 1), (&mut two, 2)] {
        let q = settings.processes.remove(&1).unwrap();
        settings.processes.insert(slot, Process { autostart: false, ..q });
        settings.groups[1].slots = vec![slot];
    }
    for n in 0..200 {
        let (settings, slot) = if n % 2 == 0 { (&one, 1) } else { (&two, 2) };
        reread(&fake, &broker, settings).await;
        if n > 0 {
            // In force with another slot.
            assert_eq!(roster::changes(&broker.settings(), &broker.latest()).changed, ["q"]);
            broker.remove_group(&[free(Action::Config)], "q").unwrap();
        }
        broker.add_group(&[free(Action::Config)], "q").unwrap();
        if n > 0 {
            assert_eq!(fake.hear().await.1, Request::Retire { slot: 3 - slot });
        }
    }
    let state = broker.state.borrow();
    assert_eq!(state.known.len(), 2);
    assert!(state.pending.is_empty() && state.exits.is_empty() && state.parked.is_empty());
    assert_eq!(broker.settings().processes.len(), 2);
    assert!(broker.journal.read(4).is_none());
}
