//! Accounts that PAM lets in.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use policy::access::{Member, Role, Who};
use policy::audit::Record;
use privsep::login::{Attempt, MAX_ATTEMPT, VERDICT_SIZE, Verdict};
use tokio::net::UnixStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, advance, sleep};

use super::asks::{
    HTML, basic, bob, call, get, log_status, over_tcp, post, reread, role, status, user,
};
use super::bed::{Bed, Plan, header, passing};
use crate::config::settings::{Password, User};

/// What a helper does with an attempt.
#[derive(Clone, Copy)]
enum Play {
    /// What PAM does: carol's password is `right`, and nobody else is let in.
    Pam,
    /// The same, after some time.
    Slow(Duration),
    Silent,
    Dies,
    DiesUnheard,
    Says(Oddity),
}

/// An answer that is not what a verdict is.
#[derive(Clone, Copy)]
enum Oddity {
    Garbage,
    Short,
    Long,
    Unusable,
}

/// Helpers that were started, and what they were asked.
#[derive(Default)]
struct Log {
    started: Cell<usize>,
    at_once: Cell<usize>,
    most: Cell<usize>,
    attempts: RefCell<Vec<Attempt>>,
}

const ACCEPTED: Verdict = Verdict::Accepted { uid: 1003, gid: 100, groups: Vec::new() };

fn verdict(attempt: &Attempt) -> Verdict {
    match (&attempt.name[..], &attempt.password[..]) {
        (b"carol", b"right") => {
            Verdict::Accepted { uid: 1003, gid: 100, groups: vec![2000, 100, 27] }
        }
        _ => Verdict::Refused,
    }
}

async fn play(end: OwnedFd, play: Play, log: Rc<Log>) {
    let socket = UnixStream::from_std(StdUnixStream::from(end)).expect("a socket");
    log.at_once.set(log.at_once.get() + 1);
    log.most.set(log.most.get().max(log.at_once.get()));
    let attempt = loop {
        if matches!(play, Play::DiesUnheard) {
            break None;
        }
        socket.readable().await.expect("readable");
        let mut bytes = [0; MAX_ATTEMPT + 1];
        match recv(socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => break None,
            Ok(length) => break Some(Attempt::read(&bytes[..length]).expect("an attempt")),
            Err(nix::Error::EAGAIN) => {
                socket.try_read(&mut [0; 0]).ok();
                tokio::task::yield_now().await;
            }
            Err(e) => panic!("{e}"),
        }
    };
    if let Some(attempt) = attempt {
        let sealed = verdict(&attempt).seal();
        log.attempts.borrow_mut().push(attempt);
        let bytes = match play {
            Play::Pam => sealed.to_vec(),
            Play::Slow(time) => {
                sleep(time).await;
                sealed.to_vec()
            }
            Play::Silent => {
                sleep(Duration::from_secs(31)).await;
                Vec::new()
            }
            Play::Says(Oddity::Garbage) => vec![7; VERDICT_SIZE],
            Play::Says(Oddity::Short) => ACCEPTED.seal()[..VERDICT_SIZE - 1].to_vec(),
            Play::Says(Oddity::Long) => [&ACCEPTED.seal()[..], &[0]].concat(),
            Play::Says(Oddity::Unusable) => Verdict::Unusable.seal().to_vec(),
            Play::Dies | Play::DiesUnheard => Vec::new(),
        };
        if !bytes.is_empty() {
            send(socket.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL).ok();
        }
    }
    log.at_once.set(log.at_once.get() - 1);
}

/// Has the spawner start such helpers: none while more than two are at work, as it does.
fn helpers(bed: &Bed, what: Play) -> Rc<Log> {
    let log = Rc::new(Log::default());
    let of = Rc::clone(&log);
    *bed.site.helper.borrow_mut() = Box::new(move || {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags);
        let (ours, theirs) = pair.expect("sockets");
        of.started.set(of.started.get() + 1);
        spawn_local(play(theirs, what, Rc::clone(&of)));
        Ok(ours)
    });
    log
}

fn accounts() -> Plan {
    Plan { pam: true, ..Plan::default() }
}

fn roles() -> Vec<Role> {
    let of = |member| role(member, "cat", "log");
    vec![of(Member::Gid(2000)), role(user("bob"), "cat", "log")]
}

async fn asked(bed: &Bed, pair: &str) -> u16 {
    status(&over_tcp(bed, call(&basic(pair))).await)
}

#[test]
fn an_account_logs_in_with_its_groups() {
    Plan { roles: roles(), ..accounts() }.run(async |bed| {
        bed.site.write(0, "out");
        let log = helpers(&bed, Play::Pam);
        assert_eq!(log_status(&bed, &get("/logtail/cat", &basic("carol:right"))).await, 200);
        assert_eq!(log_status(&bed, &get("/mainlogtail", &basic("carol:right"))).await, 403);
        assert_eq!(log.started.get(), 1, "the second was right lately");
        let records = bed.site.audited.take();
        let of = |record: &Record| record.who.as_deref() == Some("pam:carol");
        let mut own = records.iter().filter(|record| of(record));
        assert!(own.clone().count() > 0 && own.all(|record| record.auth == Some("pam")));
        let answer = over_tcp(&bed, call("")).await;
        assert_eq!(status(&answer), 401, "over TCP it asks");
        assert_eq!(header(&answer, "www-authenticate"), Some("Basic realm=\"default\""));
    });
}

#[test]
fn all_failures_are_told_alike_at_the_same_time() {
    Plan { users: vec![bob()], ..accounts() }.run(async |bed| {
        let log = helpers(&bed, Play::Pam);
        let long = "x".repeat(513);
        let pairs = [
            "carol:wrong",
            "dave:right",
            "nobody:right",
            "bob:wrong",
            "bob:right",
            "carol:",
            ":right",
            &format!("{long}:right"),
            &format!("carol:{long}"),
            "carol\0:right",
            "carol:right\0",
            "car\nol:right",
            "token:svt_wrong",
        ];
        let mut told = Vec::new();
        for pair in pairs {
            let begun = Instant::now();
            let answer = over_tcp(&bed, call(&basic(pair))).await;
            let took = begun.elapsed().as_millis();
            assert!((500..600).contains(&took), "{pair:?}: {took}");
            assert_eq!(status(&answer), 401, "{pair:?}");
            let lines = answer.lines().filter(|line| !line.starts_with("Date:"));
            told.push(lines.map(str::to_owned).collect::<Vec<_>>());
            // The next one is not to be one too many.
            passing(sleep(Duration::from_secs(10))).await;
        }
        told.dedup();
        assert_eq!(told.len(), 1, "{told:?}");
        let names: Vec<_> = log.attempts.borrow().iter().map(|a| a.name.clone()).collect();
        assert_eq!(names, [&b"carol"[..], b"dave", b"nobody"], "nothing else is asked");
        let records = format!("{:?}", bed.site.audited.borrow());
        assert!(!records.contains("carol") && !records.contains("right"), "{records}");
        assert!(records.contains("user:bob") && records.contains("\"pam\""), "{records}");
    });
}

#[test]
fn names_of_the_configuration_are_proved_by_it_alone() {
    let carol = User { name: "carol".to_owned(), password: Password::Plain("other".to_owned()) };
    let credentials = Some(("dora".to_owned(), Password::Plain("section".to_owned())));
    Plan { users: vec![carol], credentials, ..accounts() }.run(async |bed| {
        let log = helpers(&bed, Play::Pam);
        assert_eq!(asked(&bed, "carol:right").await, 401);
        assert_eq!(asked(&bed, "carol:other").await, 200);
        assert_eq!(asked(&bed, "dora:wrong").await, 401);
        assert_eq!(asked(&bed, "dora:section").await, 200);
        assert_eq!(log.started.get(), 0);
        reread(&bed, |settings| settings.users.clear());
        assert_eq!(asked(&bed, "carol:other").await, 401);
        assert_eq!(asked(&bed, "carol:right").await, 200);
    });
}

#[test]
fn over_a_unix_socket_the_peer_stays_the_peer() {
    accounts().run(async |bed| {
        helpers(&bed, Play::Pam);
        let ask = async |proof: &str| {
            let mut client = bed.unix().await;
            client.send(call(proof)).await;
            status(&passing(client.answer()).await)
        };
        assert_eq!(ask("").await, 200);
        assert_eq!(ask(&basic("carol:right")).await, 200);
        assert_eq!(ask(&basic("carol:wrong")).await, 401);
    });
}

#[test]
fn what_was_right_holds_for_a_minute_and_on_no_connection_longer() {
    accounts().run(async |bed| {
        let log = helpers(&bed, Play::Pam);
        let mut client = bed.tcp().await;
        for n in 0..13u32 {
            client.send(call(&basic("carol:right"))).await;
            assert_eq!(status(&passing(client.answer()).await), 200);
            assert_eq!(log.started.get(), if n < 12 { 1 } else { 2 }, "{n}");
            passing(sleep(Duration::from_secs(5))).await;
        }
        assert_eq!(asked(&bed, "carol:wrong").await, 401);
        assert_eq!(log.started.get(), 3, "nothing is kept of what was wrong");
        assert_eq!(asked(&bed, "carol:wrong").await, 401);
        assert_eq!(log.started.get(), 4);
    });
}

#[test]
fn a_reading_without_pam_ends_it() {
    accounts().run(async |bed| {
        let log = helpers(&bed, Play::Pam);
        let mut client = bed.tcp().await;
        client.send(call(&basic("carol:right"))).await;
        assert_eq!(status(&passing(client.answer()).await), 200);
        reread(&bed, |settings| {
            settings.users.push(bob());
            settings.servers.iter_mut().for_each(|server| server.pam = false);
        });
        client.send(call(&basic("carol:right"))).await;
        assert_eq!(status(&passing(client.answer()).await), 401);
        assert_eq!(log.started.get(), 1, "the spawner is not asked what it must refuse");
    });
    // And one that begins it is not enough: the socket may be one without TLS.
    Plan { users: vec![bob()], ..Plan::default() }.run(async |bed| {
        let log = helpers(&bed, Play::Pam);
        reread(&bed, |settings| settings.servers.iter_mut().for_each(|server| server.pam = true));
        assert_eq!(asked(&bed, "carol:right").await, 401);
        assert_eq!(log.started.get(), 0);
    });
}

#[test]
fn a_helper_that_says_nothing_of_use_is_no_refusal() {
    let told = |bed: &Bed| {
        let lines = bed.site.lines.borrow();
        let of_pam = lines.iter().filter(|(_, text)| text.contains("PAM check"));
        of_pam.map(|(_, text)| text.clone()).collect::<Vec<_>>()
    };
    for (what, word) in [
        (Play::Silent, "within 30 s"),
        (Play::Dies, "no verdict"),
        (Play::DiesUnheard, "no verdict"),
        (Play::Says(Oddity::Garbage), "no verdict"),
        (Play::Says(Oddity::Short), "no verdict"),
        (Play::Says(Oddity::Long), "no verdict"),
        (Play::Says(Oddity::Unusable), "/etc/pam.d/supervisor"),
    ] {
        accounts().run(async |bed| {
            helpers(&bed, what);
            for _ in 0..2 {
                let answer = over_tcp(&bed, call(&basic("carol:right"))).await;
                assert_eq!(status(&answer), 503, "{word}");
                assert_eq!(header(&answer, "retry-after"), Some("1"));
            }
            let lines = told(&bed);
            assert_eq!(lines.len(), 1, "once a minute: {lines:?}");
            assert!(lines[0].contains(word) && !lines[0].contains("carol"), "{lines:?}");
            helpers(&bed, Play::Pam);
            assert_eq!(asked(&bed, "carol:right").await, 200, "{word}");
        });
    }
}

#[test]
fn a_spawner_that_starts_none_is_asked_again_for_three_seconds() {
    accounts().run(async |bed| {
        let begun = Instant::now();
        let answer = over_tcp(&bed, call(&basic("carol:right"))).await;
        assert_eq!((status(&answer), header(&answer, "retry-after")), (503, Some("1")));
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(4), "{took:?}");
        // One that comes to it in time.
        let log = helpers(&bed, Play::Pam);
        let started = bed.site.helper.replace(Box::new(|| Err(io::ErrorKind::WouldBlock.into())));
        let later = Rc::clone(&bed);
        spawn_local(async move {
            sleep(Duration::from_secs(2)).await;
            *later.site.helper.borrow_mut() = started;
        });
        assert_eq!(asked(&bed, "carol:right").await, 200);
        assert_eq!(log.started.get(), 1);
        // One that fails otherwise is not asked again.
        *bed.site.helper.borrow_mut() = Box::new(|| Err(io::ErrorKind::NotFound.into()));
        let begun = Instant::now();
        assert_eq!(asked(&bed, "carol:other").await, 503);
        let took = begun.elapsed().as_millis();
        assert!(
            (500..600).contains(&took),
            "{took}: no sooner than a user's wrong password is told"
        );
        // None of it was a failure of whoever asked.
        helpers(&bed, Play::Pam);
        assert_eq!(asked(&bed, "carol:right").await, 200);
    });
}

#[test]
fn a_flood_is_turned_away_and_another_one_is_heard() {
    accounts().run(async |bed| {
        let log = helpers(&bed, Play::Slow(Duration::from_secs(2)));
        let mut flood = Vec::new();
        for n in 0..100 {
            let mut client = bed.tcp().await;
            client.send(call(&basic(&format!("user{n}:x")))).await;
            flood.push(client);
        }
        let mut neighbour = bed.unix().await;
        neighbour.send(call(&basic("carol:right"))).await;
        let answered = async {
            let mut statuses = Vec::new();
            for client in &mut flood {
                statuses.push(status(&client.answer().await));
            }
            statuses.push(status(&neighbour.answer().await));
            statuses
        };
        let mut statuses = passing(answered).await;
        assert_eq!(statuses.pop(), Some(200));
        statuses.sort_unstable();
        assert_eq!(statuses[..4], [401; 4]);
        assert_eq!(statuses[4..], [503; 96]);
        assert_eq!((log.started.get(), log.most.get()), (5, 2));
    });
}

#[test]
fn those_who_ask_the_same_at_once_have_one_answer() {
    accounts().run(async |bed| {
        let log = helpers(&bed, Play::Slow(Duration::from_secs(1)));
        let mut clients = Vec::new();
        for _ in 0..20 {
            let mut client = bed.tcp().await;
            client.send(call(&basic("carol:right"))).await;
            clients.push(client);
        }
        for client in &mut clients {
            assert_eq!(status(&passing(client.answer()).await), 200);
        }
        assert_eq!(log.started.get(), 1);
    });
}

#[test]
fn who_leaves_gives_the_place_back() {
    accounts().run(async |bed| {
        let log = helpers(&bed, Play::Silent);
        for n in 0..8 {
            let mut client = bed.tcp().await;
            client.send(call(&basic(&format!("carol:x{n}")))).await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            drop(client);
            advance(Duration::from_millis(10)).await;
        }
        assert!(log.started.get() >= 1);
        helpers(&bed, Play::Pam);
        passing(sleep(Duration::from_secs(31))).await;
        assert_eq!(asked(&bed, "carol:right").await, 200);
    });
}

#[test]
fn who_fails_too_often_waits_and_pam_is_not_asked() {
    accounts().run(async |bed| {
        let log = helpers(&bed, Play::Pam);
        let mut statuses = Vec::new();
        for n in 0..40 {
            statuses.push(asked(&bed, &format!("carol:{n}")).await);
        }
        let wrong = statuses.iter().filter(|status| **status == 401).count();
        assert!(statuses.contains(&429) && statuses.iter().all(|s| [401, 429].contains(s)));
        assert_eq!(log.started.get(), wrong);
        assert_eq!(asked(&bed, "carol:right").await, 429);
        assert_eq!(log.started.get(), wrong);
    });
}

/// The cookie of a session that is begun with this form.
async fn begin(bed: &Bed, form: &str) -> Result<String, u16> {
    let answer = over_tcp(bed, post("/login.html", "", form)).await;
    let value = header(&answer, "set-cookie").ok_or(status(&answer))?;
    Ok(format!("Cookie: {}\r\n", value.split(';').next().expect("a value")))
}

#[test]
fn an_account_has_sessions_of_an_hour() {
    Plan { roles: roles(), ..accounts() }.run(async |bed| {
        bed.site.write(0, "out");
        helpers(&bed, Play::Pam);
        assert_eq!(status(&over_tcp(&bed, get("/", HTML)).await), 303);
        assert_eq!(status(&over_tcp(&bed, get("/login.html", "")).await), 200);
        assert_eq!(begin(&bed, "user=carol&password=wrong").await, Err(403));
        assert_eq!(begin(&bed, "user=token&password=svt_x").await, Err(403));
        let answer = over_tcp(&bed, post("/login.html", "", "user=carol&password=right")).await;
        let value = header(&answer, "set-cookie").expect("a cookie");
        assert!(value.contains("Max-Age=3600;"), "{value}");
        let cookie = begin(&bed, "user=carol&password=right").await.expect("a session");
        let mut follower = bed.tcp().await;
        follower.send(get("/logtail/cat", &cookie)).await;
        passing(follower.until("out")).await;
        for _ in 0..5 {
            advance(Duration::from_secs(600)).await;
            assert_eq!(log_status(&bed, &get("/logtail/cat", &cookie)).await, 200);
        }
        advance(Duration::from_secs(601)).await;
        assert_eq!(log_status(&bed, &get("/logtail/cat", &cookie)).await, 401);
        assert!(!passing(follower.rest()).await.contains("after"), "and what it began");
    });
    Plan { roles: roles(), ..accounts() }.run(async |bed| {
        bed.site.write(0, "out");
        helpers(&bed, Play::Pam);
        let cookie = begin(&bed, "user=carol&password=right").await.expect("a session");
        assert_eq!(log_status(&bed, &get("/logtail/cat", &cookie)).await, 200);
        // The name is the configuration's now.
        reread(&bed, |settings| settings.users.push(User { name: "carol".to_owned(), ..bob() }));
        assert_eq!(log_status(&bed, &get("/logtail/cat", &cookie)).await, 401);
    });
}

#[test]
fn following_by_a_password_of_pam_ends_after_an_hour() {
    Plan { roles: roles(), ..accounts() }.run(async |bed| {
        bed.site.write(0, "out");
        helpers(&bed, Play::Pam);
        let mut client = bed.tcp().await;
        client.send(get("/logtail/cat", &basic("carol:right"))).await;
        passing(client.until("out")).await;
        advance(Duration::from_secs(3500)).await;
        bed.site.write(0, "more");
        passing(client.until("more")).await;
        advance(Duration::from_secs(101)).await;
        assert!(!passing(client.rest()).await.contains("after"), "though nothing is written");
    });
}

#[test]
fn who_it_is_has_all_groups_once() {
    accounts().run(async |bed| {
        helpers(&bed, Play::Pam);
        let given = crate::http::auth::Credentials {
            name: b"carol".to_vec(),
            password: b"right".to_vec().into(),
        };
        let pam = crate::http::pam::Pam::default();
        let source = crate::http::limits::Source::Unknown;
        let account = pam.ask(&bed.site, source, &given).await.expect("a verdict").expect("carol");
        let groups = vec![27, 100, 2000].into();
        assert_eq!(*account.who(), Who::Account { name: "carol".into(), uid: 1003, groups });
    });
}
