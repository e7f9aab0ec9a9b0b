//! What is peculiar to accounts: their hierarchy and what is rolled up along it, and which account a lead that names
//! none belongs to.

pub mod domain;
pub mod facts;
pub mod hierarchy;
pub mod matching;
pub mod roll_up;
pub mod rules;
