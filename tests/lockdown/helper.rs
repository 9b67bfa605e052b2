//! What /proc says about a PAM helper that waits for its attempt.

use std::fs;
use std::os::unix::fs::MetadataExt;

use system_tests::dist::Dist;
use system_tests::logins::Logins;
use system_tests::procfs::{self, Status};
use system_tests::wait_for;

const CAP_DAC_READ_SEARCH: u64 = 1 << 2;
const CAP_AUDIT_WRITE: u64 = 1 << 29;

#[test]
fn the_helper_can_read_the_password_files_and_no_more() {
    let logins = Logins::start(&Dist::plain(), "hold");
    logins.played();
    let helpers = logins.helpers();
    assert_eq!(helpers.len(), 2);
    let may = Status::of(std::process::id().cast_signed()).mask("CapBnd");
    let kept = (CAP_DAC_READ_SEARCH | CAP_AUDIT_WRITE) & may;
    for pid in helpers {
        wait_for("its attempt to be waited for", || Status::of(pid).mask("CapPrm") == kept);
        let status = Status::of(pid);
        for (set, left) in
            [("CapBnd", kept), ("CapEff", kept), ("CapPrm", kept), ("CapInh", 0), ("CapAmb", 0)]
        {
            assert_eq!(status.mask(set), left, "{set}");
        }
        assert_eq!((status.text("NoNewPrivs"), status.text("Threads")), ("1", "1"));
        assert_eq!(procfs::environment(pid), Vec::<String>::new());
        assert_eq!(procfs::arguments(pid), ["supervisor-pam"]);
        assert_eq!(procfs::stat(pid).map(|stat| stat.session), Some(pid));
        let descriptors = procfs::descriptors(pid);
        let [(0, zero), (1, one), (2, two), (3, socket)] =
            &descriptors.iter().collect::<Vec<_>>()[..]
        else {
            panic!("{descriptors:?}");
        };
        for null in [zero, one, two] {
            assert_eq!(null.as_os_str(), "/dev/null");
        }
        assert!(socket.display().to_string().starts_with("socket:"), "{socket:?}");
        let core = procfs::limits(pid).into_iter().find(|line| line.starts_with("Max core"));
        let core = core.expect("a limit");
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
        assert_eq!(fs::metadata(format!("/proc/{pid}/fd")).expect("a process").uid(), 0);
    }
}
