//! The options of the program, what it reads from the environment, and the exit statuses that all actions have.

use crate::config::getopt::{self, Opt, Takes};

/// The options, in the order in which the help shows them.
pub const OPTIONS: &[Opt] = &[
    getopt::CONFIGURATION,
    getopt::HELP,
    Opt {
        short: Some('i'),
        long: "interactive",
        value: None,
        help: "ask for credentials and confirmations where needed; the shell if there is no action",
        own: false,
    },
    Opt {
        short: Some('s'),
        long: "serverurl",
        value: Some(("URL", Takes::Url)),
        help: "where supervisord listens (default http://localhost:9001)",
        own: false,
    },
    Opt {
        short: Some('u'),
        long: "username",
        value: Some(("NAME", Takes::Text)),
        help: "name to log in with",
        own: false,
    },
    Opt {
        short: Some('p'),
        long: "password",
        value: Some(("PASSWORD", Takes::Text)),
        help: "password to log in with; others can see it in the list of processes",
        own: false,
    },
    Opt {
        short: Some('r'),
        long: "history_file",
        value: Some(("FILENAME", Takes::File)),
        help: "file that the shell keeps its history in",
        own: false,
    },
    Opt {
        short: None,
        long: "password-file",
        value: Some(("FILENAME", Takes::File)),
        help: "file with the password to log in with, readable by its owner alone",
        own: true,
    },
    Opt {
        short: None,
        long: "context",
        value: Some(("NAME", Takes::Context)),
        help: "server and credentials of this name in the contexts file",
        own: true,
    },
    Opt {
        short: None,
        long: "cacert",
        value: Some(("FILENAME", Takes::File)),
        help: "certificates of the authorities that https servers are trusted by (default the system's)",
        own: true,
    },
    Opt {
        short: None,
        long: "cert",
        value: Some(("FILENAME", Takes::File)),
        help: "certificate to show https servers that want one",
        own: true,
    },
    Opt {
        short: None,
        long: "key",
        value: Some(("FILENAME", Takes::File)),
        help: "its private key, readable by its owner alone (default in the same file)",
        own: true,
    },
    Opt {
        short: None,
        long: "crl",
        value: Some(("FILENAME", Takes::File)),
        help: "revocation lists that certificates of https servers are looked up in",
        own: true,
    },
    Opt {
        short: None,
        long: "insecure",
        value: None,
        help: "do not check who an https server is: whoever is in between reads all, passwords included",
        own: true,
    },
    Opt {
        short: None,
        long: "json",
        value: None,
        help: "print one JSON document instead of text; also after the action",
        own: true,
    },
    Opt {
        short: None,
        long: "raw",
        value: None,
        help: "send control characters of logs and names to the terminal as they are; also after the action",
        own: true,
    },
    Opt {
        short: None,
        long: "color",
        value: Some(("WHEN", Takes::Words(&["auto", "always", "never"]))),
        help: "whether states are coloured (default auto: on a terminal); also after the action, as --color=WHEN",
        own: true,
    },
];

/// Variables that are read, and what each is for.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "no colour where --color does not ask for it"),
    ("SUPERVISOR_CACERT", "certificates of the authorities that https servers are trusted by"),
    ("SUPERVISOR_CERT", "the certificate to show https servers that want one"),
    ("SUPERVISOR_CONTEXT", "the context to use where --context names none"),
    ("SUPERVISOR_KEY", "its private key, in a file that is readable by its owner alone"),
    ("SUPERVISOR_PASSWORD", "the password to log in with, or a token"),
    ("SUPERVISOR_PASSWORD_FILE", "a file with it, readable by its owner alone"),
    ("XDG_CONFIG_HOME", "directory of supervisor/contexts.ini (default ~/.config)"),
];

/// Exit statuses that an action can end with whatever it does.
pub const EXITS: &[(u8, &str)] = &[
    (0, "success; also the end of the shell"),
    (
        1,
        "unknown action, wrong arguments, wrong credentials, an error that has no words of its own",
    ),
    (2, "an option or the configuration is wrong"),
    (3, "supervisord lacks the interface"),
    (4, "supervisord refuses the connection"),
    (5, "supervisord has another version of the interface"),
    (7, "supervisord's socket does not exist"),
];
