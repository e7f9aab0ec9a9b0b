//! What Attiva decides, apart from doing it: the B2B model, identity, merge, and the state machines of runs and
//! deliveries. No clock, no I/O, no runtime: time comes in as an argument, and the ports that `attiva-wasm` and
//! `attiva-store` implement are traits here.

pub mod access;
pub mod account;
pub mod activation;
pub mod backfill;
pub mod backup;
pub mod cardinality;
pub mod config;
pub mod consent;
pub mod cron;
pub mod declared;
pub mod delivery;
pub mod disk;
pub mod drift;
pub mod evaluation;
pub mod event;
pub mod exchange;
pub mod expansion;
pub mod fault;
pub mod freshness;
pub mod guardrail;
pub mod id;
pub mod identity;
pub mod ingest;
pub mod key;
pub mod ledger;
pub mod membership;
pub mod merge;
pub mod model;
pub mod number;
pub mod page;
pub mod plugin;
pub mod ports;
pub mod privacy;
pub mod quota;
pub mod ranking;
pub mod readback;
pub mod record;
pub mod removal;
pub mod retention;
pub mod retry;
pub mod run;
pub mod schedule;
pub mod spec;
pub mod stages;
pub mod tables;
pub mod throttle;
pub mod time;
pub mod usage;
pub mod value;
pub mod waterfall;

pub use fault::{Fault, FaultKind};
pub use key::SourceKey;
pub use time::Millis;
pub use value::{DataType, Value};
