//! Who a row is: its lead id, its address, and what it would write. Pure.

use crate::fields::{self, EMAIL, ID};
use attiva_connector::{BatchView, Cell, Outcome, RowView};
use serde_json::{Map, Value};

/// A row, read.
#[derive(Debug, Default)]
pub(crate) struct Person {
    /// Lead id that our own graph has for this instance.
    pub(crate) id: Option<u64>,
    /// As it was answered when the member was last put on the list.
    pub(crate) known: Option<u64>,
    /// As it stands in the profile, without white space around it.
    pub(crate) email: Option<String>,
    /// Attributes to write.
    pub(crate) values: Map<String, Value>,
}

impl Person {
    /// Addresses are one whatever their case.
    pub(crate) fn email_key(&self) -> Option<String> {
        self.email.as_deref().map(email_key)
    }
}

pub(crate) fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The columns of a batch, by what they are for.
pub(crate) struct Columns<'c> {
    munchkin_id: &'c str,
    id: Option<usize>,
    email: Option<usize>,
    /// Index and name.
    values: Vec<(usize, String)>,
}

impl<'c> Columns<'c> {
    pub(crate) fn of(
        names: &[(String, attiva_connector::DataType)],
        batch: BatchView<'_>,
        munchkin_id: &'c str,
    ) -> Self {
        let values = names.iter().filter(|(name, _)| name != ID && name != EMAIL);
        Self {
            munchkin_id,
            id: batch.column(ID),
            email: batch.column(EMAIL),
            values: values.filter_map(|(name, _)| Some((batch.column(name)?, name.clone()))).collect(),
        }
    }

    /// # Errors
    /// The outcome of a row that cannot be anybody at Marketo.
    pub(crate) fn read(&self, row: RowView<'_>) -> Result<Person, Outcome> {
        let email = match self.email.map_or(Cell::Absent, |column| row.cell(column)) {
            Cell::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        };
        let person = Person {
            id: self.id.and_then(|column| self.lead_id(row.cell(column))),
            known: row.member_id().and_then(|id| id.parse().ok()),
            email: email.map(str::to_owned),
            values: self
                .values
                .iter()
                .filter_map(|(at, name)| Some((name.clone(), fields::value(row.cell(*at))?)))
                .collect(),
        };
        if person.id.is_none() && person.known.is_none() && person.email.is_none() {
            return Err(Outcome::rejected("no-identifier", "an e-mail address or a lead id is needed"));
        }
        Ok(person)
    }

    /// A number, or a source key: `1234@123-ABC-456.Marketo` is lead 1234 of that Marketo, and nobody of another.
    fn lead_id(&self, cell: Cell<'_>) -> Option<u64> {
        let of_text = |text: &str| {
            let text = text.trim();
            let number = match text.split_once('@') {
                Some((number, rest)) => {
                    Some(number).filter(|_| rest.strip_suffix(".Marketo") == Some(self.munchkin_id))
                }
                None => Some(text),
            };
            number.and_then(|number| number.parse().ok())
        };
        match cell {
            Cell::Integer(id) => u64::try_from(id).ok(),
            Cell::Text(text) | Cell::Decimal(text) => of_text(text),
            Cell::TextList(keys) => keys.iter().find_map(of_text),
            _ => None,
        }
        .filter(|id| *id > 0)
    }
}

/// Why Marketo cannot be asked for, or told of, this address.
pub(crate) fn unaskable(email: &str) -> Option<&'static str> {
    if email.contains(',') {
        return Some("a comma parts addresses in Marketo's interface");
    }
    (!email.is_ascii()).then_some("Marketo takes addresses in ASCII only")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns<'static> {
        Columns { munchkin_id: "123-ABC-456", id: None, email: None, values: Vec::new() }
    }

    #[test]
    fn a_lead_id_is_of_this_instance_or_none() {
        let cases = [
            (Cell::Integer(17), Some(17)),
            (Cell::Integer(-1), None),
            (Cell::Integer(0), None),
            (Cell::Text(" 17 "), Some(17)),
            (Cell::Text("17@123-ABC-456.Marketo"), Some(17)),
            (Cell::Text("17@999-ABC-456.Marketo"), None),
            (Cell::Text("17@123-ABC-456.Salesforce"), None),
            (Cell::Text("003xx"), None),
            (Cell::Null, None),
        ];
        for (cell, expected) in cases {
            assert_eq!(columns().lead_id(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn addresses_marketo_cannot_be_asked_for() {
        assert!(unaskable("a,b@x.example").is_some());
        assert!(unaskable("ä@x.example").is_some());
        assert_eq!(unaskable("a+b@x.example"), None);
    }
}
