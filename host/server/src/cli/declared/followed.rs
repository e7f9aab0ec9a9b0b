//! What is said of an activation by its id, and has to follow when it is replaced by another one: how fresh it should be.

use super::apply::Apply;
use super::running::single;
use crate::cli::Failure;
use attiva_core::declared::Kind;
use serde_json::{Value, json};
use ureq::http::Method;

impl Apply<'_> {
    /// An activation was replaced: what was wanted of it is wanted of the one in its place.
    pub(super) fn wanted_of_another(&mut self, before: &str, after: &str) -> Result<(), Failure> {
        let Some(known) = self.targets() else { return Ok(()) };
        let Some(said) = known.iter().find(|target| target["activation"] == before).cloned() else { return Ok(()) };
        let now = self.client.get_versioned(&self.place())?;
        // Whoever was deleted has no target any more; whoever was retired still has.
        let is_as_known = is_as_known(&now.0, &known, before);
        let renamed = |target: &Value| if target["activation"] == before { of(&said, after) } else { target.clone() };
        let targets: Vec<Value> = if is_as_known {
            known.iter().map(renamed).collect()
        } else {
            // Somebody has changed them meanwhile: only what has to be is changed of that.
            let others = list(&now.0).into_iter().filter(|target| target["activation"] != before);
            others.chain([of(&said, after)]).collect()
        };
        let body = json!({ "targets": targets });
        match self.client.change(Method::PUT, &self.place(), Some(&body), now.1.as_deref()) {
            Ok(answer) if is_as_known => {
                let version = answer.etag.clone();
                self.running.published(Kind::FreshnessTargets, answer.json()?, version);
                Ok(())
            }
            Ok(_) => Ok(()),
            // A key that may not say it leaves it to one that may: the next plan shows it.
            Err(Failure::Refused(problem)) if problem.status == 403 => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Something was deleted, and what was wanted of it with it: that is no change of somebody else's.
    pub(super) fn wanted_no_more(&mut self, id: &str) -> Result<(), Failure> {
        let Some(known) = self.targets() else { return Ok(()) };
        if !known.iter().any(|target| target["activation"] == id || target["connection"] == id) {
            return Ok(());
        }
        let (now, version) = self.client.get_versioned(&self.place())?;
        if is_as_known(&now, &known, id) {
            self.running.published(Kind::FreshnessTargets, now, version);
        }
        Ok(())
    }

    fn place(&self) -> String {
        self.client.scoped(single(Kind::FreshnessTargets).unwrap_or_default())
    }

    /// As far as they were read.
    fn targets(&self) -> Option<Vec<Value>> {
        let entry = self.running.entry(Kind::FreshnessTargets, Kind::FreshnessTargets.name())?;
        Some(list(&entry.answered))
    }
}

fn list(answered: &Value) -> Vec<Value> {
    answered["targets"].as_array().cloned().unwrap_or_default()
}

fn of(said: &Value, activation: &str) -> Value {
    let mut target = said.clone();
    target["activation"] = activation.into();
    target
}

/// As they were read, with or without what is said of the one that goes.
fn is_as_known(now: &Value, known: &[Value], gone: &str) -> bool {
    let now = list(now);
    let is_other = |target: &&Value| target["activation"] != gone && target["connection"] != gone;
    now == known || now.iter().eq(known.iter().filter(is_other))
}
