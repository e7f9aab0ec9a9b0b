//! Persons of an Example CRM: all of them once, then what changes.
//!
//! The whole connector, to be made yours. It reads `GET /v1/persons?limit=..&since=..&after=..`, whose answer is
//! `{"items": [..], "next": ".."}`, oldest change first. What to change first: the address and the rules in [`spec`], the
//! columns in [`columns`], the question in [`read`](Source::read). `attiva connector test` proves it after each step.

use attiva_connector::spec::{CredentialMethod, Origin, ParametersIn, Rate};
use attiva_connector::{
    CheckResult, ColumnSpec, Cursor, DataType, Fault, Host, Page, PageBuilder, Plugin, ReadRequest, Reject, Response,
    Result, Source, Spec, Stream, time,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The credential that the host holds and adds; the connector only names it.
const CREDENTIAL: &str = "example";
/// The version of [`Place`]: raise it with its form, and write `migrate_state`.
const STATE_VERSION: u32 = 1;

/// The package's version; `attiva connector dev` gives each build one of its own.
const VERSION: &str = match option_env!("ATTIVA_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// The configuration as the connector gets it: without its secrets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(rename = "team")]
    _team: String,
    #[serde(rename = "client_id")]
    _client_id: String,
}

/// Where the next page begins. The host keeps it, together with the rows it came with.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    /// Changes from this time on are read.
    since: i64,
    /// The newest change seen.
    newest: i64,
    /// The vendor's place within them.
    after: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    items: Vec<Value>,
    next: Option<String>,
}

struct Connector;

impl Plugin for Connector {
    type Config = Config;

    fn spec() -> Spec {
        spec()
    }
}

fn spec() -> Spec {
    let text = |title: &str, description: &str| json!({"type": "string", "title": title, "description": description, "minLength": 1});
    let mut secret = text("Client secret", "Of the same app; shown once, when it is made.");
    secret["writeOnly"] = true.into();
    Spec::new(env!("CARGO_PKG_NAME"), VERSION, "example", "Example CRM")
        .description("Persons of an Example CRM.")
        .state_version(STATE_VERSION)
        .configuration(json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["team", "client_id", "client_secret"],
            "properties": {
                "team": text("Team", "The part of the address before .crm.example.com."),
                "client_id": text("Client id", "Of the app made for this connection, under Settings > Apps."),
                "client_secret": secret,
            }
        }))
        .credential(
            CREDENTIAL,
            CredentialMethod::OAuth2ClientCredentials {
                origin: "api".into(),
                path: "/oauth/token".into(),
                client_id: "{client_id}".into(),
                client_secret: "{client_secret}".into(),
                parameters_in: ParametersIn::Body,
            },
        )
        .origin(Origin::new("api", "https://{team}.crm.example.com", &["crm.example.com"]).reads(
            &["GET"],
            "/v1/",
            Some(CREDENTIAL),
        ))
        .rate(Rate::Window { calls: 100, seconds: 10 })
        .instance("ExampleCrm", "{team}")
        .mapping("persons", "person", &[("email", "record.email"), ("last_updated_date", "record.updated_at")])
}

fn columns() -> Vec<ColumnSpec> {
    vec![
        ColumnSpec::new("id", DataType::Text).required(),
        ColumnSpec::new("email", DataType::Text),
        ColumnSpec::new("name", DataType::Text),
        ColumnSpec::new("score", DataType::Integer),
        ColumnSpec::new("amount", DataType::Decimal),
        ColumnSpec::new("updated_at", DataType::Timestamp),
    ]
}

impl Source for Connector {
    fn check(host: &dyn Host, _: &Config) -> Vec<CheckResult> {
        vec![CheckResult::of("log-in", "Log in and read the account", get(host, "/v1/me"))]
    }

    fn discover(_: &dyn Host, _: &Config) -> Result<Vec<Stream>> {
        Ok(vec![Stream {
            name: "persons".into(),
            title: "Persons".into(),
            columns: columns(),
            key: "id".into(),
            cursor_column: Some("updated_at".into()),
            deletes: true,
            keyed_by: None,
            suggested: true,
        }])
    }

    fn read(host: &dyn Host, _: &Config, request: &ReadRequest) -> Result<Page> {
        if request.stream != "persons" {
            return Err(request.no_such_stream());
        }
        let place: Place = match &request.cursor {
            Some(cursor) => cursor.decode(STATE_VERSION)?,
            None => Place::default(),
        };
        let mut path = format!("/v1/persons?limit={}&since={}", request.limits.max_rows.min(100), place.since);
        if let Some(after) = &place.after {
            path.push_str(&format!("&after={}", attiva_connector::encode::component(after)));
        }
        let listed: Listed = get(host, &path)?.json()?;
        let columns: Vec<ColumnSpec> = columns().into_iter().filter(|column| request.wants(&column.name)).collect();
        let mut page = PageBuilder::new(&columns);
        let mut newest = place.newest;
        for item in &listed.items {
            let changed = item["updated_at"].as_str().and_then(time::parse_timestamp).unwrap_or(0);
            newest = newest.max(changed);
            add(&mut page, &columns, item, changed);
        }
        let is_over = listed.next.is_none();
        // After the end, those of the newest millisecond are read again: one of them may have changed since.
        let since = if is_over { newest } else { place.since };
        let page = page.finish(Cursor::encode(STATE_VERSION, &Place { since, newest, after: listed.next })?)?;
        Ok(if is_over { page.caught_up() } else { page })
    }
}

/// One record as a row. What cannot be one is a reject, and stops nobody else.
fn add(page: &mut PageBuilder, columns: &[ColumnSpec], item: &Value, changed: i64) {
    let start = page.row(item["id"].as_str().unwrap_or_default()).source_time(changed);
    if item["deleted"] == true {
        return start.tombstone();
    }
    if let Some(into) = item["merged_into"].as_str() {
        return start.merge_into(into);
    }
    let mut row = start.full();
    for (n, column) in columns.iter().enumerate() {
        if let Err(problem) = row.value(n, &item[&column.name]) {
            return row.reject(Reject::from(problem));
        }
    }
}

/// One call. A token that the vendor no longer takes is renewed, once.
fn get(host: &dyn Host, path: &str) -> Result<Response> {
    let send = || host.http().get("api", path).credential(CREDENTIAL).send();
    let mut response = send()?;
    if response.status == 401 {
        host.renew_credential(CREDENTIAL)?;
        response = send()?;
    }
    response.success().map_err(|fault| match fault.kind {
        attiva_connector::FaultKind::Data => Fault { action: "Look at what the vendor answers.".into(), ..fault },
        _ => fault,
    })
}

attiva_connector::export_source!(Connector);

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::Limits;
    use attiva_connector::testing::FakeHost;

    /// The same code, natively, with no vendor: quick to run while it is written.
    #[test]
    fn a_page_is_read_and_the_next_one_asked_for() {
        let host = FakeHost::with_vendor(|_| {
            let body = json!({"items": [{"id": "7", "email": "a@example.com", "updated_at": "2026-01-01T00:00:00Z"}], "next": "x"});
            Some(Ok(Response { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() }))
        });
        let config = Config { _team: "t".into(), _client_id: "c".into() };
        let limits = Limits { max_rows: 10, max_bytes: 1 << 20 };
        let request =
            ReadRequest { stream: "persons".into(), fields: Vec::new(), cursor: None, keys: Vec::new(), limits };
        let page = Connector::read(&host, &config, &request).unwrap();
        assert_eq!((page.rows, page.more), (1, true));
        assert_eq!(host.request_lines(), ["GET /v1/persons?limit=10&since=0"]);
    }
}
