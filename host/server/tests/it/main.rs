//! The server from outside: its HTTP API over a socket, and its program as a process. One test binary, since each
//! would link the whole host again.

mod accounts;
mod audiences;
mod auth;
mod bodea;
mod bounds;
mod compositions;
mod conduct;
mod connections;
mod consents;
mod demo;
mod documents;
mod guardrails;
mod harness;
mod idempotency;
mod identity;
mod journey;
mod limits;
mod listings;
mod lookup;
mod mappings;
mod operators;
mod plugins;
mod problems;
mod process;
mod salesforce;
mod segments;
mod signing;
mod tenancy;
