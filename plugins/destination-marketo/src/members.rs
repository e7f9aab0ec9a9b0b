//! Who is on the list, and one person who must not be.

use crate::config::Config;
use crate::fields::{EMAIL, ID};
use crate::{list, lookup, request};
use attiva_connector::{EraseResult, EraseStatus, Fault, MEMBER_ID, Member, MemberPage, Result, Target};
use marketo_api::{Api, BATCH_MAX, Listed, read};
use serde::Deserialize;
use std::collections::BTreeSet;

/// One page. There is no `moreResult` here: who finds a token goes on.
pub(crate) fn page(api: &Api<'_>, target: &Target, after: Option<Vec<u8>>) -> Result<MemberPage> {
    #[derive(Deserialize)]
    struct Lead {
        id: u64,
        #[serde(default)]
        email: Option<String>,
    }
    let token = after.map(String::from_utf8).transpose();
    let token = token.map_err(|_| Fault::internal("members.token", "the place to go on from is none of ours"))?;
    let Some(list) = list::find(api, &target.name)? else {
        return Ok(MemberPage { members: Vec::new(), next: None });
    };
    let page: Listed<Lead> = read(&api.send(&request::members(list.id, token.as_deref(), BATCH_MAX))?)?;
    let member = |lead: Lead| {
        let mut identifiers = vec![(ID.to_owned(), lead.id.to_string())];
        identifiers.extend(lead.email.map(|email| (EMAIL.to_owned(), email)));
        Member { identifiers }
    };
    Ok(MemberPage { members: page.result.into_iter().map(member).collect(), next: page.next.map(String::into_bytes) })
}

/// Takes every lead that these identifiers name off the list. Leads themselves are Marketo's and stay.
pub(crate) fn erase(
    api: &Api<'_>,
    config: &Config,
    target: &Target,
    identifiers: &[(String, String)],
) -> Result<EraseResult> {
    let answer = |status, message: &str| Ok(EraseResult { status, message: message.into() });
    let Some(list) = list::find(api, &target.name)? else {
        return answer(EraseStatus::NotFound, "Marketo has no list for this target");
    };
    let of = |field: &'static str| identifiers.iter().filter(move |(name, _)| name == field).map(|(_, value)| value);
    let here = format!("@{}.Marketo", config.munchkin_id);
    let mut ids: BTreeSet<u64> = of(ID).filter_map(|id| id.strip_suffix(&here).unwrap_or(id).parse().ok()).collect();
    // Under which they were put on: their address may be another at Marketo by now.
    ids.extend(of(MEMBER_ID).filter_map(|id| id.parse::<u64>().ok()));
    let emails: BTreeSet<&str> =
        of(EMAIL).map(|email| email.trim()).filter(|email| crate::person::unaskable(email).is_none()).collect();
    ids.extend(lookup::by_email(api, &emails)?.into_values().flatten());
    let ids: Vec<u64> = ids.into_iter().collect();
    if list::remove(api, list.id, &ids)?.values().any(Option::is_none) {
        return answer(
            EraseStatus::Removed,
            "taken off the list; the lead itself is in Marketo until it is deleted there",
        );
    }
    answer(EraseStatus::NotFound, "not on the list")
}
