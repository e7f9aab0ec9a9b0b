//! The calls for segments and the ad account.

use http::Method;
use serde_json::{Value as Json, json};

use super::answer::{Answer, Outcome, Refusal};
use super::gate::Call;
use super::segments::{Kind, NewSegment};
use super::service::Service;

pub(crate) fn no_segment() -> Refusal {
    Refusal::new(404, "Could not find DMP segment")
}

/// `GET dmpSegments?q=account&account=…` and `POST dmpSegments`.
pub(crate) fn all(service: &Service, call: &Call) -> Outcome {
    match call.method {
        Method::GET => find(service, call),
        Method::POST => create(service, call),
        _ => Err(Refusal::new(405, "No such method")),
    }
}

fn find(service: &Service, call: &Call) -> Outcome {
    if call.param("q") != Some("account") {
        return Err(Refusal::bad("No finder of this name"));
    }
    let segments = service.segments();
    let account = call.param("account").ok_or_else(|| Refusal::bad("Parameter account is required"))?;
    check_account(account, segments.account())?;
    let number = |name: &str| {
        call.param(name)
            .map(|text| text.parse::<usize>().map_err(|_| Refusal::bad(format!("Parameter {name} is no number"))))
    };
    let (start, count) = (number("start").transpose()?, number("count").transpose()?);
    let matches = |name: &str, value: &str| call.param(name).is_none_or(|wanted| wanted == value);
    let now_ms = service.now_ms();
    let found: Vec<Json> = segments
        .listed(now_ms)
        .filter(|segment| {
            matches("sourcePlatform", &segment.about.platform) && matches("sourceSegmentId", &segment.about.source_id)
        })
        .map(|segment| segments.to_json(segment, now_ms))
        .collect();
    let total = found.len();
    // Without paging all come in one answer.
    let (start, count) =
        (start.unwrap_or(0), if start.is_some() || count.is_some() { count.unwrap_or(10) } else { total });
    let page: Vec<Json> = found.into_iter().skip(start).take(count).collect();
    Ok(Answer::Json(json!({"paging": {"start": start, "count": count, "links": [], "total": total}, "elements": page})))
}

fn create(service: &Service, call: &Call) -> Outcome {
    let body = call.json()?;
    let text = |name: &str| {
        let value = body.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        value.ok_or_else(|| {
            Refusal::bad(format!("ERROR :: /{name} :: field is required but not found and has no default value"))
        })
    };
    let kind = Kind::named(text("type")?)
        .ok_or_else(|| Refusal::bad("ERROR :: /type :: is not an enum symbol this simulator has"))?;
    let mut segments = service.segments();
    check_account(text("account")?, segments.account())?;
    let platform = text("sourcePlatform")?;
    if platform != service.config.source_platform {
        return Err(Refusal::bad(format!("ERROR :: /sourcePlatform :: \"{platform}\" is not an enum symbol")));
    }
    if body.pointer("/destinations/0/destination").and_then(Json::as_str) != Some("LINKEDIN") {
        return Err(Refusal::bad("ERROR :: /destinations :: at least one is required"));
    }
    let about = NewSegment {
        name: text("name")?.to_owned(),
        kind,
        platform: platform.to_owned(),
        source_id: body.get("sourceSegmentId").and_then(Json::as_str).unwrap_or_default().to_owned(),
        policy: body.get("accessPolicy").and_then(Json::as_str).unwrap_or("PRIVATE").to_owned(),
    };
    match segments.create(about, service.now_ms()) {
        Some(id) => Ok(Answer::Created(id.to_string())),
        None => Err(Refusal::new(409, "A DMP segment with this sourceSegmentId exists")),
    }
}

/// `GET`, `POST` (a partial update) and `DELETE dmpSegments/{id}`.
pub(crate) fn one(service: &Service, call: &Call, id: &str) -> Outcome {
    let id: u64 = id.parse().map_err(|_| Refusal::bad("The id is no number"))?;
    let mut segments = service.segments();
    let now_ms = service.now_ms();
    match call.method {
        Method::GET => {
            let segment = segments.get(id).ok_or_else(no_segment)?;
            Ok(Answer::Json(segments.to_json(segment, now_ms)))
        }
        Method::DELETE => {
            if segments.remove(id) {
                Ok(Answer::Nothing)
            } else {
                Err(no_segment())
            }
        }
        Method::POST if call.restli_method() == "PARTIAL_UPDATE" => {
            let body = call.json()?;
            let name = body.pointer("/patch/$set/name").and_then(Json::as_str);
            let name = name.ok_or_else(|| Refusal::bad("Only the name can be changed here"))?;
            let segment = segments.get_mut(id).ok_or_else(no_segment)?;
            name.clone_into(&mut segment.about.name);
            Ok(Answer::Nothing)
        }
        _ => Err(Refusal::new(405, "No such method")),
    }
}

/// `GET adAccounts/{id}`
pub(crate) fn account(service: &Service, call: &Call, id: &str) -> Outcome {
    if call.method != Method::GET {
        return Err(Refusal::new(405, "No such method"));
    }
    if id != service.config.account.to_string() {
        return Err(Refusal::new(404, "Could not find entity"));
    }
    Ok(Answer::Json(
        json!({"id": service.config.account, "name": "Attiva's ads", "status": "ACTIVE", "type": "BUSINESS", "test": false}),
    ))
}

/// Whose account it is; the member has a role in one only.
fn check_account(urn: &str, ours: &str) -> Result<(), Refusal> {
    if urn.strip_prefix("urn:li:sponsoredAccount:").is_none_or(|id| id.parse::<u64>().is_err()) {
        return Err(Refusal::bad(format!("ERROR :: /account :: \"{urn}\" is not a sponsoredAccount URN")));
    }
    if urn == ours {
        Ok(())
    } else {
        Err(Refusal::coded(403, "ACCESS_DENIED", "Member does not have permission to the account"))
    }
}
