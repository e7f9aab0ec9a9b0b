//! Following long work to its end, with a bar where somebody watches.

use super::output::Output;
use super::{Client, Failure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::time::Duration;

/// How often the host is asked; slower the longer it takes.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Follows an operation until it is done, and returns it as it was then.
pub(crate) fn operation(client: &Client, operation: &Value, output: &Output) -> Result<Value, Failure> {
    let id = operation.get("id").and_then(Value::as_str).unwrap_or_default();
    at(client, &client.scoped(&format!("operations/{id}")), output)
}

/// As [`operation`], for work of the whole host.
pub(crate) fn operation_of_host(client: &Client, operation: &Value, output: &Output) -> Result<Value, Failure> {
    let id = operation.get("id").and_then(Value::as_str).unwrap_or_default();
    at(client, &format!("/v1/operations/{id}"), output)
}

fn at(client: &Client, path: &str, output: &Output) -> Result<Value, Failure> {
    let bar = bar(*output);
    let mut pause = FIRST_PAUSE;
    loop {
        let now = client.get(path)?;
        if now.get("done").and_then(Value::as_bool).unwrap_or(false) {
            bar.finish_and_clear();
            return Ok(now);
        }
        show(&bar, &now);
        std::thread::sleep(pause);
        pause = (pause * 5 / 4).min(LONGEST_PAUSE);
    }
}

/// A bar on standard error; none where nobody watches.
pub(crate) fn bar(output: Output) -> ProgressBar {
    if !output.is_live() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {human_pos}/{human_len} {wide_bar} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Shows an operation on a bar: how much of how much, and what it waits for.
pub(crate) fn show(bar: &ProgressBar, operation: &Value) {
    let number = |pointer: &str| operation.pointer(pointer).and_then(Value::as_u64);
    let text = |pointer: &str| operation.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(total) = number("/progress/total") {
        bar.set_length(total);
    }
    bar.set_position(number("/progress/done").unwrap_or_default());
    let waiting = text("/waiting_until");
    let phase = if waiting.is_empty() { text("/phase") } else { format!("{}, until {waiting}", text("/phase")) };
    bar.set_message(phase);
}

/// Whether an operation, or a run or delivery, ended well.
pub(crate) fn succeeded(work: &Value) -> bool {
    work.get("status").and_then(Value::as_str) == Some("succeeded")
}
