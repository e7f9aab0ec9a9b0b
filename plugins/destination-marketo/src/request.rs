//! The requests this connector makes. Pure: what goes in decides what comes out.

use crate::config::Mode;
use attiva_connector::{Request, encode};
use marketo_api::{BATCH_MAX, get, post_form, post_json, request, with_body};
use serde_json::{Value, json};

pub(crate) fn describe() -> Request {
    get("/rest/v1/leads/describe2.json", &[])
}

pub(crate) fn usage() -> Request {
    get("/rest/v1/stats/usage.json", &[])
}

pub(crate) fn list_by_name(name: &str) -> Request {
    get("/rest/asset/v1/staticList/byName.json", &[("name", name)])
}

pub(crate) fn folder_by_name(name: &str) -> Request {
    // A program may have the same name.
    get("/rest/asset/v1/folder/byName.json", &[("name", name), ("type", "Folder")])
}

pub(crate) fn create_list(folder: &Value, name: &str, description: &str) -> Request {
    let folder = folder.to_string();
    post_form("/rest/asset/v1/staticLists.json", &[("folder", &folder), ("name", name), ("description", description)])
}

pub(crate) fn delete_list(list: u64) -> Request {
    request("POST", format!("/rest/asset/v1/staticList/{list}/delete.json"))
}

/// The ids of people by address, at most [`BATCH_MAX`] of them; several may have one address.
pub(crate) fn leads_by_email(emails: &[&str], token: Option<&str>) -> Request {
    let (values, batch) = (emails.join(","), BATCH_MAX.to_string());
    let mut query =
        vec![("filterType", "email"), ("filterValues", &*values), ("fields", "id,email"), ("batchSize", &*batch)];
    query.extend(token.map(|token| ("nextPageToken", token)));
    get("/rest/v1/leads.json", &query)
}

/// What is known by address is made where it is missing; what is known by id is only ever changed.
pub(crate) fn sync_leads(by_email: bool, partition: Option<&str>, input: &[Value]) -> Request {
    let (action, field) = if by_email { ("createOrUpdate", "email") } else { ("updateOnly", "id") };
    let mut body = json!({"action": action, "lookupField": field, "input": input});
    if let Some(partition) = partition.filter(|_| by_email) {
        body["partitionName"] = partition.into();
    }
    post_json("/rest/v1/leads.json", &body)
}

pub(crate) fn add_members(list: u64, ids: &[u64]) -> Request {
    let input: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
    post_json(&format!("/rest/v1/lists/{list}/leads.json"), &json!({"input": input}))
}

/// The ids stand one by one, as Marketo's documents have them; a list with commas is not among what they say is taken.
pub(crate) fn remove_members(list: u64, ids: &[u64]) -> Request {
    let ids: Vec<(&str, String)> = ids.iter().map(|id| ("id", id.to_string())).collect();
    request("DELETE", format!("/rest/v1/lists/{list}/leads.json?{}", encode::pairs(&ids)))
}

pub(crate) fn members(list: u64, token: Option<&str>, size: usize) -> Request {
    let size = size.to_string();
    let mut query = vec![("fields", "id,email"), ("batchSize", &*size)];
    query.extend(token.map(|token| ("nextPageToken", token)));
    get(&format!("/rest/v1/lists/{list}/leads.json"), &query)
}

/// A file of rows that are put on the list, and in mode *create* made or changed before.
pub(crate) fn import(mode: Mode, list: u64, partition: Option<&str>, csv: &[u8]) -> Request {
    // Between the parts of the body; nothing that a file of ours holds, since it stands in no cell on a line of its own.
    const BOUNDARY: &str = "attiva-b2f1c0de-7a35-4e0a-9d6e-5f3a8f1e7c11";
    let lookup = match mode {
        Mode::Match => "id",
        Mode::Create => "email",
    };
    let list = list.to_string();
    let mut query = vec![("format", "csv"), ("lookupField", lookup), ("listId", &*list)];
    query.extend(partition.filter(|_| mode == Mode::Create).map(|name| ("partitionName", name)));
    let mut body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"leads.csv\"\r\n\
         Content-Type: text/csv\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(csv);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let path = format!("/bulk/v1/leads.json?{}", encode::pairs(&query));
    with_body(request("POST", path), &format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

pub(crate) fn import_status(batch: u64) -> Request {
    get(&format!("/bulk/v1/leads/batch/{batch}.json"), &[])
}

pub(crate) fn import_failures(batch: u64) -> Request {
    get(&format!("/bulk/v1/leads/batch/{batch}/failures.json"), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_one_the_specification_allows_and_a_dry_run_refuses_what_writes() {
        let rules = crate::spec::spec().origins.remove(0).rules;
        let many = vec!["somebody.with.a.long.name@somewhere.example"; 300];
        let requests = [
            (describe(), "read"),
            (usage(), "read"),
            (list_by_name("a & b"), "read"),
            (folder_by_name("x"), "read"),
            (leads_by_email(&["a@x.example"], None), "read"),
            (leads_by_email(&many, Some("T")), "read"),
            (members(1, None, 300), "read"),
            (import_status(1), "read"),
            (import_failures(1), "read"),
            (create_list(&json!({"id": 12, "type": "Folder"}), "x", "y"), "write"),
            (delete_list(1), "write"),
            (sync_leads(true, None, &[]), "write"),
            (add_members(1, &[1]), "write"),
            (remove_members(1, &[1]), "write"),
            (import(Mode::Create, 1, None, b"email\n"), "write"),
        ];
        for (request, access) in requests {
            let path = request.path.split('?').next().unwrap();
            let reached = rules.iter().filter(|rule| {
                let asked = if rule.path.contains('?') { &request.path } else { path };
                rule.methods.contains(&request.method) && asked.starts_with(&rule.path)
            });
            // As the host decides: the closest rule, and of two the one that writes.
            let closest =
                reached.max_by_key(|rule| (rule.path.len(), serde_json::to_value(rule.access).unwrap() == "write"));
            let found = closest.map(|rule| serde_json::to_value(rule.access).unwrap());
            assert_eq!(found, Some(json!(access)), "{} {}", request.method, request.path);
        }
        assert_eq!(leads_by_email(&many, None).method, "POST", "too long for a URI");
    }

    #[test]
    fn three_hundred_ids_fit_a_uri() {
        assert_eq!(remove_members(7, &[3, 12]).path, "/rest/v1/lists/7/leads.json?id=3&id=12");
        let ids: Vec<u64> = (1_000_000_000..1_000_000_300).collect();
        assert!(remove_members(9_999_999, &ids).path.len() < 7_000);
    }

    #[test]
    fn a_file_is_a_part_with_a_name() {
        let request = import(Mode::Match, 7, Some("EU"), b"id\n1\n");
        assert_eq!(request.path, "/bulk/v1/leads.json?format=csv&lookupField=id&listId=7");
        let body = String::from_utf8(request.body.unwrap()).unwrap();
        assert!(
            body.contains(
                "name=\"file\"; filename=\"leads.csv\"\r\nContent-Type: text/csv\r\n\r\nid\n1\n\r\n--attiva-"
            ),
            "{body}"
        );
    }
}
