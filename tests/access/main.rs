//! Who may do what: the whole way from a person's terminal or browser to the program and the audit log, and those who try to
//! get further than that.

mod ask;
mod hidden;
mod story;
mod world;
