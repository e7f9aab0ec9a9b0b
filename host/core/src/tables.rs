//! Open tables: what a sandbox holds, as files that any engine reads.
//!
//! A *cut* is one moment of the sandbox. A *manifest* names the files that hold it, all of them, and nothing else counts:
//! a file that no manifest names is not there. A table is divided into *parts*, ranges of the store's numbers, so that a
//! change has one file written anew and no other touched. Files are named by what is in them; equal content is the same
//! file.

mod bucket;
mod layout;
mod manifest;
mod schedule;
mod script;
mod selection;
mod system;

pub use bucket::{
    MANIFEST, SCRIPT, TablesBucket, everything, kept_manifests, manifest_name, manifest_object, missing, outdated,
    plain_prefix_problem, script_at,
};
pub use layout::{Origin, TableColumn, TableLayout, Told, tables};
pub use manifest::{FORMAT, Manifest, ManifestTable, Stamps, TableCut, TableFile};
pub use schedule::{TableTimes, behind_ms, next_at, superseded};
pub use script::script;
pub use selection::{Selection, restamped, selection};

/// Digits of a decimal, and how many of them stand behind the point.
pub const DECIMAL_DIGITS: u32 = 38;
pub const DECIMAL_SCALE: u32 = 9;
