//! Forgets old entries of the audit log where the host is told to, and tells of it there. What sandboxes keep for a time
//! is forgotten by their engines.

use super::{App, Inner};
use crate::app::refusal::Result;
use attiva_core::Millis;
use attiva_core::ports::store::AuditEvent;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Entries of one commit.
const CHUNK: usize = 5_000;
/// Once a day: each time is an entry itself.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

impl App {
    /// Looks at every start, and then every day, for as long as the application is there.
    pub(super) fn watch_audit(&self) {
        let Some(kept_ms) = self.inner.settings.kept.audit_ms else { return };
        let weak = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                let Some(inner) = weak.upgrade() else { return };
                if let Err(refusal) = forget(&inner, kept_ms).await {
                    tracing::error!(
                        "old entries of the audit log could not be forgotten; it is tried again: {refusal}"
                    );
                }
                drop(inner);
                tokio::time::sleep(EVERY).await;
            }
        });
    }
}

async fn forget(inner: &Inner, kept_ms: Millis) -> Result<()> {
    loop {
        let at = inner.clock.now();
        let told = AuditEvent {
            at,
            actor: "host".into(),
            action: "audit.forgotten".into(),
            subject: "audit".into(),
            detail: json!({ "before_ms": at.saturating_sub(kept_ms) }),
        };
        if !inner.control.forget_audit(at.saturating_sub(kept_ms), CHUNK, told).await? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::super::{App, Opened};
    use attiva_core::ports::clock::Clock;
    use attiva_core::ports::store::{AuditEvent, DocumentWrite, Expect, Kind};
    use attiva_core::retention::Kept;
    use attiva_core::{Millis, removal};
    use serde_json::json;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    const DAY: Millis = 24 * 60 * 60 * 1000;

    struct SetClock(AtomicI64);

    impl Clock for SetClock {
        fn now(&self) -> Millis {
            self.0.load(Ordering::SeqCst)
        }
    }

    async fn open(place: &Path, clock: &Arc<SetClock>, kept: Kept) -> App {
        // A task of the application before may hold it for a moment yet.
        for _ in 0..500 {
            let settings = Settings { kept, ..Settings::default() };
            match App::open_at(place, settings, Arc::clone(clock) as Arc<dyn Clock>).await {
                Ok(Opened { app, .. }) => return app,
                Err(refusal) if refusal.fault.code == "store.in-use" => {
                    tokio::time::sleep(Duration::from_millis(10)).await
                }
                Err(refusal) => panic!("{refusal}"),
            }
        }
        panic!("the data directory stays in use");
    }

    fn actions(app: &App) -> Vec<String> {
        let events = app.inner.control.audit_events(0, 500).unwrap();
        events.into_iter().map(|(_, event)| event.action).collect()
    }

    async fn until(mut is_so: impl FnMut() -> bool) {
        for _ in 0..6_000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("waited in vain");
    }

    /// What the settings say is done, by the application and by the engine of each sandbox.
    #[tokio::test]
    async fn what_is_old_is_forgotten_where_the_settings_say_so() {
        let place = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(1_800_000_000_000)));
        let app = open(place.path(), &clock, Kept::default()).await;
        // The newest of all stays until something comes after it.
        for action in ["old.event", "newer.event"] {
            let told = AuditEvent {
                at: clock.now(),
                actor: "key_x".into(),
                action: action.into(),
                subject: "s".into(),
                detail: json!({}),
            };
            app.inner.control.audit(told).await.unwrap();
        }
        let ended = json!({
            "id": "rem_1", "connection": "con_1", "streams": [], "whole": false, "by": "key_x", "started_at": 0,
            "ended_at": clock.now(), "effect": removal::Effect::default(),
        });
        let write = DocumentWrite { kind: Kind::Removal, id: "rem_1".into(), body: ended };
        app.open_sandboxes()[0].store.put_document(write, Expect::Absent).await.unwrap();
        app.drain(Duration::from_secs(5)).await;
        drop(app);

        clock.0.fetch_add(3 * DAY, Ordering::SeqCst);
        let young = Kept { audit_ms: Some(4 * DAY), removals_ms: Some(4 * DAY), ..Kept::default() };
        let app = open(place.path(), &clock, young).await;
        let removals = |app: &App| app.open_sandboxes()[0].store.documents(Kind::Removal, None, 9).unwrap().len();
        assert!(actions(&app).contains(&"old.event".to_owned()));
        app.drain(Duration::from_secs(5)).await;
        assert_eq!(removals(&app), 1);
        drop(app);

        let old = Kept { audit_ms: Some(2 * DAY), removals_ms: Some(2 * DAY), ..Kept::default() };
        let app = open(place.path(), &clock, old).await;
        until(|| !actions(&app).contains(&"old.event".to_owned()) && removals(&app) == 0).await;
        assert!(actions(&app).contains(&"audit.forgotten".to_owned()));
        app.drain(Duration::from_secs(5)).await;
    }
}
