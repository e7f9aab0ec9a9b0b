//! The requests this connector makes. Pure: what goes in decides what comes out.

use crate::spec::{CREDENTIAL, ORIGIN};
use attiva_connector::{Request, encode};
use serde_json::json;

/// Records of a page of a query at most.
pub(crate) const BATCH_MAX: u32 = 2_000;
/// The least the vendor takes for it.
const BATCH_MIN: u32 = 200;
/// Records of a file of results: each file is one call of the day's budget, and has to fit a spool.
const FILE_RECORDS: u32 = 50_000;
/// A URI and its headers may have 16,384 bytes together; the session takes some of them.
pub(crate) const PATH_BYTES_MAX: usize = 14_000;

/// The versions an org has.
pub(crate) fn versions() -> Request {
    get("/services/data/".into())
}

pub(crate) fn limits(version: &str) -> Request {
    get(path(version, "limits"))
}

/// All objects the user may see.
pub(crate) fn objects(version: &str) -> Request {
    get(path(version, "sobjects/"))
}

pub(crate) fn describe(version: &str, object: &str) -> Request {
    get(path(version, &format!("sobjects/{}/describe", encode::component(object))))
}

/// A query over all records, deleted ones too.
pub(crate) fn query_all(version: &str, soql: &str, batch: u32) -> Request {
    let mut request = get(format!("{}?{}", path(version, "queryAll"), encode::pairs(&[("q", soql)])));
    let batch = batch.clamp(BATCH_MIN, BATCH_MAX);
    request.headers.push(("sforce-query-options".into(), format!("batchSize={batch}")));
    request
}

/// The next page of a query, where the vendor says it is.
pub(crate) fn next_page(url: &str) -> Request {
    get(url.to_owned())
}

pub(crate) fn create_job(version: &str, soql: &str) -> Request {
    let body = json!({"operation": "queryAll", "query": soql, "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF"});
    with_body("POST", path(version, "jobs/query"), &body)
}

pub(crate) fn job(version: &str, id: &str) -> Request {
    get(job_path(version, id))
}

pub(crate) fn results(version: &str, id: &str, locator: Option<&str>) -> Request {
    let records = FILE_RECORDS.to_string();
    let mut query = vec![("maxRecords", records.as_str())];
    query.extend(locator.map(|locator| ("locator", locator)));
    get(format!("{}/results?{}", job_path(version, id), encode::pairs(&query)))
}

pub(crate) fn abort_job(version: &str, id: &str) -> Request {
    with_body("PATCH", job_path(version, id), &json!({"state": "Aborted"}))
}

pub(crate) fn delete_job(version: &str, id: &str) -> Request {
    request("DELETE", job_path(version, id))
}

/// The jobs there are: a harmless way to see whether jobs are allowed.
pub(crate) fn jobs(version: &str) -> Request {
    get(path(version, "jobs/query?jobType=V2Query"))
}

fn path(version: &str, what: &str) -> String {
    format!("/services/data/v{version}/{what}")
}

fn job_path(version: &str, id: &str) -> String {
    path(version, &format!("jobs/query/{}", encode::component(id)))
}

fn get(path: String) -> Request {
    request("GET", path)
}

fn with_body(method: &str, path: String, body: &serde_json::Value) -> Request {
    Request {
        headers: vec![("content-type".into(), "application/json".into())],
        body: Some(body.to_string().into_bytes()),
        ..request(method, path)
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

    #[test]
    fn a_query_is_encoded_and_its_pages_are_asked_for_in_the_vendors_sizes() {
        let request =
            query_all("68.0", "SELECT Id FROM Lead WHERE SystemModstamp <= 2026-01-01T00:00:00.000+00:00", 50);
        assert_eq!(
            request.path,
            "/services/data/v68.0/queryAll?q=SELECT%20Id%20FROM%20Lead%20WHERE%20SystemModstamp%20%3C%3D%202026-01-01T00%3A00%3A00.000%2B00%3A00"
        );
        assert_eq!(request.headers, [("sforce-query-options".to_owned(), "batchSize=200".to_owned())]);
        assert_eq!(query_all("68.0", "x", 90_000).headers[0].1, "batchSize=2000");
    }

    #[test]
    fn results_are_of_the_version_that_made_the_job() {
        let first = results("67.0", "750xx", None);
        assert_eq!(first.path, "/services/data/v67.0/jobs/query/750xx/results?maxRecords=50000");
        let second = results("67.0", "750xx", Some("MTAw+A=="));
        assert_eq!(
            second.path,
            "/services/data/v67.0/jobs/query/750xx/results?maxRecords=50000&locator=MTAw%2BA%3D%3D"
        );
    }
}
