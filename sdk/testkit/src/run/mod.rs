//! Whole runs, as the host makes them: a source read to its end, a delivery from its target to its last outcome.

pub(crate) mod delivery;
pub(crate) mod source;
