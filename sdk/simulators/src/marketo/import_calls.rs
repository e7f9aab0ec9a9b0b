//! The endpoints of bulk lead import.

use std::time::Instant;

use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};

use super::call::{self, Call};
use super::envelope::{Answer, Outcome, Refusal};
use super::fault::Fault;
use super::faults::Point;
use super::imports::Order;
use super::lead_calls;
use super::list_calls::unknown;
use super::service::Service;

/// `POST /bulk/v1/leads.json`: a part named `file` with a file name, and in it CSV with REST names on top.
pub(crate) fn begin(service: &Service, call: &Call) -> Outcome {
    call.only(&Method::POST)?;
    if call.required("format")? != "csv" {
        return Err(Refusal::invalid("Only the format csv is simulated"));
    }
    let lookup = match call.param("lookupField").unwrap_or("email") {
        "email" => "email",
        "id" => "id",
        other => return Err(Refusal::new("1011", format!("Lookup field '{other}' is not supported"))),
    };
    let list = call
        .param("listId")
        .map(|id| id.parse::<u64>().map_err(|_| Refusal::new("1001", "Invalid value for parameter 'listId'")));
    let list = list.transpose()?;
    if let Some(id) = list.filter(|id| service.lists().get(*id).is_none()) {
        return Err(unknown(id));
    }
    let mut rows = read_csv(part(call)?).into_iter();
    let header = rows.next().unwrap_or_default();
    for name in &header {
        call::field(name)?;
    }
    if !header.iter().any(|name| name == lookup) {
        return Err(Refusal::invalid(format!("The file has no column '{lookup}'")));
    }
    let order = Order { lookup, list, header, rows: rows.collect() };
    let id = service.imports().add(order, Instant::now())?;
    Ok(Answer::result(vec![json!({"batchId": id, "importId": id.to_string(), "status": "Queued"})]))
}

/// `GET /bulk/v1/leads/batch/{id}.json`, `…/failures.json`, `…/warnings.json`
pub(crate) fn about(service: &Service, call: &Call, rest: &[&str]) -> Outcome {
    call.only(&Method::GET)?;
    let id = |text: &str| text.trim_end_matches(".json").parse::<u64>().map_err(|_| Refusal::not_found());
    let missing = || Refusal::new("1013", "Batch not found");
    match rest {
        [batch] => Ok(Answer::result(vec![service.imports().status(id(batch)?, Instant::now()).ok_or_else(missing)?])),
        [batch, "failures.json"] => {
            let file = service.imports().failures(id(batch)?).ok_or_else(missing)?;
            Ok(Answer::plain(StatusCode::OK, "text/csv;charset=UTF-8", file))
        }
        [_, "warnings.json"] => Ok(Answer::plain(StatusCode::OK, "text/csv;charset=UTF-8", "")),
        _ => Err(Refusal::not_found()),
    }
}

/// Lets files have their effect whose time has come.
pub(crate) fn settle(service: &Service) {
    let due = service.imports().due(Instant::now());
    for (id, order) in due {
        if let Some(Fault::ImportFails { message }) = service.fault(Point::RunImport, "/bulk/v1/leads.json") {
            service.imports().fail(id, message);
            continue;
        }
        let failed =
            order.rows.iter().filter_map(|row| Some((row.clone(), import(service, &order, row).err()?))).collect();
        service.imports().end(id, failed);
    }
}

/// One row: upserted by address, or updated by id, and put on the list.
fn import(service: &Service, order: &Order, row: &[String]) -> Result<(), String> {
    if row.len() != order.header.len() {
        return Err("The row has not as many cells as the header".to_owned());
    }
    let cells = order.header.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    let record: Map<String, Json> = cells.map(|(name, cell)| (name.clone(), json!(cell))).collect();
    let id = lead_calls::import_one(service, order.lookup, record).map_err(|refusal| refusal.message.into_owned())?;
    if let Some(list) = order.list {
        service.add_to_list(list, id).map_err(|refusal| refusal.message.into_owned())?;
    }
    Ok(())
}

/// The part named `file` of a multipart body.
fn part(call: &Call) -> Result<&str, Refusal> {
    let bad = || Refusal::new("613", "Invalid Multipart Request");
    let boundary = call
        .header(&CONTENT_TYPE)
        .and_then(|text| text.strip_prefix("multipart/form-data; boundary="))
        .ok_or_else(bad)?;
    let body = std::str::from_utf8(&call.body).map_err(|_| bad())?;
    let mark = format!("--{boundary}");
    let (_, rest) = body.split_once(&mark).ok_or_else(bad)?;
    let (part, _) = rest.split_once(&format!("\r\n{mark}--")).ok_or_else(bad)?;
    let (head, content) = part.split_once("\r\n\r\n").ok_or_else(bad)?;
    let head = head.to_ascii_lowercase();
    if head.contains("name=\"file\"") && head.contains("filename=\"") && head.contains("text/csv") {
        Ok(content)
    } else {
        Err(bad())
    }
}

fn read_csv(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let rows = reader.records().filter_map(Result::ok);
    rows.map(|row| row.iter().map(str::to_owned).collect()).collect()
}
