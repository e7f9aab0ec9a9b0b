//! Who is on the static lists: list by list once, then by the activities that say who came and went. No list can be
//! read by what changed, but every change is an activity.

use crate::activity::Activity;
use crate::chain::{OVERLAP_SECONDS, batch, next_page};
use crate::cursor::{Chain, ListMembersState, ListWalk, VERSION};
use crate::fields::Field;
use crate::reader::Reader;
use crate::request;
use attiva_connector::{ColumnSpec, Cursor, Page, PageBuilder, Result};
use marketo_api::Listed;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Add to List, Remove from List.
const CAME: i64 = 24;
const TYPES: &str = "24,25";

pub(crate) fn fields() -> Vec<Field> {
    [("membershipId", "string"), ("listId", "integer"), ("leadId", "integer"), ("addedAt", "datetime")]
        .map(|(name, kind)| Field::new(name, kind, name))
        .into()
}

pub(crate) fn page(reader: &Reader, cursor: Option<&Cursor>) -> Result<Page> {
    let Some(cursor) = cursor else {
        let now = reader.api.now();
        let chain = Chain::begin(reader, now)?;
        let since_ms = (now - OVERLAP_SECONDS) * 1000;
        let walk = ListWalk { counted: Some(0), ..ListWalk::default() };
        let state = ListMembersState { chain, since_ms, walk: Some(walk) };
        return Ok(Page::moved(Cursor::encode(VERSION, &state)?).estimate("beginning", None, None));
    };
    let mut state: ListMembersState = cursor.decode(VERSION)?;
    match state.walk.take() {
        Some(walk) if walk.counted.is_some() => count_on(reader, state, walk),
        Some(walk) => walk_on(reader, state, walk),
        None => changes(reader, state),
    }
}

/// Counts a page of lists, a call for each 300 of them: reading takes one for each, so what is left of it can be told.
fn count_on(reader: &Reader, mut state: ListMembersState, mut walk: ListWalk) -> Result<Page> {
    let response = reader.api.send(&request::static_lists(batch(reader), walk.lists_token.as_deref()))?;
    let listed: Listed<serde::de::IgnoredAny> = marketo_api::read(&response)?;
    let counted = walk.counted.unwrap_or(0) + listed.result.len() as u64;
    walk.lists_token = listed.next.filter(|next| !next.is_empty());
    walk.counted = walk.lists_token.is_some().then_some(counted);
    walk.total = walk.lists_token.is_none().then_some(counted);
    state.walk = Some(walk);
    let page = Page::moved(Cursor::encode(VERSION, &state)?);
    Ok(page.estimate(format!("counting lists, {counted} so far"), None, None))
}

/// A page of lists, or a page of who is on one.
fn walk_on(reader: &Reader, mut state: ListMembersState, mut walk: ListWalk) -> Result<Page> {
    #[derive(Deserialize)]
    struct Id {
        id: i64,
    }

    let mut rows = builder();
    match walk.lists.first().copied() {
        None => {
            let response = reader.api.send(&request::static_lists(batch(reader), walk.lists_token.as_deref()))?;
            let listed: Listed<Id> = marketo_api::read(&response)?;
            walk.begun = true;
            walk.lists = listed.result.iter().map(|list| list.id).filter(|list| !walk.read.contains(*list)).collect();
            walk.lists_token = listed.next.filter(|next| !next.is_empty());
            walk.several |= walk.lists_token.is_some();
        }
        Some(list) => {
            let request = request::list_members(list, batch(reader), walk.members_token.as_deref());
            walk.members_token = match reader.api.attempt(&request)? {
                Ok(response) => {
                    let listed: Listed<Id> = marketo_api::read(&response)?;
                    walk.members += listed.result.len() as u64;
                    for member in &listed.result {
                        add(&mut rows, list, member.id, state.since_ms, None);
                    }
                    // This family has no moreResult: a page with a token is not the last.
                    listed.next.filter(|next| !next.is_empty())
                }
                // The list is gone meanwhile.
                Err(refusal) if refusal.is_unknown_resource() => None,
                Err(refusal) => return Err(refusal.fault(reader.api.host.now_ms())),
            };
            if walk.members_token.is_none() {
                walk.lists.remove(0);
                walk.done += 1;
                walk.found |= walk.read.add(list);
            }
        }
    }
    let at_end = walk.begun && walk.lists.is_empty() && walk.lists_token.is_none();
    // When a list is deleted meanwhile, others move on to a page that was read already. So the pages are looked through once
    // more, until none has a list that was not read.
    let over = at_end && !(walk.several && walk.found);
    if at_end {
        (walk.begun, walk.several, walk.found) = (false, false, false);
    }
    let (doing, done, total) = walk.told();
    state.walk = (!over).then_some(walk);
    let page = rows.finish(Cursor::encode(VERSION, &state)?)?;
    Ok(page.estimate(doing, done, total))
}

impl ListWalk {
    /// How far it is, for people and as numbers of members. How many are on the lists that are left, Marketo does not say:
    /// as many as on those that were read. Calls of the day bind, and the host knows how many there are.
    fn told(&self) -> (String, Option<u64>, Option<u64>) {
        let Some(total) = self.total else {
            // A walk that another version of this connector began.
            let why = "lists were not counted when this began";
            return (format!("reading lists; when history ends cannot be told: {why}"), Some(self.members), None);
        };
        let doing = format!("reading lists, {} of {total}", self.done);
        if self.done == 0 {
            let why = "no list was read to its end yet";
            return (format!("{doing}; when history ends cannot be told: {why}"), Some(self.members), None);
        }
        // Empty ones are a call each, too.
        let each = self.members.div_ceil(self.done).max(1);
        let left = total.saturating_sub(self.done).saturating_mul(each);
        (doing, Some(self.members), Some(self.members.saturating_add(left)))
    }
}

/// Who came and went; of several changes of one membership in a page, the last counts.
fn changes(reader: &Reader, mut state: ListMembersState) -> Result<Page> {
    let batch = batch(reader);
    let (listed, warning) = next_page(reader, &mut state.chain, |token| request::activities(TYPES, token, batch))?;
    let mut last: BTreeMap<(i64, i64), &Activity> = BTreeMap::new();
    for activity in &listed.result {
        let (Some(list), Some(lead)) = (activity.asset(), activity.lead_id) else { continue };
        let newest = last.entry((list, lead)).or_insert(activity);
        if activity.time() >= newest.time() {
            *newest = activity;
        }
    }
    let mut rows = builder();
    for ((list, lead), activity) in last {
        if activity.activity_type_id == CAME {
            add(&mut rows, list, lead, activity.time(), activity.date());
        } else {
            rows.row(&key(list, lead)).source_time(activity.time()).tombstone();
        }
    }
    let wait_ms = state.chain.wait_ms();
    let mut page = rows.finish(Cursor::encode(VERSION, &state)?)?;
    page.wait_ms = wait_ms;
    page.warnings.extend(warning);
    let page = page.estimate("reading changes", None, None);
    Ok(if listed.has_more() { page } else { page.caught_up() })
}

fn builder() -> PageBuilder {
    let columns: Vec<ColumnSpec> = fields().iter().map(|f| f.column()).collect();
    PageBuilder::new(&columns)
}

fn key(list: i64, lead: i64) -> String {
    format!("{list}-{lead}")
}

fn add(rows: &mut PageBuilder, list: i64, lead: i64, time: i64, added_at: Option<i64>) {
    let key = key(list, lead);
    let mut row = rows.row(&key).source_time(time).full();
    row.text("membershipId", &key).integer("listId", list).integer("leadId", lead);
    if let Some(at) = added_at {
        row.timestamp("addedAt", at);
    }
}

#[cfg(test)]
mod tests;
