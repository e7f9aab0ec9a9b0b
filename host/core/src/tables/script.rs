//! The tables as SQL: files are named, and views say what follows from them.
//!
//! In files, as in the store, things refer to each other by key: a merge rewrites nothing but what it merged. Which
//! profile a key names is a view's to say. The views are those that segments as SQL are written for: `person`,
//! `_account_id`, `account_parent_closure`, `audience_member`.
//!
//! Only the first part, which names files, is of one engine (DuckDB). The rest keeps to what most read: common table
//! expressions, also recursive, `ROW_NUMBER() OVER`, left joins.

use super::manifest::{Manifest, ManifestTable};
use super::{DECIMAL_DIGITS, DECIMAL_SCALE};
use crate::identity::Identity;
use crate::model::{EntityKind, EntityName, Schema, SchemaEntity};
use crate::value::DataType;
use std::fmt::Write;

/// Keys that sources merged into others are followed so far.
const MERGES_FOLLOWED: usize = 16;

/// A script that opens what a manifest names, run from the manifest's folder.
#[must_use]
pub fn script(manifest: &Manifest, schema: &Schema) -> String {
    let mut text = format!("-- Attiva's open tables: the cut of manifest {}. Run from this folder.\n", manifest.number);
    text.push_str("CREATE SCHEMA IF NOT EXISTS model;\nCREATE SCHEMA IF NOT EXISTS attiva;\n");
    for table in &manifest.tables {
        text.push_str(&files(table));
    }
    for (name, query) in views(schema) {
        let _ = writeln!(text, "CREATE OR REPLACE VIEW {} AS {query};", quoted(&name));
    }
    text
}

/// A view of a table's files. Of none, there is a table without rows.
fn files(table: &ManifestTable) -> String {
    let name = table.name.split_once('.').map_or(quoted(&table.name), |(space, of)| format!("{space}.{}", quoted(of)));
    let columns: Vec<String> =
        table.columns.iter().map(|c| format!("{} {}", quoted(&c.name), kind(c.data_type))).collect();
    let paths: Vec<String> = table.files.iter().map(|file| format!("'{}'", file.path)).collect();
    let query = if paths.is_empty() {
        let nulls: Vec<String> = table
            .columns
            .iter()
            .map(|c| format!("CAST(NULL AS {}) AS {}", kind(c.data_type), quoted(&c.name)))
            .collect();
        format!("SELECT {} WHERE 1 = 0", nulls.join(", "))
    } else {
        format!("SELECT * FROM read_parquet([{}])", paths.join(", "))
    };
    format!("-- {}\nCREATE OR REPLACE VIEW {name} AS {query};\n", columns.join(", "))
}

fn kind(data_type: DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Integer | DataType::Timestamp => "BIGINT".into(),
        DataType::Date => "INTEGER".into(),
        DataType::Decimal => format!("DECIMAL({DECIMAL_DIGITS}, {DECIMAL_SCALE})"),
        DataType::Float => "DOUBLE".into(),
        DataType::Text | DataType::Json | DataType::TextList => "VARCHAR".into(),
        DataType::Bytes => "BLOB".into(),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Views by name, each after those that it stands on.
fn views(schema: &Schema) -> Vec<(String, String)> {
    let mut views = vec![
        // A key may be carried by several records that were kept apart: the record whose own it is comes first, then the oldest.
        (
            "_named".to_owned(),
            "SELECT entity, namespace, value, profile_id FROM (SELECT i.entity, i.namespace, i.value, i.profile_id, \
             ROW_NUMBER() OVER (PARTITION BY i.entity, i.namespace, i.value ORDER BY CASE WHEN i.own THEN 0 ELSE 1 END, \
             i.record_id) AS place FROM attiva.identity i) AS ranked WHERE place = 1"
                .to_owned(),
        ),
        ("_subject_person".to_owned(), subject_person()),
        ("_activity_person".to_owned(), activity_person()),
        ("audience_member".to_owned(), "SELECT audience, member_id, since FROM attiva.audience_member".to_owned()),
    ];
    // Events go to records of persons, so those come first.
    let (events, others): (Vec<_>, Vec<_>) =
        schema.entities.iter().partition(|entity| entity.name == EntityKind::Activity.name());
    for entity in others.into_iter().chain(events) {
        views.extend(of_entity(entity));
    }
    views
}

/// Whom a subject of events is: a key of a record that its source merged away leads where that one went.
fn subject_person() -> String {
    let key = Identity::SOURCE_KEY;
    let last = MERGES_FOLLOWED - 1;
    format!(
        "WITH RECURSIVE way (subject_id, entity, namespace, value, followed) AS (SELECT s.subject_id, s.entity, \
         s.namespace, s.value, 0 FROM attiva.subject s UNION ALL SELECT w.subject_id, w.entity, w.namespace, m.into_key, \
         w.followed + 1 FROM way w JOIN attiva.merged m ON m.entity = w.entity AND m.source_key = w.value WHERE \
         w.namespace = '{key}' AND w.followed < {last}) SELECT subject_id, person_id FROM (SELECT w.subject_id, \
         n.profile_id AS person_id, ROW_NUMBER() OVER (PARTITION BY w.subject_id ORDER BY w.followed) AS place FROM way w \
         JOIN _named n ON n.entity = w.entity AND n.namespace = w.namespace AND n.value = w.value) AS ranked WHERE place = 1"
    )
}

/// Whose an event is: by the firmest of its names that names anybody.
fn activity_person() -> String {
    "SELECT a._id AS activity_id, COALESCE(f.person_id, o.person_id) AS person_id FROM model.activity a LEFT JOIN \
     _subject_person f ON f.subject_id = a._subject_id LEFT JOIN (SELECT activity_id, person_id FROM (SELECT \
     s.activity_id, p.person_id, ROW_NUMBER() OVER (PARTITION BY s.activity_id ORDER BY s.rank) AS place FROM \
     attiva.activity_subject s JOIN _subject_person p ON p.subject_id = s.subject_id) AS ranked WHERE place = 1) AS o ON \
     o.activity_id = a._id WHERE COALESCE(f.person_id, o.person_id) IS NOT NULL"
        .to_owned()
}

/// The view of an entity, those of its lists, and those of relations to itself.
fn of_entity(entity: &SchemaEntity) -> Vec<(String, String)> {
    let name = &entity.name;
    let lists = entity.fields.iter().filter(|field| field.data_type == DataType::TextList);
    let lists = lists.map(|field| {
        let name = format!("{name}_{}", field.name);
        let query = format!("SELECT id, item FROM model.{}", quoted(&name));
        (name, query)
    });
    let closures = entity.relations.iter().filter(|relation| relation.to == *name);
    let closures =
        closures.map(|relation| (format!("{name}_{}_closure", relation.name), closure(name, &relation.name)));
    let of_entity = match EntityName::parse(name).and_then(|name| name.kind()) {
        Some(EntityKind::PersonComponent) => components(entity),
        Some(EntityKind::Activity) => activities(entity),
        _ => {
            let named = named(entity, "p", &[]);
            format!("SELECT p.*{} FROM model.{} p{}", named.columns, quoted(name), named.joins)
        }
    };
    std::iter::once((name.clone(), of_entity)).chain(lists).chain(closures).collect()
}

/// What the keys of a row name.
struct Named {
    columns: String,
    joins: String,
}

/// `but`: relations that are found by other ways.
fn named(entity: &SchemaEntity, alias: &str, but: &[&str]) -> Named {
    let mut named = Named { columns: String::new(), joins: String::new() };
    let relations = entity.relations.iter().filter(|relation| !but.contains(&relation.name.as_str()));
    for (place, relation) in relations.enumerate() {
        let (n, field) = (format!("n{place}"), quoted(&relation.field));
        let _ = write!(named.columns, ", {n}.profile_id AS {}", quoted(&format!("_{}_id", relation.name)));
        let _ = write!(
            named.joins,
            " LEFT JOIN _named {n} ON {n}.entity = '{}' AND {n}.namespace = '{}' AND {n}.value = {alias}.{field}",
            relation.to,
            Identity::SOURCE_KEY
        );
    }
    named
}

/// Records of persons, and one more for each person who was matched to an account: its number is the person's, below 0.
fn components(entity: &SchemaEntity) -> String {
    let named = named(entity, "c", &["person"]);
    let fields: Vec<String> = entity.fields.iter().map(|field| quoted(&field.name)).collect();
    let matched = entity.fields.iter().map(|field| match field.name.as_str() {
        "source_person_key" => "r.source_person_key".to_owned(),
        "source_account_key" => "p.matched_account_key".to_owned(),
        "is_matched" => "(1 = 1)".to_owned(),
        _ => format!("CAST(NULL AS {})", kind(field.data_type)),
    });
    let matched: Vec<String> = matched.collect();
    let of_records: Vec<String> = fields.iter().map(|field| format!("c.{field}")).collect();
    format!(
        "SELECT c._id, c._person_id, {}{} FROM model.person_component c{} UNION ALL SELECT -p._id, p._id, {}, \
         m.profile_id FROM model.person p JOIN _named m ON m.entity = 'account' AND m.namespace = '{}' AND m.value = \
         p.matched_account_key LEFT JOIN (SELECT _person_id, MIN(_id) AS first_id FROM model.person_component GROUP BY \
         _person_id) AS f ON f._person_id = p._id LEFT JOIN model.person_component r ON r._id = f.first_id",
        of_records.join(", "),
        named.columns,
        named.joins,
        matched.join(", "),
        Identity::SOURCE_KEY
    )
}

/// Events of somebody; each goes to the record that its key names, too.
fn activities(entity: &SchemaEntity) -> String {
    let named = named(entity, "a", &["person"]);
    format!(
        "SELECT a.*, w.person_id AS _person_id, c._id AS _component_id{} FROM model.activity a JOIN _activity_person w ON \
         w.activity_id = a._id LEFT JOIN model.person_component c ON c.source_person_key = a.person_key{}",
        named.columns, named.joins
    )
}

/// All pairs from a record to what it reaches by going on, each once, and never a record with itself.
fn closure(entity: &str, relation: &str) -> String {
    let (table, to) = (quoted(entity), quoted(&format!("_{relation}_id")));
    format!(
        "WITH RECURSIVE way (from_id, to_id) AS (SELECT e._id, e.{to} FROM {table} e WHERE e.{to} IS NOT NULL UNION SELECT \
         w.from_id, e.{to} FROM way w JOIN {table} e ON e._id = w.to_id WHERE e.{to} IS NOT NULL) SELECT from_id, to_id \
         FROM way WHERE from_id <> to_id"
    )
}

#[cfg(test)]
mod tests {
    use super::super::{FORMAT, TableCut, TableFile, tables};
    use super::*;
    use crate::model::custom::Custom;

    fn text() -> String {
        let schema = Schema::new(&Custom::default()).unwrap();
        let file = |table: &str| TableFile {
            path: format!("data/{table}/0-aa.parquet"),
            part: 0,
            rows: 1,
            bytes: 1,
            sha256: "aa".into(),
            left_out: 0,
        };
        let table = |name: String, columns| {
            let files = if name == "model.person" { vec![file(&name)] } else { vec![] };
            ManifestTable { name, columns, files }
        };
        let manifest = Manifest {
            format: FORMAT,
            number: 7,
            taken_at: 0,
            cut: TableCut::default(),
            model_version: 1,
            custom_model_version: 0,
            tables: tables(&schema).into_iter().map(|of| table(of.name, of.columns)).collect(),
            stamps: Default::default(),
            audiences: Default::default(),
        };
        script(&manifest, &schema)
    }

    #[test]
    fn every_table_and_every_entity_has_a_view() {
        let text = text();
        let schema = Schema::new(&Custom::default()).unwrap();
        for table in tables(&schema) {
            let (space, name) = table.name.split_once('.').unwrap();
            assert!(text.contains(&format!("VIEW {space}.\"{name}\" AS")), "{}", table.name);
        }
        for entity in &schema.entities {
            assert!(text.contains(&format!("VIEW \"{}\" AS", entity.name)), "{}", entity.name);
        }
        assert!(text.contains("read_parquet(['data/model.person/0-aa.parquet'])"));
        assert!(text.contains("VIEW \"account_parent_closure\" AS"));
    }

    /// A relation that a statement asks for is a column, by the name that it is asked for by.
    #[test]
    fn every_relation_is_a_column() {
        let text = text();
        let schema = Schema::new(&Custom::default()).unwrap();
        for entity in &schema.entities {
            let view = format!("VIEW \"{}\" AS", entity.name);
            let line = text.lines().find(|line| line.contains(&view)).unwrap();
            for relation in &entity.relations {
                let column = format!("_{}_id", relation.name);
                assert!(line.contains(&column), "{}: {column}", entity.name);
            }
        }
        assert!(text.contains("_component_id"));
    }
}
