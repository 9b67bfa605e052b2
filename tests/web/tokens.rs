//! Who may order: forms of ours, for the person they were made for, and nobody else's page.

use system_tests::{Config, Room};

use crate::client::{Site, with_sleeper};

const STOP: &str = "action=stop&processname=a";

fn stop(token: &str) -> String {
    format!("{STOP}&token={token}")
}

#[test]
fn without_the_right_token_nothing_is_done() {
    let room = Room::new();
    let site = with_sleeper(&room, "");
    let token = site.get("").token();
    let swapped: String = token.chars().rev().collect();
    let long = "A".repeat(60_000);
    for body in [
        STOP.to_owned(),
        stop(""),
        stop("x"),
        stop(&swapped),
        stop(&token[..token.len() - 1]),
        stop(&format!("{token}A")),
        stop(&long),
        stop("%00%FF"),
        // Of several the last one counts.
        format!("{}&token=x", stop(&token)),
    ] {
        let refused = site.ask("POST", "index.html", "", &body);
        assert_eq!(refused.status, 403, "{body}");
        assert!(refused.body.contains("Nothing was done"), "{}", refused.body);
        assert_eq!(site.daemon.state("a"), "RUNNING", "{body}");
    }
    // Addresses end up in logs and histories: a token in one is none.
    let refused = site.ask("POST", &format!("index.html?{}", stop(&token)), "", "");
    assert_eq!(refused.status, 403);
    assert_eq!(site.daemon.state("a"), "RUNNING");
    // The page of a refusal has a form with a token that is good.
    let done = site.ask("POST", "index.html", "", &stop(&refused.token()));
    assert_eq!(done.message(), "Process a stopped");
}

#[test]
fn a_token_of_an_earlier_broker_is_no_good() {
    let room = Room::new();
    let site = with_sleeper(&room, "");
    let old = site.get("").token();
    site.daemon.replace_broker();
    let refused = site.ask("POST", "index.html", "", &stop(&old));
    assert_eq!(refused.status, 403);
    assert_eq!(site.daemon.state("a"), "RUNNING");
    let done = site.ask("POST", "index.html", "", &stop(&refused.token()));
    assert_eq!(done.message(), "Process a stopped");
}

#[test]
fn a_token_is_for_one_server_and_user() {
    let room = Room::new();
    let config = Config::new(&room).program("a", "/bin/sleep 100000", "startsecs=0");
    let site = Site::start(&room, &config, "username=me\npassword=secret");
    site.daemon.wait_running("a");
    assert_eq!(site.get("").status, 401);
    // me:secret
    let me = "Authorization: Basic bWU6c2VjcmV0\r\n";
    // The server on the unix socket asks for no name.
    let (status, page) = site.daemon.client.get("/").expect("a page");
    assert_eq!(status, 200);
    let (_, rest) = page.split_once("name=\"token\" value=\"").expect("a form");
    let foreign = rest.split('"').next().expect("a token");
    assert_eq!(site.ask("POST", "index.html", me, &stop(foreign)).status, 403);
    assert_eq!(site.daemon.state("a"), "RUNNING");
    let own = site.ask("GET", "", me, "").token();
    assert_eq!(site.ask("POST", "index.html", "", &stop(&own)).status, 401);
    assert_eq!(site.daemon.state("a"), "RUNNING");
    let done = site.ask("POST", "index.html", me, &stop(&own));
    assert_eq!(done.message(), "Process a stopped");
}

#[test]
fn pages_of_others_order_nothing() {
    let room = Room::new();
    let site = with_sleeper(&room, "");
    let body = stop(&site.get("").token());
    let host = site.host();
    for lines in [
        "Origin: http://evil.example\r\n".to_owned(),
        "Origin: null\r\n".to_owned(),
        format!("Origin: http://{}\r\n", site.address),
        format!("Origin: http://{host}.evil.example\r\n"),
        format!("Origin: http://{host}\r\nOrigin: http://evil.example\r\n"),
        format!("Origin: http://{host}\r\nSec-Fetch-Site: cross-site\r\n"),
        "Sec-Fetch-Site: cross-site\r\n".to_owned(),
        "Sec-Fetch-Site: same-site\r\n".to_owned(),
    ] {
        let refused = site.ask("POST", "index.html", &lines, &body);
        assert_eq!(refused.status, 403, "{lines}");
        assert_eq!(site.daemon.state("a"), "RUNNING", "{lines}");
    }
    let own = format!("Origin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n");
    assert_eq!(site.ask("POST", "index.html", &own, &body).message(), "Process a stopped");
}

#[test]
fn no_host_of_the_client_s_is_in_an_answer() {
    let room = Room::new();
    let site = with_sleeper(&room, "");
    for host in
        ["Host: evil.example\r\n", "Host: evil.example:80\r\nX-Forwarded-Host: evil.example\r\n"]
    {
        for path in ["", "index.html?action=refresh", "index.html?action=stop&processname=a"] {
            let answer = site.ask("GET", path, host, "");
            assert!(!answer.head.contains("evil"), "{}", answer.head);
            assert!(!answer.body.contains("href=\"http"), "{}", answer.body);
        }
    }
}

#[test]
fn only_what_a_form_sends_is_read() {
    let room = Room::new();
    let site = with_sleeper(&room, "");
    let token = site.get("").token();
    for kind in ["text/plain", "multipart/form-data; boundary=x", "application/json", ""] {
        let lines = format!("Content-Type: {kind}\r\n");
        let refused = site.ask("POST", "index.html", &lines, &stop(&token));
        assert_eq!(refused.status, 415, "{kind}");
    }
    let large = format!("{}&x={}", stop(&token), "x".repeat(64 << 10));
    assert_eq!(site.ask("POST", "index.html", "", &large).status, 413);
    let chunked = format!(
        "POST /index.html HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
        site.host()
    );
    assert_eq!(site.raw(chunked.as_bytes()).status, 411);
    assert_eq!(site.daemon.state("a"), "RUNNING");
    let lines = "Content-Type: Application/X-WWW-Form-URLencoded; charset=UTF-8\r\n";
    let done = site.ask("POST", "index.html", lines, &stop(&token));
    assert_eq!(done.message(), "Process a stopped");
}
