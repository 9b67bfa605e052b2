//! The boundary under attack: by a broker, by a reader, by programs and by the owners of log directories.

mod hostile_broker;
mod hostile_reader;
mod later_reader;
mod log_lines;
mod log_paths;
mod logins;
mod staging;
mod stopped_child;
