//! Streams read anew: all of one or what is of a span of days, beside the runs that follow changes, or in their place.

use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use super::stamp::Stamp;
use attiva_core::backfill::Wish;
use attiva_core::id::RunId;
use attiva_core::ports::store::Kind;
use attiva_core::run::Run;
use serde_json::json;

impl Sandbox {
    /// Starts a run that reads streams anew, which goes on by itself.
    ///
    /// # Errors
    /// `request.invalid` with the field at fault; `stream.missing`, `backfill.window`, `run.in-progress`.
    pub async fn start_backfill(
        &self,
        caller: &Caller,
        stamp: Stamp,
        connection: &str,
        streams: &[String],
        wish: Wish,
    ) -> Result<Run> {
        let id = stamp.id(RunId::new);
        let run = match self.find(Kind::Run, id.as_str())? {
            Some(started) => started.value,
            None => {
                let connection = self.connection(connection)?.value;
                checked(streams, &wish)?;
                let mut streams = streams.to_vec();
                streams.sort_unstable();
                streams.dedup();
                self.engine.start_backfill(&connection.id, &streams, wish, id).await?
            }
        };
        let streams: Vec<&str> = run.streams.iter().map(|progress| progress.stream.as_str()).collect();
        let wish = run.backfill.as_ref().map(|anew| &anew.wish);
        let detail = json!({ "connection": run.connection, "streams": streams, "wish": wish });
        self.tell_once(caller, "run.backfill-started", run.id.as_str(), detail).await?;
        Ok(run)
    }
}

fn checked(streams: &[String], wish: &Wish) -> Result<()> {
    let (place, problem) = match wish.check() {
        Err(wrong) => wrong,
        Ok(()) if streams.is_empty() => ("/streams", "must name at least one".to_owned()),
        Ok(()) => return Ok(()),
    };
    let message = format!("`{}` {problem}", place.trim_start_matches('/'));
    Err(Refusal::invalid("request.invalid", message, vec![FieldProblem::new(place, problem)]))
}
