//! What `make install` puts where.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use system_tests::Room;
use system_tests::dist::Dist;

const TOOLS: [&str; 8] = [
    "crashmail",
    "crashmailbatch",
    "crashsms",
    "echo_supervisord_conf",
    "fatalmailbatch",
    "httpok",
    "memmon",
    "pidproxy",
];

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("an installed file").permissions().mode() & 0o7777
}

#[test]
fn programs_links_and_pages() {
    let room = Room::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let dist = Dist::plain().tool("supervisord");
    let dist = dist.ancestors().nth(2).expect("a tree").display().to_string();
    // Twice: over an older installation, too.
    for round in 0..2 {
        let output = Command::new("make")
            .arg("-C")
            .arg(&top)
            .args(["-s", "install", "PREFIX=/usr", &format!("DIST={dist}")])
            .arg(format!("DESTDIR={}", room.text("")))
            .output()
            .expect("make");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // An administrator's own service stays.
        let service = room.path("etc/pam.d/supervisor");
        let text = fs::read_to_string(&service).expect("the service");
        assert_eq!(text.matches("# ours\n").count(), round);
        fs::write(&service, text + "# ours\n").expect("the service");
    }
    let bin = room.path("usr/bin");
    for program in ["supervisord", "supervisorctl", "supervisor-tools"] {
        assert!(fs::symlink_metadata(bin.join(program)).expect("a program").is_file(), "{program}");
        assert_eq!(mode(&bin.join(program)), 0o755, "{program}");
    }
    for helper in ["supervisor-audit", "supervisor-broker", "supervisor-pam", "supervisor-reader"] {
        assert_eq!(mode(&room.path("usr/libexec/supervisor").join(helper)), 0o711, "{helper}");
    }
    let service = room.path("etc/pam.d/supervisor");
    assert_eq!(mode(&service), 0o644);
    assert!(fs::read_to_string(&service).expect("the service").contains("pam_unix.so"));
    for tool in TOOLS {
        let target = fs::read_link(bin.join(tool)).expect("a link");
        assert_eq!(target, Path::new("supervisor-tools"), "{tool}");
        assert!(room.path("usr/share/man/man1").join(format!("{tool}.1")).exists(), "{tool}");
    }
    let mut links = TOOLS.to_vec();
    links.retain(|tool| *tool != "pidproxy");
    for tool in links {
        let output = Command::new(bin.join(tool)).arg("--help").output().expect("a tool");
        assert_eq!(output.status.code(), Some(0), "{tool}");
    }
}
