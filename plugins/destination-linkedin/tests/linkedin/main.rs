//! The connector on the native test host, against segments in memory.

mod runs;
mod support;
mod traps;
