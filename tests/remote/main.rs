//! Clients on other machines: TLS, certificates, tokens, accounts; with the clients that people have.

mod audit;
mod beyond;
mod clients;
mod docs;
mod reload;
mod site;
mod tls;
mod tokens;
