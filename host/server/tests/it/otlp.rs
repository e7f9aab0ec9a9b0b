//! Traces and logs as a collector gets them: one in this process, which keeps what it was sent.

use crate::harness::{Answer, Api};
use crate::journey::{caught_up, connect_marketo, connect_s3, vendors_of};
use crate::process::{Served, attiva};
use crate::tls::Files;
use attiva_simulators::marketo::MarketoConfig;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue as Any, KeyValue};
use prost::Message;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use ureq::http::Method;

/// A span, as far as it is asked for here.
#[derive(Debug, Clone)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    service: String,
    attributes: Vec<(String, String)>,
    /// Spans of any trace: trace and span.
    links: Vec<(String, String)>,
}

impl Span {
    fn says(&self, name: &str) -> &str {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Kept {
    spans: Vec<Span>,
    /// Of each line of the log: its trace, and what it says.
    lines: Vec<(String, String)>,
    tenants: Vec<String>,
}

/// A collector; it ends with its runtime.
struct Collector {
    runtime: Runtime,
    url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Collector {
    fn start() -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let router = axum::Router::new().route("/v1/traces", post(traces)).route("/v1/logs", post(logs));
        let router = router.with_state(Arc::clone(&kept));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { runtime, url, kept }
    }

    /// A way to it by HTTPS, with the certificate in these files.
    fn over_tls(&self, files: &Files) -> String {
        let read = |name: &str| std::fs::read(files.path(name)).unwrap();
        let certificate = CertificateDer::from_pem_slice(&read("certificate.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let (acceptor, to) = (TlsAcceptor::from(Arc::new(config)), self.url.replace("http://", ""));
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, to) = (acceptor.clone(), to.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut plain = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
                });
            }
        });
        url
    }

    /// Waits until something was sent that is looked for.
    fn wait<T>(&self, what: &str, look: impl Fn(&Kept) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look(&self.kept.lock().unwrap()) {
                return found;
            }
            let names: Vec<String> = self.kept.lock().unwrap().spans.iter().map(|s| s.name.clone()).collect();
            assert!(began.elapsed() < Duration::from_secs(120), "no {what} among {names:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for a span of a trace.
    fn span(&self, trace: &str, name: &str) -> Span {
        let is = |span: &&Span| span.trace == trace && span.name == name;
        self.wait(&format!("`{name}` in {trace}"), |kept| kept.spans.iter().find(is).cloned())
    }
}

type Shared = State<Arc<Mutex<Kept>>>;

async fn traces(State(kept): Shared, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut kept = kept.lock().unwrap();
    kept.tenants.extend(headers.get("x-tenant").and_then(|h| h.to_str().ok()).map(str::to_owned));
    for resource in request.resource_spans {
        let of = resource.resource.map(|r| r.attributes).unwrap_or_default();
        let service =
            read(&of).into_iter().find(|(name, _)| name == "service.name").map(|(_, v)| v).unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            kept.spans.push(Span {
                trace: hex::encode(span.trace_id),
                id: hex::encode(span.span_id),
                parent: hex::encode(span.parent_span_id),
                name: span.name,
                service: service.clone(),
                attributes: read(&span.attributes),
                links: span.links.iter().map(|l| (hex::encode(&l.trace_id), hex::encode(&l.span_id))).collect(),
            });
        }
    }
    StatusCode::OK
}

async fn logs(State(kept): Shared, body: Bytes) -> StatusCode {
    let Ok(request) = ExportLogsServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
    let lines = scopes.flat_map(|scope| scope.log_records);
    kept.lock().unwrap().lines.extend(lines.map(|line| (hex::encode(&line.trace_id), text(line.body.as_ref()))));
    StatusCode::OK
}

fn read(attributes: &[KeyValue]) -> Vec<(String, String)> {
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute.value.as_ref()))).collect()
}

fn text(value: Option<&Any>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(AnyValue::StringValue(text)) => text.clone(),
        Some(AnyValue::IntValue(number)) => number.to_string(),
        Some(AnyValue::BoolValue(value)) => value.to_string(),
        Some(AnyValue::DoubleValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn serve(place: &std::path::Path, set: &[String]) -> (Served, Api) {
    let set: Vec<&str> = set.iter().flat_map(|key| ["--set", key.as_str()]).collect();
    let served = Served::start_with(&place.join("data"), &set);
    let api = Api { url: served.url.clone(), key: served.key.clone(), sandbox: "default".into() };
    (served, api)
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Starts work within the client's own trace, and waits for its end.
fn work(api: &Api, path: &str) -> Answer {
    let headers = [("traceparent", &*format!("00-{TRACE}-{PARENT}-01"))];
    let begun = api.json(Method::POST, path, &headers, &json!({}));
    let place = begun.is(202).header("location").to_owned();
    loop {
        let operation = api.get(&place);
        if operation.is(200).body["done"] == true {
            return api.get(operation.text("/subject_url"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn one_record_is_followed_from_its_page_to_what_became_of_it() {
    let collector = Collector::start();
    let vendors = vendors_of(MarketoConfig { leads: 1, missing_email_every: 0, ..MarketoConfig::default() });
    let place = tempfile::tempdir().unwrap();
    let set = [
        format!("telemetry.otlp_endpoint={}", collector.url),
        "telemetry.service_name=attiva-of-a-test".to_owned(),
        "telemetry.otlp_headers=x-tenant=seven".to_owned(),
    ];
    let (served, api) = serve(place.path(), &set);
    let segment = api.post("segments", &json!({"name": "all", "expression": "person.email != ''"}));
    let segment = segment.is(201).text("/id").to_owned();
    caught_up(&api);
    let source = connect_marketo(&api, &vendors, &vendors.secret());
    let s3 = connect_s3(&api, &vendors, "right");
    let activation = json!({"name": "a", "segment": segment, "connection": s3, "target": {"object": "file", "name": "t"},
        "mapping": [{"field": "email", "expression": "person.email", "required": true}]});
    let activation = api.post("activations", &activation).is(201).text("/id").to_owned();

    // The client's own trace, from its request to the members of the audience.
    let run = work(&api, &format!("connections/{source}/runs"));
    assert_eq!((run.text("/status"), run.text("/trace")), ("succeeded", TRACE), "{run:?}");
    caught_up(&api);
    let request = collector.span(TRACE, "POST /v1/sandboxes/{sandbox}/connections/{connection}/runs");
    assert_eq!((request.parent.as_str(), request.says("http.response.status_code")), (PARENT, "202"));
    assert_eq!(request.service, "attiva-of-a-test");
    let of_run = collector.span(TRACE, "run");
    assert_eq!((of_run.parent.as_str(), of_run.says("run")), (request.id.as_str(), run.text("/id")));
    assert_eq!(of_run.says("status"), "Succeeded");
    let is_commit = |s: &&Span| s.trace == TRACE && s.name == "page.commit" && s.says("changed") == "1";
    let commit = collector.wait("commit of the record", |kept| kept.spans.iter().find(is_commit).cloned());
    let page = collector.wait("its page", |kept| kept.spans.iter().find(|s| s.id == commit.parent).cloned());
    assert_eq!((page.name.as_str(), page.parent.as_str(), page.says("rows")), ("page", of_run.id.as_str(), "1"));
    let after = |parent: &Span, name: &str| {
        let is = |s: &&Span| s.trace == TRACE && s.name == name && s.parent == parent.id;
        collector.wait(name, |kept| kept.spans.iter().find(is).cloned())
    };
    let profiles = after(&commit, "profiles");
    assert_eq!(profiles.says("upto"), commit.says("seq"));
    let segments = after(&profiles, "segments");
    assert_eq!(segments.says("entered_or_left"), "1");

    // The delivery is a trace of its own, since many pages may lead to it: each of the two leads to the other.
    let headers = [("traceparent", &*format!("00-{}-{PARENT}-00", "a".repeat(32)))];
    let begun = api.json(Method::POST, &format!("activations/{activation}/deliveries"), &headers, &json!({}));
    let unsampled = begun.is(202).text("/subject").to_owned();
    while api.get(&format!("deliveries/{unsampled}")).text("/status") == "running" {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(api.get(&format!("deliveries/{unsampled}")).text("/trace"), "", "the client did not want it");
    let again = json!({"name": "b", "segment": segment, "connection": s3, "target": {"object": "file", "name": "u"},
        "mapping": [{"field": "email", "expression": "person.email", "required": true}]});
    let again = api.post("activations", &again).is(201).text("/id").to_owned();
    let delivery = crate::journey::work(&api, &format!("activations/{again}/deliveries"));
    assert_eq!(
        (delivery.text("/status"), &delivery.body["books"]["created"]),
        ("succeeded", &json!(1)),
        "{delivery:?}"
    );
    let trace = delivery.text("/trace").to_owned();
    assert!(!trace.is_empty() && trace != TRACE, "{trace}");
    let of_delivery = collector.span(&trace, "delivery");
    assert_eq!((of_delivery.says("delivery"), of_delivery.says("status")), (delivery.text("/id"), "Succeeded"));
    let audience = collector.span(&trace, "audience");
    assert!(audience.links.contains(&(TRACE.to_owned(), segments.id.clone())), "{audience:?} {segments:?}");
    let batch = collector.span(&trace, "batch");
    assert_eq!((batch.parent.as_str(), batch.says("rows")), (of_delivery.id.as_str(), "1"), "{batch:?}");
    let is = |s: &&Span| s.name == "delivered" && s.parent == segments.id && s.says("delivery") == delivery.text("/id");
    let delivered = collector.wait("end of the delivery", |kept| kept.spans.iter().find(is).cloned());
    assert_eq!((delivered.says("status"), delivered.says("activated")), ("Succeeded", "1"), "{delivered:?}");
    assert_eq!((delivered.trace.as_str(), &delivered.links), (TRACE, &vec![(trace, of_delivery.id)]));

    // What is logged stands in the trace, and every request bears the headers.
    collector.wait("line of the log in the trace", |kept| {
        kept.lines.iter().any(|(trace, said)| trace == TRACE && said.contains("run ended")).then_some(())
    });
    assert!(collector.kept.lock().unwrap().tenants.iter().all(|tenant| tenant == "seven"));
    let personal =
        vendors.marketo().exported_leads().find_map(|lead| lead["email"].as_str().map(str::to_owned)).unwrap();
    let all = format!("{:?}", collector.kept.lock().unwrap());
    assert!(!all.contains(&personal), "whose record it is stays here");
    drop(served);
}

#[test]
fn nothing_is_sent_of_what_is_not_asked_for() {
    let collector = Collector::start();
    let place = tempfile::tempdir().unwrap();
    let endpoint = format!("telemetry.otlp_endpoint={}", collector.url);
    let set = [endpoint.clone(), "telemetry.sample_ratio=0".into()];
    let (served, api) = serve(place.path(), &set);
    api.get("/v1/plugins").is(200);
    api.send(Method::GET, "/v1/plugins", &[("traceparent", &format!("00-{TRACE}-{PARENT}-01"))], Vec::new()).is(200);
    collector.wait("lines of the log", |kept| (!kept.lines.is_empty()).then_some(()));
    assert_eq!(served.terminate(), 0);
    let traces = |kept: &Kept| kept.spans.iter().map(|span| span.trace.clone()).collect::<Vec<_>>();
    assert_eq!(traces(&collector.kept.lock().unwrap()), [TRACE], "the client's own, and none by chance");

    for (export, spans, lines) in [("traces", true, false), ("logs", false, true)] {
        let collector = Collector::start();
        let place = tempfile::tempdir().unwrap();
        let set = [format!("telemetry.otlp_endpoint={}", collector.url), format!("telemetry.export={export}")];
        let (served, api) = serve(place.path(), &set);
        api.get("/v1/plugins").is(200);
        assert_eq!(served.terminate(), 0, "what is left is sent at the end");
        let kept = collector.kept.lock().unwrap();
        assert_eq!((!kept.spans.is_empty(), !kept.lines.is_empty()), (spans, lines), "{export}");
    }
}

#[test]
fn a_collector_that_hangs_holds_nobody_up_and_costs_what_has_no_room() {
    // It takes connections and never answers.
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hangs.local_addr().unwrap());
    let place = tempfile::tempdir().unwrap();
    let set = [format!("telemetry.otlp_endpoint={url}"), "telemetry.queue=5".into(), "telemetry.export=traces".into()];
    let (served, api) = serve(place.path(), &set);
    let mut asked = 0;
    let metric = |metrics: &Answer, labels: &str| {
        let line = metrics.text.lines().find(|line| line.starts_with("attiva_telemetry") && line.contains(labels));
        line.and_then(|line| line.rsplit_once(' ')).and_then(|(_, value)| value.parse::<u64>().ok()).unwrap_or_default()
    };
    let metrics = loop {
        api.get("/v1/plugins").is(200);
        asked += 1;
        let metrics = Api { sandbox: String::new(), ..api.clone() }.get("/metrics");
        if metric(&metrics, "result=\"dropped\"") > 20 {
            break metrics;
        }
        assert!(asked < 10_000, "{}", metrics.text);
    };
    assert!(metric(&metrics, "attiva_telemetry_waiting") <= 5, "{}", metrics.text);
    assert_eq!(metric(&metrics, "result=\"sent\""), 0);
    assert_eq!(served.terminate(), 0);
    drop(hangs);
}

#[test]
fn what_telemetry_cannot_be_stops_the_start() {
    let said = attiva(&["serve", "--set", "telemetry.sample_ratio=0.5"]).output().unwrap();
    let text = String::from_utf8(said.stderr).unwrap();
    assert!(said.status.code() == Some(2) && text.contains("telemetry.otlp_endpoint"), "{text}");
}

#[test]
fn a_collector_of_an_authority_of_ones_own_is_trusted_where_that_is_named() {
    let (collector, files) = (Collector::start(), Files::new());
    let endpoint = format!("telemetry.otlp_endpoint={}", collector.over_tls(&files));
    let place = tempfile::tempdir().unwrap();
    let (served, api) = serve(place.path(), std::slice::from_ref(&endpoint));
    let metrics = Api { sandbox: String::new(), ..api };
    let is_failed = |line: &str| line.contains("result=\"failed\"") && !line.ends_with(" 0");
    while !metrics.get("/metrics").text.lines().any(|line| line.starts_with("attiva_telemetry") && is_failed(line)) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(served.terminate(), 0);
    assert!(collector.kept.lock().unwrap().lines.is_empty(), "the public does not vouch for it");

    let place = tempfile::tempdir().unwrap();
    let named = |file: &str| format!("telemetry.otlp_ca_file={}", files.path(file).display());
    let (served, _) = serve(place.path(), &[endpoint.clone(), named("first.pem")]);
    collector.wait("lines of the log", |kept| (!kept.lines.is_empty()).then_some(()));
    assert_eq!(served.terminate(), 0);

    for (file, problem) in [("key.pem", "no certificate in PEM form"), ("nowhere.pem", "No such file")] {
        let said = attiva(&["serve", "--set", &endpoint, "--set", &named(file)]).output().unwrap();
        let text = String::from_utf8(said.stderr).unwrap();
        let is_told = text.contains("telemetry.otlp_ca_file") && text.contains(file) && text.contains(problem);
        assert!(said.status.code() == Some(2) && is_told, "{text}");
    }
}
