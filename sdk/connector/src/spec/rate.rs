//! Budgets of a vendor instance, shared by all that use it.

use serde::Serialize;
use std::collections::BTreeMap;

/// A budget of the vendor instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Rate {
    /// At most `calls` in any `seconds`.
    Window {
        /// Calls.
        calls: u32,
        /// Length of the window.
        seconds: u32,
    },
    /// At most `calls` at once.
    Concurrent {
        /// Calls.
        calls: u32,
    },
    /// At most `calls` a day.
    Day {
        /// `None`: what the vendor tells, or an operator sets.
        #[serde(skip_serializing_if = "Option::is_none")]
        calls: Option<u32>,
        /// When a day ends: `rolling`, or a time zone's rule as POSIX writes it (`UTC0`, `CST6CDT,M3.2.0,M11.1.0`).
        resets: String,
        /// Where the vendor's answers tell what is spent.
        #[serde(skip_serializing_if = "Option::is_none")]
        told_by: Option<ToldBy>,
    },
    /// What the streams of this connector take of a day, and which part of that each has for itself.
    Streams {
        /// Hundredths of the day that all of them have together.
        percent: u32,
        /// Hundredths of that, by stream; what is left of a hundred is for calls of no stream (checks, discovery), and of
        /// streams that are not named.
        shares: BTreeMap<String, u32>,
    },
}

/// A header of every answer that holds `<key>=<used>/<most>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToldBy {
    /// Lower case.
    pub header: String,
    /// What stands before the `=`.
    pub key: String,
}

/// A budget, with what the connector calls it when the vendor finds it used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// The budget.
    #[serde(flatten)]
    pub rate: Rate,
    /// Codes of faults that say so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused_by: Vec<String>,
}
