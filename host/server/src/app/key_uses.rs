//! When each API key was last used, so that whoever tidies up sees which one nobody needs. Kept by the minute: a write
//! for each request would cost more than it tells.

use super::documents;
use super::refusal::Result;
use attiva_core::Millis;
use attiva_core::id::KeyId;
use attiva_core::ports::store::{ControlKind, ControlStore, Expect, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

const RESOLUTION_MS: Millis = 60_000;

#[derive(Serialize, Deserialize)]
struct Kept {
    at: Millis,
}

#[derive(Clone)]
pub(super) struct KeyUses {
    control: Arc<dyn ControlStore>,
    /// What was kept last of each key since the host started.
    kept: Arc<Mutex<HashMap<KeyId, Millis>>>,
}

impl KeyUses {
    pub(super) fn new(control: Arc<dyn ControlStore>) -> Self {
        Self { control, kept: Arc::default() }
    }

    /// Whether a use at `now` is worth keeping; whoever asks keeps it.
    pub(super) fn is_news(&self, key: &KeyId, now: Millis) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.get_mut(key) {
            // A clock that was set back must not silence a key for long.
            Some(last) if (0..RESOLUTION_MS).contains(&(now - *last)) => false,
            Some(last) => {
                *last = now;
                true
            }
            None => kept.insert(key.clone(), now).is_none(),
        }
    }

    pub(super) async fn keep(&self, key: &KeyId, at: Millis) -> Result<()> {
        let body = documents::write(&Kept { at })?;
        self.control.put_document(ControlKind::KeyUse, key.as_str(), body, Expect::Anything, None).await?;
        Ok(())
    }

    pub(super) fn last(&self, key: &KeyId) -> Result<Option<Millis>> {
        let document = self.control.document(ControlKind::KeyUse, key.as_str())?;
        let kept = document.map(|document| documents::read::<Kept>(document.body)).transpose()?;
        Ok(kept.map(|kept| kept.at))
    }

    /// The key is gone; it may never have been used.
    pub(super) async fn forget(&self, key: &KeyId) -> Result<()> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        match self.control.delete_document(ControlKind::KeyUse, key.as_str(), Expect::Anything, None).await {
            Ok(()) | Err(StoreError::Missing) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
