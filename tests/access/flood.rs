//! Wrong passwords by the hundred: they are made to wait, and others are not.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use system_tests::procfs::Status;
use system_tests::{poll_until, wait_for};

use crate::ask::{Answer, basic, call, last_call};
use crate::world::{Line, Over, World, hashed};

const PASSWORD: &str = "flooded";
/// The most KiB that the broker may ever have had: one block of argon2 is 19 MiB of it.
const MEMORY: u32 = 30 << 10;

fn world() -> World {
    let (world, _) = World::new(|room, _, config| {
        config
            .program("seen", "/bin/sleep 100000", "startsecs=0")
            .section(&format!("[user:bob]\npassword={}", hashed(room, PASSWORD)))
            .section(&format!("[user:ann]\npassword={}", hashed(room, PASSWORD)))
            .section("[role:team]\nmembers=bob, ann\nprograms=*\nactions=viewer")
    });
    world.daemon.wait_running("seen");
    world
}

fn state(lines: &str) -> Vec<u8> {
    last_call("supervisor.getState", &[], lines)
}

const fn at(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 6, 0, n)
}

/// Sends so many wrong passwords from one address, `beside` at a time; the answers.
fn wrong(world: &World, name: &str, count: usize, beside: usize) -> Vec<Answer> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut answers = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return answers;
            }
            answers.push(world.ask(&state(&basic(name, &format!("wrong {n}")))));
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..beside).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|w| w.join().expect("a client")).collect()
    })
}

#[test]
fn who_guesses_is_made_to_wait() {
    for name in ["bob", "nobody-by-this-name"] {
        let world = world();
        let begin = Instant::now();
        let answers = wrong(&world, name, 100, 20);
        let seconds = begin.elapsed().as_secs();
        let with = |status: u16| answers.iter().filter(|a| a.status == status).count();
        let looked_at = with(401);
        // Ten at once, and not more than one a second after that.
        let most = 10 + usize::try_from(seconds).expect("few seconds") + 1;
        assert!(looked_at <= most, "{looked_at} passwords were looked at in {seconds} s");
        assert_eq!(looked_at + with(429) + with(503), 100, "{name}");
        for answer in answers.iter().filter(|a| a.status == 429) {
            let wait: u64 =
                answer.header("retry-after").and_then(|n| n.parse().ok()).expect("when");
            assert!((1..=3_600).contains(&wait), "{wait}");
        }
        // The right password has to wait as well, or the wait would tell which one it is; it is let in then.
        if name == "bob" {
            assert_eq!(world.patient(&state(&basic("bob", PASSWORD))).code(), 0);
        }
        world.recorded("many failures", |l: &Line| l.event == "login" && l.decision == "deny");
        let failures =
            world.audit().into_iter().filter(|l| l.event == "login" && l.decision == "deny");
        assert!(failures.count() < 20, "a flood of tries is no flood of lines");
    }
}

#[test]
fn others_are_not_held_up_by_who_guesses() {
    let world = world();
    let over = AtomicBool::new(false);
    let right = basic("bob", PASSWORD);
    thread::scope(|scope| {
        // From eight addresses, by the right name and by others.
        for n in 10..18 {
            let (world, over) = (&world, &over);
            scope.spawn(move || {
                let mut count = 0;
                while !over.load(Ordering::Relaxed) {
                    count += 1;
                    let name = if count % 2 == 0 { "bob" } else { "mallory" };
                    world.ask_from(at(n), &state(&basic(name, &format!("wrong {count}"))));
                }
            });
        }
        let ends = Over(&over);
        let denied = |l: &Line| l.event == "login" && l.decision == "deny";
        world.recorded("the flood", denied);
        // Bob has not failed from where he is: he gets in, though so many try to be him.
        let answer = poll_until("room for bob's password", || {
            let answer = world.ask_from(at(1), &state(&right));
            assert!([200, 503].contains(&answer.status), "{answer:?}");
            (answer.status == 200).then_some(answer)
        });
        assert_eq!(answer.code(), 0);
        // From then on he is known, and nobody hashes for him.
        let mut wire =
            world.network.inside(|| world.tcp().connect_from(at(1))).expect("a connection");
        let mut slow = 0;
        for _ in 0..200 {
            let begin = Instant::now();
            wire.send(&call("supervisor.getState", &[], &right)).expect("a question");
            let (head, _) = wire.answer().expect("an answer");
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            slow += usize::from(begin.elapsed() > Duration::from_millis(500));
        }
        // Hashing has a thread of its own: a client that waited for it would be late each time.
        assert!(slow < 20, "{slow} of 200 answers were late");
        drop(ends);
    });
    let broker = world.daemon.broker();
    let most = Status::of(broker).numbers("VmHWM")[0];
    assert!(most < MEMORY, "the broker had {most} KiB");
}

#[test]
fn a_hundred_at_once_take_the_memory_of_one() {
    let world = world();
    let broker = world.daemon.broker();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> = (1..=100)
            .map(|n| {
                let world = &world;
                let wrong = basic("bob", &format!("wrong {n}"));
                scope.spawn(move || world.ask_from(at(n), &state(&wrong)).status)
            })
            .collect();
        clients.into_iter().map(|c| c.join().expect("a client")).collect()
    });
    assert!(statuses.iter().all(|s| [401, 429, 503].contains(s)), "{statuses:?}");
    assert!(statuses.contains(&401), "{statuses:?}");
    assert_eq!(world.daemon.broker(), broker, "the broker was replaced");
    let most = Status::of(broker).numbers("VmHWM")[0];
    assert!(most < MEMORY, "the broker had {most} KiB");
    assert_eq!(world.ask_from(at(200), &state(&basic("ann", PASSWORD))).code(), 0);
    wait_for("the memory to be given back", || Status::of(broker).rss() < 20 << 10);
}

#[test]
fn a_failure_says_nothing_of_its_reason() {
    let world = world();
    let told = |n: u8, name: &str, password: &str| {
        let answer = world.ask_from(at(n), &state(&basic(name, password))).settled();
        assert_eq!(answer.status, 401, "{name}");
        answer
    };
    let known = told(1, "bob", "wrong");
    for (n, name, password) in [
        (2, "nobody", "wrong"),
        (3, "bob", ""),
        (4, "", "wrong"),
        (5, "bobb", PASSWORD),
        (6, "root", "wrong"),
    ] {
        assert_eq!(told(n, name, password), known, "{name}");
    }
}
