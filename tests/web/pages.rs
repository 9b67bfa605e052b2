//! What pages show, and the headers that go with them.

use std::fs;

use system_tests::{Config, Room, wait_for};

use crate::client::{Answer, Site, with_sleeper};

/// The cells of the table: state, description, name, then what can be pressed and followed.
fn rows(page: &Answer) -> Vec<(String, String, String, Vec<String>)> {
    let (_, table) = page.body.split_once("<tbody>").expect("a table");
    let (table, _) = table.split_once("</tbody>").expect("its end");
    let mut rows = Vec::new();
    for row in table.split("<tr>").skip(1) {
        let cells: Vec<&str> = row.split("<td ").skip(1).collect();
        let parts = |cell: &str| -> Vec<String> {
            let pieces = cell.split('>').skip(1).filter_map(|piece| piece.split('<').next());
            pieces.map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
        };
        let text = |n: usize| parts(cells[n]).join("");
        rows.push((text(0), text(1), text(2), parts(cells[3])));
    }
    rows
}

#[test]
fn the_table_shows_every_process_and_what_can_be_done() {
    let room = Room::new();
    let config = Config::new(&room)
        .program("run", "/bin/sleep 100000", "startsecs=0")
        .program("many", "/bin/sleep 100000", "numprocs=2\nprocess_name=%(program_name)s_%(process_num)d\nstartsecs=0\nredirect_stderr=true")
        .program("idle", "/bin/sleep 100000", "autostart=false")
        .program("gone", "/nonexistent/program", "startretries=0")
        .program("once", "/bin/true", "startsecs=0\nautorestart=false")
        .program("coming", "/bin/sleep 100000", "startsecs=100000")
        .program("again", "/bin/false", "startretries=100000");
    let site = Site::start(&room, &config, "");
    for (name, state) in [
        ("run", "RUNNING"),
        ("many:many_1", "RUNNING"),
        ("gone", "FATAL"),
        ("once", "EXITED"),
        ("coming", "STARTING"),
        ("again", "BACKOFF"),
    ] {
        site.daemon.wait_state(name, state);
    }
    let page = site.get("");
    assert_eq!(page.status, 200);
    let rows = rows(&page);
    let names: Vec<&str> = rows.iter().map(|row| row.2.as_str()).collect();
    assert_eq!(
        names,
        ["again", "coming", "gone", "idle", "many:many_0", "many:many_1", "once", "run"]
    );
    let row = |name: &str| rows.iter().find(|row| row.2 == name).expect("a row");
    let logs = ["Clear Log", "Tail -f Stdout", "Tail -f Stderr"];
    for (name, state, buttons) in [
        ("run", "running", &["Restart", "Stop"][..]),
        ("idle", "stopped", &["Start"]),
        ("gone", "fatal", &["Start"]),
        ("once", "exited", &["Start"]),
        ("coming", "starting", &["Stop"]),
    ] {
        let expected: Vec<&str> = buttons.iter().chain(&logs).copied().collect();
        assert_eq!(row(name).0, state, "{name}");
        assert_eq!(row(name).3, expected, "{name}");
    }
    assert_eq!(row("many:many_0").3, ["Restart", "Stop", "Clear Log", "Tail -f Stdout"]);
    assert!(row("run").1.starts_with(&format!("pid {}, uptime 0:00:", site.daemon.program("run"))));
    assert_eq!(row("idle").1, "Not started");
    assert_eq!(row("gone").1, "can&#39;t find command &#39;/nonexistent/program&#39;");
    for part in [
        "href=\"tail.html?processname=many%3Amany_0\"",
        "href=\"logtail/run\"",
        "href=\"logtail/run/stderr\"",
        "formaction=\"index.html?processname=many%3Amany_0&amp;action=stop\"",
        "href=\"index.html?action=refresh\"",
        "formaction=\"index.html?action=restartall\"",
        "formaction=\"index.html?action=stopall\"",
        "Supervisor 4.3.0",
    ] {
        assert!(page.body.contains(part), "{part}\n{}", page.body);
    }
    assert!(!page.body.contains("class=\"message"), "a message out of nothing");
}

#[test]
fn addresses_of_the_page() {
    let room = Room::new();
    let site = Site::start(&room, &Config::new(&room), "");
    for path in ["", "index.html", "/index.html", "//", "?x=1", "status.html", "%69ndex.html"] {
        let page = site.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert!(page.body.contains("No programs to manage"), "{path}");
        assert!(page.body.contains("<title>Supervisor Status</title>"), "{path}");
    }
    for path in ["index.htm", "Index.html", "index.html/", "ui/status.html", "images/", "images"] {
        assert_eq!(site.get(path).status, 404, "{path}");
    }
    for path in ["images/../../etc/passwd", "stylesheets/%2e%2e/%2e%2e/etc/passwd", ".//etc/passwd"]
    {
        assert_eq!(site.get(path).status, 404, "{path}");
    }
    let page = site.ask("POST", "", "", "");
    assert_eq!(page.status, 200, "a form without anything");
    // Nothing that a client says stands in for what the server knows.
    for query in ["PATH_INFO=/ok.html", "SERVER_URL=http://evil.example", "HTTP_HOST=evil.example"]
    {
        let page = site.get(&format!("index.html?{query}"));
        assert!(page.body.contains("No programs to manage"), "{query}");
        assert!(!page.body.contains("evil"), "{query}");
    }
    let ok = site.get("ok.html");
    assert_eq!((ok.status, ok.body.as_str()), (200, "OK"));
    assert_eq!(ok.header("content-type"), Some("text/plain"));
    assert_eq!(site.ask("POST", "ok.html", "", "x=1").body, "OK");
}

#[test]
fn every_address_in_a_page_is_relative() {
    let room = Room::new();
    let site = with_sleeper(&room, "");
    for path in ["", "tail.html?processname=a", "index.html?action=stop&processname=a", "?action=x"]
    {
        let page = site.get(path);
        for name in ["href", "src", "action", "formaction"] {
            for piece in page.body.split(&format!(" {name}=\"")).skip(1) {
                let address = piece.split('"').next().expect("an address");
                let absolute = address.starts_with('/') || address.contains("://");
                assert!(!absolute, "{path}: {name} {address}");
            }
        }
    }
}

#[test]
fn pages_carry_their_headers() {
    let room = Room::new();
    let site = with_sleeper(&room, "");
    for (path, status) in [
        ("", 200),
        ("tail.html?processname=a", 200),
        ("tail.html", 200),
        ("index.html?action=stop&processname=a", 200),
        ("index.html?action=refresh", 303),
        ("index.html?action=nothing", 400),
    ] {
        let page = site.get(path);
        assert_eq!(page.status, status, "{path}");
        for (name, value) in [
            ("content-type", "text/html;charset=utf-8"),
            ("pragma", "no-cache"),
            ("cache-control", "no-cache, no-store"),
            ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                 frame-ancestors 'none'; base-uri 'none'",
            ),
        ] {
            assert_eq!(page.header(name), Some(value), "{path}: {name}");
        }
    }
}

#[test]
fn files_may_be_kept() {
    let room = Room::new();
    let site = Site::start(&room, &Config::new(&room), "");
    let page = site.get("");
    for (path, kind) in [
        ("stylesheets/supervisor.css", "text/css;charset=utf-8"),
        ("images/icon.png", "image/png"),
        ("images/supervisor.gif", "image/gif"),
        ("images/rule.gif", "image/gif"),
        ("images/state0.gif", "image/gif"),
        ("images/state1.gif", "image/gif"),
        ("images/state2.gif", "image/gif"),
        ("images/state3.gif", "image/gif"),
    ] {
        let file = site.get(path);
        assert_eq!(file.status, 200, "{path}");
        assert_eq!(file.header("content-type"), Some(kind), "{path}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(file.header("cache-control"), Some("private, max-age=604800"), "{path}");
        let tag = file.header("etag").expect("a tag");
        let again = site.ask("GET", path, &format!("If-None-Match: \"x\", W/{tag}\r\n"), "");
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        assert_eq!(again.header("content-length"), None, "{path}");
        let other = site.ask("GET", path, "If-None-Match: \"x\"\r\n", "");
        assert_eq!(other.status, 200, "{path}");
        if path.contains("css") || path.contains("icon") {
            let address = format!("href=\"{path}?v={}\"", tag.trim_matches('"'));
            assert!(page.body.contains(&address), "{address}\n{}", page.body);
        }
        assert_eq!(site.ask("POST", path, "", "").status, 400, "{path}");
    }
}

#[test]
fn the_end_of_a_log() {
    let room = Room::new();
    let log = room.path("a.out");
    let config = Config::new(&room)
        .program(
            "a",
            "/bin/sh -c 'i=1000; while [ $i -lt 1600 ]; do echo line $i; i=$((i+1)); done; echo trouble >&2; exec sleep 100000'",
            &format!("startsecs=0\nstdout_logfile={}", log.display()),
        )
        .program("quiet", "/bin/sleep 100000", "startsecs=0\nstdout_logfile=NONE");
    let site = Site::start(&room, &config, "");
    wait_for("the log", || fs::metadata(&log).is_ok_and(|meta| meta.len() == 6_000));
    let tail = |query: &str| site.get(&format!("tail.html?{query}"));
    let shown = |page: &Answer| -> String {
        let (_, rest) = page.body.split_once("<pre>\n").expect("a log");
        rest.split_once("</pre>").expect("its end").0.to_owned()
    };
    let text = fs::read_to_string(&log).expect("the log");
    let page = tail("processname=a");
    assert_eq!(shown(&page), text[text.len() - 1_024..]);
    assert!(page.body.contains("<title>Supervisor tail of process a</title>"));
    assert!(page.body.contains("href=\"tail.html?processname=a&amp;limit=1024\""));
    for (limit, bytes) in [
        ("1", 1_024),
        ("x", 1_024),
        ("-5000", 1_024),
        ("2000", 2_000),
        ("99999999999999999999", 6_000),
    ] {
        let page = tail(&format!("processname=a&limit={limit}"));
        assert_eq!(shown(&page), text[text.len() - bytes..], "{limit}");
    }
    assert!(tail("processname=a&limit=2000").body.contains("processname=a&amp;limit=2000\""));
    assert_eq!(shown(&tail("processname=a&stream=stderr")), "trouble\n");
    assert_eq!(
        shown(&site.ask("POST", "tail.html", "", "processname=a&stream=stderr")),
        "trouble\n"
    );
    for query in ["", "processname="] {
        let page = tail(query);
        assert!(page.body.contains("No process name found"), "{query}");
        assert!(page.body.contains("<title>Supervisor tail of process None</title>"), "{query}");
        assert!(!page.body.contains("limit="), "{query}");
    }
    for (query, trouble) in [
        ("processname=quiet", "No file for quiet"),
        ("processname=nobody", "ERROR: unexpected rpc fault [10] BAD_NAME: nobody"),
        ("processname=a:*", "ERROR: unexpected rpc fault [10] BAD_NAME: a:*"),
    ] {
        let page = tail(query);
        assert_eq!(page.status, 200, "{query}");
        assert!(page.body.contains(trouble), "{query}: {}", page.body);
    }
}
