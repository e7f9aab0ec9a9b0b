//! The activity endpoints. All of them always give a next token; whether more follows is told by `moreResult` alone.

use http::Method;
use serde_json::{Value as Json, json};

use super::activities::{Page, Place, Wanted};
use super::activity::{self, Activity, Deed};
use super::call::Call;
use super::clock;
use super::envelope::{Answer, Outcome, Refusal};
use super::fault::Fault;
use super::faults::Point;
use super::service::Service;
use super::token;

/// Types, and leads, one call may ask for.
const TYPES_AT_MOST: usize = 10;
const LEADS_AT_MOST: usize = 30;

pub(crate) fn types(call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    Ok(Answer::result(activity::types()))
}

pub(crate) fn paging_token(call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    let since = call.required("sinceDatetime")?;
    let at = clock::parse(since).ok_or_else(|| Refusal::new("704", format!("Invalid date '{since}'")))?;
    let token = token::of_place(Place { at, number: 0 });
    Ok(Answer::Members(serde_json::Map::from_iter([("nextPageToken".to_owned(), json!(token))])))
}

/// `GET activities.json`
pub(crate) fn activities(service: &Service, call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    let types: Vec<u32> = call
        .list("activityTypeIds")
        .into_iter()
        .map(|id| id.parse().map_err(|_| Refusal::new("1001", "Invalid value for parameter 'activityTypeIds'")))
        .collect::<Result<_, _>>()?;
    match types.len() {
        0 => return Err(Refusal::missing("activityTypeIds")),
        1..=TYPES_AT_MOST => {}
        _ => return Err(Refusal::invalid(format!("Too many activity types, {TYPES_AT_MOST} at most"))),
    }
    read(
        service,
        call,
        Wanted { types, leads: leads(call)?, fields: None, at_most: call.batch_size()? },
        Activity::to_json,
    )
}

/// `GET activities/leadchanges.json`
pub(crate) fn lead_changes(service: &Service, call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    let fields = call.fields()?;
    if fields.is_empty() {
        return Err(Refusal::missing("fields"));
    }
    let types = vec![Deed::NEW_LEAD, Deed::CHANGE_DATA_VALUE];
    let wanted = Wanted { types, leads: leads(call)?, fields: Some(fields), at_most: call.batch_size()? };
    read(service, call, wanted, Activity::to_change_json)
}

/// `GET activities/deletedleads.json`
pub(crate) fn deleted_leads(service: &Service, call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    let wanted = Wanted { types: vec![Deed::DELETE_LEAD], leads: None, fields: None, at_most: call.batch_size()? };
    read(service, call, wanted, Activity::to_json)
}

fn leads(call: &Call) -> Result<Option<Vec<u64>>, Refusal> {
    for unknown in ["listId", "assetIds"] {
        if call.param(unknown).is_some() {
            return Err(Refusal::invalid(format!("Parameter '{unknown}' is not supported by this simulator")));
        }
    }
    let ids: Vec<u64> = call
        .list("leadIds")
        .into_iter()
        .map(|id| id.parse().map_err(|_| Refusal::new("1001", "Invalid value for parameter 'leadIds'")))
        .collect::<Result<_, _>>()?;
    match ids.len() {
        0 => Ok(None),
        1..=LEADS_AT_MOST => Ok(Some(ids)),
        _ => Err(Refusal::invalid(format!("Too many leads, {LEADS_AT_MOST} at most"))),
    }
}

fn read(service: &Service, call: &Call, wanted: Wanted, write: fn(&Activity) -> Json) -> Outcome {
    let from = token::to_place(call.required("nextPageToken")?)?;
    let faults = service.faults().take_all(Point::ActivityPage, &call.path);
    let mut page = if faults.contains(&Fault::EmptyActivityPage) {
        Page { activities: Vec::new(), next: from, more: true }
    } else {
        service.activities().page(from, &wanted, &service.leads())
    };
    if faults.contains(&Fault::RepeatedActivity)
        && let Some(last) = page.activities.last()
    {
        page.next = Place { at: last.at, number: last.number };
        page.more = true;
    }
    let mut records: Vec<Json> = page.activities.iter().map(write).collect();
    if faults.contains(&Fault::ActivitiesWithoutId) {
        for record in records.iter_mut().filter_map(Json::as_object_mut) {
            record.remove("id");
        }
    }
    Ok(Answer::result(records).with("nextPageToken", token::of_place(page.next)).with("moreResult", page.more))
}
