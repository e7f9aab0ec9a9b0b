//! Persons by id, as the REST interface answers them, made rows.

use crate::cell;
use crate::cursor::Work;
use crate::fields::{Field, ID, UPDATED_AT};
use crate::instant;
use crate::reader::Reader;
use crate::request;
use crate::response::{self, Listed};
use attiva_connector::{Fault, PageBuilder, Reject, Result};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// Most values asked for in one call: with very many fields, fewer persons at once keep an answer small.
const VALUES_MAX: usize = 60_000;
/// Pages that one question by id may have: it has no more persons than one page takes.
const PAGES_MAX: usize = 10;

/// Reads the persons that are first in `work`, as many as the page has room for, and takes from `work` what is done.
/// A person that Marketo does not answer is gone meanwhile: its deletion or merge says so.
pub(crate) fn read(reader: &Reader, fields: &[Field], work: &mut Work, page: &mut PageBuilder) -> Result<()> {
    let room = usize::try_from(reader.limits.max_rows).unwrap_or(usize::MAX).saturating_sub(page.rows());
    let batch = request::BATCH_MAX.min(VALUES_MAX / fields.len().max(1)).min(room).max(1);
    let asked: Vec<(i64, i64)> = work.read.iter().take(batch).copied().collect();
    let bodies = fetch(reader, fields, &asked)?;
    let mut leads: HashMap<i64, Lead> = HashMap::with_capacity(asked.len());
    for body in &bodies {
        let listed: Leads = serde_json::from_slice(body)
            .map_err(|e| Fault::data("marketo.unexpected", format!("a person is not as documented: {e}")))?;
        for lead in listed.result {
            match lead.id() {
                Some(id) => drop(leads.insert(id, lead)),
                None => {
                    page.reject(Reject::new("key-missing", "the record has no id").field(ID).sample(&lead.sample()))
                }
            }
        }
    }
    let mut done = 0;
    for (id, changed_at) in asked {
        if let Some(lead) = leads.get(&id) {
            let bytes = lead.bytes() + cell::OVERHEAD_BYTES * fields.len() as u64;
            if bytes > reader.limits.max_bytes {
                let message = format!("a record of {bytes} bytes fits no page");
                page.reject(Reject::new("record-too-long", message).key(id.to_string()).sample(&lead.sample()));
            } else if page.rows() > 0 && page.bytes() + bytes > reader.limits.max_bytes {
                break;
            } else {
                lead.add_to(page, fields, id, changed_at);
            }
        }
        done += 1;
    }
    work.read.drain(..done);
    Ok(())
}

/// The bodies of the answers to one question: several only if Marketo pages it.
fn fetch(reader: &Reader, fields: &[Field], asked: &[(i64, i64)]) -> Result<Vec<Vec<u8>>> {
    #[derive(Deserialize)]
    struct Any {}

    let ids: Vec<i64> = asked.iter().map(|(id, _)| *id).collect();
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let mut bodies = Vec::new();
    let mut token: Option<String> = None;
    while bodies.len() < PAGES_MAX {
        let response = reader.api.send(&request::leads(&ids, &names, token.as_deref()))?;
        // This family has no moreResult: a page with a token is not the last.
        token = response::read::<Listed<Any>>(&response)?.next.filter(|next| !next.is_empty());
        bodies.push(response.body);
        if token.is_none() {
            return Ok(bodies);
        }
    }
    Err(Fault::data("marketo.endless", format!("a question for {} persons has more than {PAGES_MAX} pages", ids.len())))
}

#[derive(Deserialize)]
struct Leads<'a> {
    #[serde(default, borrow)]
    result: Vec<Lead<'a>>,
}

/// One person: names and values as they stand in the body, so that a number keeps every digit.
struct Lead<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Lead<'a> {
    fn raw(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().find(|(n, _)| n == name)?;
        Some(value.get()).filter(|raw| *raw != "null")
    }

    fn id(&self) -> Option<i64> {
        text(self.raw(ID)?).parse().ok()
    }

    fn bytes(&self) -> u64 {
        self.0.iter().map(|(_, value)| value.get().len() as u64).sum()
    }

    fn add_to(&self, page: &mut PageBuilder, fields: &[Field], id: i64, changed_at: i64) {
        let updated_at = self.raw(UPDATED_AT).and_then(|raw| instant::parse(&text(raw))).unwrap_or(0);
        let mut row = page.row(&id.to_string()).source_time(updated_at.max(changed_at)).full();
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

    fn sample(&self) -> String {
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

impl<'de: 'a, 'a> Deserialize<'de> for Lead<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Lead<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a person's fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Lead<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    pairs.push((name, value));
                }
                Ok(Lead(pairs))
            }
        }

        reader.deserialize_map(Pairs)
    }
}
