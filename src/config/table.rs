//! The model to launch table and settings.

use std::collections::BTreeMap;

use policy::access::{Role, Rules};
use privsep::frame::Wire;
use privsep::table::{self, Socket, Sweep, Table};

use super::audit;
use super::entries::Entries;
use super::facts::Facts;
use super::host;
use super::identity;
use super::limits;
use super::merge;
use super::model::{Address, Daemon, Group, Server, User};
use super::password;
use super::path::absolute;
use super::reading::Reading;
use super::servers;
use super::settings::{self, ActivityLog, Level, Settings};
use super::text::{bytes, shown};
use super::tokens::Mint;

/// Everything that was read.
pub struct Model {
    /// `[supervisord]`
    pub daemon: Daemon,
    /// Groups in starting order.
    pub groups: Vec<Group>,
    /// Servers that are to be opened.
    pub servers: Vec<Server>,
    /// Who logs in.
    pub users: Vec<User>,
    /// Who may do what.
    pub roles: Vec<Role>,
    /// What the tokens file lists.
    pub tokens: Vec<settings::Token>,
}

/// Builds both; `infos` are the INFO lines so far. Errors end up in the reading.
pub fn build(r: &mut Reading<'_>, model: &Model, infos: Vec<String>) -> (Table, Settings) {
    let daemon = &model.daemon;
    let current = r.facts.current.as_ref();
    // A daemon that runs stays who it is.
    let becomes = match current {
        Some(current) => current.user.as_ref().map(|user| user.uid),
        None => daemon.user.as_ref().map(|user| user.uid),
    };
    let own = becomes.unwrap_or(r.facts.start.uid);
    let mut table = frame(r.facts, daemon);
    let mut settings = settings(r.facts, daemon);
    table.sockets = model.servers.iter().map(socket).collect();
    table.tls = tls(&model.servers);
    table.pam = model.servers.iter().any(|server| server.pam);
    settings.servers = listed(&model.servers);
    let user =
        |u: &User| settings::User { name: u.name.clone(), password: password::kept(&u.password) };
    settings.users = model.users.iter().map(user).collect();
    settings.access = Rules { roles: model.roles.clone(), owner: own };
    let url = match current {
        Some(current) => servers::url_in_force(&model.servers, &table.sockets, current),
        None => servers::url(&model.servers),
    };
    let mint = Mint::new(&model.tokens);
    programs(r, model, Entries::new(r.facts, daemon, own, url, mint), &mut table, &mut settings);
    settings.audit = audit::log(r, daemon, tells_apart(model, &settings));
    audit::alone(r, settings.audit.as_ref(), &table);
    table.audit = settings.audit.as_ref().map(audit::entry);
    let raised = limits::apply(r, daemon, own, &mut table);
    let changed = match current {
        None => {
            identity::broker(r, daemon, own, &mut table);
            identity::writer(r, own, &mut table);
            settings.notes = notes(r, daemon, infos, raised);
            Vec::new()
        }
        Some(current) => {
            identity::keep(r, daemon, current, &table);
            let fresh = settings.audit.as_ref().map(|audit| audit.path.clone());
            let changed = merge::merge(current, &mut table, &mut settings);
            let audit = settings.audit.as_ref().filter(|audit| Some(&audit.path) != fresh.as_ref());
            audit::still_alone(r, audit, &table);
            changed
        }
    };
    settings.boundary = table.broker.is_some();
    if current.is_some() {
        settings.notes = later_notes(r, changed);
    }
    check(r, own, &table);
    (table, settings)
}

/// Whether there is anything by which somebody can be told from anybody.
fn tells_apart(model: &Model, settings: &Settings) -> bool {
    let clients = |server: &Server| server.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    let tokens = !settings.tokens.is_empty() || model.daemon.tokens_file.is_some();
    let known = !model.users.is_empty() || !model.roles.is_empty() || tokens;
    known || model.servers.iter().any(|server| server.pam || clients(server))
}

/// Gives every process its slot, and what it needs its numbers.
fn programs(
    r: &mut Reading<'_>,
    model: &Model,
    mut all: Entries,
    table: &mut Table,
    settings: &mut Settings,
) {
    settings.activity.log = Some(all.logs.activity(&model.daemon));
    table.activity_log = true;
    for group in &model.groups {
        let slots = group.processes.iter().map(|p| all.add(r, &model.daemon, group, p)).collect();
        settings.groups.push(settings::Group {
            name: shown(&group.name),
            priority: group.priority,
            of: group.of.clone(),
            slots,
        });
    }
    table.entries = all.entries;
    table.logs = all.logs.sinks;
    table.shared = all.sockets.list;
    settings.tokens = [model.tokens.clone(), all.mint.made].concat();
    settings.processes = all.processes;
    settings.logs = all.logs.shown;
}

/// The table but for what has numbers.
fn frame(facts: &Facts, daemon: &Daemon) -> Table {
    let start = &facts.start;
    let become_user = daemon.user.as_ref().filter(|user| start.uid == 0 && user.uid != 0);
    let swept = !daemon.nocleanup && !daemon.identifier.contains('/');
    Table {
        daemon: !daemon.nodaemon,
        stdout: daemon.nodaemon && !daemon.silent,
        umask: daemon.umask,
        directory: daemon.directory.as_ref().filter(|_| !daemon.nodaemon).map(|d| bytes(d)),
        user: become_user.map(identity::of),
        sandbox_required: daemon.sandbox_required,
        pidfile: Some(bytes(&daemon.pidfile)),
        cgroup: facts.cgroup.clone(),
        env: start.env.iter().filter(|word| word.contains(&b'=')).cloned().collect(),
        shutdown: daemon.shutdown_timeout,
        sweep: swept.then(|| Sweep {
            directory: bytes(&absolute(&facts.cwd, &daemon.childlogdir)),
            infix: bytes(&format!("---{}-", daemon.identifier)),
        }),
        ..Table::default()
    }
}

fn settings(facts: &Facts, daemon: &Daemon) -> Settings {
    Settings {
        identifier: shown(&daemon.identifier),
        activity: ActivityLog {
            log: None,
            level: daemon.loglevel,
            stdout: daemon.nodaemon && !daemon.silent,
        },
        notes: Vec::new(),
        zone: facts.zone.clone(),
        daemon: !daemon.nodaemon,
        sandbox_required: daemon.sandbox_required,
        boundary: false,
        strip_ansi: daemon.strip_ansi,
        shutdown_timeout: daemon.shutdown_timeout,
        servers: Vec::new(),
        users: Vec::new(),
        tokens: Vec::new(),
        access: Rules::default(),
        audit: None,
        logs: BTreeMap::new(),
        groups: Vec::new(),
        processes: BTreeMap::new(),
    }
}

/// Where a server listens, as the spawner is told.
pub fn socket(server: &Server) -> Socket {
    match &server.address {
        Address::Unix { path, mode, uid, gid } => {
            Socket::Unix { path: bytes(path), mode: *mode, uid: *uid, gid: *gid }
        }
        Address::Inet { address, port, .. } => {
            Socket::Tcp { address: host::bits(*address), port: *port }
        }
    }
}

/// The places of those that speak TLS.
fn tls(servers: &[Server]) -> Vec<u32> {
    (0..).zip(servers).filter(|(_, server)| server.tls.is_some()).map(|(n, _)| n).collect()
}

fn listed(servers: &[Server]) -> Vec<settings::Server> {
    let each = |(socket, server): (u32, &Server)| settings::Server {
        section: server.section.clone(),
        socket,
        credentials: server.credentials.as_ref().map(|(name, p)| (name.clone(), password::kept(p))),
        hosts: server.hosts.clone(),
        legacy_get_actions: server.legacy_get_actions,
        guarded: server.guarded,
        pam: server.pam,
        tls: server.tls.clone(),
    };
    (0..).zip(servers).map(each).collect()
}

/// The lines for the activity log, in the reference's order.
fn notes(
    r: &Reading<'_>,
    daemon: &Daemon,
    infos: Vec<String>,
    raised: Vec<String>,
) -> Vec<(Level, String)> {
    let mut notes = Vec::new();
    if daemon.user.is_none() && r.facts.start.uid == 0 {
        notes.push((
            Level::Critical,
            "Supervisor is running as root.  Privileges were not dropped because no user is specified in the config \
             file.  If you intend to run as root, you can set user=root in the config file to avoid this message."
                .to_owned(),
        ));
    }
    notes.extend(warnings(r));
    let user = daemon.user.iter().map(|user| format!("Set uid to user {} succeeded", user.uid));
    let infos = infos.into_iter().chain(user).chain(raised);
    notes.extend(infos.map(|i| (Level::Info, shown(&i))));
    notes
}

/// The lines of a later reading: nothing that only a start does.
fn later_notes(r: &Reading<'_>, changed: Vec<String>) -> Vec<(Level, String)> {
    let changed = changed.into_iter().map(|line| (Level::Warn, shown(&line)));
    warnings(r).chain(changed).collect()
}

fn warnings(r: &Reading<'_>) -> impl Iterator<Item = (Level, String)> {
    r.problems.remarks().map(|(level, text)| (level, shown(text)))
}

/// What the spawner would refuse is said here, where it can be said well.
fn check(r: &mut Reading<'_>, own: u32, table: &Table) {
    if !r.problems.errors.is_empty() {
        return;
    }
    let slots = table.entries.len();
    if slots > table::MAX_SLOTS {
        let most = table::MAX_SLOTS;
        let text = format!("{slots} processes are more than the limit of {most}");
        r.problems.error(text, vec![]);
        return;
    }
    let encoded = table.encode();
    let refused = if encoded.len() > table::MAX {
        Some(format!("it has {} bytes, the limit is {}", encoded.len(), table::MAX))
    } else {
        let decoded = Table::read(&encoded).and_then(|t| t.permit(own));
        decoded.err().map(|e| e.to_string())
    };
    if let Some(why) = refused {
        let text = format!("the configuration makes no valid launch table: {why}");
        r.problems.error(text, vec![]);
    }
}
