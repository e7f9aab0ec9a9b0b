//! Whole runs against vendors that refuse what the true ones refuse.

mod linkedin;
mod marketo;
mod sources;
