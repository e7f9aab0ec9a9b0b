//! A world as rows of values, who names whom, and members.

use attiva_core::Value;
use attiva_core::model::Schema;
use attiva_core::model::custom::{Custom, CustomAttribute, CustomEntity, CustomField, CustomRelation};
use attiva_core::{DataType, model::EntityKind};
use attiva_expr::{Model, Step};
use attiva_segments::column::{Bits, ColumnBuilder, Dataset, DatasetBuilder, Table};
use attiva_segments::{Graph, Id, Rates, segment_model};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// The model with what is added to it.
pub fn schema() -> Schema {
    Schema::new(&additions()).expect("sound additions")
}

/// A date and a float that persons do not have, and an entity that nobody published.
pub fn additions() -> Custom {
    let field =
        |name: &str, data_type| CustomField { name: name.into(), data_type, title: String::new(), values: vec![] };
    let attribute =
        |name: &str, data_type| CustomAttribute { entity: EntityKind::Person, field: field(name, data_type) };
    Custom {
        roll_ups: Vec::new(),
        version: 1,
        attributes: vec![attribute("birthday", DataType::Date), attribute("rating", DataType::Float)],
        entities: vec![CustomEntity {
            name: "subscription".into(),
            title: String::new(),
            fields: vec![
                field("account_key", DataType::Text),
                field("product", DataType::Text),
                field("seats", DataType::Integer),
                field("fee", DataType::Decimal),
                field("fee_currency", DataType::Text),
                field("ends", DataType::Date),
            ],
            relations: vec![CustomRelation {
                field: "account_key".into(),
                to: EntityKind::Account,
                name_there: "subscriptions".into(),
            }],
        }],
    }
}

pub fn model() -> Arc<Model> {
    static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| Arc::new(segment_model(&schema())));
    Arc::clone(&MODEL)
}

pub fn entity(name: &str) -> usize {
    model().entity(name).unwrap_or_else(|| panic!("no entity {name}"))
}

/// The relation of an entity by its name.
pub fn relation(from: &str, name: &str) -> usize {
    let model = model();
    let from = entity(from);
    model
        .relations
        .iter()
        .position(|r| r.from == from && r.name == name)
        .unwrap_or_else(|| panic!("no relation {name}"))
}

#[derive(Debug, Clone)]
pub struct World {
    pub rows: Vec<Vec<Vec<Value>>>,
    /// By relation, for each row of the many the row it names.
    pub names: Vec<Vec<Option<usize>>>,
    pub members: BTreeMap<String, Vec<usize>>,
    /// Of one unit in the currency that amounts are compared in.
    pub rates: BTreeMap<String, String>,
}

impl Default for World {
    fn default() -> Self {
        let model = model();
        Self {
            rows: vec![Vec::new(); model.entities.len()],
            names: vec![Vec::new(); model.relations.len()],
            members: BTreeMap::new(),
            rates: BTreeMap::from([("USD".to_owned(), "1".to_owned()), ("EUR".to_owned(), "1.25".to_owned())]),
        }
    }
}

impl World {
    /// A record with these fields, named by the records that these relations say. Gives its number.
    pub fn add(&mut self, of: &str, fields: &[(&str, Value)], names: &[(&str, usize)]) -> usize {
        let (model, number) = (model(), entity(of));
        let definition = &model.entities[number];
        let mut row = vec![Value::Null; definition.fields.len()];
        for (name, value) in fields {
            row[definition.field(name).unwrap_or_else(|| panic!("{of} has no {name}"))] = value.clone();
        }
        self.rows[number].push(row);
        let id = self.rows[number].len() - 1;
        for (i, relation) in model.relations.iter().enumerate().filter(|(_, r)| r.from == number) {
            let named = names.iter().find(|(name, _)| *name == relation.name).map(|(_, to)| *to);
            self.names[i].push(named);
        }
        for (name, _) in names {
            relation(of, name);
        }
        id
    }

    pub fn count(&self, of: &str) -> usize {
        self.rows[entity(of)].len()
    }

    pub fn dataset(&self) -> Dataset {
        let model = model();
        let mut builder = DatasetBuilder::new(Arc::clone(&model));
        for (number, definition) in model.entities.iter().enumerate() {
            let rows = &self.rows[number];
            let mut table = Table::new(rows.len(), definition.fields.len());
            for (slot, field) in definition.fields.iter().enumerate() {
                let mut column = ColumnBuilder::new(field.data_type);
                rows.iter().for_each(|row| column.push(&row[slot]));
                table.put(slot, column.finish());
            }
            builder.table(number, table);
        }
        for (number, names) in self.names.iter().enumerate() {
            let number_of = |name: &Option<usize>| name.map_or(u32::MAX, |n| u32::try_from(n).expect("a small world"));
            builder.relation(number, names.iter().map(number_of).collect());
        }
        for (audience, members) in &self.members {
            let mut bits = Bits::none(1_000);
            members.iter().for_each(|member| bits.set(*member));
            builder.audience(audience, bits);
        }
        builder.finish()
    }
}

impl Graph for World {
    fn row(&self, entity: usize, id: Id) -> Cow<'_, [Value]> {
        Cow::Borrowed(&self.rows[entity][usize::try_from(id).expect("a row")])
    }

    fn step(&self, step: Step, id: Id) -> Cow<'_, [Id]> {
        let number = |n: usize| Id::try_from(n).expect("a small world");
        let id = usize::try_from(id).expect("a row");
        Cow::Owned(match step {
            Step::One(relation) => self.names[relation][id].map(number).into_iter().collect(),
            Step::Many(relation) => {
                let names = self.names[relation].iter().enumerate();
                names.filter(|(_, name)| **name == Some(id)).map(|(row, _)| number(row)).collect()
            }
            other => panic!("{other:?} is not asked of a graph"),
        })
    }

    fn is_member(&self, audience: &str, id: Id) -> Option<bool> {
        let members = self.members.get(audience)?;
        Some(members.contains(&usize::try_from(id).expect("a row")))
    }
}

impl Rates for World {
    fn rate(&self, currency: &str) -> Option<String> {
        self.rates.get(currency).cloned()
    }

    fn currencies(&self) -> Vec<String> {
        self.rates.keys().cloned().collect()
    }
}

pub fn text(s: &str) -> Value {
    Value::Text(s.to_owned())
}

pub fn decimal(s: &str) -> Value {
    Value::Decimal(s.to_owned())
}
