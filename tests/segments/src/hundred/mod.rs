//! A hundred segments over generated data, by the column evaluator and by DuckDB, which gets the same data and the same
//! hundred as queries one by one and as one shared query.

pub mod data;
pub mod npy;
pub mod refresh;
pub mod rules;

use attiva_core::model::EntityKind;
use attiva_expr::check;
use attiva_segments::column::{Bits, Dataset, Evaluation, SegmentSet};
use attiva_segments::{NoRates, Plan, plan, segment_scope};
use data::{Data, NOW, Size};
use serde::Deserialize;
use serde_json::json;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Parameters {
    pub size: Size,
    pub segments: usize,
    pub rounds: u32,
    pub threads: usize,
    pub seed: u64,
}

/// Milliseconds of each round, and what both engines answered.
#[derive(Debug, Default)]
pub struct Measured {
    pub load_ms: f64,
    pub column_bytes: usize,
    pub adjacency_bytes: usize,
    /// The first evaluation, which makes paths and what else is kept.
    pub first_ms: f64,
    pub hundred_ms: Vec<f64>,
    /// The part that goes nowhere but to events, and the part that does.
    pub person_and_events_ms: Vec<f64>,
    pub multi_entity_ms: Vec<f64>,
    /// Each segment on its own.
    pub alone_ms: Vec<f64>,
    /// Bringing the dataset up to one in a hundred of all records, relations and events.
    pub refresh_ms: Vec<f64>,
    pub members: Vec<(u64, u64)>,
}

/// What DuckDB found, as `hundred.py` says it.
#[derive(Debug, Deserialize)]
pub struct Peer {
    pub version: String,
    /// As a user has it: events as they came, texts.
    pub one_by_one_ms: Vec<f64>,
    /// Events by person, texts as small numbers.
    pub one_by_one_clustered_ms: Vec<f64>,
    pub shared_ms: Vec<f64>,
    pub shared_clustered_ms: Vec<f64>,
    /// Each segment on its own, on the faster layout.
    pub alone_ms: Vec<f64>,
    /// Count and sum of ids, one by one and shared.
    pub members: Vec<(u64, u64)>,
    pub members_shared: Vec<(u64, u64)>,
}

/// # Errors
/// A segment that is refused.
pub fn plans(segments: usize) -> Outcome<Vec<Plan>> {
    let scope = segment_scope(&data::model(), EntityKind::Person).ok_or("persons have segments")?;
    let counters = rules::counters();
    let one = |rule: &rules::Rule| -> Outcome<Plan> {
        let text = rule.cel(&counters);
        let checked = check(&text, &scope).map_err(|problem| format!("{text}: {problem:?}"))?;
        plan(&checked).map_err(|problem| format!("{text}: {problem:?}").into())
    };
    rules::rules(segments).iter().map(one).collect()
}

/// # Errors
/// A segment that is refused.
pub fn measure(data: &Data, parameters: &Parameters) -> Outcome<Measured> {
    let plans = plans(parameters.segments)?;
    let rules = rules::rules(parameters.segments);
    let began = Instant::now();
    let mut dataset = data.dataset();
    let mut measured = Measured { load_ms: ms(began), ..Measured::default() };
    let pick = |wanted: bool| -> Vec<Plan> {
        let is_multi = |rule: &rules::Rule| rule.account.is_some() || rule.opportunity.is_some();
        plans.iter().zip(&rules).filter(|(_, rule)| is_multi(rule) == wanted).map(|(plan, _)| plan.clone()).collect()
    };
    let (near, far) = (pick(false), pick(true));
    let run = |dataset: &Dataset, plans: &[Plan]| -> (f64, Vec<Bits>) {
        let began = Instant::now();
        let set = SegmentSet::new(&plans.iter().collect::<Vec<_>>());
        let members = evaluate(&set, dataset, parameters.threads);
        (ms(began), members)
    };
    let (first, members) = run(&dataset, &plans);
    measured.first_ms = first;
    measured.members =
        members.iter().map(|bits| (bits.count() as u64, bits.rows().map(|row| row as u64).sum())).collect();
    (measured.column_bytes, measured.adjacency_bytes) = dataset.bytes();
    for _ in 0..parameters.rounds {
        measured.hundred_ms.push(run(&dataset, &plans).0);
        measured.person_and_events_ms.push(run(&dataset, &near).0);
        measured.multi_entity_ms.push(run(&dataset, &far).0);
    }
    measured.alone_ms = plans.iter().map(|plan| run(&dataset, std::slice::from_ref(plan)).0).collect();
    let (numbers, changed) = (refresh::numbers(data), data.changed());
    for _ in 0..parameters.rounds {
        let began = Instant::now();
        dataset = refresh::refresh(dataset, &numbers, &changed);
        measured.refresh_ms.push(ms(began));
    }
    Ok(measured)
}

fn evaluate(set: &SegmentSet, data: &Dataset, threads: usize) -> Vec<Bits> {
    set.evaluate(&Evaluation { data, rates: &NoRates, now: NOW }, threads)
}

fn ms(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

/// Gives DuckDB the data in a folder, and has it answer.
///
/// # Errors
/// The folder's, or the script's: `pip install duckdb numpy`.
pub fn peer(data: &Data, parameters: &Parameters, folder: &Path, python: &Path) -> Outcome<Peer> {
    npy::write(data, folder)?;
    let rules = json!({
        "rules": rules::rules(parameters.segments),
        "counters": rules::counters(),
        "threads": parameters.threads,
        "rounds": parameters.rounds,
    });
    std::fs::write(folder.join("rules.json"), rules.to_string())?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hundred.py");
    let output = Command::new(python).arg(script).arg(folder).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
