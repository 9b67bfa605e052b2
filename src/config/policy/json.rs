//! The report for programs.

use policy::access::{Action, Grants};

use super::super::json::Json;
use super::report::{Account, Grantee, Listener, Own, Program, Report, Role, Tokens};

/// All of it. Keys and words are kept from version to version; more may be added.
pub fn write(report: &Report) -> String {
    let weak = report.weak.iter().map(|weak| {
        let mut all = vec![
            ("kind", Json::text(weak.kind.word())),
            ("about", Json::text(&*weak.about)),
            ("text", Json::text(&*weak.text)),
        ];
        all.extend(weak.place.as_ref().map(|place| ("place", Json::text(&**place))));
        Json::object(all)
    });
    let users = report.users.iter().map(|user| {
        Json::object([
            ("name", Json::text(&*user.name)),
            ("password", Json::text(user.password)),
            ("roles", texts(&user.roles)),
            ("place", Json::text(&*user.place)),
        ])
    });
    let mut all = vec![
        ("config", Json::text(&*report.config)),
        ("weak_points", Json::list(weak)),
        ("not_seen", texts(&report.unseen)),
        ("own_processes", Json::list(report.own.iter().map(own))),
        ("programs", Json::list(report.programs.iter().map(program))),
        ("listeners", Json::list(report.listeners.iter().map(listener))),
        ("not_opened", texts(&report.closed)),
        ("users", Json::list(users)),
        ("tokens", Json::list(report.tokens.iter().map(tokens))),
        ("roles", Json::list(report.roles.iter().map(role))),
        ("access", Json::list(report.access.iter().map(|one| grantee(report, one)))),
        ("access_cut", Json::Bool(report.cut)),
        ("sandbox", sandbox(report)),
    ];
    all.extend(report.audit.as_ref().map(|path| ("audit_logfile", Json::text(&**path))));
    format!("{}\n", Json::object(all))
}

fn texts(all: &[impl AsRef<str>]) -> Json {
    Json::list(all.iter().map(|text| Json::text(text.as_ref())))
}

fn account(account: &Account) -> Json {
    let mut all = vec![("uid", Json::Int(i64::from(account.uid)))];
    all.extend(account.name.as_ref().map(|name| ("name", Json::text(&**name))));
    Json::object(all)
}

fn own(own: &Own) -> Json {
    let mut all = vec![("name", Json::text(own.name))];
    all.extend(own.user.as_ref().map(|user| ("user", account(user))));
    all.extend([
        ("purpose", Json::text(own.purpose)),
        ("why", Json::text(&*own.why)),
        ("layers", texts(&own.layers)),
    ]);
    Json::object(all)
}

fn program(program: &Program) -> Json {
    Json::object([
        ("group", Json::text(&*program.group)),
        ("name", Json::text(&*program.name)),
        ("user", account(&program.user)),
        ("groups", Json::list(program.groups.iter().map(|gid| Json::Int(i64::from(*gid))))),
        ("why", Json::text(&*program.why)),
        ("place", Json::text(&*program.place)),
        ("capabilities", Json::text(program.capabilities())),
        ("sockets", texts(&program.sockets)),
        ("labels", texts(&program.labels)),
    ])
}

fn listener(server: &Listener) -> Json {
    let mut all = vec![
        ("section", Json::text(&*server.section)),
        ("place", Json::text(&*server.place)),
        ("address", Json::text(&*server.address)),
    ];
    all.extend(server.guard.as_ref().map(|guard| ("socket", Json::text(&**guard))));
    all.extend([
        ("authentication", texts(&server.asks)),
        ("from_other_machines", Json::Bool(server.beyond)),
        ("encrypted", Json::Bool(server.tls.is_some())),
    ]);
    all.extend(server.tls.map(|asked| ("client_certificates", Json::text(asked.word()))));
    Json::object(all)
}

fn tokens(tokens: &Tokens) -> Json {
    Json::object([
        ("role", Json::text(&*tokens.role)),
        ("role_exists", Json::Bool(tokens.there)),
        ("count", Json::Int(i64::try_from(tokens.names.len()).unwrap_or(i64::MAX))),
        ("names", texts(&tokens.names)),
    ])
}

fn role(role: &Role) -> Json {
    Json::object([
        ("name", Json::text(&*role.name)),
        ("place", Json::text(&*role.place)),
        ("members", texts(&role.members)),
        ("programs", texts(&role.programs)),
        ("actions", actions(role.grants)),
    ])
}

/// The words one by one; signals that are granted singly as `signal(HUP)`.
fn actions(grants: Grants) -> Json {
    let every = (1..=64).all(|signo| grants.has(Action::Signal(signo)));
    let plain = Action::ALL.into_iter().filter(|action| match action {
        Action::Signal(_) => every,
        action => grants.has(*action),
    });
    let single = (1..=64).map(Action::Signal).filter(|action| !every && grants.has(*action));
    Json::list(plain.chain(single).map(|action| Json::text(action.to_string())))
}

fn grantee(report: &Report, one: &Grantee) -> Json {
    let programs = one.programs.iter().filter_map(|(number, grants)| {
        let program = report.programs.get(*number)?;
        Some(Json::object([
            ("group", Json::text(&*program.group)),
            ("name", Json::text(&*program.name)),
            ("actions", actions(*grants)),
        ]))
    });
    let mut all = vec![("who", Json::text(&*one.who))];
    all.extend(one.name.as_ref().map(|name| ("name", Json::text(&**name))));
    all.extend([
        ("roles", texts(&one.roles)),
        ("daemon", actions(one.daemon)),
        ("programs", Json::list(programs)),
    ]);
    Json::object(all)
}

fn sandbox(report: &Report) -> Json {
    let sandbox = &report.sandbox;
    let mut all = vec![
        ("required", Json::Bool(sandbox.required)),
        ("users_apart", Json::Bool(sandbox.boundary)),
        ("layers", texts(&sandbox.layers)),
        ("missing", texts(&sandbox.missing)),
    ];
    all.extend(sandbox.cgroup.as_ref().map(|dir| ("cgroup", Json::text(&**dir))));
    Json::object(all)
}
