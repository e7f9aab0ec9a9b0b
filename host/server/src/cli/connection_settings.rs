//! What of a connection is set by many flags: when it runs, and what becomes of a stream that changes at the vendor.

use super::output::Output;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// Flags that making and changing a connection have in common.
#[derive(Debug, Args)]
pub(crate) struct More {
    /// Times of runs as cron writes them, in UTC: '0 2 * * *'. Beside an interval, whichever comes first.
    #[arg(long, value_name = "TIMES")]
    cron: Option<String>,
    /// What becomes of a stream whose columns have changed at the vendor.
    #[arg(long, value_name = "WORD")]
    on_schema_change: Option<OnChange>,
    /// The same, of one stream; may be repeated: persons=stop
    #[arg(long, value_name = "STREAM=WORD", value_parser = of_stream)]
    on_schema_change_of: Vec<(String, OnChange)>,
    /// Whether a stream with a new column is read anew, so that records that do not change have it too.
    #[arg(long, value_name = "BOOL")]
    backfill_new_columns: Option<bool>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnChange {
    /// It is read as it is now.
    Propagate,
    /// New columns are left out, and what lacks a column is not read, until somebody approves.
    Ask,
    /// The run ends.
    Stop,
}

impl OnChange {
    fn word(self) -> &'static str {
        match self {
            Self::Propagate => "propagate",
            Self::Ask => "ask",
            Self::Stop => "stop",
        }
    }
}

fn of_stream(text: &str) -> Result<(String, OnChange), String> {
    let (stream, word) = text.split_once('=').ok_or("write STREAM=propagate, STREAM=ask or STREAM=stop")?;
    Ok((stream.to_owned(), OnChange::from_str(word, false)?))
}

impl More {
    /// `None`: nothing was said of it.
    pub(crate) fn schedule(&self, every_seconds: Option<u32>) -> Option<Value> {
        let said = [("every_seconds", every_seconds.map(Value::from)), ("cron", self.cron.clone().map(Value::from))];
        let said: serde_json::Map<String, Value> =
            said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        (!said.is_empty()).then_some(Value::Object(said))
    }

    /// The policy, with what was said changed in it; `None`: nothing was.
    pub(crate) fn schema(&self, before: Option<&Value>) -> Option<Value> {
        let Self { on_schema_change, on_schema_change_of, backfill_new_columns, cron: _ } = self;
        if on_schema_change.is_none() && on_schema_change_of.is_empty() && backfill_new_columns.is_none() {
            return None;
        }
        let mut policy = before.filter(|policy| policy.is_object()).cloned().unwrap_or_else(|| json!({}));
        if let Some(on_change) = on_schema_change {
            policy["on_change"] = on_change.word().into();
        }
        for (stream, on_change) in on_schema_change_of {
            policy["streams"][stream] = on_change.word().into();
        }
        if let Some(backfill) = backfill_new_columns {
            policy["backfill_new_columns"] = (*backfill).into();
        }
        Some(policy)
    }
}

/// Shows how streams have changed.
pub(crate) fn schema(found: &Value, output: Output) {
    if output.is_json() {
        return output.json(found);
    }
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let items = |key: &str| found.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    output.line(&format!("on change: {}", text(found, "/policy/on_change")));
    for pending in items("pending") {
        let is_read = pending.get("is_read").and_then(Value::as_bool).unwrap_or(false);
        let meanwhile = if is_read { "read as it was" } else { "not read" };
        let (stream, since) = (text(&pending, "/stream"), text(&pending, "/noticed_at"));
        output.line(&format!("waits for approval since {since}: {stream}, {meanwhile}: {}", told(&pending)));
    }
    for taken in items("taken") {
        let by = text(&taken, "/by");
        let by = if by.is_empty() { "by the policy".to_owned() } else { format!("by {by}") };
        output.line(&format!("taken over {} {by}: {}: {}", text(&taken, "/at"), text(&taken, "/stream"), told(&taken)));
    }
}

/// `new-column title (text), vanished-column fax (text)`
pub(crate) fn told(of: &Value) -> String {
    let told = |change: &Value| {
        let text = |key: &str| change.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("before") {
            "" if text("column").is_empty() => text("change").to_owned(),
            "" => format!("{} {} ({})", text("change"), text("column"), text("data_type")),
            before => format!("{} {} ({before}, now {})", text("change"), text("column"), text("data_type")),
        }
    };
    let changes = of.get("changes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    changes.iter().map(told).collect::<Vec<_>>().join(", ")
}
