//! Answers on standard output: tables for people, JSON or YAML for programs. Messages and progress on standard error.

use super::{Failure, Format};
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;
use std::io::{IsTerminal, Write};

/// How a command answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
}

/// A column of a table: its heading, and a JSON pointer into the item.
pub(crate) type Column = (&'static str, &'static str);

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn format(self) -> Format {
        self.format
    }

    pub(crate) fn is_json(self) -> bool {
        matches!(self.format, Format::Json | Format::Yaml)
    }

    /// A page of a listing.
    pub(crate) fn list(self, page: &Value, columns: &[Column]) {
        if self.is_json() {
            return self.json(page);
        }
        let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut table = plain_table();
        table.set_header(columns.iter().map(|(heading, _)| heading.to_uppercase()));
        for item in &items {
            table.add_row(columns.iter().map(|(_, pointer)| text(item.pointer(pointer))));
        }
        self.line(&trimmed(&table));
        if let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) {
            self.note(&format!("More: --cursor {cursor}"));
        }
    }

    /// One thing, field by field.
    pub(crate) fn one(self, value: &Value, fields: &[Column]) {
        if self.is_json() {
            return self.json(value);
        }
        let mut table = plain_table();
        for (name, pointer) in fields {
            if let Some(found) = value.pointer(pointer).filter(|v| !v.is_null()) {
                table.add_row([(*name).to_owned(), text(Some(found))]);
            }
        }
        self.line(&trimmed(&table));
    }

    /// A document for programs: JSON on one line, or YAML.
    pub(crate) fn json(self, value: &Value) {
        if self.format == Format::Yaml {
            return self.line(super::yaml::write(value).trim_end());
        }
        self.line(&value.to_string());
    }

    /// A line of the answer. A reader that has gone away has heard enough.
    pub(crate) fn line(self, line: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// A line for people, beside the answer.
    pub(crate) fn note(self, line: &str) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    /// Whether progress can be shown as it moves.
    pub(crate) fn is_live(self) -> bool {
        std::io::stderr().is_terminal()
    }

    pub(crate) fn failure(self, failure: &Failure) {
        if self.is_json() {
            let document = failure.document();
            let yaml = || super::yaml::write(&document).trim_end().to_owned();
            return self.note(&if self.format == Format::Yaml { yaml() } else { document.to_string() });
        }
        self.note(&format!("error: {failure}"));
        if let Failure::Refused(problem) = failure {
            for error in &problem.errors {
                let place = error.place.map(|p| format!(" ({}:{})", p.line, p.column)).unwrap_or_default();
                self.note(&format!("  {}{place}: {}", error.field, error.message));
            }
        }
        if !failure.action().is_empty() {
            self.note(failure.action());
        }
    }
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Without the blanks that the table ends its lines with.
fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A value in a cell: one line, no control characters, since it may come from a vendor and end on a terminal.
fn text(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
