//! The program `attiva`: an HTTP API and a command line over one application layer. A library so that end-to-end
//! tests and benchmarks can start a host in their own process; nothing else should depend on it.

pub mod api;
pub mod app;
mod authorities;
pub mod cli;
pub mod compiler;
pub mod config;
mod demo;
mod doors;
pub mod exit;
pub mod host;
pub mod telemetry;
mod tls;
