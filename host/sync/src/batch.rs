//! The next batch of a delivery: what is to be done about each member, and who of them goes together.

use crate::delivery_run::Work;
use crate::engine::Inner;
use crate::export::{Beside, ExportMapping};
use crate::namesakes::Namesakes;
use attiva_core::delivery::Delivery;
use attiva_core::ledger::{self, Decision, Desired, Row, Why};
use attiva_core::page::Operation;
use attiva_core::ports::store::{ItemOutcome, ItemStatus, OpenBatch, OpenRow, QueuedMember};
use attiva_core::spec::DeliverySpec;
use attiva_core::{Fault, Millis, Value};
use std::collections::HashMap;

/// What is to be done about a member.
pub(crate) enum Next {
    Send(Operation, Row),
    /// Nothing is sent; what it is, and why.
    Settle(ItemStatus, Option<Why>),
}

/// Decides about a member; `beside`: what is known of it; `refused`: why it must not be sent.
fn next(mapping: &ExportMapping, member: &QueuedMember, beside: Beside, refused: Option<Why>, now: Millis) -> Next {
    let desired = desired(mapping, member, beside, refused, now);
    match ledger::decide(&desired, &member.standing, now) {
        Decision::Send(operation) => {
            let row = match (operation, desired) {
                (Operation::Upsert, Desired::Row(row)) => unanswered(member).unwrap_or(row),
                // What the vendor was last told of it, heard or not: what it is now may not lead to it.
                _ => member.sent.clone().or_else(|| member.standing.held.clone()).unwrap_or_default(),
            };
            Next::Send(operation, row)
        }
        Decision::Unchanged => Next::Settle(ItemStatus::Unchanged, None),
        Decision::Kept(why) => Next::Settle(why.status.into(), Some(why)),
    }
}

/// A row that was sent and never answered is sent as it was, whatever the member is by now: it may be there, and by another
/// address nobody would find it again. What has changed since is a difference to what is acknowledged then.
fn unanswered(member: &QueuedMember) -> Option<Row> {
    member.sent.clone().filter(|_| member.standing.unsure == Some(Operation::Upsert))
}

fn desired(
    mapping: &ExportMapping,
    member: &QueuedMember,
    beside: Beside,
    refused: Option<Why>,
    now: Millis,
) -> Desired {
    if !member.wanted {
        return Desired::Unwanted;
    }
    let Some(profile) = &member.profile else {
        return Desired::Excluded(Why::excluded("profile.gone", None, "the profile is no more"));
    };
    if let Some(why) = refused {
        return Desired::Excluded(why);
    }
    match mapping.row(&profile.attributes, beside, now) {
        Ok(row) => Desired::Row(row),
        Err(why) => Desired::Excluded(why),
    }
}

/// What is to become of each of several members.
pub(crate) fn decided(
    inner: &Inner,
    work: &Work,
    members: Vec<QueuedMember>,
    now: Millis,
) -> Result<Vec<(QueuedMember, Next)>, Fault> {
    let refused = work.gate.ask(inner.store.as_ref(), &members)?;
    let beside = work.mapping.beside(inner.store.as_ref(), &work.segment, &members, now)?;
    let decide = |((member, refused), beside)| {
        let next = next(&work.mapping, &member, beside, refused, now);
        (member, next)
    };
    Ok(members.into_iter().zip(refused).zip(beside).map(decide).collect())
}

/// What is next in a delivery.
pub(crate) enum Taken {
    Batch(OpenBatch),
    Nobody,
    /// A row is to be sent after all, and the target is not prepared.
    NotPrepared,
}

/// Takes the next members, and keeps what will be sent of them before it is sent. What is taken has one operation, so that
/// a destination may do its rows in any order; where it takes several batches at once, they are taken together.
pub(crate) async fn take(inner: &Inner, delivery: &Delivery, work: &Work) -> Result<Taken, Fault> {
    let part_rows = delivery.batch_rows_max.unwrap_or(u64::MAX).min(u64::from(work.spec.batch_rows)).max(1);
    let most = part_rows.saturating_mul(u64::from(delivery.batches_at_once(&work.spec)));
    let members = inner.store.queued(&delivery.id, delivery.position, usize::try_from(most).unwrap_or(usize::MAX))?;
    let Some(last) = members.last().map(|member| member.position) else { return Ok(Taken::Nobody) };
    let now = inner.clock.now();
    let decided = decided(inner, work, members, now)?;
    let mut namesakes = Namesakes::default();
    let sent = decided.iter().filter(|(_, next)| matches!(next, Next::Send(..)));
    namesakes.read(inner.store.as_ref(), delivery, sent.map(|(member, _)| member))?;
    let (mut rows, mut settled, mut left) = (Vec::<OpenRow>::new(), Vec::new(), None);
    let mut apart = Apart::new(&work.spec);
    for (member, next) in decided {
        match next {
            // From the first on that has to wait, all do: what is on its way is a range of positions.
            Next::Send(..) if left.is_some() => {}
            Next::Send(Operation::Remove, _) if namesakes.keep(&member) => {
                settled.push(ItemOutcome::left_to_another(member.position));
            }
            Next::Send(..) if delivery.quiet => return Ok(Taken::NotPrepared),
            Next::Send(operation, _) if rows.first().is_some_and(|first| first.operation != operation) => {
                left = Some(member.position);
            }
            Next::Send(operation, mut row) => {
                let part = u32::try_from(rows.len() as u64 / part_rows).unwrap_or(u32::MAX);
                if !apart.may_go(part, &row, member.member_id.as_deref()) {
                    left = Some(member.position);
                    continue;
                }
                let columns = work.mapping.columns();
                let values = columns.iter().map(|(name, _)| row.remove(name).unwrap_or(Value::Null)).collect();
                let keeps_name = match operation {
                    // Without the name of before, nobody is taken out for this one, whoever it is now.
                    Operation::Upsert => !namesakes.leaves_to_another(&member),
                    // What was sent of it last goes first; by its name goes what was there before.
                    Operation::Remove => !member.may_be_two(),
                };
                let QueuedMember { position, profile_id, member_id, .. } = member;
                let member_id = member_id.filter(|_| keeps_name);
                rows.push(OpenRow { position, profile: profile_id, operation, values, member_id, part });
            }
            Next::Settle(status, why) => settled.push(outcome(member.position, status, why)),
        }
    }
    let batch = OpenBatch {
        number: delivery.batch,
        parts: rows.last().map_or(0, |row| row.part + 1),
        first: delivery.position,
        taken: left.unwrap_or(last + 1) - delivery.position,
        columns: work.mapping.columns(),
        rows,
        opened_at: now,
        resent: false,
    };
    inner.store.open_batch(&delivery.id, batch.clone(), settled).await?;
    Ok(Taken::Batch(batch))
}

/// Keeps rows apart that may be one member at the vendor: batches that go at once have none of another one's.
struct Apart<'a> {
    keys: &'a [String],
    /// In which part a key is.
    parts: HashMap<(&'a str, String), u32>,
}

impl<'a> Apart<'a> {
    fn new(spec: &'a DeliverySpec) -> Self {
        Self { keys: spec.at_once.as_ref().map_or(&[], |at_once| &at_once.keys), parts: HashMap::new() }
    }

    /// Whether a row may be in this part; if so, it is.
    fn may_go(&mut self, part: u32, row: &Row, member_id: Option<&str>) -> bool {
        let mut names: Vec<(&str, String)> = member_id.map(|id| ("", id.to_owned())).into_iter().collect();
        for key in self.keys {
            names.extend(row.get(key).into_iter().flat_map(texts).map(|text| (key.as_str(), text)));
        }
        if names.iter().any(|name| self.parts.get(name).is_some_and(|of| *of != part)) {
            return false;
        }
        self.parts.extend(names.into_iter().map(|name| (name, part)));
        true
    }
}

/// What a vendor may compare by: neither case nor spaces around it tell two members apart for sure.
fn texts(value: &Value) -> Vec<String> {
    let plain = |text: &str| text.trim().to_lowercase();
    match value {
        Value::Null => Vec::new(),
        Value::Text(text) => vec![plain(text)],
        Value::TextList(texts) => texts.iter().map(|text| plain(text)).collect(),
        other => vec![format!("{other:?}")],
    }
}

fn outcome(position: u64, status: ItemStatus, why: Option<Why>) -> ItemOutcome {
    match why {
        Some(Why { status: _, code, field, message }) => ItemOutcome::unsent(position, status, code, field, message),
        None => ItemOutcome::unsent(position, status, String::new(), None, String::new()),
    }
}
