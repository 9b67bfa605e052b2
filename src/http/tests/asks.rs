//! Who asks, and how that is written.

use std::rc::Rc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use policy::access::{Access, Grants, Member, Pattern, Role};

use super::bed::{Bed, Plan, passing};
use crate::config::settings::{Password, Settings, User};

pub(super) const CALL: &str =
    "<methodCall><methodName>supervisor.getVersion</methodName></methodCall>";
/// Of `password`, cheap.
const HASH: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
pub(super) const HTML: &str = "Accept: text/html,application/xhtml+xml;q=0.9\r\n";
pub(super) const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

pub(super) fn alice() -> User {
    User { name: "alice".to_owned(), password: Password::Argon2(HASH.to_owned()) }
}

pub(super) fn bob() -> User {
    User { name: "bob".to_owned(), password: Password::Plain("bobs".to_owned()) }
}

pub(super) fn users() -> Plan {
    Plan { users: vec![alice(), bob()], ..Plan::default() }
}

/// The same without hashes: while one is worked on the clock of the test goes on, for as long as the machine is slow.
pub(super) fn users_in_plain_text() -> Plan {
    let alice = User { password: Password::Plain("password".to_owned()), ..alice() };
    Plan { users: vec![alice, bob()], ..Plan::default() }
}

pub(super) fn role(member: Member, program: &str, grants: &str) -> Role {
    Role {
        name: program.to_owned(),
        place: "conf:1".to_owned(),
        members: vec![member],
        programs: vec![Pattern::Group(program.to_owned())],
        grants: Grants::parse(grants).expect("words"),
    }
}

pub(super) fn user(name: &str) -> Member {
    Member::User(name.to_owned())
}

pub(super) fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair))
}

pub(super) fn call(extra: &str) -> String {
    let length = CALL.len();
    format!(
        "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n{extra}Content-Length: {length}\r\n\r\n{CALL}"
    )
}

pub(super) fn get(path: &str, extra: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n")
}

pub(super) fn post(path: &str, extra: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{FORM}{extra}Content-Length: {length}\r\n\r\n{body}"
    )
}

pub(super) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// One answer over TCP, whatever time it takes.
pub(super) async fn over_tcp(bed: &Bed, request: impl AsRef<[u8]>) -> String {
    let mut client = bed.tcp().await;
    client.send(request).await;
    passing(client.answer()).await
}

/// The status that a log that goes on begins with.
pub(super) async fn log_status(bed: &Bed, request: &str) -> u16 {
    let mut client = bed.tcp().await;
    status(&passing(client.ask_first(request)).await)
}

pub(super) fn reread(bed: &Bed, change: impl FnOnce(&mut Settings)) {
    let mut settings = (**bed.site.settings.borrow()).clone();
    change(&mut settings);
    *bed.site.access.borrow_mut() = Rc::new(Access::new(settings.access.clone()));
    *bed.site.settings.borrow_mut() = Rc::new(settings);
}
