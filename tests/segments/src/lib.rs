//! Segments as SQL, judged by engines that know nothing of us: worlds become open tables, statements are run, and the
//! members are those that the naive reading names.

#[path = "../../../host/segments/tests/support/mod.rs"]
pub mod support;

pub mod exported;
pub mod hundred;
pub mod nobody;
pub mod statement;
pub mod tables;
