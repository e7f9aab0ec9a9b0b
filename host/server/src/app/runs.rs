//! Runs of source connections.

use super::keys::Caller;
use super::refusal::Result;
use super::sandbox::Sandbox;
use super::stamp::Stamp;
use attiva_core::id::{ConnectionId, RunId};
use attiva_core::page::Reject;
use attiva_core::ports::store::Kind;
use attiva_core::run::{Run, RunStatus};
use attiva_core::{Fault, FaultKind};

/// What of the runs is listed; `None`: all.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub connection: Option<ConnectionId>,
    pub status: Option<RunStatus>,
}

impl Sandbox {
    /// Starts a run, which goes on by itself.
    ///
    /// # Errors
    /// `run.in-progress`; what the connector says when it is asked for its streams.
    pub async fn start_run(&self, caller: &Caller, stamp: Stamp, connection: &str) -> Result<Run> {
        let id = stamp.id(RunId::new);
        let run = match self.find(Kind::Run, id.as_str())? {
            Some(started) => started.value,
            None => self.engine.start_run(&self.connection(connection)?.value.id, id).await?,
        };
        let detail = serde_json::json!({ "connection": run.connection });
        self.tell_once(caller, "run.started", run.id.as_str(), detail).await?;
        Ok(run)
    }

    pub fn run(&self, id: &str) -> Result<Run> {
        Ok(self.get(Kind::Run, "run", id)?.value)
    }

    /// In the order they were started, after `after`.
    pub fn runs(&self, filter: &RunFilter, after: Option<&str>, limit: usize) -> Result<Vec<Run>> {
        self.list(Kind::Run, after, limit, |run: &Run| {
            filter.connection.as_ref().is_none_or(|c| *c == run.connection)
                && filter.status.is_none_or(|s| s == run.status)
        })
    }

    /// Asks a run to end at its next page.
    pub async fn cancel_run(&self, caller: &Caller, id: &str) -> Result<Run> {
        let run: RunId = self.run(id)?.id;
        self.tell(caller, "run.cancelled", run.as_str(), serde_json::json!({})).await?;
        Ok(self.engine.cancel_run(&run).await?)
    }

    /// What a run could not take, in the order it came; each with the number to go on after.
    ///
    /// # Errors
    /// `run.rejects.missing`: they are not kept any more.
    pub fn rejects(&self, id: &str, after: u64, limit: usize) -> Result<Vec<(u64, Reject)>> {
        let run = self.run(id)?;
        if run.rejects_forgotten_at.is_some() {
            let message = format!("what `{}` could not take is not kept any more", run.id);
            return Err(Fault::new(FaultKind::Config, "run.rejects.missing", message)
                .action("Its counts stand; how long rejects are kept is `limits.rejects_kept_days`.")
                .into());
        }
        Ok(self.store.rejects(&run.id, after, limit)?)
    }
}
