//! `supervisord`'s reading of a configuration without its processes: no spawner, no sandbox, nothing is started.
//!
//! For the differential tests of the configuration and for measurements: takes the arguments of `supervisord`, and
//! `--check` is implied. Run it as whoever the daemon would be.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::resource::{Resource, getrlimit};
use privsep::files::Answer;
use privsep::start::Start;
use supervisor::config::facts::Facts;
use supervisor::config::files::{Denied, Files, Listing, Named};
use supervisor::config::read::{Outcome, read};
use supervisor::config::resolver::{self, Resolver};
use supervisor::config::text;

/// Files as they are, by nobody's rules.
#[derive(Default)]
struct Plain {
    directories: Vec<String>,
}

fn denied(error: &io::Error) -> Denied {
    Denied::Answer(Answer::Errno(error.raw_os_error().unwrap_or(5)))
}

fn path(text: &str) -> std::path::PathBuf {
    std::ffi::OsString::from_vec(text::bytes(text)).into()
}

impl Files for Plain {
    fn main(&mut self, name: &str) -> Result<Vec<u8>, Denied> {
        if Path::new(&path(name)).is_dir() {
            return Err(Denied::Answer(Answer::Kind));
        }
        fs::read(path(name)).map_err(|e| denied(&e))
    }

    fn directory(&mut self, name: &str) -> Result<(u16, Listing), Denied> {
        let mut listing = Listing::new();
        for entry in fs::read_dir(path(name)).map_err(|e| denied(&e))? {
            let entry = entry.map_err(|e| denied(&e))?;
            let kind = entry.file_type().map_err(|e| denied(&e))?;
            let name = text::from_bytes(entry.file_name().as_bytes());
            listing.push((name, kind.is_dir() || kind.is_symlink()));
        }
        self.directories.push(name.to_owned());
        let number = u16::try_from(self.directories.len() - 1)
            .map_err(|_| Denied::Answer(Answer::Refused))?;
        Ok((number, listing))
    }

    fn file(&mut self, directory: u16, name: &str) -> Result<Vec<u8>, Denied> {
        let directory = self.directories.get(usize::from(directory)).cloned().unwrap_or_default();
        self.main(&format!("{}/{name}", directory.trim_end_matches('/')))
    }

    fn named(&mut self, name: &str) -> Result<Named, Denied> {
        let bytes = self.main(name)?;
        let meta = fs::metadata(path(name)).map_err(|e| denied(&e))?;
        Ok(Named { bytes, uid: meta.uid(), gid: meta.gid(), mode: meta.mode() })
    }
}

fn start() -> Start {
    let limit = |what| getrlimit(what).unwrap_or((1024, 1024));
    let mut args: Vec<Vec<u8>> = std::env::args_os().map(OsStringExt::into_vec).collect();
    args.insert(args.len().min(1), b"--check".to_vec());
    let env =
        std::env::vars_os().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    Start {
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        spare: u16::MAX,
        nofile: limit(Resource::RLIMIT_NOFILE),
        nproc: limit(Resource::RLIMIT_NPROC),
        again: false,
        cwd: Vec::new(),
        args,
        env: env.collect(),
    }
}

fn main() -> io::Result<ExitCode> {
    let (ours, theirs) = resolver::pair()?;
    std::thread::spawn(move || resolver::serve(theirs.as_fd()));
    let began = std::time::Instant::now();
    let facts = Facts::gather(start());
    let outcome = read(&facts, &mut Plain::default(), &mut Resolver::new(ours));
    if std::env::var_os("CHECK_TIME").is_some() {
        writeln!(io::stderr(), "read in {:?}", began.elapsed())?;
    }
    match outcome {
        Outcome::Accept(_) | Outcome::Complain(_) => Ok(ExitCode::SUCCESS),
        Outcome::Leave { status, stdout, stderr } => {
            io::stdout().write_all(stdout.as_bytes())?;
            io::stderr().write_all(stderr.as_bytes())?;
            Ok(ExitCode::from(status))
        }
    }
}
