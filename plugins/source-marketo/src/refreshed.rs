//! What can only be listed, or only by when it changed: static lists, programs and named accounts. It is read anew when
//! enough time has passed; in between a run costs no call.

use crate::chain::{OVERLAP_SECONDS, batch};
use crate::cursor::{Place, RefreshState, VERSION};
use crate::fields::{Field, UPDATED_AT};
use crate::keyed::{self, Key};
use crate::reader::Reader;
use crate::request;
use attiva_connector::{ColumnSpec, Cursor, Fault, Page, PageBuilder, Result};
use marketo_api::Listed;
use serde::Deserialize;

/// What the lead database calls named accounts.
pub(crate) const ACCOUNTS: &str = "namedaccounts";
/// Programs in one answer: Marketo gives no more.
const PROGRAMS_MAX: i64 = 200;
/// Time before a list that moved twice is read once more.
const MOVES_WAIT_MS: u64 = 10_000;

/// What is read so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refreshed {
    StaticLists,
    Programs,
    NamedAccounts,
}

impl Refreshed {
    /// The columns, where they are always the same.
    pub(crate) fn fields(self) -> Vec<Field> {
        const LISTS: &[(&str, &str)] = &[
            ("id", "integer"),
            ("name", "string"),
            ("description", "string"),
            ("programName", "string"),
            ("workspaceName", "string"),
            ("createdAt", "datetime"),
            ("updatedAt", "datetime"),
        ];
        const PROGRAMS: &[(&str, &str)] = &[
            ("id", "integer"),
            ("name", "string"),
            ("description", "string"),
            ("type", "string"),
            ("channel", "string"),
            ("status", "string"),
            ("workspace", "string"),
            ("folder", "array"),
            ("url", "string"),
            ("headStart", "boolean"),
            ("sfdcId", "string"),
            ("sfdcName", "string"),
            ("startDate", "datetime"),
            ("endDate", "datetime"),
            ("createdAt", "datetime"),
            ("updatedAt", "datetime"),
        ];
        let fields = match self {
            Self::StaticLists => LISTS,
            Self::Programs => PROGRAMS,
            Self::NamedAccounts => &[],
        };
        fields.iter().map(|(name, kind)| Field::new(name, kind, name)).collect()
    }

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::StaticLists | Self::Programs => "id",
            Self::NamedAccounts => "marketoGUID",
        }
    }
}

pub(crate) fn page(reader: &Reader, of: Refreshed, cursor: Option<&Cursor>) -> Result<Page> {
    let mut state: RefreshState = cursor.map(|cursor| cursor.decode(VERSION)).transpose()?.unwrap_or_default();
    let now = reader.api.now();
    let mut place = match state.at.take() {
        Some(place) => place,
        None if state.ended.is_some_and(|ended| now < ended + i64::from(reader.config.refresh_minutes) * 60) => {
            return Ok(Page::moved(Cursor::encode(VERSION, &state)?).caught_up());
        }
        None => {
            // Programs can be asked for by when they changed. What changes while they are read comes the next time.
            let since = state.began.filter(|_| of == Refreshed::Programs).map(|began| began - OVERLAP_SECONDS);
            state.began = Some(now);
            if of == Refreshed::Programs {
                // It was another question that found it.
                state.found = None;
            }
            Place { since, ..Place::default() }
        }
    };
    let fields = match of {
        Refreshed::NamedAccounts => {
            let described = reader.fields_of(ACCOUNTS)?;
            reader.chosen(described, &[of.key(), UPDATED_AT])
        }
        _ => reader.chosen(of.fields(), &[of.key(), UPDATED_AT]),
    };
    let columns: Vec<ColumnSpec> = fields.iter().map(Field::column).collect();
    let mut rows = PageBuilder::new(&columns);
    let over = match of {
        Refreshed::StaticLists => static_lists(reader, &fields, &mut place, &mut rows)?,
        Refreshed::Programs => programs(reader, &fields, &mut place, &mut rows)?,
        Refreshed::NamedAccounts => named_accounts(reader, &fields, &mut place, &mut rows)?,
    };
    let passes = place.passes;
    state.at = if over { again(&mut state, &place) } else { Some(place) };
    let over = state.at.is_none();
    if over {
        state.ended = Some(now);
    }
    let begins = state.at.as_ref().is_some_and(|next| next.passes > passes);
    let doing = if passes > 0 || begins { "reading once more: the list may have moved" } else { "reading" };
    let mut page = rows.finish(Cursor::encode(VERSION, &state)?)?.estimate(doing, None, None);
    page.wait_ms = (begins && passes > 0).then_some(MOVES_WAIT_MS);
    Ok(if over { page.caught_up() } else { page })
}

/// Where another pass begins, if one is needed. When something is deleted while a list is read, what stands behind it moves
/// on to a page that was read already, and is missed. So a list of several pages is read until two passes found the same:
/// what was deleted in the first would be missing in the second.
fn again(state: &mut RefreshState, place: &Place) -> Option<Place> {
    let same = state.found.replace(place.found) == Some(place.found);
    let next = Place { since: place.since, passes: place.passes + 1, ..Place::default() };
    (place.several && !same).then_some(next)
}

fn static_lists(reader: &Reader, fields: &[Field], place: &mut Place, rows: &mut PageBuilder) -> Result<bool> {
    let response = reader.api.send(&request::static_lists(batch(reader), place.token.as_deref()))?;
    follow(place, &response.body)?;
    let keys = keyed::add_rows(reader, &[response.body], fields, Key::of(&["id"]), rows)?;
    keys.iter().for_each(|key| place.found.add(key));
    Ok(place.token.is_none())
}

/// Offsets count programs, whatever number of them an answer holds; the end is an answer with none.
fn programs(reader: &Reader, fields: &[Field], place: &mut Place, rows: &mut PageBuilder) -> Result<bool> {
    let count = PROGRAMS_MAX.min(i64::from(reader.limits.max_rows)).max(1);
    let response = reader.api.send(&request::programs(place.offset, count, place.since))?;
    let listed: Listed<serde::de::IgnoredAny> = marketo_api::read(&response)?;
    let keys = keyed::add_rows(reader, &[response.body], fields, Key::of(&["id"]), rows)?;
    keys.iter().for_each(|key| place.found.add(key));
    place.several |= place.offset > 0 && !listed.result.is_empty();
    place.offset += i64::try_from(listed.result.len()).unwrap_or(count);
    Ok(listed.result.is_empty())
}

/// List by list of those that the configuration names; `offset` is the list's place among them.
fn named_accounts(reader: &Reader, fields: &[Field], place: &mut Place, rows: &mut PageBuilder) -> Result<bool> {
    #[derive(Deserialize)]
    struct List {
        #[serde(rename = "marketoGUID")]
        guid: String,
    }

    let index = usize::try_from(place.offset).unwrap_or(usize::MAX);
    let Some(name) = reader.config.named_account_lists.get(index) else { return Ok(true) };
    let response = reader.api.send(&request::account_lists(std::slice::from_ref(name)))?;
    let listed: Listed<List> = marketo_api::read(&response)?;
    let Some(list) = listed.result.first() else {
        return Err(Fault::config(
            "marketo.account-list-unknown",
            format!("there is no list of named accounts {name}"),
        )
        .action("Correct the name, or take it out.")
        .field("named_account_lists"));
    };
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let request = request::account_list_members(&list.guid, &names, batch(reader), place.token.as_deref());
    let response = reader.api.send(&request)?;
    follow(place, &response.body)?;
    let key = Key { fields: &[Refreshed::NamedAccounts.key()], suffix: ".mkto_acct" };
    let keys = keyed::add_rows(reader, &[response.body], fields, key, rows)?;
    keys.iter().for_each(|key| place.found.add(key));
    if place.token.is_none() {
        place.offset += 1;
    }
    Ok(place.token.is_none() && index + 1 >= reader.config.named_account_lists.len())
}

/// Takes the token of the next page, if there is one.
fn follow(place: &mut Place, body: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Next {
        #[serde(default, rename = "nextPageToken")]
        token: Option<String>,
    }
    let next: Next = serde_json::from_slice(body)
        .map_err(|e| Fault::data("marketo.unexpected", format!("Marketo's answer is not as documented: {e}")))?;
    place.token = next.token.filter(|token| !token.is_empty());
    place.several |= place.token.is_some();
    Ok(())
}

#[cfg(test)]
mod tests;
