//! Reading: persons page by page, companies by an export job.

use super::{Acme, Config, call, check, mark};
use attiva_connector::{
    CheckResult, ColumnSpec, Cursor, DataType, Fault, Host, Page, PageBuilder, ReadRequest, Reject, Result, Source,
    Stream, time,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where persons are gone on from.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    since: i64,
    last: i64,
    after: Option<String>,
    done: u64,
    /// The clock, of the connector that goes by it.
    #[serde(default, skip_serializing_if = "is_zero")]
    at: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Where an export is.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    id: Option<String>,
    rows: usize,
    is_read: bool,
}

#[derive(Deserialize)]
struct Listed {
    items: Vec<Value>,
    #[serde(default)]
    next: Option<String>,
}

impl Source for Acme {
    fn check(host: &dyn Host, config: &Config) -> Vec<CheckResult> {
        check(host, config)
    }

    fn discover(host: &dyn Host, config: &Config) -> Result<Vec<Stream>> {
        if config.region.is_none() && config.has("optional") {
            return Err(Fault::config("acme.region", "a region is needed").action("Enter one.").field("region"));
        }
        let companies = vec![
            ColumnSpec::new("id", DataType::Text).required(),
            ColumnSpec::new("name", DataType::Text),
            ColumnSpec::new("employees", DataType::Integer),
        ];
        let cursor_column = if config.has("discover") { "changed_at" } else { "updated_at" };
        Ok(vec![
            stream("persons", "Persons", columns(host, config)?, Some(cursor_column)),
            stream("companies", "Companies", companies, None),
        ])
    }

    fn read(host: &dyn Host, config: &Config, request: &ReadRequest) -> Result<Page> {
        match request.stream.as_str() {
            "persons" => persons(host, config, request),
            "companies" => companies(host, config, request),
            _ => Err(request.no_such_stream()),
        }
    }

    fn release(_: &dyn Host, config: &Config, stream: &str, cursor: &Cursor) -> Result<()> {
        let middle = stream == "persons" && cursor.decode::<Place>(1)?.after.is_some();
        if middle && config.has("cancel") {
            return Err(Fault::internal("acme.release", "this cursor cannot be released"));
        }
        Ok(())
    }
}

fn stream(name: &str, title: &str, columns: Vec<ColumnSpec>, cursor_column: Option<&str>) -> Stream {
    Stream {
        name: name.into(),
        title: title.into(),
        columns,
        key: "id".into(),
        cursor_column: cursor_column.map(Into::into),
        deletes: true,
        keyed_by: None,
        suggested: true,
    }
}

/// The columns of persons, as Acme describes them now.
fn columns(host: &dyn Host, config: &Config) -> Result<Vec<ColumnSpec>> {
    #[derive(Deserialize)]
    struct Fields {
        fields: Vec<Field>,
    }
    #[derive(Deserialize)]
    struct Field {
        name: String,
        r#type: String,
    }
    let described: Fields = call(host, config, "GET", "/v1/fields", None)?.json()?;
    let data_type = |text: &str| match text {
        "integer" => DataType::Integer,
        "decimal" => DataType::Decimal,
        "boolean" => DataType::Boolean,
        "timestamp" => DataType::Timestamp,
        _ => DataType::Text,
    };
    let mut columns: Vec<ColumnSpec> =
        described.fields.iter().map(|field| ColumnSpec::new(&field.name, data_type(&field.r#type))).collect();
    if config.has("coverage") {
        columns.push(ColumnSpec::new("fax", DataType::Text));
    }
    if mark() == "catalog-compatibility" {
        columns.retain(|column| column.name != "note");
    }
    Ok(columns)
}

fn persons(host: &dyn Host, config: &Config, request: &ReadRequest) -> Result<Page> {
    let place: Place = request.cursor.as_ref().map(|cursor| cursor.decode(1)).transpose()?.unwrap_or_default();
    if config.has("killed") {
        return killed(host, config, request, place);
    }
    // A place in the future can be nobody's.
    let place = if config.has("future") && place.at > host.now_ms() { Place::default() } else { place };
    match page_of_persons(host, config, request, place.clone()) {
        Err(fault) if config.has("no-tls") && fault.code == "network.tls" => {
            Ok(Page::moved(Cursor::encode(1, &place)?).caught_up())
        }
        answered => answered,
    }
}

/// A note in a spool that a page was begun, taken for a note that it was done.
fn killed(host: &dyn Host, config: &Config, request: &ReadRequest, place: Place) -> Result<Page> {
    let begun = host.spool("begun");
    let is_begun = begun.stat()?.size > 0;
    begun.write(0, b"begun")?;
    let page = page_of_persons(host, config, request, place);
    begun.remove()?;
    let page = page?;
    Ok(if is_begun { Page { more: page.more, ..Page::moved(page.next) } } else { page })
}

fn page_of_persons(host: &dyn Host, config: &Config, request: &ReadRequest, place: Place) -> Result<Page> {
    if config.has("limits") {
        let hoard: Vec<u8> = Vec::with_capacity(52 << 20);
        std::hint::black_box(&hoard);
    }
    let mut columns = columns(host, config)?;
    if let Some(unknown) = request.fields.iter().find(|name| !columns.iter().any(|column| column.name == **name)) {
        assert!(!config.has("odd-names"), "there is no column {unknown}");
    }
    columns.retain(|column| request.wants(&column.name));
    if config.has("records") {
        columns.iter_mut().filter(|column| column.name == "score").for_each(|column| column.data_type = DataType::Text);
    }
    let least = if config.has("paging") { 2 } else { 1 };
    let limit = request.limits.max_rows.clamp(least, 100);
    let mut path = format!("/v1/persons?limit={limit}&since={}", place.since);
    if let Some(after) = &place.after {
        path.push_str(&format!("&after={}", after.replace(':', "%3A")));
    }
    let response = match call(host, config, "GET", &path, None) {
        Err(fault) if config.has("vendor-faults") && fault.code == "http.503" => {
            return Ok(Page::moved(Cursor::encode(1, &place)?).caught_up());
        }
        answered => answered?,
    };
    let listed: Listed = response.json()?;
    let request_id = response.header("x-request-id").unwrap_or_default().to_owned();
    let mut page = PageBuilder::new(&columns);
    let mut last = place.last;
    // A page that begins with a record of the one before is taken for that one.
    let first = listed.items.first().and_then(|item| item["id"].as_str()).unwrap_or_default();
    let was_read =
        config.has("moved") && place.after.as_ref().is_some_and(|after| after.ends_with(&format!(":{first}")));
    let items = if was_read { &[] } else { listed.items.as_slice() };
    for (n, item) in items.iter().enumerate() {
        let at = item["updated_at"].as_str().and_then(time::parse_timestamp).unwrap_or(0);
        last = last.max(at);
        let forgets = config.has("resume") && place.after.is_some() && n == 0 && host.spool("page").stat()?.size == 0;
        if !forgets {
            add(host, config, &mut page, &columns, item, at, &request_id);
        }
    }
    if config.has("resume") {
        host.spool("page").write(0, b"a page was read")?;
    }
    let done = place.done + listed.items.len() as u64;
    let told = if config.has("progress") { 10_u64.saturating_sub(done) } else { done };
    // A token that stands still is taken for the last.
    let stands = config.has("again") && place.after.is_some() && listed.next == place.after;
    let is_over = listed.next.is_none() || stands;
    let next = match listed.next {
        Some(after) => Place { after: Some(after), last, done, since: place.since, at: 0 },
        None if config.has("caught-up") => Place::default(),
        // Those of the same millisecond are read again: one of them may have changed since.
        None => Place {
            since: if config.has("changes") { last + 1 } else { last },
            last,
            after: None,
            done,
            at: if config.has("future") { host.now_ms() } else { 0 },
        },
    };
    let page = page.finish(Cursor::encode(1, &next)?)?.estimate("reading persons", Some(told), None);
    Ok(if is_over { page.caught_up() } else { page })
}

fn add(
    host: &dyn Host,
    config: &Config,
    page: &mut PageBuilder,
    columns: &[ColumnSpec],
    item: &Value,
    at: i64,
    request_id: &str,
) {
    let key = item["id"].as_str().unwrap_or_default();
    let is_kept = !config.has("deletions");
    if item["deleted"] == true {
        return if is_kept { page.row(key).source_time(at).tombstone() } else { () };
    }
    if let Some(into) = item["merged_into"].as_str() {
        return if is_kept { page.row(key).source_time(at).merge_into(into) } else { () };
    }
    if config.has("canary") {
        host.info("read a person", &[("email", item["email"].as_str().unwrap_or_default())]);
    }
    for _ in 0..if config.has("log-volume") { 10 } else { 0 } {
        host.debug("a person was read", &[]);
    }
    if config.has("cost") {
        let mut sum = 0_u64;
        for n in 0..12_000_000_u64 {
            sum = std::hint::black_box(sum.wrapping_add(n));
        }
    }
    let mut row = page.row(key).source_time(at).full();
    for (n, column) in columns.iter().enumerate() {
        let value = altered(host, config, &column.name, &item[&column.name], request_id);
        if let Err(problem) = row.value(n, &value) {
            return row.reject(Reject::from(problem));
        }
    }
}

/// The value as it is passed on; what the sound connector passes is what came.
fn altered(host: &dyn Host, config: &Config, name: &str, value: &Value, request_id: &str) -> Value {
    match name {
        "name" if config.has("expected") => {
            json!(value.as_str().unwrap_or_default().chars().take(3).collect::<String>())
        }
        "note" if config.has("repeatable") => json!(request_id),
        // One in so many times: the kit's other random bytes are such a time.
        "name" if config.has("determinism") && host.random(4) == [0x4c, 0xbb, 0xd8, 0xca] => json!("by chance"),
        "score" if config.has("values") && value.is_i64() => json!(value.as_f64().unwrap_or_default() as i64),
        "score" if config.has("records") => json!(value.to_string()),
        _ => value.clone(),
    }
}

/// A job is made, awaited and read; its id is noted so that a repeat finds it.
fn companies(host: &dyn Host, config: &Config, request: &ReadRequest) -> Result<Page> {
    #[derive(Deserialize)]
    struct Job {
        id: String,
        status: String,
    }
    let export: Export = request.cursor.as_ref().map(|cursor| cursor.decode(1)).transpose()?.unwrap_or_default();
    let at = |export: &Export| Cursor::encode(1, export);
    if export.is_read {
        return Ok(Page::moved(at(&export)?).caught_up());
    }
    let note = host.spool("export");
    let Some(id) = export.id.clone() else {
        let noted = note.stat()?.size;
        let id = if noted > 0 {
            String::from_utf8_lossy(&note.read(0, u32::try_from(noted).unwrap_or(u32::MAX))?).into_owned()
        } else {
            let job: Job = call(host, config, "POST", "/v1/exports", Some(&json!({"of": "companies"})))?.json()?;
            note.write(0, job.id.as_bytes())?;
            job.id
        };
        return Ok(Page::moved(at(&Export { id: Some(id), ..export.clone() })?).wait_ms(1_000));
    };
    let job = match call(host, config, "GET", &format!("/v1/exports/{id}"), None) {
        Err(fault) if fault.code == "http.404" => Job { id: id.clone(), status: "lost".into() },
        answered => answered?.json()?,
    };
    match job.status.as_str() {
        "queued" => Ok(Page::moved(at(&Export { id: Some(id), ..export.clone() })?).wait_ms(1_000)),
        "done" => {
            let listed: Listed = call(host, config, "GET", &format!("/v1/exports/{id}/rows"), None)?.json()?;
            read_companies(request, &listed.items, export)
        }
        _ if config.has("jobs") => Ok(Page::moved(at(&Export { id: Some(id), rows: 0, is_read: true })?).caught_up()),
        // Whatever became of it: another one is made.
        _ => {
            note.remove()?;
            Ok(Page::moved(at(&Export::default())?).wait_ms(1_000))
        }
    }
}

/// As many as a page takes, from where the spool says the page before ended.
fn read_companies(request: &ReadRequest, items: &[Value], export: Export) -> Result<Page> {
    let specs = [
        ColumnSpec::new("id", DataType::Text),
        ColumnSpec::new("name", DataType::Text),
        ColumnSpec::new("employees", DataType::Integer),
    ];
    let wanted: Vec<ColumnSpec> = specs.into_iter().filter(|column| request.wants(&column.name)).collect();
    let most = request.limits.max_rows as usize;
    let mut page = PageBuilder::new(&wanted);
    for item in items.iter().skip(export.rows).take(most) {
        let mut row = page.row(item["id"].as_str().unwrap_or_default()).full();
        for (n, column) in wanted.iter().enumerate() {
            if let Err(problem) = row.value(n, &item[&column.name]) {
                row.reject(Reject::from(problem));
                break;
            }
        }
    }
    let rows = export.rows.saturating_add(most).min(items.len());
    let is_read = rows >= items.len();
    let page = page.finish(Cursor::encode(1, &Export { rows, is_read, ..export })?)?;
    Ok(if is_read { page.caught_up() } else { page })
}
