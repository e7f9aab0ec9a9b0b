//! Helpers of the tests: pages shown as text, and a read loop with a fixed configuration.

use crate::cursor::VERSION;
use crate::description::Description;
use crate::{Config, SourceMarketo};
use attiva_connector::testing::FakeHost;
use attiva_connector::{
    BytesArray, Column, ColumnValues, Cursor, Limits, Page, ReadRequest, Result, RowKind, Source, parse_config,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) const LIMITS: Limits = Limits { max_rows: 1000, max_bytes: 4 * 1024 * 1024 };

/// 2026-01-01T00:00:00Z, where the test host's clock stands.
pub(crate) const NOW: i64 = 1_767_225_600;

pub(crate) fn granted(result: Value) -> Value {
    json!({"requestId": "r", "success": true, "result": result})
}

pub(crate) fn refused(code: &str, message: &str) -> Value {
    json!({"requestId": "r", "success": false, "errors": [{"code": code, "message": message}]})
}

pub(crate) fn config(more: Value) -> Config {
    let mut config =
        json!({"munchkin_id": "123-ABC-456", "client_id": "c", "start_date": "2025-12-20", "poll_seconds": 5});
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    parse_config(&config.to_string()).unwrap()
}

/// Scripts the description of a few fields.
pub(crate) fn describe(fake: &FakeHost) {
    let field = |name: &str, kind: &str| json!({"displayName": name, "dataType": kind, "rest": {"name": name}});
    let fields = json!([
        field("id", "integer"),
        field("createdAt", "datetime"),
        field("updatedAt", "datetime"),
        field("email", "email"),
        field("leadScore", "score"),
        field("annualRevenue", "currency"),
        field("unsubscribed", "boolean"),
        field("notes", "text"),
    ]);
    fake.on("GET", "api", "/rest/v1/leads/describe.json").always().json(200, &granted(fields));
}

pub(crate) fn read(fake: &FakeHost, config: &Config, cursor: Option<Cursor>, limits: Limits) -> Result<Page> {
    let request = ReadRequest { stream: "persons".into(), fields: Vec::new(), cursor, keys: Vec::new(), limits };
    SourceMarketo::read(fake, config, &request)
}

/// The state in a cursor.
pub(crate) fn kept<T: DeserializeOwned>(cursor: &Cursor) -> T {
    Description::take(Some(cursor)).0.unwrap().decode(VERSION).unwrap()
}

/// A page of a stream, with the keys that the host gives.
pub(crate) fn read_stream(
    fake: &FakeHost,
    config: &Config,
    stream: &str,
    cursor: Option<Cursor>,
    keys: &[&str],
) -> Result<Page> {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    let request = ReadRequest { stream: stream.into(), fields: Vec::new(), cursor, keys, limits: LIMITS };
    SourceMarketo::read(fake, config, &request)
}

/// A page of activities with the token of the next.
pub(crate) fn activity_page(fake: &FakeHost, activities: Value, token: &str, more: bool) {
    let mut page = granted(activities);
    page["nextPageToken"] = token.into();
    page["moreResult"] = more.into();
    fake.on("GET", "api", "/rest/v1/activities.json").json(200, &page);
}

/// Scripts a paging token.
pub(crate) fn token(fake: &FakeHost, token: &str) {
    let page = json!({"requestId": "r", "success": true, "nextPageToken": token});
    fake.on("GET", "api", "/rest/v1/activities/pagingtoken.json").json(200, &page);
}

/// Scripts the description of an object: its fields by name and type.
pub(crate) fn describe_object(fake: &FakeHost, object: &str, fields: &[(&str, &str)]) {
    let fields: Vec<Value> =
        fields.iter().map(|(name, kind)| json!({"name": name, "displayName": name, "dataType": kind})).collect();
    let path = format!("/rest/v1/{object}/describe.json");
    fake.on("GET", "api", &path).always().json(200, &granted(json!([{"name": object, "fields": fields}])));
}

/// Each row as `kind key name=value ...`; null and absent columns are left out.
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
        for column in &page.columns {
            if bit(column.validity.as_deref(), i) {
                text.push_str(&format!(" {}={}", column.name, value(column, i)));
            }
        }
        text
    };
    (0..page.rows as usize).map(row).collect()
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
        ColumnValues::TextList(_) => unreachable!("no field is a list"),
    }
}
