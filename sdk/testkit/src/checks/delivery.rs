//! Checks 34 to 40: batches and their outcomes.

use super::paging::is_ours;
use super::{keeping_targets, or_end, targets};
use crate::report::{Findings, Verdict, not_applicable};
use crate::run::delivery::{Delivery, End, Row};
use crate::subject::Subject;
use crate::suite::TargetSuite;
use crate::wire::fault::{Fault as Made, Injection};
use crate::wire::message::Answer;
use attiva_core::page::{Outcome, OutcomeStatus};
use attiva_core::{DataType, Fault, Value};
use std::collections::BTreeSet;

/// Columns that do not say who a member is.
async fn free_columns(s: &Subject, target: &TargetSuite) -> Vec<(String, DataType)> {
    let objects = s.objects().await.unwrap_or_default();
    let object = objects.iter().find(|object| object.name == target.object);
    let names: BTreeSet<&str> = object
        .map(|o| o.fields.iter().filter(|f| f.matching_key || f.required).map(|f| f.name.as_str()).collect())
        .unwrap_or_default();
    let free = target.columns.iter().filter(|column| !names.contains(column.name.as_str()));
    free.filter(|c| target.hashed.as_deref() != Some(&c.name)).map(|c| (c.name.clone(), c.data_type)).collect()
}

/// What a delivery of one batch came to, its outcomes settled by its end.
async fn settled(s: &Subject, target: &TargetSuite, scene: &str, rows: &[Row]) -> Result<Vec<Outcome>, Fault> {
    let mut delivery = s.prepared(target, scene).await?;
    let outcomes = delivery.send(rows).await?;
    let end = delivery.finish().await?;
    Ok(settle(rows, outcomes, &end))
}

/// As `settled`, with the batch sent as one whatever comes of it.
async fn settled_whole(s: &Subject, target: &TargetSuite, scene: &str, rows: &[Row]) -> Result<Vec<Outcome>, Fault> {
    let mut delivery = s.prepared(target, scene).await?;
    let outcomes = delivery.send_whole(rows).await?;
    let end = delivery.finish().await?;
    Ok(settle(rows, outcomes, &end))
}

pub(super) fn settle(rows: &[Row], outcomes: Vec<Outcome>, end: &End) -> Vec<Outcome> {
    let one = |(row, outcome): (&Row, Outcome)| match (end.exceptions.get(&row.key), outcome.status, end.pending_become)
    {
        (Some(exception), ..) => exception.clone(),
        (None, OutcomeStatus::Pending, Some(status)) => Outcome { status, ..outcome },
        _ => outcome,
    };
    rows.iter().zip(outcomes).map(one).collect()
}

pub(super) async fn rows(s: &Subject) -> Verdict {
    if !s.plugin.is_destination {
        return not_applicable("it is no destination");
    }
    let mut found = Findings::default();
    found.hold(!s.suite.targets.is_empty(), || "the suite names no target, so nothing is proved".into());
    for target in &s.suite.targets {
        let free = free_columns(s, target).await;
        for (what, rows) in row_cases(target, &free) {
            found.looked();
            let scene = format!("rows {what} {}", target.name());
            match settled(s, target, &scene, &rows).await {
                Ok(outcomes) => {
                    let pending = outcomes.iter().filter(|o| o.status == OutcomeStatus::Pending).count();
                    found.hold(pending == 0, || {
                        format!("{} with {what}: {pending} rows are pending after the end", target.name())
                    });
                    let refused = outcomes.iter().find(|o| o.status == OutcomeStatus::Rejected);
                    if let Some(refused) = refused.filter(|_| what == "plain rows") {
                        found.problem(format!("{} with {what}: {} {}", target.name(), refused.code, refused.message));
                    }
                }
                Err(fault) => found.problem(format!("{} with {what}: {fault}", target.name())),
            }
        }
    }
    found.verdict("")
}

/// Rows of every kind. Who a member is stays as the suite says it; what else is known of it is varied.
fn row_cases(target: &TargetSuite, free: &[(String, DataType)]) -> Vec<(&'static str, Vec<Row>)> {
    let plain = || target.members(0..2);
    let filled = |with: fn(DataType) -> Option<Value>| -> Vec<Row> {
        let fill = |mut row: Row| {
            for (name, data_type) in free {
                if let Some(value) = with(*data_type) {
                    row.values.insert(name.clone(), value);
                }
            }
            row
        };
        plain().into_iter().map(fill).collect()
    };
    let texts = |text: &'static str| -> Vec<Row> {
        let set = |mut row: Row| {
            for (name, _) in free.iter().filter(|(_, data_type)| *data_type == DataType::Text) {
                row.values.insert(name.clone(), Value::Text(text.into()));
            }
            row
        };
        plain().into_iter().map(set).collect()
    };
    let bare = plain().into_iter().map(|mut row| {
        row.values.retain(|name, _| !free.iter().any(|(free, _)| free == name));
        row
    });
    let mut twins = target.members(0..1);
    twins.extend(target.members(0..1).into_iter().map(|row| Row { key: "kit-twin".into(), ..row }));
    let mut cases = vec![
        ("plain rows", plain()),
        ("one row", target.members(0..1)),
        ("nulls", filled(|_| Some(Value::Null))),
        ("nothing but who it is", bare.collect()),
        ("empty text", texts("")),
        ("quotes and lines", texts("a \"quoted\", 'text'\r\nof two; lines\t\\ <b>&amp;</b>")),
        ("other scripts", texts("Ünïcödé 名前 שלום 👩‍💻 e\u{301}")),
        ("what looks like a formula", texts("=cmd|' /C calc'!A0")),
        ("what looks like nothing", texts("null")),
        ("blanks around", texts("  padded  ")),
        (
            "extremes",
            filled(|data_type| match data_type {
                DataType::Integer => Some(Value::Integer(i64::MAX)),
                DataType::Decimal => Some(Value::Decimal("-12345678901234567890.123456789".into())),
                DataType::Timestamp => Some(Value::Timestamp(-1)),
                DataType::Date => Some(Value::Date(-1)),
                DataType::Float => Some(Value::Float(1e300)),
                DataType::TextList => Some(Value::TextList(vec![])),
                _ => None,
            }),
        ),
        ("two rows of one person", twins),
    ];
    let long: Vec<Row> = plain()
        .into_iter()
        .map(|mut row| {
            for (name, _) in free.iter().filter(|(_, data_type)| *data_type == DataType::Text) {
                row.values.insert(name.clone(), Value::Text("long ".repeat(1_000)));
            }
            row
        })
        .collect();
    cases.push(("long text", long));
    cases
}

pub(super) async fn columns(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for target in or_end!(keeping_targets(s)) {
        found.looked();
        if let Err(problem) = widened(s, target).await {
            found.problem(format!("{}: {problem}", target.name()));
        }
    }
    found.verdict("")
}

/// Fills a target with few columns, and prepares it again with all of them.
async fn widened(s: &Subject, target: &TargetSuite) -> Result<(), String> {
    let said = |fault: Fault| fault.to_string();
    let free = free_columns(s, target).await;
    let mut narrow = target.clone();
    narrow.columns.retain(|column| !free.iter().any(|(name, _)| *name == column.name));
    let scene = format!("columns {}", target.name());
    let mut first = s.prepared(&narrow, &scene).await.map_err(said)?;
    first.send(&narrow.members(0..target.rows)).await.map_err(said)?;
    first.finish().await.map_err(said)?;
    let before = first.members().await.map_err(said)?;
    let mut second = s.delivery(target, &s.id(&scene), "2").map_err(said)?;
    second.patient = true;
    let asked = s.stand.requests().len();
    second.prepare().await.map_err(said)?;
    let removed = s.stand.requests().into_iter().skip(asked).find(|request| request.method == "DELETE");
    if let Some(removed) = removed {
        return Err(format!("to prepare it with more columns it sends {}", removed.line()));
    }
    let after = second.members().await.map_err(said)?;
    if before != after {
        return Err("its members are others once it was prepared with more columns".into());
    }
    Ok(())
}

pub(super) async fn outcomes(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for target in or_end!(targets(s)) {
        // What a job refuses is check 48.
        let Some(poisoned) = target.poisoned(1).filter(|_| !target.is_job) else { continue };
        found.looked();
        let name = target.name();
        let rows = vec![target.member(0), poisoned, target.member(2)];
        match settled(s, target, &format!("poison {name}"), &rows).await {
            Ok(outcomes) => {
                for (row, outcome) in [(0, outcomes.first()), (2, outcomes.get(2))] {
                    let Some(outcome) = outcome.filter(|o| o.status == OutcomeStatus::Rejected) else { continue };
                    found.problem(format!(
                        "{name}: row {row} is sound, and rejected: {} {}",
                        outcome.code, outcome.message
                    ));
                }
                match outcomes.get(1) {
                    Some(refused) if refused.status == OutcomeStatus::Rejected => {
                        found.hold(!refused.code.is_empty(), || format!("{name}: the rejected row has no code"));
                        found.hold(!refused.message.is_empty(), || format!("{name}: the rejected row has no words"));
                    }
                    other => found
                        .problem(format!("{name}: the row that the vendor refuses is {:?}", other.map(|o| o.status))),
                }
            }
            Err(fault) => found.problem(format!("{name} with a row that the vendor refuses: {fault}")),
        }
    }
    found.verdict("the suite names no row that the vendor refuses")
}

pub(super) async fn repeat(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for target in or_end!(targets(s)) {
        found.looked();
        if let Err(problem) = repeated(s, target).await {
            found.problem(format!("{}: {problem}", target.name()));
        }
    }
    found.verdict("")
}

/// Sends a batch twice with the state from before it, as a host does that was killed in between.
async fn repeated(s: &Subject, target: &TargetSuite) -> Result<(), String> {
    let said = |fault: Fault| fault.to_string();
    let rows = target.members(0..target.rows);
    let mut delivery = s.prepared(target, &format!("repeat {}", target.name())).await.map_err(said)?;
    let before = delivery.state.clone();
    let first = delivery.send_whole(&rows).await.map_err(said)?;
    (delivery.state, delivery.number) = (before, 0);
    let second = delivery.send_whole(&rows).await.map_err(said)?;
    let rejected = |outcomes: &[Outcome]| outcomes.iter().filter(|o| o.status == OutcomeStatus::Rejected).count();
    if rejected(&second) > rejected(&first) {
        return Err(format!("{} rows are rejected the second time", rejected(&second)));
    }
    if let Some(made) = second.iter().find(|o| o.status == OutcomeStatus::Created)
        && first.iter().all(|o| o.status == OutcomeStatus::Created)
        && s.spec().delivery.as_ref().is_some_and(|d| d.mode == attiva_core::spec::DeliveryMode::Records)
    {
        return Err(format!("members were created twice, it says {:?}", made.status));
    }
    let end = delivery.finish().await.map_err(said)?;
    if let Some(told) = end.artifacts.iter().filter_map(|artifact| artifact.rows).max()
        && told > rows.len() as u64
    {
        return Err(format!("its artifact has {told} rows, and {} were delivered", rows.len()));
    }
    if let Some(members) = delivery.members().await.map_err(said)?
        && members.len() != rows.len()
    {
        return Err(format!("it has {} members, and {} were delivered twice", members.len(), rows.len()));
    }
    Ok(())
}

pub(super) async fn batch_size(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let declared = s.spec().delivery.as_ref().map_or(1, |delivery| delivery.batch_rows);
    for target in or_end!(targets(s)) {
        for rows in [1, declared.saturating_sub(1).max(1), declared] {
            found.looked();
            let scene = format!("batch-of-{rows} {}", target.name());
            match settled_whole(s, target, &scene, &target.members(0..rows)).await {
                Ok(outcomes) => {
                    let refused = outcomes.iter().filter(|o| o.status == OutcomeStatus::Rejected).count();
                    found.hold(refused == 0, || format!("{}: {refused} of {rows} rows are rejected", target.name()));
                }
                Err(fault) => found.problem(format!("{} with a batch of {rows} rows: {fault}", target.name())),
            }
        }
    }
    found.note(format!("batches of up to {declared} rows"));
    found.verdict("")
}

pub(super) async fn retryable(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let answers = |status: u16| Made::Answered(Answer::json(status, &serde_json::json!({"message": "refused"})));
    for target in or_end!(targets(s)) {
        for (what, fault, passes) in [
            ("503", answers(503), true),
            ("a closed connection", Made::Refused, true),
            ("400", answers(400), false),
            ("422", answers(422), false),
        ] {
            found.looked();
            let scene = format!("retryable {what} {}", target.name());
            match sent_into(s, target, &scene, fault).await {
                Ok(Ok(outcomes)) => {
                    let refused = outcomes.iter().filter(|o| o.status == OutcomeStatus::Rejected).count();
                    let mixed = passes && refused > 0 && !retried_later(s, &outcomes);
                    found.hold(!mixed, || format!("{}: after {what} {refused} rows are final", target.name()));
                    let swallowed = !passes && outcomes.iter().all(|o| is_done(o.status));
                    found.hold(!swallowed, || format!("{}: after {what} all rows are said to be done", target.name()));
                }
                Ok(Err(fault)) => {
                    found.hold(fault.kind.is_retried() == passes && !is_ours(&fault), || {
                        format!("{}: after {what} it says {fault}", target.name())
                    });
                }
                Err(fault) => found.problem(format!("{}: before {what}: {fault}", target.name())),
            }
        }
    }
    found.verdict("")
}

fn is_done(status: OutcomeStatus) -> bool {
    use OutcomeStatus::{Created, Removed, Unchanged, Updated};
    matches!(status, Created | Updated | Removed | Unchanged)
}

/// Whether every row that was refused will be sent again by itself.
fn retried_later(s: &Subject, outcomes: &[Outcome]) -> bool {
    let codes = s.spec().delivery.as_ref().map(|delivery| delivery.transient_codes.clone()).unwrap_or_default();
    outcomes.iter().filter(|o| o.status == OutcomeStatus::Rejected).all(|o| codes.contains(&o.code))
}

/// Sends a batch, and ends the delivery, to a vendor whose every answer is this.
async fn sent_into(
    s: &Subject,
    target: &TargetSuite,
    scene: &str,
    fault: Made,
) -> Result<Result<Vec<Outcome>, Fault>, Fault> {
    let mut delivery: Delivery<'_> = s.prepared(target, scene).await?;
    delivery.patient = false;
    s.stand.inject(Injection::always(fault));
    let rows = target.members(0..target.rows);
    let outcomes = match delivery.send_whole(&rows).await {
        Ok(outcomes) => outcomes,
        Err(fault) => return Ok(Err(fault)),
    };
    // Nothing was asked yet, or no answer hangs on it.
    if outcomes.iter().any(|outcome| outcome.status == OutcomeStatus::Pending) {
        return Ok(delivery.finish().await.map(|end| settle(&rows, outcomes, &end)));
    }
    Ok(Ok(outcomes))
}

pub(super) async fn dry_run(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for target in or_end!(targets(s)) {
        let name = target.name();
        let scene = format!("dry-run {name}");
        s.enter(&scene);
        let Ok(mut dry) = s.delivery(target, &s.id(&scene), "1") else { continue };
        dry.connection.context.dry_run = true;
        let denied = s.evidence.reports().iter().map(|(_, report)| report.denials.len()).sum::<usize>();
        found.looked();
        if let Err(fault) = dry.prepare().await {
            found.problem(format!("{name}: a dry run says {fault}"));
            continue;
        }
        let tried = s.evidence.reports().iter().map(|(_, report)| report.denials.len()).sum::<usize>() - denied;
        found.hold(tried == 0, || format!("{name}: in a dry run it tries {tried} times to write"));
        found.hold(s.written().is_empty(), || format!("{name}: a dry run writes: {}", s.written().join(", ")));
        let Ok(mut real) = s.delivery(target, &s.id(&scene), "1") else { continue };
        real.patient = true;
        if real.prepare().await.is_ok() {
            found.hold(dry.notes.is_empty() == real.notes.is_empty(), || {
                format!("{name}: the dry run tells {:?}, and the run {:?}", dry.notes, real.notes)
            });
        }
        if matches!(s.spec().delivery.as_ref().map(|d| d.mode), Some(attiva_core::spec::DeliveryMode::Records)) {
            found.hold(!dry.notes.is_empty(), || format!("{name}: a dry run does not say what it would do"));
        }
    }
    found.verdict("")
}
