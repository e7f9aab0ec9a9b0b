//! Vendors to develop against: a Marketo Engage instance, a Salesforce org of the same companies and people, LinkedIn's
//! matched audiences and an S3 bucket, on loopback, in process or beside it.
//!
//! Nothing here knows the host. A simulator answers as the vendor does, refuses what the vendor refuses, and misbehaves on demand, so
//! that a connector meets an expired token or a torn file in a test and not first at a customer.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use attiva_simulators::marketo::{Fault, Marketo, MarketoConfig};
//!
//! let marketo = Marketo::start(MarketoConfig { leads: 100, ..MarketoConfig::default() }).await?;
//! marketo.inject(Fault::TokenExpired);
//! println!("{}/identity/oauth/token", marketo.base_url());
//! assert_eq!(marketo.leads().count(), 100);
//! marketo.shutdown().await;
//! # Ok::<(), std::io::Error>(()) }).unwrap();
//! ```
#![warn(missing_docs)]

pub mod linkedin;
pub mod marketo;
#[cfg(feature = "s3")]
pub mod s3;
pub mod salesforce;

mod running;
mod world;
