//! Connectors, natively, against the simulators over HTTP: what is between them here is a client with no opinions, so
//! that a connector and a simulator cannot agree on what no HTTP server would take.

use attiva_connector::testing::FakeHost;
use attiva_connector::{
    Batch, BytesArray, ColumnSpec, Cursor, DataType, Fault, Operation, PageBuilder, Request, Response, Result,
};
use serde_json::{Value, json};
use std::cell::RefCell;

/// Where the test host's clock stands, and where a simulator's has to.
pub const NOW: &str = "2026-01-01T00:00:00Z";

/// A host whose requests go to a simulator with a token that `login` obtains, as often as the vendor takes it no more.
pub fn host(base_url: String, login: impl Fn(&str) -> String + 'static) -> FakeHost {
    let token: RefCell<Option<String>> = RefCell::default();
    FakeHost::with_vendor(move |request| {
        let current = token.borrow_mut().get_or_insert_with(|| login(&base_url)).clone();
        let response = send(&base_url, &current, request);
        let is_stale = |response: &Response| {
            let text = String::from_utf8_lossy(&response.body);
            response.status == 401 || text.contains("\"602\"") || text.contains("\"601\"")
        };
        if response.as_ref().is_ok_and(is_stale) {
            token.borrow_mut().take();
        }
        Some(response)
    })
}

fn send(base_url: &str, token: &str, request: &Request) -> Result<Response> {
    let broken = |error: &dyn std::fmt::Display| Fault::transient("network.broken", error.to_string());
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut built = ureq::http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("{base_url}{}", request.path))
        .header("authorization", format!("Bearer {token}"));
    for (name, value) in &request.headers {
        built = built.header(name, value);
    }
    let built = built.body(request.body.clone().unwrap_or_default()).map_err(|e| broken(&e))?;
    let mut response = agent.run(built).map_err(|e| broken(&e))?;
    let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Response {
        status: response.status().as_u16(),
        headers: response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: response.body_mut().read_to_vec().map_err(|e| broken(&e))?,
    })
}

/// A token from an answer to a GET, or to a form that is posted.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn token(url: &str, form: Option<&[(&str, &str)]>) -> String {
    let answer = match form {
        Some(pairs) => ureq::post(url).send_form(pairs.iter().copied()),
        None => ureq::get(url).call(),
    };
    let body = answer.expect("the login answers").body_mut().read_to_string().expect("a body");
    let json: Value = serde_json::from_str(&body).expect("JSON");
    json["access_token"].as_str().expect("a token").to_owned()
}

/// A row: its operation, the member id the host has, and its cells by column.
pub type Row<'a> = (Operation, String, Vec<(&'a str, String)>);

/// A batch of texts.
///
/// # Panics
/// If a row names a column that is not there.
#[must_use]
pub fn batch(columns: &[(String, DataType)], rows: &[Row<'_>]) -> Batch {
    let specs: Vec<ColumnSpec> = columns.iter().map(|(n, t)| ColumnSpec::new(n.clone(), *t)).collect();
    let mut page = PageBuilder::new(&specs);
    let mut member_ids = BytesArray { offsets: vec![0], bytes: Vec::new() };
    for (i, (_, id, cells)) in rows.iter().enumerate() {
        let mut row = page.row(&format!("key-{i}")).patch();
        for (column, value) in cells {
            row.value(*column, &json!(value)).expect("a column of this name");
        }
        member_ids.bytes.extend_from_slice(id.as_bytes());
        member_ids.offsets.push(u32::try_from(member_ids.bytes.len()).expect("a small batch"));
    }
    let page = page.finish(Cursor::encode(1, &0).expect("a cursor")).expect("a page");
    Batch {
        member_ids: Some(member_ids),
        number: 0,
        rows: page.rows,
        keys: page.keys,
        operations: rows.iter().map(|(operation, ..)| *operation).collect(),
        columns: page.columns,
    }
}
