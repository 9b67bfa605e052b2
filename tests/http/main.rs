//! The HTTP servers of a real daemon: many clients, slow ones, hostile ones, both internet protocols, several listeners.

mod beside;
mod clients;
mod hostile;
mod listeners;
mod streams;

use system_tests::wire;
