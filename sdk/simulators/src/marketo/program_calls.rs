//! The endpoints of programs, in the asset API's manner, and of their members, in the lead database's.

use http::Method;
use serde_json::{Map, Value as Json, json};

use super::call::{BATCH, Call};
use super::clock::{self, DAY};
use super::envelope::{Answer, Outcome, Refusal};
use super::programs::{MEMBER_FIELDS, Member};
use super::service::Service;
use super::token;

/// Assets in one answer, and where nothing is said.
const RETURNED_AT_MOST: usize = 200;
const RETURNED: usize = 20;

/// A question that is not by lead is refused for more members than these.
const MEMBERS_AT_MOST: usize = 100_000;

const WINDOW_AT_MOST: i64 = 7 * DAY;

/// `GET /rest/asset/v1/programs.json`: paged by offset; the end is a warning, not a count.
pub(crate) fn programs(service: &Service, call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    let number = |name: &str, default: usize| match call.param(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| Refusal::new("1001", format!("Invalid value for parameter '{name}'"))),
    };
    let (offset, size) = (number("offset", 0)?, number("maxReturn", RETURNED)?);
    if size > RETURNED_AT_MOST {
        return Err(Refusal::new("701", format!("maxReturn cannot be more than {RETURNED_AT_MOST}")));
    }
    let time = |name: &str, default| match call.param(name) {
        None => Ok(default),
        Some(text) => clock::parse(text).ok_or_else(|| Refusal::new("704", format!("Invalid date '{text}'"))),
    };
    let updated = time("earliestUpdatedAt", i64::MIN)?..=time("latestUpdatedAt", i64::MAX)?;
    let programs = service.programs();
    let found = programs.all().filter(|program| updated.contains(&program.updated_at)).skip(offset).take(size);
    Ok(Answer::assets(found.map(|program| Json::Object(program.to_map())).collect()))
}

/// `GET /rest/asset/v1/program/{id}.json`
pub(crate) fn by_id(service: &Service, call: &Call, id: &str) -> Outcome {
    call.only(&Method::GET)?;
    let id: u64 = id.parse().map_err(|_| Refusal::not_found())?;
    let programs = service.programs();
    Ok(Answer::assets(programs.get(id).map(|program| program.to_json()).into_iter().collect()))
}

pub(crate) fn describe_members(call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    let fields: Vec<Json> = MEMBER_FIELDS
        .iter()
        .map(|(name, kind)| {
            json!({"name": name, "displayName": name, "dataType": kind, "updateable": false, "crmManaged": false})
        })
        .collect();
    Ok(Answer::result(vec![json!({
        "name": "API Program Membership",
        "dedupeFields": ["leadId", "programId"],
        "searchableFields": [["leadId"], ["reachedSuccess"], ["statusName"]],
        "fields": fields,
    })]))
}

/// `GET programs/{id}/members.json`: by lead, by status, or by when they changed.
pub(crate) fn members(service: &Service, call: &Call, program: &str) -> Outcome {
    call.only(&Method::GET)?;
    let program: u64 = program.parse().map_err(|_| Refusal::not_found())?;
    let filter = call.required("filterType")?;
    let fields = read_fields(&call.list("fields"))?;
    let from = call.param("nextPageToken").map_or(Ok(0), token::to_offset)?;
    let size = call.batch_size()?;
    let leads = service.leads();
    let programs = service.programs();
    programs.get(program).ok_or_else(|| Refusal::new("1013", format!("Program {program} not found")))?;
    let all = || programs.members(program, 0, usize::MAX);
    let mut found: Vec<Member> = if filter == "updatedAt" {
        let time = |name| {
            let text = call.required(name)?;
            clock::parse(text)
                .filter(|_| !text.contains('.'))
                .ok_or_else(|| Refusal::new("704", format!("Invalid date '{text}'")))
        };
        let (start, end) = (time("startAt")?, time("endAt")?);
        if start > end || end - start > WINDOW_AT_MOST {
            return Err(Refusal::invalid("Range of 'updatedAt' must be between 0 and 7 days"));
        }
        all().into_iter().filter(|member| (start..=end).contains(&member.updated_at)).collect()
    } else {
        let values = call.list("filterValues");
        match values.len() {
            0 => return Err(Refusal::missing("filterValues")),
            1..=BATCH => {}
            _ => return Err(Refusal::invalid(format!("Too many values in 'filterValues', {BATCH} at most"))),
        }
        match filter {
            "leadId" => {
                let mut ids: Vec<u64> = values.iter().filter_map(|id| id.parse().ok()).collect();
                ids.sort_unstable();
                ids.dedup();
                ids.into_iter().filter_map(|lead| programs.member(program, lead)).collect()
            }
            "statusName" => all().into_iter().filter(|member| values.contains(&member.status.as_str())).collect(),
            "reachedSuccess" => {
                all().into_iter().filter(|m| values.contains(&m.reached_success().to_string().as_str())).collect()
            }
            other => return Err(Refusal::invalid(format!("Invalid filterType '{other}'"))),
        }
    };
    if filter != "leadId" && found.len() > MEMBERS_AT_MOST {
        let message = format!(
            "Matching membership size: {} exceeds the limit allowed ({MEMBERS_AT_MOST}) for this api",
            found.len()
        );
        return Err(Refusal::invalid(message));
    }
    found.retain(|member| leads.get(member.lead).is_some());
    let end = found.len().min(from.saturating_add(size));
    let page: Vec<Json> = found
        .get(from..end)
        .unwrap_or_default()
        .iter()
        .enumerate()
        .map(|(seq, member)| picked(&member.to_map(), &fields, seq))
        .collect();
    let answer = Answer::result(page).with("moreResult", end < found.len());
    Ok(if end < found.len() { answer.with("nextPageToken", token::of_offset(end)) } else { answer })
}

fn read_fields(names: &[&str]) -> Result<Vec<&'static str>, Refusal> {
    if names.is_empty() {
        return Ok(Member::DEFAULT_FIELDS.to_vec());
    }
    names.iter().map(|name| member_field(name)).collect()
}

pub(crate) fn member_field(name: &str) -> Result<&'static str, Refusal> {
    let known = MEMBER_FIELDS.iter().find(|(known, _)| *known == name).map(|(known, _)| *known);
    known.ok_or_else(|| Refusal::new("1006", format!("Field '{name}' not found")))
}

fn picked(record: &Map<String, Json>, fields: &[&str], seq: usize) -> Json {
    let picked = fields.iter().map(|name| ((*name).to_owned(), record.get(*name).cloned().unwrap_or(Json::Null)));
    let mut picked: Map<String, Json> = picked.collect();
    picked.insert("seq".to_owned(), json!(seq));
    Json::Object(picked)
}
