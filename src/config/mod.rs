//! The configuration: INI dialect → typed model → launch table and settings.

pub mod settings;
