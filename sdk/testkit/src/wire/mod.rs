//! What stands between a connector and its vendor: a server on loopback that passes requests on, answers them from a
//! recording, and makes faults.

pub mod fault;
mod forward;
pub mod message;
pub mod recording;
mod serve;
pub mod stand;
