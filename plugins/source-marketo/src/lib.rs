//! wip
mod csv;
