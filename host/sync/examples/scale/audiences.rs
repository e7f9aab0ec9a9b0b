//! What batch evaluations cost: loading, deciding, committing; again when nothing has changed; a preview; and how long an
//! event takes to be in an audience that follows every change.

use attiva_core::config::Segment;
use attiva_core::evaluation::Evaluation;
use attiva_core::id::{EvaluationId, SegmentId};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, SandboxStore};
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
pub(crate) async fn measure(store: &Arc<dyn SandboxStore>, engine: &Engine, copies: usize) {
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
    for what in ["anew", "again"] {
        let id = EvaluationId::new(0, crate::fresh());
        engine.start_evaluation(Vec::new(), id.clone()).await.expect("queued");
        let evaluation = ended(store, &id).await;
        let (timings, read) = (evaluation.timings, evaluation.read);
        let members: u64 = evaluation.segments.iter().filter_map(|it| it.members).sum();
        println!(
            "evaluation, {what}: loading {} ms, deciding {} ms, committing {} ms; {} rows, {:.0} MB of columns, {members} members",
            timings.loading_ms,
            timings.evaluating_ms,
            timings.committing_ms,
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
