//! The binaries under test, the helpers of this crate and the reference.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::room::Room;

/// An installed tree: `bin/` and `libexec/supervisor/`.
#[derive(Debug, Clone)]
pub struct Dist {
    root: PathBuf,
}

impl Dist {
    /// The build that is delivered: `SUPERVISOR_DIST`, or `target/dist`.
    pub fn plain() -> Dist {
        Dist::from("SUPERVISOR_DIST", "dist", "make build")
    }

    /// The same with `--cfg supervisor_hooks`: `SUPERVISOR_HOOKS_DIST`, or `target/hooks-dist`.
    pub fn hooks() -> Dist {
        let how = "make build with RUSTFLAGS='--cfg supervisor_hooks'";
        Dist::from("SUPERVISOR_HOOKS_DIST", "hooks-dist", how)
    }

    fn from(variable: &str, default: &str, how: &str) -> Dist {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        let root = env::var_os(variable).map_or_else(|| target.join(default), PathBuf::from);
        assert!(
            root.join("bin/supervisord").exists(),
            "no {}/bin/supervisord: build it ({how}) or set {variable}",
            root.display()
        );
        let root = root.canonicalize().expect("a directory that is there");
        Dist { root }
    }

    /// The daemon.
    pub fn supervisord(&self) -> PathBuf {
        self.root.join("bin/supervisord")
    }

    /// The client.
    pub fn supervisorctl(&self) -> PathBuf {
        self.root.join("bin/supervisorctl")
    }

    /// A program that is installed beside the daemon.
    pub fn tool(&self, name: &str) -> PathBuf {
        let path = self.root.join("bin").join(name);
        assert!(path.exists(), "no {}: build it (make build)", path.display());
        path
    }

    /// A helper of the daemon, `supervisor-broker` or `supervisor-reader`.
    pub fn helper(&self, name: &str) -> PathBuf {
        self.root.join("libexec/supervisor").join(name)
    }

    /// A copy in the room, with the modes of an installation, that a test may change.
    pub fn copy(&self, room: &Room) -> Dist {
        let copy = Dist { root: room.path("dist") };
        room.directory("dist");
        for (dir, mode) in [("bin", 0o755), ("libexec/supervisor", 0o711)] {
            room.directory(&format!("dist/{dir}"));
            let entries = fs::read_dir(self.root.join(dir)).expect("an installed directory");
            for entry in entries.flatten() {
                let to = copy.root.join(dir).join(entry.file_name());
                if let Ok(target) = fs::read_link(entry.path()) {
                    symlink(target, &to).expect("cannot make a link");
                    continue;
                }
                install(&entry.path(), &to, mode);
            }
        }
        room.mode("dist/libexec", 0o755);
        copy
    }

    /// Puts another file in a helper's place, as install(1) does: a new file under the old name.
    pub fn replace(&self, name: &str, with: &Path) {
        let place = self.helper(name);
        let fresh = place.with_extension("new");
        install(with, &fresh, 0o755);
        fs::rename(&fresh, &place).expect("cannot put a helper in place");
    }

    /// Puts a helper in the broker's place that runs the real one, unless a file forbids it.
    pub fn flaky(&self) -> Flaky {
        let real = self.helper("supervisor-broker.real");
        install(&self.helper("supervisor-broker"), &real, 0o755);
        self.replace("supervisor-broker", &helper("flaky-broker"));
        Flaky { file: self.helper("down") }
    }
}

/// A switch: while it is down, every broker dies at its start.
#[derive(Debug)]
pub struct Flaky {
    file: PathBuf,
}

impl Flaky {
    /// From now on brokers die.
    pub fn down(&self) {
        fs::write(&self.file, "").expect("cannot write the switch");
    }

    /// From now on brokers live.
    pub fn up(&self) {
        fs::remove_file(&self.file).expect("cannot remove the switch");
    }
}

fn install(from: &Path, to: &Path, mode: u32) {
    if let Err(e) = fs::copy(from, to) {
        panic!("cannot copy {} to {}: {e}", from.display(), to.display());
    }
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).expect("cannot set a mode");
}

/// A binary of this crate; cargo puts it beside the directory of the test binaries.
pub fn helper(name: &str) -> PathBuf {
    let own = env::current_exe().expect("the path of this test");
    let dir = own.ancestors().nth(2).expect("a directory of binaries");
    let path = dir.join(name);
    assert!(path.exists(), "no {}: run the tests with cargo test", path.display());
    path
}

/// A command of the reference: `SUPERVISOR_REFERENCE` is a virtual environment that has supervisor 4.3.0.
pub fn reference(name: &str) -> PathBuf {
    let venv = env::var_os("SUPERVISOR_REFERENCE").map(PathBuf::from);
    let venv = venv.expect(
        "SUPERVISOR_REFERENCE is not set: python3 -m venv DIR, DIR/bin/pip install supervisor==4.3.0, set it to DIR",
    );
    let path = venv.join("bin").join(name);
    assert!(path.exists(), "no {}: install supervisor==4.3.0 there", path.display());
    path
}
