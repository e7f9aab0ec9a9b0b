//! What Attiva's Marketo connectors know of Marketo's REST API, whatever they do with it: the envelope that says in
//! the body what HTTP does not, the refusals and who acts on them, the token, the day.

#![warn(missing_docs)]

mod budget;
mod client;
mod day;
mod refusal;
mod response;

pub use budget::{READING_PERCENT, within_budget};
pub use client::{Api, PATH_BYTES_MAX, get, post_form, post_json, request, with_body};
pub use day::until_quota_reset;
pub use refusal::Refusal;
pub use response::{Answer, Listed, judge, read, read_one};

/// The one credential: the custom service's.
pub const CREDENTIAL: &str = "marketo";
/// The one origin: the subscription's host.
pub const ORIGIN: &str = "api";

/// Records that one call may carry, and ids or values that it may ask for.
pub const BATCH_MAX: usize = 300;
