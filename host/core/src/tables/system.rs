//! The tables that no model has: what names whom, memberships, runs and outcomes.

use super::layout::{Origin, TableColumn, TableLayout, column};
use crate::value::DataType;
use crate::value::DataType::{Boolean, Integer, Json, Text, Timestamp};

const ALL: [(&str, Origin, &[(&str, DataType)]); 9] = [
    // A record carries an identity, and belongs to a profile. `own`: it is the record's own key.
    (
        "identity",
        Origin::Records,
        &[
            ("record_id", Integer),
            ("entity", Text),
            ("namespace", Text),
            ("value", Text),
            ("own", Boolean),
            ("profile_id", Integer),
        ],
    ),
    // A source merged the one record into the other.
    ("merged", Origin::Records, &[("record_id", Integer), ("entity", Text), ("source_key", Text), ("into_key", Text)]),
    ("subject", Origin::Subjects, &[("subject_id", Integer), ("entity", Text), ("namespace", Text), ("value", Text)]),
    // What an event names its person by beside the firmest, which stands with the event.
    ("activity_subject", Origin::Events, &[("activity_id", Integer), ("rank", Integer), ("subject_id", Integer)]),
    ("audience_member", Origin::Members, &[("audience", Text), ("member_id", Integer), ("since", Timestamp)]),
    (
        "membership_change",
        Origin::Moves,
        &[
            ("number", Integer),
            ("audience", Text),
            ("member_id", Integer),
            ("status", Text),
            ("at", Timestamp),
            ("cause", Text),
        ],
    ),
    (
        "outcome",
        Origin::Outcomes,
        &[
            ("delivery", Text),
            ("position", Integer),
            ("member_id", Integer),
            ("status", Text),
            ("code", Text),
            ("field", Text),
            ("message", Text),
            ("operation", Text),
            ("resent", Boolean),
        ],
    ),
    (
        "run",
        Origin::Runs,
        &[
            ("id", Text),
            ("connection", Text),
            ("plugin", Text),
            ("status", Text),
            ("started_at", Timestamp),
            ("ended_at", Timestamp),
            ("received", Integer),
            ("changed", Integer),
            ("unchanged", Integer),
            ("stale", Integer),
            ("rejected", Integer),
            ("fault_code", Text),
            ("fault_message", Text),
            ("streams", Json),
        ],
    ),
    (
        "delivery",
        Origin::Deliveries,
        &[
            ("id", Text),
            ("activation", Text),
            ("audience", Text),
            ("target", Text),
            ("mode", Text),
            ("cause", Text),
            ("evaluation", Text),
            ("dry_run", Boolean),
            ("status", Text),
            ("started_at", Timestamp),
            ("ended_at", Timestamp),
            ("received", Integer),
            ("queued", Integer),
            ("fault_code", Text),
            ("fault_message", Text),
            ("books", Json),
        ],
    ),
];

const SEGMENT: &[(&str, DataType)] = &[
    ("id", Text),
    ("name", Text),
    ("entity", Text),
    ("expression", Text),
    ("version", Integer),
    ("has_result", Boolean),
    ("created_at", Timestamp),
];

pub(super) fn tables() -> impl Iterator<Item = TableLayout> {
    let segment = ("segment", Origin::Segments, SEGMENT);
    ALL.into_iter().chain([segment]).map(|(name, origin, columns)| TableLayout {
        name: format!("attiva.{name}"),
        origin,
        columns: columns.iter().map(|(name, data_type)| -> TableColumn { column(*name, *data_type) }).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page has each table with each of its columns.
    #[test]
    fn every_column_is_described() {
        let page = include_str!("../../../../docs/open-tables.md");
        for table in tables() {
            let heading = format!("| `{}` |", table.name);
            let rows: Vec<&str> = page.lines().skip_while(|line| !line.starts_with(&heading)).collect();
            let rows = rows.iter().enumerate().take_while(|(n, line)| *n == 0 || line.starts_with("| | "));
            let text: String = rows.map(|(_, line)| *line).collect();
            for column in &table.columns {
                assert!(
                    text.contains(&format!("`{}`", column.name)),
                    "{}: `{}` is not in: {text}",
                    table.name,
                    column.name
                );
            }
        }
    }
}
