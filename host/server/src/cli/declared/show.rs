//! What is said about plans, drift and what was applied. No secret is in any of it: references are taken out of documents
//! before they are compared.

use super::apply::Outcome;
use super::document::Document;
use super::effect::Effect;
use super::running::Running;
use crate::cli::Output;
use attiva_core::declared::{Change, Comparison, Difference, Kind, Step};
use serde_json::{Value, json};

pub(super) fn plan(comparison: &Comparison, effects: &[Effect], documents: &[Document], output: Output) {
    if output.is_json() {
        let changes: Vec<Value> = comparison.changes.iter().map(|it| change_json(it, documents)).collect();
        return output.json(&json!({ "changes": changes, "effects": effects, "extra": extra_json(comparison) }));
    }
    if comparison.changes.is_empty() {
        output.line("Nothing to change.");
    }
    for change in &comparison.changes {
        output.line(&format!("{} {} {}", sign(&change.step), change.kind.name(), change.name));
        for difference in differences(&change.step) {
            output.line(&format!("    {}", difference_line(difference)));
        }
    }
    if !effects.is_empty() {
        output.line("");
        let items: Vec<Value> =
            effects.iter().map(|it| serde_json::to_value(it).map(said).unwrap_or_default()).collect();
        let columns = [
            ("destination", "/destination"),
            ("target", "/target"),
            ("activation", "/activation"),
            ("enter", "/enter"),
            ("leave", "/leave"),
            ("stay", "/stay"),
            ("note", "/note"),
        ];
        output.list(&json!({ "items": items }), &columns);
    }
    extra(comparison, output);
    if !comparison.changes.is_empty() {
        output.note(&counted(comparison));
    }
}

/// What is not known is a question mark.
fn said(mut effect: Value) -> Value {
    for key in ["enter", "leave", "stay"] {
        if effect.get(key).is_none() {
            effect[key] = json!("?");
        }
    }
    effect
}

pub(super) fn drift(comparison: &Comparison, documents: &[Document], output: Output) {
    if output.is_json() {
        let changes: Vec<Value> = comparison.changes.iter().map(|it| change_json(it, documents)).collect();
        return output.json(&json!({ "differences": changes, "extra": extra_json(comparison) }));
    }
    for change in &comparison.changes {
        let Change { kind, name, step } = change;
        let at = place(*kind, name, documents).unwrap_or_default();
        if *step == Step::Create {
            output.line(&format!("{at}: {} {name} is not there", kind.name()));
        }
        for difference in differences(step) {
            let document = document(*kind, name, documents);
            let at = document.map(|it| it.place(&difference.at)).unwrap_or_default();
            output.line(&format!("{at}: {} {name} differs: {}", kind.name(), difference_line(difference)));
        }
    }
    for (kind, name) in &comparison.extra {
        output.line(&format!("{} {name} is in no file", kind.name()));
    }
    if comparison.changes.is_empty() && comparison.extra.is_empty() {
        output.line("What runs is what the files say.");
    }
}

/// A line for each change that was tried, when it was.
pub(super) fn progress(change: &Change, outcome: &Outcome, output: Output) {
    if output.is_json() {
        return;
    }
    let what = format!("{} {}", change.kind.name(), change.name);
    match outcome {
        Outcome::Done => output.line(&format!("{} {what}", done(&change.step))),
        Outcome::Waits(why) => output.line(&format!("waits: {what}: {why}")),
        Outcome::Failed(_) => output.line(&format!("failed: {what}")),
        Outcome::NotTried => output.line(&format!("not done: {what}")),
    }
}

pub(super) fn applied(comparison: &Comparison, outcomes: &[Outcome], secrets: &[String], output: Output) {
    let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|it| wanted(it)).count();
    let done = count(|it| matches!(it, Outcome::Done));
    if output.is_json() {
        let changes = comparison.changes.iter().zip(outcomes).map(|(change, outcome)| {
            let mut shown = change_json(change, &[]);
            let (status, why) = match outcome {
                Outcome::Done => ("done", None),
                Outcome::Waits(why) => ("waits", Some(why.clone())),
                Outcome::Failed(failure) => ("failed", Some(failure.to_string())),
                Outcome::NotTried => ("not-done", None),
            };
            shown["outcome"] = json!(status);
            if let Some(why) = why {
                shown["because"] = json!(why);
            }
            shown
        });
        let changes: Vec<Value> = changes.collect();
        return output.json(&json!({ "changes": changes, "secrets": secrets, "extra": extra_json(comparison) }));
    }
    for secret in secrets {
        output.line(&format!("entered the secret {secret}"));
    }
    extra(comparison, output);
    if comparison.changes.is_empty() {
        output.line("Nothing to change.");
    } else if done < outcomes.len() {
        output.note(&format!("{done} of {} changes were made. Apply again for the rest.", outcomes.len()));
    }
}

pub(super) fn unreadable(running: &Running, output: Output) {
    for (kind, why) in &running.unreadable {
        output.note(&format!("Not looked at: {}: {why}", kind.name()));
    }
}

fn extra(comparison: &Comparison, output: Output) {
    for (kind, name) in &comparison.extra {
        let how = if kind.is_removable() { "stays; --delete removes it" } else { "stays" };
        output.note(&format!("In no file: {} {name}: {how}", kind.name()));
    }
}

fn counted(comparison: &Comparison) -> String {
    let count = |is: fn(&Step) -> bool| comparison.changes.iter().filter(|it| is(&it.step)).count();
    format!(
        "{} to create, {} to change, {} to replace, {} to remove.",
        count(|it| matches!(it, Step::Create)),
        count(|it| matches!(it, Step::Change(_))),
        count(|it| matches!(it, Step::Replace(_))),
        count(|it| matches!(it, Step::Remove)),
    )
}

fn sign(step: &Step) -> &'static str {
    match step {
        Step::Create => "+",
        Step::Change(_) => "~",
        Step::Replace(_) => "±",
        Step::Remove => "-",
    }
}

fn done(step: &Step) -> &'static str {
    match step {
        Step::Create => "created",
        Step::Change(_) => "changed",
        Step::Replace(_) => "replaced",
        Step::Remove => "removed",
    }
}

fn differences(step: &Step) -> &[Difference] {
    match step {
        Step::Change(differences) | Step::Replace(differences) => differences,
        Step::Create | Step::Remove => &[],
    }
}

fn difference_line(Difference { at, before, after }: &Difference) -> String {
    let shown = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), short);
    format!("{at}: {} -> {}", shown(before), shown(after))
}

/// One line, and not a long one.
fn short(value: &Value) -> String {
    const CHARACTERS_MAX: usize = 100;
    let text = value.to_string();
    if text.chars().count() <= CHARACTERS_MAX {
        return text;
    }
    text.chars().take(CHARACTERS_MAX).chain(['…']).collect()
}

fn document<'a>(kind: Kind, name: &str, documents: &'a [Document]) -> Option<&'a Document> {
    documents.iter().find(|it| it.kind == kind && it.name == name)
}

fn place(kind: Kind, name: &str, documents: &[Document]) -> Option<String> {
    document(kind, name, documents).map(|it| it.place(""))
}

fn change_json(change: &Change, documents: &[Document]) -> Value {
    let step = match change.step {
        Step::Create => "create",
        Step::Change(_) => "change",
        Step::Replace(_) => "replace",
        Step::Remove => "remove",
    };
    let differences: Vec<Value> = differences(&change.step)
        .iter()
        .map(|Difference { at, before, after }| json!({ "at": at, "before": before, "after": after }))
        .collect();
    let mut shown =
        json!({ "kind": change.kind.name(), "name": change.name, "step": step, "differences": differences });
    if let Some(place) = place(change.kind, &change.name, documents) {
        shown["place"] = json!(place);
    }
    shown
}

fn extra_json(comparison: &Comparison) -> Value {
    comparison.extra.iter().map(|(kind, name)| json!({ "kind": kind.name(), "name": name })).collect()
}
