//! The requests this connector makes. Pure: what goes in decides what comes out.

use crate::extract::Extract;
use crate::instant::format_seconds;
use attiva_connector::{Request, encode};
use marketo_api::{get, post_json, request};
use serde_json::{Value, json};

/// Keys in one call of [`by_key`], and activities in one page: Marketo takes no more.
pub(crate) use marketo_api::BATCH_MAX;

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
pub(crate) fn exports(of: Extract) -> Request {
    get(&format!("/bulk/v1/{}/export.json", of.path()), &[("batchSize", "1")])
}

/// What an export of the persons created from `start` to `end` (both inclusive at the vendor, in seconds) is ordered
/// with.
pub(crate) fn persons_order(fields: &[&str], start: i64, end: i64) -> Value {
    json!({"fields": fields, "format": "CSV", "filter": {"createdAt": range(start, end)}})
}

/// The same for the activities of these types in a window.
pub(crate) fn activities_order(fields: &[&str], types: &[i64], start: i64, end: i64) -> Value {
    let filter = json!({"createdAt": range(start, end), "activityTypeIds": types});
    json!({"fields": fields, "format": "CSV", "filter": filter})
}

/// The same for the members of at most ten programs. The file has the program's id as its first column by itself.
pub(crate) fn members_order(fields: &[&str], programs: &[i64]) -> Value {
    json!({"fields": fields, "format": "CSV", "filter": {"programIds": programs}})
}

fn range(start: i64, end: i64) -> Value {
    json!({"startAt": format_seconds(start), "endAt": format_seconds(end)})
}

pub(crate) fn create_export(of: Extract, order: &Value) -> Request {
    post_json(&format!("/bulk/v1/{}/export/create.json", of.path()), order)
}

pub(crate) fn enqueue_export(of: Extract, id: &str) -> Request {
    request("POST", export_path(of, id, "enqueue"))
}

pub(crate) fn cancel_export(of: Extract, id: &str) -> Request {
    request("POST", export_path(of, id, "cancel"))
}

pub(crate) fn export_status(of: Extract, id: &str) -> Request {
    request("GET", export_path(of, id, "status"))
}

pub(crate) fn export_file(of: Extract, id: &str) -> Request {
    request("GET", export_path(of, id, "file"))
}

/// A token for everything that happened since, in seconds.
pub(crate) fn paging_token(since: i64) -> Request {
    get("/rest/v1/activities/pagingtoken.json", &[("sinceDatetime", &format_seconds(since))])
}

/// A page of activities of these types, ten at most.
pub(crate) fn activities(types: &str, token: &str, batch: usize) -> Request {
    let batch = batch.to_string();
    get("/rest/v1/activities.json", &[("activityTypeIds", types), ("batchSize", &batch), ("nextPageToken", token)])
}

pub(crate) fn activity_types() -> Request {
    get("/rest/v1/activities/types.json", &[])
}

/// A page of deletions, which no page of activities has.
pub(crate) fn deletions(token: &str, batch: usize) -> Request {
    let batch = batch.to_string();
    get("/rest/v1/activities/deletedleads.json", &[("batchSize", &batch), ("nextPageToken", token)])
}

/// Records that have one of `values`, at most [`BATCH_MAX`], in field `by`; a comma parts values, so none may have one.
pub(crate) fn by_key(path: &str, by: &str, values: &[String], fields: &[&str], token: Option<&str>) -> Request {
    let (values, fields, batch) = (values.join(","), fields.join(","), BATCH_MAX.to_string());
    let mut query = vec![("filterType", by), ("filterValues", &*values), ("fields", &*fields), ("batchSize", &*batch)];
    query.extend(token.map(|token| ("nextPageToken", token)));
    get(path, &query)
}

/// What the lead database describes of an object: `companies`, `opportunities/roles`.
pub(crate) fn describe_object(object: &str) -> Request {
    get(&format!("/rest/v1/{object}/describe.json"), &[])
}

/// A page of the static lists.
pub(crate) fn static_lists(batch: usize, token: Option<&str>) -> Request {
    let batch = batch.to_string();
    let mut query = vec![("batchSize", &*batch)];
    query.extend(token.map(|token| ("nextPageToken", token)));
    get("/rest/v1/lists.json", &query)
}

/// A page of the persons on a static list.
pub(crate) fn list_members(list: i64, batch: usize, token: Option<&str>) -> Request {
    let batch = batch.to_string();
    let mut query = vec![("fields", "id"), ("batchSize", &*batch)];
    query.extend(token.map(|token| ("nextPageToken", token)));
    get(&format!("/rest/v1/lists/{list}/leads.json"), &query)
}

/// Programs from `offset` on, in no order that is promised; with `since`, in seconds, those that changed.
pub(crate) fn programs(offset: i64, count: i64, since: Option<i64>) -> Request {
    let (offset, count) = (offset.to_string(), count.to_string());
    let since = since.map(format_seconds);
    let mut query = vec![("offset", &*offset), ("maxReturn", &*count)];
    query.extend(since.iter().map(|since| ("earliestUpdatedAt", &**since)));
    get("/rest/asset/v1/programs.json", &query)
}

/// Lists of named accounts by name.
pub(crate) fn account_lists(names: &[String]) -> Request {
    get("/rest/v1/namedAccountLists.json", &[("filterType", "dedupeFields"), ("filterValues", &names.join(","))])
}

/// A page of the accounts on a list of named accounts.
pub(crate) fn account_list_members(list: &str, fields: &[&str], batch: usize, token: Option<&str>) -> Request {
    let (fields, batch) = (fields.join(","), batch.to_string());
    let mut query = vec![("fields", &*fields), ("batchSize", &*batch)];
    query.extend(token.map(|token| ("nextPageToken", token)));
    get(&format!("/rest/v1/namedAccountList/{}/namedAccounts.json", encode::component(list)), &query)
}

fn export_path(of: Extract, id: &str, what: &str) -> String {
    format!("/bulk/v1/{}/export/{}/{what}.json", of.path(), encode::component(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use marketo_api::PATH_BYTES_MAX;
    use serde_json::Value;

    #[test]
    fn an_export_covers_its_window_to_the_second() {
        let request = create_export(Extract::Leads, &persons_order(&["id", "email"], 1_767_225_600, 1_769_817_600));
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
        assert_eq!(activities("1", "A+B/C==", 300).path.rsplit('=').next(), Some("A%2BB%2FC%3D%3D"));
        assert!(paging_token(0).path.ends_with("?sinceDatetime=1970-01-01T00%3A00%3A00Z"));
        assert_eq!(export_status(Extract::Leads, "a/../b").path, "/bulk/v1/leads/export/a%2F..%2Fb/status.json");
    }

    #[test]
    fn a_long_query_moves_into_the_body() {
        let leads = |ids: &[i64], fields: &[&str], token| {
            let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
            by_key("/rest/v1/leads.json", "id", &ids, fields, token)
        };
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
        let long = vec!["x".repeat(PATH_BYTES_MAX)];
        let keyed = ["leads", "companies", "opportunities", "opportunities/roles"];
        let mut requests: Vec<Request> = keyed
            .iter()
            .flat_map(|object| {
                let path = format!("/rest/v1/{object}.json");
                [by_key(&path, "id", &["1".into()], &["id"], None), by_key(&path, "id", &long, &["id"], None)]
            })
            .collect();
        for of in [Extract::Leads, Extract::Activities, Extract::Members] {
            requests.extend([
                exports(of),
                create_export(of, &json!({})),
                enqueue_export(of, "x"),
                cancel_export(of, "x"),
                export_status(of, "x"),
                export_file(of, "x"),
            ]);
        }
        requests.extend(["companies", "programs/members"].map(describe_object));
        requests.extend([
            // Short ids alone, so that it never grows too long for a URI.
            by_key("/rest/v1/programs/7/members.json", "leadId", &["1".into()], &["leadId"], None),
            describe(),
            usage(),
            paging_token(0),
            activities("1", "t", 1),
            activity_types(),
            deletions("t", 1),
            static_lists(1, None),
            list_members(7, 1, Some("t")),
            programs(0, 200, Some(0)),
            account_lists(&["a".into()]),
            account_list_members("x", &["name"], 1, None),
        ]);
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
