//! Every section and key of the configuration: what warnings, suggestions, `--check --show` and the manual go by.

use super::text::near;

/// Sections of one kind.
#[derive(Debug)]
pub struct Section {
    /// Its name; one that ends in a colon is followed by a name of the admin's.
    pub name: &'static str,
    /// Its keys, in parts that several kinds share.
    pub keys: &'static [&'static [Key]],
}

/// One key.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What values it takes.
    pub kind: &'static str,
    /// What counts where it is not set; a dash where it must be set, or where nothing stands for it.
    pub default: &'static str,
    /// Whether the reference has it.
    pub inherited: bool,
}

const fn key(name: &'static str, kind: &'static str, default: &'static str) -> Key {
    Key { name, kind, default, inherited: true }
}

/// A key that the reference does not have.
const fn new(name: &'static str, kind: &'static str, default: &'static str) -> Key {
    Key { name, kind, default, inherited: false }
}

const SUPERVISORD: &[Key] = &[
    key("logfile", "path or syslog", "supervisord.log"),
    key("logfile_maxbytes", "bytes", "50MB"),
    key("logfile_backups", "integer", "10"),
    new("logfile_owner", "user[:group]", "-"),
    new("logfile_mode", "octal", "-"),
    key("loglevel", "level", "info"),
    key("pidfile", "path", "supervisord.pid"),
    key("umask", "octal", "022"),
    key("nodaemon", "boolean", "false"),
    key("silent", "boolean", "false"),
    key("minfds", "integer", "1024"),
    key("minprocs", "integer", "200"),
    key("nocleanup", "boolean", "false"),
    key("childlogdir", "directory", "TMPDIR or /tmp"),
    key("user", "user[:group]", "-"),
    key("directory", "directory", "-"),
    key("strip_ansi", "boolean", "false"),
    key("environment", "KEY=value list", "-"),
    key("identifier", "text", "supervisor"),
    new("shutdown_timeout", "seconds", "-"),
    new("broker_user", "user", "supervisor"),
    new("sandbox", "auto or required", "auto"),
    new("strict", "boolean", "false"),
    new("audit_logfile", "path or none", "audit.log beside logfile"),
    new("audit_logfile_maxbytes", "bytes", "50MB"),
    new("audit_logfile_backups", "integer", "10"),
    new("audit_syslog", "boolean", "false"),
    new("tokens_file", "path", "-"),
];

const CREDENTIALS: &[Key] =
    &[key("username", "text", "-"), key("password", "text, {SHA}hex or hash", "-")];
/// What the pages go by.
const PAGES: &[Key] =
    &[new("legacy_get_actions", "boolean", "false"), new("auth", "password or pam", "password")];
const UNIX: &[Key] =
    &[key("file", "path", "-"), key("chmod", "octal", "0700"), key("chown", "user[:group]", "-")];
const INET: &[Key] = &[
    key("port", "[host:]port", "-"),
    new("allowed_hosts", "list", "-"),
    new("insecure_no_auth", "boolean", "false"),
    new("tls_cert", "path", "-"),
    new("tls_key", "path", "-"),
    new("tls_client_ca", "path", "-"),
    new("tls_client_auth", "required or optional", "required"),
    new("tls_client_crl", "path", "-"),
];
const CTL: &[Key] = &[
    key("serverurl", "URL", "http://localhost:9001"),
    key("username", "text", "-"),
    key("password", "text", "-"),
    key("prompt", "text", "supervisor"),
    key("history_file", "path", "-"),
    new("cacert", "path", "-"),
    new("cert", "path", "-"),
    new("key", "path", "-"),
    new("crl", "path", "-"),
    new("insecure", "boolean", "false"),
];
const INCLUDE: &[Key] = &[key("files", "patterns", "-")];
const GROUP: &[Key] =
    &[key("programs", "list", "-"), key("priority", "integer", "999"), new("labels", "list", "-")];
const USER: &[Key] = &[new("password", "hash, {SHA}hex or text", "-")];
const ROLE: &[Key] = &[
    new("members", "list", "-"),
    new("programs", "list of patterns", "-"),
    new("actions", "list", "-"),
];
const RPC: &[Key] = &[key("supervisor.rpcinterface_factory", "module:name", "-")];
const PLUGIN: &[Key] = &[key("supervisor.ctl_factory", "module:name", "-")];

const PROGRAM: &[Key] = &[
    key("command", "command line", "-"),
    key("process_name", "name", "%(program_name)s"),
    key("numprocs", "integer", "1"),
    key("numprocs_start", "integer", "0"),
    key("autostart", "boolean", "true"),
    key("autorestart", "boolean or unexpected", "unexpected"),
    key("startsecs", "seconds", "1"),
    key("startretries", "integer", "3"),
    key("exitcodes", "list", "0"),
    key("stopsignal", "signal", "TERM"),
    key("stopwaitsecs", "seconds", "10"),
    key("stopasgroup", "boolean", "false"),
    key("killasgroup", "boolean", "as stopasgroup"),
    new("killtree", "boolean", "false"),
    key("user", "user[:group]", "-"),
    new("login_env", "boolean", "false"),
    key("umask", "octal", "-"),
    key("directory", "path", "-"),
    key("environment", "KEY=value list", "-"),
    key("redirect_stderr", "boolean", "false"),
    key("stdout_logfile", "path, AUTO or NONE", "AUTO"),
    key("stdout_logfile_maxbytes", "bytes", "50MB"),
    key("stdout_logfile_backups", "integer", "10"),
    new("stdout_logfile_owner", "user[:group]", "-"),
    new("stdout_logfile_mode", "octal", "-"),
    key("stdout_capture_maxbytes", "bytes", "0"),
    key("stdout_events_enabled", "boolean", "false"),
    key("stdout_syslog", "boolean", "false"),
    key("stderr_logfile", "path, AUTO or NONE", "AUTO"),
    key("stderr_logfile_maxbytes", "bytes", "50MB"),
    key("stderr_logfile_backups", "integer", "10"),
    new("stderr_logfile_owner", "user[:group]", "-"),
    new("stderr_logfile_mode", "octal", "-"),
    key("stderr_capture_maxbytes", "bytes", "0"),
    key("stderr_events_enabled", "boolean", "false"),
    key("stderr_syslog", "boolean", "false"),
    new("syslog_tag", "text", "-"),
    key("serverurl", "URL or AUTO", "AUTO"),
    new("labels", "list", "-"),
    new("token", "role", "-"),
];
const PRIORITY: &[Key] = &[key("priority", "integer", "999")];
/// Listening sockets of programs; in `[fcgi-program:x]` the last three are the reference's own.
const SOCKETS: &[Key] = &[
    new("sockets", "list of URLs", "-"),
    new("socket_owner", "user[:group]", "-"),
    new("socket_mode", "octal", "0700"),
    new("socket_backlog", "integer", "as the system allows"),
];
const FCGI: &[Key] = &[
    key("socket", "URL", "-"),
    key("socket_owner", "user[:group]", "-"),
    key("socket_mode", "octal", "0700"),
    key("socket_backlog", "integer", "as the system allows"),
    new("sockets", "list of URLs", "-"),
];
const LISTENER: &[Key] = &[
    key("events", "list", "-"),
    // Of the pool; its processes have 999.
    key("priority", "integer", "-1"),
    key("buffer_size", "integer", "10"),
    key("result_handler", "module:name", "supervisor.dispatchers:default_handler"),
];

/// All kinds of sections.
pub const SECTIONS: &[Section] = &[
    Section { name: "supervisord", keys: &[SUPERVISORD] },
    Section { name: "unix_http_server", keys: &[UNIX, CREDENTIALS, PAGES] },
    Section { name: "inet_http_server", keys: &[INET, CREDENTIALS, PAGES] },
    Section { name: "supervisorctl", keys: &[CTL] },
    Section { name: "include", keys: &[INCLUDE] },
    Section { name: "program:", keys: &[PROGRAM, PRIORITY, SOCKETS] },
    Section { name: "fcgi-program:", keys: &[FCGI, PROGRAM, PRIORITY] },
    Section { name: "eventlistener:", keys: &[LISTENER, PROGRAM, SOCKETS] },
    Section { name: "group:", keys: &[GROUP] },
    Section { name: "user:", keys: &[USER] },
    Section { name: "role:", keys: &[ROLE] },
    Section { name: "rpcinterface:", keys: &[RPC] },
    Section { name: "ctlplugin:", keys: &[PLUGIN] },
];

impl Section {
    /// All its keys.
    pub fn all(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().flat_map(|part| part.iter())
    }

    fn covers(&self, section: &str) -> bool {
        match self.name {
            // The reference looks at how these begin.
            "unix_http_server" | "inet_http_server" => section.starts_with(self.name),
            name if name.ends_with(':') => section.starts_with(name),
            name => section == name,
        }
    }
}

/// The kind of a section, if it is a known one.
pub fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.covers(name))
}

/// The section that an unknown name is probably a misspelling of.
pub fn near_section(name: &str) -> Option<String> {
    let trimmed = super::text::strip(name);
    let (kind, rest) = match trimmed.split_once(':') {
        Some((kind, rest)) => (super::text::strip(kind).to_lowercase(), Some(rest)),
        None => (trimmed.to_lowercase(), None),
    };
    let known = SECTIONS.iter().map(|section| section.name.trim_end_matches(':'));
    let near = near(&kind, known)?;
    Some(match rest {
        Some(rest) => format!("{near}:{rest}"),
        None if SECTIONS.iter().any(|s| s.name == near) => near.to_owned(),
        None => format!("{near}:NAME"),
    })
}

/// The key that an unknown name is probably a misspelling of.
pub fn near_key(section: &Section, name: &str) -> Option<&'static str> {
    near(name, section.all().map(|key| key.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_stands_twice_in_a_section() {
        for section in SECTIONS {
            let mut names: Vec<&str> = section.all().map(|key| key.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{}", section.name);
        }
    }

    #[test]
    fn sections_are_told_apart() {
        let name = |text| section(text).map(|section| section.name);
        assert_eq!(name("program:a"), Some("program:"));
        assert_eq!(name("inet_http_serverXYZ"), Some("inet_http_server"));
        assert_eq!(name("supervisord:x"), None);
        assert_eq!(name("Program:a"), None);
        assert_eq!(near_section("Program:a").as_deref(), Some("program:a"));
        assert_eq!(near_section(" program:a ").as_deref(), Some("program:a"));
        assert_eq!(near_section("superviserd").as_deref(), Some("supervisord"));
        assert_eq!(near_section("program").as_deref(), Some("program:NAME"));
        assert_eq!(near_section("fcgi_program:x").as_deref(), Some("fcgi-program:x"));
        assert_eq!(near_section("other"), None);
    }
}
