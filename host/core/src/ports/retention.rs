//! What the sandbox's store does for what is not kept for ever. Each step is short: nobody waits long for the writer, and
//! a kill between two of them leaves less to do and nothing half done.

use super::store::{Books, Change, DocumentWrite, Expect, Feed, Reason, Result, Seq};
use crate::Millis;
use crate::id::{ActivationId, DeliveryId, RunId};
use async_trait::async_trait;

/// What deliveries of an activation came to that are not kept any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PastDeliveries {
    pub deliveries: u64,
    /// When the first of them began.
    pub since: Option<Millis>,
    /// By status, then code.
    pub reasons: Vec<Reason>,
}

impl PastDeliveries {
    #[must_use]
    pub fn books(&self) -> Books {
        Books::of(&self.reasons)
    }
}

/// A sandbox's store, asked to forget.
#[async_trait]
pub trait RetentionStore: Send + Sync + 'static {
    /// Deliveries of which members are kept one by one, in the order they began, each with its number, after a number.
    fn deliveries_with_items(&self, after: u64, limit: usize) -> Result<Vec<(u64, DeliveryId)>>;
    /// Of a delivery that has ended, forgets the next members, at most so many, and writes its document; true: there are
    /// more. Books and reasons stay what they are. Where the document is not as expected, nothing is forgotten.
    async fn forget_items(&self, delivery: &DeliveryId, write: (DocumentWrite, Expect), limit: usize) -> Result<bool>;
    /// Forgets a delivery of which no members are kept any more, and adds what it came to, unless it was a dry run, to
    /// what its activation keeps of such. `started_at`: when it began.
    async fn forget_delivery(
        &self,
        delivery: &DeliveryId,
        activation: &ActivationId,
        dry_run: bool,
        started_at: Millis,
    ) -> Result<()>;
    /// What deliveries came to that are forgotten.
    fn past_deliveries(&self, activation: &ActivationId) -> Result<PastDeliveries>;
    /// Of a run that has ended, forgets the next rejects, at most so many, and writes its document; true: there are more.
    /// Where the document is not as expected, nothing is forgotten.
    async fn forget_rejects_of(&self, run: &RunId, write: (DocumentWrite, Expect), limit: usize) -> Result<bool>;
    /// Looks at the next changes of memberships after `after`, at most so many, and forgets those from before `before`,
    /// but never the newest of a segment: whether anybody has moved since is told by it. `None`: there are no more that
    /// old; else where the next step goes on.
    async fn forget_memberships(&self, before: Millis, after: i64, limit: usize) -> Result<Option<i64>>;
    /// Entries of a feed below a number, the newest first; `None`: from the newest on.
    fn changes_back(&self, feed: Feed, below: Option<Seq>, limit: usize) -> Result<Vec<Change>>;
    /// Drops entries of a feed; each must have a newer one of the same subject.
    async fn drop_changes(&self, feed: Feed, entries: Vec<Seq>) -> Result<()>;
}
