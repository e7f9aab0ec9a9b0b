//! Lead ids by address.

use crate::person::email_key;
use crate::request;
use attiva_connector::{Fault, Result};
use marketo_api::{Api, BATCH_MAX, Listed, read};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Ids in ascending order, the oldest lead first, by [`email_key`].
pub(crate) type Leads = BTreeMap<String, BTreeSet<u64>>;

/// Pages of one question at most; Marketo answers 1,000 leads in all, in pages that may be small.
const PAGES_MAX: usize = 50;

/// Asks for any number of addresses; those that nobody has are not in the answer.
pub(crate) fn by_email(api: &Api<'_>, emails: &BTreeSet<&str>) -> Result<Leads> {
    let all: Vec<&str> = emails.iter().copied().collect();
    let mut leads = Leads::new();
    for chunk in all.chunks(BATCH_MAX) {
        ask(api, chunk, &mut leads)?;
    }
    Ok(leads)
}

/// Halves the question where its answer would be too long: addresses that many leads share.
fn ask(api: &Api<'_>, emails: &[&str], leads: &mut Leads) -> Result<()> {
    #[derive(Deserialize)]
    struct Lead {
        id: u64,
        #[serde(default)]
        email: Option<String>,
    }
    let mut token: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let response = match api.attempt(&request::leads_by_email(emails, token.as_deref()))? {
            Ok(response) => response,
            Err(refusal) if refusal.code == "1003" && emails.len() > 1 => {
                let (first, second) = emails.split_at(emails.len() / 2);
                ask(api, first, leads)?;
                return ask(api, second, leads);
            }
            Err(refusal) => return Err(refusal.fault(api.host.now_ms())),
        };
        let page: Listed<Lead> = read(&response)?;
        for lead in page.result {
            if let Some(email) = lead.email {
                leads.entry(email_key(&email)).or_default().insert(lead.id);
            }
        }
        // There is no `moreResult` here: who finds a token goes on.
        match page.next {
            Some(next) => token = Some(next),
            None => return Ok(()),
        }
    }
    Err(Fault::transient("marketo.endless", "Marketo's answer to a question for addresses has no end"))
}
