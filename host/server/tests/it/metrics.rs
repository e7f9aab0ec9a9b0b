//! What a monitor reads.

use crate::conduct::{connect, install, server, wait};
use crate::harness::{Answer, Api, Harness};
use serde_json::json;
use ureq::http::Method;

/// The value of a line, by its name and what its labels hold, in any order.
fn value(metrics: &Answer, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let wanted: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    metrics.text.lines().find_map(|line| {
        let (of, value) = line.rsplit_once(' ')?;
        let (found, rest) = of.split_once('{')?;
        (found == name && wanted.iter().all(|label| rest.contains(label))).then(|| value.parse().ok())?
    })
}

#[test]
fn a_monitor_reads_what_plugins_used_and_how_requests_went() {
    let harness = Harness::start(&[]);
    install(&harness, "0.1.0");
    let api = harness.api("default");
    let address = server();
    let get = json!({"origin": "api", "method": "GET", "path": "/a"});
    let connection = connect(&api, "conduct", &json!({"requests": [get]}));
    let url = json!({ "url": format!("http://{address}") });
    api.json(Method::PUT, &format!("connections/{connection}/grants/api"), &[], &url).is(200);
    api.post(&format!("connections/{connection}/check"), &json!({})).is(200);
    api.get("connections/none").refused(404, "connection.missing");

    let metrics = harness.api("").get("/metrics");
    assert!(metrics.is(200).header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(metrics.text.ends_with("# EOF\n"), "{}", metrics.text);
    let of = [("sandbox", "default"), ("connection", connection.as_str())];
    let version = [of[0], of[1], ("plugin", "conduct@0.1.0")];
    let calls = |result| {
        value(&metrics, "attiva_plugin_calls_total", &[version[0], version[1], version[2], ("result", result)])
    };
    assert_eq!((calls("ok"), calls("failed")), (Some(2.0), Some(0.0)), "{}", metrics.text);
    let host =
        |name, direction: &[_]| value(&metrics, name, &[&[of[0], of[1], ("host", &address)], direction].concat());
    let requests = host("attiva_egress_requests_total", &[]).unwrap();
    assert!(requests >= 2.0);
    assert_eq!(host("attiva_egress_bytes_total", &[("direction", "in")]), Some(requests * 10.0));
    assert!(value(&metrics, "attiva_plugin_cpu_seconds_total", &version).unwrap() > 0.0);
    assert_eq!(value(&metrics, "attiva_connection_quarantined", &of), Some(0.0));
    assert!(value(&metrics, "attiva_sandbox_disk_bytes", &of[..1]).unwrap() > 0.0);
    assert_eq!(value(&metrics, "attiva_projection_waiting_changes", &[of[0], ("projector", "profiles")]), Some(0.0));
    let route = ("route", "/v1/sandboxes/{sandbox}/connections/{connection}");
    let answered =
        |status| value(&metrics, "attiva_http_requests_total", &[("method", "GET"), route, ("status", status)]);
    assert_eq!((answered("404"), answered("200")), (Some(1.0), None), "{}", metrics.text);
    let count = value(&metrics, "attiva_http_request_duration_seconds_count", &[("method", "GET"), route]);
    assert_eq!(count, Some(1.0), "{}", metrics.text);
}

/// What is left of what a vendor sold is what its budget says.
#[test]
fn a_monitor_reads_what_is_left_of_a_vendors_budget() {
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    let vendors = crate::journey::vendors_of(attiva_simulators::marketo::MarketoConfig::default());
    let body = json!({"name": "m", "plugin": "source-marketo", "grants": {"api": vendors.url()}, "configuration": {
        "munchkin_id": "401-QUO-401", "client_id": vendors.config().client_id, "client_secret": vendors.secret()}});
    let connection = api.post("connections", &body).is(201).text("/id").to_owned();
    api.post(&format!("connections/{connection}/discover"), &json!({})).is(200);
    let quota = api.get("/v1/quotas/Marketo/401-QUO-401");
    let day = quota.is(200).body["limits"].as_array().unwrap().iter().find(|limit| limit["kind"] == "day").unwrap();
    let metrics = harness.api("").get("/metrics");
    let of = [("system", "Marketo"), ("instance", "401-QUO-401"), ("limit", "day")];
    let figure = |name: &str| value(&metrics, name, &of);
    assert_eq!(figure("attiva_quota_calls_spent"), day["spent"].as_f64(), "{}", metrics.text);
    assert_eq!(figure("attiva_quota_calls_left"), day["left"].as_f64());
    assert!(day["spent"].as_u64().unwrap() > 0);
    assert_eq!(figure("attiva_quota_held_back"), Some(0.0));
    assert_eq!(value(&metrics, "attiva_quota_waiting_calls", &of[..2]), Some(0.0));
    let window = [of[0], of[1], ("limit", "window"), ("seconds", "20")];
    assert!(value(&metrics, "attiva_quota_calls_left", &window).is_some_and(|left| left <= 50.0));
    // Nobody is at work now.
    for idle in ["attiva_plugin_memory_held_bytes", "attiva_egress_connections_open"] {
        let is_none = |line: &str| line.starts_with(idle) && line.ends_with(" 0");
        assert!(metrics.text.lines().any(is_none), "{idle}: {}", metrics.text);
    }
}

/// One counter for each limit that stopped a plugin, and each trap.
#[test]
fn what_stops_a_plugin_is_counted_by_its_code() {
    let harness = Harness::start(&[]);
    install(&harness, "0.1.0");
    let api = harness.api("default");
    for (behaviour, code) in [("memory", "limit.memory"), ("random", "limit.random"), ("trap", "plugin.trap")] {
        let connection = connect(&api, "conduct", &json!({"behaviour": behaviour, "count": 1_000_000_000}));
        let run = api.post(&format!("connections/{connection}/runs"), &json!({})).is(202).text("/subject").to_owned();
        let status = || api.get(&format!("runs/{run}")).text("/status").to_owned();
        wait("the run ends", || !["running", "waiting"].contains(&status().as_str()));
        assert_eq!(status(), "failed");
        let metrics = harness.api("").get("/metrics");
        let of = [("sandbox", "default"), ("connection", connection.as_str()), ("plugin", "conduct@0.1.0")];
        let stops = |code| value(&metrics, "attiva_plugin_stops_total", &[&of[..], &[("code", code)]].concat());
        assert_eq!(stops(code), Some(1.0), "{behaviour}: {}", metrics.text);
        let usage = api.get(&format!("connections/{connection}/usage"));
        assert_eq!(usage.body["versions"][0]["stops"], json!({ code: 1 }));
    }
}

#[test]
fn a_method_that_a_client_makes_up_is_not_counted_by_its_name() {
    let harness = Harness::start(&[]);
    let api = harness.api("");
    for method in ["BREW", "STEEP"] {
        let answer = api.send(Method::from_bytes(method.as_bytes()).unwrap(), "/v1/plugins", &[], Vec::new());
        answer.refused(405, "request.method");
    }
    let metrics = api.get("/metrics");
    let other = [("method", "other"), ("route", "/v1/plugins"), ("status", "405")];
    assert_eq!(value(&metrics, "attiva_http_requests_total", &other), Some(2.0), "{}", metrics.text);
    assert!(!metrics.text.contains("BREW"), "{}", metrics.text);
}

#[test]
fn metrics_are_for_operators() {
    let harness = Harness::start(&[]);
    harness.stranger().get("/metrics").refused(403, "key.scope");
    let nobody = Api { key: String::new(), ..harness.api("") };
    nobody.get("/metrics").refused(401, "key.missing");
}
