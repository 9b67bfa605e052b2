//! Clients that take too much: time, bytes, connections.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::spawn_local;
use tokio::time::advance;

use super::bed::{Bed, Client, MAIN, eventually, run};
use crate::config::settings::Server;
use crate::http::limits::{
    ASSURED, BODY_TIME, CONNECTIONS, HEAD_TIME, IDLE_TIME, MOST_OF_ONE, STALL_TIME,
};
use crate::http::limits::{Crowd, Place, Source};
use crate::http::line::Line;
use crate::http::stream::Stream;
use crate::http::{Listener, serve};

const GET: &str = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

/// A call whose answer waits for the process.
fn start() -> String {
    let call = "<methodCall><methodName>supervisor.startProcess</methodName>\
                <params><param><value>cat</value></param></params></methodCall>";
    format!("POST /RPC2 HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{call}", call.len())
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_silent_client_is_closed() {
    run(async |bed| {
        let mut client = bed.unix().await;
        settle().await;
        advance(HEAD_TIME).await;
        assert_eq!(client.rest().await, "");
    });
}

#[test]
fn a_head_that_drips_is_cut_and_its_clock_is_not_reset() {
    run(async |bed| {
        let mut client = bed.tcp().await;
        settle().await;
        for byte in GET.as_bytes().iter().take(9) {
            client.send([*byte]).await;
            settle().await;
            advance(SECOND).await;
        }
        settle().await;
        advance(SECOND).await;
        assert_eq!(client.rest().await, "");
    });
}

#[test]
fn a_body_that_drips_is_cut() {
    run(async |bed| {
        let mut client = bed.tcp().await;
        client.send("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 100\r\n\r\n").await;
        settle().await;
        for _ in 0..BODY_TIME.as_secs() {
            client.send("x").await;
            settle().await;
            advance(SECOND).await;
        }
        let answer = client.until("\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.to_lowercase().contains("connection: close"));
    });
}

#[test]
fn an_idle_client_keeps_its_connection_for_a_minute() {
    run(async |bed| {
        let mut client = bed.unix().await;
        for _ in 0..3 {
            client.send(GET).await;
            client.answer().await;
            settle().await;
            advance(IDLE_TIME - SECOND).await;
            settle().await;
        }
        // From the first byte on a head has the time of a head.
        client.send("G").await;
        settle().await;
        advance(HEAD_TIME - SECOND).await;
        client.send(GET.get(1..).unwrap_or_default()).await;
        client.answer().await;
        settle().await;
        advance(IDLE_TIME).await;
        assert_eq!(client.rest().await, "");
    });
}

#[test]
fn a_call_may_take_its_time() {
    run(async |bed| {
        let mut client = bed.unix().await;
        client.send(start()).await;
        eventually(|| bed.site.commands.get() == 1).await;
        settle().await;
        advance(Duration::from_secs(3600)).await;
        bed.site.go_on.notify_one();
        assert!(client.answer().await.starts_with("HTTP/1.1 200 OK"));
    });
}

#[test]
fn an_order_is_carried_out_though_its_client_leaves() {
    run(async |bed| {
        let mut client = bed.unix().await;
        client.send(start()).await;
        eventually(|| bed.site.commands.get() == 1).await;
        drop(client);
        settle().await;
        bed.site.go_on.notify_one();
        eventually(|| bed.site.finished.get() == 1).await;
    });
}

#[test]
fn an_endless_head_is_refused() {
    run(async |bed| {
        let line = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000));
        let header = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
        let headers = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65));
        for request in [&line, &header, &headers] {
            let answer = bed.ask(request).await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        }
        let mut client = bed.unix().await;
        client.send(format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(64))).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn three_hundred_silent_clients_keep_nobody_out() {
    run(async |bed| {
        let (mut local, mut remote) = (Vec::new(), Vec::new());
        for _ in 0..300 {
            local.push(bed.unix().await);
            remote.push(bed.tcp().await);
            settle().await;
        }
        let mut client = bed.unix().await;
        client.send(GET).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 404 "));
        let mut client = bed.tcp().await;
        client.send(GET).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 404 "));
        // The first ones had to go, the last ones wait on.
        assert_eq!(local.first_mut().expect("first").rest().await, "");
        let last = local.last_mut().expect("last");
        last.send(GET).await;
        assert!(last.answer().await.starts_with("HTTP/1.1 404 "));
    });
}

#[test]
fn working_connections_are_never_sacrificed() {
    run(async |bed| {
        bed.site.write(MAIN, "a\n");
        let mut followers = Vec::new();
        for _ in 0..MOST_OF_ONE {
            let mut client = bed.unix().await;
            client.send("GET /mainlogtail HTTP/1.1\r\n\r\n").await;
            client.until("a\n").await;
            followers.push(client);
        }
        let mut late = bed.unix().await;
        let _ = late.stream.write_all(GET.as_bytes()).await;
        let answer = late.rest().await;
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\ntoo many connections\n"), "{answer}");
        // The other listener has places of its own.
        let mut other = bed.tcp().await;
        other.send(GET).await;
        assert!(other.answer().await.starts_with("HTTP/1.1 404 "));
        bed.site.write(MAIN, "b\n");
        for follower in &mut followers {
            follower.until("b\n").await;
        }
        followers.pop();
        eventually(|| bed.site.followers(MAIN) < MOST_OF_ONE).await;
        let mut late = bed.unix().await;
        late.send(GET).await;
        assert!(late.answer().await.starts_with("HTTP/1.1 404 "));
    });
}

/// Connections as [`Crowd`] sees them; the other ends are kept, and the tasks that hold the places.
struct Gathering {
    crowd: Rc<Crowd>,
    ends: Vec<UnixStream>,
}

impl Gathering {
    fn enter(&mut self, user: u32, state: fn(&Line)) -> Option<(Rc<Place>, Rc<Line>)> {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        self.ends.push(theirs);
        let line = Line::new(Stream::Unix(ours));
        let place = Rc::new(self.crowd.admit(Source::User(user), Rc::clone(&line))?);
        state(&line);
        let held = Rc::clone(&place);
        let task = spawn_local(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        place.held_by(task.abort_handle());
        Some((place, line))
    }
}

#[test]
fn a_source_with_few_connections_finds_a_place_among_many() {
    run(async |_| {
        let mut all = Gathering { crowd: Rc::default(), ends: Vec::new() };
        // Two users have all of it: bodies that do not come, logs that are followed.
        let many: Vec<_> = (0..CONNECTIONS)
            .map(|n| all.enter(u32::from(n % 2 == 0), [Line::reading, Line::following][n % 2]))
            .collect();
        assert!(many.iter().all(Option::is_some));
        for user in [0, 1] {
            assert!(all.enter(user, Line::busy).is_none(), "user {user} has enough");
        }
        let few: Vec<_> = (0..ASSURED).map(|_| all.enter(7, Line::busy)).collect();
        assert!(few.iter().all(Option::is_some));
        assert!(all.enter(7, Line::busy).is_none(), "as many as are assured");
        // Work is never ended for anybody.
        for (_, line) in many.iter().flatten() {
            line.busy();
        }
        assert!(all.enter(8, Line::busy).is_none());
        many.iter().flatten().last().expect("a line").1.idle();
        assert!(all.enter(8, Line::busy).is_some());
    });
}

#[test]
fn bodies_and_answers_have_room_and_no_more() {
    run(async |_| {
        let mut all = Gathering { crowd: Rc::default(), ends: Vec::new() };
        let (place, _) = all.enter(0, Line::busy).expect("a place");
        let (other, _) = all.enter(1, Line::busy).expect("a place");
        let (third, _) = all.enter(2, Line::busy).expect("a place");
        let mib = 1 << 20;
        let hold = |place: &Rc<Place>| {
            let place = Rc::clone(place);
            std::iter::from_fn(move || place.hold(mib)).take(1_000).collect::<Vec<_>>()
        };
        assert!(place.hold(49 * mib).is_none());
        let many = hold(&place);
        assert_eq!(many.len(), 48, "what one source may have");
        let few = hold(&other);
        assert_eq!(few.len(), 16, "what others find all the same");
        assert!(third.hold(mib).is_none());
        for place in [&place, &other, &third] {
            let small = place.hold(1 << 16).expect("small ones always find room");
            assert!(!small.grow(1), "no longer small");
            drop(small);
        }
        drop(few);
        assert!(place.hold(mib).is_none(), "it is the source's own limit");
        drop(many);
        assert!(place.hold(48 * mib).is_some());
    });
}

#[test]
fn a_share_grows_and_shrinks() {
    run(async |_| {
        let mut all = Gathering { crowd: Rc::default(), ends: Vec::new() };
        let (place, _) = all.enter(0, Line::busy).expect("a place");
        let mib = 1 << 20;
        let share = place.share();
        assert!(share.grow(47 * mib));
        assert!(!share.grow(2 * mib) && share.grow(mib));
        assert!(place.hold(mib).is_none());
        share.set(60 * mib);
        share.set(mib);
        assert!(place.hold(47 * mib).is_some());
        share.set(1);
        assert!(place.hold(48 * mib).is_some());
        drop(share);
        assert!(place.hold(48 * mib).is_some());
    });
}

/// Calls with bodies of 1 MiB, of which all but the end has been sent.
async fn half_sent(bed: &Bed, count: usize, sent: usize) -> Vec<Client<UnixStream>> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = bed.unix().await;
        client.send("POST /RPC2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n").await;
        client.send(vec![b' '; sent]).await;
        clients.push(client);
        settle().await;
    }
    clients
}

#[test]
fn what_is_announced_takes_nothing_and_what_is_sent_does() {
    run(async |bed| {
        let announced = half_sent(&bed, 100, 1).await;
        let mut late = half_sent(&bed, 1, 0).await.remove(0);
        let call = start().split_off(start().find('<').expect("a call"));
        let body = call.clone() + &" ".repeat((1 << 20) - call.len());
        late.send(body).await;
        eventually(|| bed.site.commands.get() == 1).await;
        drop((late, announced));
        settle().await;
        let _sent = half_sent(&bed, 48, (1 << 20) - 1).await;
        let mut late = half_sent(&bed, 1, 0).await.remove(0);
        let _ = late.stream.write_all(&[b' '; 1 << 20]).await;
        assert!(late.until("\r\n").await.starts_with("HTTP/1.1 503 "));
        // A small call is carried out, and told so.
        let mut small = bed.unix().await;
        small.send(start()).await;
        eventually(|| bed.site.commands.get() == 2).await;
        bed.site.go_on.notify_waiters();
        assert!(small.answer().await.starts_with("HTTP/1.1 200 OK"));
    });
}

#[test]
fn calls_that_wait_hold_what_they_have_collected() {
    run(async |bed| {
        bed.site.write(MAIN, vec![b'x'; 10 << 20]);
        let read = "<value><struct><member><name>methodName</name><value>supervisor.readLog</value></member>\
                    <member><name>params</name><value><array><data><value><int>0</int></value>\
                    <value><int>0</int></value></data></array></value></member></struct></value>";
        let wait = "<value><struct><member><name>methodName</name><value>supervisor.startProcess</value></member>\
                    <member><name>params</name><value><array><data><value>cat</value></data></array></value>\
                    </member></struct></value>";
        let call = format!(
            "<methodCall><methodName>system.multicall</methodName><params><param><value><array><data>\
             {read}{read}{wait}</data></array></value></param></params></methodCall>"
        );
        let call = format!("POST /RPC2 HTTP/1.1\r\nContent-Length: {}\r\n\r\n{call}", call.len());
        let mut clients = Vec::new();
        for count in 1..=4 {
            let mut client = bed.unix().await;
            client.send(&call).await;
            clients.push(client);
            eventually(|| bed.site.commands.get() == count).await;
        }
        bed.site.go_on.notify_waiters();
        let mut sizes = Vec::new();
        let mut faults = 0;
        for client in &mut clients {
            let answer = client.answer().await;
            assert!(answer.starts_with("HTTP/1.1 200 OK"));
            sizes.push(answer.len() >> 20);
            faults += answer.matches("FAILED: too many long answers are under way").count();
        }
        // 48 MiB are room for four logs of 10 MiB.
        assert_eq!((sizes, faults), (vec![20, 20, 0, 0], 4));
    });
}

#[test]
fn a_socket_that_cannot_accept_is_said_once_and_not_tried_at_once() {
    run(async |bed| {
        let path = bed.site.dir.path().join("deaf");
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("socket");
        bind(fd.as_raw_fd(), &UnixAddr::new(&path).expect("address")).expect("bind");
        let server = Server {
            section: "unix_http_server".to_owned(),
            socket: 0,
            credentials: None,
            hosts: Vec::new(),
            legacy_get_actions: false,
            guarded: false,
            pam: false,
            tls: None,
        };
        let mut serving =
            Box::pin(serve(Rc::clone(&bed.site), Rc::clone(&bed.gate), Listener::from(fd), server));
        let polls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&polls);
        let task = spawn_local(poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            serving.as_mut().poll(cx)
        }));
        for _ in 0..20 {
            settle().await;
            advance(SECOND).await;
        }
        assert!(!task.is_finished());
        assert!((5..100).contains(&polls.get()), "{} polls in 20 seconds", polls.get());
        let lines = bed.site.lines.borrow();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].1.starts_with("could not accept a connection on [unix_http_server]: "));
    });
}

#[test]
fn an_answer_that_is_not_taken_is_given_up() {
    run(async |bed| {
        let mut client = bed.unix().await;
        // Far more questions in one go than answers fit between the two ends.
        let questions = GET.repeat(20_000);
        let (mut reader, mut writer) = client.stream.split();
        let sending = async { writer.write_all(questions.as_bytes()).await.is_err() };
        let waiting = async {
            for _ in 0..200 {
                settle().await;
            }
            advance(STALL_TIME).await;
        };
        let (cut, ()) = tokio::join!(sending, waiting);
        assert!(cut, "the server did not hang up");
        let mut taken = Vec::new();
        let _ = reader.read_to_end(&mut taken).await;
        assert!(taken.starts_with(b"HTTP/1.1 404 "));
    });
}
