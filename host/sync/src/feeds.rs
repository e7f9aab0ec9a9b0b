//! Keeps the feeds of changes as short as what they are of: of several entries of one thing, whoever follows a feed needs the
//! newest alone, from wherever they stand, since all look up what the thing is by then.

use crate::engine::{Engine, Inner};
use attiva_core::Fault;
use attiva_core::ports::store::{Feed, Seq};
use attiva_core::retention::{Seen, is_worth_a_look};
use std::sync::Arc;
use std::time::Duration;

/// Entries looked at together, and dropped in one commit at most: short, so that nobody waits long for the writer.
const PAGE: usize = 2_000;
/// How often it is looked whether enough has come.
const EVERY: Duration = Duration::from_secs(60 * 60);

const FEEDS: [Feed; 3] = [Feed::Records, Feed::Profiles, Feed::Events];

/// Looks every hour, until the engine stops; not at the start, when others have more to do.
pub(crate) async fn follow(inner: Arc<Inner>) {
    // Where each feed was when it was gone through, and what was left of it.
    let mut known: [Option<(Seq, u64)>; 3] = [None; 3];
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = inner.stop.cancelled() => return,
        }
        for (feed, known) in FEEDS.into_iter().zip(&mut known) {
            if let Err(fault) = look(&inner, feed, known).await {
                tracing::error!(?feed, %fault, "a feed of changes could not be shortened; it is tried again in an hour");
            }
        }
    }
}

async fn look(inner: &Inner, feed: Feed, known: &mut Option<(Seq, u64)>) -> Result<(), Fault> {
    let newest = inner.store.newest(feed)?;
    if known.is_some_and(|(before, left)| !is_worth_a_look(newest.saturating_sub(before), left)) {
        return Ok(());
    }
    let (left, dropped) = shorten(inner, feed).await?;
    *known = Some((newest, left));
    if dropped > 0 {
        tracing::info!(?feed, left, dropped, "a feed of changes was shortened");
    }
    Ok(())
}

/// How many entries are left, and how many were dropped. What a stop or a kill cuts short leaves more than need be.
async fn shorten(inner: &Inner, feed: Feed) -> Result<(u64, u64), Fault> {
    let (mut seen, mut below, mut left, mut dropped) = (Seen::default(), None, 0, 0);
    while !inner.stop.is_cancelled() {
        // Others have something to do between two pages.
        tokio::task::yield_now().await;
        let page = inner.store.changes_back(feed, below, PAGE)?;
        let Some(last) = page.last() else { break };
        below = Some(last.seq);
        let all = page.len() as u64;
        let old: Vec<Seq> = page.into_iter().filter(|it| !seen.insert(it.subject)).map(|it| it.seq).collect();
        left += all - old.len() as u64;
        dropped += old.len() as u64;
        if !old.is_empty() {
            inner.store.drop_changes(feed, old).await?;
        }
    }
    Ok((left, dropped))
}

impl Engine {
    /// Drops entries of the feeds that newer ones have taken the place of; how many. It is done by itself now and then.
    pub async fn shorten_feeds(&self) -> Result<u64, Fault> {
        let mut all = 0;
        for feed in FEEDS {
            all += shorten(&self.inner, feed).await?.1;
        }
        Ok(all)
    }
}
