//! What is delivered to guests.

use arrow_array::StringArray;
use attiva_core::page::{Batch, Operation, Rows, column};
use attiva_core::{DataType, Value};

/// Two members with an address each.
pub(crate) fn batch() -> Batch {
    let addresses = ["a@example.com", "b@example.com"].map(|address| Value::Text(address.into()));
    Batch {
        number: 0,
        keys: StringArray::from(vec!["k0", "k1"]),
        operations: vec![Operation::Upsert; 2],
        member_ids: vec![None; 2],
        rows: Rows { len: 2, columns: vec![column("email", DataType::Text, &addresses)] },
    }
}
