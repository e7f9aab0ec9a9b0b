//! Persons and the accounts that they are at, where these are but a way between the two: pairs, each of a record that
//! names the account, or of a match.

use super::columns::Loaded;
use super::links::{Kept, Links};
use attiva_core::model::{EntityKind, EntityName};
use attiva_segments::column::{Refresh, Rows, Table};
use std::collections::BTreeSet;

/// The relation of a person's records to persons, or to accounts.
pub(super) fn relation_of_components(links: &Links, to: &EntityName) -> Option<usize> {
    let leads = |number: &usize| {
        let kept = &links.relations[*number];
        links.kept(kept.from) == Kept::Component && links.name(kept.to) == to
    };
    (0..links.relations.len()).find(leads)
}

/// What has changed of them.
pub(super) struct PairChanges {
    entity: usize,
    persons: usize,
    /// The relations of a pair: to its person, to its account.
    to_person: Option<usize>,
    to_account: Option<usize>,
    /// Rows of before that are no more.
    removed: BTreeSet<usize>,
    /// A person, an account, and whether it is a match.
    told: Vec<(i64, i64, bool)>,
}

impl PairChanges {
    pub(super) fn new(links: &Links) -> Self {
        Self {
            entity: links.entity(EntityKind::PersonComponent),
            persons: links.entity(EntityKind::Person),
            to_person: relation_of_components(links, &EntityName::PERSON),
            to_account: relation_of_components(links, &EntityName::ACCOUNT),
            removed: BTreeSet::new(),
            told: Vec::new(),
        }
    }

    pub(super) fn told(&self) -> u64 {
        self.told.len() as u64
    }

    /// Persons who were at an account, by its row: ascending, each once.
    pub(super) fn persons_at(&self, before: &Loaded, account: usize, is_matched: bool) -> Vec<i64> {
        let pairs = self.to_account.into_iter().flat_map(|relation| before.dataset.named_by(relation, account));
        let person = |pair: usize| {
            let row = before.dataset.named(self.to_person?, pair)?;
            before.numbers[self.persons].get(row).copied()
        };
        let persons: BTreeSet<i64> =
            pairs.filter(|pair| before.matched.get(*pair) == Some(&is_matched)).filter_map(person).collect();
        persons.into_iter().collect()
    }

    /// A person who is no more.
    pub(super) fn forget(&mut self, before: &Loaded, person: i64) {
        [true, false].into_iter().for_each(|is_matched| self.tell_anew(before, person, is_matched));
    }

    /// All pairs of a person that are matches, or none of which is, follow.
    pub(super) fn tell_anew(&mut self, before: &Loaded, person: i64, is_matched: bool) {
        let row = before.numbers[self.persons].binary_search(&person).ok();
        let pairs =
            self.to_person.zip(row).into_iter().flat_map(|(relation, row)| before.dataset.named_by(relation, row));
        self.removed.extend(pairs.filter(|pair| before.matched.get(*pair) == Some(&is_matched)));
    }

    pub(super) fn add(&mut self, person: i64, account: i64, is_matched: bool) {
        self.told.push((person, account, is_matched));
    }

    /// Answers, by pair, whether it is a match. `person` and `account`: their rows as they are to be.
    pub(super) fn apply(
        self,
        refresh: &mut Refresh,
        matched: Vec<bool>,
        person: impl Fn(i64) -> u32,
        account: impl Fn(i64) -> u32,
    ) -> Vec<bool> {
        if self.removed.is_empty() && self.told.is_empty() {
            return matched;
        }
        let mut rows = Rows::new();
        let mut from = 0;
        for removed in self.removed {
            rows.keep(from, removed);
            from = removed + 1;
        }
        rows.keep(from, matched.len());
        let first = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        rows.add(self.told.len());
        let flags: Vec<bool> = self.told.iter().map(|(.., is_matched)| *is_matched).collect();
        let matched = rows.spliced(&matched, &flags);
        if let (Some(to_person), Some(to_account)) = (self.to_person, self.to_account) {
            refresh.names(to_person, (first..).zip(&self.told).map(|(row, (of, ..))| (row, person(*of))));
            refresh.names(to_account, (first..).zip(&self.told).map(|(row, (_, at, _))| (row, account(*at))));
        }
        let fields = refresh.before().model().entities[self.entity].fields.len();
        refresh.rows(self.entity, rows, Table::new(self.told.len(), fields));
        matched
    }
}
