//! Instruction counts of the hot paths. See the README.

pub mod guest;
