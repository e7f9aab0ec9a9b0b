//! Words for the operator: passed on to tracing, capped, and the last of them kept as evidence.

use crate::bindings::log::{Host, Level};
use crate::call::CallState;
use crate::usage::LogLine;
use std::collections::VecDeque;

/// How many lines are kept for the report of a call.
const KEPT_MAX: usize = 64;
const FIELDS_MAX: usize = 16;

/// What a call has logged.
#[derive(Debug)]
pub(crate) struct CallLog {
    plugin: String,
    connection: String,
    bytes_left: usize,
    dropped: u32,
    kept: VecDeque<LogLine>,
    /// The text of a panic, which the trap after it does not carry.
    panic: Option<String>,
}

impl CallLog {
    pub(crate) fn new(plugin: String, connection: String, bytes_max: usize) -> Self {
        Self { plugin, connection, bytes_left: bytes_max, dropped: 0, kept: VecDeque::new(), panic: None }
    }

    pub(crate) fn dropped(&self) -> u32 {
        self.dropped
    }

    /// What the connector said last before it trapped: a panic's text, or else its last error.
    pub(crate) fn last_words(&self) -> Option<String> {
        let last_error = || self.kept.iter().rev().find(|line| line.level == "error").map(|line| line.message.clone());
        self.panic.clone().or_else(last_error)
    }

    pub(crate) fn into_lines(self) -> Vec<LogLine> {
        self.kept.into()
    }

    fn write(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        let bytes = message.len() + fields.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
        if level == Level::Error && self.panic.is_none() {
            // Kept even over the cap: the one line nobody can do without.
            let text = fields.iter().find(|(key, _)| key == "panic").map(|(_, text)| text);
            let place = fields.iter().find(|(key, _)| key == "place").map(|(_, place)| place);
            self.panic = text.map(|text| match place {
                Some(place) if !place.is_empty() => cut(&format!("{text} at {place}")),
                _ => cut(text),
            });
        }
        if bytes > self.bytes_left {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes_left -= bytes;
        let fields: Vec<_> = fields.into_iter().take(FIELDS_MAX).collect();
        self.trace(level, &message, &fields);
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(LogLine { level: name(level).to_owned(), message, fields });
    }

    fn trace(&self, level: Level, message: &str, fields: &[(String, String)]) {
        let (plugin, connection) = (self.plugin.as_str(), self.connection.as_str());
        // A guest's text is shown quoted: it must not be able to write a line of ours.
        match level {
            Level::Debug => tracing::debug!(target: "attiva::plugin", plugin, connection, ?fields, "{message:?}"),
            Level::Info => tracing::info!(target: "attiva::plugin", plugin, connection, ?fields, "{message:?}"),
            Level::Warn => tracing::warn!(target: "attiva::plugin", plugin, connection, ?fields, "{message:?}"),
            Level::Error => tracing::error!(target: "attiva::plugin", plugin, connection, ?fields, "{message:?}"),
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(500).collect()
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

impl Host for CallState {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.count_host_call()?;
        self.log.write(level, message, fields);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(log: &mut CallLog, level: Level, message: &str) {
        log.write(level, message.into(), vec![]);
    }

    #[test]
    fn the_cap_drops_and_counts_and_the_newest_stay() {
        let mut log = CallLog::new("p".into(), "c".into(), 10);
        line(&mut log, Level::Info, "12345");
        line(&mut log, Level::Info, "123456");
        line(&mut log, Level::Info, "12345");
        assert_eq!(log.dropped(), 1);
        let mut log = CallLog::new("p".into(), "c".into(), 10_000);
        (0..100).for_each(|i| line(&mut log, Level::Info, &i.to_string()));
        let kept = log.into_lines();
        assert_eq!((kept.len(), kept[0].message.as_str(), kept[63].message.as_str()), (64, "36", "99"));
    }

    #[test]
    fn a_panics_text_is_kept_even_over_the_cap() {
        let mut log = CallLog::new("p".into(), "c".into(), 5);
        line(&mut log, Level::Error, "first");
        assert_eq!(log.last_words().as_deref(), Some("first"));
        let fields = [("panic", "index out of bounds"), ("place", "src/a.rs:1")];
        let fields = fields.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
        log.write(Level::Error, "the connector panicked".into(), fields);
        assert_eq!(log.last_words().as_deref(), Some("index out of bounds at src/a.rs:1"));
    }
}
