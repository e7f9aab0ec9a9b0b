//! How a connection gets along with its plugin, for people.

use super::output::{Column, Output};
use serde_json::{Value, json};

const SUMS: [Column; 8] = [
    ("plugin", "/plugin"),
    ("calls", "/calls"),
    ("failed", "/failed"),
    ("pages", "/pages"),
    ("rows", "/rows"),
    ("cpu ms", "/cpu_ms"),
    ("wall ms", "/wall_ms"),
    ("peak bytes", "/peak_memory_bytes"),
];

const CALLS: [Column; 6] = [
    ("at", "/at"),
    ("function", "/function"),
    ("rows", "/rows"),
    ("requests", "/usage/requests"),
    ("bytes in", "/usage/bytes_in"),
    ("fault", "/fault/code"),
];

/// What the calls cost.
pub(super) fn usage(usage: &Value, output: Output) {
    if output.is_json() {
        return output.json(usage);
    }
    output.list(&json!({ "items": usage.get("versions") }), &SUMS);
    for version in items(usage, "/versions") {
        let hosts = version.get("hosts").and_then(Value::as_object);
        for (host, traffic) in hosts.into_iter().flatten() {
            let number = |key: &str| traffic.get(key).and_then(Value::as_u64).unwrap_or_default();
            let (requests, out, back) = (number("requests"), number("bytes_out"), number("bytes_in"));
            output.line(&format!("  {host}: {requests} requests, {out} bytes out, {back} bytes in"));
        }
    }
    output.line("");
    output.list(&json!({ "items": usage.get("calls") }), &CALLS);
}

/// What went over the wire.
pub(super) fn exchanges(exchanges: &Value, output: Output) {
    if output.is_json() {
        return output.json(exchanges);
    }
    for exchange in items(exchanges, "/items") {
        let status = exchange.get("status").and_then(Value::as_u64).map_or("no answer".to_owned(), |s| s.to_string());
        let place = format!("{}{}", text(exchange, "/host"), text(exchange, "/path"));
        output.line(&plain(&format!("{}  {} {place}  {status}", text(exchange, "/at"), text(exchange, "/method"))));
        for (mark, side) in [("> ", "request"), ("< ", "response")] {
            for header in items(exchange, &format!("/{side}_headers")) {
                output.line(&plain(&format!("  {mark}{}: {}", text(header, "/0"), text(header, "/1"))));
            }
            let body = text(exchange, &format!("/{side}_body/text"));
            body.lines().for_each(|line| output.line(&plain(&format!("  {mark}{line}"))));
            if exchange.pointer(&format!("/{side}_body/is_whole")) == Some(&Value::Bool(false)) {
                let bytes =
                    exchange.pointer(&format!("/{side}_body/bytes")).and_then(Value::as_u64).unwrap_or_default();
                output.line(&format!("  {mark}... of {bytes} bytes"));
            }
        }
    }
}

/// It may be anybody's words.
fn plain(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether it crashes, and what is known of that.
pub(super) fn evidence(evidence: &Value, output: Output) {
    let fields = [
        ("quarantined", "/quarantined"),
        ("waits until", "/waits_until"),
        ("strikes", "/strikes"),
        ("last strike", "/last_strike/at"),
        ("plugin", "/last_strike/plugin"),
        ("function", "/last_strike/function"),
        ("fault", "/last_strike/fault/message"),
    ];
    output.one(evidence, &fields);
    if output.is_json() {
        return;
    }
    list("Trace, the innermost first:", items(evidence, "/last_strike/trace"), output, |frame| {
        frame.as_str().unwrap_or_default().to_owned()
    });
    list("It logged last:", items(evidence, "/last_strike/log"), output, |line| {
        format!("{}: {}", text(line, "/level"), text(line, "/message"))
    });
    list("It was denied:", items(evidence, "/denials"), output, |denial| {
        format!("{} ({})", text(denial, "/message"), text(denial, "/code"))
    });
}

fn list(title: &str, items: &[Value], output: Output, line: impl Fn(&Value) -> String) {
    if items.is_empty() {
        return;
    }
    output.line(&format!("\n{title}"));
    for item in items {
        // It may be a connector's own words.
        let plain: String = line(item).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        output.line(&format!("  {plain}"));
    }
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
