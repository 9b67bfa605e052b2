//! Man pages, in the man macros.

use super::{CONTROL, DAEMON};
use crate::config::getopt::Opt;
use crate::ctl::table::{ACTIONS, Action, ENVIRONMENT, EXITS};
use crate::tools::Tool;

/// Widest line of the source, in characters.
const WIDTH: usize = 79;
/// What the pages say of their age: that of the tables' last change worth telling.
const DATE: &str = "2026-11-21";

/// Text as roff takes it.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

/// Sentences, in short lines. Hyphens in words stay hyphens.
fn prose(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let hyphen = !word.starts_with('-') && !word.contains('/') && !word.contains("--");
        let word = if hyphen { word.replace('\\', "\\e") } else { plain(word) };
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(&word);
        } else if line.len() + word.len() < WIDTH && !line.ends_with(['.', ':']) {
            line.push_str(&format!(" {word}"));
        } else {
            let guard = if word.starts_with(['.', '\'']) { "\\&" } else { "" };
            lines.push(format!("{guard}{word}"));
        }
    }
    lines.join("\n")
}

/// Upper-case words stand for something, the others are typed.
fn typed(form: &str) -> String {
    let words = form.split(' ').map(|word| {
        let stands = word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
        if stands { format!("\\fI{word}\\fR") } else { format!("\\fB{}\\fR", plain(word)) }
    });
    words.collect::<Vec<_>>().join(" ")
}

struct Page(String);

impl Page {
    fn new(name: &str, number: u8, summary: &str) -> Page {
        let mut page = Page(format!(
            ".\\\" Made from the tables that the program reads its command line by. Do not edit.\n\
             .TH {} {number} {DATE} \"supervisor\" \"{}\"\n",
            name.to_uppercase(),
            if number == 8 { "System Administration" } else { "User Commands" },
        ));
        page.section("NAME");
        page.0.push_str(&format!("{name} \\- {}\n", prose(summary)));
        page
    }

    fn section(&mut self, title: &str) {
        self.0.push_str(&format!(".SH {title}\n"));
    }

    /// A gap, which there is at the beginning of a section anyway.
    fn part(&mut self) {
        let last = self.0.lines().last().unwrap_or_default();
        if !last.starts_with(".SH") {
            self.0.push_str(".PP\n");
        }
    }

    fn paragraph(&mut self, text: &str) {
        self.part();
        self.0.push_str(&format!("{}\n", prose(text)));
    }

    fn item(&mut self, head: &str, text: &str) {
        self.0.push_str(&format!(".TP\n{head}\n{}\n", prose(text)));
    }

    fn example(&mut self, lines: &[&str]) {
        self.part();
        self.0.push_str(".RS 4\n.nf\n");
        for line in lines {
            self.0.push_str(&format!("{}\n", plain(line)));
        }
        self.0.push_str(".fi\n.RE\n");
    }

    fn options(&mut self, options: &[Opt]) {
        self.section("OPTIONS");
        for option in options {
            let head = typed(&option.form().replace('/', ", "));
            self.item(&head, &sentence(option.help));
        }
    }

    fn exits(&mut self, exits: &[(u8, &str)]) {
        self.section("\"EXIT STATUS\"");
        for (status, when) in exits {
            self.item(&format!("\\fB{status}\\fR"), &sentence(when));
        }
    }

    fn action(&mut self, action: &Action) {
        self.0.push_str(&format!(".SS {}\n", action.name));
        for (form, meaning) in action.forms {
            self.item(&format!("\\fB{}\\fR", plain(form)), &sentence(meaning));
        }
        for flag in action.flags {
            self.item(&typed(&flag.form()), &sentence(flag.help));
        }
        if !action.details.is_empty() {
            self.paragraph(action.details);
        }
        if !action.exits.is_empty() {
            let exits = action.exits.iter().map(|(status, when)| format!("{status}: {when}"));
            self.paragraph(&format!("Exit status {}.", exits.collect::<Vec<_>>().join("; ")));
        }
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

fn credentials(page: &mut Page) {
    page.section("CREDENTIALS");
    page.paragraph(
        "The password is the first of these that there is: --password, --password-file, that of the context, \
         SUPERVISOR_PASSWORD, SUPERVISOR_PASSWORD_FILE, that of the configuration file. A password file that others may \
         read is refused; the file name - asks on the terminal. Where the server wants credentials and a person can be \
         asked (in the shell, or with --interactive), they are asked for.",
    );
    page.section("CONTEXTS");
    page.paragraph("A context is a section of the contexts file:");
    page.example(&[
        "[context:web1]",
        "serverurl = https://web1.example:9001",
        "cacert = web1.ca.pem",
        "username = ops",
        "password_file = web1.secret",
        "prompt = web1",
    ]);
    page.paragraph(
        "Other keys are password, history_file, cert, key, crl and insecure. A file with a password in it that others may \
         read is refused, and so is a key. With a \
         context no configuration file is read; --context goes with neither --configuration nor --serverurl, to which \
         a context of the environment gives way.",
    );
}

pub fn supervisorctl() -> String {
    let mut page = Page::new("supervisorctl", 1, "control the programs that supervisord runs");
    page.section("SYNOPSIS");
    page.0.push_str(".B supervisorctl\n.RI [ options ]\n.RI [ action\n.RI [ arguments ]]\n");
    page.section("DESCRIPTION");
    page.paragraph(
        "supervisorctl speaks to a supervisord over its unix socket or its TCP port, by http or https. With an action it carries out that \
         one; without any it is a shell that reads actions, with line editing, history and completion.",
    );
    page.paragraph(
        "A process is named by its name where its group has the same one, else GROUP:NAME. GROUP:* is all of a group, \
         the word all means all there are, and a pattern such as web-* (quoted from the shell) all that fit it.",
    );
    page.options(CONTROL);
    page.paragraph(
        "Options that Supervisor has may be abbreviated; those that it does not have, such as --password-file and --cacert, must \
         be written out. The \
         configuration file is searched for beside the program (../etc/supervisord.conf, ../supervisord.conf), in the \
         current directory (supervisord.conf, etc/supervisord.conf; only where nobody but you and root could have put it \
         there), then as /etc/supervisord.conf and /etc/supervisor/supervisord.conf.",
    );
    page.section("ACTIONS");
    ACTIONS.iter().for_each(|action| page.action(action));
    credentials(&mut page);
    page.section("ENVIRONMENT");
    for (name, meaning) in ENVIRONMENT {
        page.item(&format!("\\fB{name}\\fR"), &sentence(meaning));
    }
    page.section("FILES");
    page.item("\\fI~/.config/supervisor/contexts.ini\\fR", "Named contexts.");
    page.item(
        "\\fI/etc/supervisord.conf\\fR",
        "The configuration, whose section [supervisorctl] is read.",
    );
    page.exits(EXITS);
    page.section("EXAMPLES");
    page.example(&[
        "supervisorctl status",
        "supervisorctl restart 'web:*' cron",
        "supervisorctl tail -f web:web-0 stderr",
        "supervisorctl --context web1 update --dry-run",
    ]);
    page.section("\"SEE ALSO\"");
    page.0.push_str(".BR supervisord (8)\n");
    page.0
}

/// The page of one of the programs beside the daemon.
pub fn tool(tool: &Tool) -> String {
    let mut page = Page::new(tool.name, 1, tool.summary);
    page.section("SYNOPSIS");
    page.0.push_str(&format!(".B {}\n{}\n", tool.name, plain(tool.synopsis)));
    page.section("DESCRIPTION");
    tool.details.iter().for_each(|paragraph| page.paragraph(paragraph));
    if !tool.options.is_empty() {
        page.options(tool.options);
    }
    page.exits(tool.exits);
    page.section("EXAMPLE");
    page.example(tool.example);
    page.section("\"SEE ALSO\"");
    page.0.push_str(".BR supervisorctl (1),\n.BR supervisord (8)\n");
    page.0
}

pub fn supervisord() -> String {
    let mut page =
        Page::new("supervisord", 8, "start and keep running the programs of a configuration file");
    page.section("SYNOPSIS");
    page.0.push_str(".B supervisord\n.RI [ options ]\n");
    page.section("DESCRIPTION");
    page.paragraph(
        "supervisord starts the programs that its configuration names, starts those anew that end when they should not, \
         and keeps what they write. It is spoken to with supervisorctl, over XML-RPC and by its web page.",
    );
    page.options(DAEMON);
    page.paragraph(
        "Each option overrides the key of the section [supervisord] that has its long form as name. Options that \
         Supervisor has may be abbreviated; --check, --policy, --show and --json must be written out.",
    );
    page.section("SIGNALS");
    page.item("\\fBTERM\\fR, \\fBINT\\fR, \\fBQUIT\\fR", "Stop all programs and end.");
    page.item("\\fBHUP\\fR", "Stop all programs, read the configuration and start over.");
    page.item("\\fBUSR2\\fR", "Open all log files anew.");
    page.section("FILES");
    page.item(
        "\\fI/etc/supervisord.conf\\fR",
        "The configuration, where --configuration names none. It is searched for as ../etc/supervisord.conf and \
         ../supervisord.conf beside the program, supervisord.conf and etc/supervisord.conf in the current directory (not \
         as root), /etc/supervisord.conf and /etc/supervisor/supervisord.conf.",
    );
    page.exits(&[
        (0, "an orderly end; help and version; a configuration that --check or --policy finds right"),
        (2, "an option, the configuration, a limit, the user or a server's socket is wrong"),
        (1, "any other failure"),
    ]);
    page.section("\"SEE ALSO\"");
    page.0.push_str(".BR supervisorctl (1)\n");
    page.0
}

#[test]
fn roff_is_escaped() {
    assert_eq!(plain("-f \\x"), "\\-f \\ex");
    assert_eq!(plain(".x"), "\\&.x");
    assert_eq!(prose("well-known --json"), "well-known \\-\\-json");
    assert_eq!(typed("-n, --lines LINES"), "\\fB\\-n,\\fR \\fB\\-\\-lines\\fR \\fILINES\\fR");
    assert_eq!(sentence("the name"), "The name.");
}
