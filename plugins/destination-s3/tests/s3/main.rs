//! The connector against a bucket in memory.

mod rendering;
mod runs;
mod support;
