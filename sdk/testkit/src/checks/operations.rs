//! Checks 32 and 49 to 53: what operators live with.

use super::paging::is_ours;
use super::{or_end, plains};
use crate::links;
use crate::report::{Findings, Verdict, not_applicable};
use crate::subject::Subject;
use attiva_core::{Fault, FaultKind};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most characters of a message that is still a sentence.
const MESSAGE_CHARS: usize = 600;
/// What stands in a message that was made for a programmer.
const INSIDES: [&str; 7] =
    ["panicked at", "stack backtrace", "RUST_BACKTRACE", "src/", ".rs:", "Traceback", "unwrap()"];

pub(super) async fn error_texts(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let reports = s.evidence.reports();
    let faults = reports.iter().filter_map(|(scene, report)| Some((scene, report.function, report.fault.as_ref()?)));
    for (scene, function, fault) in faults {
        found.looked();
        for problem in wrong_words(fault) {
            found.problem(format!("{function} (`{scene}`): {fault} {problem}"));
        }
    }
    for fault in s.evidence.faults() {
        found.looked();
        for problem in wrong_words(&fault) {
            found.problem(format!("a test of check: {fault} {problem}"));
        }
    }
    found.verdict("it has made no error yet")
}

fn wrong_words(fault: &Fault) -> Vec<String> {
    // The host's own words are the host's.
    let is_host = ["plugin.", "limit.", "egress.", "network.", "credential.", "instance.", "spool.", "auth."];
    if is_host.iter().any(|own| fault.code.starts_with(own)) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let code = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    if fault.code.is_empty() || !fault.code.chars().all(code) {
        problems.push("has no code, or one that programs cannot use".into());
    }
    if fault.message.trim().is_empty() || fault.message.chars().count() > MESSAGE_CHARS {
        problems.push("has no message, or one that nobody reads".into());
    }
    if let Some(part) = INSIDES.iter().find(|part| fault.message.contains(**part)) {
        problems.push(format!("shows its insides (`{part}`)"));
    }
    let a_person_acts = matches!(fault.kind, FaultKind::Config | FaultKind::Auth | FaultKind::Scope);
    if a_person_acts && fault.action.trim().is_empty() {
        problems.push("does not say what to do".into());
    }
    problems
}

pub(super) async fn state(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let version = s.spec().state_version;
    for (from, bytes) in [(version.wrapping_add(1_000), &b"{}"[..]), (u32::MAX, &b"\xff\x00 no state"[..])] {
        found.looked();
        match s.plugin.migrate_state(from, bytes).await {
            Ok(_) => found.problem(format!("it takes a state of version {from}, which no version of it wrote")),
            Err(fault) if is_ours(&fault) => found.problem(format!("a state of version {from}: {fault}")),
            Err(_) => {}
        }
    }
    let Some(previous) = &s.previous else {
        found.note("no version before was given (--previous): its states were not tried");
        return found.verdict("");
    };
    let before = previous.spec.state_version;
    if before == version || !s.plugin.is_source || !previous.is_source {
        return found.verdict("");
    }
    for stream in s.suite_streams().await.unwrap_or_default() {
        s.enter(&crate::run::source::scene("read", &stream));
        let Ok(connection) = s.connection() else { continue };
        let request = attiva_wasm::ReadRequest {
            stream: stream.name.clone(),
            max_rows: s.page_rows(&stream.name),
            max_bytes: 4 << 20,
            ..attiva_wasm::ReadRequest::default()
        };
        let Ok((page, _)) = previous.read(&connection.context, &request).await else { continue };
        found.looked();
        if let Err(fault) = s.plugin.migrate_state(before, &page.next.bytes).await {
            found.problem(format!("a cursor of {} by {}: {fault}", stream.name, previous.spec.version));
        }
    }
    found.verdict("")
}

pub(super) async fn clean_up(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    if s.plugin.is_source {
        for (stream, plain) in or_end!(plains(s).await) {
            let (Ok(connection), Some(end)) = (s.connection(), plain.end()) else { continue };
            s.enter(&crate::run::source::scene("read", &stream));
            for turn in ["", " a second time"] {
                let released = s.plugin.release(&connection.context, &stream.name, end).await;
                let fine = released.as_ref().err().is_none_or(|fault| fault.kind == FaultKind::Unsupported);
                found.hold(fine, || format!("{} is not released{turn}: {released:?}", stream.name));
            }
        }
    }
    if s.plugin.is_destination {
        for target in &s.suite.targets {
            let scene = format!("retire {}", target.name());
            let delivery = match s.prepared(target, &scene).await {
                Ok(delivery) => delivery,
                Err(fault) => {
                    found.problem(format!("{}: {fault}", target.name()));
                    continue;
                }
            };
            for turn in ["", " a second time"] {
                let retired = s.plugin.retire(&delivery.connection.context, &delivery.target).await;
                let fine = retired.as_ref().err().is_none_or(|fault| fault.kind == FaultKind::Unsupported);
                found.hold(fine, || {
                    format!(
                        "{} is not retired{turn}: {}",
                        target.name(),
                        retired.err().map(|f| f.to_string()).unwrap_or_default()
                    )
                });
            }
        }
    }
    found.verdict("nothing was read or prepared")
}

pub(super) async fn cost(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    // By function: what its cheapest call takes is what a call costs anyway.
    let mut calls: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for (_, report) in s.evidence.reports().iter().filter(|(_, report)| report.fault.is_none() && report.rows > 0) {
        let (cpu, rows, least) = calls.entry(report.function).or_insert((0, 0, u64::MAX));
        *cpu += report.usage.cpu_ns;
        *rows += report.rows;
        *least = (*least).min(report.usage.cpu_ns);
    }
    let most = s.suite.budget.record_us;
    for (function, (cpu, rows, _)) in calls {
        let each_us = cpu / 1_000 / rows.max(1);
        found.hold(each_us <= most, || {
            format!("{function} takes {each_us} us of CPU time a record; its budget is {most}")
        });
        found.note(format!("{function}: {each_us} us of CPU time a record, over {rows}"));
    }
    found.verdict("it has moved no record")
}

pub(super) async fn log_volume(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let lines_max = s.suite.budget.log_lines;
    for (scene, report) in s.evidence.reports() {
        found.looked();
        let (lines, rows) = (report.log.len() as u64, report.rows);
        if lines > lines_max + rows / 100 {
            found.problem(format!("{} logs {lines} lines for {rows} rows (`{scene}`)", report.function));
        }
        if report.usage.log_dropped > 0 {
            found.problem(format!("{} logs more than is kept (`{scene}`)", report.function));
        }
    }
    found.verdict("it was never called")
}

pub(super) async fn documents(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let spec = s.spec();
    found.hold(!spec.description.is_empty(), || "the specification has no description".into());
    let properties = spec.configuration.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, property) in &properties {
        let says = |key: &str| property.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        found.hold(says("title") && says("description"), || format!("{name} has no title or no description"));
    }
    let Some(readme) = &s.documents.readme else {
        found.note("there is no README.md to look into");
        return found.verdict("");
    };
    for name in properties.keys() {
        found.hold(readme.contains(name.as_str()), || format!("README.md does not speak of `{name}`"));
    }
    for stream in s.streams_if_source().await {
        found.hold(readme.contains(&stream), || format!("README.md does not speak of the stream `{stream}`"));
    }
    if s.plugin.is_destination {
        for object in s.objects().await.unwrap_or_default() {
            found.hold(readme.contains(&object.name), || {
                format!("README.md does not speak of the target `{}`", object.name)
            });
        }
    }
    follow_links(s, readme, &mut found).await;
    if let Some(changelog) = &s.documents.changelog {
        let version = spec.version.to_string();
        found.hold(changelog.contains(&version), || format!("CHANGELOG.md does not speak of {version}"));
    }
    found.verdict("")
}

/// Where that is wanted: a replay needs no network.
async fn follow_links(s: &Subject, document: &str, found: &mut Findings) {
    let links = links::of(document);
    if !s.follows_links {
        return found.note(format!("{} links of README.md were not followed (--links)", links.len()));
    }
    for link in links {
        let asked = link.clone();
        let death = tokio::task::spawn_blocking(move || links::death(&asked)).await.unwrap_or(None);
        found.hold(death.is_none(), || format!("README.md leads to {link}, which {}", death.unwrap_or_default()));
    }
}

impl Subject {
    async fn streams_if_source(&self) -> Vec<String> {
        if !self.plugin.is_source {
            return Vec::new();
        }
        self.streams().await.map(|streams| streams.into_iter().map(|stream| stream.name).collect()).unwrap_or_default()
    }
}

/// A row of the report that cannot be looked at, since the component was refused.
pub(crate) fn refused() -> Verdict {
    not_applicable("the component was refused: see check 1")
}
