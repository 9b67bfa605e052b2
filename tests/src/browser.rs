//! A real browser, driven by scripts in Python beside the tests.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::wait::within;

/// Where the browser is; `None` where there is none to be had.
fn chromium() -> Option<String> {
    match env::var("SUPERVISOR_CHROMIUM") {
        Ok(path) if path.is_empty() || path == "none" => None,
        Ok(path) => Some(path),
        Err(_) => {
            let places =
                ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
            let found = places.into_iter().find(|path| Path::new(path).exists());
            let found = found.map(str::to_owned);
            Some(found.expect("no Chromium here: tools/chromium.sh installs it, or says `none`"))
        }
    }
}

/// Says so past the harness, which keeps what successful tests print to itself.
pub fn not_tested(what: &str) {
    let _ = std::io::stderr().write_all(format!("*** NOT TESTED {what} ***\n").as_bytes());
}

/// Runs a scenario of a script below `tests/`. Says whether there was a browser to do it.
pub fn look(script: &str, scenario: &str, args: &[&str]) -> bool {
    let Some(chromium) = chromium() else {
        not_tested(&format!("in a browser, there is no Chromium: {scenario}"));
        return false;
    };
    let mut child = Command::new("python3")
        .arg("-B")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .args([&chromium, scenario])
        .args(args)
        .stdin(Stdio::null())
        .spawn()
        .expect("python3");
    let limit = Duration::from_secs(600);
    let status = within(limit, || child.try_wait().expect("the script's end"));
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let status = status.expect("the browser hangs");
    assert!(status.success(), "{scenario}: {status}");
    true
}
