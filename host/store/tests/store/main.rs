//! The store through its ports, as the rest of the host sees it. One program, so that it is linked once.

mod control;
mod deliveries;
mod documents;
mod memberships;
mod projection;
mod records;
mod support;
