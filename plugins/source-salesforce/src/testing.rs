//! Helpers of the tests: an object, pages shown as text, and a read loop.

use crate::fields::{Described, Field};
use crate::{Config, SourceSalesforce};
use attiva_connector::testing::FakeHost;
use attiva_connector::{
    BytesArray, Column, ColumnValues, Cursor, Limits, Page, ReadRequest, Result, RowKind, Source, parse_config,
};
use serde_json::{Value, json};

/// 2026-01-01T00:00:00Z, where the test host's clock stands.
pub(crate) const NOW: i64 = 1_767_225_600;

pub(crate) fn limits() -> Limits {
    Limits { max_rows: 1000, max_bytes: 4 * 1024 * 1024 }
}

pub(crate) fn config(more: Value) -> Config {
    let mut config = json!({"my_domain": "acme", "client_id": "c"});
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    parse_config(&config.to_string()).unwrap()
}

/// The fields of the contacts that tests read.
const CONTACT: [(&str, &str); 6] = [
    ("Id", "id"),
    ("IsDeleted", "boolean"),
    ("MasterRecordId", "reference"),
    ("Email", "email"),
    ("Score__c", "double"),
    ("SystemModstamp", "datetime"),
];

pub(crate) fn contact() -> Described {
    Described {
        name: "Contact".into(),
        label: "Contact".into(),
        stamp: "SystemModstamp".into(),
        deletes: true,
        merges: true,
        fields: CONTACT.iter().map(|(name, kind)| Field::new(name, kind)).collect(),
    }
}

pub(crate) fn describe_path(object: &str) -> String {
    format!("/services/data/v68.0/sobjects/{object}/describe")
}

/// The description of the test's contacts, or of another object alike.
pub(crate) fn description() -> Value {
    let field = |(name, kind): &(&str, &str)| json!({"name": name, "type": kind, "label": name});
    json!({"label": "Contact", "fields": CONTACT.iter().map(field).collect::<Vec<_>>()})
}

/// Scripts an object's description.
pub(crate) fn described(fake: &FakeHost, object: &str) {
    fake.on("GET", "api", &describe_path(object)).always().json(200, &description());
}

pub(crate) fn read(fake: &FakeHost, config: &Config, cursor: Option<Cursor>) -> Result<Page> {
    read_some(fake, config, cursor, limits())
}

pub(crate) fn read_some(fake: &FakeHost, config: &Config, cursor: Option<Cursor>, limits: Limits) -> Result<Page> {
    let request = ReadRequest { stream: "Contact".into(), fields: Vec::new(), cursor, keys: Vec::new(), limits };
    SourceSalesforce::read(fake, config, &request)
}

pub(crate) fn refused(code: &str, message: &str) -> Value {
    json!([{"message": message, "errorCode": code}])
}

/// Each row as `kind key name=value ...`; null columns are left out.
pub(crate) fn shown(page: &Page) -> Vec<String> {
    let row = |i: usize| {
        let mut text = match page.kinds[i] {
            RowKind::Full => format!("full {}", var(&page.keys, i)),
            RowKind::Patch => format!("patch {}", var(&page.keys, i)),
            RowKind::Tombstone => return format!("tombstone {}", var(&page.keys, i)),
            RowKind::Merge => {
                let merge = page.merges.iter().find(|m| m.row as usize == i).unwrap();
                return format!("merge {} into {}", var(&page.keys, i), merge.into_key);
            }
        };
        for column in page.columns.iter().filter(|column| bit(column.validity.as_deref(), i)) {
            text.push_str(&format!(" {}={}", column.name, value(column, i)));
        }
        text
    };
    (0..page.rows as usize).map(row).collect()
}

/// The keys of a page's rows.
pub(crate) fn keys(page: &Page) -> Vec<String> {
    (0..page.rows as usize).map(|i| var(&page.keys, i)).collect()
}

/// Each reject as `code key field`.
pub(crate) fn rejects(page: &Page) -> Vec<String> {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    page.rejects.iter().map(|r| format!("{} {} {}", r.code, or(&r.key), or(&r.field))).collect()
}

pub(crate) fn warnings(page: &Page) -> Vec<&str> {
    page.warnings.iter().map(|w| w.code.as_str()).collect()
}

fn bit(bits: Option<&[u8]>, i: usize) -> bool {
    bits.is_none_or(|bits| bits[i / 8] & (1 << (i % 8)) != 0)
}

fn var(array: &BytesArray, i: usize) -> String {
    let bytes = &array.bytes[array.offsets[i] as usize..array.offsets[i + 1] as usize];
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn value(column: &Column, i: usize) -> String {
    match &column.values {
        ColumnValues::Boolean(bits) => bit(Some(bits), i).to_string(),
        ColumnValues::Integer(v) | ColumnValues::Timestamp(v) => v[i].to_string(),
        ColumnValues::Float(v) => v[i].to_string(),
        ColumnValues::Date(v) => v[i].to_string(),
        ColumnValues::Decimal(v) | ColumnValues::Text(v) | ColumnValues::Bytes(v) | ColumnValues::Json(v) => var(v, i),
        ColumnValues::TextList(_) => unreachable!("no field of the test's is a list"),
    }
}
