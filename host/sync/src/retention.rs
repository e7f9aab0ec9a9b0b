//! Forgets what became of each member of deliveries that ended long ago. Their books stay, and so does what targets hold.

use crate::engine::{Inner, write};
use attiva_core::delivery::Delivery;
use attiva_core::ports::store::Kind;
use attiva_core::{Fault, Millis};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Rows of one commit: short, so that nobody waits long for the writer.
const CHUNK: usize = 2_000;
/// Deliveries looked at together.
const PAGE: usize = 500;
/// How often it is looked, in milliseconds.
const EVERY_MS: Millis = 60 * 60 * 1000;

/// Looks at every start, and then every hour, until the engine stops.
pub(crate) async fn follow(inner: Arc<Inner>) {
    let Some(kept_ms) = inner.options.items_kept_ms else { return };
    let never = CancellationToken::new();
    loop {
        if let Err(fault) = forget(&inner, kept_ms).await {
            tracing::error!(%fault, "outcomes of old deliveries could not be forgotten; it is tried again in an hour");
        }
        let next = inner.clock.now().saturating_add(EVERY_MS);
        if !inner.wait_until(next, &never).await {
            return;
        }
    }
}

async fn forget(inner: &Inner, kept_ms: Millis) -> Result<(), Fault> {
    let now = inner.clock.now();
    let mut after = 0;
    loop {
        let page = inner.store.deliveries_with_items(after, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, id) in page {
            let Some(mut delivery) = inner.find::<Delivery>(Kind::Delivery, id.as_str())? else { continue };
            let is_over = delivery.status.has_ended() && delivery.books.is_some();
            if !is_over || delivery.ended_at.is_none_or(|ended| now.saturating_sub(ended) < kept_ms) {
                continue;
            }
            delivery.items_forgotten_at.get_or_insert(now);
            let mut goes_on = true;
            while goes_on {
                if inner.stop.is_cancelled() {
                    return Ok(());
                }
                let document = write(Kind::Delivery, id.as_str(), &delivery)?;
                goes_on = inner.store.forget_items(&id, document, CHUNK).await?;
            }
        }
    }
}
