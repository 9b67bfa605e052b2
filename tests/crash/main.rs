//! The broker dies, hangs or stays away: nothing is lost, and TERM still stops everything.

mod audit;
mod build;
mod events;
mod killed;
mod logs;
mod many;
mod shutdown;
mod update;
