//! Checks 12 to 15: what it says of a connection, and what it finds there.

use super::{or_end, streams, targets};
use crate::report::{Findings, Verdict, not_applicable};
use crate::run::source::How;
use crate::subject::Subject;
use crate::wire::fault::{Fault as Made, Injection};
use crate::wire::message::Answer;
use attiva_core::page::CheckResult;
use attiva_core::ports::connector::{Stream, TargetObject};
use attiva_core::{Fault, FaultKind, Value};
use serde_json::json;
use std::collections::BTreeSet;

pub(super) async fn check(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    if s.spec().origins.is_empty() {
        return not_applicable("it asks no vendor");
    }
    match checked(s, |_| {}).await {
        Ok(results) => {
            found.hold(!results.is_empty(), || "it has no named test".into());
            let names: BTreeSet<&str> = results.iter().map(|result| result.name.as_str()).collect();
            // One that is both is asked twice, and may say the same.
            let sides = if s.plugin.is_source && s.plugin.is_destination { 2 } else { 1 };
            found.hold(names.len() * sides >= results.len(), || "two of its tests have one name".into());
            for result in &results {
                found.hold(!result.title.is_empty(), || format!("{} has no title", result.name));
                if let Some(fault) = &result.fault {
                    found.problem(format!("{} failed where all is well: {fault}", result.name));
                }
            }
            found.note(results.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join(", "));
        }
        Err(fault) => found.problem(format!("where all is well: {fault}")),
    }
    let refusal = Answer::json(401, &json!({"error": "invalid_client"}));
    let scope = answer(&s.suite.answers.scope_missing);
    let cases: [(&str, Vec<FaultKind>, Box<dyn Fn(&Subject)>); 3] = [
        (
            "a wrong secret",
            vec![FaultKind::Auth, FaultKind::Config],
            Box::new(move |s| {
                s.stand.inject_token(Made::Answered(refusal.clone()));
                s.stand.inject(Injection::always(Made::Answered(refusal.clone())));
            }),
        ),
        (
            "a missing permission",
            vec![FaultKind::Scope, FaultKind::Auth, FaultKind::Config],
            Box::new(move |s| s.stand.inject(Injection::always(Made::Answered(scope.clone())))),
        ),
        (
            "a vendor that does not answer",
            vec![FaultKind::Transient],
            Box::new(|s| s.stand.inject(Injection::always(Made::Refused))),
        ),
    ];
    for (case, kinds, prepare) in cases {
        found.looked();
        match checked(s, prepare).await {
            Ok(results) => {
                let faults: Vec<&Fault> = results.iter().filter_map(|r| r.fault.as_ref()).collect();
                if faults.is_empty() {
                    found.problem(format!("with {case} no test failed"));
                }
                for fault in faults.iter().filter(|fault| !kinds.contains(&fault.kind)) {
                    found.problem(format!("with {case} it said: {fault}"));
                }
            }
            Err(fault) => found.problem(format!("with {case} it stopped: {fault}")),
        }
    }
    found.verdict("")
}

pub(super) fn answer(suite: &crate::suite::AnswerSuite) -> Answer {
    Answer::json(suite.status, &suite.body)
}

async fn checked(s: &Subject, prepare: impl Fn(&Subject)) -> Result<Vec<CheckResult>, Fault> {
    s.enter("check");
    prepare(s);
    let connection = s.connection()?;
    let results = s.plugin.check(&connection.context).await?;
    results.iter().filter_map(|result| result.fault.as_ref()).for_each(|fault| s.evidence.told(fault));
    Ok(results)
}

pub(super) async fn discover(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    if s.plugin.is_source {
        match s.streams().await {
            Ok(streams) => {
                sound_streams(s, &streams, &mut found);
                s.enter("discover");
                let again = match s.connection() {
                    Ok(connection) => s.plugin.discover_streams(&connection.context).await,
                    Err(fault) => Err(fault),
                };
                found.hold(again.as_ref() == Ok(&streams), || "a second time it discovers something else".into());
            }
            Err(fault) => found.problem(format!("its streams: {fault}")),
        }
    }
    if s.plugin.is_destination {
        match s.objects().await {
            Ok(objects) => sound_objects(s, &objects, &mut found),
            Err(fault) => found.problem(format!("its targets: {fault}")),
        }
    }
    found.verdict("it is neither source nor destination")
}

fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(*name)).map(str::to_owned).collect()
}

fn sound_streams(s: &Subject, streams: &[Stream], found: &mut Findings) {
    found.hold(!streams.is_empty(), || "it has no stream".into());
    for name in twice(streams.iter().map(|stream| stream.name.as_str())) {
        found.problem(format!("two streams are called {name}"));
    }
    for stream in streams {
        let name = &stream.name;
        let has = |column: &str| stream.columns.iter().any(|c| c.name == column);
        for column in twice(stream.columns.iter().map(|c| c.name.as_str())) {
            found.problem(format!("{name} has two columns {column}"));
        }
        found.hold(!name.is_empty() && !stream.title.is_empty(), || format!("`{name}` has no name or no title"));
        found.hold(has(&stream.key), || format!("the key {} of {name} is none of its columns", stream.key));
        if let Some(cursor) = &stream.cursor_column {
            found.hold(has(cursor), || format!("the cursor column {cursor} of {name} is none of its columns"));
        }
        if let Some((of, column)) = &stream.keyed_by {
            let parent = streams.iter().find(|other| other.name == *of);
            let there = parent.is_some_and(|parent| parent.columns.iter().any(|c| c.name == *column));
            found.hold(there, || format!("{name} is keyed by {of}.{column}, which is not there"));
        }
    }
    for suite in &s.suite.streams {
        let there = streams.iter().any(|stream| stream.name == suite.name);
        found.hold(there, || format!("the suite names the stream {}, which is not discovered", suite.name));
    }
    for mapping in &s.spec().mappings {
        let there = streams.iter().any(|stream| stream.name == mapping.stream);
        found.hold(there, || format!("a mapping is for the stream {}, which is not discovered", mapping.stream));
    }
}

fn sound_objects(s: &Subject, objects: &[TargetObject], found: &mut Findings) {
    found.hold(!objects.is_empty(), || "it has no target".into());
    for name in twice(objects.iter().map(|object| object.name.as_str())) {
        found.problem(format!("two targets are called {name}"));
    }
    for object in objects {
        let name = &object.name;
        for field in twice(object.fields.iter().map(|f| f.name.as_str())) {
            found.problem(format!("{name} has two fields {field}"));
        }
        found.hold(!object.title.is_empty(), || format!("{name} has no title"));
        let fillable = object.open_fields || object.fields.iter().any(|f| f.read_only_because.is_none());
        found.hold(fillable, || format!("{name} has no field that can be written"));
    }
    for suite in &s.suite.targets {
        let object = objects.iter().find(|object| object.name == suite.object);
        found
            .hold(object.is_some(), || format!("the suite names the target {}, which is not discovered", suite.object));
        for column in &suite.columns {
            let known = object.is_none_or(|o| o.open_fields || o.fields.iter().any(|f| f.name == column.name));
            found.hold(known, || format!("{} has no field {}", suite.object, column.name));
        }
    }
}

pub(super) async fn compatibility(s: &Subject) -> Verdict {
    let Some(previous) = &s.previous else {
        return not_applicable("no version before was given (--previous)");
    };
    if previous.spec.version.major != s.spec().version.major {
        return not_applicable("another major version may break what was");
    }
    let mut found = Findings::default();
    if s.plugin.is_source && previous.is_source {
        s.enter("discover");
        let before = match s.connection() {
            Ok(connection) => previous.discover_streams(&connection.context).await,
            Err(fault) => Err(fault),
        };
        match (before, s.streams().await) {
            (Ok(before), Ok(now)) => before.iter().for_each(|stream| kept(stream, &now, &mut found)),
            (Err(fault), _) => found.problem(format!("the version before cannot discover: {fault}")),
            (_, Err(fault)) => {
                return not_applicable(format!("its streams cannot be discovered ({}): see check 13", fault.code));
            }
        }
    }
    found.verdict("there are no streams in both versions")
}

fn kept(before: &Stream, now: &[Stream], found: &mut Findings) {
    let name = &before.name;
    let Some(stream) = now.iter().find(|stream| stream.name == *name) else {
        return found.problem(format!("the stream {name} is gone"));
    };
    found.hold(stream.key == before.key, || format!("the key of {name} is another one"));
    for column in &before.columns {
        let same = stream.columns.iter().any(|c| c.name == column.name && c.data_type == column.data_type);
        found.hold(same, || format!("{name}.{} is gone or has another type", column.name));
    }
}

const ODD: [&str; 6] = ["select", "naïve", "with space", "a.b", "𝔘nicode", "\"quoted\""];

pub(super) async fn odd_names(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    if s.plugin.is_source {
        for stream in or_end!(streams(s).await) {
            let mut fields: Vec<String> = stream.columns.iter().take(2).map(|c| c.name.clone()).collect();
            fields.push(stream.key.clone());
            fields.extend(ODD.iter().map(|name| (*name).to_owned()));
            fields.extend((0..600).map(|n| format!("made_up_{n}")));
            let keys = s.keys(&stream).await.unwrap_or_default();
            s.enter(&format!("odd {}", stream.name));
            let connection = match s.connection() {
                Ok(connection) => connection,
                Err(fault) => return not_applicable(fault.to_string()),
            };
            let how = How { fields, patient: true, ..How::default() };
            found.looked();
            match s.read(&connection, &stream, &keys, &how).await {
                Ok(reading) => {
                    let columns = reading.pages.iter().flat_map(|page| &page.rows.columns);
                    for column in columns.filter(|column| column.name.starts_with("made_up_")) {
                        found.problem(format!("{} makes up the column {}", stream.name, column.name));
                    }
                }
                Err(fault) if matches!(fault.kind, FaultKind::Config | FaultKind::Unsupported) => {}
                Err(fault) => found.problem(format!("{} with columns it does not have: {fault}", stream.name)),
            }
        }
        return found.verdict("nothing is read");
    }
    let targets = or_end!(targets(s));
    let objects = s.objects().await.unwrap_or_default();
    for target in targets {
        if !objects.iter().any(|object| object.name == target.object && object.open_fields) {
            continue;
        }
        found.looked();
        if let Err(fault) = wide(s, target).await {
            found.problem(format!("{} with 600 odd columns: {fault}", target.name()));
        }
    }
    found.verdict("its targets have the columns they have, and no others")
}

async fn wide(s: &Subject, target: &crate::suite::TargetSuite) -> Result<(), Fault> {
    let mut wide = target.clone();
    let text = |name: String| crate::suite::ColumnSuite { name, data_type: attiva_core::DataType::Text };
    wide.columns.extend(ODD.iter().map(|name| text((*name).to_owned())));
    wide.columns.extend((0..600).map(|n| text(format!("column_{n}"))));
    let mut delivery = s.prepared(&wide, &format!("odd {}", target.name())).await?;
    let rows: Vec<_> = wide.members(0..2).into_iter().map(|row| row.with("naïve", Value::Text("ü".into()))).collect();
    delivery.send(&rows).await?;
    delivery.finish().await.map(|_| ())
}
