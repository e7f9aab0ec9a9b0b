//! The endpoints: describe, queries, limits, and jobs.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value as Json, json};

use super::fault::Fault;
use super::gate::Call;
use super::jobs::Job;
use super::org;
use super::refusal::{Refusal, json_response};
use super::schema::{Field, OBJECTS, Object};
use super::service::{Cursor, Service, State};

/// The versions the org has, the newest last.
const VERSIONS: [&str; 3] = ["66.0", "67.0", "68.0"];

type Answer = Result<Response, Refusal>;

pub(crate) fn versions() -> Response {
    let version =
        |v: &&str| json!({"label": format!("Release {v}"), "url": format!("/services/data/v{v}"), "version": v});
    json_response(200, &Json::from(VERSIONS.iter().map(version).collect::<Vec<_>>()))
}

pub(crate) fn route(service: &Service, state: &mut State, call: &Call, fault: Option<&Fault>) -> Answer {
    let rest = call.path.strip_prefix("/services/data/v").ok_or_else(Refusal::not_found)?;
    let (version, rest) = rest.split_once('/').ok_or_else(Refusal::not_found)?;
    if !VERSIONS.contains(&version) {
        return Err(Refusal::not_found());
    }
    let segments: Vec<&str> = rest.split('/').collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("GET", ["sobjects", ""] | ["sobjects"]) => {
            let seen = OBJECTS.iter().filter(|object| state.sees(object.name, None)).map(Object::global);
            Ok(json_response(
                200,
                &json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": seen.collect::<Vec<_>>()}),
            ))
        }
        ("GET", ["sobjects", name, "describe"]) => {
            let object =
                Object::named(name).filter(|object| state.sees(object.name, None)).ok_or_else(Refusal::not_found)?;
            Ok(json_response(200, &object.describe(|field| state.sees(object.name, Some(field)))))
        }
        ("GET", ["query" | "queryAll"]) => query(service, state, call, version, segments == ["queryAll"], fault),
        ("GET", ["query" | "queryAll", locator]) => next_page(state, version, locator, fault),
        ("GET", ["limits"]) => Ok(limits(service, state)),
        ("GET", ["limits", "recordCount"]) => Ok(record_count(state, call)),
        (method, ["jobs", "query", rest @ ..]) => jobs(service, state, call, version, (method, rest), fault),
        _ => Err(Refusal::not_found()),
    }
}

fn query(
    service: &Service,
    state: &mut State,
    call: &Call,
    version: &str,
    deleted: bool,
    fault: Option<&Fault>,
) -> Answer {
    let text = call
        .parameter("q")
        .ok_or_else(|| Refusal::new(400, "MALFORMED_QUERY", "A query string has to be specified"))?;
    let query = state.query(text)?;
    let records = state.records(&query, deleted);
    if query.is_count() {
        return Ok(json_response(200, &json!({"totalSize": records.len(), "done": true, "records": []})));
    }
    let ids: Vec<String> = records.iter().filter_map(|r| r.get("Id")?.as_str()).map(str::to_owned).collect();
    // A hint, and never more than wide rows let through.
    let batch = call.batch.unwrap_or(2_000).clamp(200, 2_000).min(service.config.page_records);
    let name = format!("01g5g{:013}", state.cursors.len() + 1);
    state.cursors.insert(name.clone(), Cursor { object: query.object.name, fields: query.fields, ids, batch });
    page(state, version, &name, 0, fault)
}

fn next_page(state: &mut State, version: &str, locator: &str, fault: Option<&Fault>) -> Answer {
    let gone = || Refusal::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
    let (name, at) = locator.rsplit_once('-').ok_or_else(gone)?;
    let at = at.parse().map_err(|_| gone())?;
    if matches!(fault, Some(Fault::LocatorGone)) {
        state.cursors.remove(name);
    }
    page(state, version, name, at, fault)
}

fn page(state: &State, version: &str, name: &str, at: usize, fault: Option<&Fault>) -> Answer {
    let gone = || Refusal::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
    let cursor = state.cursors.get(name).ok_or_else(gone)?;
    let batch = if matches!(fault, Some(Fault::EmptyPage)) { 0 } else { cursor.batch };
    let ids = cursor.ids.get(at..).ok_or_else(gone)?;
    // A record that was erased meanwhile is not there; `totalSize` still counts it.
    let shown = ids.iter().take(batch).filter_map(|id| state.org.get(cursor.object, id));
    let records: Vec<Json> =
        shown.map(|record| record_json(cursor.object, version, &cursor.fields, &record.values)).collect();
    let next = at + batch.min(ids.len());
    let done = next >= cursor.ids.len();
    let mut answer = json!({"totalSize": cursor.ids.len(), "done": done, "records": records});
    if !done {
        answer["nextRecordsUrl"] = json!(format!("/services/data/v{version}/query/{name}-{next}"));
    }
    Ok(json_response(200, &answer))
}

fn record_json(object: &str, version: &str, fields: &[Field], values: &Map<String, Json>) -> Json {
    let id = values.get("Id").and_then(Json::as_str).unwrap_or_default();
    let mut record = Map::new();
    record.insert(
        "attributes".into(),
        json!({"type": object, "url": format!("/services/data/v{version}/sobjects/{object}/{id}")}),
    );
    for (name, kind) in fields {
        let value = match values.get(*name) {
            // Numbers are doubles, and written as such.
            Some(Json::Number(number)) if matches!(*kind, "currency" | "double" | "percent") => {
                number.as_f64().map_or(Json::Null, Json::from)
            }
            Some(value) => value.clone(),
            None => Json::Null,
        };
        record.insert((*name).to_owned(), value);
    }
    Json::Object(record)
}

fn limits(service: &Service, state: &State) -> Response {
    let left = service.config.daily_calls.saturating_sub(state.calls_today);
    json_response(
        200,
        &json!({
            "DailyApiRequests": {"Max": service.config.daily_calls, "Remaining": left},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000 - state.jobs_made.min(10_000)},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
        }),
    )
}

fn record_count(state: &State, call: &Call) -> Response {
    let wanted: Vec<&str> =
        call.parameter("sObjects").unwrap_or_default().split(',').filter(|name| !name.is_empty()).collect();
    let counts = state.org.counts().into_iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name));
    let counts: Vec<Json> = counts.map(|(name, count)| json!({"count": count, "name": name})).collect();
    json_response(200, &json!({"sObjects": counts}))
}

fn jobs(
    service: &Service,
    state: &mut State,
    call: &Call,
    version: &str,
    (method, rest): (&str, &[&str]),
    fault: Option<&Fault>,
) -> Answer {
    if let ("POST", []) = (method, rest) {
        return create_job(service, state, call, version);
    }
    if let ("GET", [] | [""]) = (method, rest) {
        let all: Vec<Json> = state.jobs.values().map(Job::to_json).collect();
        return Ok(json_response(200, &json!({"done": true, "records": all, "nextRecordsUrl": null})));
    }
    let id = rest.first().copied().unwrap_or_default();
    if matches!(fault, Some(Fault::JobGone)) {
        state.jobs.remove(id);
    }
    let job = state.jobs.get_mut(id).ok_or_else(Refusal::not_found)?;
    match (method, rest) {
        ("GET", [_]) => {
            match fault {
                Some(Fault::JobFails { message }) => (job.state, job.error) = ("Failed", Some(message.clone())),
                Some(Fault::JobAborted) => job.state = "Aborted",
                _ => job.look(),
            }
            Ok(json_response(200, &job.to_json()))
        }
        ("GET", [_, "results"]) => results(service, job, call, version, matches!(fault, Some(Fault::ResultsShort))),
        ("PATCH", [_]) => {
            if matches!(job.state, "JobComplete" | "Failed" | "Aborted") {
                return Err(Refusal::new(
                    400,
                    "API_ERROR",
                    format!("Can't abort a job that has ended. Current state: {}", job.state),
                ));
            }
            job.state = "Aborted";
            Ok(json_response(200, &job.to_json()))
        }
        ("DELETE", [_]) => {
            if matches!(job.state, "UploadComplete" | "InProgress") {
                return Err(Refusal::new(
                    400,
                    "API_ERROR",
                    "Can only delete jobs that are completed, failed or aborted",
                ));
            }
            state.jobs.remove(id);
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(Refusal::not_found()),
    }
}

fn create_job(service: &Service, state: &mut State, call: &Call, version: &str) -> Answer {
    let body: Json =
        serde_json::from_slice(&call.body).map_err(|e| Refusal::new(400, "JSON_PARSER_ERROR", e.to_string()))?;
    let operation = body["operation"].as_str().unwrap_or_default().to_owned();
    if !matches!(operation.as_str(), "query" | "queryAll") {
        return Err(Refusal::new(400, "API_ERROR", "Unable to find operation"));
    }
    if state.jobs_made >= 10_000 {
        return Err(Refusal::new(400, "API_ERROR", "Max bulk v2 query jobs (10000) per 24 hrs has been reached"));
    }
    let query = state.query(body["query"].as_str().unwrap_or_default())?;
    if query.is_count() {
        return Err(Refusal::new(400, "API_ERROR", "Aggregate Relationships not supported in Bulk Query"));
    }
    if query.fields.iter().any(|(_, kind)| matches!(*kind, "address" | "location")) {
        return Err(Refusal::new(
            400,
            "API_ERROR",
            "FUNCTIONALITY_NOT_ENABLED: Selecting compound data not supported in Bulk Query",
        ));
    }
    if service.config.no_bulk.iter().any(|name| name == query.object.name) {
        let words = format!("INVALIDENTITY: Entity '{}' is not supported by the Bulk API.", query.object.name);
        return Err(Refusal::new(400, "INVALIDENTITY", words));
    }
    state.jobs_made += 1;
    let id = format!("7505g{:010}AAA", state.jobs_made);
    let records = state.records(&query, operation == "queryAll");
    let created = org::datetime(service.clock.now());
    let polls = service.config.job_polls;
    let job =
        Job::new(id.clone(), version.to_owned(), query.object.name, operation, polls, created, &query.fields, &records);
    let answer = json_response(200, &job.to_json());
    state.jobs.insert(id, job);
    Ok(answer)
}

fn results(service: &Service, job: &Job, call: &Call, version: &str, short: bool) -> Answer {
    if job.version != version {
        return Err(Refusal::new(
            409,
            "API_VERSION_MISMATCH",
            format!("The API version of the job is {}", job.version),
        ));
    }
    if job.state != "JobComplete" {
        return Err(Refusal::new(400, "API_ERROR", format!("Results are not available in the state {}", job.state)));
    }
    let most = call.parameter("maxRecords").and_then(|text| text.parse().ok()).unwrap_or(50_000);
    let most = std::cmp::min(most, service.config.results_records).max(1);
    let unknown = || Refusal::new(400, "API_ERROR", "Invalid locator");
    let results = job.results(call.parameter("locator"), most, short).ok_or_else(unknown)?;
    let headers = [
        ("content-type", "text/csv".to_owned()),
        ("sforce-numberofrecords", results.records.to_string()),
        ("sforce-locator", results.locator),
    ];
    let mut response = results.csv.into_response();
    response.headers_mut().remove(CONTENT_TYPE);
    for (name, value) in headers {
        if let Ok(value) = http::HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
