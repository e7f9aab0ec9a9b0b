//! Chains of activity pages.
//!
//! Every page of this family carries a token for the next one, the last page too: `moreResult` alone says whether to
//! go on, and a page may be empty although there is more.

use crate::activity::Activity;
use crate::cursor::{Chain, Late};
use crate::reader::Reader;
use crate::request;
use attiva_connector::{Fault, Request, Result, Warning};
use marketo_api::Listed;

/// How many pages in a row may say that there is more, but not where.
const STILL_MAX: u32 = 10;
/// How far before a moment a chain begins that has to hold everything after it: activities appear minutes late.
pub(crate) const OVERLAP_SECONDS: i64 = 600;
/// A chain that has been read to its end goes back for what was filed late as often as this at most, in seconds: a third of
/// its pages more, and a call for the token.
const BACK_SECONDS: i64 = 1800;

impl Chain {
    /// A chain that holds everything from `now` on, in seconds.
    pub(crate) fn begin(reader: &Reader, now: i64) -> Result<Self> {
        Self::from(reader, now - OVERLAP_SECONDS)
    }

    /// A chain that stands at a token, which is of `since`, in seconds.
    pub(crate) fn at(token: String, since: i64) -> Self {
        Self { token, since, still: 0, late: Late::default() }
    }

    /// A chain that holds everything from `since` on, in seconds.
    pub(crate) fn from(reader: &Reader, since: i64) -> Result<Self> {
        Ok(Self::at(token(reader, since)?, since))
    }

    /// A token is a place in the order of what happened, not of what was filed: what comes late, with a date before that of
    /// what was read, is in no later page. So the chain goes back to before the newest date at its first end since it last did.
    fn go_back(&mut self, reader: &Reader, now: i64) -> Result<()> {
        let Some((_, date)) = self.late.end.filter(|(at, _)| now >= at.saturating_add(BACK_SECONDS)) else {
            return Ok(());
        };
        let since = date.saturating_sub(OVERLAP_SECONDS);
        let late = Late { done: date, end: None, ..self.late };
        *self = Self { late, ..Self::from(reader, since)? };
        Ok(())
    }

    /// Notes what a page had, and whether it was the last one.
    fn note(&mut self, listed: &Listed<Activity>, now: i64) {
        let dates = listed.result.iter().filter_map(Activity::date);
        let late = &mut self.late;
        late.newest = dates.map(|ms| ms.div_euclid(1000)).fold(late.newest, i64::max);
        if !listed.has_more() {
            self.since = now - OVERLAP_SECONDS;
            if late.newest > late.done {
                late.end = late.end.or(Some((now, late.newest)));
            }
        }
    }

    /// A page that said nothing is not asked for again at once.
    pub(crate) fn wait_ms(&self) -> Option<u64> {
        (self.still > 0).then(|| u64::from(self.still) * 1000)
    }
}

fn token(reader: &Reader, since: i64) -> Result<String> {
    let response = reader.api.send(&request::paging_token(since))?;
    let listed: Listed<serde::de::IgnoredAny> = marketo_api::read(&response)?;
    listed.next.ok_or_else(|| Fault::data("marketo.unexpected", "Marketo gave no paging token"))
}

/// A chain's next page; the chain then stands behind it.
pub(crate) fn next_page(
    reader: &Reader,
    chain: &mut Chain,
    request: impl Fn(&str) -> Request,
) -> Result<(Listed<Activity>, Option<Warning>)> {
    let now = reader.api.now();
    chain.go_back(reader, now)?;
    let mut warning = None;
    let response = match reader.api.attempt(&request(&chain.token))? {
        Ok(response) => response,
        Err(refusal) if refusal.is_unknown_page() => {
            // Tokens have no documented end. What is read twice because of this does no harm.
            let message = format!(
                "Marketo no longer knew where reading stood ({}); began anew a little earlier",
                refusal.message
            );
            warning = Some(Warning::new("marketo.token-renewed", message));
            chain.token = token(reader, chain.since)?;
            reader.api.send(&request(&chain.token))?
        }
        Err(refusal) => return Err(refusal.fault(reader.api.host.now_ms())),
    };
    let listed: Listed<Activity> = marketo_api::read(&response)?;
    let next = listed.next.clone().filter(|next| !next.is_empty()).unwrap_or_else(|| chain.token.clone());
    let stands_still = listed.has_more() && next == chain.token;
    if stands_still && chain.still >= STILL_MAX {
        return Err(Fault::transient("marketo.stuck", "Marketo keeps saying that there is more, but not where"));
    }
    chain.still = if stands_still { chain.still + 1 } else { 0 };
    chain.token = next;
    chain.note(&listed, now);
    Ok((listed, warning))
}

/// Activities in a page: at most one row comes of each, merges aside.
pub(crate) fn batch(reader: &Reader) -> usize {
    usize::try_from(reader.limits.max_rows).unwrap_or(request::BATCH_MAX).clamp(1, request::BATCH_MAX)
}
