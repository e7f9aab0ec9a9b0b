//! What a bulk extract job is ordered with, and what is refused.

use serde_json::{Value as Json, json};

use super::activity::{self, Deed};
use super::call;
use super::clock::{self, DAY, Seconds};
use super::envelope::Refusal;
use super::exports::{Filter, FilterBy, Of, Order};
use super::program_calls;
use super::service::Service;

const RANGE_AT_MOST: Seconds = 31 * DAY;

/// Reads the order of a job of leads, `activities` or `program/members`.
pub(crate) fn read(service: &Service, of: &str, body: &Json) -> Result<Order, Refusal> {
    let asked = match body.get("fields") {
        None => None,
        Some(fields) => {
            let names =
                fields.as_array().map(|names| names.iter().map(|name| name.as_str().unwrap_or_default()).collect());
            names.filter(|names: &Vec<&str>| !names.is_empty())
        }
    };
    let of = match of {
        "activities" => activities(body, asked)?,
        "program/members" => members(service, body, asked)?,
        _ => {
            let names = asked.ok_or_else(|| Refusal::missing("fields"))?;
            let fields = names.into_iter().map(call::field).collect::<Result<Vec<_>, _>>()?;
            Of::Leads { fields, filter: read_filter(service, body.get("filter").unwrap_or(&json!({})))? }
        }
    };
    let (format, delimiter) = match body.get("format").and_then(Json::as_str).unwrap_or("CSV") {
        "CSV" => ("CSV", b','),
        "TSV" => ("TSV", b'\t'),
        "SSV" => ("SSV", b';'),
        other => return Err(Refusal::invalid(format!("Invalid value '{other}' for parameter 'format'"))),
    };
    let renamed = |name: &str| {
        body.get("columnHeaderNames").and_then(|names| names.get(name)).and_then(Json::as_str).map(str::to_owned)
    };
    let names: Vec<&str> = match &of {
        Of::Leads { fields, .. } => fields.iter().map(|field| field.name()).collect(),
        Of::Activities { fields, .. } | Of::Members { fields, .. } => fields.clone(),
    };
    let header = names.into_iter().map(|name| renamed(name).unwrap_or_else(|| name.to_owned())).collect();
    Ok(Order { of, header, format, delimiter })
}

const ACTIVITY_FIELDS: [&str; 8] = [
    "marketoGUID",
    "leadId",
    "activityDate",
    "activityTypeId",
    "campaignId",
    "primaryAttributeValueId",
    "primaryAttributeValue",
    "attributes",
];

fn activities(body: &Json, asked: Option<Vec<&str>>) -> Result<Of, Refusal> {
    let filter = body.get("filter").unwrap_or(&Json::Null);
    let (from, to) = read_range("createdAt", filter.get("createdAt").ok_or_else(|| Refusal::missing("createdAt"))?)?;
    let known: Vec<u32> = activity::types().as_array().into_iter().flatten().filter_map(id_of).collect();
    let types = match filter.get("activityTypeIds") {
        None => known.into_iter().filter(|id| *id != Deed::DELETE_LEAD).collect(),
        Some(ids) => {
            let ids: Option<Vec<u32>> = ids
                .as_array()
                .map(|ids| ids.iter().map(|id| id.as_u64().and_then(|id| id.try_into().ok())))
                .and_then(|ids| ids.collect());
            let ids = ids.ok_or_else(|| Refusal::new("1001", "Invalid value for parameter 'activityTypeIds'"))?;
            if ids.contains(&Deed::DELETE_LEAD) {
                return Err(Refusal::invalid("Activity type 37 is not supported by bulk extract"));
            }
            ids
        }
    };
    let fields = match asked {
        None => ACTIVITY_FIELDS.to_vec(),
        Some(names) => names
            .into_iter()
            .map(|name| {
                let known = ACTIVITY_FIELDS.iter().copied().find(|known| *known == name);
                known.ok_or_else(|| Refusal::new("1006", format!("Field '{name}' not found")))
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(Of::Activities { fields, types, from, to })
}

fn id_of(described: &Json) -> Option<u32> {
    described.get("id")?.as_u64()?.try_into().ok()
}

/// Programs in one job.
const PROGRAMS_AT_MOST: usize = 10;

fn members(service: &Service, body: &Json, asked: Option<Vec<&str>>) -> Result<Of, Refusal> {
    let filter = body.get("filter").unwrap_or(&Json::Null);
    let several = filter.get("programIds").and_then(Json::as_array);
    let programs: Vec<u64> = match (filter.get("programId").and_then(Json::as_u64), several) {
        (Some(one), None) => vec![one],
        (None, Some(ids)) if ids.len() <= PROGRAMS_AT_MOST => ids.iter().filter_map(Json::as_u64).collect(),
        (None, Some(_)) => return Err(Refusal::invalid(format!("Too many programs, {PROGRAMS_AT_MOST} at most"))),
        _ => return Err(Refusal::invalid("Exactly one of programId and programIds is required")),
    };
    if filter.get("updatedAt").is_some() && !service.config.updated_at_filter {
        return Err(Refusal::new("1035", "Unsupported filter type for target subscription: updatedAt"));
    }
    if let Some(id) = programs.iter().find(|id| service.programs().get(**id).is_none()) {
        return Err(Refusal::new("1013", format!("Program {id} not found")));
    }
    let names = asked.ok_or_else(|| Refusal::missing("fields"))?;
    let mut fields = names.into_iter().map(program_calls::member_field).collect::<Result<Vec<_>, _>>()?;
    if several.is_some() {
        // The first column says which program a row is of.
        fields.retain(|name| *name != "programId");
        fields.insert(0, "programId");
    }
    Ok(Of::Members { fields, programs })
}

/// Exactly one filter; a range of at most 31 days, in whole seconds.
fn read_filter(service: &Service, filter: &Json) -> Result<Filter, Refusal> {
    let filters: Vec<(&String, &Json)> = filter.as_object().into_iter().flatten().collect();
    let [(name, range)] = filters.as_slice() else {
        return Err(Refusal::invalid("Exactly one filter is required"));
    };
    let by = match name.as_str() {
        "createdAt" => FilterBy::CreatedAt,
        "updatedAt" if service.config.updated_at_filter => FilterBy::UpdatedAt,
        "updatedAt" | "smartListId" | "smartListName" => {
            return Err(Refusal::new("1035", format!("Unsupported filter type for target subscription: {name}")));
        }
        "staticListId" | "staticListName" => {
            return Err(Refusal::new("1013", format!("Static list {range} not found")));
        }
        _ => return Err(Refusal::invalid(format!("Invalid filter '{name}'"))),
    };
    let (from, to) = read_range(name, range)?;
    Ok(Filter { by, from, to })
}

/// A range of at most 31 days, in whole seconds.
fn read_range(name: &str, range: &Json) -> Result<(Seconds, Seconds), Refusal> {
    let time = |end: &str| {
        let text = range.get(end).and_then(Json::as_str).ok_or_else(|| Refusal::missing(end))?;
        let whole = !text.contains('.');
        clock::parse(text)
            .filter(|_| whole)
            .ok_or_else(|| Refusal::invalid(format!("Invalid date '{text}' in filter '{name}'")))
    };
    let (from, to) = (time("startAt")?, time("endAt")?);
    if from > to || to - from > RANGE_AT_MOST {
        return Err(Refusal::invalid(format!("Range of filter '{name}' must be between 0 and 31 days")));
    }
    Ok((from, to))
}
