//! LinkedIn in memory, and a run against it that can be killed anywhere.

use attiva_connector::testing::FakeHost;
use attiva_connector::{
    Batch, BytesArray, Column, ColumnSpec, Cursor, DataType, Delivered, Destination, Fault, Operation, Outcome,
    PageBuilder, Plugin, Prepared, Request, Response, Result, Run, Target, parse_config,
};
use destination_linkedin::LinkedIn;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

/// SHA-256 of `random@rudderstack.com`, as published with a connector of others.
pub(crate) const KNOWN: &str = "52ac4b9ef8f745e007c19fac81ddb0a3f50b20029f6699ca1406225fc217f392";

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) segments: Vec<Segment>,
    /// Answers given before LinkedIn is asked, in order: the request's beginning, and what comes instead.
    pub(crate) interventions: VecDeque<(String, Intervention)>,
    /// A second segment of one name answers 409; else it is made.
    pub(crate) conflicts: bool,
    /// New segments are not listed.
    pub(crate) lags: bool,
    /// Elements of each call, as sent.
    pub(crate) calls: Vec<Vec<Value>>,
}

pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) body: Value,
    pub(crate) created: u64,
    pub(crate) status: &'static str,
    pub(crate) counts: Value,
    /// What identifies a member, as JSON text.
    pub(crate) members: BTreeSet<String>,
}

pub(crate) enum Intervention {
    /// The request does not reach LinkedIn.
    Instead(u16, &'static str),
    /// The request has its effect, and the answer is another.
    After(u16, &'static str),
    /// The n-th element has this status.
    Element(usize, u16),
}

impl Store {
    fn serve(&mut self, request: &Request, now_ms: u64) -> Result<Response> {
        assert_eq!((request.origin.as_str(), request.credential.as_deref()), ("api", Some("member")));
        for (name, value) in [("linkedin-version", "202608"), ("x-restli-protocol-version", "2.0.0")] {
            assert!(request.headers.contains(&(name.into(), value.into())), "{name} is missing");
        }
        let line = format!("{} {}", request.method, request.path);
        let due = self.interventions.front().is_some_and(|(begin, _)| line.starts_with(begin));
        let intervention = if due { self.interventions.pop_front().map(|(_, what)| what) } else { None };
        match intervention {
            Some(Intervention::Instead(status, body)) => Ok(answer(status, body)),
            Some(Intervention::After(status, body)) => {
                self.respond(request, now_ms, None);
                Ok(answer(status, body))
            }
            Some(Intervention::Element(at, status)) => Ok(self.respond(request, now_ms, Some((at, status)))),
            None => Ok(self.respond(request, now_ms, None)),
        }
    }

    fn respond(&mut self, request: &Request, now_ms: u64, bad: Option<(usize, u16)>) -> Response {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let body: Value = request.body.as_deref().map_or(Value::Null, |body| serde_json::from_slice(body).unwrap());
        let rest: Vec<&str> = path.trim_start_matches("/rest/").split('/').collect();
        let id = rest.get(1).and_then(|id| id.parse::<u64>().ok());
        let at = self.segments.iter().position(|segment| Some(segment.id) == id);
        match (request.method.as_str(), rest.as_slice(), at) {
            ("GET", ["dmpSegments"], _) => {
                let parameter =
                    |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
                let elements: Vec<Value> = self
                    .segments
                    .iter()
                    .filter(|_| !self.lags)
                    .filter(|segment| {
                        parameter("sourceSegmentId").is_none_or(|id| segment.body["sourceSegmentId"] == id)
                    })
                    .map(Segment::shown)
                    .collect();
                answer(200, &json!({"elements": elements}).to_string())
            }
            ("POST", ["dmpSegments"], _) => {
                let same = |s: &Segment| ["sourceSegmentId", "type"].iter().all(|name| s.body[*name] == body[*name]);
                if self.conflicts && self.segments.iter().any(same) {
                    return answer(409, r#"{"message":"exists","status":409}"#);
                }
                let id = 100 + self.segments.len() as u64;
                let (status, counts, members) = ("BUILDING", json!({}), BTreeSet::new());
                self.segments.push(Segment { id, body, created: now_ms, status, counts, members });
                Response { status: 201, headers: vec![("x-restli-id".into(), id.to_string())], body: Vec::new() }
            }
            ("GET", ["dmpSegments", _], Some(at)) => answer(200, &self.segments[at].shown().to_string()),
            ("POST", ["dmpSegments", _], Some(at)) => {
                self.segments[at].body["name"] = body["patch"]["$set"]["name"].clone();
                answer(204, "")
            }
            ("DELETE", ["dmpSegments", _], Some(at)) => {
                self.segments.remove(at);
                answer(204, "")
            }
            ("POST", ["dmpSegments", _, _], Some(at)) => {
                assert!(request.headers.contains(&("x-restli-method".into(), "BATCH_CREATE".into())));
                let elements = body["elements"].as_array().unwrap().clone();
                let results = elements.iter().enumerate().map(|(i, element)| match bad {
                    Some((at, status)) if at == i => json!({"status": status, "error": {"message": "no"}}),
                    _ => {
                        self.segments[at].apply(element);
                        json!({"status": 201})
                    }
                });
                let results: Vec<Value> = results.collect();
                self.calls.push(elements);
                answer(200, &json!({"elements": results}).to_string())
            }
            (_, ["adAccounts", _], _) => answer(200, r#"{"status":"ACTIVE"}"#),
            _ => answer(404, r#"{"message":"Could not find DMP segment","status":404}"#),
        }
    }
}

impl Segment {
    fn shown(&self) -> Value {
        let mut shown = self.body.clone();
        let mut destination = json!({"destination": "LINKEDIN", "status": self.status});
        for (name, value) in self.counts.as_object().unwrap() {
            destination[name] = value.clone();
        }
        shown["id"] = self.id.into();
        shown["created"] = self.created.into();
        shown["destinations"] = json!([destination]);
        shown
    }

    fn apply(&mut self, element: &Value) {
        let mut identity = element.clone();
        let object = identity.as_object_mut().unwrap();
        let action = object.remove("action").unwrap();
        let key = match object.get("userIds") {
            Some(ids) => ids[0]["idValue"].as_str().unwrap().to_owned(),
            None => identity.to_string(),
        };
        if action == "ADD" {
            self.members.insert(key)
        } else {
            self.members.remove(&key)
        };
    }
}

fn answer(status: u16, body: &str) -> Response {
    Response { status, headers: Vec::new(), body: body.into() }
}

/// One run of the connector, call after call, as a host makes them.
pub(crate) struct Harness {
    pub(crate) host: Rc<FakeHost>,
    pub(crate) store: Rc<RefCell<Store>>,
    pub(crate) config: <LinkedIn as Plugin>::Config,
    pub(crate) target: Target,
    pub(crate) run: Run,
    pub(crate) state: Vec<u8>,
    now_ms: Rc<std::cell::Cell<u64>>,
}

/// A row: its operation, the member id the host has, and its cells by column.
pub(crate) type Row<'a> = (Operation, &'a str, &'a [(&'a str, &'a str)]);

pub(crate) const ADD: Operation = Operation::Upsert;
pub(crate) const REMOVE: Operation = Operation::Remove;

impl Harness {
    pub(crate) fn new(object: &str, columns: &[&str], more: Value) -> Self {
        let mut config = json!({"account_id": "512345678", "source_platform": "ATTIVA", "client_id": "c"});
        for (name, value) in more.as_object().unwrap() {
            config[name] = value.clone();
        }
        let now_ms = Rc::new(std::cell::Cell::new(1_767_225_600_000));
        let store = Rc::new(RefCell::new(Store::default()));
        let (served, clock) = (Rc::clone(&store), Rc::clone(&now_ms));
        let host = FakeHost::with_vendor(move |request| Some(served.borrow_mut().serve(request, clock.get())));
        Self {
            host: Rc::new(host),
            store,
            config: parse_config(&config.to_string()).unwrap(),
            target: Target { id: "act_1".into(), object: object.into(), name: "Finance".into(), options: "{}".into() },
            run: Run {
                id: "run-1".into(),
                started_ms: now_ms.get(),
                rows_expected: None,
                columns: columns.iter().map(|name| ((*name).to_owned(), DataType::Text)).collect(),
            },
            state: Vec::new(),
            now_ms,
        }
    }

    pub(crate) fn people() -> Self {
        Self::new("people", &["email", "first_name", "last_name", "title", "company", "country"], json!({}))
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
        self.host.set_now_ms(self.now_ms.get());
    }

    pub(crate) fn prepare(&mut self) -> Prepared {
        let prepared = self.try_prepare(false).unwrap();
        self.state.clone_from(&prepared.state);
        prepared
    }

    pub(crate) fn try_prepare(&self, dry_run: bool) -> Result<Prepared> {
        LinkedIn::prepare(&*self.host, &self.config, &self.target, &self.run, dry_run)
    }

    pub(crate) fn deliver(&mut self, rows: &[Row<'_>]) -> Vec<Outcome> {
        let delivered = self.try_deliver(rows).unwrap();
        self.state = delivered.state;
        delivered.outcomes
    }

    pub(crate) fn try_deliver(&self, rows: &[Row<'_>]) -> Result<Delivered> {
        LinkedIn::deliver(&*self.host, &self.config, &self.target, &self.run, self.state.clone(), &self.batch(rows))
    }

    pub(crate) fn fault(&self, rows: &[Row<'_>]) -> Fault {
        self.try_deliver(rows).expect_err("the call should have failed")
    }

    fn batch(&self, rows: &[Row<'_>]) -> Batch {
        let specs: Vec<ColumnSpec> = self.run.columns.iter().map(|(n, t)| ColumnSpec::new(n.clone(), *t)).collect();
        let mut page = PageBuilder::new(&specs);
        for (i, (_, _, cells)) in rows.iter().enumerate() {
            let mut row = page.row(&format!("key-{i}")).patch();
            for (column, value) in *cells {
                row.value(*column, &json!(value)).unwrap();
            }
        }
        let page = page.finish(Cursor::encode(1, &0).unwrap()).unwrap();
        let columns: Vec<Column> = page.columns;
        let mut ids = BytesArray { offsets: vec![0], bytes: Vec::new() };
        for (_, id, _) in rows {
            ids.bytes.extend_from_slice(id.as_bytes());
            ids.offsets.push(u32::try_from(ids.bytes.len()).unwrap());
        }
        Batch {
            member_ids: Some(ids),
            number: 0,
            rows: page.rows,
            keys: page.keys,
            operations: rows.iter().map(|(operation, ..)| *operation).collect(),
            columns,
        }
    }

    pub(crate) fn intervene(&self, begin: &str, intervention: Intervention) {
        self.store.borrow_mut().interventions.push_back((begin.into(), intervention));
    }

    pub(crate) fn members(&self) -> Vec<String> {
        self.store.borrow().segments[0].members.iter().cloned().collect()
    }

    pub(crate) fn set(&self, status: &'static str, counts: Value) {
        let mut store = self.store.borrow_mut();
        store.segments[0].status = status;
        store.segments[0].counts = counts;
    }
}

/// Status and code of each outcome: `updated`, `rejected linkedin.400`.
pub(crate) fn shown(outcomes: &[Outcome]) -> Vec<String> {
    let words = |outcome: &Outcome| {
        let status = format!("{:?}", outcome.status).to_lowercase();
        let status = status.rsplit("::").next().unwrap_or_default().to_owned();
        format!("{status} {}", outcome.code).trim().to_owned()
    };
    outcomes.iter().map(words).collect()
}
