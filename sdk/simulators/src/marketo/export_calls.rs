//! The bulk extract endpoints, the same for leads, activities and members of programs.

use std::sync::Arc;

use axum::body::Body;
use http::header::{ACCEPT_RANGES, CONTENT_RANGE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::Value as Json;

use super::body::PiecesBody;
use super::call::Call;
use super::envelope::{self, Answer, Outcome, Refusal};
use super::export_order;
use super::exports;
use super::fault::Fault;
use super::faults::Point;
use super::service::Service;
use super::token;

/// Dispatches what follows `/bulk/v1/{of}/`.
pub(crate) fn route(service: &Arc<Service>, call: &Call, of: &str, rest: &[&str]) -> Outcome {
    if let ["export", id, _] = rest
        && service.exports().job_mut(id).is_some()
    {
        // A job is known under its own kind's path alone.
        service.exports().job_at(of, id).ok_or_else(exports::unknown)?;
    }
    match rest {
        ["export.json"] => list(service, call, of),
        ["export", "create.json"] => create(service, call, of),
        ["export", id, "enqueue.json"] => enqueue(service, call, id),
        ["export", id, "cancel.json"] => cancel(service, call, id),
        ["export", id, "status.json"] => status(service, call, id),
        ["export", id, "file.json"] => file(service, call, id),
        _ => Err(Refusal::not_found()),
    }
}

fn create(service: &Service, call: &Call, of: &str) -> Outcome {
    call.only(&Method::POST)?;
    let order = export_order::read(service, of, &call.json()?)?;
    if let Some(refusal) = service.fault(Point::CreateExport, &call.path).and_then(|fault| fault.refusal()) {
        return Err(refusal);
    }
    refuse_over_quota(service)?;
    let mut exports = service.exports();
    let job = exports.create(order, service.clock.now());
    Ok(Answer::result(vec![job.to_json(service.config.cancel_spelling)]))
}

fn enqueue(service: &Arc<Service>, call: &Call, id: &str) -> Outcome {
    call.only(&Method::POST)?;
    let refused = service.fault(Point::EnqueueExport, &call.path);
    let enqueues_all_the_same = matches!(refused, None | Some(Fault::ExportAlreadyQueued));
    let refused = refused.and_then(|fault| fault.refusal());
    if enqueues_all_the_same {
        refuse_over_quota(service)?;
        let job = service.exports().enqueue(id, service.clock.now())?.to_json(service.config.cancel_spelling);
        tokio::spawn(exports::run(Arc::clone(service), id.to_owned()));
        if refused.is_none() {
            return Ok(Answer::result(vec![job]));
        }
    }
    Err(refused.unwrap_or_else(Refusal::not_found))
}

/// Both create and enqueue are refused once today's files are too large together.
fn refuse_over_quota(service: &Service) -> Result<(), Refusal> {
    let limit = service.config.export_bytes_per_day;
    if service.exports().bytes_on(service.clock.central_day()) < limit {
        return Ok(());
    }
    Err(Refusal::new("1029", format!("Export daily quota {}MB exceeded.", limit / (1024 * 1024))))
}

fn cancel(service: &Service, call: &Call, id: &str) -> Outcome {
    call.only(&Method::POST)?;
    let mut exports = service.exports();
    let job = exports.cancel(id, service.clock.now())?;
    Ok(Answer::result(vec![job.to_json(service.config.cancel_spelling)]))
}

fn status(service: &Service, call: &Call, id: &str) -> Outcome {
    call.only(&Method::GET)?;
    let mut exports = service.exports();
    let job = exports.job_mut(id).ok_or_else(exports::unknown)?;
    let early = job.polled_too_early(service.config.status_interval);
    let job = job.to_json(service.config.cancel_spelling);
    drop(exports);
    service.received().polls_too_early += u64::from(early);
    Ok(Answer::result(vec![job]))
}

fn list(service: &Service, call: &Call, of: &str) -> Outcome {
    call.only(&Method::GET)?;
    let spelling = service.config.cancel_spelling;
    let wanted = call.list("status");
    let offset = call.param("nextPageToken").map_or(Ok(0), token::to_offset)?;
    let exports = service.exports();
    let found: Vec<Json> = exports
        .jobs()
        .filter(|job| job.order.of.path() == of)
        .filter(|job| wanted.is_empty() || wanted.contains(&job.status.text(spelling)))
        .map(|job| job.to_json(spelling))
        .collect();
    let end = found.len().min(offset.saturating_add(call.batch_size()?));
    let answer = Answer::result(found.get(offset..end).unwrap_or_default().to_vec());
    Ok(if end < found.len() { answer.with("nextPageToken", token::of_offset(end)) } else { answer })
}

/// The file, or the part of it that `Range` asks for. What is not there is told in plain text.
fn file(service: &Service, call: &Call, id: &str) -> Outcome {
    call.only(&Method::GET)?;
    let file = {
        let mut exports = service.exports();
        exports.job_mut(id).and_then(|job| job.file.clone())
    };
    let missing = service.fault(Point::ReadFile, &call.path).is_some();
    let Some(file) = file.filter(|_| !missing) else {
        return Ok(Answer::plain(StatusCode::NOT_FOUND, "text/plain;charset=UTF-8", "File not found"));
    };
    let csv = HeaderValue::from_static("text/csv;charset=UTF-8");
    let (status, start, end) = match call.range() {
        None => (StatusCode::OK, 0, file.length),
        Some(range) => match read_range(range, file.length) {
            Some((start, end)) => (StatusCode::PARTIAL_CONTENT, start, end),
            None => {
                let mut refused = envelope::plain(StatusCode::RANGE_NOT_SATISFIABLE, csv, Body::empty());
                set_content_range(&mut refused, format!("bytes */{}", file.length));
                return Ok(Answer::Plain(refused));
            }
        },
    };
    let mut response = envelope::plain(status, csv, Body::new(PiecesBody::new(file.slice(start, end))));
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        set_content_range(&mut response, format!("bytes {start}-{}/{}", end - 1, file.length));
    }
    Ok(Answer::Plain(response))
}

fn set_content_range(response: &mut http::Response<Body>, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
}

/// Reads `bytes=a-b` or `bytes=a-` as a range that ends before its end; nothing if it lies outside the file.
fn read_range(range: &str, length: u64) -> Option<(u64, u64)> {
    let (start, last) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    let start: u64 = start.trim().parse().ok()?;
    let end = match last.trim() {
        "" => length,
        last => last.parse::<u64>().ok()?.saturating_add(1).min(length),
    };
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_in_the_file_or_are_refused() {
        assert_eq!(read_range("bytes=0-0", 10), Some((0, 1)));
        assert_eq!(read_range("bytes=4-", 10), Some((4, 10)));
        assert_eq!(read_range("bytes=4-99", 10), Some((4, 10)));
        for refused in ["bytes=10-", "bytes=5-4", "bytes=-5", "lines=1-2", "bytes=a-b"] {
            assert_eq!(read_range(refused, 10), None, "{refused}");
        }
    }
}
