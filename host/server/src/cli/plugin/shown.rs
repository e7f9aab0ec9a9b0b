//! What a person reads of a plugin: what it may do, and what an upgrade would change.

use super::COLUMNS;
use crate::cli::Output;
use attiva_core::plugin::capability::{Capability, Change, Difference};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A version, what it may do, and how that differs from before.
pub(super) fn considered(plugin: &Value, output: Output) {
    if output.is_json() {
        return output.json(plugin);
    }
    output.one(plugin, &COLUMNS);
    let from = str_of(plugin, "/difference/from");
    if from.is_empty() {
        output.line("\nThe first of its name. It");
        capabilities(plugin, output);
    } else {
        output.line(&format!("\nAgainst {from}:"));
        difference(plugin, output);
    }
}

/// All of a plugin.
pub(super) fn inspection(plugin: &Value, output: Output) {
    if output.is_json() {
        return output.json(plugin);
    }
    output.one(plugin, &COLUMNS);
    output.one(plugin, &[("digest", "/digest"), ("bytes", "/bytes"), ("description", "/spec/description")]);
    output.line("\nIt may do this, and nothing else:");
    capabilities(plugin, output);
    limits(plugin, output);
    let from = str_of(plugin, "/difference/from");
    if !from.is_empty() {
        output.line(&format!("\nAgainst {from}:"));
        difference(plugin, output);
    }
    let denials = items(plugin, "/denials");
    if !denials.is_empty() {
        output.line("\nWas denied lately:");
    }
    for denial in denials {
        let text = |pointer: &str| str_of(denial, pointer);
        let times = denial.get("times").and_then(Value::as_u64).unwrap_or_default();
        let (last, connection) = (text("/last_at"), text("/connection"));
        output.line(&format!("  {last}  {connection}  {} ({}), {times} times", text("/message"), text("/code")));
    }
    output.line("\nConfiguration:");
    configuration(plugin, output);
}

fn capabilities(plugin: &Value, output: Output) {
    for capability in parsed::<Capability>(plugin, "/capabilities") {
        output.line(&format!("  {capability}"));
    }
}

/// How much, and where to at all.
fn limits(plugin: &Value, output: Output) {
    let limits = plugin.pointer("/policy/limits").and_then(Value::as_object);
    let all = limits.into_iter().flatten().map(|(name, most)| format!("{name} {most}")).collect::<Vec<_>>();
    if !all.is_empty() {
        output.line("\nA call of it may use at most:");
        all.chunks(4).for_each(|some| output.line(&format!("  {}", some.join(", "))));
    }
    if let Some(domains) = plugin.pointer("/policy/host_domains").and_then(Value::as_array) {
        let domains = domains.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
        let domains = if domains.is_empty() { "none".to_owned() } else { domains };
        output.line(&format!("\nOf the domains that it declares, this host reaches those in: {domains}"));
    }
}

fn difference(plugin: &Value, output: Output) {
    let changes = parsed::<Change>(plugin, "/difference/changes");
    if changes.is_empty() {
        output.line("  nothing changes in what it may do");
    }
    for change in changes {
        let sign = match change.difference {
            Difference::Added => '+',
            Difference::Removed => '-',
            Difference::Changed => '~',
        };
        let was = change.before.map(|before| format!(" (was: {before})")).unwrap_or_default();
        let why = change.increase.map(|why| format!("  MORE: {why}")).unwrap_or_default();
        output.line(&format!("  {sign} {}{was}{why}", change.capability));
    }
}

fn configuration(plugin: &Value, output: Output) {
    let schema = plugin.pointer("/spec/configuration").cloned().unwrap_or_default();
    let required = items(&schema, "/required");
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let is_required = required.iter().any(|r| r.as_str() == Some(name));
        let secret = property.get("writeOnly").and_then(Value::as_bool).unwrap_or(false);
        let marks = [(is_required, "required"), (secret, "secret")].into_iter().filter_map(|(is, m)| is.then_some(m));
        let marks: Vec<&str> = std::iter::once(str_of(property, "/type")).chain(marks).collect();
        output.line(&format!("  {name} ({})  {}", marks.join(", "), str_of(property, "/title")));
    }
}

/// The items of a list that can be read; a newer host may say more than this program knows.
fn parsed<T: DeserializeOwned>(value: &Value, pointer: &str) -> Vec<T> {
    items(value, pointer).iter().filter_map(|item| serde_json::from_value(item.clone()).ok()).collect()
}

pub(super) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn str_of<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
