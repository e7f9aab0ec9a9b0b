//! The lead endpoints.

use std::collections::HashSet;

use http::Method;
use serde_json::{Map, Value as Json, json};

use super::call::{self, BATCH, Call};
use super::envelope::{Answer, Outcome, Refusal};
use super::fault::Fault;
use super::faults::Point;
use super::leads::Lead;
use super::schema::Field;
use super::service::{Service, read_values};
use super::token;
use super::value::Value;

/// More leads than this for one filter are refused.
const MATCHES_AT_MOST: usize = 1_000;

const DEFAULT_FIELDS: [Field; 6] =
    [Field::Id, Field::Email, Field::UpdatedAt, Field::CreatedAt, Field::LastName, Field::FirstName];

const API: &str = "Web service API";

pub(crate) fn leads(service: &Service, call: &Call) -> Outcome {
    match call.method {
        Method::GET => by_filter(service, call),
        Method::POST => sync(service, call),
        Method::DELETE => delete(service, call),
        _ => Err(call.wrong_method()),
    }
}

/// `GET lead/{id}.json`
pub(crate) fn by_id(service: &Service, call: &Call, id: &str) -> Outcome {
    call.only(&Method::GET)?;
    let fields = fields_or_default(call)?;
    let id: u64 = id.parse().map_err(|_| Refusal::not_found())?;
    let leads = service.leads();
    let lead = leads.get(id).ok_or_else(|| Refusal::new("1004", format!("Lead with id {id} not found")))?;
    Ok(Answer::result(vec![Json::Object(lead.to_json(&fields))]))
}

/// `GET leads.json?filterType=…&filterValues=…`. There is no `moreResult`: who finds a token goes on.
fn by_filter(service: &Service, call: &Call) -> Outcome {
    let filter = call.required("filterType")?;
    let field = Field::named(filter)
        .filter(|field| field.spec().searchable)
        .ok_or_else(|| Refusal::invalid(format!("Invalid filterType '{filter}'")))?;
    let values = call.list("filterValues");
    match values.len() {
        0 => return Err(Refusal::missing("filterValues")),
        1..=BATCH => {}
        _ => return Err(Refusal::invalid(format!("Too many values in 'filterValues', {BATCH} at most"))),
    }
    let fields = fields_or_default(call)?;
    let offset = call.param("nextPageToken").map_or(Ok(0), token::to_offset)?;
    let leads = service.leads();
    let mut found = leads.find(field, &values);
    if service.fault(Point::LookUp, &call.path).is_some() {
        found.retain(|id| leads.seeded().leads() >= *id);
    }
    if found.len() > MATCHES_AT_MOST {
        return Err(Refusal::invalid("Too many results match the filter"));
    }
    let end = found.len().min(offset.saturating_add(call.batch_size()?));
    let page = found.get(offset..end).unwrap_or_default();
    let records: Vec<Json> =
        page.iter().filter_map(|id| leads.get(*id)).map(|lead| Json::Object(lead.to_json(&fields))).collect();
    let answer = Answer::result(records);
    Ok(if end < found.len() { answer.with("nextPageToken", token::of_offset(end)) } else { answer })
}

pub(crate) fn fields_or_default(call: &Call) -> Result<Vec<Field>, Refusal> {
    let fields = call.fields()?;
    Ok(if fields.is_empty() { DEFAULT_FIELDS.to_vec() } else { fields })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    CreateOrUpdate,
    CreateOnly,
    UpdateOnly,
    CreateDuplicate,
}

impl Action {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "createOrUpdate" => Self::CreateOrUpdate,
            "createOnly" => Self::CreateOnly,
            "updateOnly" => Self::UpdateOnly,
            "createDuplicate" => Self::CreateDuplicate,
            _ => return None,
        })
    }
}

/// `POST leads.json`: results in the order of the input, and a skipped record carries no id.
fn sync(service: &Service, call: &Call) -> Outcome {
    let (body, input) = call.input()?;
    let text = |name: &str, default: &'static str| body.get(name).and_then(Json::as_str).unwrap_or(default).to_owned();
    let action = text("action", "createOrUpdate");
    let action = Action::named(&action)
        .ok_or_else(|| Refusal::invalid(format!("Invalid value '{action}' for parameter 'action'")))?;
    let key = text("lookupField", "email");
    let key = call::field(&key)?;
    if !key.spec().searchable {
        return Err(Refusal::new("1011", format!("Lookup field '{}' is not supported", key.name())));
    }
    if let Some(partition) = body.get("partitionName").and_then(Json::as_str).filter(|name| *name != "Default") {
        return Err(Refusal::new("1008", format!("Partition '{partition}' not found or access denied")));
    }
    let has_id = input.iter().any(|record| record.get("id").is_some());
    if (has_id || key == Field::Id) && (action != Action::UpdateOnly || key != Field::Id) {
        return Err(Refusal::invalid(
            "The field 'id' may only be given with the action 'updateOnly' and the lookup field 'id'",
        ));
    }
    let blind = service.fault(Point::SyncLeads, &call.path) == Some(Fault::SyncRace);
    let results: Vec<Json> = input
        .into_iter()
        .map(|record| match sync_one(service, action, key, record, blind) {
            Ok((id, status)) => json!({"id": id, "status": status}),
            Err(refusal) => skipped(&refusal),
        })
        .collect();
    Ok(Answer::result(results))
}

/// `blind`: nobody is found, as when another call with the same key is not yet done.
fn sync_one(
    service: &Service,
    action: Action,
    key: Field,
    record: Json,
    blind: bool,
) -> Result<(u64, &'static str), Refusal> {
    let Json::Object(mut record) = record else { return Err(Refusal::invalid("A record must be an object")) };
    let found = match action {
        Action::CreateDuplicate => Vec::new(),
        Action::CreateOrUpdate if blind => Vec::new(),
        _ => service.leads().find(key, &[key_of(&record, key)?.as_str()]),
    };
    record.remove("id");
    let values = read_values(&record, false)?;
    match (action, found.as_slice()) {
        (_, [_, _, ..]) => Err(Refusal::new("1007", "Multiple lead match lookup criteria")),
        (Action::UpdateOnly, []) => Err(Refusal::new("1004", "Lead not found")),
        (Action::CreateOnly, [_]) => Err(Refusal::new("1005", "Lead already exists")),
        (_, [id]) if values.iter().any(|(field, _)| field.is_of_company()) && has_company(service, *id) => {
            Err(Refusal::new("1021", "Company update not allowed during syncLead"))
        }
        (_, []) => Ok((service.create_lead(&values), "created")),
        (_, [id]) => service.change_lead(*id, values, API, None).map(|_| (*id, "updated")),
    }
}

/// Whether a lead's company is a record of its own, whose fields only that record has.
fn has_company(service: &Service, id: u64) -> bool {
    let is_linked = |lead: Lead<'_>| lead.value(Field::ExternalCompanyId) != Value::Null;
    service.config.native_crm || service.leads().get(id).is_some_and(is_linked)
}

/// One row of an imported file: made or changed by address, only changed by id.
pub(crate) fn import_one(service: &Service, lookup: &str, record: Map<String, Json>) -> Result<u64, Refusal> {
    let (action, key) =
        if lookup == "id" { (Action::UpdateOnly, Field::Id) } else { (Action::CreateOrUpdate, Field::Email) };
    sync_one(service, action, key, Json::Object(record), false).map(|(id, _)| id)
}

/// The text a record is looked up by.
fn key_of(record: &Map<String, Json>, key: Field) -> Result<String, Refusal> {
    let value = record
        .get(key.name())
        .and_then(|json| Value::from_json(json, key.spec().data_type))
        .and_then(|value| value.to_text());
    value.ok_or_else(|| Refusal::invalid(format!("Value for lookup field '{}' not found", key.name())))
}

fn skipped(refusal: &Refusal) -> Json {
    json!({"status": "skipped", "reasons": [refusal.to_json()]})
}

/// `POST leads/delete.json`, and `POST leads.json?_method=DELETE`: ids in the body or in the query.
pub(crate) fn delete(service: &Service, call: &Call) -> Outcome {
    let mut ids: Vec<Option<u64>> = call.list("id").into_iter().map(|id| id.parse().ok()).collect();
    if ids.is_empty() {
        let (_, input) = call.input()?;
        ids = input
            .iter()
            .map(|record| record.get("id").and_then(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok())))
            .collect();
    }
    if ids.len() > BATCH {
        return Err(Refusal::invalid(format!("Too many records in input, {BATCH} at most")));
    }
    let results: Vec<Json> = ids
        .into_iter()
        .map(|id| match id.ok_or_else(|| Refusal::missing("id")).and_then(|id| service.delete_lead(id).map(|()| id)) {
            Ok(id) => json!({"id": id, "status": "deleted"}),
            Err(refusal) => skipped(&refusal),
        })
        .collect();
    Ok(Answer::result(results))
}

/// `POST leads/{id}/merge.json?leadIds=…`
pub(crate) fn merge(service: &Service, call: &Call, winner: &str) -> Outcome {
    call.only(&Method::POST)?;
    let winner: u64 = winner.parse().map_err(|_| Refusal::not_found())?;
    let mut names = call.list("leadIds");
    names.extend(call.list("leadId"));
    let losers: HashSet<u64> = names
        .into_iter()
        .map(|id| id.parse().map_err(|_| Refusal::new("1001", "Invalid value for parameter 'leadIds'")))
        .collect::<Result<_, _>>()?;
    let mut losers: Vec<u64> = losers.into_iter().collect();
    losers.sort_unstable();
    service.merge_leads(winner, losers)?;
    Ok(Answer::Members(Map::new()))
}
