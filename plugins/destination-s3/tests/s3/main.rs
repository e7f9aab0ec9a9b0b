//! The connector against a bucket in memory.

mod checks;
mod formats;
mod parts;
mod rendering;
mod runs;
mod support;
