//! What is answered to what: routes, headers, lengths, names, passwords.

use std::time::Duration;

use super::bed::{Plan, eventually, header, passing, run};
use crate::config::settings::Password;

const CALL: &str = "<methodCall><methodName>supervisor.getVersion</methodName></methodCall>";

fn post(extra: &str) -> String {
    let kind = if extra.contains("Content-Type") { "" } else { "Content-Type: text/xml\r\n" };
    let length = CALL.len();
    format!("POST /RPC2 HTTP/1.1\r\nHost: h\r\n{extra}{kind}Content-Length: {length}\r\n\r\n{CALL}")
}

fn first_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

#[test]
fn a_call_is_answered_and_the_connection_kept() {
    run(async |bed| {
        let mut client = bed.tcp().await;
        for _ in 0..3 {
            client.send(post("").replace("Host: h", "Host: localhost")).await;
            let answer = client.answer().await;
            assert_eq!(first_line(&answer), "HTTP/1.1 200 OK");
            assert_eq!(header(&answer, "server"), Some("Medusa/1.12"));
            assert_eq!(header(&answer, "content-type"), Some("text/xml"));
            assert!(header(&answer, "date").is_some_and(|d| d.ends_with(" GMT")));
            assert_eq!(header(&answer, "connection"), None);
            assert!(answer.contains("<methodResponse>"), "{answer}");
        }
    });
}

#[test]
fn a_page_in_a_browser_orders_nothing() {
    run(async |bed| {
        for origin in ["http://evil.example", "null", "http://h"] {
            let answer = bed.ask(post(&format!("Origin: {origin}\r\nConnection: close\r\n"))).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
            assert!(!answer.contains("<methodResponse>"), "{answer}");
        }
    });
}

#[test]
fn a_page_that_was_bound_to_this_machine_reads_nothing() {
    run(async |bed| {
        bed.site.write(0, "secret");
        let ask = |start: &str, host: &str| {
            format!("{start} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        };
        for path in ["/logtail/cat", "/mainlogtail", "/", "/index.html", "/nothing"] {
            let mut client = bed.tcp().await;
            client.send(ask(&format!("GET {path}"), "evil.example:9001")).await;
            let answer = client.rest().await;
            assert_eq!(first_line(&answer), "HTTP/1.1 421 Misdirected Request", "{path}");
            assert!(answer.contains("allowed_hosts") && !answer.contains("secret"), "{answer}");
            // A unix socket has no name that could be bound to it.
            let answer = bed.unix().await.ask_first(ask(&format!("GET {path}"), "evil")).await;
            assert!(!answer.starts_with("HTTP/1.1 421 "), "{answer}");
        }
        let mut client = bed.tcp().await;
        client.send(ask("GET /logtail/cat", "127.0.0.1:9001")).await;
        client.until("secret").await;
        // What tells nothing.
        let mut client = bed.tcp().await;
        client.send(ask("GET /healthz", "whatever")).await;
        assert!(client.rest().await.starts_with("HTTP/1.1 200 OK"));
        // A call that proves nothing, whatever it brings that nobody has asked for.
        for (host, status) in [
            ("supervisor.example", "421 Misdirected Request"),
            ("evil.example:9001", "421 Misdirected Request"),
            ("localhost:9001", "200 OK"),
            ("127.0.0.1", "200 OK"),
            ("[::1]:9001", "200 OK"),
        ] {
            for extra in ["", "Authorization: Basic dTpw\r\n"] {
                let mut client = bed.tcp().await;
                let named = post(extra).replace("Host: h\r\n", &format!("Host: {host}\r\n"));
                client.send(&named).await;
                let answer = client.answer().await;
                assert_eq!(first_line(&answer), format!("HTTP/1.1 {status}"), "{host}");
                assert_eq!(answer.contains("allowed_hosts"), status.starts_with("421"), "{answer}");
                let mut client = bed.unix().await;
                client.send(&named).await;
                assert_eq!(first_line(&client.answer().await), "HTTP/1.1 200 OK", "{host}");
            }
        }
    });
}

#[test]
fn over_tcp_a_request_names_its_host_once() {
    run(async |bed| {
        for (hosts, status) in
            [("", "400 Bad Request"), ("Host: h\r\nHost: h\r\n", "400 Bad Request")]
        {
            let mut client = bed.tcp().await;
            client.send(post("Connection: close\r\n").replace("Host: h\r\n", hosts)).await;
            assert_eq!(first_line(&client.rest().await), format!("HTTP/1.1 {status}"));
        }
        let mut client = bed.tcp().await;
        client.send(post("").replace("Host: h\r\n", "").replace("1.1", "1.0")).await;
        assert_eq!(first_line(&client.answer().await), "HTTP/1.0 200 OK");
    });
}

#[test]
fn with_a_password_every_name_is_good() {
    let credentials = Some(("u".to_owned(), Password::Plain("p".to_owned())));
    Plan { credentials, ..Plan::default() }.run(async |bed| {
        bed.site.write(0, "secret");
        let mut client = bed.tcp().await;
        let start = "GET /logtail/cat HTTP/1.1\r\nHost: proc.example.com\r\n";
        client.send(format!("{start}Authorization: Basic dTpw\r\n\r\n")).await;
        client.until("secret").await;
        let mut client = bed.tcp().await;
        client.send(format!("{start}\r\n")).await;
        assert_eq!(first_line(&client.rest().await), "HTTP/1.1 401 Unauthorized");
        let mut client = bed.tcp().await;
        let call = post("Authorization: Basic dTpw\r\n");
        client.send(call.replace("Host: h\r\n", "Host: proc.example.com\r\n")).await;
        assert_eq!(first_line(&client.answer().await), "HTTP/1.1 200 OK");
    });
}

#[test]
fn what_another_page_of_the_machine_sends_is_refused() {
    run(async |bed| {
        for (site, status) in [
            ("cross-site", 403),
            ("same-site", 403),
            ("same-origin", 200),
            ("none", 200),
            ("anything", 403),
            ("none\r\nSec-Fetch-Site: cross-site", 403),
        ] {
            let extra = format!(
                "Sec-Fetch-Site: {site}\r\nContent-Type: text/xml\r\nConnection: close\r\n"
            );
            let answer = bed.ask(post(&extra)).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{site}: {answer}");
        }
    });
}

#[test]
fn what_any_page_can_send_is_no_call() {
    run(async |bed| {
        let form = "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n";
        for (browser, status) in [
            ("Referer: http://evil.example/\r\n", 415),
            ("Cookie: a=b\r\n", 415),
            ("Sec-Fetch-Mode: no-cors\r\n", 415),
            ("User-Agent: curl/8.5.0\r\n", 200),
        ] {
            let answer = bed.ask(post(&format!("{browser}{form}"))).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{browser}: {answer}");
            assert_eq!(answer.contains("Content-Type text/xml"), status == 415, "{answer}");
        }
    });
}

#[test]
fn a_link_acts_for_nobody_who_may_have_been_led_to_it() {
    Plan { legacy_get_actions: true, ..Plan::default() }.run(async |bed| {
        let link = |lines: &str| {
            let link = "GET /index.html?action=start&processname=cat HTTP/1.1";
            format!("{link}\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n")
        };
        let browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0\r\n";
        let answer = bed.ask(link(browser)).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("<form"), "{answer}");
        assert_eq!(bed.site.commands.get(), 0);
        let told = format!("{browser}Sec-Fetch-Site: same-origin\r\n");
        for (count, lines) in (1..).zip(["", "User-Agent: curl/8.5.0\r\n", &told]) {
            let mut client = bed.unix().await;
            client.send(link(lines)).await;
            eventually(|| bed.site.commands.get() == count).await;
        }
    });
}

#[test]
fn whether_it_serves_is_told_to_everybody_and_nothing_else() {
    let credentials = Some(("u".to_owned(), Password::Plain("p".to_owned())));
    Plan { credentials, ..Plan::default() }.run(async |bed| {
        let ask =
            |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: lb\r\n\r\n");
        let mut client = bed.tcp().await;
        client.send(ask("GET", "/healthz")).await;
        let answer = client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
        assert_eq!(header(&answer, "cache-control"), Some("no-store"));
        client.send(ask("HEAD", "/healthz")).await;
        let head = client.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(header(&head, "content-length"), Some("3"));
        client.send(ask("POST", "/healthz")).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 400 "));
        for path in ["/healthz/", "/healthzz", "/healthz/..", "//healthz"] {
            let mut client = bed.tcp().await;
            client.send(ask("GET", path)).await;
            assert!(client.rest().await.starts_with("HTTP/1.1 401 "), "{path}");
        }
        let mut client = bed.tcp().await;
        client.send("GET /healthz HTTP/1.0\r\n\r\n").await;
        assert!(client.rest().await.starts_with("HTTP/1.0 200 OK"));
        bed.site.ending.set(true);
        let mut client = bed.tcp().await;
        client.send(ask("GET", "/healthz")).await;
        let answer = client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("\r\n\r\nstopping\n"), "{answer}");
    });
}

#[test]
fn requests_in_one_piece_are_answered_in_order() {
    run(async |bed| {
        let mut client = bed.unix().await;
        client.send(post("") + "GET /RPC HTTP/1.1\r\n\r\n" + &post("")).await;
        for status in ["200 OK", "404 Not Found", "200 OK"] {
            assert_eq!(first_line(&client.answer().await), format!("HTTP/1.1 {status}"));
        }
    });
}

#[test]
fn what_becomes_of_the_connection() {
    run(async |bed| {
        let answer = bed.ask(post("Connection: close\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let old = |extra: &str| post(extra).replace("HTTP/1.1", "HTTP/1.0");
        let answer = bed.ask(old("")).await;
        assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer}");
        let mut client = bed.unix().await;
        for wish in ["keep-alive", "Keep-Alive"] {
            client.send(old(&format!("Connection: {wish}\r\n"))).await;
            let answer = client.answer().await;
            assert_eq!(first_line(&answer), "HTTP/1.0 200 OK");
            assert_eq!(header(&answer, "connection"), Some("Keep-Alive"));
            assert_eq!(answer.to_lowercase().matches("connection:").count(), 1);
        }
    });
}

#[test]
fn routes_and_methods() {
    run(async |bed| {
        bed.site.write(0, "x");
        let xml = format!("Content-Length: {}\r\n\r\n{CALL}", CALL.len());
        for (request, end, status) in [
            ("POST /RPC2xyz", &*xml, "200 OK"),
            ("POST /%52PC2", &*xml, "200 OK"),
            ("POST /RPC2?x=1", &*xml, "200 OK"),
            ("GET /RPC2", "\r\n", "400 Bad Request"),
            ("PUT /RPC2", &*xml, "400 Bad Request"),
            ("POST /logtail/cat", &*xml, "400 Bad Request"),
            ("HEAD /mainlogtail", "\r\n", "400 Bad Request"),
            ("POST /mainlogtail", "Content-Length: 0\r\n\r\n", "400 Bad Request"),
            ("GET /", "\r\n", "200 OK"),
            ("GET //index.html?x=1", "\r\n", "200 OK"),
            ("POST /tail.html", "Content-Length: 0\r\n\r\n", "200 OK"),
            ("POST /ok.html", "\r\n", "411 Length Required"),
            ("PUT /", &*xml, "400 Bad Request"),
            ("POST /images/icon.png", &*xml, "400 Bad Request"),
            ("GET /index.htm", "\r\n", "404 Not Found"),
            ("GET /rpc2", "\r\n", "404 Not Found"),
            ("GET /stylesheets/../RPC2", "\r\n", "404 Not Found"),
            ("OPTIONS *", "\r\n", "404 Not Found"),
            ("GET /mainlogtail", "\r\n", "404 Not Found"),
            ("GET /logtail", "\r\n", "404 Not Found"),
            ("GET /logtail/", "\r\n", "404 Not Found"),
            ("GET /logtail/nobody", "\r\n", "404 Not Found"),
            ("GET /logtail/cat/stderr", "\r\n", "404 Not Found"),
            ("GET /logtail/cat/stdin", "\r\n", "404 Not Found"),
            ("GET /logtail/cat/", "\r\n", "404 Not Found"),
            ("GET /logtail/cat:*", "\r\n", "404 Not Found"),
            ("GET /logtail/web:cat", "\r\n", "404 Not Found"),
            ("GET /logtail/%C3%A9_01", "\r\n", "404 Not Found"),
        ] {
            let request = format!("{request} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{end}");
            let answer = bed.ask(&request).await;
            assert_eq!(first_line(&answer), format!("HTTP/1.1 {status}"), "{request}");
        }
    });
}

#[test]
fn an_error_has_the_page_that_clients_know() {
    run(async |bed| {
        let mut client = bed.unix().await;
        client.send("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n").await;
        let answer = client.answer().await;
        assert_eq!(header(&answer, "content-type"), Some("text/html"));
        let page = "<head>\r\n<title>Error response</title>\r\n</head>\r\n<body>\r\n\
             <h1>Error response</h1>\r\n<p>Error code 404.\r\n<p>Message: Not Found.\r\n</body>\r\n";
        assert_eq!(answer.split_once("\r\n\r\n").map(|p| p.1), Some(page));
        client.send("HEAD /nothing HTTP/1.1\r\nHost: h\r\n\r\nGET /x HTTP/1.1\r\n\r\n").await;
        assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 404"));
        assert!(client.answer().await.starts_with("HTTP/1.1 404"), "no body after HEAD");
    });
}

#[test]
fn lengths() {
    run(async |bed| {
        let closing = "Host: h\r\nConnection: close\r\n";
        for (headers, body, status) in [
            ("", "", "411 Length Required"),
            ("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", "411 Length Required"),
            ("Content-Length: 0\r\n", "", "400 Bad Request"),
            (&*format!("Content-Length:{}\r\n", CALL.len()), CALL, "200 OK"),
            ("Content-Length: abc\r\n", "", "400 Bad Request"),
            ("Content-Length: -1\r\n", "", "400 Bad Request"),
            ("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd", "400 Bad Request"),
            ("Content-Length: 1048577\r\n", "abc", "413 Payload Too Large"),
            ("Content-Length: 18446744073709551615\r\n", "", "431 Request Header Fields Too Large"),
            (
                "Content-Length: 1048576\r\n",
                &(CALL.to_owned() + &" ".repeat((1 << 20) - CALL.len())),
                "200 OK",
            ),
        ] {
            let answer =
                bed.ask(format!("POST /RPC2 HTTP/1.1\r\n{closing}{headers}\r\n{body}")).await;
            let what = if first_line(&answer).is_empty() { "closed" } else { first_line(&answer) };
            assert_eq!(what, format!("HTTP/1.1 {status}"), "{headers}");
        }
    });
}

#[test]
fn a_call_without_a_length_keeps_the_connection_usable() {
    run(async |bed| {
        let mut client = bed.unix().await;
        client.send(format!("POST /RPC2 HTTP/1.1\r\nHost: h\r\n\r\n{}", post(""))).await;
        assert_eq!(first_line(&client.answer().await), "HTTP/1.1 411 Length Required");
        assert_eq!(first_line(&client.answer().await), "HTTP/1.1 200 OK");
    });
}

#[test]
fn a_refused_body_ends_the_connection_and_is_not_taken_for_a_request() {
    run(async |bed| {
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        let size = 2 << 20;
        let answer = bed
            .ask(format!("POST /RPC2 HTTP/1.1\r\nContent-Length: {size}\r\n\r\n{smuggled}"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert_eq!(header(&answer, "connection"), Some("close"));
        assert_eq!(answer.matches("HTTP/1.1").count(), 1);
    });
}

#[test]
fn odd_but_readable_requests_are_served() {
    run(async |bed| {
        for request in [
            format!("POST /RPC2 HTTP/1.1\nContent-Length: {}\n\n{CALL}", CALL.len()),
            format!("\r\n\r\n{}", post("")),
            post("").replace("Host: h\r\n", "Host: \r\n"),
            post("").replace("Host: h\r\n", ""),
        ] {
            let mut client = bed.unix().await;
            client.send(&request).await;
            assert_eq!(first_line(&client.answer().await), "HTTP/1.1 200 OK", "{request:?}");
        }
        for request in
            ["nonsense\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nNo colon\r\n\r\n"]
        {
            let answer = bed.ask(request).await;
            assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{request:?} {answer}");
        }
    });
}

#[test]
fn one_hundred_continue_is_sent_only_where_the_body_is_wanted() {
    Plan { credentials: Some(("u".to_owned(), Password::Plain("p".to_owned()))), ..Plan::default() }
        .run(async |bed| {
            let head = |more: &str| {
                let length = CALL.len();
                format!("POST /RPC2 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n{more}Content-Type: text/xml\r\nContent-Length: {length}\r\n\r\n")
            };
            let mut client = bed.tcp().await;
            client.send(head("Authorization: Basic dTpw\r\n")).await;
            assert_eq!(client.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
            client.send(CALL).await;
            assert_eq!(first_line(&client.answer().await), "HTTP/1.1 200 OK");
            client.send(head("")).await;
            assert_eq!(first_line(&client.answer().await), "HTTP/1.1 401 Unauthorized");
            drop(client);
        });
}

#[test]
fn every_route_asks_for_the_password() {
    let credentials = Some(("user".to_owned(), Password::Plain("a:b".to_owned())));
    Plan { credentials, ..Plan::default() }.run(async |bed| {
        bed.site.write(0, "secret");
        for path in ["/RPC2", "/logtail/cat", "/mainlogtail", "/", "/nothing"] {
            for method in ["GET", "POST", "HEAD", "BREW"] {
                // Not `user:a:b`, in base64: without a colon, another name, a shorter password.
                for header in [
                    "",
                    "Authorization: Basic dXNlcg==\r\n",
                    "Authorization: Basic cm9vdDphOmI=\r\n",
                    "Authorization: Basic dXNlcjph\r\n",
                ] {
                    let request = format!("{method} {path} HTTP/1.1\r\n{header}\r\n");
                    let answer = passing(bed.ask(request)).await;
                    // Who fails that often has to wait.
                    tokio::time::advance(Duration::from_secs(120)).await;
                    assert_eq!(first_line(&answer), "HTTP/1.1 401 Unauthorized");
                    let asks = super::bed::header(&answer, "www-authenticate");
                    assert_eq!(asks, Some("Basic realm=\"default\""));
                    assert_eq!(super::bed::header(&answer, "connection"), Some("close"));
                    assert!(!answer.contains("secret"));
                }
            }
        }
        let mut client = bed.unix().await;
        client.send(post("Authorization: bAsIc dXNlcjphOmI=\r\n")).await;
        assert_eq!(first_line(&client.answer().await), "HTTP/1.1 200 OK");
        client.send(post("")).await;
        assert_eq!(first_line(&client.answer().await), "HTTP/1.1 401 Unauthorized");
    });
}

#[test]
fn the_log_tells_of_each_request() {
    run(async |bed| {
        let mut client = bed.unix().await;
        client.send(post("")).await;
        let size = client.answer().await.len();
        client.send("GET /x?y=1 HTTP/1.1\r\n\r\n").await;
        let other = client.answer().await.len();
        let ours = || -> Vec<String> {
            let lines = bed.site.lines.borrow();
            let ours = lines.iter().filter(|l| l.1.starts_with("localhost:0 - - "));
            ours.map(|l| l.1.clone()).collect()
        };
        eventually(|| ours().len() == 2).await;
        let when = "[21/Nov/2026:02:23:20 +0000]";
        assert_eq!(
            ours(),
            [
                format!("localhost:0 - - {when} \"POST /RPC2 HTTP/1.1\" 200 {size}"),
                format!("localhost:0 - - {when} \"GET /x?y=1 HTTP/1.1\" 404 {other}"),
            ]
        );
    });
}

#[test]
fn a_log_that_cannot_be_opened_is_said() {
    run(async |bed| {
        // Opening it again through a loop of links fails, and not for want of a file.
        std::os::unix::fs::symlink(bed.site.path(0), bed.site.path(0)).expect("link");
        let answer = bed.ask("GET /logtail/cat HTTP/1.0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.0 500 Internal Server Error"), "{answer}");
        let lines = bed.site.lines.borrow();
        assert!(lines[0].1.starts_with("could not open log 0 to follow it: "), "{lines:?}");
    });
}

#[cfg(supervisor_hooks)]
#[test]
fn hooks_are_called_by_name() {
    run(async |bed| {
        let answer = bed.ask("GET /hook/open HTTP/1.0\r\n\r\n").await;
        assert!(answer.ends_with("\r\n\r\nhooked open"), "{answer}");
    });
}
