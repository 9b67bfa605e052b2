//! `[supervisord]`.

use privsep::table::MAX_BACKUPS;

use super::audit;
use super::environment;
use super::expand::{Names, expand};
use super::host::Account;
use super::model::Daemon;
use super::options::Options;
use super::path;
use super::reading::{Reading, Scope};
use super::settings::Level;
use super::streams;
use super::text::repr;
use super::values::{self, Read};

const SECTION: &str = "supervisord";

/// How many rotated files to keep: a negative number keeps none.
pub fn backups(number: i64) -> u32 {
    u32::try_from(number.clamp(0, i64::from(MAX_BACKUPS))).unwrap_or(0)
}

/// A rotation limit: a negative one is none.
pub fn limit(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(0)
}

/// Reads the section, in the reference's order. `names` has ENV_ names; `user` is looked up by [`user`], last of all.
pub fn read(r: &mut Reading<'_>, options: &Options, names: &Names<'_>) -> Daemon {
    let here = r.here.clone();
    let names = Names::over(names).text("here", &here);
    let scope = Scope::plain(SECTION, &names);
    let integer = values::integer;
    let minfds = r.plain(scope, "minfds", integer).unwrap_or(1024);
    let minprocs = r.plain(scope, "minprocs", integer).unwrap_or(200);
    let directory = r.get(scope, "directory", |r, t| r.existing_directory(t));
    r.text(scope, "user");
    let umask = r.plain(scope, "umask", values::octal).unwrap_or(0o22);
    let logfile = r.get(scope, "logfile", |r, t| r.existing_parent(t));
    let maxbytes = r.plain(scope, "logfile_maxbytes", values::byte_size);
    let kept = r.plain(scope, "logfile_backups", integer).unwrap_or(10);
    let loglevel = r.plain(scope, "loglevel", values::level);
    let pidfile = r.get(scope, "pidfile", |r, t| r.existing_parent(t));
    let identifier = r.text(scope, "identifier");
    let nodaemon = r.plain(scope, "nodaemon", values::boolean);
    let silent = r.plain(scope, "silent", values::boolean);
    let childlogdir = child_logs(r, scope, options);
    let nocleanup = r.plain(scope, "nocleanup", values::boolean);
    let strip_ansi = r.plain(scope, "strip_ansi", values::boolean);
    let environment = environment(r, &names);
    let broker_user = r.text(scope, "broker_user");
    let sandbox = r.plain(scope, "sandbox", sandbox).unwrap_or(false);
    let logfile_owner = streams::ownership(r, scope, "logfile");
    let shutdown_timeout = r.plain(scope, "shutdown_timeout", seconds);
    let strict = r.plain(scope, "strict", values::boolean).unwrap_or(false);
    let audit = audit::read(r, scope);
    let tokens_file = r.get(scope, "tokens_file", |r, t| r.named_path(t));
    r.unknown_keys(SECTION);
    let cwd = r.facts.cwd.clone();
    let logfile = options.logfile.clone().or(logfile);
    let logfile = logfile.unwrap_or_else(|| "supervisord.log".to_owned());
    let pidfile = options.pidfile.clone().or(pidfile);
    Daemon {
        minfds: options.minfds.unwrap_or(minfds),
        minprocs: options.minprocs.unwrap_or(minprocs),
        directory: (options.directory.clone().or(directory)).map(|d| path::absolute(&cwd, &d)),
        user: None,
        umask: options.umask.unwrap_or(umask) & 0o777,
        logfile: (logfile != "syslog").then(|| r.normal_path(&logfile)),
        logfile_maxbytes: limit(options.logfile_maxbytes.or(maxbytes).unwrap_or(50 << 20)),
        logfile_backups: backups(options.logfile_backups.unwrap_or(kept)),
        logfile_owner,
        loglevel: options.loglevel.or(loglevel).unwrap_or(Level::Info),
        pidfile: r.normal_path(&pidfile.unwrap_or_else(|| "supervisord.pid".to_owned())),
        identifier: (options.identifier.clone().or(identifier))
            .unwrap_or_else(|| "supervisor".to_owned()),
        nodaemon: options.nodaemon.or(nodaemon).unwrap_or(false),
        silent: options.silent.or(silent).unwrap_or(false),
        childlogdir: path::absolute(&cwd, &childlogdir),
        nocleanup: options.nocleanup.or(nocleanup).unwrap_or(false),
        environment,
        broker_user,
        sandbox_required: sandbox,
        strip_ansi: options.strip_ansi.or(strip_ansi).unwrap_or(false),
        shutdown_timeout,
        strict,
        audit,
        tokens_file,
    }
}

/// Where automatic logs go.
fn child_logs(r: &mut Reading<'_>, scope: Scope<'_>, options: &Options) -> String {
    const KEY: &str = "childlogdir";
    let set = r.get(scope, KEY, |r, t| r.existing_directory(t));
    if let Some(directory) = options.childlogdir.clone().or(set) {
        return directory;
    }
    let directory = temporary_directory(r);
    r.defaulted(SECTION, KEY, &directory);
    directory
}

/// A time to wait, in milliseconds.
fn seconds(text: &str) -> Read<u32> {
    let seconds = values::integer(text)?;
    let milliseconds = u32::try_from(seconds).ok().and_then(|n| n.checked_mul(1_000));
    milliseconds
        .filter(|n| *n > 0)
        .ok_or_else(|| format!("not a valid number of seconds: {} (1 to 4294967)", repr(text)))
}

fn sandbox(text: &str) -> Read<bool> {
    match text {
        "auto" => Ok(false),
        "required" => Ok(true),
        _ => Err("not a valid sandbox value: it is auto or required".to_owned()),
    }
}

/// The reference expands this value twice, the next release once: what fails the one way is tried the other.
fn environment(r: &mut Reading<'_>, names: &Names<'_>) -> environment::Variables {
    const KEY: &str = "environment";
    let Some(raw) = r.raw(SECTION, KEY) else {
        return environment::Variables::new();
    };
    let wide = Names::over(names).text("host_node_name", &r.facts.node);
    let twice = expand(&raw, names, "supervisord.environment", true)
        .and_then(|text| expand(&text, &wide, KEY, true));
    let value = match (twice, expand(&raw, &wide, KEY, true)) {
        (Err(_), Ok(once)) => Ok(once),
        (twice, _) => twice,
    };
    let value = value.and_then(|text| {
        r.trace.value(SECTION, KEY, &text);
        environment::parse(&text)
    });
    r.check(Scope::plain(SECTION, names), KEY, value).unwrap_or_default()
}

/// Where Python would put temporary files, writability aside.
fn temporary_directory(r: &mut Reading<'_>) -> String {
    let mut candidates: Vec<String> = ["TMPDIR", "TEMP", "TMP"]
        .iter()
        .filter_map(|name| r.facts.variable(name))
        .filter(|dir| !dir.is_empty())
        .collect();
    candidates.extend(["/tmp", "/var/tmp", "/usr/tmp"].map(str::to_owned));
    candidates
        .into_iter()
        .find_map(|dir| r.existing_directory(&path::absolute(&r.facts.cwd, &dir)).ok())
        .unwrap_or_else(|| r.facts.cwd.clone())
}

/// The user to become: from the command line, else from the section. As the reference does, last of all.
pub fn user(r: &mut Reading<'_>, options: &Options, names: &Names<'_>) -> Option<Account> {
    let here = r.here.clone();
    let names = Names::over(names).text("here", &here);
    let scope = Scope::plain(SECTION, &names);
    let account = match &options.user {
        Some(user) => match r.user(user) {
            Ok(account) => account,
            Err(text) => {
                r.problems.error(text, vec!["command line: -u".to_owned()]);
                return None;
            }
        },
        None => r.get(scope, "user", |r, t| r.user(t))?,
    };
    let own = r.facts.start.uid;
    let place = match options.user {
        Some(_) => "command line: -u".to_owned(),
        None => r.locate(SECTION, "user"),
    };
    if account.chosen && (own != 0 || account.uid == 0) {
        r.problems.advice(format!(
            "{place}: the group has no effect: the daemon changes it only when it becomes another user"
        ));
    }
    if own != 0 && account.uid != own {
        let details = vec![
            place,
            format!("start it as root, or as {} itself, or leave user= out", account.name),
        ];
        r.problems.error("Can't drop privilege as nonroot user", details);
    }
    Some(account)
}
