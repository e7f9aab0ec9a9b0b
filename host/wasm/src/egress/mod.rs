//! The parts of the egress gate: what may be called (`policy`), how a request must look (`request`), which addresses
//! may be dialled (`address`), how many connections may be open (`open`), how it is sent (`transport`), what comes back
//! (`body`, `redact`). The gate itself, which puts them in order, is `capability/http.rs`.

pub(crate) mod address;
pub(crate) mod body;
pub(crate) mod open;
pub(crate) mod policy;
pub(crate) mod redact;
pub(crate) mod request;
mod resolve;
pub(crate) mod transport;

pub use policy::Endpoint;
pub use resolve::{Resolve, SystemResolver};
