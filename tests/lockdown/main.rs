//! What the broker can no longer do, tried from inside its sandbox and looked at from outside.

mod acts;
mod helper;
mod outside;
mod writer;
