//! The manual (docs/config.md) against the table of keys.

use super::*;
use crate::config::keys::{self, Key};

const MANUAL: &str = include_str!("../../docs/config.md");

/// A row of the manual.
#[derive(Debug)]
struct Row {
    key: &'static str,
    kind: &'static str,
    default: &'static str,
    since: &'static str,
    example: &'static str,
    meaning: &'static str,
}

/// The rows by section, as headings name them.
fn manual() -> Vec<(&'static str, Vec<Row>)> {
    let mut sections: Vec<(&str, Vec<Row>)> = Vec::new();
    for line in MANUAL.lines() {
        if let Some(heading) = line.strip_prefix("### [") {
            sections.push((heading.trim_end_matches(']'), Vec::new()));
        }
        let Some((_, rows)) = sections.last_mut() else { continue };
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells.as_slice() {
            ["", "key", "type", ..] | ["", "---", ..] => {}
            ["", key, kind, default, since, example, meaning, ""] => rows.push(Row {
                key,
                kind,
                default: default.trim_matches('`'),
                since,
                example: example.trim_matches('`'),
                meaning,
            }),
            _ => assert!(!line.starts_with('|'), "{line}"),
        }
    }
    sections
}

fn is_in(section: &str, key: &Key) -> bool {
    keys::section(section).unwrap().all().any(|other| other == key)
}

#[test]
fn the_manual_has_every_key_as_the_code_has_it() {
    let manual = manual();
    let headings: Vec<&str> = manual.iter().map(|(name, _)| name.trim_end_matches('x')).collect();
    let known: Vec<&str> = keys::SECTIONS.iter().map(|section| section.name).collect();
    assert_eq!(headings, known);
    for (name, rows) in &manual {
        let section = keys::section(name).unwrap();
        // These refer to the keys of programs.
        let refers = ["fcgi-program:x", "eventlistener:x"].contains(name);
        let expected: Vec<_> = (section.all())
            .filter(|key| !(refers && is_in("program:x", key)))
            .map(|k| (k.name, k.kind, k.default, if k.inherited { "Supervisor" } else { "1.0" }))
            .collect();
        let found: Vec<_> = rows.iter().map(|r| (r.key, r.kind, r.default, r.since)).collect();
        assert_eq!(found, expected, "[{name}]");
        assert!(rows.iter().all(|row| row.meaning.ends_with('.') && row.meaning.len() > 10));
    }
}

const TLS: &str = "tls_cert=/etc/supervisor/server.pem\ntls_key=/etc/supervisor/server.key\n";
const TLS_CLIENTS: &str = "tls_cert=/etc/supervisor/server.pem\ntls_key=/etc/supervisor/server.key\n\
                           tls_client_ca=/etc/supervisor/clients.pem\n";

/// The least configuration with that section in it.
fn around(section: &str, row: &Row) -> String {
    let (key, set) = (row.key, format!("{} = {}\n", row.key, row.example));
    let unless =
        |name: &str, line: &str| if key == name { String::new() } else { format!("{line}\n") };
    let more = match section {
        "unix_http_server" => unless("file", "file=/s"),
        "inet_http_server" => unless("port", "port=127.0.0.1:1"),
        "program:x" | "fcgi-program:x" | "eventlistener:x" => unless("command", "command=c"),
        "rpcinterface:x" => String::new(),
        "group:x" => unless("programs", "programs="),
        "role:x" => {
            unless("members", "members=anonymous")
                + &unless("programs", "programs=*")
                + &unless("actions", "actions=view")
        }
        _ => String::new(),
    };
    let other = match key {
        "username" if section != "supervisorctl" => "password=p\n",
        "password" if section.ends_with("_http_server") => "username=u\n",
        "tls_cert" => "tls_key=/etc/supervisor/server.key\n",
        "tls_key" => "tls_cert=/etc/supervisor/server.pem\n",
        "tls_client_ca" => TLS,
        "tls_client_auth" | "tls_client_crl" => TLS_CLIENTS,
        "auth" if section == "inet_http_server" => TLS,
        "socket_mode" | "socket_owner" if section == "program:x" => "sockets=unix:///s\n",
        _ => "",
    };
    let socket = if section == "fcgi-program:x" {
        unless("socket", "socket=unix:///f")
    } else {
        String::new()
    };
    let events =
        if section == "eventlistener:x" { unless("events", "events=TICK") } else { String::new() };
    let base = if key == "user" || section != "supervisord" { "" } else { "user=root\n" };
    let users = "[user:ann]\npassword=$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                 9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ\n";
    let users = match (section, key) {
        ("role:x", _) => users,
        (_, "token") => "[role:listener]\nmembers=unix:root\nprograms=*\nactions=view\n",
        _ => "",
    };
    let head = if section == "supervisord" { "" } else { "[supervisord]\nuser=root\n" };
    format!(
        "{head}[{section}]\n{base}{more}{other}{socket}{events}{set}{users}[program:web]\ncommand=w\n\
         [program:worker]\ncommand=w\nlabels=frontend\n"
    )
}

/// Owners in examples are users that every system has; here they are others.
fn local(config: &str) -> String {
    config
        .replace("nobody", "alice")
        .replace("root:adm", "root:staff")
        .replace("= supervisor\n", "= bob\n")
}

#[test]
fn every_example_of_the_manual_is_accepted() {
    let pki = super::tls::Pki::new();
    for (section, rows) in manual() {
        for row in rows {
            let config = local(&around(section, &row));
            let mut run = run(&config)
                .file("/etc/conf.d/a.conf", "[program:i]\ncommand=i\n")
                .file("/etc/supervisor/server.pem", &pki.server.pem)
                .file("/etc/supervisor/server.key", &pki.server.key)
                .file("/etc/supervisor/clients.pem", &pki.clients.pem)
                .file("/etc/supervisor/revoked.pem", &pki.revoked);
            let settings = match run.outcome() {
                Outcome::Accept(result) => result.1,
                other => panic!("{config}\n{other:?}"),
            };
            let warnings = notes(&settings, Level::Warn);
            assert_eq!(warnings.is_empty(), section != "ctlplugin:x", "{config}\n{warnings:?}");
        }
    }
}
