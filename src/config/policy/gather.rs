//! From what was read to the report, but for the weak points.

use policy::access::{Access, Principal, Proof, Who as Somebody};
use privsep::table::{Socket, endpoint};

use super::super::host::Who;
use super::super::reading::Reading;
use super::super::settings::Password;
use super::super::text::from_bytes;
use super::report::{Account, Login, Own, Program, Report, Role, Sandbox, Tokens};
use super::{Subject, access, clean, listeners};

/// What holds the reader, and every process that talks to others.
const LAYERS: [&str; 5] =
    ["no_new_privs", "non-dumpable", "no capabilities", "Landlock", "seccomp"];

/// Those of them that hold what asks PAM.
const LAYERS_OF_HELPER: [&str; 2] = ["no_new_privs", "non-dumpable"];

/// What the spawner keeps where it is root.
const KEPT: [&str; 9] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_RESOURCE",
];

/// The report without weak points.
pub fn report(r: &mut Reading<'_>, s: &Subject<'_>) -> Report {
    let programs = programs(r, s);
    let (access, cut) = access::grantees(r, s);
    Report {
        config: clean(&r.config),
        weak: Vec::new(),
        own: own(r, s),
        programs,
        listeners: listeners::all(r, s),
        closed: listeners::closed(r),
        users: users(r, s),
        tokens: tokens(s),
        roles: roles(s),
        access,
        cut,
        sandbox: sandbox(r, s),
        audit: s.settings.audit.as_ref().map(|audit| audit.path.clone()),
        unseen: Vec::new(),
    }
}

/// Where a key stands, or its section.
pub fn place(r: &Reading<'_>, section: &str, key: &str) -> String {
    let key = r.doc.get(section, key).map(|value| value.place);
    let place = key.or_else(|| r.doc.section(section).map(|section| section.place));
    clean(&place.map_or_else(|| r.config.clone(), |place| r.place(place)))
}

/// Who a user id is.
pub fn account(r: &mut Reading<'_>, uid: u32) -> Account {
    let name = r.host.account(&Who::Id(uid)).map(|account| clean(&account.name));
    Account { uid, name }
}

fn own(r: &mut Reading<'_>, s: &Subject<'_>) -> Vec<Own> {
    let root = s.own == 0;
    let why = match (root, &s.model.daemon.user) {
        (true, _) => "only root can become each program's user".to_owned(),
        (false, Some(_)) => "user= of [supervisord]".to_owned(),
        (false, None) => "it is started by that user".to_owned(),
    };
    let layers: Vec<String> = layers(r).into_iter().map(str::to_owned).collect();
    let broker = s.table.broker.as_ref().map_or(s.own, |broker| broker.uid);
    let apart = |root: bool| match root {
        true => "a user of its own, that nothing else runs as".to_owned(),
        false => "without root there is one user for all".to_owned(),
    };
    let spawner = match root {
        true => vec![format!("no capabilities but {}", KEPT.join(", "))],
        false => vec!["the rights of that user, and no more".to_owned()],
    };
    let mut all = vec![
        Own {
            name: "supervisord",
            user: Some(account(r, s.own)),
            purpose: "starts, signals and reaps programs, opens logs, binds sockets; parses no text",
            why,
            layers: spawner,
        },
        Own {
            name: "supervisor-broker",
            user: Some(account(r, broker)),
            purpose: "talks to clients and decides",
            why: apart(s.table.broker.is_some()),
            layers: layers.clone(),
        },
        Own {
            name: "supervisor-reader",
            user: (!root).then(|| account(r, s.own)),
            purpose: "reads the configuration, and is gone",
            why: apart(root),
            layers: layers.clone(),
        },
    ];
    if s.settings.servers.iter().any(|server| server.pam) {
        all.push(helper(r, s));
    }
    if let Some(audit) = &s.table.audit {
        let uid = audit.identity.as_ref().map_or(s.own, |identity| identity.uid);
        all.push(Own {
            name: "supervisor-audit",
            user: Some(account(r, uid)),
            purpose: "writes the audit log",
            why: apart(audit.identity.is_some()),
            layers,
        });
    }
    all
}

/// What asks PAM.
fn helper(r: &mut Reading<'_>, s: &Subject<'_>) -> Own {
    let why = match s.own {
        0 => "auth=pam: PAM reads what only root may, such as /etc/shadow",
        _ => "auth=pam: without root PAM tells of the daemon's own user at most",
    };
    let mut layers = layers(r);
    layers.retain(|layer| LAYERS_OF_HELPER.contains(layer));
    let layers = layers.into_iter().map(str::to_owned);
    let more = ["no capabilities but those that PAM needs", "ends after one attempt"];
    Own {
        name: "supervisor-pam",
        user: Some(account(r, s.own)),
        purpose: "asks PAM about one name and password, and is gone",
        why: why.to_owned(),
        layers: layers.chain(more.map(str::to_owned)).collect(),
    }
}

fn layers(r: &Reading<'_>) -> Vec<&'static str> {
    LAYERS.into_iter().filter(|layer| !r.facts.missing.contains(layer)).collect()
}

fn programs(r: &mut Reading<'_>, s: &Subject<'_>) -> Vec<Program> {
    let mut all = Vec::new();
    for (group, told) in s.model.groups.iter().zip(&s.settings.groups) {
        for (process, slot) in group.processes.iter().zip(&told.slots) {
            let (Some(process_told), Some(entry)) =
                (s.settings.process(*slot), s.table.entry(*slot))
            else {
                continue;
            };
            let uid = entry.identity.as_ref().map_or(s.own, |identity| identity.uid);
            let why = match (&process.program.user, s.own) {
                (Some(_), _) => {
                    "user=".to_owned() + &r.raw(&process.section, "user").unwrap_or_default()
                }
                (None, 0) => "no user=, and the daemon runs as root".to_owned(),
                (None, _) => "the daemon's user".to_owned(),
            };
            let sockets = entry.stdin.iter().chain(&entry.listen);
            let sockets = sockets.filter_map(|number| s.table.socket(*number));
            let identity = entry.identity.iter();
            all.push(Program {
                group: told.name.clone(),
                name: process_told.name.clone(),
                user: account(r, uid),
                groups: identity
                    .flat_map(|i| [i.gid].into_iter().chain(i.groups.clone()))
                    .collect(),
                why: clean(&why),
                place: place(r, &process.section, "user"),
                sockets: sockets.map(|shared| address(&shared.socket)).collect(),
                labels: process_told.labels.clone(),
            });
        }
    }
    for program in &mut all {
        let mut seen = Vec::new();
        program.groups.retain(|gid| {
            !seen.contains(gid) && {
                seen.push(*gid);
                true
            }
        });
    }
    all
}

/// `unix:///PATH`, `tcp://HOST:PORT`.
pub fn address(socket: &Socket) -> String {
    match socket {
        Socket::Unix { path, .. } => format!("unix://{}", clean(&from_bytes(path))),
        Socket::Tcp { address, port } => format!("tcp://{}", endpoint(*address, *port)),
    }
}

/// How a password is kept.
pub fn kept(password: &Password) -> &'static str {
    match password {
        Password::Plain(_) => "plain text",
        Password::Sha1(_) => "SHA-1 without salt",
        Password::Argon2(_) => "argon2id",
    }
}

fn users(r: &Reading<'_>, s: &Subject<'_>) -> Vec<Login> {
    let sections = s.model.users.iter();
    let sections = sections.map(|user| (&user.name, &user.password, &user.section));
    let servers = s.model.servers.iter();
    let servers = servers.filter_map(|server| {
        server.credentials.as_ref().map(|(name, password)| (name, password, &server.section))
    });
    let access = Access::new(s.settings.access.clone());
    let login = |(name, password, section): (&String, &Password, &String)| {
        let who = Principal::new(Somebody::User(clean(name).into()), Proof::Password);
        Login {
            name: clean(name),
            password: kept(password),
            roles: access.roles_of(&who).iter().map(|role| role.name.clone()).collect(),
            place: place(r, section, "password"),
        }
    };
    sections.chain(servers).map(login).collect()
}

/// By role, in the order in which they are first named.
fn tokens(s: &Subject<'_>) -> Vec<Tokens> {
    let mut all: Vec<Tokens> = Vec::new();
    for token in &s.settings.tokens {
        let (role, name) = (clean(&token.role), clean(&token.name));
        match all.iter_mut().find(|of| of.role == role) {
            Some(of) => of.names.push(name),
            None => {
                let there = s.settings.access.roles.iter().any(|known| known.name == token.role);
                all.push(Tokens { role, there, names: vec![name] });
            }
        }
    }
    all
}

fn roles(s: &Subject<'_>) -> Vec<Role> {
    let role = |role: &policy::access::Role| Role {
        name: role.name.clone(),
        place: clean(&role.place),
        members: role.members.iter().map(ToString::to_string).collect(),
        programs: role.programs.iter().map(ToString::to_string).collect(),
        grants: role.grants,
    };
    s.settings.access.roles.iter().map(role).collect()
}

fn sandbox(r: &Reading<'_>, s: &Subject<'_>) -> Sandbox {
    Sandbox {
        required: s.settings.sandbox_required,
        boundary: s.settings.boundary,
        layers: layers(r),
        missing: r.facts.missing.clone(),
        cgroup: s.table.cgroup.as_ref().map(|dir| clean(&from_bytes(dir))),
    }
}

#[test]
fn the_spawner_keeps_what_is_said() {
    let source = include_str!("../../../privsep/root/begin.rs");
    let (_, list) = source.split_once("const KEPT: ").unwrap();
    let (list, _) = list.split_once("];\n").unwrap();
    let kept: Vec<&str> = list.split("Capability::CAP_").skip(1).collect();
    let kept: Vec<&str> = kept.iter().map(|text| text.split(',').next().unwrap()).collect();
    assert_eq!(kept, KEPT);
}
