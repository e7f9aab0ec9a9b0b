//! Shared by the tests of segments: a small world of persons, accounts and what is between them, a naive reading of
//! checked segments over it, and random segments and worlds.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "how many cases are tried is said in the environment"
)]

#[path = "../../../expr/tests/support/mod.rs"]
pub mod scalar;

pub mod bodea;
pub mod cases;
pub mod clock;
pub mod functions;
pub mod generate;
pub mod naive;
pub mod ranks;
pub mod sets;
pub mod values;
pub mod world;
pub mod worlds;

use attiva_core::model::EntityKind;
use attiva_expr::{Checked, check};
use attiva_segments::{Plan, plan, segment_scope};
use world::model;

pub fn checked(text: &str, entity: EntityKind) -> Checked {
    let scope = segment_scope(&model(), entity).expect("persons and accounts");
    check(text, &scope).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

pub fn planned(text: &str, entity: EntityKind) -> Plan {
    plan(&checked(text, entity)).unwrap_or_else(|problem| panic!("{text}: {problem:?}"))
}
