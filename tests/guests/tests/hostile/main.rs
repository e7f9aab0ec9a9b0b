//! Connectors that mean harm, by name. Each test proves what stopped one of them, and that a connector that behaves, in the
//! same host at the same time, read its pages and had them committed.

mod columns;
mod compiler;
mod fixture;
mod guests;
mod installs;
mod suite;
mod table;
mod vendor;
mod wiring;
mod world;
