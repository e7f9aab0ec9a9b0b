//! A record as the REST interface answers it, made a row.

use crate::cell;
use crate::fields::Field;
use attiva_connector::{Fault, PageBuilder, Reject, Result};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

#[derive(Deserialize)]
pub(crate) struct Records<'a> {
    #[serde(default, borrow)]
    pub(crate) result: Vec<Record<'a>>,
}

impl<'a> Records<'a> {
    /// # Errors
    /// `data` `marketo.unexpected`.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self> {
        serde_json::from_slice(body)
            .map_err(|e| Fault::data("marketo.unexpected", format!("a record is not as documented: {e}")))
    }
}

/// One record: names and values as they stand in the body, so that a number keeps every digit.
pub(crate) struct Record<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Record<'a> {
    fn raw(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().find(|(n, _)| n == name)?;
        Some(value.get()).filter(|raw| *raw != "null")
    }

    /// A value as text, if there is one.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).map(text)
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.iter().map(|(_, value)| value.get().len() as u64).sum()
    }

    /// A full row of this record. `time` is in milliseconds; 0: not known.
    pub(crate) fn add_to(&self, page: &mut PageBuilder, fields: &[Field], key: &str, time: i64) {
        let mut row = page.row(key).source_time(time).full();
        for (index, field) in fields.iter().enumerate() {
            let Some(raw) = self.raw(&field.name) else { continue };
            let text = text(raw);
            let set = if text.len() > cell::BYTES_MAX {
                Err(cell::too_long(text.len()).field(field.name.as_str()))
            } else {
                cell::set(&mut row, index, field, field.data_type(), &text).map_err(Reject::from)
            };
            if let Err(reject) = set {
                row.reject(reject.sample(&self.sample()));
                return;
            }
        }
    }

    pub(crate) fn sample(&self) -> String {
        let mut sample = String::from("{");
        for (name, value) in &self.0 {
            let value: String = value.get().chars().take(200).collect();
            sample.push_str(&format!("\"{name}\":{value},"));
        }
        sample.push('}');
        sample
    }
}

/// A JSON text's content; any other value as it is written.
fn text(raw: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    match serde_json::from_str::<Text>(raw) {
        Ok(Text(text)) => text,
        Err(_) => Cow::Borrowed(raw),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Record<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Record<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a record's fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Record<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    pairs.push((name, value));
                }
                Ok(Record(pairs))
            }
        }

        reader.deserialize_map(Pairs)
    }
}
