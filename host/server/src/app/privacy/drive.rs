//! Takes an erasure from step to step, to its end or to the host's stop.

use super::super::files::Spools;
use super::super::refusal::{Refusal, Result};
use super::super::sandbox::Sandbox;
use super::local::{self, Ask, Removed, Replayed, Sealed};
use attiva_core::config::Connection;
use attiva_core::delivery::Delivery;
use attiva_core::id::PrivacyId;
use attiva_core::ports::connector::Target;
use attiva_core::ports::store::Kind;
use attiva_core::privacy::{Action, Counts, Erasure, Event, Left, Mentions, Place, ReceiptStatus};
use attiva_core::run::Run;
use attiva_core::{Fault, FaultKind};
use attiva_store::{Searched, search};
use attiva_sync::crash;
use std::sync::Arc;
use std::time::Duration;

/// Pause before what is in the way is looked at again.
const HELD_MS: i64 = 500;
/// Pause before open tables are cleared again, which reads much.
const TABLES_HELD_MS: i64 = 10_000;
/// Pause after a step that the host itself could not take.
const PAUSE: Duration = Duration::from_secs(1);
/// How often what is left is looked for again: projectors may be about to write it anew.
const PROOFS: u32 = 20;

impl Sandbox {
    /// Lets an erasure go on by itself.
    pub(in crate::app) fn go_on(self: &Arc<Self>, id: PrivacyId) {
        let sandbox = Arc::clone(self);
        self.engine.go_on(async move { sandbox.drive_erasure(&id).await });
    }

    /// Erasures that a stop or a kill has left unfinished.
    pub(in crate::app) fn resume_erasures(self: &Arc<Self>) -> Result<()> {
        for erasure in self.erasures(None, usize::MAX)?.into_iter().filter(|erasure| !erasure.has_ended()) {
            self.go_on(erasure.id);
        }
        Ok(())
    }

    async fn drive_erasure(self: &Arc<Self>, id: &PrivacyId) {
        loop {
            // Before it looks, so that no word is missed.
            let told = self.erasing_on.notified();
            match self.step_erasure(id).await {
                Ok(None) => return,
                Ok(Some(until)) => {
                    let ms = u64::try_from(until.saturating_sub(self.now())).unwrap_or(0);
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_millis(ms)) => {}
                        () = told => {}
                    }
                }
                Err(refusal) => {
                    tracing::error!(erasure = %id, "a step of an erasure failed, and is tried again: {refusal}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// One step; when the next is due, or `None` at the end.
    async fn step_erasure(self: &Arc<Self>, id: &PrivacyId) -> Result<Option<i64>> {
        let _alone = self.erasing.lock().await;
        let mut erasure = self.erasure(id.as_str())?;
        let event = match erasure.next(self.now()) {
            Action::End => return Ok(None),
            Action::WaitUntil(until) => return Ok(Some(until)),
            Action::Remove => self.remove(&mut erasure).await?,
            Action::Sweep => {
                let (places, left) = self.store.sweep(self.opened(&erasure)?.mentions()).await?;
                self.engine.records_changed();
                Event::Swept { places, left }
            }
            Action::Ask(at) => self.ask(&erasure, at).await?,
            Action::Clear => self.clear(&erasure).await?,
            Action::Prove => self.prove(&erasure).await?,
        };
        crash::point("erasure.step");
        let next = erasure.step(event, self.now());
        self.keep(&erasure).await?;
        crash::point("erasure.kept");
        Ok(match next {
            Action::End => {
                tracing::info!(erasure = %id, places = ?erasure.places, "an erasure has ended");
                None
            }
            Action::WaitUntil(until) => Some(until),
            _ => Some(0),
        })
    }

    async fn remove(self: &Arc<Self>, erasure: &mut Erasure) -> Result<Event> {
        let mut sealed = self.opened(erasure)?;
        let standstill = self.engine.standstill().await;
        let (sandbox, before) = (Arc::clone(self), erasure.destinations.clone());
        let mut kept = erasure.clone();
        let keep = async move |sealed: Sealed, destinations| {
            kept.sealed = Some(sandbox.seal(&kept.id, &sealed)?);
            kept.destinations = destinations;
            sandbox.keep(&kept).await?;
            crash::point("erasure.found");
            Ok(())
        };
        let (store, connectors, now) = (self.store.as_ref(), &self.connectors, self.now());
        let removed = local::remove(store, connectors, &erasure.id, &mut sealed, &before, keep, now).await?;
        drop(standstill);
        erasure.sealed = Some(self.seal(&erasure.id, &sealed)?);
        let Removed { profiles, tombstones, places, destinations } = removed;
        Ok(Event::Removed { profiles, tombstones, places, destinations })
    }

    async fn ask(&self, erasure: &Erasure, at: usize) -> Result<Event> {
        // What is with a vendor just now might arrive after the removal.
        let sending = self.store.on_their_way(&erasure.id)?;
        if let Some(delivery) = sending.first() {
            return Ok(Event::Held { what: format!("{delivery} is sending"), wait_ms: HELD_MS });
        }
        let Some(destination) = erasure.destinations.get(at) else {
            return Err(Refusal::internal("an erasure asks a destination that it does not have"));
        };
        let cannot = |because: &str| Event::Answered { at, status: ReceiptStatus::Cannot, because: because.to_owned() };
        let Some(connection) = &destination.connection else {
            return Ok(cannot("no connection leads there any more"));
        };
        let connection: Connection = match self.find(Kind::Connection, connection.as_str())? {
            Some(found) => found.value,
            None => return Ok(cannot("the connection was removed")),
        };
        let sealed = self.opened(erasure)?;
        let Some(Ask { target, identifiers }) = sealed.asks.get(at).cloned() else {
            return Ok(cannot("nothing is known any more of what it was sent"));
        };
        let answered = self.engine.erase_at(&connection, &Target::from(target), &identifiers).await;
        crash::point("erasure.asked");
        Ok(match answered {
            Ok(erased) => Event::Answered { at, status: erased.status, because: erased.because },
            // It will not be otherwise later.
            Err(fault) if fault.kind == FaultKind::Unsupported => cannot(&fault.message),
            Err(fault) => Event::Failed { at, fault },
        })
    }

    /// What the host keeps beside the sandbox's store.
    async fn clear(&self, erasure: &Erasure) -> Result<Event> {
        let sealed = self.opened(erasure)?;
        let mut places = Counts::new();
        for name in self.connectors.spools.all()? {
            let place = self.files.spools.join(&name);
            let of = sealed.proof();
            let searched = super::super::blocking(move || Ok(search(&[place], &of)?)).await?;
            if searched.found.is_empty() {
                continue;
            }
            if let Some(what) = self.reading(&name)? {
                return Ok(Event::Held { what, wait_ms: HELD_MS });
            }
            self.connectors.spools.remove(&name)?;
            *places.entry(Place::Spools).or_default() += 1;
        }
        self.follow_sweep().await?;
        match self.engine.forget_in_tables().await {
            Ok(Some(taken)) => {
                places.insert(Place::Tables, taken.files_removed.saturating_add(taken.objects_removed));
            }
            Ok(None) => {}
            // A bucket that is away, or takes no key any more: it has to be cleared before anybody is told that all is.
            Err(fault) => {
                let what = format!("open tables can't be cleared yet: {fault}");
                return Ok(Event::Held { what, wait_ms: TABLES_HELD_MS });
            }
        }
        crash::point("erasure.tables");
        places.insert(Place::KeptAnswers, self.control.forget_answers().await?);
        places.insert(Place::Audit, self.control.sweep_audit(sealed.mentions()).await?);
        places.retain(|_, count| *count > 0);
        Ok(Event::Cleared { places })
    }

    /// Waits until profiles are what the swept records make them: tables are taken of profiles.
    async fn follow_sweep(&self) -> Result<()> {
        let swept = self.engine.projection()?.newest_record_seq;
        while self.engine.projection()?.profiles_upto < swept {
            tokio::time::sleep(Duration::from_millis(HELD_MS.unsigned_abs() / 10)).await;
        }
        Ok(())
    }

    /// Who reads a spool just now. One that nobody reads can go at any time: the next call fetches the file anew.
    fn reading(&self, spool: &str) -> Result<Option<String>> {
        for run in self.list(Kind::Run, None, usize::MAX, |run: &Run| !run.status.has_ended())? {
            if run.streams.iter().any(|stream| Spools::of_stream(&run.connection, &stream.stream) == spool) {
                return Ok(Some(format!("{} is reading a file that names them", run.id)));
            }
        }
        for delivery in self.list(Kind::Delivery, None, usize::MAX, |d: &Delivery| !d.status.has_ended())? {
            if Spools::of_delivery(&delivery.id) == spool {
                return Ok(Some(format!("{} is writing a file that names them", delivery.id)));
            }
        }
        Ok(None)
    }

    async fn prove(&self, erasure: &Erasure) -> Result<Event> {
        let of = self.opened(erasure)?.proof();
        // Where somebody configured it so, it stays, and looking longer helps nobody.
        let proofs = if erasure.left.is_empty() { PROOFS } else { 2 };
        let searched = self.search_all(of, proofs).await?;
        let file = |path: &std::path::PathBuf| Left {
            what: format!("file {}", path.file_name().unwrap_or_default().display()),
            because: "it names them still: see what was left, or look with the host's log".to_owned(),
        };
        if !searched.found.is_empty() {
            tracing::error!(erasure = %erasure.id, files = ?searched.found, "an erasure has left something");
        }
        Ok(Event::Proved { bytes_searched: searched.bytes, left: searched.found.iter().map(file).collect() })
    }

    /// Looks through all files for what must be in none; what SQLite has left in gaps goes by writing the file anew.
    async fn search_all(&self, of: Mentions, proofs: u32) -> Result<Searched> {
        let mut rewritten = false;
        for proof in 1.. {
            let emptied = self.store.empty_log().await? & self.control.empty_log().await?;
            let (places, values) = (self.files.all(), of.clone());
            let searched = super::super::blocking(move || Ok(search(&places, &values)?)).await?;
            if searched.found.is_empty() || proof >= proofs {
                return Ok(searched);
            }
            if emptied && !rewritten {
                rewritten = true;
                self.store.rewrite().await?;
                self.control.rewrite().await?;
                continue;
            }
            // Somebody reads still, or writes it anew from what is gone: that ends.
            rewritten = false;
            self.store.sweep(of.clone()).await?;
            tokio::time::sleep(Duration::from_millis(HELD_MS.unsigned_abs())).await;
        }
        Ok(Searched::default())
    }

    /// Erasures that were done again in a restored store are over when the projectors have followed, and no file names
    /// anybody: a kill before that does them again.
    pub(in crate::app) fn finish_replay(self: &Arc<Self>, replayed: Replayed) {
        let sandbox = Arc::clone(self);
        self.engine.go_on(async move {
            while let Err(refusal) = sandbox.prove_replay(&replayed).await {
                tracing::error!("erasures that were done again are not proved yet: {refusal}");
                tokio::time::sleep(Duration::from_millis(TABLES_HELD_MS.unsigned_abs())).await;
            }
        });
    }

    async fn prove_replay(&self, replayed: &Replayed) -> Result<()> {
        while !self.engine.projection()?.caught_up {
            tokio::time::sleep(Duration::from_millis(HELD_MS.unsigned_abs())).await;
        }
        self.engine.forget_in_tables().await?;
        let searched = self.search_all(replayed.of.clone(), PROOFS).await?;
        if !searched.found.is_empty() {
            tracing::error!(files = ?searched.found, "erasures that were done again have left something");
        }
        Ok(self.store.note_erased(replayed.erasures.clone(), self.now()).await?)
    }

    pub(super) fn seal(&self, id: &PrivacyId, what: &Sealed) -> Result<String> {
        local::seal(&self.sealer, &local::associated(&self.connectors, id), what)
    }

    fn opened(&self, erasure: &Erasure) -> Result<Sealed> {
        let sealed = erasure.sealed.as_deref().ok_or_else(|| {
            Fault::new(FaultKind::Internal, "privacy.sealed", "an erasure has forgotten whom it is about")
        })?;
        local::open(&self.sealer, &local::associated(&self.connectors, &erasure.id), sealed)
    }
}
