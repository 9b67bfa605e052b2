//! Text of others never becomes markup: names, start errors, logs, messages, addresses.

use std::fs;

use system_tests::{Config, Room, wait_for};

use crate::client::Site;

/// Names that try to be markup. White space, slashes and control characters
/// cannot be part of one.
pub const NAMES: [&str; 5] =
    ["<script>pwned=1", "a\"onmouseover=\"pwned=1", "b'><iframe>", "&lt;&#x41;", "e\u{202e}f<i>"];

/// A daemon whose every text is hostile.
pub fn site(room: &Room) -> Site {
    let mut config = Config::new(room);
    for name in NAMES {
        config = config.program(
            name,
            "/nonexistent/\"</td><script>pwned=1</script>\"",
            "startretries=0",
        );
    }
    let config = config.program(
        "log",
        &format!("/bin/cat {} -", room.text("lines")),
        &format!("startsecs=0\nstdout_logfile={}", room.text("log.out")),
    );
    let lines: &[u8] = b"</pre><script>pwned=1</script><img src=x onerror='pwned=1'>\n\
        \x00\x01\x1b[31mred\x07\x7f \xff\xfe \xc3\xa9 \xe2\x82 &amp; ]]> <!-- \n";
    fs::write(room.path("lines"), lines).expect("the lines");
    let site = Site::start(room, &config, "");
    for name in NAMES {
        site.daemon.wait_state(name, "FATAL");
    }
    wait_for("the log", || {
        fs::metadata(room.path("log.out")).is_ok_and(|meta| meta.len() == lines.len() as u64)
    });
    site
}

/// Nothing of what was injected is markup, and no byte is there that a page cannot have.
fn assert_harmless(what: &str, body: &str) {
    let lower = body.to_lowercase();
    for bad in ["<script", "<img src=x", " onmouseover=\"", "<!--", "<iframe"] {
        assert!(!lower.contains(bad), "{what}: {bad}\n{body}");
    }
    let odd = |c: &char| c.is_control() && !['\n', '\t', '\r'].contains(c);
    assert_eq!(body.chars().find(odd), None, "{what}");
}

#[test]
fn names_and_errors_are_text() {
    let room = Room::new();
    let site = site(&room);
    let page = site.get("");
    assert_harmless("the table", &page.body);
    for part in [
        "&lt;script&gt;pwned=1</bdi>",
        "a&quot;onmouseover=&quot;pwned=1</bdi>",
        "b&#39;&gt;&lt;iframe&gt;</bdi>",
        "&amp;lt;&amp;#x41;</bdi>",
        "e\u{202e}f&lt;i&gt;</bdi>",
        "&lt;/td&gt;&lt;script&gt;pwned=1&lt;/script&gt;",
    ] {
        assert!(page.body.contains(part), "{part}\n{}", page.body);
    }
    for name in ["%3Cscript%3Epwned%3D1", "a%22onmouseover%3D%22pwned%3D1"] {
        assert_harmless(
            "a form",
            &site.get(&format!("index.html?action=start&processname={name}")).body,
        );
        assert_harmless("a tail", &site.get(&format!("tail.html?processname={name}")).body);
        let told = site.press("start", name).message();
        assert!(told.starts_with("ERROR: Process "), "{told}");
    }
}

#[test]
fn logs_are_text() {
    let room = Room::new();
    let site = site(&room);
    let page = site.get("tail.html?processname=log");
    assert_harmless("a log", &page.body);
    for part in [
        "&lt;/pre&gt;&lt;script&gt;pwned=1&lt;/script&gt;&lt;img src=x onerror=&#39;pwned=1&#39;&gt;\n",
        "\u{2400}\u{2401}\u{241b}[31mred\u{2407}\u{2421} \u{fffd}\u{fffd} \u{e9} \u{fffd} &amp;amp; ]]&gt; &lt;!-- \n",
    ] {
        assert!(page.body.contains(part), "{part}\n{}", page.body);
    }
}

#[test]
fn what_clients_send_is_text() {
    let room = Room::new();
    let site = site(&room);
    let script = "%3Cscript%3Epwned%3D1%3C/script%3E";
    let breaker = "%22%3E%3Cimg%20src%3Dx%20onerror%3Dpwned%3D1%3E";
    let odd = "%00%0D%0ASet-Cookie:%20x%FF%C3%1B%5B31m";
    for bad in [script, breaker, odd] {
        for path in [
            format!("?message={bad}"),
            format!("index.html?action={bad}"),
            format!("index.html?action=stop&processname={bad}"),
            format!("tail.html?processname={bad}"),
            format!("tail.html?processname=log&limit={bad}&stream={bad}"),
        ] {
            let answer = site.get(&path);
            assert_ne!(answer.status, 500, "{path}");
            assert_eq!(answer.header("set-cookie"), None, "{path}");
            assert_harmless(&path, &answer.body);
            if answer.status == 303 {
                let location = answer.header("location").expect("a location").to_owned();
                assert!(location.starts_with("./?message=No%20such%20process"), "{location}");
                assert_harmless(&path, &site.get(location.trim_start_matches("./")).body);
            }
        }
        let body = format!("action=stop&processname=log&token={bad}");
        let refused = site.ask("POST", "index.html", "", &body);
        assert_eq!(refused.status, 403);
        assert_harmless("a refusal", &refused.body);
    }
    let lines = "Origin: http://<script>pwned=1</script>\r\n";
    let body = format!("action=stop&processname=log&token={}", site.get("").token());
    let refused = site.ask("POST", "index.html", lines, &body);
    assert_eq!(refused.status, 403);
    assert_harmless("a refusal", &refused.body);
    assert_eq!(site.daemon.state("log"), "RUNNING");
}
