//! Persons by id, as the REST interface answers them, made rows.

use crate::cell;
use crate::cursor::Work;
use crate::fields::{Field, ID, UPDATED_AT};
use crate::instant;
use crate::keyed::{self, Question};
use crate::reader::Reader;
use crate::record::{Record, Records};
use crate::request;
use attiva_connector::{PageBuilder, Reject, Result};
use std::collections::HashMap;

/// Most values asked for in one call: with very many fields, fewer persons at once keep an answer small.
const VALUES_MAX: usize = 60_000;
/// Reads the persons that are first in `work`, as many as the page has room for, and takes from `work` what is done.
/// A person that Marketo does not answer is gone meanwhile: its deletion or merge says so.
pub(crate) fn read(reader: &Reader, fields: &[Field], work: &mut Work, page: &mut PageBuilder) -> Result<()> {
    let room = usize::try_from(reader.limits.max_rows).unwrap_or(usize::MAX).saturating_sub(page.rows());
    let batch = request::BATCH_MAX.min(VALUES_MAX / fields.len().max(1)).min(room).max(1);
    let asked: Vec<(i64, i64)> = work.read.iter().take(batch).copied().collect();
    let ids: Vec<String> = asked.iter().map(|(id, _)| id.to_string()).collect();
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let question = Question { path: "/rest/v1/leads.json", by: "id", values: &ids, fields: &names };
    let bodies = keyed::ask(reader, &question)?;
    let mut leads: HashMap<i64, Record> = HashMap::with_capacity(asked.len());
    for body in &bodies {
        for lead in Records::read(body)?.result {
            match lead.integer(ID) {
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
                let updated_at = lead.text(UPDATED_AT).and_then(|text| instant::parse(&text)).unwrap_or(0);
                lead.add_to(page, fields, &id.to_string(), updated_at.max(changed_at));
            }
        }
        done += 1;
    }
    work.read.drain(..done);
    Ok(())
}
