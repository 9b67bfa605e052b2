//! The page: what it shows, what it may order and for whom, and that nothing of what others wrote runs in a browser.

mod actions;
mod browser;
mod client;
mod hostile;
mod nginx;
mod pages;
mod parity;
mod tokens;
