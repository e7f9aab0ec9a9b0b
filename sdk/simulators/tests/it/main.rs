//! The simulators from outside, over HTTP: each trap is shown to fire.

mod activities;
mod binary;
mod client;
mod control;
mod datasets;
mod exports;
mod gate;
mod identity;
mod leads;
mod linkedin;
#[cfg(feature = "s3")]
mod s3;
mod salesforce;
mod writes;
