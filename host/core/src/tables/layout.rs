//! Which tables there are, with their columns, and where their rows come from.

use super::system;
use crate::model::{EntityKind, EntityName, Schema, SchemaEntity};
use crate::value::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where rows come from. Tables of one origin are written together, part by part: rows whose numbers in the store lie in
/// one range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Profiles of an entity, by the profile's number.
    Profiles(EntityName),
    /// Source records, by the record's: what names whom, and what records of persons say.
    Records,
    /// Events, by the event's.
    Events,
    /// What events name persons by, by a number of its own.
    Subjects,
    /// Who is a member now, by the member's number.
    Members,
    /// Who became a member or ceased to be one, by the number of the move.
    Moves,
    /// What became of members of deliveries, by the delivery's number.
    Outcomes,
    Segments,
    Runs,
    Deliveries,
}

/// How it is known which parts of an origin are others than they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The store's sequence tells every change, removals as well.
    Feed,
    /// What a part is told by from another state of it.
    Stamp,
    /// The sequence tells changes, the stamp what was taken away.
    Both,
    /// By nothing: it is one small part, and read each time.
    Nothing,
}

impl Origin {
    /// The numbers of a part are equal but for so many of their last bits.
    #[must_use]
    pub fn part_bits(&self) -> u32 {
        match self {
            Self::Profiles(_) => 14,
            Self::Records | Self::Members => 15,
            Self::Events => 16,
            Self::Subjects | Self::Moves => 17,
            // A delivery may have a row for each member of an audience.
            Self::Outcomes => 4,
            Self::Segments | Self::Runs | Self::Deliveries => 62,
        }
    }

    #[must_use]
    pub fn told(&self) -> Told {
        match self {
            Self::Profiles(_) | Self::Events | Self::Members => Told::Feed,
            Self::Records => Told::Both,
            Self::Subjects | Self::Moves | Self::Outcomes => Told::Stamp,
            Self::Segments | Self::Runs | Self::Deliveries => Told::Nothing,
        }
    }

    /// Under which its stamps stand in a manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Profiles(entity) => entity.as_str(),
            Self::Records => "records",
            Self::Events => "events",
            Self::Subjects => "subjects",
            Self::Members => "members",
            Self::Moves => "moves",
            Self::Outcomes => "outcomes",
            Self::Segments => "segments",
            Self::Runs => "runs",
            Self::Deliveries => "deliveries",
        }
    }

    /// The numbers of a part: from the first to before the second.
    #[must_use]
    pub fn numbers(&self, part: i64) -> (i64, i64) {
        let bits = self.part_bits();
        (part << bits, part.saturating_add(1).checked_shl(bits).unwrap_or(i64::MAX))
    }
}

/// A column. Every one may be null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableColumn {
    pub name: String,
    /// Instants are milliseconds and dates days since 1970-01-01, both whole numbers; a decimal has 38 digits, nine of them
    /// behind the point.
    #[serde(rename = "type")]
    pub data_type: DataType,
}

/// A table before it has any row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLayout {
    /// `model.person`, `attiva.run`: the model's own and what Attiva says beside them, apart, since an operator may call an
    /// entity as he likes.
    pub name: String,
    pub origin: Origin,
    pub columns: Vec<TableColumn>,
}

pub(super) fn column(name: impl Into<String>, data_type: DataType) -> TableColumn {
    TableColumn { name: name.into(), data_type }
}

/// The tables of a sandbox with this model.
#[must_use]
pub fn tables(schema: &Schema) -> Vec<TableLayout> {
    schema.entities.iter().flat_map(of_entity).chain(system::tables()).collect()
}

/// A table of the entity, and one for each list of texts.
fn of_entity(entity: &SchemaEntity) -> Vec<TableLayout> {
    let kind = EntityKind::parse(&entity.name);
    let mut columns = vec![column("_id", DataType::Integer)];
    let origin = match (kind, EntityName::parse(&entity.name)) {
        (Some(EntityKind::PersonComponent), _) => {
            columns.push(column("_person_id", DataType::Integer));
            Origin::Records
        }
        (Some(EntityKind::Activity), _) => {
            columns.push(column("_subject_id", DataType::Integer));
            columns.push(column("_source_key", DataType::Text));
            Origin::Events
        }
        (_, Some(name)) => {
            columns.push(column("_profile_id", DataType::Text));
            columns.push(column("_records", DataType::Integer));
            Origin::Profiles(name)
        }
        // Names of the schema always parse.
        (_, None) => return Vec::new(),
    };
    let mut lists = Vec::new();
    for field in &entity.fields {
        if field.data_type == DataType::TextList {
            columns.push(column(format!("_{}_size", field.name), DataType::Integer));
            lists.push(TableLayout {
                name: format!("model.{}_{}", entity.name, field.name),
                origin: origin.clone(),
                columns: vec![column("id", DataType::Integer), column("item", DataType::Text)],
            });
        } else {
            columns.push(column(field.name.clone(), field.data_type));
        }
    }
    let of_entity = TableLayout { name: format!("model.{}", entity.name), origin, columns };
    std::iter::once(of_entity).chain(lists).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::custom::Custom;
    use std::collections::BTreeSet;

    #[test]
    fn every_entity_has_a_table_and_every_name_stands_once() {
        let schema = Schema::new(&Custom::default()).unwrap();
        let all = tables(&schema);
        let names: BTreeSet<&str> = all.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        for kind in EntityKind::ALL {
            assert!(names.contains(format!("model.{}", kind.name()).as_str()), "{}", kind.name());
        }
        for table in &all {
            let columns: BTreeSet<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            assert_eq!(columns.len(), table.columns.len(), "{}", table.name);
            assert!(table.columns.iter().all(|column| column.data_type != DataType::TextList), "{}", table.name);
        }
    }

    #[test]
    fn a_list_is_a_table_of_its_own_and_its_size_a_column() {
        let all = tables(&Schema::new(&Custom::default()).unwrap());
        let of = |name: &str| all.iter().find(|table| table.name == name).unwrap();
        assert!(of("model.account_person").columns.contains(&column("_person_roles_size", DataType::Integer)));
        assert_eq!(of("model.account_person_person_roles").origin, of("model.account_person").origin);
    }

    #[test]
    fn a_number_lies_in_one_part() {
        for origin in [Origin::Events, Origin::Outcomes, Origin::Runs] {
            let (from, until) = origin.numbers(0);
            assert!(from == 0 && until > 1);
            let (next, _) = origin.numbers(1);
            assert_eq!(next, until);
        }
        assert_eq!(Origin::Outcomes.numbers(3), (48, 64));
    }
}
