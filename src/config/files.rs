//! Where configuration files come from: the parser cannot open any, it asks.

use privsep::files::Answer;

/// Why a file or a directory was not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// The spawner's answer.
    Answer(Answer),
    /// The file was granted but cannot be read, or is too large.
    Unreadable(String),
}

/// What a directory lists: names, and whether each may be a directory.
pub type Listing = Vec<(String, bool)>;

/// A file that the configuration names, and who may do what with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Named {
    /// What is in it; it may be a secret.
    pub bytes: Vec<u8>,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its mode, type bits included.
    pub mode: u32,
}

/// A source of files.
pub trait Files {
    /// The main file, by absolute path.
    fn main(&mut self, path: &str) -> Result<Vec<u8>, Denied>;
    /// A directory, by absolute path: its number and what it lists.
    fn directory(&mut self, path: &str) -> Result<(u16, Listing), Denied>;
    /// A file of a directory.
    fn file(&mut self, directory: u16, name: &str) -> Result<Vec<u8>, Denied>;
    /// A file that the configuration names, by absolute path.
    fn named(&mut self, path: &str) -> Result<Named, Denied>;
}
