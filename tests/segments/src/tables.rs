//! A world as open tables, in the layout that the statements are written for.

use crate::support::world::{World, model};
use attiva_core::{DataType, Value};
use attiva_expr::Step;

/// A table with its columns and rows, before any engine has seen it.
#[derive(Debug, Clone)]
pub struct OpenTable {
    pub name: String,
    /// Names and types of SQL.
    pub columns: Vec<(String, &'static str)>,
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Boolean(bool),
    Whole(i64),
    Float(f64),
    /// As written.
    Decimal(String),
    Text(String),
}

#[must_use]
pub fn open_tables(world: &World) -> Vec<OpenTable> {
    let model = model();
    let mut tables = Vec::new();
    for (number, entity) in model.entities.iter().enumerate() {
        let mut columns = vec![("_id".to_owned(), "BIGINT")];
        let mut lists = Vec::new();
        for (slot, field) in entity.fields.iter().enumerate() {
            let ty = match field.data_type {
                DataType::Boolean => "BOOLEAN",
                DataType::Integer | DataType::Timestamp => "BIGINT",
                DataType::Date => "INTEGER",
                DataType::Decimal => "DECIMAL(18, 4)",
                DataType::Float => "DOUBLE",
                DataType::Text | DataType::Json | DataType::Bytes => "VARCHAR",
                DataType::TextList => {
                    columns.push((format!("_{}_size", field.name), "BIGINT"));
                    lists.push((slot, format!("{}_{}", entity.name, field.name)));
                    continue;
                }
            };
            columns.push((field.name.clone(), ty));
        }
        let relations: Vec<_> = model.relations.iter().enumerate().filter(|(_, r)| r.from == number).collect();
        columns.extend(relations.iter().map(|(_, relation)| (format!("_{}_id", relation.name), "BIGINT")));
        let rows = world.rows[number].iter().enumerate().map(|(id, row)| {
            let named = relations.iter().map(|(relation, _)| world.names[*relation][id].map_or(Cell::Null, whole));
            std::iter::once(whole(id)).chain(row.iter().map(cell)).chain(named).collect()
        });
        tables.push(OpenTable { name: entity.name.clone(), columns, rows: rows.collect() });
        for (slot, name) in lists {
            tables.push(items(world, number, slot, name));
        }
    }
    for (relation, of) in model.relations.iter().enumerate().filter(|(_, r)| r.from == r.to) {
        tables.push(closure(world, relation, format!("{}_{}_closure", model.entities[of.from].name, of.name)));
    }
    let members = world.members.iter().flat_map(|(audience, members)| {
        members.iter().map(|member| vec![Cell::Text(audience.clone()), whole(*member)])
    });
    tables.push(OpenTable {
        name: "audience_member".into(),
        columns: vec![("audience".into(), "VARCHAR"), ("member_id".into(), "BIGINT")],
        rows: members.collect(),
    });
    tables
}

fn whole(number: usize) -> Cell {
    Cell::Whole(i64::try_from(number).expect("a small world"))
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null | Value::Bytes(_) => Cell::Null,
        Value::Float(float) => Cell::Float(*float),
        Value::Boolean(b) => Cell::Boolean(*b),
        Value::Integer(i) | Value::Timestamp(i) => Cell::Whole(*i),
        Value::Date(days) => Cell::Whole(i64::from(*days)),
        Value::Decimal(number) => Cell::Decimal(number.clone()),
        Value::Text(text) | Value::Json(text) => Cell::Text(text.clone()),
        Value::TextList(list) => whole(list.len()),
    }
}

fn items(world: &World, entity: usize, slot: usize, name: String) -> OpenTable {
    let rows = world.rows[entity].iter().enumerate().flat_map(|(id, row)| match &row[slot] {
        Value::TextList(list) => list.iter().map(|item| vec![whole(id), Cell::Text(item.clone())]).collect(),
        _ => Vec::new(),
    });
    let columns = vec![("id".into(), "BIGINT"), ("item".into(), "VARCHAR")];
    OpenTable { name, columns, rows: rows.collect() }
}

fn closure(world: &World, relation: usize, name: String) -> OpenTable {
    let up = |row: usize| crate::support::naive::stepped(world, Step::Ancestors(relation), row);
    let pairs = (0..world.names[relation].len()).flat_map(|from| up(from).into_iter().map(move |to| (from, to)));
    let rows = pairs.map(|(from, to)| vec![whole(from), whole(to)]).collect();
    OpenTable { name, columns: vec![("from_id".into(), "BIGINT"), ("to_id".into(), "BIGINT")], rows }
}
