//! Starting: what programs are given, what bad input is answered with, order, background, ordinary users.

mod background;
mod bad_input;
mod broken;
mod clock;
mod fcgi;
mod flat;
mod identity;
mod listen;
mod log_owner;
mod order;
mod ordinary_user;
mod ownership;
mod pid_one;
mod quiet;
mod reread;
mod tree;
