//! One batch: rows become elements, each element once, and what became of an element is the outcome of every row that
//! wanted it.

use crate::api::Api;
use crate::config::PEOPLE_PER_CALL;
use crate::element::{Columns, Entry, Identity, Kind};
use crate::request;
use crate::response::{self, ElementResult};
use crate::segment;
use crate::state::State;
use attiva_connector::{Batch, BatchView, FaultKind, Operation, Outcome, Result, RowView};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a row wants, by index into the elements.
enum Want {
    /// It cannot be sent, or need not be.
    Settled(Outcome),
    /// The member in; and out by what it was known by before.
    In {
        element: usize,
        before: Option<usize>,
        member_id: Option<String>,
        left_out: Option<Outcome>,
    },
    Out {
        element: usize,
        member_id: Option<String>,
    },
}

#[derive(Default)]
struct Plan {
    wants: Vec<Want>,
    elements: Vec<Value>,
}

pub(crate) fn deliver(api: &Api<'_>, kind: Kind, state: &mut State, batch: &Batch) -> Result<Vec<Outcome>> {
    let plan = plan(kind, BatchView::new(batch)?);
    let results = send_all(api, kind, state, &plan.elements)?;
    let outcomes: Vec<Outcome> = plan.wants.into_iter().map(|want| outcome(want, &results)).collect();
    let count = |status| outcomes.iter().filter(|outcome| outcome.status == status).count() as u64;
    state.added += count(attiva_connector::OutcomeStatus::Updated);
    state.removed += count(attiva_connector::OutcomeStatus::Removed);
    Ok(outcomes)
}

/// Additions are known before the first removal: an identifier that one member gives up and another has is not taken
/// out.
fn plan(kind: Kind, batch: BatchView<'_>) -> Plan {
    let columns = Columns::of(kind, batch);
    let mut plan = Plan::default();
    let mut additions: BTreeMap<Identity, usize> = BTreeMap::new();
    let mut entries: Vec<Option<std::result::Result<Entry, Outcome>>> = Vec::with_capacity(batch.rows().len());
    for row in batch.rows() {
        let entry = (row.operation() == Operation::Upsert).then(|| columns.read(row));
        if let Some(Ok(entry)) = &entry {
            // Of two rows that are one person to LinkedIn, the later one's values stand.
            match additions.get(&entry.identity) {
                Some(at) => plan.elements[*at] = entry.addition.clone(),
                None => {
                    additions.insert(entry.identity.clone(), plan.elements.len());
                    plan.elements.push(entry.addition.clone());
                }
            }
        }
        entries.push(entry);
    }
    let mut removals: BTreeMap<Identity, usize> = BTreeMap::new();
    let mut remove = |identity: Identity, elements: &mut Vec<Value>| {
        let is_wanted = additions.contains_key(&identity);
        (!is_wanted).then(|| {
            *removals.entry(identity).or_insert_with_key(|identity| {
                elements.push(identity.removal());
                elements.len() - 1
            })
        })
    };
    for (row, entry) in batch.rows().zip(entries) {
        let known = row.member_id().and_then(Identity::from_member_id);
        let want = match entry {
            Some(Err(refused)) => Want::Settled(refused),
            Some(Ok(entry)) => {
                let before = known.filter(|known| *known != entry.identity);
                let before = before.and_then(|before| remove(before, &mut plan.elements));
                let element = additions.get(&entry.identity).copied().unwrap_or_default();
                Want::In { element, before, member_id: entry.identity.member_id(), left_out: entry.left_out }
            }
            None => match known.map_or_else(|| last_known(&columns, row), Ok) {
                Err(refused) => Want::Settled(refused),
                Ok(identity) => {
                    let member_id = identity.member_id();
                    match remove(identity, &mut plan.elements) {
                        Some(element) => Want::Out { element, member_id },
                        None => Want::Settled(shared()),
                    }
                }
            },
        };
        plan.wants.push(want);
    }
    plan
}

/// A removal's columns hold what LinkedIn was last told, answered or not.
fn last_known(columns: &Columns, row: RowView<'_>) -> std::result::Result<Identity, Outcome> {
    columns.read(row).map(|entry| entry.identity)
}

fn shared() -> Outcome {
    let mut outcome = Outcome::unchanged();
    outcome.code = "identifier-shared".into();
    outcome.message = "another member of the audience has the same identifier, which therefore stays".into();
    outcome
}

/// Sends all elements, in as many calls as LinkedIn wants, those that may pass twice. Every result by position.
fn send_all(api: &Api<'_>, kind: Kind, state: &State, elements: &[Value]) -> Result<Vec<ElementResult>> {
    let per_call = match kind {
        Kind::People => PEOPLE_PER_CALL,
        Kind::Companies => api.config.companies_per_call,
    };
    let all: Vec<&Value> = elements.iter().collect();
    let mut results = Vec::with_capacity(all.len());
    for chunk in all.chunks(per_call) {
        results.extend(send(api, kind, state, chunk)?);
    }
    let again: Vec<usize> = results.iter().enumerate().filter(|(_, r)| r.passes()).map(|(i, _)| i).collect();
    for chunk in again.chunks(per_call) {
        let elements: Vec<&Value> = chunk.iter().filter_map(|i| all.get(*i).copied()).collect();
        for (i, result) in chunk.iter().zip(send(api, kind, state, &elements)?) {
            if let Some(place) = results.get_mut(*i) {
                *place = result;
            }
        }
    }
    Ok(results)
}

fn send(api: &Api<'_>, kind: Kind, state: &State, elements: &[&Value]) -> Result<Vec<ElementResult>> {
    let request = request::members(api.config, kind, state.segment, elements);
    let response = match api.send(&request, &[404], "take the members") {
        // What LinkedIn says to members of a segment that is dead is not documented: the segment itself tells.
        Err(fault) if fault.kind == FaultKind::Internal => return Err(if_dead(api, state).unwrap_or(fault)),
        other => other?,
    };
    if response.status == 404 {
        return Err(segment::missing(api, state));
    }
    api.not_throttled()?;
    response::results(&response, elements.len())
}

fn if_dead(api: &Api<'_>, state: &State) -> Option<attiva_connector::Fault> {
    let response = api.send(&request::segment(api.config, state.segment), &[], "look at the segment").ok()?;
    let segment = response::segment(&response).ok()?;
    segment.is_dead().then(|| segment::dead(&segment))
}

fn outcome(want: Want, results: &[ElementResult]) -> Outcome {
    // Every index is one that the plan gave out, and every element has a result.
    let failed = |element: usize| results.get(element).filter(|result| !result.is_taken());
    let rejected = |result: &ElementResult| Outcome::rejected(format!("linkedin.{}", result.status), &result.message);
    match want {
        Want::Settled(outcome) => outcome,
        Want::Out { element, member_id } => {
            failed(element).map_or_else(|| Outcome { member_id, ..Outcome::removed() }, rejected)
        }
        Want::In { element, before, member_id, left_out } => match failed(element) {
            Some(result) => rejected(result),
            None => {
                // The words of what was left out, of a member who is in.
                let Outcome { code, message, field, .. } = left_out.unwrap_or_else(Outcome::updated);
                let mut outcome = Outcome { code, message, field, member_id, ..Outcome::updated() };
                if let Some(result) = before.and_then(failed) {
                    outcome.code = "old-identifier-stays".into();
                    outcome.message =
                        format!("what identified the member before was not taken out: {}", result.message);
                }
                outcome
            }
        },
    }
}

/// Takes one person out by each of these identities. How many LinkedIn refused.
pub(crate) fn take_out(api: &Api<'_>, state: &State, identities: &[Identity]) -> Result<usize> {
    let elements: Vec<Value> = identities.iter().map(Identity::removal).collect();
    let results = send_all(api, Kind::People, state, &elements)?;
    Ok(results.iter().filter(|result| !result.is_taken()).count())
}
