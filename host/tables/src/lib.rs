//! The files of open tables: rows as Parquet, in a folder whose manifests say which of them count. Nobody else in the host
//! knows Parquet.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests look at their own files from outside"))]

mod column;
mod folder;
mod writer;

pub use attiva_core::tables::{MANIFEST, SCRIPT};
pub use folder::Folder;
