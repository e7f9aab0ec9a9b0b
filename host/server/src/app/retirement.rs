//! Taking a plugin version out of use: drain, disable, uninstall; with what depends on it named.

use super::App;
use super::keys::Caller;
use super::plugins::Ready;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::config::Connection;
use attiva_core::delivery::Delivery;
use attiva_core::ports::store::Kind;
use attiva_core::run::Run;
use attiva_core::{Fault, FaultKind};
use std::time::Duration;

/// How often a version that drains is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Something that needs a plugin version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    pub sandbox: String,
    /// `connection`, `run`, `delivery`.
    pub kind: &'static str,
    pub id: String,
}

impl App {
    /// What of the caller's needs a version, and how many things of other organisations do.
    ///
    /// # Errors
    /// `plugin.missing`.
    pub fn dependents(&self, caller: &Caller, id: &str) -> Result<(Vec<Dependent>, usize)> {
        let ready = self.plugins().get(id).ok_or_else(|| Refusal::missing("plugin", id))?;
        let (mut own, mut others) = (Vec::new(), 0);
        for sandbox in self.open_sandboxes() {
            let found = sandbox.dependents(&ready)?;
            if caller.sees(sandbox.entry()) {
                own.extend(found);
            } else {
                others += found.len();
            }
        }
        Ok((own, others))
    }

    /// Lets nothing more begin with a version. What goes on with it goes on to its end; then no call of it is made.
    ///
    /// # Errors
    /// `plugin.missing`, `plugin.stage`.
    pub async fn disable(&self, caller: &Caller, id: &str) -> Result<Ready> {
        let in_use = self.goes_on(id)?;
        let ready = self.plugins().disable(caller.key.as_str(), id, in_use).await?;
        if in_use {
            self.watch_drain(id.to_owned());
        }
        Ok(ready)
    }

    /// Takes a version out, with its files.
    ///
    /// # Errors
    /// `plugin.in-use` with what needs it; `plugin.stage`.
    pub async fn uninstall(&self, caller: &Caller, id: &str) -> Result<()> {
        let (own, others) = self.dependents(caller, id)?;
        if own.is_empty() && others == 0 {
            return self.plugins().uninstall(caller.key.as_str(), id).await;
        }
        let fields = own
            .iter()
            .map(|d| FieldProblem::new(format!("{}/{}", d.sandbox, d.id), format!("this {} needs it", d.kind)));
        let elsewhere = if others > 0 { format!(", and {others} of other organisations") } else { String::new() };
        let what = format!("{id} is needed by {} things{elsewhere}", own.len());
        let fault = Fault::new(FaultKind::Config, "plugin.in-use", what)
            .action("Change or remove these, or wait for their end, and repeat.");
        Err(Refusal { fault, fields: fields.collect() })
    }

    /// Goes on to wait for versions that were draining when the host stopped.
    pub(super) fn watch_drains(&self) {
        for ready in self.plugins().list() {
            if ready.installed.stage == attiva_core::plugin::lifecycle::Stage::Draining {
                self.watch_drain(ready.installed.id);
            }
        }
    }

    fn watch_drain(&self, id: String) {
        let weak = std::sync::Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(inner) = weak.upgrade() else { return };
                let app = App { inner };
                match app.goes_on(&id) {
                    Ok(true) => {}
                    Ok(false) => {
                        // Enabled again meanwhile, perhaps: then there is nothing to end.
                        let _ = app.plugins().drained(&id).await;
                        return;
                    }
                    Err(refusal) => tracing::warn!(plugin = id, "whether it still runs is not known: {refusal}"),
                }
            }
        });
    }

    /// Whether a run or a delivery goes on with a version, in whichever sandbox.
    fn goes_on(&self, id: &str) -> Result<bool> {
        for sandbox in self.open_sandboxes() {
            if !sandbox.going_on(id)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Sandbox {
    /// What would have to begin, or go on, without this version.
    fn dependents(&self, ready: &Ready) -> Result<Vec<Dependent>> {
        let id = &ready.installed.id;
        let comes_to = |c: &Connection| self.plugins.resolve(&c.plugin).is_ok_and(|r| r.installed.id == *id);
        let connections = self.list(Kind::Connection, None, usize::MAX, comes_to)?;
        let dependent = |kind, id: String| Dependent { sandbox: self.entry.name.clone(), kind, id };
        let mut found: Vec<Dependent> =
            connections.into_iter().map(|c| dependent("connection", c.id.to_string())).collect();
        found.extend(self.going_on(id)?);
        Ok(found)
    }

    /// Runs and deliveries that go on with a version.
    fn going_on(&self, plugin: &str) -> Result<Vec<Dependent>> {
        let dependent = |kind, id: String| Dependent { sandbox: self.entry.name.clone(), kind, id };
        let runs = self.list(Kind::Run, None, usize::MAX, |r: &Run| r.plugin == plugin && !r.status.has_ended())?;
        let goes = |d: &Delivery| d.plugin == plugin && !d.status.has_ended();
        let deliveries = self.list(Kind::Delivery, None, usize::MAX, goes)?;
        let runs = runs.into_iter().map(|run| dependent("run", run.id.to_string()));
        Ok(runs.chain(deliveries.into_iter().map(|d| dependent("delivery", d.id.to_string()))).collect())
    }
}
