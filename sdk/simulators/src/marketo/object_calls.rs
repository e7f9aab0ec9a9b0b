//! The endpoints of companies, named accounts, opportunities and roles: asked by key, 300 at most, and nothing else.

use http::Method;
use serde_json::{Map, Value as Json, json};

use super::call::{BATCH, Call};
use super::envelope::{Answer, Outcome, Refusal};
use super::objects::Kind;
use super::service::Service;
use super::token;

/// More records than this for one question are refused.
const MATCHES_AT_MOST: usize = 1_000;

/// Roles are not served at all where a CRM is synced natively.
fn refuse_unserved(service: &Service, kind: Kind) -> Result<(), Refusal> {
    if kind == Kind::Role && service.config.native_crm {
        return Err(Refusal::new("703", "This feature is not enabled for your subscription: native CRM sync is on"));
    }
    Ok(())
}

pub(crate) fn describe(service: &Service, call: &Call, kind: Kind) -> Outcome {
    call.only(&Method::GET)?;
    refuse_unserved(service, kind)?;
    let described = kind.described();
    let field = |(name, data_type): &(&str, &str)| json!({"name": name, "displayName": name, "dataType": data_type, "updateable": !name.ends_with("At")});
    let mut searchable: Vec<Vec<&str>> = described.searchable.iter().map(|name| vec![*name]).collect();
    if described.dedupe_fields.len() > 1 {
        searchable.insert(0, described.dedupe_fields.to_vec());
    }
    Ok(Answer::result(vec![json!({
        "name": described.name,
        "displayName": described.name,
        "createdAt": "2015-05-11T17:11:32Z",
        "updatedAt": "2015-05-11T17:11:32Z",
        "idField": described.id_field,
        "dedupeFields": described.dedupe_fields,
        "searchableFields": searchable,
        "fields": described.fields.iter().map(field).collect::<Vec<_>>(),
    })]))
}

pub(crate) fn objects(service: &Service, call: &Call, kind: Kind) -> Outcome {
    refuse_unserved(service, kind)?;
    match call.method {
        Method::GET => query(service, call, kind),
        Method::POST if kind.is_the_crms() && service.config.native_crm => {
            Err(Refusal::new("1018", "CRM is enabled for this subscription, so records of this kind are managed there"))
        }
        Method::POST => Err(Refusal::invalid("Writing is not supported by this simulator")),
        _ => Err(call.wrong_method()),
    }
}

/// Pages have a token where there is more, and no `moreResult`.
fn query(service: &Service, call: &Call, kind: Kind) -> Outcome {
    let described = kind.described();
    let filter = call.required("filterType")?;
    let field = match filter {
        "idField" => described.id_field,
        "dedupeFields" => match described.dedupe_fields {
            [only] => *only,
            // A key of several parts comes as a JSON body.
            _ => return Err(Refusal::invalid("filterType 'dedupeFields' needs a JSON body for a compound key")),
        },
        _ => *described
            .searchable
            .iter()
            .find(|name| **name == filter)
            .ok_or_else(|| Refusal::invalid(format!("Invalid filterType '{filter}'")))?,
    };
    let values = call.list("filterValues");
    match values.len() {
        0 => return Err(Refusal::missing("filterValues")),
        1..=BATCH => {}
        _ => return Err(Refusal::invalid(format!("Too many values in 'filterValues', {BATCH} at most"))),
    }
    let fields = fields(call, kind)?;
    let offset = call.param("nextPageToken").map_or(Ok(0), token::to_offset)?;
    let leads = service.leads();
    let mut found = service.objects().find(kind, field, &values);
    if kind == Kind::Role {
        found.retain(|role| role.get("leadId").and_then(Json::as_u64).is_some_and(|id| leads.get(id).is_some()));
    }
    if found.len() > MATCHES_AT_MOST {
        return Err(Refusal::invalid("Too many results match the filter"));
    }
    Ok(paged(&found, &fields, offset, call.batch_size()?))
}

pub(crate) fn fields(call: &Call, kind: Kind) -> Result<Vec<&'static str>, Refusal> {
    let described = kind.described();
    let names = call.list("fields");
    if names.is_empty() {
        return Ok(described.default_fields.to_vec());
    }
    let known = |name: &&str| {
        let field = described.fields.iter().find(|(known, _)| known == name).map(|(known, _)| *known);
        field.ok_or_else(|| Refusal::new("1006", format!("Field '{name}' not found")))
    };
    names.iter().map(known).collect()
}

/// A page of records with `seq` and the fields asked for; what is null may as well be left out, and is.
fn paged(found: &[Map<String, Json>], fields: &[&str], offset: usize, size: usize) -> Answer {
    let end = found.len().min(offset.saturating_add(size));
    let record = |(seq, record): (usize, &Map<String, Json>)| {
        let values = fields.iter().filter_map(|name| Some(((*name).to_owned(), record.get(*name)?.clone())));
        let mut values: Map<String, Json> = values.filter(|(_, value)| !value.is_null()).collect();
        values.insert("seq".to_owned(), json!(seq));
        Json::Object(values)
    };
    let page: Vec<Json> = found.get(offset..end).unwrap_or_default().iter().enumerate().map(record).collect();
    let answer = Answer::result(page);
    if end < found.len() { answer.with("nextPageToken", token::of_offset(end)) } else { answer }
}

/// Names of the account lists: all that are watched, and the first of them.
const ACCOUNT_LISTS: [&str; 2] = ["Target accounts", "Tier 1"];

/// `GET namedAccountLists.json`: by name or id alone.
pub(crate) fn account_lists(service: &Service, call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    let by_id = match call.required("filterType")? {
        "idField" => true,
        "dedupeFields" => false,
        other => return Err(Refusal::invalid(format!("Invalid filterType '{other}'"))),
    };
    let values = call.list("filterValues");
    if values.is_empty() {
        return Err(Refusal::missing("filterValues"));
    }
    let lists = ACCOUNT_LISTS.iter().enumerate().map(|(number, name)| (account_list_id(service, number), *name));
    let found = lists.filter(|(id, name)| values.contains(&if by_id { id.as_str() } else { *name }));
    let json = |(seq, (id, name)): (usize, (String, &str))| json!({"seq": seq, "marketoGUID": id, "name": name, "type": "default", "updateable": true});
    Ok(Answer::result(found.enumerate().map(json).collect::<Vec<_>>()))
}

/// `GET namedAccountList/{id}/namedAccounts.json`
pub(crate) fn account_list_members(service: &Service, call: &Call, list: &str) -> Outcome {
    call.only(&Method::GET)?;
    let number = (0..ACCOUNT_LISTS.len()).find(|number| account_list_id(service, *number) == list);
    let number = number.ok_or_else(|| Refusal::new("1013", "Named account list not found"))?;
    let fields = fields(call, Kind::NamedAccount)?;
    let offset = call.param("nextPageToken").map_or(Ok(0), token::to_offset)?;
    let objects = service.objects();
    let members = if number == 0 { objects.named_accounts() } else { objects.named_accounts().div_ceil(3) };
    let found: Vec<_> = (0..members).map(|account| objects.named_account(account)).collect();
    Ok(paged(&found, &fields, offset, call.batch_size()?))
}

fn account_list_id(service: &Service, number: usize) -> String {
    service.leads().seeded().guid("account-list", number as u64)
}
