//! Servers that speak TLS, and clients that do not, or that take too much: time, places, memory.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, advance};

use super::bed::{MAIN, eventually, header, passing};
use super::certs::{Authority, HEALTH, asked, asked_with, lines, run, settle};
use crate::http::limits::{CONNECTIONS, HEAD_TIME, MOST_OF_ONE, STALL_TIME};

const LOG: &str = "GET /mainlogtail HTTP/1.1\r\nHost: localhost\r\n\r\n\r\n";

#[test]
fn plain_http_is_told_what_to_do() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        let mut client = bed.tcp().await;
        client.send(HEALTH).await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!(header(head, "content-length"), Some(body.len().to_string().as_str()));
        assert!(body.contains("this server speaks https"));
        drop(client);
        eventually(|| !lines(&bed).is_empty()).await;
        assert!(lines(&bed)[0].contains("does not speak TLS"), "{:?}", lines(&bed));
    });
}

#[test]
fn garbage_is_refused_and_a_look_is_no_failure() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        drop(bed.tcp().await);
        settle().await;
        assert_eq!(lines(&bed), [""; 0], "somebody who sends nothing");
        for garbage in [&b"\x16\x03\x01\xff\xff"[..], b"\x16GET / HTTP/1.1\r\n", &[0x16; 40_000]] {
            let mut client = bed.tcp().await;
            client.send(garbage).await;
            client.stream.shutdown().await.ok();
            client.rest().await;
            eventually(|| !lines(&bed).is_empty()).await;
            bed.site.lines.borrow_mut().clear();
        }
        assert!(asked(&bed, None).await.is_ok());
    });
}

#[test]
fn a_flood_of_failures_is_a_few_lines() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        for _ in 0..300 {
            let mut client = bed.tcp().await;
            client.send("x").await;
            client.rest().await;
        }
        settle().await;
        assert_eq!(lines(&bed).len(), 10);
        advance(Duration::from_secs(10)).await;
        eventually(|| lines(&bed).len() == 11).await;
        let last = lines(&bed).pop().expect("a line");
        assert!(last.ends_with("(290 more in 10 s, this the last)"), "{last}");
    });
}

#[test]
fn half_a_handshake_has_as_long_as_a_head() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        let mut silent = bed.tcp().await;
        let mut half = bed.tcp().await;
        half.send(b"\x16\x03\x01\x02\x00\x01\x00").await;
        settle().await;
        advance(HEAD_TIME - Duration::from_secs(1)).await;
        assert!(asked(&bed, None).await.is_ok(), "they are in nobody's way");
        half.send([0]).await;
        settle().await;
        advance(Duration::from_secs(1)).await;
        assert_eq!(silent.rest().await, "");
        assert_eq!(half.rest().await, "");
        assert_eq!(lines(&bed).len(), 1, "{:?}", lines(&bed));
        assert!(lines(&bed)[0].ends_with("failed: it was not over after 10 s"));
        // Behind it a head has its own time.
        let mut client = bed.tls(None).await;
        settle().await;
        advance(HEAD_TIME - Duration::from_secs(1)).await;
        client.send(HEALTH).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn those_who_never_shake_hands_keep_nobody_out() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        let mut waiting = Vec::new();
        for _ in 0..CONNECTIONS + 50 {
            let mut client = bed.tcp().await;
            client.send(b"\x16\x03\x01\x02\x00").await;
            waiting.push(client);
            settle().await;
        }
        assert!(asked(&bed, None).await.is_ok());
    });
}

#[test]
fn where_all_are_at_work_one_more_gets_an_alert() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        bed.site.write(MAIN, "a\n");
        let mut followers = Vec::new();
        for _ in 0..MOST_OF_ONE {
            let mut client = bed.tls(None).await;
            client.send(LOG).await;
            client.until("a\n").await;
            followers.push(client);
        }
        let refused = asked(&bed, None).await.expect_err("an alert");
        assert!(refused.contains("InternalError"), "{refused}");
    });
}

#[test]
fn a_log_is_followed_until_its_client_leaves_in_whatever_way() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        for politely in [true, false] {
            bed.site.write(MAIN, "a\n");
            let mut client = bed.tls(None).await;
            client.send(LOG).await;
            client.until("a\n").await;
            for n in 0..20 {
                bed.site.write(MAIN, format!("line {n}\n"));
                client.until(&format!("line {n}\n")).await;
            }
            eventually(|| bed.site.followers(MAIN) == 1).await;
            // By TLS alone while the socket stays, or by the socket alone.
            let (mut socket, mut session) = client.stream.into_inner();
            if politely {
                session.send_close_notify();
                let mut bytes = Vec::new();
                while session.wants_write() {
                    session.write_tls(&mut bytes).expect("memory");
                }
                socket.write_all(&bytes).await.expect("send");
                eventually(|| bed.site.followers(MAIN) == 0).await;
            }
            drop(socket);
            eventually(|| bed.site.followers(MAIN) == 0).await;
        }
    });
}

#[test]
fn a_slow_reader_gets_all_of_it_and_a_stalled_one_is_closed() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        let line = "x".repeat(99) + "\n";
        bed.site.write(MAIN, line.repeat(80_000));
        let call = "<methodCall><methodName>supervisor.readLog</methodName><params>\
            <param><value><int>0</int></value></param><param><value><int>0</int></value></param></params></methodCall>";
        let ask = format!(
            "POST /RPC2 HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{call}",
            call.len()
        );
        let ask = ask.replace("Host: h", "Host: localhost");
        let mut client = bed.tls(None).await;
        client.send(&ask).await;
        let head = client.until("\r\n\r\n").await;
        let length: usize =
            header(&head, "content-length").expect("length").parse().expect("number");
        assert!(length > 1_000_000, "{head}");
        let mut stalled = bed.tls(None).await;
        stalled.send(&ask).await;
        stalled.until("\r\n\r\n").await;
        let rest = client.take(length).await;
        assert!(rest.ends_with("</methodResponse>\n") || rest.contains("</methodResponse>"));
        client.send(HEALTH).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 200"));
        settle().await;
        advance(STALL_TIME + Duration::from_secs(1)).await;
        settle().await;
        let mut all = 0;
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = stalled.stream.read(&mut buffer).await {
            all += count;
        }
        assert!(all < length, "{all} of {length}");
    });
}

#[test]
fn a_maze_of_certificates_is_not_walked() {
    let (authority, same) = (Authority::new("ca"), || Authority::new("x"));
    let leaf = same().client("deploy", 1);
    let maze: Vec<Vec<u8>> = (0..12).map(|_| same().der()).collect();
    let junk = vec![Authority::new("junk").der(); 60];
    let maze = [junk, maze].concat();
    run(authority.tls(Some(true), &[]), async |bed| {
        assert!(asked_with(&bed, Some(&leaf), &maze).await.is_err());
        eventually(|| !lines(&bed).is_empty()).await;
        let line = lines(&bed).remove(0);
        assert!(line.contains("refused: 73 certificates of "), "{line}");
        // What leads nowhere and is little is in nobody's way.
        let good = authority.client("deploy", 1);
        assert!(asked_with(&bed, Some(&good), &maze[..4]).await.is_ok());
        assert!(asked_with(&bed, Some(&good), &maze[..5]).await.is_err());
    });
}

#[test]
fn who_fails_again_and_again_waits() {
    let authority = Authority::new("ca");
    let stranger = Authority::new("other").client("deploy", 1);
    run(authority.tls(Some(true), &[]), async |bed| {
        let begun = Instant::now();
        for _ in 0..30 {
            assert!(passing(asked(&bed, Some(&stranger))).await.is_err());
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        for _ in 0..60 {
            assert!(passing(asked(&bed, Some(&stranger))).await.is_err());
        }
        // So many at once, and two in a second.
        assert!(begun.elapsed() > Duration::from_secs(25), "{:?}", begun.elapsed());
        let good = authority.client("deploy", 1);
        assert!(passing(asked(&bed, Some(&good))).await.is_ok(), "waits, and is served");
    });
}
