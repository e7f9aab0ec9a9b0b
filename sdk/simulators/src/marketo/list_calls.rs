//! The endpoints that read static lists and who is on them.

use http::Method;
use serde_json::{Value as Json, json};

use super::call::{BATCH, Call};
use super::envelope::{Answer, Outcome, Refusal};
use super::faults::Point;
use super::lead_calls;
use super::service::Service;
use super::token;

/// `GET lists.json`, paged by token, without `moreResult`.
pub(crate) fn lists(service: &Service, call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    let ids = numbers(call, "id")?;
    let (names, programs) = (call.list("name"), call.list("programName"));
    let offset = call.param("nextPageToken").map_or(Ok(0), token::to_offset)?;
    let lists = service.lists();
    let found: Vec<_> = lists
        .all()
        .filter(|list| ids.is_empty() || ids.contains(&list.id))
        .filter(|list| names.is_empty() || names.contains(&list.name.as_str()))
        .filter(|list| programs.is_empty() || list.program.as_deref().is_some_and(|name| programs.contains(&name)))
        .collect();
    let end = found.len().min(offset.saturating_add(call.batch_size()?));
    let page: Vec<Json> = found.get(offset..end).unwrap_or_default().iter().map(|list| list.to_json()).collect();
    let answer = Answer::result(page);
    Ok(if end < found.len() { answer.with("nextPageToken", token::of_offset(end)) } else { answer })
}

/// `GET lists/{id}.json`
pub(crate) fn by_id(service: &Service, call: &Call, id: &str) -> Outcome {
    call.only(&Method::GET)?;
    let id: u64 = id.parse().map_err(|_| Refusal::not_found())?;
    let lists = service.lists();
    let list = lists.get(id).ok_or_else(|| unknown(id))?;
    Ok(Answer::result(vec![list.to_json()]))
}

/// `GET lists/{id}/leads.json`, and its alias `list/{id}/leads.json`. There is no `moreResult`: who finds a token goes on.
pub(crate) fn members(service: &Service, call: &Call, list: &str) -> Outcome {
    call.only(&Method::GET)?;
    let list: u64 = list.parse().map_err(|_| Refusal::not_found())?;
    let fields = lead_calls::fields_or_default(call)?;
    let from = call.param("nextPageToken").map_or(Ok(0), token::to_offset)? as u64;
    let size = call.batch_size()?;
    let (mut next, mut page) = (Some(from), Vec::new());
    {
        let leads = service.leads();
        let lists = service.lists();
        lists.get(list).ok_or_else(|| unknown(list))?;
        while let Some(from) = next.filter(|_| page.len() < size) {
            // One more than is wanted tells whether there are others. Leads that are gone are on no list.
            let wanted = size - page.len();
            let mut found = lists.members(list, from, wanted + 1);
            next = (found.len() > wanted).then(|| found.pop()).flatten();
            page.extend(
                found.into_iter().filter_map(|id| leads.get(id)).map(|lead| Json::Object(lead.to_json(&fields))),
            );
        }
    }
    let answer = Answer::result(page);
    Ok(match next.and_then(|id| usize::try_from(id).ok()) {
        Some(next) => answer.with("nextPageToken", token::of_offset(next)),
        None => answer,
    })
}

/// `GET lists/{id}/leads/ismember.json`
pub(crate) fn is_member(service: &Service, call: &Call, list: &str) -> Outcome {
    call.only(&Method::GET)?;
    let list: u64 = list.parse().map_err(|_| Refusal::not_found())?;
    let ids = numbers(call, "id")?;
    match ids.len() {
        0 => return Err(Refusal::missing("id")),
        1..=BATCH => {}
        _ => return Err(Refusal::invalid(format!("Too many values in 'id', {BATCH} at most"))),
    }
    let leads = service.leads();
    let lists = service.lists();
    lists.get(list).ok_or_else(|| unknown(list))?;
    let answer = |id: u64| match leads.get(id) {
        None => json!({"id": id, "status": "skipped", "reasons": [{"code": "1004", "message": "Lead not found"}]}),
        Some(_) if lists.contains(list, id) => json!({"id": id, "status": "memberof"}),
        Some(_) => json!({"id": id, "status": "notmemberof"}),
    };
    Ok(Answer::result(ids.into_iter().map(answer).collect::<Vec<_>>()))
}

/// `GET /rest/asset/v1/staticList/byName.json`: what is not there is no error.
pub(crate) fn by_name(service: &Service, call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    let name = call.required("name")?;
    let lists = service.lists();
    let known = lists.named(name).filter(|_| service.fault(Point::LookUp, &call.path).is_none());
    let found: Vec<Json> = known.map(|list| list.to_asset_json()).into_iter().collect();
    Ok(Answer::assets(found))
}

pub(crate) fn unknown(list: u64) -> Refusal {
    Refusal::new("1013", format!("List {list} not found"))
}

fn numbers(call: &Call, name: &str) -> Result<Vec<u64>, Refusal> {
    let number =
        |text: &str| text.parse().map_err(|_| Refusal::new("1001", format!("Invalid value for parameter '{name}'")));
    call.list(name).into_iter().map(number).collect()
}
