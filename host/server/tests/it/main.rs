//! The server from outside: its HTTP API over a socket, and its program as a process. One test binary, since each
//! would link the whole host again.

mod audiences;
mod auth;
mod bounds;
mod compositions;
mod conduct;
mod connections;
mod consent_rules;
mod consents;
mod data_removal;
mod demo;
mod documents;
mod guardrails;
mod harness;
mod idempotency;
mod identity;
mod journey;
mod listings;
mod lookup;
mod mappings;
mod metrics;
mod operators;
mod pins;
mod plugins;
mod privacy;
mod problems;
mod process;
mod salesforce;
mod segments;
mod signing;
mod tenancy;
