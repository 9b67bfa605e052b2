//! The servers as their clients meet them: real sockets, bytes as written, a broker that is not real, a clock that
//! stands still unless a test moves it.

mod asks;
pub(super) mod bed;
mod certs;
mod follow;
mod limits;
mod login;
mod page;
mod pam;
mod protocol;
mod readings;
mod routes;
mod tls;
mod tls_limits;
mod tokens;
