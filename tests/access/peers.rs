//! Who is at the other end of a unix socket: what the kernel said when the connection was made, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use system_tests::config::broker_user;
use system_tests::{Account, Config, Dist, Launch, People, Room, poll_until, procfs};

use crate::ask::{Answer, basic, last_call};
use crate::world::{Cast, Over, World, hashed};

fn world(roles: impl Fn(&Cast) -> String) -> (World, Cast) {
    let (world, cast) = World::new(|room, cast, config| {
        config
            .program("seen", "/bin/sleep 100000", "startsecs=0")
            .section(&format!("[user:bob]\npassword={}", hashed(room, "peers")))
            .section(&roles(cast))
    });
    world.daemon.wait_running("seen");
    (world, cast)
}

fn web(cast: &Cast) -> String {
    format!("[role:team]\nmembers=@{}\nprograms=seen\nactions=restart", cast.web.name)
}

/// A connection that outlives the process that made it.
struct Heir<'a> {
    world: &'a World,
    name: String,
    /// The process that connected, and is no more.
    pub pid: u32,
    child: Child,
}

impl<'a> Heir<'a> {
    fn of(world: &'a World, who: &Account, name: &str) -> Heir<'a> {
        let request = last_call("supervisor.getProcessInfo", &["seen".into()], "");
        fs::write(world.room.path(&format!("{name}.request")), request).expect("a request");
        world.room.mode(&format!("{name}.request"), 0o644);
        let mut command = who.command(&world.room.helper("peer"));
        command.args(["heir", &world.room.text("supervisord.sock")]);
        command.arg(world.room.path(&format!("{name}.request")));
        command.arg(world.room.path(&format!("{name}.go"))).stdout(Stdio::piped());
        let child = command.spawn().expect("a client");
        let pid = child.id();
        let mut heir = Heir { world, name: name.to_owned(), pid, child };
        let status = poll_until("the end of who connected", || heir.child.try_wait().ok()?);
        assert!(status.success(), "{status}");
        heir
    }

    /// Has it ask now.
    fn ask(mut self) -> Answer {
        self.world.room.file(&format!("{}.go", self.name), "");
        let mut text = String::new();
        let mut stdout = self.child.stdout.take().expect("a pipe");
        std::io::Read::read_to_string(&mut stdout, &mut text).expect("an answer");
        Answer::read(&text)
    }
}

/// Starts a process that has this number. Others start processes too: it takes some tries.
fn reuse(pid: u32, command: impl Fn() -> Command) -> Child {
    poll_until(&format!("another process {pid}"), || {
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string())
            .expect("this test sets the number of the next process: CAP_SYS_ADMIN");
        let mut child = command().spawn().expect("a process");
        if child.id() == pid {
            return Some(child);
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    })
}

/// Ends a process that this test started.
fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn another_process_of_the_same_number_is_somebody_else() {
    let (world, cast) = world(web);
    let sleep = |who: Option<&Account>| {
        let mut command = match who {
            Some(who) => who.command(Path::new("/bin/sleep")),
            None => Command::new("/bin/sleep"),
        };
        command.arg("1000").stdin(Stdio::null());
        command
    };
    // Carol has no role. Root takes her number while her connection is open.
    let heir = Heir::of(&world, &cast.carol, "carol");
    let root = reuse(heir.pid, || sleep(None));
    assert!(procfs::alive(i32::try_from(heir.pid).expect("a process id")));
    let answer = heir.ask();
    assert_eq!(answer.code(), 10, "{answer:?}");
    end(root);
    // And the other way: alice stays alice.
    let heir = Heir::of(&world, &cast.alice, "alice");
    let carol = reuse(heir.pid, || sleep(Some(&cast.carol)));
    let answer = heir.ask();
    assert_eq!(answer.code(), 0, "{answer:?}");
    end(carol);
}

#[test]
fn groups_are_those_of_the_process_that_connected() {
    let (world, cast) = world(web);
    // They go before the group does.
    let mut people = People::new();
    let info = last_call("supervisor.getProcessInfo", &["seen".into()], "");
    assert_eq!(world.ask_as(&cast.alice, &info).code(), 0, "by a further group");
    assert_eq!(world.ask_as(&cast.carol, &info).code(), 10);
    // The first group counts too.
    let dave = people.user("dave", &cast.web, &[]);
    assert_eq!(world.ask_as(&dave, &info).code(), 0, "by the first group");
    // Alice without her groups has nothing of them: a name is no proof.
    let mut command = Command::new("setpriv");
    command.args([
        &format!("--reuid={}", cast.alice.name),
        "--regid=65534",
        "--clear-groups",
        "--",
    ]);
    command.arg(world.room.helper("peer")).arg(world.room.path("supervisord.sock"));
    let output = crate::world::feed(&mut command, &info);
    let answer = Answer::read(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(answer.code(), 10, "{answer:?}");
    // Who is taken out of the group keeps what the kernel said of the open connection, and has no new one.
    let heir = Heir::of(&world, &cast.alice, "leaving");
    let output = Command::new("gpasswd").args(["-d", &cast.alice.name, &cast.web.name]).output();
    let output = output.expect("gpasswd(1)");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(heir.ask().code(), 0);
    assert_eq!(world.ask_as(&cast.alice, &info).code(), 10);
}

#[test]
fn a_password_over_the_unix_socket_is_who_it_says_and_not_the_account_too() {
    let (world, cast) = world(|cast| {
        format!(
            "{}\n[role:other]\nmembers=bob\nprograms=seen\nactions=view",
            web(cast).replace("actions=restart", "actions=restart, stop")
        )
    });
    let restart = |lines: &str| last_call("supervisor.stopProcess", &["seen".into()], lines);
    // Bob may look; that alice is at the keyboard gives him nothing, and that root is neither.
    let answer = world.ask_as(&cast.alice, &restart(&basic("bob", "peers")));
    assert_eq!(answer.code(), 96, "{answer:?}");
    let (code, text) = world.root("-u bob -p peers stop seen");
    assert!(code != 0 && text.contains("not allowed"), "{text}");
    // A wrong password is no way to be the account instead.
    for line in
        [basic("bob", "wrong"), basic("root", ""), basic("", ""), basic(&cast.alice.name, "")]
    {
        let answer = world.ask_as(&cast.alice, &restart(&line));
        assert_eq!(answer.status, 401, "{line}: {answer:?}");
    }
    assert_eq!(world.daemon.state("seen"), "RUNNING");
    assert_eq!(world.ask_as(&cast.alice, &restart("")).code(), 0);
}

#[test]
fn root_may_do_all_over_the_unix_socket_and_nothing_by_name() {
    let (world, cast) = world(web);
    assert_eq!(world.root("stop seen").0, 0);
    assert_eq!(world.root("start seen").0, 0);
    // `root` is a name like any other for who comes over TCP.
    for password in ["", "root", "peers"] {
        let call = last_call("supervisor.getAllProcessInfo", &[], &basic("root", password));
        assert_eq!(world.patient(&call).status, 401);
    }
    let answer = world.ask(&last_call("supervisor.getAllProcessInfo", &[], ""));
    assert_eq!(answer.status, 401, "{answer:?}");
    // The daemon's own user is the broker's neither.
    let lines = world.audit();
    let id = format!("unix:{}", cast.alice.id);
    assert!(lines.iter().all(|l| l.who != id), "{lines:?}");
    assert!(
        lines.iter().any(|l| l.who == "unix:0" && l.rule == "owner" && l.action == "stop"),
        "{lines:?}"
    );
}

#[test]
fn the_socket_is_at_no_moment_open_to_more_than_it_should_be() {
    for mode in [0o700, 0o770, 0o666] {
        let room = Room::new();
        let path = room.path("supervisord.sock");
        let file = Config::new(&room)
            .daemon(&format!("broker_user={}", broker_user()))
            .with_socket_mode(&format!("{mode:04o}"))
            .write(&room);
        let over = AtomicBool::new(false);
        let seen = thread::scope(|scope| {
            let looking = scope.spawn(|| {
                let mut seen = BTreeSet::new();
                while !over.load(Ordering::Relaxed) {
                    if let Ok(meta) = fs::symlink_metadata(&path) {
                        seen.insert((
                            meta.mode() & 0o7777,
                            meta.uid(),
                            meta.file_type().is_socket(),
                        ));
                    }
                }
                seen
            });
            let ends = Over(&over);
            for _ in 0..3 {
                // Whatever is left of the last one, and with nothing masked by whoever starts it.
                let wide = ["sh", "-c", "umask 0; exec \"$@\"", "sh"];
                let launch = Launch::new(&room, Dist::plain().supervisord()).config(&file);
                let mut daemon = launch.through(&wide).ready();
                assert_eq!(daemon.stop(), 0);
            }
            drop(ends);
            looking.join().expect("somebody who looks")
        });
        assert_eq!(seen, BTreeSet::from([(mode, 0, true)]), "{mode:o}");
    }
}
