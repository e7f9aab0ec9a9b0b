//! The connector on the native test host, against a Marketo in memory.

mod files;
mod runs;
mod support;
mod traps;
