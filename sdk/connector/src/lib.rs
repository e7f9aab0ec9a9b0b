//! SDK for Attiva connectors in Rust.
//!
//! A connector is a WebAssembly component behind the contract in `wit/`. This crate hides the boundary: implement
//! [`Plugin`] and [`Source`] or [`Destination`] for a type, name the type in [`export_source!`] or
//! [`export_destination!`], and build for `wasm32-unknown-unknown`.
//!
//! A connector sees the world only through a [`Host`], handed to every call. The same code therefore compiles
//! natively against [`testing::FakeHost`], and its logic is unit-tested without Wasm:
//!
//! ```
//! use attiva_connector::{CheckResult, Host, Page, Plugin, ReadRequest, Result, Source, Spec, Stream};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     team: String,
//! }
//!
//! struct Example;
//!
//! impl Plugin for Example {
//!     type Config = Config;
//!
//!     fn spec() -> Spec {
//!         Spec::new("source-example", "0.1.0", "example", "Example").instance("Example", "{team}")
//!     }
//! }
//!
//! impl Source for Example {
//!     fn check(host: &dyn Host, config: &Config) -> Vec<CheckResult> {
//!         let reached = host.http().get("api", "/me").query(&[("team", &config.team)]).send();
//!         vec![CheckResult::of("reach", "Reach the vendor", reached.and_then(|r| r.success()))]
//!     }
//!     fn discover(_: &dyn Host, _: &Config) -> Result<Vec<Stream>> {
//!         Ok(Vec::new())
//!     }
//!     fn read(_: &dyn Host, _: &Config, request: &ReadRequest) -> Result<Page> {
//!         Err(request.no_such_stream())
//!     }
//! }
//!
//! attiva_connector::export_source!(Example);
//! ```

#![warn(missing_docs)]

mod batch;
#[doc(hidden)]
pub mod bindings;
mod column;
mod config;
mod cursor;
pub mod encode;
#[doc(hidden)]
pub mod export;
mod fault;
mod host;
mod http;
mod outcome;
mod page;
mod plugin;
mod row;
pub mod spec;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;

pub use batch::{BatchView, Cell, RowView, TextListRef};
pub use bindings::{
    Artifact, Batch, BytesArray, CheckResult, Column, ColumnSpec, ColumnValues, Cursor, DataType, Delivered,
    EraseResult, EraseStatus, Estimate, Fault, FaultKind, Fetched, FieldSpec, Finished, Limits, Member, MemberPage,
    Merge, Operation, Outcome, OutcomeStatus, Page, Prepared, Reject, Request, Response, RowKind, Run, SpoolStatus,
    Stream, Target, TargetObject, TextListArray, Warning,
};
pub use config::parse_config;
pub use cursor::{decode_state, encode_state};
pub use host::{Host, Level, SpoolFile};
pub use http::{HttpClient, HttpRequest};
pub use page::PageBuilder;
pub use plugin::{Destination, MEMBER_ID, Plugin, ReadRequest, Source};
pub use row::{CellProblem, ColumnRef, Row, RowStart};
pub use spec::Spec;

/// What a connector's functions answer.
pub type Result<T, E = Fault> = std::result::Result<T, E>;
