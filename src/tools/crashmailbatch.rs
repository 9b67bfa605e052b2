//! Mails which processes died unexpectedly, many to a mail.

use super::Tool;
use super::batch::{self, Kind};
use super::listener::{Broken, Facts};

pub const TOOL: Tool = Tool {
    name: "crashmailbatch",
    summary: "mail which processes of supervisord exited unexpectedly, in batches",
    synopsis: "[options] --toEmail=ADDRESSES --fromEmail=ADDRESS",
    details: &[
        "An event listener of supervisord. Unexpected exits are collected; every so many minutes those that there were \
         are mailed by SMTP. It has to be subscribed to PROCESS_STATE_EXITED and to the TICK event that counts the time.",
    ],
    options: batch::OPTIONS,
    exits: batch::EXITS,
    example: &[
        "[eventlistener:crashmailbatch]",
        "command=crashmailbatch --toEmail=you@example.com --fromEmail=me@example.com",
        "events=PROCESS_STATE_EXITED,TICK_60",
    ],
    run: |tool, start| batch::run(tool, start, &KIND),
};

const KIND: Kind =
    Kind { event: "PROCESS_STATE_EXITED", subject: Some("Crash alert from supervisord"), message };

fn message(facts: &Facts, now: &str) -> Result<Option<String>, Broken> {
    if facts.number("expected")? != 0 {
        return Ok(None);
    }
    let [group, name, pid] =
        [facts.get("groupname")?, facts.get("processname")?, facts.get("pid")?];
    Ok(Some(format!("{now} -- Process {group}:{name} (pid {pid}) died unexpectedly")))
}

#[test]
fn messages() {
    let message =
        |line: &str| message(&Facts::read(line), "NOW").map_err(|broken| broken.to_string());
    let line = "processname:p groupname:g from_state:RUNNING expected:0 pid:7";
    assert_eq!(message(line), Ok(Some("NOW -- Process g:p (pid 7) died unexpectedly".to_owned())));
    assert_eq!(message(&line.replace("expected:0", "expected:1")), Ok(None));
    assert_eq!(message("pid:7"), Err("an event came without a valid expected".to_owned()));
}
