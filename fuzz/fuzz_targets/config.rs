//! The configuration, as an admin or anyone with an included file may write it: whatever is accepted is a sound table
//! and sound settings, and stays what it is at a later reading.
//!
//! An input is up to three files with NUL bytes between them: the main file, what it includes, the main file later.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use privsep::files::Answer;
use privsep::frame::Wire;
use privsep::start::Start;
use privsep::table::Table;
use supervisor::config::facts::Facts;
use supervisor::config::files::{Denied, Files, Listing, Named};
use supervisor::config::host::{Account, Host, Kind, Look, Who};
use supervisor::config::read::{Outcome, read};
use supervisor::config::settings::{Complaints, Settings, Zone};

struct Given<'f> {
    main: &'f [u8],
    included: &'f [u8],
}

impl Files for Given<'_> {
    fn main(&mut self, _: &str) -> Result<Vec<u8>, Denied> {
        Ok(self.main.to_vec())
    }
    fn directory(&mut self, _: &str) -> Result<(u16, Listing), Denied> {
        Ok((0, vec![("a.conf".to_owned(), false), ("d".to_owned(), true)]))
    }
    fn file(&mut self, _: u16, name: &str) -> Result<Vec<u8>, Denied> {
        match name {
            "a.conf" => Ok(self.included.to_vec()),
            _ => Err(Denied::Answer(Answer::Kind)),
        }
    }
    /// What was included may stand for a certificate, a key, tokens.
    fn named(&mut self, path: &str) -> Result<Named, Denied> {
        match path.len() {
            0..3 => Ok(Named { bytes: self.included.to_vec(), uid: 0, gid: 0, mode: 0o100_600 }),
            3..5 => Err(Denied::Answer(Answer::Errno(2))),
            _ => Ok(Named { bytes: self.main.to_vec(), uid: 0, gid: 0, mode: 0o100_644 }),
        }
    }
}

struct Machine;

impl Host for Machine {
    fn account(&mut self, who: &Who) -> Option<Account> {
        let (name, uid) = match who {
            Who::Name(name) if name == "root" => ("root", 0),
            Who::Name(name) if name == "a" => ("a", 1000),
            Who::Id(0) => ("root", 0),
            Who::Id(1000) => ("a", 1000),
            _ => return None,
        };
        Some(Account {
            name: name.to_owned(),
            uid,
            gid: uid,
            groups: vec![uid],
            home: "/".to_owned(),
            shell: String::new(),
            chosen: false,
        })
    }
    fn group(&mut self, who: &Who) -> Option<u32> {
        (*who == Who::Id(5)).then_some(5)
    }
    fn address(&mut self, name: &str) -> Result<IpAddr, i32> {
        match name.len() {
            0..3 => Ok([127, 0, 0, 1].into()),
            3..5 => Ok([0, 0, 0, 0, 0, 0, 0, 1].into()),
            _ => Err(-2),
        }
    }
    fn aliases(&mut self, name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }
    fn kind(&mut self, path: &str) -> Kind {
        if path.len() < 6 { Kind::Directory } else { Kind::Missing }
    }
    fn look(&mut self, path: &str, _: &[u32], _: &[u32]) -> Look {
        Look { hidden: path.len() < 6, ..Look::default() }
    }
}

fn facts(current: Option<Table>) -> Facts {
    let start = Start {
        spare: 0x3fff,
        nofile: (1024, 4096),
        nproc: (u64::MAX, u64::MAX),
        again: current.is_some(),
        args: [&b"supervisord"[..], b"-c", b"/s.conf"].map(<[u8]>::to_vec).to_vec(),
        env: vec![b"HOME=/".to_vec(), b"A=\xff".to_vec()],
        ..Start::default()
    };
    let (cwd, node) = ("/".to_owned(), "node".to_owned());
    let missing = Vec::new();
    let (cgroup, zone, descriptors) = (None, Zone::Utc, Some(4096));
    Facts { start, cwd, node, cgroup, zone, descriptors, missing, current }
}

/// What a reading gives, if it is accepted.
fn reading(main: &[u8], included: &[u8], current: Option<&Table>) -> Option<Table> {
    let facts = facts(current.cloned());
    match read(&facts, &mut Given { main, included }, &mut Machine) {
        Outcome::Accept(result) => {
            let (table, settings) = *result;
            assert_eq!(Table::read(&table.encode()).as_ref(), Ok(&table));
            table.permit(0).expect("identities");
            let bytes = settings.encode().expect("settings");
            assert_eq!(Settings::decode(&bytes), Some(settings));
            Some(table)
        }
        Outcome::Complain(complaints) => {
            assert!(current.is_some());
            let bytes = complaints.encode().expect("complaints");
            assert_eq!(Complaints::decode(&bytes), Some(complaints));
            None
        }
        Outcome::Leave { status, stderr, .. } => {
            assert!(status == 2 && current.is_none() && stderr.starts_with("Error: "));
            None
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut files = bytes.splitn(3, |byte| *byte == 0);
    let main = files.next().unwrap_or_default();
    let included = files.next().unwrap_or_default();
    let Some(table) = reading(main, included, None) else {
        return;
    };
    let again = reading(main, included, Some(&table));
    assert_eq!(again.as_ref(), Some(&table));
    if let Some(later) = files.next().and_then(|later| reading(later, included, Some(&table))) {
        assert!(later.keeps(&table));
    }
});
