//! Logs that are followed.

use std::fs;
use std::rc::Rc;
use std::time::Duration;

use super::bed::{Client, MAIN, OUT, Plan, eventually, header, rotate, run};
use crate::process::world::log_file;
use tokio::net::UnixStream;

const GET: &str = "GET /logtail/cat HTTP/1.1\r\nHost: \r\nAccept-Encoding: chunked\r\n\r\n\r\n";

async fn begin(client: &mut Client<UnixStream>, request: &str) -> String {
    client.send(request).await;
    let head = client.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    head
}

#[test]
fn it_begins_with_the_last_1024_bytes_and_goes_on() {
    run(async |bed| {
        bed.site.write(OUT, format!("early{}", "x".repeat(1024)));
        let mut client = bed.unix().await;
        let head = begin(&mut client, GET).await;
        assert_eq!(header(&head, "transfer-encoding"), Some("chunked"));
        assert_eq!(header(&head, "content-type"), Some("text/plain;charset=utf-8"));
        assert_eq!(header(&head, "x-accel-buffering"), Some("no"));
        assert_eq!(header(&head, "x-content-type-options"), Some("nosniff"));
        assert_eq!(client.chunked(1024).await, "x".repeat(1024));
        for n in 0..100 {
            let line = format!("line {n}\n");
            bed.site.write(OUT, &line);
            assert_eq!(client.chunked(line.len()).await, line);
        }
        assert_eq!(bed.site.opened.get(), 1, "growth alone opens nothing");
    });
}

#[test]
fn the_head_comes_though_there_is_nothing_yet() {
    run(async |bed| {
        bed.site.write(MAIN, "");
        let mut client = bed.unix().await;
        begin(&mut client, "GET /mainlogtail HTTP/1.1\r\n\r\n").await;
        bed.site.write(MAIN, "first\n");
        assert_eq!(client.chunked(6).await, "first\n");
    });
}

#[test]
fn a_browser_gets_a_line_end_when_more_comes_or_later() {
    run(async |bed| {
        bed.site.write(OUT, "");
        let mut client = bed.unix().await;
        let ask = "GET /logtail/cat HTTP/1.1\r\nAccept: application/xml, text/html;q=0.9\r\n\r\n";
        begin(&mut client, ask).await;
        bed.site.write(OUT, "one\n");
        assert_eq!(client.chunked(3).await, "one");
        bed.site.write(OUT, "two\n");
        assert_eq!(client.chunked(4).await, "\ntwo");
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(client.chunked(1).await, "\n", "nothing more was written");
        bed.site.write(OUT, "\n");
        bed.site.write(OUT, "three");
        assert_eq!(client.chunked(6).await, "\nthree");
    });
}

#[test]
fn it_ends_when_the_number_becomes_another_log_s() {
    run(async |bed| {
        bed.site.write(OUT, "mine\n");
        let mut client = bed.unix().await;
        begin(&mut client, GET).await;
        assert_eq!(client.chunked(5).await, "mine\n");
        let mut settings = (**bed.site.settings.borrow()).clone();
        settings.logs.insert(OUT, log_file("somebody else's"));
        *bed.site.settings.borrow_mut() = Rc::new(settings);
        bed.site.tell(OUT);
        fs::rename(bed.site.path(OUT), bed.site.path(OUT).with_extension("1")).unwrap();
        bed.site.write(OUT, "theirs\n");
        assert_eq!(client.rest().await, "");
    });
}

#[test]
fn names_are_found_as_the_reference_finds_them() {
    run(async |bed| {
        for (log, paths) in [
            (0, &["/logtail/cat", "/logtail/cat:cat", "/logtail/cat/stdout", "/logtail%2Fcat"][..]),
            (1, &["/logtail/cat/stderr", "/logtail/cat:cat/stderr", "/logtailx/cat%3Acat/stderr"]),
            (3, &["/logtail/web:a%20b", "/logtail/web:a%20b/stdout"]),
            (4, &["/logtail/web:%C3%A9_01/stderr", "/logtail/web:\u{e9}_01/stderr"]),
            (2, &["/mainlogtail", "/mainlogtail/x", "/mainlogtail?x"]),
        ] {
            bed.site.write(log, format!("log {log}"));
            for path in paths {
                let mut client = bed.unix().await;
                begin(&mut client, &format!("GET {path} HTTP/1.1\r\n\r\n")).await;
                assert_eq!(client.chunked(5).await, format!("log {log}"), "{path}");
            }
        }
    });
}

#[test]
fn clients_of_http_1_0_get_bytes_at_once() {
    run(async |bed| {
        bed.site.write(OUT, "old\n");
        for keep in ["", "Connection: keep-alive\r\n"] {
            let mut client = bed.unix().await;
            client.send(format!("GET /logtail/cat HTTP/1.0\r\n{keep}\r\n")).await;
            let head = client.until("\r\n\r\n").await;
            assert!(head.starts_with("HTTP/1.0 200 OK"), "{head}");
            assert_eq!(header(&head, "transfer-encoding"), None);
            assert_eq!(header(&head, "connection"), Some("close"));
            client.until("old\n").await;
            bed.site.write(OUT, "old\n");
            client.until("old\n").await;
        }
    });
}

#[test]
fn rotation_loses_nothing() {
    run(async |bed| {
        bed.site.write(OUT, "a\n");
        let mut client = bed.unix().await;
        begin(&mut client, GET).await;
        assert_eq!(client.chunked(2).await, "a\n");
        // Unread bytes in the old file, the new one already begun, and one wake for all of it.
        fs::write(bed.site.path(OUT), "a\nb\n").expect("write");
        rotate(&bed.site.path(OUT));
        fs::write(bed.site.path(OUT), "c\n").expect("write");
        bed.site.tell(OUT);
        assert_eq!(client.chunked(2).await, "b\n");
        bed.site.tell(OUT);
        assert_eq!(client.chunked(2).await, "c\n");
        for n in 0..20 {
            rotate(&bed.site.path(OUT));
            bed.site.tell(OUT);
            let line = format!("line {n}\n");
            bed.site.write(OUT, &line);
            assert_eq!(client.chunked(line.len()).await, line);
        }
    });
}

#[test]
fn a_full_file_is_expected_to_be_rotated() {
    Plan { maxbytes: 10, ..Plan::default() }.run(async |bed| {
        bed.site.write(OUT, "");
        let mut client = bed.unix().await;
        begin(&mut client, GET).await;
        // Grown, rotated and grown again before the follower looks.
        fs::write(bed.site.path(OUT), "0123456789").expect("write");
        rotate(&bed.site.path(OUT));
        bed.site.write(OUT, "abc");
        assert_eq!(client.chunked(13).await, "0123456789abc");
    });
}

#[test]
fn truncated_and_cleared_logs_are_followed_from_their_start() {
    run(async |bed| {
        bed.site.write(OUT, "before\n");
        let mut client = bed.unix().await;
        begin(&mut client, GET).await;
        client.chunked(7).await;
        for n in 0..20 {
            fs::write(bed.site.path(OUT), "").expect("truncate");
            if n % 2 == 0 {
                bed.site.tell(OUT);
            }
            bed.site.write(OUT, "after");
            assert_eq!(client.chunked(5).await, "after");
            bed.site.write(OUT, " more");
            assert_eq!(client.chunked(5).await, " more");
        }
    });
}

#[test]
fn a_removed_log_is_found_again() {
    run(async |bed| {
        bed.site.write(OUT, "a\n");
        let mut client = bed.unix().await;
        begin(&mut client, GET).await;
        client.chunked(2).await;
        fs::remove_file(bed.site.path(OUT)).expect("remove");
        let opened = bed.site.opened.get();
        bed.site.tell(OUT);
        eventually(|| bed.site.opened.get() > opened).await;
        bed.site.write(OUT, "b\n");
        assert_eq!(client.chunked(2).await, "b\n");
    });
}

#[test]
fn a_client_that_leaves_is_noticed_while_nothing_is_written() {
    run(async |bed| {
        bed.site.write(OUT, "a\n");
        // With the empty line too many, and without.
        for request in [GET, "GET /logtail/cat HTTP/1.1\r\n\r\n"] {
            let mut client = bed.unix().await;
            begin(&mut client, request).await;
            client.chunked(2).await;
            eventually(|| bed.site.followers(OUT) == 1).await;
            client.send("\r\n\r\nwhatever").await;
            drop(client);
            eventually(|| bed.site.followers(OUT) == 0).await;
        }
        assert_eq!(bed.site.lines.borrow().len(), 2, "and logged");
    });
}

#[test]
fn a_client_that_does_not_read_costs_one_buffer() {
    run(async |bed| {
        bed.site.write(OUT, "");
        let mut client = bed.unix().await;
        begin(&mut client, GET).await;
        let mut written = String::new();
        for n in 0..4000 {
            let line = format!("{n:01023}\n");
            bed.site.write(OUT, &line);
            written.push_str(&line);
            tokio::task::yield_now().await;
        }
        // The follower stands: it has stopped asking for changes although there are some.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(bed.site.followers(OUT), 0);
        tokio::time::advance(std::time::Duration::from_secs(86_000)).await;
        assert!(client.chunked(written.len()).await == written, "all of it, in order");
    });
}
