//! One record, made a row, a tombstone, a merge or a reject.

use crate::cell;
use crate::fields::{Described, Field, ID, IS_DELETED, MASTER};
use crate::instant;
use attiva_connector::{DataType, Limits, PageBuilder, Reject};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// What a reject costs beside its sample.
const REJECT_BYTES: u64 = 256;
/// Most bytes of a reject's sample.
const SAMPLE_BYTES_MAX: usize = 4096;

/// The rows of a page, and what was not made a row.
pub(crate) struct Rows<'f> {
    fields: &'f [&'f Field],
    types: Vec<DataType>,
    id: Option<usize>,
    stamp: Option<usize>,
    deleted: Option<usize>,
    master: Option<usize>,
    page: PageBuilder,
    /// Rows and rejects.
    records: u64,
    reject_bytes: u64,
}

/// A record's values, in the order of the fields; `None`: no value.
pub(crate) type Values<'v> = [Option<Cow<'v, str>>];

impl<'f> Rows<'f> {
    pub(crate) fn new(object: &Described, fields: &'f [&'f Field]) -> Self {
        let columns: Vec<_> = fields.iter().map(|field| field.column()).collect();
        let place = |name: &str| fields.iter().position(|field| field.name == name);
        Self {
            fields,
            types: fields.iter().map(|field| field.data_type()).collect(),
            id: place(ID),
            stamp: place(&object.stamp),
            deleted: place(IS_DELETED),
            master: place(MASTER),
            page: PageBuilder::new(&columns),
            records: 0,
            reject_bytes: 0,
        }
    }

    /// The page, and how many records it took.
    pub(crate) fn into_page(self) -> (PageBuilder, u64) {
        (self.page, self.records)
    }

    /// Whether a record of so many bytes has to wait for the next page.
    pub(crate) fn is_full(&self, record_bytes: usize, limits: &Limits) -> bool {
        let bytes = self.page.bytes() + self.reject_bytes + self.row_bytes(record_bytes);
        self.records >= u64::from(limits.max_rows) || (self.records > 0 && bytes > limits.max_bytes)
    }

    fn row_bytes(&self, record_bytes: usize) -> u64 {
        record_bytes as u64 + cell::OVERHEAD_BYTES * self.fields.len() as u64
    }

    /// Takes a record. Answers its time and id, where it has both.
    pub(crate) fn take(&mut self, values: &Values<'_>, bytes: usize, limits: &Limits) -> Option<(i64, String)> {
        self.records += 1;
        let value = |place: Option<usize>| place.and_then(|i| values.get(i)?.as_deref()).unwrap_or_default();
        let id = instant::long_id(value(self.id));
        let stamp = instant::parse(value(self.stamp));
        let (deleted, master) =
            (value(self.deleted).eq_ignore_ascii_case("true"), instant::long_id(value(self.master)));
        if self.row_bytes(bytes) > limits.max_bytes {
            let reject = Reject::new("record-too-long", format!("a record of {bytes} bytes fits no page"));
            self.reject(if id.is_empty() { reject } else { reject.key(id.as_str()) }, values);
        } else if id.is_empty() {
            self.reject(Reject::new("key-missing", "the record has no id").field(ID), values);
        } else {
            let row = self.page.row(&id).source_time(stamp.unwrap_or(0));
            match (deleted, master.is_empty()) {
                (true, false) => row.merge_into(&master),
                (true, true) => row.tombstone(),
                (false, _) => {
                    let mut row = row.full();
                    let set = |(i, value): (usize, &Option<Cow<'_, str>>)| {
                        let (field, data_type) = (self.fields.get(i)?, self.types.get(i)?);
                        cell::set(&mut row, i, field, *data_type, value.as_deref()?).err()
                    };
                    if let Some(problem) = values.iter().enumerate().find_map(set) {
                        let sample = sample(values);
                        self.reject_bytes += REJECT_BYTES + sample.len() as u64;
                        row.reject(Reject::from(problem).sample(&sample));
                    }
                }
            }
        }
        stamp.filter(|_| !id.is_empty()).map(|stamp| (stamp, id))
    }

    /// Takes a record that is no row.
    fn reject(&mut self, reject: Reject, values: &Values<'_>) {
        let sample = sample(values);
        self.reject_bytes += REJECT_BYTES + sample.len() as u64;
        self.page.reject(reject.sample(&sample));
    }
}

/// The beginning of a record, as a line.
fn sample(values: &Values<'_>) -> String {
    let mut sample = String::new();
    for value in values.iter().map(|value| value.as_deref().unwrap_or_default()) {
        if sample.len() >= SAMPLE_BYTES_MAX {
            break;
        }
        sample.push_str(value);
        sample.push(',');
    }
    sample
}

/// A record of a JSON answer, as values in the order of the fields.
pub(crate) fn values_of<'v>(record: &'v Map<String, Value>, fields: &[&Field]) -> Vec<Option<Cow<'v, str>>> {
    let text = |value: &'v Value| match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text.as_str())),
        other => Some(Cow::Owned(other.to_string())),
    };
    fields.iter().map(|field| record.get(&field.name).and_then(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{contact, limits, rejects, shown};
    use attiva_connector::Cursor;
    use serde_json::json;

    fn page(records: Value) -> (Vec<String>, Vec<String>, Vec<Option<(i64, String)>>) {
        let object = contact();
        let fields: Vec<&Field> = object.fields.iter().collect();
        let mut rows = Rows::new(&object, &fields);
        let mut places = Vec::new();
        for record in records.as_array().unwrap() {
            let record = record.as_object().unwrap();
            places.push(rows.take(&values_of(record, &fields), 10, &limits()));
        }
        let page = rows.into_page().0.finish(Cursor { state_version: 1, bytes: Vec::new() }).unwrap();
        (shown(&page), rejects(&page), places)
    }

    #[test]
    fn live_deleted_and_merged() {
        let at = "1970-01-01T00:00:01.000+0000";
        let (rows, rejects, places) = page(json!([
            {"Id": "003D000000QV9n2", "Email": "a@x.example", "IsDeleted": false, "MasterRecordId": null, "SystemModstamp": at},
            {"Id": "003000000000002AAA", "Email": "b@x.example", "IsDeleted": true, "MasterRecordId": null, "SystemModstamp": at},
            {"Id": "003000000000003AAA", "IsDeleted": true, "MasterRecordId": "003D000000QV9n2", "SystemModstamp": at},
            {"Email": "nobody@x.example", "SystemModstamp": at},
            {"Id": "003000000000004AAA", "IsDeleted": false, "Score__c": "many", "SystemModstamp": at},
        ]));
        assert_eq!(
            rows,
            [
                "full 003D000000QV9n2IAD Id=003D000000QV9n2IAD IsDeleted=false Email=a@x.example SystemModstamp=1000",
                "tombstone 003000000000002AAA",
                "merge 003000000000003AAA into 003D000000QV9n2IAD",
            ]
        );
        assert_eq!(rejects, ["key-missing - Id", "value-invalid 003000000000004AAA Score__c"]);
        assert_eq!(places[0], Some((1_000, "003D000000QV9n2IAD".into())));
        assert_eq!(places[3], None);
    }
}
