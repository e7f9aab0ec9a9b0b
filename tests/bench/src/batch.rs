//! Batch evaluations and previews over a real store: loading columns, bringing them up to date after one in a hundred of
//! all records has changed, and a preview. What the columns themselves take is `segments` and `cost-lines`.

use crate::figures::{Figures, median};
use crate::sandbox::{Filled, Wall, fresh};
use crate::segments::Options;
use anyhow::{Context, Result, anyhow, ensure};
use attiva_core::config::EvaluationMethod;
use attiva_core::evaluation::Evaluation;
use attiva_core::id::EvaluationId;
use attiva_core::ports::clock::Clock;
use attiva_core::ports::store::Kind;
use attiva_sync::SegmentWish;
use std::time::{Duration, Instant};

/// Half of them go to other records.
const RULES: [&str; 6] = [
    "person.department == \"HR\" && person.person_score >= 50",
    "events.exists(e, e.page == \"/pricing\" && e.time.within(last(days(30))))",
    "events.filter(e, e.page == \"/docs\").size() >= 3",
    "person.accounts.exists(a, a.industry == \"Finance\" && a.number_of_employees > 200)",
    "person.accounts.exists(a, a.opportunities.exists(o, o.stage == \"Negotiation\"))",
    "person.opportunity_relations.exists(r, r.person_role == \"Decision Maker\")",
];

/// `rounds`: how often one in a hundred changes, and how often each preview is asked for.
pub fn measure_refresh(figures: &mut Figures, options: &Options, rounds: u32) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(refresh(figures, options, rounds))
}

async fn refresh(figures: &mut Figures, options: &Options, rounds: u32) -> Result<()> {
    let filled = Filled::new(options).await?;
    let rules = rules(options.segments);
    filled.segments(&rules, Some(EvaluationMethod::Batch)).await?;
    // What is remembered is forgotten, so that all is read.
    filled.engine.records_changed();
    let cold = evaluated(&filled).await?;
    figures.one("load_ms", cold.timings.loading_ms as f64);
    figures.one("load_evaluating_ms", cold.timings.evaluating_ms as f64);
    figures.one("columns_mb", cold.read.bytes as f64 / 1e6);
    let (mut loading, mut evaluating, mut committing, mut all) = (vec![], vec![], vec![], vec![]);
    let mut events = options.events as u64;
    for _ in 0..rounds {
        filled.change_one_percent(events).await?;
        events += events / 100;
        let began = Instant::now();
        let evaluation = evaluated(&filled).await?;
        all.push(began.elapsed().as_secs_f64() * 1e3);
        let timings = evaluation.timings;
        loading.push(timings.loading_ms as f64);
        evaluating.push(timings.evaluating_ms as f64);
        committing.push(timings.committing_ms as f64);
    }
    figures.many("refresh_1pct_from_store_ms", loading);
    figures.many("refresh_1pct_evaluating_ms", evaluating);
    figures.many("refresh_1pct_committing_ms", committing);
    figures.many("refresh_1pct_whole_ms", all);
    filled.stop().await;
    Ok(())
}

async fn evaluated(filled: &Filled) -> Result<Evaluation> {
    let id = EvaluationId::new(Wall.now(), fresh());
    filled.engine.start_evaluation(Vec::new(), id.clone()).await?;
    loop {
        let document = filled.store.document(Kind::Evaluation, id.as_str())?.context("the evaluation")?;
        let evaluation: Evaluation = serde_json::from_value(document.body)?;
        if evaluation.status.has_ended() {
            ensure!(evaluation.fault.is_none(), "{:?}", evaluation.fault);
            return Ok(evaluation);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// So many, of which none is another.
fn rules(count: usize) -> Vec<String> {
    let rule = |n: usize| {
        let rule = RULES.get(n % RULES.len()).copied().unwrap_or_default();
        if n < RULES.len() {
            rule.to_owned()
        } else {
            format!("({rule}) && person.person_score != {}", n / RULES.len())
        }
    };
    (0..count).map(rule).collect()
}

/// With ten sample rows, of each rule: the first, for which columns are loaded, and those after it.
pub fn measure_preview(figures: &mut Figures, options: &Options, rounds: u32) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(preview(figures, options, rounds))
}

async fn preview(figures: &mut Figures, options: &Options, rounds: u32) -> Result<()> {
    let filled = Filled::new(options).await?;
    let (mut first, mut near, mut far) = (vec![], vec![], vec![]);
    for (n, rule) in RULES.iter().enumerate() {
        for round in 0..=rounds {
            let wish = SegmentWish { expression: rule, entity: Default::default(), rank: None, evaluation: None };
            let began = Instant::now();
            let definition = filled.engine.check_segment(None, &wish)?.map_err(|unsound| anyhow!("{unsound:?}"))?;
            let preview = filled.engine.preview(definition, 10).await?;
            let took = began.elapsed().as_secs_f64() * 1e3;
            ensure!(preview.of == filled.persons, "a preview of {} persons", preview.of);
            match (round, n < RULES.len() / 2) {
                (0, _) => first.push(took),
                (_, true) => near.push(took),
                (_, false) => far.push(took),
            }
        }
    }
    let worst = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    figures.one("preview_first_ms", median(&first));
    figures.one("preview_first_most_ms", worst(&first));
    figures.many("preview_ms", near);
    figures.many("preview_multi_entity_ms", far);
    filled.stop().await;
    Ok(())
}
