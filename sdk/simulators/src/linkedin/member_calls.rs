//! The calls that fill segments.

use http::Method;
use serde_json::{Value as Json, json};

use super::answer::{Answer, Outcome, Refusal};
use super::elements;
use super::fault::Fault;
use super::gate::Call;
use super::limits;
use super::segment_calls::no_segment;
use super::segments::Kind;
use super::service::Service;

/// `POST dmpSegments/{id}/users` and `…/companies`: each element has a status of its own, inside a 200.
pub(crate) fn batch(service: &Service, call: &Call, id: &str, kind: limits::Kind, fault: Option<&Fault>) -> Outcome {
    if call.method != Method::POST {
        return Err(Refusal::new(405, "No such method"));
    }
    let id: u64 = id.parse().map_err(|_| Refusal::bad("The id is no number"))?;
    let (kind, most) = match kind {
        limits::Kind::Companies => (Kind::Company, service.config.limits.companies_per_call),
        _ => (Kind::User, service.config.limits.users_per_call),
    };
    let now_ms = service.now_ms();
    let body = call.json()?;
    let mut segments = service.segments();
    let segment = segments.get(id).ok_or_else(no_segment)?;
    if segment.about.kind != kind {
        return Err(Refusal::bad(format!("The segment is of type {}", segment.about.kind.name())));
    }
    let status = segments.status(segment, now_ms);
    if ["EXPIRED", "FAILED", "ERROR"].contains(&status.as_str()) {
        return Err(Refusal::bad(format!("The segment is {status}")));
    }
    if call.restli_method() != "BATCH_CREATE" {
        // Without the header the body is one element.
        let (member, adds) = elements::read(kind, &body)?;
        segments.put(id, &member, adds, now_ms);
        return Ok(Answer::Created(id.to_string()));
    }
    let Some(Json::Array(list)) = body.get("elements") else {
        return Err(Refusal::bad("ERROR :: /elements :: field is required"));
    };
    if list.len() > most {
        return Err(Refusal::bad(format!("Batch size {} exceeds the limit of {most}", list.len())));
    }
    service.received().elements += list.len() as u64;
    let mut results: Vec<Json> = Vec::with_capacity(list.len());
    for (i, element) in list.iter().enumerate() {
        let refused = match fault {
            Some(Fault::ElementsRefused { from, count, status })
                if (*from..from.saturating_add(*count)).contains(&i) =>
            {
                Err(Refusal::new(*status, "The element is refused on purpose"))
            }
            _ => elements::read(kind, element),
        };
        results.push(match refused {
            Ok((member, adds)) => {
                segments.put(id, &member, adds, now_ms);
                json!({"status": 201})
            }
            Err(refusal) => json!({"status": refusal.status, "error": refusal.body()}),
        });
    }
    if matches!(fault, Some(Fault::ResultsShort)) {
        results.pop();
    }
    Ok(Answer::Json(json!({"elements": results})))
}
