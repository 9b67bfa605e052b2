//! What buttons and links do, and what is said about it.

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use system_tests::{Config, Room, poll_until, wait_for};

use crate::client::{Site, with_sleeper};

#[test]
fn buttons_act_and_tell() {
    let room = Room::new();
    let log = room.path("a.out");
    let config = Config::new(&room)
        .program(
            "a",
            "/bin/sh -c 'echo $$; exec sleep 100000'",
            &format!("startsecs=0\nstdout_logfile={}", log.display()),
        )
        .program(
            "b",
            "/bin/sleep 100000",
            "numprocs=2\nprocess_name=%(program_name)s_%(process_num)d\nstartsecs=0",
        );
    let site = Site::start(&room, &config, "");
    let first = site.daemon.wait_running("a");
    assert_eq!(site.press("stop", "a").message(), "Process a stopped");
    assert_eq!(site.daemon.state("a"), "STOPPED");
    assert_eq!(site.press("stop", "a").message(), "unexpected rpc fault [70] NOT_RUNNING: a");
    assert_eq!(site.press("start", "a").message(), "Process a started");
    let second = site.daemon.program("a");
    assert_ne!(first, second);
    assert_eq!(site.press("start", "a").message(), "ERROR: Process a: already started");
    assert_eq!(site.press("restart", "a").message(), "Process a restarted");
    let third = site.daemon.wait_running("a");
    assert_ne!(third, second);
    // Those before may have written, too; nothing comes after this.
    let last = format!("{third}\n");
    wait_for("the log", || fs::read_to_string(&log).is_ok_and(|text| text.ends_with(&last)));
    assert_eq!(site.press("clearlog", "a").message(), "Log for a cleared");
    assert_eq!(fs::metadata(&log).expect("the log").len(), 0);
    assert_eq!(site.press("stop", "b%3Ab_1").message(), "Process b:b_1 stopped");
    assert_eq!(site.daemon.state("b:b_0"), "RUNNING");
    assert_eq!(site.daemon.state("b:b_1"), "STOPPED");
    for name in ["nobody", "b%3A*", "b", "b%3A"] {
        let told = site.press("stop", name).message();
        assert_eq!(told, format!("No such process named {}", name.replace("%3A", ":")));
    }
    assert!(site.press("stopall", "").message().starts_with("All stopped at "));
    assert_eq!(
        (site.daemon.state("a"), site.daemon.state("b:b_0")),
        ("STOPPED".into(), "STOPPED".into())
    );
    assert!(site.press("restartall", "").message().starts_with("All restarted at "));
    for name in ["a", "b:b_0", "b:b_1"] {
        assert_eq!(site.daemon.state(name), "RUNNING");
    }
    let page = site.get("?message=Process%20a%20stopped");
    assert!(page.body.contains("role=\"status\">Process a stopped</p>"), "{}", page.body);
}

#[test]
fn refresh_needs_no_form() {
    let room = Room::new();
    let site = with_sleeper(&room, "");
    let told = site.get("index.html?action=refresh").message();
    let words: Vec<&str> = told.split_whitespace().collect();
    assert_eq!(words[..3], ["Page", "refreshed", "at"]);
    assert_eq!(words.len(), 8, "a time as ctime has it: {told}");
    assert!(words[6].split(':').count() == 3 && words[7].parse::<u32>().is_ok(), "{told}");
}

#[test]
fn failures_of_a_start_have_the_reference_s_words() {
    let room = Room::new();
    room.file("plain", "not a program\n");
    let config = Config::new(&room)
        .program("gone", "/nonexistent/program", "autostart=false")
        .program("plain", &room.text("plain"), "autostart=false")
        .program("brief", "/bin/false", "autostart=false\nstartretries=0")
        .program("late", "/bin/sleep 100000", "autostart=false\nstartsecs=2");
    let site = Site::start(&room, &config, "");
    for (name, told) in [
        ("gone", "ERROR: Process gone: no such file"),
        ("plain", "ERROR: Process plain: file not executable"),
        ("brief", "ERROR: Process brief: spawn error"),
    ] {
        assert_eq!(site.press("start", name).message(), told);
    }
    // An answer comes when the process is up, and not before.
    let begin = Instant::now();
    assert_eq!(site.press("start", "late").message(), "Process late started");
    assert!(begin.elapsed() >= Duration::from_millis(1_900), "{:?}", begin.elapsed());
    assert_eq!(site.daemon.state("late"), "RUNNING");
}

#[test]
fn what_is_no_action_is_said_so() {
    let room = Room::new();
    let site = with_sleeper(&room, "");
    for query in [
        "action=frobnicate",
        "action=frobnicate&processname=a",
        "action=stop",
        "action=Stop&processname=a",
    ] {
        for method in ["GET", "POST"] {
            let page = site.ask(method, &format!("index.html?{query}"), "", "");
            assert_eq!(page.status, 400, "{query}");
            for known in
                ["refresh", "restartall", "stopall", "start", "stop", "restart", "clearlog"]
            {
                assert!(page.body.contains(&format!("<code>{known}</code>")), "{query}: {known}");
            }
        }
    }
    assert_eq!(
        site.get("index.html?action=stop&processname=nobody").message(),
        "No such process named nobody"
    );
    assert_eq!(site.daemon.state("a"), "RUNNING");
}

#[test]
fn links_ask_first() {
    let room = Room::new();
    let site = with_sleeper(&room, "");
    let pid = site.daemon.program("a");
    for (query, button) in [
        ("action=stop&processname=a", "Stop"),
        ("action=restart&processname=a", "Restart"),
        ("action=clearlog&processname=a", "Clear Log"),
        ("action=stopall", "Stop All"),
        ("action=restartall", "Restart All"),
    ] {
        for method in ["GET", "HEAD"] {
            let page = site.ask(method, &format!("index.html?{query}"), "", "");
            // Whether there is a HEAD is not this test's concern.
            assert!(page.status == 200 || method == "HEAD", "{page:?}");
            if method == "GET" {
                assert!(
                    page.body.contains("<form method=\"post\" action=\"index.html?"),
                    "{}",
                    page.body
                );
                assert!(page.body.contains(&format!("<button class=\"main\">{button}</button>")));
            }
        }
    }
    assert_eq!(site.daemon.program("a"), pid);
    // The form's own address and token do it.
    let form = site.get("index.html?action=stop&processname=a");
    let done = site.ask(
        "POST",
        "index.html?processname=a&action=stop",
        "",
        &format!("token={}", form.token()),
    );
    assert_eq!(done.message(), "Process a stopped");
}

#[test]
fn links_act_where_the_configuration_says_so() {
    let room = Room::new();
    let site = with_sleeper(&room, "legacy_get_actions=true");
    let stop = "index.html?processname=a&action=stop";
    for lines in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
    ] {
        let refused = site.ask("GET", stop, lines, "");
        assert_eq!(refused.status, 403, "{lines}");
        assert_eq!(site.daemon.state("a"), "RUNNING", "{lines}");
    }
    site.ask("HEAD", stop, "", "");
    assert_eq!(site.daemon.state("a"), "RUNNING", "HEAD changes nothing");
    let guess = site.ask("GET", stop, "Sec-Purpose: prefetch\r\n", "");
    assert_eq!((guess.status, site.daemon.state("a")), (200, "RUNNING".to_owned()));
    let untold = site.ask("GET", stop, "User-Agent: Mozilla/5.0\r\n", "");
    assert_eq!((untold.status, site.daemon.state("a")), (200, "RUNNING".to_owned()));
    assert_eq!(site.get(stop).message(), "Process a stopped");
    assert_eq!(site.daemon.state("a"), "STOPPED");
    let start = "index.html?processname=a&action=start";
    let own = site.ask("GET", start, "Sec-Fetch-Site: same-origin\r\n", "");
    assert_eq!(own.message(), "Process a started");
    let typed = site.ask("GET", stop, "Sec-Fetch-Site: none\r\n", "");
    assert_eq!(typed.message(), "Process a stopped");
    // A form still needs its token.
    assert_eq!(site.ask("POST", start, "", "").status, 403);
    assert_eq!(site.daemon.state("a"), "STOPPED");
}

#[test]
fn an_order_outlives_its_client() {
    let room = Room::new();
    let config = Config::new(&room).program(
        "slow",
        "/bin/sh -c 'trap \"sleep 1; exit 0\" TERM; while :; do sleep 0.1; done'",
        "startsecs=0\nstopwaitsecs=60\nautorestart=false",
    );
    let site = Site::start(&room, &config, "");
    let old = site.daemon.wait_running("slow");
    let body = format!("action=restart&processname=slow&token={}", site.get("").token());
    let mut client = site.connect();
    client.write_all(site.request("POST", "index.html", "", &body).as_bytes()).expect("send");
    site.daemon.wait_state("slow", "STOPPING");
    client.shutdown(Shutdown::Both).expect("leave");
    drop(client);
    poll_until("the second half of the order", || {
        let info = site.daemon.info("slow");
        let pid = info.get("pid").int();
        (info.get("statename").str() == "RUNNING" && pid != i64::from(old)).then_some(())
    });
}

#[test]
fn others_are_served_while_an_order_is_carried_out() {
    let room = Room::new();
    let config = Config::new(&room)
        .program("late", "/bin/sleep 100000", "autostart=false\nstartsecs=100000")
        .program("a", "/bin/sleep 100000", "startsecs=0");
    let site = Site::start(&room, &config, "");
    let body = format!("action=start&processname=late&token={}", site.get("").token());
    let mut waiting = site.connect();
    waiting.write_all(site.request("POST", "index.html", "", &body).as_bytes()).expect("send");
    site.daemon.wait_state("late", "STARTING");
    assert_eq!(site.press("stop", "a").message(), "Process a stopped");
    assert_eq!(site.press("stop", "late").message(), "Process late stopped");
    drop(waiting);
}

#[test]
fn a_daemon_that_goes_down_says_so() {
    let room = Room::new();
    let config = Config::new(&room).program(
        "stubborn",
        "/bin/sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'",
        "startsecs=0\nstopwaitsecs=20",
    );
    let mut site = Site::start(&room, &config, "legacy_get_actions=true");
    let pid = site.daemon.wait_running("stubborn");
    let token = site.get("").token();
    site.daemon.signal(Signal::SIGTERM);
    poll_until("the page to say so", || (site.get("").status == 503).then_some(()));
    for path in [
        "",
        "tail.html?processname=stubborn",
        "index.html?action=stop&processname=stubborn",
        "?action=refresh",
    ] {
        let page = site.get(path);
        assert_eq!(page.status, 503, "{path}");
        assert!(page.body.contains("shutting down"), "{path}");
    }
    let body = format!("action=stopall&token={token}");
    assert_eq!(site.ask("POST", "index.html", "", &body).status, 503);
    assert_eq!(site.get("ok.html").body, "OK");
    system_tests::procfs::signal(pid, Signal::SIGKILL);
    assert_eq!(site.daemon.wait_end(), 0);
}
