//! The plugin host against guests that behave and guests that do not, and servers that do not either. One program, so
//! that wasmtime is linked once.

mod admission;
mod credentials;
mod destination;
mod egress;
mod limits;
mod pages;
mod server;
mod spool;
mod support;
