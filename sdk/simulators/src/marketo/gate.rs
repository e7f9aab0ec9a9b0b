//! A call's way in: what the vendor checks before an endpoint sees it, in order, and what is written down about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::body::CutBody;
use super::call::Call;
use super::envelope::{self, Answer, Outcome, Refusal};
use super::fault::Fault;
use super::faults::Point;
use super::objects::Kind;
use super::received::ReceivedCall;
use super::service::Service;
use super::{
    activity_calls, export_calls, import_calls, lead_calls, list_calls, list_writes, object_calls, program_calls,
    schema,
};

const URI_BYTES: usize = 8 * 1024;
const BODY_BYTES: usize = 1024 * 1024;
/// A file to import is less than 10 MB.
const IMPORT_BYTES: usize = 10 * 1024 * 1024;

/// Answers a call, and notes that it came.
pub(crate) async fn answer(State(service): State<Arc<Service>>, request: Request) -> Response<Body> {
    let mut noted = ReceivedCall {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        status: 0,
        code: None,
    };
    let _running = { service.limits().enter() };
    if let Some(delay) = { service.faults().take_delay(&noted.path) } {
        tokio::time::sleep(delay).await;
    }
    let outcome = match read(request).await {
        Ok(call) => handle(&service, &call),
        Err(status) => Ok(Answer::plain(status, "text/html", format!("<html><body>{status}</body></html>"))),
    };
    noted.code = outcome.as_ref().err().map(|refusal| refusal.code.to_string());
    let mut response = envelope::response(outcome, &service.request_id());
    if let Some(Fault::Cut { after_bytes }) = service.fault(Point::Answer, &noted.path) {
        response = response.map(|body| Body::new(CutBody::new(body, after_bytes)));
    }
    noted.status = response.status().as_u16();
    service.received().add(noted);
    response
}

/// Reads a call within the vendor's sizes.
async fn read(request: Request) -> Result<Call, StatusCode> {
    let (parts, body) = request.into_parts();
    if parts.uri.path_and_query().is_some_and(|text| text.as_str().len() > URI_BYTES) {
        return Err(StatusCode::URI_TOO_LONG);
    }
    let most = if parts.uri.path() == "/bulk/v1/leads.json" { IMPORT_BYTES } else { BODY_BYTES };
    let body: Bytes = match Limited::new(body, most).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => return Err(StatusCode::BAD_REQUEST),
    };
    Ok(Call::new(parts, body))
}

fn handle(service: &Arc<Service>, call: &Call) -> Outcome {
    match service.fault(Point::Call, &call.path) {
        Some(Fault::HtmlPage { status }) => {
            let page = "<!DOCTYPE html><html><head><title>Service Unavailable</title></head><body><h1>We'll be right back</h1></body></html>";
            return Ok(Answer::plain(status_of(status), "text/html; charset=UTF-8", page));
        }
        Some(Fault::Raw { status, content_type, body }) => {
            let content_type =
                HeaderValue::try_from(content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
            return Ok(Answer::Plain(envelope::plain(status_of(status), content_type, body)));
        }
        Some(fault) => {
            if let Some(refusal) = fault.refusal() {
                return Err(refusal);
            }
        }
        None => {}
    }
    if call.path.contains("//") {
        return Err(Refusal::not_found());
    }
    if call.path == "/identity/oauth/token" {
        return token(service, call);
    }
    service.identity().check(call.header(&AUTHORIZATION))?;
    let day = service.clock.central_day();
    service.limits().admit(day, Instant::now())?;
    route(service, call)
}

/// The identity service; its calls are not counted.
fn token(service: &Service, call: &Call) -> Outcome {
    if ![Method::GET, Method::POST].contains(&call.method) {
        return Err(call.wrong_method());
    }
    let shortened = match service.fault(Point::Identity, &call.path) {
        Some(Fault::TokenLife { seconds }) => Some(Duration::from_secs(seconds)),
        _ => None,
    };
    let (status, body) = service.identity().answer(&call.params, shortened);
    Ok(Answer::Plain(envelope::json_response(status, &body)))
}

fn route(service: &Arc<Service>, call: &Call) -> Outcome {
    import_calls::settle(service);
    let segments: Vec<&str> = call.path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["rest", "v1", rest @ ..] => match rest {
            ["leads.json"] => lead_calls::leads(service, call),
            ["leads", "describe.json"] => described(call, schema::describe),
            ["leads", "describe2.json"] => described(call, || schema::describe2(service.config.native_crm)),
            ["leads", "delete.json"] => {
                if call.method == Method::POST {
                    lead_calls::delete(service, call)
                } else {
                    Err(call.wrong_method())
                }
            }
            ["leads", id, "merge.json"] => lead_calls::merge(service, call, id),
            ["lead", id] => lead_calls::by_id(service, call, id.strip_suffix(".json").ok_or_else(Refusal::not_found)?),
            ["lists.json"] => list_calls::lists(service, call),
            ["lists", id] => list_calls::by_id(service, call, id.strip_suffix(".json").ok_or_else(Refusal::not_found)?),
            ["lists" | "list", id, "leads.json"] if call.method != Method::GET => {
                list_writes::change(service, call, id)
            }
            ["lists" | "list", id, "leads.json"] => list_calls::members(service, call, id),
            ["lists", id, "leads", "ismember.json"] => list_calls::is_member(service, call, id),
            ["opportunities", "roles.json"] => object_calls::objects(service, call, Kind::Role),
            ["opportunities", "roles", "describe.json"] => object_calls::describe(service, call, Kind::Role),
            ["companies.json"] => object_calls::objects(service, call, Kind::Company),
            ["companies", "describe.json"] => object_calls::describe(service, call, Kind::Company),
            ["opportunities.json"] => object_calls::objects(service, call, Kind::Opportunity),
            ["opportunities", "describe.json"] => object_calls::describe(service, call, Kind::Opportunity),
            ["namedaccounts.json"] => object_calls::objects(service, call, Kind::NamedAccount),
            ["namedaccounts", "describe.json"] => object_calls::describe(service, call, Kind::NamedAccount),
            ["namedAccountLists.json"] => object_calls::account_lists(service, call),
            ["namedAccountList", id, "namedAccounts.json"] => object_calls::account_list_members(service, call, id),
            ["programs", "members", "describe.json"] => program_calls::describe_members(call),
            ["programs", id, "members.json"] => program_calls::members(service, call, id),
            ["activities.json"] => activity_calls::activities(service, call),
            ["activities", "pagingtoken.json"] => activity_calls::paging_token(call),
            ["activities", "types.json"] => activity_calls::types(call),
            ["activities", "leadchanges.json"] => activity_calls::lead_changes(service, call),
            ["activities", "deletedleads.json"] => activity_calls::deleted_leads(service, call),
            ["stats", "usage.json"] => usage(service, call),
            _ => Err(Refusal::not_found()),
        },
        ["rest", "asset", "v1", rest @ ..] => match rest {
            ["programs.json"] => program_calls::programs(service, call),
            ["program", id] => {
                program_calls::by_id(service, call, id.strip_suffix(".json").ok_or_else(Refusal::not_found)?)
            }
            ["staticList", "byName.json"] => list_calls::by_name(service, call),
            ["staticList", id, "delete.json"] => list_writes::delete(service, call, id),
            ["staticLists.json"] => list_writes::create(service, call),
            ["folder", "byName.json"] => list_writes::folder_by_name(call),
            _ => Err(Refusal::not_found()),
        },
        ["bulk", "v1", "program", "members", rest @ ..] => export_calls::route(service, call, "program/members", rest),
        ["bulk", "v1", "leads.json"] => import_calls::begin(service, call),
        ["bulk", "v1", "leads", "batch", rest @ ..] => import_calls::about(service, call, rest),
        ["bulk", "v1", of @ ("leads" | "activities"), rest @ ..] => export_calls::route(service, call, of, rest),
        _ => Err(Refusal::not_found()),
    }
}

fn described(call: &Call, describe: impl Fn() -> serde_json::Value) -> Outcome {
    call.only(&Method::GET)?;
    Ok(Answer::result(describe()))
}

/// `GET stats/usage.json`: today's calls.
fn usage(service: &Service, call: &Call) -> Outcome {
    call.only(&Method::GET)?;
    let day = service.clock.central_day();
    let total = service.limits().today(day);
    let user = serde_json::json!({"userId": "api-user@attiva.example", "count": total});
    Ok(Answer::result(vec![serde_json::json!({"date": super::clock::date(day), "total": total, "users": [user]})]))
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
