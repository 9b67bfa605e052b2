//! XML-RPC: the method table, the codec, the faults.

pub mod fault;
pub mod office;
pub mod xml;
