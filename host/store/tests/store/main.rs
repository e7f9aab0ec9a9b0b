//! The store through its ports, as the rest of the host sees it. One program, so that it is linked once.
#![allow(clippy::disallowed_methods, reason = "tests spoil files, and tell their child processes where to write")]

mod concurrency;
mod consents;
mod control;
mod copies;
mod deliveries;
mod documents;
mod entities;
mod events;
mod kill;
mod memberships;
mod moves;
mod opening;
mod projection;
mod properties;
mod records;
mod retention;
mod search;
mod streams;
mod support;
mod tables;
