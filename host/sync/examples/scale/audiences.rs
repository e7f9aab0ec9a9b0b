//! What batch evaluations cost: loading, deciding, committing; again when nothing has changed; a preview; and how long an
//! event takes to be in an audience that follows every change.

use crate::vendor::{Size, mixed};
use attiva_core::Value;
use attiva_core::config::Segment;
use attiva_core::evaluation::Evaluation;
use attiva_core::id::{EvaluationId, SegmentId};
use attiva_core::model::EntityName;
use attiva_core::page::RowKind;
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, SandboxStore};
use attiva_core::record::RecordChange;
use attiva_sync::{Engine, SegmentWish};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Half of them go to other records.
const RULES: [&str; 10] = [
    "person.department == \"HR\" && person.person_score >= 50",
    "person.job_title in [\"CMO\", \"CIO\"]",
    "events.exists(e, e.page == \"/pricing\" && e.time.within(last(days(30))))",
    "events.filter(e, e.page == \"/docs\").size() >= 3",
    "person.city.startsWith(\"City 1\") && !(person.department == \"IT\")",
    "person.accounts.exists(a, a.industry == \"Finance\")",
    "person.accounts.exists(a, a.opportunities.exists(o, o.amount > 1000000))",
    "person.opportunity_relations.exists(r, r.person_role == \"Decision Maker\" && r.opportunity.stage == \"Negotiation\")",
    "person.accounts.ancestors.exists(a, a.billing_country == \"Japan\")",
    "person.accounts.exists(a, a.people.atLeast(2, p, p.job_title == \"CIO\"))",
];

/// `copies`: of each rule, so that there are more segments.
pub(crate) async fn measure(store: &Arc<dyn SandboxStore>, engine: &Engine, copies: usize, size: Size) {
    for (number, rule) in (0..copies).flat_map(|copy| RULES.iter().map(move |rule| (copy, *rule))).enumerate() {
        let (copy, rule) = rule;
        let id = SegmentId::parse(&format!("seg_{number}")).expect("an id");
        let expression = if copy == 0 { rule.to_owned() } else { format!("{rule} && person.person_score != {copy}") };
        let evaluation = Some(attiva_core::config::EvaluationMethod::Batch);
        let segment = Segment { evaluation, ..Segment::new(id.clone(), &format!("s{number}"), &expression, 0) };
        let body = serde_json::to_value(&segment).expect("a document");
        let write = DocumentWrite { kind: Kind::Segment, id: id.to_string(), body };
        store.put_document(write, Expect::Absent).await.expect("written");
    }
    engine.segments_changed();
    let began = Instant::now();
    crate::settled(engine).await;
    println!("{} segments, first results after {:.1} s", copies * RULES.len(), began.elapsed().as_secs_f64());
    for what in ["anew", "again", "after one in a hundred came"] {
        match what {
            // What is remembered is forgotten, so that all is read.
            "anew" => engine.records_changed(),
            "again" => {}
            _ => come(engine, size).await,
        }
        let id = EvaluationId::new(0, crate::fresh());
        engine.start_evaluation(Vec::new(), id.clone()).await.expect("queued");
        let evaluation = ended(store, &id).await;
        let (timings, read) = (evaluation.timings, evaluation.read);
        let members: u64 = evaluation.segments.iter().filter_map(|it| it.members).sum();
        println!(
            "evaluation, {what}: loading {} ms, deciding {} ms, committing {} ms; {:?} of {} rows read anew, {:.0} MB of columns, {members} members",
            timings.loading_ms,
            timings.evaluating_ms,
            timings.committing_ms,
            read.refreshed,
            read.rows,
            read.bytes as f64 / 1e6
        );
    }
    let wish = SegmentWish { expression: RULES[6], entity: Default::default(), rank: None, evaluation: None };
    let definition = engine.check_segment(None, &wish).expect("asked").expect("sound");
    let began = Instant::now();
    let preview = engine.preview(definition, 10).await.expect("a preview");
    println!("preview: {} of {} in {:.0} ms", preview.members.count, preview.of, began.elapsed().as_secs_f64() * 1e3);
}

/// One person for each hundred, and one event.
async fn come(engine: &Engine, size: Size) {
    let text = |text: String| Value::Text(text);
    let send = async |entity: &str, rows: Vec<(String, Vec<(&str, Value)>)>| {
        let change = |(source_key, fields): (String, Vec<(&str, Value)>)| RecordChange {
            source_key,
            kind: RowKind::Full,
            at: 1,
            dated: true,
            fields: fields.into_iter().map(|(name, value)| (Arc::from(name), value)).collect(),
            merged_into: None,
        };
        let entity = EntityName::parse(entity).expect("an entity");
        for rows in rows.chunks(1_000) {
            let changes = rows.iter().cloned().map(change).collect();
            engine.ingest(&entity, changes).await.expect("stored").expect("taken");
        }
    };
    let person = |n: u64| {
        let account = text(format!("{}@s.Scale", size.account_of(n)));
        let mail = text(format!("new{n}@new.com"));
        (format!("new{n}@s.Scale"), vec![("email", mail), ("job_title", text("CIO".into())), ("account_key", account)])
    };
    send("person", (0..size.persons / 100).map(person).collect()).await;
    let event = |n: u64| {
        let whose = text(format!("{}@s.Scale", mixed(n) % size.persons));
        let (kind, page) = (text("view".into()), text("/pricing".into()));
        let time = Value::Timestamp(1_790_000_000_000);
        (format!("new{n}@s.Scale"), vec![("type", kind), ("page", page), ("time", time), ("person_key", whose)])
    };
    send("activity", (0..size.of("activity") / 100).map(event).collect()).await;
    crate::settled(engine).await;
}

async fn ended(store: &Arc<dyn SandboxStore>, id: &EvaluationId) -> Evaluation {
    loop {
        let document = store.document(Kind::Evaluation, id.as_str()).expect("read").expect("there");
        let evaluation: Evaluation = serde_json::from_value(document.body).expect("an evaluation");
        if evaluation.status.has_ended() {
            assert!(evaluation.fault.is_none(), "{:?}", evaluation.fault);
            return evaluation;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
