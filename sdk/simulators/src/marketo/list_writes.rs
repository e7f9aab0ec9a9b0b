//! The endpoints that make static lists and change who is on them.

use http::Method;
use serde_json::{Value as Json, json};

use super::activity::Deed;
use super::call::{BATCH, Call};
use super::envelope::{Answer, Outcome, Refusal};
use super::list_calls::unknown;
use super::lists::GROUP_LISTS;
use super::service::Service;

/// `GET /rest/asset/v1/folder/byName.json`
pub(crate) fn folder_by_name(call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    let folder = json!({
        "name": "Group Lists", "folderId": {"id": GROUP_LISTS, "type": "Folder"}, "folderType": "List",
        "path": "/Lead Database/Group Lists", "workspace": "Default", "isSystem": false,
    });
    Ok(Answer::assets(if call.required("name")? == "Group Lists" { vec![folder] } else { Vec::new() }))
}

/// `POST /rest/asset/v1/staticLists.json`: a form, with the folder as JSON in one of its fields.
pub(crate) fn create(service: &Service, call: &Call) -> Outcome {
    call.only(&Method::POST)?;
    let name = call.required("name")?;
    let folder: Json = serde_json::from_str(call.required("folder")?)
        .map_err(|_| Refusal::new("1001", "Invalid value for parameter 'folder'"))?;
    let is_known = folder.get("type").and_then(Json::as_str) == Some("Folder")
        && folder.get("id").and_then(Json::as_u64) == Some(GROUP_LISTS);
    if !is_known {
        return Err(Refusal::new("711", "Folder not found"));
    }
    let now = service.clock.now();
    let description = call.param("description").unwrap_or_default();
    let mut lists = service.lists();
    let made = lists.create(name, description, GROUP_LISTS, now)?.to_asset_json();
    Ok(Answer::assets(vec![made]))
}

/// `POST /rest/asset/v1/staticList/{id}/delete.json`
pub(crate) fn delete(service: &Service, call: &Call, id: &str) -> Outcome {
    call.only(&Method::POST)?;
    let id: u64 = id.parse().map_err(|_| Refusal::not_found())?;
    if service.lists().remove_list(id) { Ok(Answer::assets(vec![json!({"id": id})])) } else { Err(unknown(id)) }
}

/// `POST` and `DELETE lists/{id}/leads.json`: an answer for each id, in their order; who is there already is added again.
pub(crate) fn change(service: &Service, call: &Call, list: &str) -> Outcome {
    let list: u64 = list.parse().map_err(|_| Refusal::not_found())?;
    let ids = ids(call)?;
    let leads = service.leads();
    let mut lists = service.lists();
    let name = lists.get(list).ok_or_else(|| unknown(list))?.name.clone();
    let now = service.clock.now();
    let adds = call.method == Method::POST;
    // Whoever comes or goes leaves an activity, whoever it was that did it.
    let tell = |lead: u64| {
        let name = name.clone();
        let deed = if adds { Deed::AddToList { list, name } } else { Deed::RemoveFromList { list, name } };
        service.activities().append(now, lead, deed);
    };
    let skipped = |id: u64, code: &str, words: &str| json!({"id": id, "status": "skipped", "reasons": [{"code": code, "message": words}]});
    let results: Vec<Json> = ids
        .into_iter()
        .map(|id| match id {
            None => {
                json!({"status": "skipped", "reasons": [{"code": "1003", "message": "Invalid value for field 'id'"}]})
            }
            Some(id) if leads.get(id).is_none() => skipped(id, "1004", "Lead not found"),
            Some(id) if adds => {
                if lists.add(list, id, now) {
                    tell(id);
                }
                json!({"id": id, "status": "added"})
            }
            Some(id) if lists.remove(list, id, now) => {
                tell(id);
                json!({"id": id, "status": "removed"})
            }
            Some(id) => skipped(id, "1015", "Lead not in list"),
        })
        .collect();
    Ok(Answer::result(results))
}

/// In the query, one by one, or in the body.
fn ids(call: &Call) -> Result<Vec<Option<u64>>, Refusal> {
    let wrong = |id: &str| Refusal::new("1001", format!("Invalid value '{id}'. Required of type 'Integer'"));
    let given = call.params.iter().filter(|(name, _)| name == "id");
    let read = given.map(|(_, id)| id.parse().map(Some).map_err(|_| wrong(id)));
    let mut ids: Vec<Option<u64>> = read.collect::<Result<_, _>>()?;
    if ids.is_empty() {
        let (_, input) = call.input()?;
        ids = input.iter().map(|record| record.get("id").and_then(Json::as_u64)).collect();
    }
    if ids.len() > BATCH {
        return Err(Refusal::invalid(format!("Too many records in input, {BATCH} at most")));
    }
    Ok(ids)
}
