//! Who did it, and how that was known: each way in leaves its own word in the audit log.

use std::fs;

use system_tests::pki::Pair;
use system_tests::wait_for;

use crate::site::{Ground, Said, Site, hashed, patient, said, text};

const PASSWORD: &str = "for the record";

fn site() -> (Site, Pair) {
    let ground = Ground::new();
    let lines = ground.asks("optional");
    let deploy = ground.authority.client("deploy");
    let site = ground.start(&lines, |ground, config| {
        config
            .daemon(&format!("audit_logfile={}", ground.room.text("audit.log")))
            .daemon(&format!("tokens_file={}", ground.room.text("tokens")))
            .program("web", "/bin/sleep 100000", "startsecs=0")
            .section(&format!("[user:bob]\npassword={}", hashed(&ground.room, PASSWORD)))
            .section("[role:web]\nmembers=bob, cert:CN=deploy\nprograms=web\nactions=view, restart")
    });
    site.daemon.wait_running("web");
    (site, deploy)
}

/// Waits for a line of who has done something in this way.
fn recorded(site: &Site, who: &str, auth: &str, decision: &str) {
    let parts = [
        format!("\"who\":\"{who}\""),
        format!("\"auth\":\"{auth}\""),
        format!("\"decision\":\"{decision}\""),
    ];
    wait_for(&format!("a line with {parts:?}"), || {
        let log = fs::read_to_string(site.room.path("audit.log")).unwrap_or_default();
        let log = log.replace("\": ", "\":");
        log.lines().any(|line| parts.iter().all(|part| line.contains(part)))
    });
}

#[test]
fn each_way_in_has_its_word() {
    let (mut site, deploy) = site();
    site.ctl_as(&deploy, &["restart", "web"]).well();
    recorded(&site, "cert:CN=deploy", "certificate", "allow");
    site.ctl_as(&deploy, &["stop", "web"]).refused(&["not allowed"]);
    recorded(&site, "cert:CN=deploy", "certificate", "deny");

    site.ctl(&["-u", "bob", "-p", PASSWORD, "restart", "web"]).well();
    recorded(&site, "user:bob", "password", "allow");

    let made = site.root(&["token", "create", "--role", "web", "--name", "ci"]);
    let token = made.well().trim().to_owned();
    let login = ["-u", "token", "-p", token.as_str()];
    site.ctl(&[&login[..], &["restart", "web"]].concat()).well();
    recorded(&site, "token:ci", "token", "allow");
    site.ctl(&[&login[..], &["stop", "web"]].concat()).refused(&["not allowed"]);
    recorded(&site, "token:ci", "token", "deny");

    site.root(&["restart", "web"]).well();
    recorded(&site, "unix:0", "peer", "allow");

    at_the_page(&site);
    recorded(&site, "user:bob", "session", "allow");

    let file = site.room.text("audit.log");
    let shown = site.bare_ctl(&["audit", "show", &file]);
    for word in ["by certificate", "by token", "by password", "by peer", "by session"] {
        assert!(shown.well().contains(word), "{word}: {shown:?}");
    }
    assert_eq!(site.daemon.stop(), 0);
    site.bare_ctl(&["audit", "verify", &file]).well();
}

/// Bob logs in with the form and presses a button, as a browser does.
fn at_the_page(site: &Site) {
    let jar = site.room.text("cookies");
    let origin = format!("Origin: {}", site.url());
    let ask = |path: &str, args: &[&str]| -> Said {
        let args = [&["-b", &jar, "-c", &jar, "-H", "Accept: text/html", "-H", &origin], args];
        site.curl_knowing(path, &args.concat())
    };
    let login = ["-d", "user=bob", "--data-urlencode", &format!("password={PASSWORD}")];
    let entered = ask("/login.html", &[&login[..], &["-i"]].concat());
    let cookie = entered.well().to_lowercase();
    let cookie = cookie.lines().find(|l| l.starts_with("set-cookie:")).expect("a cookie");
    for part in ["secure", "httponly", "samesite=strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let page = ask("/", &[]);
    let (_, rest) = page.well().split_once("name=\"token\" value=\"").expect("a form");
    let token = rest.split('"').next().expect("a token");
    let form = format!("action=restart&processname=web&token={token}");
    let pressed = ask("/index.html", &["-d", &form, "-i"]);
    assert!(pressed.well().starts_with("HTTP/1.1 303"), "{pressed:?}");
    // The cookie is not for plain HTTP, nor are forms of other places.
    let elsewhere = site.curl_knowing(
        "/index.html",
        &["-b", &jar, "-H", &format!("Origin: http://{}", site.place()), "-d", &form, "-i"],
    );
    assert!(elsewhere.out.starts_with("HTTP/1.1 403"), "{elsewhere:?}");
}

#[test]
fn who_is_turned_away_is_on_record() {
    let (site, _) = site();
    let wrong = format!("svt_{}", "A".repeat(43));
    let mut command = patient(&text(&system_tests::Dist::plain().supervisorctl()));
    command.args(["-s", &site.url(), "-u", "token"]).env("SUPERVISOR_PASSWORD", &wrong);
    command.arg("--cacert").arg(site.authority.cert()).arg("status");
    let refused = said(&mut command);
    assert_ne!(refused.code, 0, "{refused:?}");
    wait_for("a line about it", || {
        let log = fs::read_to_string(site.room.path("audit.log")).unwrap_or_default();
        let words = ["\"login\"", "\"token\"", "\"deny\"", "127.0.0.1", "wrong credentials"];
        log.lines().any(|line| words.iter().all(|word| line.contains(word)))
    });
}
