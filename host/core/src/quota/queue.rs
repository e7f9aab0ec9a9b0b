//! Who is next: whoever is in more of a hurry, among these the organisation and then the connection that was served
//! least; and now and then whoever has waited longest, so that nobody waits for ever.

use super::Priority;
use std::collections::BTreeMap;

/// Whoever has waited for so long comes before everybody else, though not more often than one call in [`AGED_EVERY`].
pub(super) const AGED_MS: u64 = 60_000;
const AGED_EVERY: u32 = 4;

/// Who calls: connections share a budget as their organisations do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct User {
    pub organisation: String,
    /// A connection, by a name that is its own across organisations.
    pub connection: String,
    /// What it is connected with, and the stream that is read; `None`: it is about no stream.
    pub plugin: String,
    pub stream: Option<String>,
}

/// A call that waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) user: User,
    pub(super) priority: Priority,
    since: u64,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Vec<Waiting>,
    organisations: Served,
    connections: Served,
    /// Calls that began since one that had waited longest.
    since_aged: u32,
    last: u64,
}

/// How much each was served. One that comes anew begins where the others are, and owes nothing and is owed nothing.
#[derive(Debug, Default)]
struct Served {
    calls: BTreeMap<String, u64>,
    floor: u64,
}

impl Served {
    fn of(&self, name: &str) -> u64 {
        self.calls.get(name).copied().unwrap_or(0).max(self.floor)
    }

    fn serve(&mut self, name: &str) {
        let before = self.of(name);
        self.floor = self.floor.max(before);
        let floor = self.floor;
        self.calls.retain(|_, calls| *calls > floor);
        self.calls.insert(name.to_owned(), before + 1);
    }
}

impl Queue {
    pub(super) fn enter(&mut self, user: User, priority: Priority, now: u64) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        self.waiting.push(Waiting { ticket, user, priority, since: now });
        ticket
    }

    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Waiting> {
        let at = self.waiting.iter().position(|waiting| waiting.ticket == ticket)?;
        Some(self.waiting.remove(at))
    }

    /// Takes the one out that begins.
    pub(super) fn begin(&mut self, ticket: Ticket, is_aged: bool) -> Option<Waiting> {
        let begun = self.leave(ticket)?;
        self.organisations.serve(&begun.user.organisation);
        self.connections.serve(&begun.user.connection);
        self.since_aged = if is_aged { 0 } else { self.since_aged.saturating_add(1) };
        Some(begun)
    }

    /// Those who wait, the next one first, each with whether it is its age that brought it there.
    pub(super) fn order(&self, now: u64) -> Vec<(&Waiting, bool)> {
        let mut order: Vec<&Waiting> = self.waiting.iter().collect();
        let served = |waiting: &Waiting| {
            let User { organisation, connection, .. } = &waiting.user;
            (self.organisations.of(organisation), self.connections.of(connection))
        };
        order.sort_by_key(|waiting| (waiting.priority, served(waiting), waiting.since, waiting.ticket));
        let oldest = order.iter().copied().min_by_key(|waiting| (waiting.since, waiting.ticket));
        let aged = oldest.filter(|oldest| {
            now.saturating_sub(oldest.since) >= AGED_MS && self.since_aged.saturating_add(1) >= AGED_EVERY
        });
        let others = order.iter().copied().filter(|waiting| aged.is_none_or(|aged| aged.ticket != waiting.ticket));
        aged.into_iter().map(|aged| (aged, true)).chain(others.map(|waiting| (waiting, false))).collect()
    }

    pub(super) fn count(&self, priority: Priority) -> usize {
        self.waiting.iter().filter(|waiting| waiting.priority == priority).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{Backfill, Interactive, Streaming};

    fn user(organisation: &str, connection: &str) -> User {
        User { organisation: organisation.into(), connection: connection.into(), plugin: String::new(), stream: None }
    }

    fn next(queue: &mut Queue, now: u64) -> String {
        let (ticket, is_aged) = queue.order(now).first().map(|(waiting, aged)| (waiting.ticket, *aged)).unwrap();
        queue.begin(ticket, is_aged).unwrap().user.connection
    }

    #[test]
    fn a_hurry_comes_first_and_the_rest_is_shared_alike() {
        let mut queue = Queue::default();
        for _ in 0..6 {
            queue.enter(user("a", "a1"), Backfill, 0);
        }
        for connection in ["b1", "b2", "b1", "b2"] {
            queue.enter(user("b", connection), Backfill, 0);
        }
        queue.enter(user("a", "lookup"), Interactive, 1);
        queue.enter(user("b", "stream"), Streaming, 1);
        let order: Vec<String> = (0..10).map(|_| next(&mut queue, 1)).collect();
        assert_eq!(order, ["lookup", "stream", "a1", "b1", "b2", "a1", "b1", "a1", "b2", "a1"]);
    }

    #[test]
    fn whoever_comes_late_is_owed_nothing() {
        let mut queue = Queue::default();
        for _ in 0..100 {
            queue.enter(user("a", "a"), Streaming, 0);
        }
        for _ in 0..50 {
            next(&mut queue, 0);
        }
        for _ in 0..10 {
            queue.enter(user("b", "b"), Streaming, 0);
        }
        let of_b = (0..10).filter(|_| next(&mut queue, 0) == "b").count();
        assert_eq!(of_b, 5);
        assert!(queue.connections.calls.len() <= 2);
    }

    #[test]
    fn nobody_waits_for_ever_and_a_backlog_is_in_nobodys_way() {
        let mut queue = Queue::default();
        for _ in 0..5 {
            queue.enter(user("a", "old"), Backfill, 0);
        }
        let mut order = Vec::new();
        for round in 0..12 {
            queue.enter(user("b", "new"), Interactive, AGED_MS + round);
            order.push(next(&mut queue, AGED_MS + round));
        }
        let old: Vec<usize> = order.iter().enumerate().filter(|(_, who)| *who == "old").map(|(i, _)| i).collect();
        assert_eq!(old, [3, 7, 11]);
    }
}
