//! Checks 16 to 19: a plain reading.

use super::{or_end, plains};
use crate::report::{Findings, Verdict, not_applicable};
use crate::run::source::{Reading, Record};
use crate::subject::Subject;
use attiva_core::Value;
use attiva_core::page::RowKind;
use attiva_core::ports::connector::Stream;
use serde_json::Map;
use std::collections::BTreeSet;

pub(super) async fn records(s: &Subject) -> Verdict {
    if !s.plugin.is_source {
        return not_applicable("it is no source");
    }
    let mut found = Findings::default();
    let streams = match s.suite_streams().await {
        Ok(streams) => streams,
        Err(fault) => {
            return not_applicable(format!("its streams cannot be discovered ({}): see check 13", fault.code));
        }
    };
    found.hold(!s.suite.streams.is_empty(), || "the suite names no stream, so nothing is proved".into());
    for stream in &streams {
        found.looked();
        match s.plain(stream).await {
            Ok(reading) => {
                sound(stream, &reading, &mut found);
                found.note(format!("{}: {} rows in {} pages", stream.name, reading.rows(), reading.pages.len()));
            }
            Err(fault) => found.problem(format!("{} cannot be read: {fault}", stream.name)),
        }
    }
    found.verdict("")
}

fn sound(stream: &Stream, reading: &Reading, found: &mut Findings) {
    let name = &stream.name;
    for page in &reading.pages {
        for column in &page.rows.columns {
            match stream.columns.iter().find(|c| c.name == column.name) {
                None => found.problem(format!("{name} gives the column {}, which was not discovered", column.name)),
                Some(spec) if spec.data_type != column.data_type() => {
                    found.problem(format!(
                        "{name}.{} is {:?}, and was discovered as {:?}",
                        column.name,
                        column.data_type(),
                        spec.data_type
                    ));
                }
                Some(spec) if !spec.nullable => {
                    let is_null = |row: usize| {
                        page.kinds.get(row) == Some(&RowKind::Full) && column.get(row) == Some(Value::Null)
                    };
                    if (0..page.rows.len).any(is_null) {
                        found.problem(format!("{name}.{} is null, and was discovered as never null", column.name));
                    }
                }
                Some(_) => {}
            }
        }
        let mut seen = BTreeSet::new();
        for (row, key) in page.keys.iter().flatten().enumerate() {
            let is_whole = page.kinds.get(row) == Some(&RowKind::Full);
            let time = page.source_times.get(row).copied().unwrap_or(0);
            // Two versions of one record may come; the same version twice in a page is one too many.
            if is_whole && !seen.insert((key, time)) {
                found.problem(format!("{name} gives the key {key} twice in one page"));
            }
        }
    }
}

pub(super) async fn expected(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for (stream, reading) in or_end!(plains(s).await) {
        let records = reading.records();
        let suite = s.suite.streams.iter().find(|suite| suite.name == stream.name);
        for (key, values) in suite.map(|suite| &suite.expected).into_iter().flatten() {
            found.looked();
            for problem in missing(&stream.name, key, records.get(key), values) {
                found.problem(problem);
            }
        }
    }
    found.verdict("the suite names no record that is expected")
}

/// In what a record is not as it should be.
pub(super) fn missing(
    stream: &str,
    key: &str,
    record: Option<&Record>,
    values: &Map<String, serde_json::Value>,
) -> Vec<String> {
    let Some(Record::Live(found)) = record else {
        return vec![format!("{stream} {key} is not there")];
    };
    let differs = |(name, wanted): (&String, &serde_json::Value)| {
        let value = found.get(name).unwrap_or(&Value::Null).to_json();
        (value != *wanted).then(|| format!("{stream} {key}: {name} is {value}, not {wanted}"))
    };
    values.iter().filter_map(differs).collect()
}

pub(super) async fn coverage(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for (stream, reading) in or_end!(plains(s).await) {
        let suite = s.suite.streams.iter().find(|suite| suite.name == stream.name);
        let listed = suite.map(|suite| suite.unseen.clone()).unwrap_or_default();
        let is_seen = |name: &str| {
            let columns = reading.pages.iter().flat_map(|page| &page.rows.columns).filter(|c| c.name == name);
            columns.into_iter().any(|c| (0..c.len()).any(|row| c.get(row).is_some_and(|value| value != Value::Null)))
        };
        let unseen: Vec<&str> = stream.columns.iter().map(|c| c.name.as_str()).filter(|name| !is_seen(name)).collect();
        for name in unseen.iter().filter(|name| !listed.iter().any(|l| l == *name)) {
            found.problem(format!(
                "{}.{name} has no value anywhere, and the suite does not list it as unseen",
                stream.name
            ));
        }
        let seen: Vec<&str> = listed.iter().map(String::as_str).filter(|name| !unseen.contains(name)).collect();
        if !seen.is_empty() {
            found.note(format!("{}: the suite lists {} as unseen, in vain", stream.name, seen.join(", ")));
        }
        found.looked();
        found.note(format!(
            "{}: {} of {} columns seen",
            stream.name,
            stream.columns.len() - unseen.len(),
            stream.columns.len()
        ));
    }
    found.verdict("nothing was read")
}

pub(super) async fn progress(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for (stream, reading) in or_end!(plains(s).await) {
        let name = &stream.name;
        let mut done = 0;
        for (i, page) in reading.pages.iter().enumerate() {
            found.looked();
            let rows = reading.steps.get(i).map_or(u32::MAX, |step| step.request.max_rows) as usize;
            if page.rows.len > rows {
                found.problem(format!("page {i} of {name} has {} rows; {rows} were asked for", page.rows.len));
            }
            let before = reading.steps.get(i).and_then(|step| step.request.cursor.as_ref());
            if page.more && page.wait_ms.is_none() && page.rows.len == 0 && before == Some(&page.next) {
                found.problem(format!("page {i} of {name} has no row, and its cursor does not move"));
            }
            let Some(estimate) = &page.estimate else { continue };
            let now = estimate.records_done.unwrap_or(done);
            if now < done {
                found.problem(format!("{name} had {done} records done, and then {now}"));
            }
            if estimate.records_total.is_some_and(|total| now > total) {
                found.problem(format!("{name} has more records done than there are in all"));
            }
            done = now;
        }
    }
    found.verdict("nothing was read")
}
