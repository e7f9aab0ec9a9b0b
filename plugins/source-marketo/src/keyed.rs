//! Questions by key: what has no list is asked for by the keys that something else names.

use crate::cell;
use crate::fields::{Field, UPDATED_AT};
use crate::instant;
use crate::reader::Reader;
use crate::record::{Record, Records};
use crate::request;
use attiva_connector::{Fault, PageBuilder, Reject, Result};
use marketo_api::Listed;
use marketo_api::Refusal;
use serde::Deserialize;

/// Pages that one question may have. Roles and members may be several for each key, other records one.
const PAGES_MAX: usize = 40;

/// Records that have one of `values` in the field `by`.
pub(crate) struct Question<'a> {
    pub(crate) path: &'a str,
    pub(crate) by: &'a str,
    /// At most [`request::BATCH_MAX`].
    pub(crate) values: &'a [String],
    pub(crate) fields: &'a [&'a str],
}

/// The bodies of the answers: several only if Marketo pages them.
///
/// # Errors
/// What Marketo refuses; `data` `marketo.endless`.
pub(crate) fn ask(reader: &Reader, question: &Question<'_>) -> Result<Vec<Vec<u8>>> {
    try_ask(reader, question)?.map_err(|refusal| refusal.fault(reader.api.host.now_ms()))
}

/// As [`ask`], with Marketo's refusal left to the caller.
pub(crate) fn try_ask(reader: &Reader, question: &Question<'_>) -> Result<Result<Vec<Vec<u8>>, Refusal>> {
    #[derive(Deserialize)]
    struct Any {}

    let Question { path, by, values, fields } = question;
    let mut bodies = Vec::new();
    let mut token: Option<String> = None;
    while bodies.len() < PAGES_MAX {
        let request = request::by_key(path, by, values, fields, token.as_deref());
        let response = match reader.api.attempt(&request)? {
            Ok(response) => response,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // Most of this family has no moreResult: a page with a token is not the last. Members of programs have it, and
        // may have a token on the last page.
        let listed: Listed<Any> = marketo_api::read(&response)?;
        let says_no_more = listed.more == Some(false);
        token = listed.next.filter(|next| !next.is_empty() && !says_no_more);
        bodies.push(response.body);
        if token.is_none() {
            return Ok(Ok(bodies));
        }
    }
    Err(Fault::data("marketo.endless", format!("a question for {} keys has more than {PAGES_MAX} pages", values.len())))
}

/// What a record's key is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    /// Fields whose values, joined by `-`, are it.
    pub(crate) fields: &'a [&'a str],
    /// What stands behind them. Companies and named accounts both become accounts: without it they would collide.
    pub(crate) suffix: &'a str,
}

impl<'a> Key<'a> {
    pub(crate) fn of(fields: &'a [&'a str]) -> Self {
        Self { fields, suffix: "" }
    }

    fn read(self, record: &Record<'_>) -> Option<String> {
        let value = |field: &&str| record.text(field).filter(|value| !value.is_empty());
        let values: Option<Vec<_>> = self.fields.iter().map(value).collect();
        values.map(|values| values.join("-") + self.suffix)
    }
}

/// Makes the records of the answers rows. Answers the keys of all.
pub(crate) fn add_rows(
    reader: &Reader,
    bodies: &[Vec<u8>],
    fields: &[Field],
    key: Key<'_>,
    page: &mut PageBuilder,
) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for body in bodies {
        for record in Records::read(body)?.result {
            let Some(key) = key.read(&record) else {
                page.reject(Reject::new("key-missing", "the record has no key").sample(&record.sample()));
                continue;
            };
            let bytes = record.bytes() + cell::OVERHEAD_BYTES * fields.len() as u64;
            if bytes > reader.limits.max_bytes {
                let message = format!("a record of {bytes} bytes fits no page");
                page.reject(Reject::new("record-too-long", message).key(&key).sample(&record.sample()));
            } else {
                let time = record.text(UPDATED_AT).and_then(|text| instant::parse(&text)).unwrap_or(0);
                record.add_to(page, fields, &key, time);
            }
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Keys that can be asked for: not empty, without a comma, each once, no more than one question takes.
pub(crate) fn askable(keys: &[String]) -> Vec<String> {
    let mut askable: Vec<String> = keys.iter().filter(|key| !key.is_empty() && !key.contains(',')).cloned().collect();
    askable.sort_unstable();
    askable.dedup();
    askable
}
