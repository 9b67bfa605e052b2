//! In the broker's place: runs the real broker, which lies beside it as `supervisor-broker.real`, unless a file `down`
//! lies there too; then it dies at once.
#![forbid(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let own = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    let dir = own.parent().map(PathBuf::from).unwrap_or_default();
    if dir.join("down").exists() {
        std::process::exit(1);
    }
    let error = Command::new(dir.join("supervisor-broker.real"))
        .arg0("supervisor-broker")
        .args(std::env::args_os().skip(1))
        .exec();
    eprintln!("flaky-broker: cannot run the real one: {error}");
    std::process::exit(1);
}
