//! A dataset as it is after changes: what has not changed is taken over, and of what has, the rows that are told take
//! the place of those of before.
//!
//! Tables stay flat, since evaluations go over them much more often than they change: a table of which one row is told
//! is copied as memory is, in runs, and a table of which none is told is not touched.

use super::adjacency::NOBODY;
use super::bits::Bits;
use super::dataset::{Dataset, Relation};
use super::rows::{Rows, Run};
use super::splice;
use super::table::Table;
use attiva_expr::Step;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

/// Changes of a dataset, so far.
#[derive(Debug)]
pub struct Refresh {
    data: Dataset,
    /// By entity, with the rows that are told.
    tables: BTreeMap<usize, (Rows, Table)>,
    /// By relation: rows as they are to be, and whom they name, as those are to be.
    named: BTreeMap<usize, Vec<(u32, u32)>>,
}

impl Refresh {
    #[must_use]
    pub fn new(data: Dataset) -> Self {
        Self { data, tables: BTreeMap::new(), named: BTreeMap::new() }
    }

    /// Whether it costs less to look up what has changed than to read all rows in their order. What is looked up one by
    /// one costs some times what is read in order; a profile is looked up with all that hangs on it.
    #[must_use]
    pub fn pays(profiles_changed: u64, events_changed: u64, rows: u64) -> bool {
        const PROFILE: u64 = 30;
        const EVENT: u64 = 6;
        profiles_changed.saturating_mul(PROFILE).saturating_add(events_changed.saturating_mul(EVENT)) <= rows
    }

    /// As it was.
    #[must_use]
    pub fn before(&self) -> &Dataset {
        &self.data
    }

    /// The rows of an entity. `told`: the columns of those that are told; a column that is not there is null. Who names a
    /// row that is kept or changed goes on naming it; who names one that is gone names nobody.
    pub fn rows(&mut self, entity: usize, rows: Rows, told: Table) {
        if !rows.are_those_of_before(self.data.rows(entity)) {
            self.tables.insert(entity, (rows, told));
        }
    }

    /// The rows of an entity as they are to be; none: as they are.
    #[must_use]
    pub fn rows_of(&self, entity: usize) -> Option<&Rows> {
        self.tables.get(&entity).map(|(rows, _)| rows)
    }

    /// Who names whom, of rows whose name may be another. Both are numbered as they are to be.
    pub fn names(&mut self, relation: usize, names: impl IntoIterator<Item = (u32, u32)>) {
        let mut names = names.into_iter().peekable();
        if names.peek().is_some() {
            self.named.entry(relation).or_default().extend(names);
        }
    }

    /// Of a relation whose rows are kept by whom they name, as events by person: all but those of before that are
    /// `removed`, and those that are told, of which `named` says whom each names, ascending and as those are to be. To be
    /// called after the rows of these are set. False, and nothing is done: they are not kept so.
    pub fn clustered(&mut self, relation: usize, removed: &Bits, named: &[u32], told: Table) -> bool {
        let Some((from, to)) = self.data.model().relations.get(relation).map(|kept| (kept.from, kept.to)) else {
            return false;
        };
        if !self.data.is_clustered(relation) {
            return false;
        }
        let many = &self.data.relations[relation].many;
        let mut rows = Rows::new();
        let mut next = 0;
        let mut list = |now: u32, was: Option<usize>| {
            let (first, until) = was.map_or((0, 0), |was| many.bounds(was));
            if removed.count_in(first, until) == 0 {
                rows.keep(first, until);
            } else {
                (first..until).filter(|row| !removed.get(*row)).for_each(|row| rows.keep(row, row + 1));
            }
            let own = named[next..].iter().take_while(|name| **name == now).count();
            rows.add(own);
            next += own;
        };
        match self.tables.get(&to) {
            Some((there, _)) => (0..).zip(there.before()).for_each(|(now, was)| list(now, was)),
            None => (0..).zip(0..many.rows()).for_each(|(now, was)| list(now, Some(was))),
        }
        // Who names nobody comes last.
        rows.add(named.len() - next);
        let names: Vec<(u32, u32)> = rows.places_told().into_iter().zip(named.iter().copied()).collect();
        self.names(relation, names);
        self.rows(from, rows, told);
        true
    }

    /// Nothing is known of audiences: their rows may be others.
    #[must_use]
    pub fn finish(self) -> Dataset {
        let Self { data, tables: told, named } = self;
        let Dataset { model, mut tables, relations, paths, .. } = data;
        let mut moved: BTreeMap<usize, Option<Vec<u32>>> = BTreeMap::new();
        for (kept, relation) in model.relations.iter().zip(&relations) {
            if let Some((rows, _)) = told.get(&kept.to).filter(|_| !relation.one.is_empty()) {
                moved.entry(kept.to).or_insert_with(|| rows.moved(tables[kept.to].rows));
            }
        }
        for (entity, (rows, told)) in &told {
            let Some((table, definition)) = tables.get_mut(*entity).zip(model.entities.get(*entity)) else { continue };
            table.rows = rows.len();
            for (slot, place) in table.columns.iter_mut().enumerate() {
                let Some(before) = place.take() else { continue };
                let data_type = definition.fields[slot].data_type;
                let told = told.columns.get(slot).and_then(Option::as_deref);
                // What nobody else reads is not copied before it is.
                let before = Arc::try_unwrap(before).unwrap_or_else(|shared| (*shared).clone());
                *place = Some(Arc::new(splice::column(before, rows, told, data_type)));
            }
        }
        let is_told = |number: &usize| {
            let kept = &model.relations[*number];
            told.contains_key(&kept.from) || told.contains_key(&kept.to) || named.contains_key(number)
        };
        let relations = relations.into_iter().enumerate().map(|(number, relation)| {
            if !is_told(&number) {
                return relation;
            }
            let kept = &model.relations[number];
            let of = told.get(&kept.from).map(|(rows, _)| rows);
            let moved = moved.get(&kept.to).and_then(Option::as_deref);
            let named = named.get(&number).map_or(&[][..], Vec::as_slice);
            let one = renamed(relation.one, of, moved, named, tables[kept.from].rows);
            Relation::new(one, tables[kept.from].rows, tables[kept.to].rows)
        });
        let relations = relations.collect();
        let mut paths = paths;
        paths
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|steps, _| steps.iter().all(|step| !is_told(&relation_of(*step))));
        Dataset { model, tables, relations, audiences: BTreeMap::new(), paths }
    }
}

fn relation_of(step: Step) -> usize {
    match step {
        Step::One(relation) | Step::Many(relation) | Step::Ancestors(relation) | Step::Descendants(relation) => {
            relation
        }
    }
}

/// For each row of a relation's many, the row it names. `of`: where they stand now; `moved`: where those they name do.
fn renamed(one: Vec<u32>, of: Option<&Rows>, moved: Option<&[u32]>, named: &[(u32, u32)], rows: usize) -> Vec<u32> {
    if one.is_empty() && named.is_empty() {
        return one;
    }
    let mut names = match (of, moved) {
        (None, None) => one,
        _ => {
            let name = |was: u32| match moved {
                None => was,
                Some(moved) => moved.get(was as usize).copied().unwrap_or(NOBODY),
            };
            let mut names = Vec::with_capacity(rows);
            let mut keep = |from: usize, until: usize| {
                let known = one.len();
                names.extend(one[from.min(known)..until.min(known)].iter().map(|was| name(*was)));
                let past = until.saturating_sub(from.max(known));
                names.extend(std::iter::repeat_n(NOBODY, past));
                // Those that are told name nobody yet.
            };
            match of {
                None => keep(0, one.len()),
                Some(of) => {
                    for run in of.runs() {
                        match *run {
                            Run::Kept { from, len } => keep(from, from + len),
                            Run::Changed { was } => keep(was, was + 1),
                            Run::Told { len } => keep(one.len(), one.len() + len),
                        }
                    }
                }
            }
            names
        }
    };
    if !named.is_empty() {
        names.resize(rows, NOBODY);
        for (row, name) in named {
            if let Some(place) = names.get_mut(*row as usize) {
                *place = *name;
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_much_is_read_as_a_whole() {
        for (profiles, events, rows, pays) in [
            (0, 0, 0, true),
            (1, 0, 29, false),
            (1, 0, 30, true),
            (10_000, 0, 1_000_000, true),
            (10_000, 200_000, 21_000_000, true),
            (500_000, 0, 1_000_000, false),
            (0, 20_000_000, 21_000_000, false),
            (u64::MAX, u64::MAX, u64::MAX - 1, false),
        ] {
            assert_eq!(Refresh::pays(profiles, events, rows), pays, "{profiles} and {events} of {rows}");
        }
    }
}
