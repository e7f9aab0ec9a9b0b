//! A Marketo in memory, and a run against it that can be killed anywhere.

use attiva_connector::testing::FakeHost;
use attiva_connector::{
    Batch, BytesArray, Column, ColumnSpec, Cursor, DataType, Delivered, Destination, Fault, Finished, Operation,
    Outcome, OutcomeStatus, PageBuilder, Plugin, Prepared, Request, Response, Result, Run, Target, parse_config,
};
use destination_marketo::Marketo;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

#[derive(Default)]
pub(crate) struct Store {
    /// Attributes by id; `email` among them.
    pub(crate) leads: BTreeMap<u64, Value>,
    pub(crate) lists: Vec<List>,
    pub(crate) imports: Vec<Import>,
    /// Answers given before Marketo is asked, in order: the request's beginning, and what comes instead.
    pub(crate) interventions: VecDeque<(String, Intervention)>,
}

pub(crate) struct List {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) members: BTreeSet<u64>,
}

pub(crate) struct Import {
    pub(crate) query: String,
    pub(crate) csv: String,
    pub(crate) polls: u32,
    pub(crate) failures: String,
}

pub(crate) enum Intervention {
    Instead(Value),
    Status(u16, &'static str),
    /// The request has its effect, and its answer is lost.
    Lost,
}

fn refusal(code: &str) -> Value {
    json!({"success": false, "errors": [{"code": code, "message": "no"}]})
}

pub(crate) fn refused(code: &str) -> Intervention {
    Intervention::Instead(refusal(code))
}

impl Store {
    pub(crate) fn with(leads: &[(u64, &str)]) -> Self {
        let leads = leads.iter().map(|(id, email)| (*id, json!({"email": email}))).collect();
        Self { leads, ..Self::default() }
    }

    fn serve(&mut self, request: &Request) -> Result<Response> {
        assert_eq!((request.origin.as_str(), request.credential.as_deref()), ("api", Some("marketo")));
        let line = format!("{} {}", request.method, request.path);
        let due = self.interventions.front().is_some_and(|(begin, _)| line.starts_with(begin));
        match if due { self.interventions.pop_front() } else { None } {
            Some((_, Intervention::Instead(body))) => Ok(answer(200, &body.to_string())),
            Some((_, Intervention::Status(status, body))) => Ok(answer(status, body)),
            Some((_, Intervention::Lost)) => {
                self.respond(request);
                Err(Fault::transient("network.timeout", "no answer came"))
            }
            None => Ok(self.respond(request)),
        }
    }

    fn respond(&mut self, request: &Request) -> Response {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let body = String::from_utf8(request.body.clone().unwrap_or_default()).unwrap();
        let tunnelled = query == "_method=GET";
        let method = if tunnelled { "GET" } else { request.method.as_str() };
        let form = if tunnelled || path.contains("/asset/") && method == "POST" { body.as_str() } else { query };
        let parameter = |name: &str| {
            let value = form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.map(decoded).unwrap_or_default()
        };
        let input =
            || -> Vec<Value> { serde_json::from_str::<Value>(&body).unwrap()["input"].as_array().unwrap().clone() };
        let segments: Vec<&str> = path.trim_start_matches('/').trim_end_matches(".json").split('/').collect();
        let result = match (method, segments.as_slice()) {
            ("GET", ["rest", "v1", "leads", "describe2"]) => json!([{"name": "API Lead", "fields": described()}]),
            ("GET", ["rest", "v1", "stats", "usage"]) => json!([{"total": 7}]),
            ("GET", ["rest", "v1", "leads"]) => {
                let wanted = parameter("filterValues").to_lowercase();
                let wanted: Vec<&str> = wanted.split(',').collect();
                assert!(wanted.len() <= 300);
                let of = |(id, lead): (&u64, &Value)| {
                    let email = lead["email"].as_str()?;
                    wanted.contains(&email.to_lowercase().as_str()).then(|| json!({"id": id, "email": email}))
                };
                self.leads.iter().filter_map(of).collect()
            }
            ("POST", ["rest", "v1", "leads"]) => {
                let sync: Value = serde_json::from_str(&body).unwrap();
                let records: Vec<Value> = input().iter().map(|record| self.sync(&sync, record)).collect();
                assert!(records.len() <= 300 && body.len() < 1_000_000);
                records.into()
            }
            ("GET", ["rest", "asset", "v1", "staticList", "byName"]) => {
                return self.asset(self.lists.iter().position(|list| list.name == parameter("name")));
            }
            ("GET", ["rest", "asset", "v1", "folder", "byName"]) => {
                if parameter("name") != "Group Lists" {
                    return self.asset(None);
                }
                json!([{"folderId": {"id": 12, "type": "Folder"}}])
            }
            ("POST", ["rest", "asset", "v1", "staticLists"]) => {
                assert_eq!(parameter("folder"), r#"{"id":12,"type":"Folder"}"#);
                if self.lists.iter().any(|list| list.name == parameter("name")) {
                    return answer(200, &refusal("709").to_string());
                }
                let (name, description) = (parameter("name"), parameter("description"));
                self.lists.push(List { name, description, members: BTreeSet::new() });
                return self.asset(Some(self.lists.len() - 1));
            }
            ("POST", ["rest", "asset", "v1", "staticList", id, "delete"]) => {
                self.lists.remove(id.parse::<usize>().unwrap() - 100);
                json!([])
            }
            (_, ["rest", "v1", "lists", id, "leads"]) => {
                let Some(list) = self.lists.get_mut(id.parse::<usize>().unwrap() - 100) else {
                    return answer(200, &refusal("1013").to_string());
                };
                match method {
                    "GET" => {
                        list.members.iter().map(|id| json!({"id": id, "email": self.leads[id]["email"]})).collect()
                    }
                    "POST" => {
                        let ids: Vec<u64> = input().iter().map(|r| r["id"].as_u64().unwrap()).collect();
                        ids.iter().map(|id| on(&self.leads, list, *id)).collect()
                    }
                    _ => {
                        let ids = query.split('&').filter_map(|pair| pair.strip_prefix("id="));
                        ids.map(|id| off(&self.leads, list, id.parse().unwrap())).collect()
                    }
                }
            }
            ("POST", ["bulk", "v1", "leads"]) => {
                let (_, csv) = body.split_once("\r\n\r\n").unwrap();
                let csv = csv.split("\r\n--").next().unwrap().to_owned();
                let failures = String::new();
                self.imports.push(Import { query: query.into(), csv, polls: 0, failures });
                json!([{"batchId": self.imports.len(), "status": "Queued"}])
            }
            ("GET", ["bulk", "v1", "leads", "batch", id]) => {
                let import = &mut self.imports[id.parse::<usize>().unwrap() - 1];
                import.polls += 1;
                let failed = import.failures.lines().count().saturating_sub(1);
                let status = if import.polls > 1 { "Complete" } else { "Importing" };
                json!([{"batchId": id.parse::<u64>().unwrap(), "status": status, "numOfRowsFailed": failed, "message": "m"}])
            }
            ("GET", ["bulk", "v1", "leads", "batch", id, "failures"]) => {
                return answer(200, &self.imports[id.parse::<usize>().unwrap() - 1].failures.clone());
            }
            other => panic!("Marketo has no {other:?}"),
        };
        answer(200, &json!({"success": true, "result": result}).to_string())
    }

    fn asset(&self, at: Option<usize>) -> Response {
        let body = match at {
            None => {
                json!({"success": true, "errors": [], "warnings": ["No assets found for the given search criteria."]})
            }
            Some(at) => {
                let list =
                    json!({"id": at + 100, "name": self.lists[at].name, "description": self.lists[at].description});
                json!({"success": true, "errors": [], "warnings": [], "result": [list]})
            }
        };
        answer(200, &body.to_string())
    }

    fn sync(&mut self, sync: &Value, record: &Value) -> Value {
        let skipped = |code: &str| json!({"status": "skipped", "reasons": [{"code": code, "message": "no"}]});
        if record["city"] == "nowhere" {
            return skipped("1003");
        }
        let found: Vec<u64> = if sync["action"] == "updateOnly" {
            record["id"].as_u64().into_iter().filter(|id| self.leads.contains_key(id)).collect()
        } else {
            assert!(record.get("id").is_none(), "an id is only for updateOnly");
            let email = record["email"].as_str().unwrap().to_lowercase();
            let has = |lead: &Value| lead["email"].as_str().is_some_and(|e| e.to_lowercase() == email);
            self.leads.iter().filter(|(_, lead)| has(lead)).map(|(id, _)| *id).collect()
        };
        let (id, status) = match (found.as_slice(), sync["action"] == "updateOnly") {
            ([_, _, ..], _) => return skipped("1007"),
            ([id], _) => (*id, "updated"),
            ([], true) => return skipped("1004"),
            ([], false) => (self.leads.keys().max().map_or(1, |id| id + 1), "created"),
        };
        let lead = self.leads.entry(id).or_insert(json!({}));
        for (name, value) in record.as_object().unwrap() {
            lead[name] = value.clone();
        }
        json!({"id": id, "status": status})
    }
}

fn on(leads: &BTreeMap<u64, Value>, list: &mut List, id: u64) -> Value {
    if !leads.contains_key(&id) {
        return json!({"id": id, "status": "skipped", "reasons": [{"code": "1004", "message": "Lead not found"}]});
    }
    list.members.insert(id);
    json!({"id": id, "status": "added"})
}

fn off(leads: &BTreeMap<u64, Value>, list: &mut List, id: u64) -> Value {
    let code = if leads.contains_key(&id) { "1015" } else { "1004" };
    if list.members.remove(&id) {
        return json!({"id": id, "status": "removed"});
    }
    json!({"id": id, "status": "skipped", "reasons": [{"code": code, "message": "no"}]})
}

fn described() -> Value {
    let field = |name: &str, kind: &str, updateable: bool| json!({"name": name, "displayName": name, "dataType": kind, "updateable": updateable, "crmManaged": false});
    json!([
        field("id", "integer", false),
        field("email", "email", true),
        field("city", "string", true),
        field("leadScore", "score", true),
        field("createdAt", "datetime", false)
    ])
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn answer(status: u16, body: &str) -> Response {
    Response { status, headers: Vec::new(), body: body.into() }
}

/// One run of the connector, call after call, as a host makes them.
pub(crate) struct Harness {
    pub(crate) host: FakeHost,
    pub(crate) store: Rc<RefCell<Store>>,
    pub(crate) config: <Marketo as Plugin>::Config,
    pub(crate) target: Target,
    pub(crate) run: Run,
    pub(crate) state: Vec<u8>,
}

/// A row: its operation, the member id the host has, and its cells by column.
pub(crate) type Row<'a> = (Operation, &'a str, &'a [(&'a str, &'a str)]);

pub(crate) const ADD: Operation = Operation::Upsert;
pub(crate) const REMOVE: Operation = Operation::Remove;

impl Harness {
    pub(crate) fn new(columns: &[&str], options: Value, store: Store) -> Self {
        let store = Rc::new(RefCell::new(store));
        let served = Rc::clone(&store);
        Self {
            host: FakeHost::with_vendor(move |request| Some(served.borrow_mut().serve(request))),
            store,
            config: parse_config(r#"{"munchkin_id":"123-ABC-456","client_id":"c"}"#).unwrap(),
            target: Target {
                id: "act_1".into(),
                object: "static-list".into(),
                name: "VIPs".into(),
                options: options.to_string(),
            },
            run: Run {
                id: "run-1".into(),
                started_ms: 1_767_225_600_000,
                rows_expected: None,
                columns: columns.iter().map(|name| ((*name).to_owned(), DataType::Text)).collect(),
            },
            state: Vec::new(),
        }
    }

    pub(crate) fn prepare(&mut self) -> Vec<String> {
        let prepared = self.try_prepare(false).unwrap();
        self.state = prepared.state;
        prepared.notes
    }

    pub(crate) fn try_prepare(&self, dry_run: bool) -> Result<Prepared> {
        Marketo::prepare(&self.host, &self.config, &self.target, &self.run, dry_run)
    }

    pub(crate) fn deliver(&mut self, rows: &[Row<'_>]) -> Vec<Outcome> {
        let delivered = self.try_deliver(rows).unwrap();
        self.state = delivered.state;
        delivered.outcomes
    }

    pub(crate) fn try_deliver(&self, rows: &[Row<'_>]) -> Result<Delivered> {
        let batch = self.batch(rows);
        Marketo::deliver(&self.host, &self.config, &self.target, &self.run, self.state.clone(), &batch)
    }

    pub(crate) fn step(&mut self) -> Finished {
        let finished = Marketo::finish(&self.host, &self.config, &self.target, &self.run, self.state.clone()).unwrap();
        self.state.clone_from(&finished.state);
        finished
    }

    /// Finishes and polls to the end; every exception on the way.
    pub(crate) fn finish(&mut self) -> (Finished, Vec<(String, Outcome)>) {
        let mut exceptions = Vec::new();
        for _ in 0..20 {
            let finished = self.step();
            exceptions.extend(finished.exceptions.clone());
            if finished.pending_become != OutcomeStatus::Pending {
                return (finished, exceptions);
            }
        }
        panic!("it never ends");
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

    pub(crate) fn members(&self) -> Vec<u64> {
        self.store.borrow().lists[0].members.iter().copied().collect()
    }
}

/// Status and code of each outcome: `updated`, `rejected marketo.1003`.
pub(crate) fn shown(outcomes: &[Outcome]) -> Vec<String> {
    let words = |outcome: &Outcome| {
        let status = format!("{:?}", outcome.status).to_lowercase();
        let status = status.rsplit("::").next().unwrap_or_default().to_owned();
        format!("{status} {}", outcome.code).trim().to_owned()
    };
    outcomes.iter().map(words).collect()
}
