//! Later readings: what is in force keeps its numbers.
