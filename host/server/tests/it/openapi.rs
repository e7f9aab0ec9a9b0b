//! The description of the API: that it is one, that it is whole, and walks along it with keys that open nothing.

use crate::audiences::{key, make, send};
use crate::described::{Operation, operations, resolved};
use crate::harness::{Answer, Api, Harness};
use crate::journey::{Vendors, caught_up, connect_marketo, connect_s3, run, vendors_of, work, work_with};
use crate::tenancy::organisation;
use attiva_server::api::{document, endpoints};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use ureq::http::Method;

fn each(value: &'static Value, place: &str, see: &mut impl FnMut(&str, &'static Value)) {
    see(place, value);
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| each(value, &format!("{place}/{name}"), see)),
        Value::Array(items) => items.iter().for_each(|value| each(value, place, see)),
        _ => {}
    }
}

#[test]
fn it_is_served_without_a_key_as_a_document_and_as_a_page_that_loads_nothing() {
    let bare = Api { key: String::new(), ..Harness::shared().api("") };
    let served = bare.get("/openapi.json");
    assert_eq!(served.is(200).header("content-type"), "application/json");
    assert_eq!(&served.body, document());
    let page = bare.get("/docs");
    assert_eq!(page.is(200).header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    for operation in operations() {
        assert!(page.text.contains(&format!("<details id=\"{}\">", operation.id())), "{}", operation.id());
    }
    for loads in ["<script", "<link", "<img", "<iframe", "src=", "@import", "url("] {
        assert!(!page.text.contains(loads), "{loads}");
    }
}

#[test]
fn it_is_openapi_and_nothing_in_it_leads_nowhere() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let components = &document["components"];
    let mut used = BTreeSet::new();
    each(document, "", &mut |place, value| {
        if let Some(reference) = value["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{place} refers to {reference}"));
            assert!(document.pointer(pointer).is_some(), "{place} refers to {reference}, which is not there");
            used.insert(reference);
        }
        if place.ends_with("/description") && value.is_string() {
            assert!(!value.as_str().unwrap().is_empty(), "{place} is empty");
        }
    });
    for kind in ["schemas", "parameters", "responses", "headers"] {
        for name in components[kind].as_object().unwrap().keys() {
            assert!(used.contains(format!("#/components/{kind}/{name}").as_str()), "nothing uses the {kind} {name}");
        }
    }
    // Two types of one name would be told apart by a number that moves.
    for name in components["schemas"].as_object().unwrap().keys() {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.ends_with(|c: char| c.is_ascii_digit());
        assert!(plain, "the schema {name} needs a name of its own");
    }
    let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    assert_eq!(tags.len(), tags.iter().map(|tag| tag.as_str()).collect::<BTreeSet<_>>().len(), "{tags:?}");
    // What a key is asked for is told as the table has it, which is walked with keys that lack it.
    let asked = endpoints().map(|(method, path, scope)| (method.to_owned(), path, scope.to_string()));
    let told = operations().filter(Operation::needs_a_key);
    let told = told.map(|o| (o.method().to_string(), o.path.to_owned(), o.scope().to_owned()));
    assert_eq!(told.collect::<BTreeSet<_>>(), asked.collect());
    let mut ids = BTreeSet::new();
    for operation in operations() {
        let (id, it) = (operation.id(), operation.it);
        assert!(ids.insert(id), "two operations are called {id}");
        assert!(tags.contains(&&it["tags"][0]), "{id} is of no resource");
        assert!(it["summary"].as_str().is_some_and(|s| !s.is_empty() && !s.ends_with('.')), "{id} has no summary");
        let names = |place: &str| -> BTreeSet<&str> {
            let of = operation.parameters().into_iter().filter(|p| p["in"] == place);
            of.map(|p| p["name"].as_str().unwrap()).collect()
        };
        let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(names("path"), in_path.collect(), "{id}");
        let responses = it["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{id} never succeeds");
        for (status, response) in responses {
            assert!(resolved(response)["description"].is_string(), "{id} {status}");
        }
        // What holds everywhere.
        let says = |status: &str| responses.contains_key(status);
        assert_eq!(operation.path.starts_with("/v1/") || operation.path == "/metrics", operation.needs_a_key(), "{id}");
        assert_eq!(says("401") && says("403"), operation.needs_a_key(), "{id}");
        assert_eq!(it.get("requestBody").is_some(), says("415"), "{id}");
        assert_eq!(names("header").contains("If-Match"), says("412"), "{id}");
        let repeatable = operation.method == "post" && operation.needs_a_key();
        assert_eq!(names("header").contains("Idempotency-Key"), repeatable, "{id}");
    }
}

/// A sandbox with something of most kinds in it, and what each is called.
struct Full {
    harness: Harness,
    api: Api,
    names: BTreeMap<&'static str, String>,
    _vendors: Vendors,
}

/// Stands in what the first organisation has, and in nothing else.
const MARK: &str = "zx81quux";

/// One walk after the other: each sees what the other changes beside it.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One for both walks: neither may change anything in it.
fn full() -> &'static Full {
    static FULL: OnceLock<Full> = OnceLock::new();
    FULL.get_or_init(furnished)
}

fn furnished() -> Full {
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    let vendors = vendors_of(MarketoConfig { leads: 5, ..MarketoConfig::default() });
    let ann = json!({"email": format!("ann@{MARK}.example"), "department": MARK});
    send(&api, "person", &json!([{"id": "ann", "fields": ann}, {"id": "bob", "fields": {"email": "bob@x.example"}}]));
    send(&api, "account", &json!([{"id": "acme", "fields": {"name": MARK}}]));
    caught_up(&api);
    let id = |answer: &Answer| answer.text("/id").to_owned();
    let profile = api.get("profiles").is(200).text("/items/0/id").to_owned();
    let segment = make(&api, &json!({"name": MARK, "expression": format!("person.department == \"{MARK}\"")}));
    caught_up(&api);
    let source = connect_marketo(&api, &vendors, &vendors.secret());
    let run = id(&run(&api, &source));
    let bucket = connect_s3(&api, &vendors, "right");
    let target = json!({"object": "file", "name": MARK});
    let mapping = json!([{"field": "email", "expression": "person.email", "required": true}]);
    let activation =
        json!({"name": MARK, "segment": segment, "connection": bucket, "target": target, "mapping": mapping});
    let activation = id(api.post("activations", &activation).is(201));
    let delivery = id(&work(&api, &format!("activations/{activation}/deliveries")));
    let evaluation = api.post("evaluations", &json!({}));
    let (operation, evaluation) = (evaluation.is(202).text("/id").to_owned(), evaluation.text("/subject").to_owned());
    let never = json!({"a": key("ann"), "b": key("bob"), "reason": MARK});
    let link = id(api.post("identity/never-links", &never).is(201));
    let erasure = json!({"identity": {"namespace": "email", "value": format!("nobody@{MARK}.example")}});
    let erasure = id(&work_with(&api, "privacy/erasures", &erasure));
    let rates = json!({"base": "EUR", "rates": [{"currency": "USD", "from": "2026-01-01", "rate": "1.25"}]});
    api.json(Method::PUT, "exchange-rates/EUR", &[], &rates).is(200);
    let passing = json!({"name": "passing", "plugin": "destination-s3", "configuration": {"bucket": MARK,
        "region": "eu-central-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": MARK}});
    let passing = id(api.post("connections", &passing).is(201));
    let removal = id(&work(&api, &format!("connections/{passing}/removal")));
    let another = make(&api, &json!({"name": "another", "expression": "person.department == \"IT\""}));
    let order = json!({"name": "order", "audiences": [&segment, another]});
    let waterfall = id(api.post("waterfalls", &order).is(201));
    caught_up(&api);
    let names = [
        ("sandbox", "default".to_owned()),
        ("organisation", api.get("/v1/sandboxes/default").is(200).text("/organisation").to_owned()),
        ("key", id(api.post("/v1/keys", &json!({"name": "ordinary"})).is(201))),
        ("profile", profile),
        ("segment", segment.clone()),
        ("with", segment),
        ("connection", source),
        ("run", run),
        ("activation", activation),
        ("delivery", delivery),
        ("evaluation", evaluation),
        ("operation", operation),
        ("link", link),
        ("erasure", erasure),
        ("removal", removal),
        ("waterfall", waterfall),
    ];
    let everybodys = [
        ("amount", "1"),
        ("backup", "bak_1"),
        ("base", "EUR"),
        ("code", "key.missing"),
        ("currency", "USD"),
        ("field", "department"),
        ("instance", "123-ABC-456"),
        ("on", "2026-01-02"),
        ("origin", "api"),
        ("plugin", "source-marketo"),
        ("publisher", "attiva"),
        ("relation", "accounts"),
        ("stream", "leads"),
        ("system", "Marketo"),
    ];
    let names = names.into_iter().chain(everybodys.map(|(name, value)| (name, value.to_owned())));
    Full { harness, api, names: names.collect(), _vendors: vendors }
}

impl Full {
    fn place(&self, operation: &Operation) -> String {
        operation.place(|name| match self.names.get(name) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => panic!("{}: the walk has no `{name}`", operation.id()),
        })
    }

    /// Asks for an operation with somebody's key.
    fn ask(&self, operation: &Operation, key: &str) -> Answer {
        let api = Api { key: key.to_owned(), ..self.api.clone() };
        match operation.body() {
            Some(body) => api.json(operation.method(), &self.place(operation), &[], &body),
            None => api.send(operation.method(), &self.place(operation), &[], Vec::new()),
        }
    }

    #[track_caller]
    fn stands_as(&self, before: &BTreeMap<&'static str, Value>) {
        let now = self.all();
        let other: Vec<_> = before.iter().filter(|(id, body)| now[*id] != **body).collect();
        let shown = |(id, body): &(&&'static str, &Value)| format!("{id}\n  was {body}\n  is  {}", now[**id]);
        assert!(other.is_empty(), "{}", other.iter().map(shown).collect::<Vec<_>>().join("\n"));
    }

    /// All that the owner can read.
    fn all(&self) -> BTreeMap<&'static str, Value> {
        let reads = operations().filter(|o| o.method == "get" && o.needs_a_key() && o.path.starts_with("/v1/"));
        // What goes on by itself, the log of what everybody did, and answers that tell the time or the bytes on the disk.
        let moves = [
            "audit.list",
            "evaluations.list",
            "guardrails.show",
            "freshness.list",
            "guardrails.show_of",
            "keys.list",
            "quotas.list",
            "quotas.show",
            "sandboxes.disk",
            "segments.counts",
            "segments.explain",
            "segments.sql",
        ];
        let still = reads.filter(|o| !moves.contains(&o.id()));
        still.map(|o| (o.id(), self.ask(&o, &self.api.key).body)).collect()
    }
}

#[test]
fn nothing_is_told_or_done_without_a_key() {
    let _alone = alone();
    let full = full();
    let before = full.all();
    for operation in operations() {
        let answer = full.ask(&operation, "");
        if operation.needs_a_key() {
            answer.refused(401, "key.missing");
            full.ask(&operation, "atv_key_0_0").refused(401, "key.refused");
        } else {
            assert_ne!(answer.status, 401, "{}", operation.id());
            assert!(!answer.text.contains(MARK), "{}", operation.id());
        }
    }
    full.stands_as(&before);
}

/// The other organisation has a sandbox of the same name. So whatever the path says, it is in its own place, and what
/// it names of the first organisation's is not there.
#[test]
fn a_key_of_another_organisation_leads_to_nothing_of_the_first() {
    let _alone = alone();
    let full = full();
    let (_, other) = organisation(&full.harness, "other");
    let before = full.all();
    let readable = before.values().filter(|body| body.to_string().contains(MARK)).count();
    assert!(readable >= 10, "the walk has to lead past something: {readable}");
    // Their own sandbox goes last: without it everything would be missing for the wrong reason.
    let mut walk: Vec<Operation> = operations().filter(Operation::needs_a_key).collect();
    walk.sort_by_key(|operation| (operation.method == "delete", operation.id() == "sandboxes.remove"));
    let of_first = [
        "profile",
        "segment",
        "connection",
        "run",
        "activation",
        "delivery",
        "evaluation",
        "operation",
        "link",
        "erasure",
        "removal",
        "key",
    ];
    let ids: Vec<&String> = of_first.iter().chain(&["organisation"]).map(|name| &full.names[name]).collect();
    for operation in walk {
        let answer = full.ask(&operation, &other.key);
        let id = operation.id();
        assert!(answer.status < 500, "{id}: {answer:?}");
        assert!(!answer.text.contains(MARK), "{id} tells what is another's: {answer:?}");
        let echoed = |known: &&&String| answer.text.contains(known.as_str()) && !(400..500).contains(&answer.status);
        assert_eq!(ids.iter().find(echoed), None, "{id} knows what is another's: {answer:?}");
        if operation.path.starts_with("/v1/organisations") {
            answer.refused(403, "key.scope");
        } else if operation.path.split('/').any(|part| of_first.iter().any(|name| part == format!("{{{name}}}"))) {
            assert!((400..500).contains(&answer.status), "{id} finds what is another's: {answer:?}");
        }
    }
    full.stands_as(&before);
}
