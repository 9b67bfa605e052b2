//! Who may do what: the whole way from a person's terminal or browser to the program and the audit log, and those who try to
//! get further than that.

mod ask;
mod beyond;
mod examples;
mod flood;
mod hidden;
mod names;
mod peers;
mod secrets;
mod sessions;
mod story;
mod wire;
mod world;
