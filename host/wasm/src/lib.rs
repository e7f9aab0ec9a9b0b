//! The plugin host: the only crate that knows wasmtime. It admits components, holds their limits, runs them in a
//! fresh store per call, and gives them what `wit/` says they may ask for, and nothing else.
//!
//! Reading order: [`host`] (what the program holds), [`admission`] (bytes become a [`Plugin`]), [`plugin`] (a plugin's
//! calls), `call` (one call: store, limits, traps), `capability` (one file per import of the contract).
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests look at their own files from outside"))]

pub mod admission;
mod aot;
mod bindings;
mod broker;
mod call;
mod capability;
pub mod compile;
pub mod configuration;
pub mod connection;
mod convert;
mod credential;
pub mod destination;
mod directory;
mod egress;
mod engine;
pub mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod host;
pub mod limits;
mod meter;
mod objects;
pub mod plugin;
pub mod quota;
mod schema;
pub mod signature;
pub mod source;
mod stacks;
pub mod surroundings;
pub mod usage;

pub use admission::{AdmissionError, Compiled, Examined};
pub use compile::{CompileLimits, Compiler};
pub use configuration::{FieldProblem, Secrets, split_configuration, validate_against, validate_configuration};
pub use connection::{CallObserver, ConnectionContext, Grant, Scheme, SecretSource};
pub use credential::{Authorization, Consent, TokenCache};
pub use destination::{EraseResult, EraseStatus, Member, MemberPage};
pub use egress::{Endpoint, Resolve, SystemResolver};
pub use fetch::Location;
pub use host::{Held, HostOptions, PluginHost};
pub use limits::{Limits, OrganisationMemory, ShownLimit};
pub use objects::Bucket;
pub use plugin::Plugin;
pub use quota::{InstanceBudget, InstanceBudgets, QuotaStore};
pub use signature::{SigningKey, is_good};
pub use source::ReadRequest;
pub use surroundings::Surroundings;
pub use usage::{CallReport, Denial, Exchanged, HostTraffic, LogLine, Usage};
