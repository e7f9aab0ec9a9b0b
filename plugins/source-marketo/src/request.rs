//! The requests this connector makes. Pure: what goes in decides what comes out.

use crate::instant::format_seconds;
use crate::spec::{CREDENTIAL, ORIGIN};
use attiva_connector::{Request, encode};
use serde_json::json;

/// A URI may have 8 KB at Marketo, host included; beyond this much the query moves into a body.
const PATH_BYTES_MAX: usize = 7_000;

/// Ids in one call of [`leads`], and activities in one page: Marketo takes no more.
pub(crate) const BATCH_MAX: usize = 300;

/// Which activities say that a person is new or has other values: New Lead, Change Data Value, Change Score, Merge
/// Leads. At most ten fit one chain of pages.
pub(crate) const CHANGE_TYPES: &str = "12,13,22,32";

pub(crate) fn describe() -> Request {
    get("/rest/v1/leads/describe.json", &[])
}

pub(crate) fn usage() -> Request {
    get("/rest/v1/stats/usage.json", &[])
}

/// The exports this API user made in the last days: a harmless way to see whether exports are allowed.
pub(crate) fn exports() -> Request {
    get("/bulk/v1/leads/export.json", &[("batchSize", "1")])
}

/// An export of the persons created from `start` to `end` (both inclusive at the vendor, in seconds).
pub(crate) fn create_export(fields: &[&str], start: i64, end: i64) -> Request {
    let body = json!({
        "fields": fields,
        "format": "CSV",
        "filter": {"createdAt": {"startAt": format_seconds(start), "endAt": format_seconds(end)}},
    });
    Request {
        headers: vec![("content-type".into(), "application/json".into())],
        body: Some(body.to_string().into_bytes()),
        ..request("POST", "/bulk/v1/leads/export/create.json".into())
    }
}

pub(crate) fn enqueue_export(id: &str) -> Request {
    request("POST", export_path(id, "enqueue"))
}

pub(crate) fn cancel_export(id: &str) -> Request {
    request("POST", export_path(id, "cancel"))
}

pub(crate) fn export_status(id: &str) -> Request {
    request("GET", export_path(id, "status"))
}

pub(crate) fn export_file(id: &str) -> Request {
    request("GET", export_path(id, "file"))
}

/// A token for everything that happened since, in seconds.
pub(crate) fn paging_token(since: i64) -> Request {
    get("/rest/v1/activities/pagingtoken.json", &[("sinceDatetime", &format_seconds(since))])
}

/// A page of activities of [`CHANGE_TYPES`].
pub(crate) fn activities(token: &str, batch: usize) -> Request {
    let batch = batch.to_string();
    get(
        "/rest/v1/activities.json",
        &[("activityTypeIds", CHANGE_TYPES), ("batchSize", &batch), ("nextPageToken", token)],
    )
}

/// A page of deletions, which no page of activities has.
pub(crate) fn deletions(token: &str, batch: usize) -> Request {
    let batch = batch.to_string();
    get("/rest/v1/activities/deletedleads.json", &[("batchSize", &batch), ("nextPageToken", token)])
}

/// Persons by id, at most [`BATCH_MAX`].
pub(crate) fn leads(ids: &[i64], fields: &[&str], token: Option<&str>) -> Request {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    let (ids, fields) = (ids.join(","), fields.join(","));
    let batch = BATCH_MAX.to_string();
    let mut query = vec![("filterType", "id"), ("filterValues", &*ids), ("fields", &*fields), ("batchSize", &*batch)];
    query.extend(token.map(|token| ("nextPageToken", token)));
    get("/rest/v1/leads.json", &query)
}

fn export_path(id: &str, what: &str) -> String {
    format!("/bulk/v1/leads/export/{}/{what}.json", encode::component(id))
}

/// A GET, or a POST that stands for one where the query is too long for a URI.
fn get(path: &str, query: &[(&str, &str)]) -> Request {
    if query.is_empty() {
        return request("GET", path.into());
    }
    let query = encode::pairs(query);
    if path.len() + 1 + query.len() <= PATH_BYTES_MAX {
        return request("GET", format!("{path}?{query}"));
    }
    Request {
        headers: vec![("content-type".into(), "application/x-www-form-urlencoded".into())],
        body: Some(query.into_bytes()),
        ..request("POST", format!("{path}?_method=GET"))
    }
}

fn request(method: &str, path: String) -> Request {
    Request {
        origin: ORIGIN.into(),
        method: method.into(),
        path,
        headers: Vec::new(),
        body: None,
        credential: Some(CREDENTIAL.into()),
        timeout_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn an_export_covers_its_window_to_the_second() {
        let request = create_export(&["id", "email"], 1_767_225_600, 1_769_817_600);
        let body: Value = serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
        assert_eq!(request.path, "/bulk/v1/leads/export/create.json");
        assert_eq!(
            body,
            json!({"fields": ["id", "email"], "format": "CSV",
                   "filter": {"createdAt": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-31T00:00:00Z"}}})
        );
    }

    #[test]
    fn tokens_and_times_are_encoded() {
        assert_eq!(activities("A+B/C==", 300).path.rsplit('=').next(), Some("A%2BB%2FC%3D%3D"));
        assert!(paging_token(0).path.ends_with("?sinceDatetime=1970-01-01T00%3A00%3A00Z"));
        assert_eq!(export_status("a/../b").path, "/bulk/v1/leads/export/a%2F..%2Fb/status.json");
    }

    #[test]
    fn a_long_query_moves_into_the_body() {
        let short = leads(&[1, 2], &["id", "email"], None);
        assert_eq!((short.method.as_str(), short.body), ("GET", None));
        assert_eq!(short.path, "/rest/v1/leads.json?filterType=id&filterValues=1%2C2&fields=id%2Cemail&batchSize=300");

        let ids: Vec<i64> = (10_000_000..10_000_300).collect();
        let fields: Vec<String> = (0..300).map(|i| format!("customField{i}")).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let long = leads(&ids, &fields, Some("T"));
        assert_eq!((long.method.as_str(), long.path.as_str()), ("POST", "/rest/v1/leads.json?_method=GET"));
        let body = String::from_utf8(long.body.unwrap()).unwrap();
        assert!(body.starts_with("filterType=id&filterValues=10000000%2C"), "{body}");
        assert!(body.ends_with("&batchSize=300&nextPageToken=T"), "{body}");
        assert_eq!(long.headers, [("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())]);
    }

    #[test]
    fn every_request_is_one_the_specification_allows() {
        let rules = crate::spec::spec().origins.remove(0).rules;
        let requests = [
            describe(),
            usage(),
            exports(),
            create_export(&[], 0, 1),
            enqueue_export("x"),
            export_status("x"),
            export_file("x"),
            paging_token(0),
            activities("t", 1),
            deletions("t", 1),
            leads(&[1], &["id"], None),
            leads(&[1], &[&"x".repeat(PATH_BYTES_MAX)], None),
        ];
        for request in requests {
            let path = request.path.split('?').next().unwrap();
            let reads = request.method == "GET" || path.starts_with("/bulk/") || request.path.ends_with("?_method=GET");
            assert!(reads, "{} {}", request.method, request.path);
            let allowed = rules.iter().any(|rule| {
                let asked = if rule.path.contains('?') { &request.path } else { path };
                rule.methods.contains(&request.method)
                    && asked.starts_with(&rule.path)
                    && rule.credential == request.credential
            });
            assert!(allowed, "{} {}", request.method, request.path);
        }
    }
}
