//! The plugin host against guests that behave and guests that do not, and servers that do not either. One program, so
//! that wasmtime is linked once.
#![expect(
    clippy::disallowed_methods,
    reason = "tests look at their own directories, and at the environment, from outside"
)]

mod admission;
mod compile;
mod consent;
mod credentials;
mod destination;
mod egress;
mod exchanges;
mod heal;
mod learnt;
mod limits;
mod objects;
mod pages;
mod refresh;
mod server;
mod spool;
mod support;
mod tls;
