//! What passes between deliveries and the store: targets with their ledgers, queues, batches, outcomes and books.

use super::{DocumentWrite, Profile};
use crate::id::{ActivationId, DeliveryId, ProfileId, SegmentId};
use crate::ledger::{RefusalStatus, Row, Standing, Why};
use crate::page::{Operation, OutcomeStatus};
use crate::{DataType, Millis, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

// Targets.

/// Which object of which vendor instance a target is. Whoever names the same one shares it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TargetKey {
    pub system: String,
    pub instance: String,
    pub object: String,
    pub name: String,
}

/// A member that is not as it should be, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub profile: ProfileId,
    pub operation: Operation,
    pub why: Why,
    /// What was refused; `None` where nothing could be sent.
    pub row: Option<Row>,
    pub at: Millis,
    /// When it is sent again by itself; `None`: when it has changed, or is replayed.
    pub retry_at: Option<Millis>,
}

/// Which refusals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusalFilter {
    pub code: Option<String>,
    /// Refused at or after this.
    pub since: Option<Millis>,
    /// Refused before this.
    pub until: Option<Millis>,
    /// Of those whom this activation wants, and those whom nobody wants: others may fill the same target.
    pub wanted_by: Option<ActivationId>,
}

impl RefusalFilter {
    /// From, and up to before.
    #[must_use]
    pub fn range(&self) -> (Millis, Millis) {
        (self.since.unwrap_or(Millis::MIN), self.until.unwrap_or(Millis::MAX))
    }
}

/// One member of a target, as the ledger has it.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    pub profile: ProfileId,
    pub standing: Standing,
    /// Since when the target has this row.
    pub held_at: Option<Millis>,
    /// The activations that want it, as of their last deliveries.
    pub wanted_by: Vec<ActivationId>,
}

// Deliveries.

/// What a delivery is begun with.
#[derive(Debug, Clone)]
pub struct Begin {
    pub delivery: DeliveryId,
    /// The target as the destination knows it.
    pub target: String,
    pub wanted: Wanted,
    /// For a target that keeps its members; without it, all members are queued.
    pub reconcile: Option<Reconcile>,
    pub document: DocumentWrite,
}

/// Whom a delivery's target should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Nobody any more.
    Nobody,
    /// Members of a segment, as its audience stands.
    Members(SegmentId),
    /// These profiles, by number.
    Profiles(Vec<i64>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconcile {
    pub activation: ActivationId,
    /// Changes when rows are made in another way: then every member is looked at again.
    pub mapping: String,
    /// Rows may change although no profile does.
    pub anew: bool,
    /// Nothing is remembered of it but the queue.
    pub dry_run: bool,
    pub now: Millis,
}

/// What a delivery is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Begun {
    /// Members queued.
    pub queued: u64,
    /// Members for whom nothing has to be done.
    pub carried: u64,
    /// Members that the target holds.
    pub held: u64,
}

/// Members of a delivery by what became of them and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeliveryReason")]
pub struct Reason {
    pub status: ItemStatus,
    pub code: String,
    pub members: u64,
}

/// Rows as they were taken, in one batch or, where a destination takes several at once, in some of them: a repeat after a
/// kill sends those that were not answered, in the same batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenBatch {
    /// Of its first part.
    pub number: u32,
    /// How many parts it had when it was taken: as many numbers are used up.
    #[serde(default = "one")]
    pub parts: u32,
    /// Position of the first member taken.
    pub first: u64,
    /// Members taken, the settled ones among them.
    pub taken: u64,
    pub columns: Vec<(String, DataType)>,
    pub rows: Vec<OpenRow>,
    /// When it was first sent; for the wait before a repeat.
    pub opened_at: Millis,
    /// It was sent before, and nobody knows what became of it.
    #[serde(default)]
    pub resent: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenRow {
    pub position: u64,
    pub profile: ProfileId,
    pub operation: Operation,
    pub values: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_id: Option<String>,
    /// Which of the batches that go at once, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub part: u32,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_first(part: &u32) -> bool {
    *part == 0
}

impl OpenBatch {
    /// The batches that it goes in, each with its own number.
    #[must_use]
    pub fn in_parts(&self) -> Vec<Self> {
        let mut rows = BTreeMap::<u32, Vec<OpenRow>>::new();
        for row in &self.rows {
            rows.entry(row.part).or_default().push(row.clone());
        }
        let part = |(part, rows)| Self {
            number: self.number.saturating_add(part),
            parts: 1,
            columns: self.columns.clone(),
            rows,
            ..*self
        };
        rows.into_iter().map(part).collect()
    }

    /// What is left of it once a part is answered.
    #[must_use]
    pub fn without(mut self, part: &Self) -> Self {
        let answered = part.number.saturating_sub(self.number);
        self.rows.retain(|row| row.part != answered);
        self
    }
}

/// A member waiting in a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedMember {
    pub position: u64,
    /// `None`: the profile has gone since.
    pub profile: Option<Profile>,
    pub profile_id: ProfileId,
    /// What the vendor last called the member of this target.
    pub member_id: Option<String>,
    /// False for one that has left.
    pub wanted: bool,
    pub standing: Standing,
    /// The row that was sent last, where that is not settled.
    pub sent: Option<Row>,
}

impl QueuedMember {
    /// The vendor may have it twice: as it was acknowledged, and as it was sent since and never answered. Its name is of the
    /// first.
    #[must_use]
    pub fn may_be_two(&self) -> bool {
        self.standing.unsure.is_some() && self.standing.held.is_some() && self.sent != self.standing.held
    }
}

/// What became of a member in a delivery; the books are kept in these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeliveryItemStatus")]
#[serde(rename_all = "kebab-case")]
pub enum ItemStatus {
    Queued,
    Created,
    Updated,
    Removed,
    Unchanged,
    Excluded,
    Failed,
    Unmatched,
    Pending,
}

impl From<OutcomeStatus> for ItemStatus {
    fn from(status: OutcomeStatus) -> Self {
        match status {
            OutcomeStatus::Created => Self::Created,
            OutcomeStatus::Updated => Self::Updated,
            OutcomeStatus::Removed => Self::Removed,
            OutcomeStatus::Unchanged => Self::Unchanged,
            OutcomeStatus::Unmatched => Self::Unmatched,
            OutcomeStatus::Rejected => Self::Failed,
            OutcomeStatus::Pending => Self::Pending,
        }
    }
}

impl From<RefusalStatus> for ItemStatus {
    fn from(status: RefusalStatus) -> Self {
        match status {
            RefusalStatus::Excluded => Self::Excluded,
            RefusalStatus::Failed => Self::Failed,
            RefusalStatus::Unmatched => Self::Unmatched,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ItemOutcome {
    pub position: u64,
    pub status: ItemStatus,
    /// What the destination answered; `None`: it was not asked.
    pub answer: Option<OutcomeStatus>,
    /// A refusal that may pass by itself.
    pub passes: bool,
    /// What was asked of it, if anything.
    pub operation: Option<Operation>,
    /// It was sent more than once, since nobody knew what became of it before.
    pub resent: bool,
    /// Empty where all is well.
    pub code: String,
    pub field: Option<String>,
    pub message: String,
    /// What the vendor calls the member.
    pub member_id: Option<String>,
}

impl ItemOutcome {
    /// Of a member that is not sent.
    #[must_use]
    pub fn unsent(position: u64, status: ItemStatus, code: String, field: Option<String>, message: String) -> Self {
        Self {
            position,
            status,
            answer: None,
            passes: false,
            operation: None,
            resent: false,
            code,
            field,
            message,
            member_id: None,
        }
    }

    /// Of a member who is to be taken out and is another member as well, by the vendor's name: nothing is sent, and what
    /// the target has is the other one's alone.
    #[must_use]
    pub fn left_to_another(position: u64) -> Self {
        let message = "another member is this one to the destination, and stays".into();
        let unsent = Self::unsent(position, ItemStatus::Unchanged, "member.shared".into(), None, message);
        Self { operation: Some(Operation::Remove), ..unsent }
    }

    #[must_use]
    pub fn is_left_to_another(&self) -> bool {
        self.answer.is_none() && self.operation == Some(Operation::Remove)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub profile: ProfileId,
    pub outcome: ItemOutcome,
}

/// Counts of a delivery's members by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeliveryBooks")]
pub struct Books {
    pub received: u64,
    pub created: u64,
    pub updated: u64,
    pub removed: u64,
    pub unchanged: u64,
    pub excluded: u64,
    pub failed: u64,
    pub unmatched: u64,
    /// Queued, or with the vendor.
    pub pending: u64,
}

impl Books {
    /// What reasons come to.
    #[must_use]
    pub fn of(reasons: &[Reason]) -> Self {
        let mut books = Self::default();
        for Reason { status, code: _, members } in reasons {
            books.received += members;
            *match status {
                ItemStatus::Created => &mut books.created,
                ItemStatus::Updated => &mut books.updated,
                ItemStatus::Removed => &mut books.removed,
                ItemStatus::Unchanged => &mut books.unchanged,
                ItemStatus::Excluded => &mut books.excluded,
                ItemStatus::Failed => &mut books.failed,
                ItemStatus::Unmatched => &mut books.unmatched,
                ItemStatus::Queued | ItemStatus::Pending => &mut books.pending,
            } += members;
        }
        books
    }

    /// These and others, together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            created: self.created + other.created,
            updated: self.updated + other.updated,
            removed: self.removed + other.removed,
            unchanged: self.unchanged + other.unchanged,
            excluded: self.excluded + other.excluded,
            failed: self.failed + other.failed,
            unmatched: self.unmatched + other.unmatched,
            pending: self.pending + other.pending,
        }
    }

    /// What reached the destination.
    #[must_use]
    pub fn activated(&self) -> u64 {
        self.created + self.updated + self.removed
    }

    /// Whether every member received is accounted for.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.received == self.activated() + self.unchanged + self.excluded + self.failed + self.unmatched + self.pending
    }
}
