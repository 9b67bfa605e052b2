//! The tools that mail by SMTP, and those they stand in for, with a mail server of the test.

use system_tests::Room;

use crate::both;
use crate::drive::{Drive, Run, exited};
use crate::fake::{Mail, Mailbox, Manners};

const TICK: (&str, &str) = ("TICK_60", "when:1700000000");

/// Runs both; what ours came to, after it was compared.
fn compare(
    tool: &str,
    args: &[&str],
    events: &[(&str, &str)],
    manners: Manners,
) -> (Run, Vec<Mail>) {
    let [ours, theirs] = both(tool).map(|program| {
        let room = Room::new();
        let server = Mailbox::new(manners);
        let place = format!("--smtpHost={}", server.address);
        let args = [args, &[place.as_str()]].concat();
        let run = Drive::new(&room, &program, "unix:///nowhere", &args).run(events);
        (run, server.take())
    });
    assert_eq!(ours, theirs, "{tool} {args:?}");
    ours
}

const FROM_TO: [&str; 4] = ["-t", "a@b, root", "-f", "Me <me@b>"];

fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [FROM_TO.as_slice(), args].concat()
}

#[test]
fn batches() {
    let [crash, other, expected] =
        [("cat", 0), ("dätä", 0), ("dog", 1)].map(|(n, e)| exited(n, "pets", e));
    let fatal = "processname:f groupname:g from_state:BACKOFF";
    let events = [
        ("PROCESS_STATE_EXITED", crash.as_str()),
        ("PROCESS_STATE_FATAL", fatal),
        ("TICK_5", "when:5"),
        ("PROCESS_STATE_EXITED", expected.as_str()),
        ("PROCESS_STATE_EXITED", crash.as_str()),
        TICK,
        TICK,
        ("PROCESS_STATE_EXITED", other.as_str()),
        ("PROCESS_STATE_FATAL", fatal),
        TICK,
    ];
    for tool in ["crashmailbatch", "fatalmailbatch", "crashsms"] {
        let (run, mails) = compare(tool, &with(&[]), &events, Manners::default());
        assert_eq!((run.answered, run.code, mails.len()), (events.len(), 1, 2), "{tool}");
        assert_eq!(
            (mails[0].from.as_str(), &*mails[0].to),
            ("me@b", &["a@b", "root"].map(String::from)[..])
        );
        let (_, mails) =
            compare(tool, &with(&["-s", "Ä subject: x", "-i", "2"]), &events, Manners::default());
        assert_eq!(mails.len(), 1, "{tool}");
        let (_, mails) =
            compare(tool, &with(&["-e", "TICK_5", "-i.05"]), &events, Manners::default());
        assert_eq!(mails.len(), 1, "{tool}");
    }
}

#[test]
fn logins() {
    let crash = exited("cat", "pets", 0);
    let events = [("PROCESS_STATE_EXITED", crash.as_str()), TICK];
    let manners = Manners { auth: true, ..Manners::default() };
    let (_, mails) = compare("crashsms", &with(&["-u", "me", "-p", "secret"]), &events, manners);
    assert_eq!(mails[0].auth, "PLAIN AG1lAHNlY3JldA==");
    // Both, or there is no login.
    let (_, mails) = compare("crashsms", &with(&["-u", "me"]), &events, manners);
    assert_eq!(mails[0].auth, "");
}

#[test]
fn refusals() {
    let crash = exited("cat", "pets", 0);
    let events = [("PROCESS_STATE_EXITED", crash.as_str()), TICK, TICK];
    let manners = Manners { refuses: true, ..Manners::default() };
    let args = ["-f", "me@b", "-t", "a@b,bad@b"];
    let (run, mails) = compare("crashmailbatch", &args, &events, manners);
    assert_eq!(mails[0].to, ["a@b"]);
    assert!(!run.said.contains("Error"));
    let (run, mails) =
        compare("crashmailbatch", &["-f", "me@b", "-t", "bad@b,bad@c"], &events, manners);
    assert!(mails.is_empty());
    assert!(
        run.said.contains("Error sending email: {'bad@b': (550, b'no such user'), 'bad@c'"),
        "{run:?}"
    );
    let manners = Manners { full: true, ..Manners::default() };
    let (run, _) = compare("crashmailbatch", &["-f", "me@b", "-t", "a@b"], &events, manners);
    assert!(run.said.contains("Error sending email: (552, b'too much')\nSending"), "{run:?}");
}

#[test]
fn no_server() {
    let crash = exited("cat", "pets", 0);
    let events = [("PROCESS_STATE_EXITED", crash.as_str()), TICK];
    for host in ["127.0.0.1:1", "nowhere.invalid", "h:x"] {
        let [ours, theirs] = both("crashmailbatch").map(|program| {
            let room = Room::new();
            let host = format!("-H{host}");
            Drive::new(&room, &program, "unix:///nowhere", &with(&[&host])).run(&events)
        });
        assert!(ours.said.contains("Error sending email: "), "{ours:?}");
        if host == "nowhere.invalid" {
            // What the resolver says depends on the network.
            assert_eq!(ours.said.lines().count(), theirs.said.lines().count());
        } else {
            assert_eq!(ours, theirs);
        }
    }
}
