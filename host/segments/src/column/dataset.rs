//! A sandbox at one moment, as columns and adjacency.

use super::adjacency::{Adjacency, NOBODY, closure};
use super::bits::Bits;
use super::table::Table;
use crate::graph::{Graph, Id};
use attiva_core::Value;
use attiva_expr::{Model, Step};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Tables, how they hang together, and the latest memberships. Rows are numbered from 0, by table.
#[derive(Debug)]
pub struct Dataset {
    pub(super) model: Arc<Model>,
    pub(super) tables: Vec<Table>,
    pub(super) relations: Vec<Relation>,
    pub(super) audiences: BTreeMap<String, Bits>,
    /// Of paths of several steps, made when first asked for.
    pub(super) paths: Mutex<HashMap<Vec<Step>, Arc<Adjacency>>>,
}

#[derive(Debug)]
pub(super) struct Relation {
    /// For each row of the many, the row it names; rows beyond its end name nobody.
    pub(super) one: Vec<u32>,
    pub(super) many: Arc<Adjacency>,
}

impl Relation {
    /// Of `rows` of the many; `there`: how many rows may be named.
    pub(super) fn new(mut one: Vec<u32>, rows: usize, there: usize) -> Self {
        one.truncate(rows);
        one.iter_mut().filter(|name| **name as usize >= there).for_each(|name| *name = NOBODY);
        // Of twenty million events most relations are empty: those take nothing.
        one.truncate(one.iter().rposition(|name| *name != NOBODY).map_or(0, |last| last + 1));
        one.shrink_to_fit();
        Self { many: Arc::new(Adjacency::inverse(&one, there)), one }
    }
}

/// Puts a dataset together.
#[derive(Debug)]
pub struct DatasetBuilder {
    model: Arc<Model>,
    tables: Vec<Table>,
    relations: Vec<Vec<u32>>,
    audiences: BTreeMap<String, Bits>,
}

impl DatasetBuilder {
    #[must_use]
    pub fn new(model: Arc<Model>) -> Self {
        let tables = model.entities.iter().map(|entity| Table::new(0, entity.fields.len())).collect();
        let relations = vec![Vec::new(); model.relations.len()];
        Self { model, tables, relations, audiences: BTreeMap::new() }
    }

    /// Nothing happens for an entity there is not.
    pub fn table(&mut self, entity: usize, table: Table) {
        if let Some(place) = self.tables.get_mut(entity) {
            *place = table;
        }
    }

    /// For each row of the relation's many, the row it names; what is no row there is nobody. Where the rows are in the
    /// order of those they name, as events by person, it takes less and goes faster.
    pub fn relation(&mut self, relation: usize, names: Vec<u32>) {
        if let Some(place) = self.relations.get_mut(relation) {
            *place = names;
        }
    }

    /// The latest members of an audience.
    pub fn audience(&mut self, id: &str, members: Bits) {
        self.audiences.insert(id.to_owned(), members);
    }

    #[must_use]
    pub fn finish(self) -> Dataset {
        let rows = |entity: usize| self.tables.get(entity).map_or(0, Table::rows);
        let relations = self
            .model
            .relations
            .iter()
            .zip(self.relations)
            .map(|(relation, one)| Relation::new(one, rows(relation.from), rows(relation.to)));
        let relations = relations.collect();
        Dataset {
            model: self.model,
            tables: self.tables,
            relations,
            audiences: self.audiences,
            paths: Mutex::default(),
        }
    }
}

impl Dataset {
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    #[must_use]
    pub fn rows(&self, entity: usize) -> usize {
        self.tables.get(entity).map_or(0, Table::rows)
    }

    /// Whether the rows of a relation's many are in the order of those they name, and each names one.
    #[must_use]
    pub fn is_clustered(&self, relation: usize) -> bool {
        let rows = self.model.relations.get(relation).map_or(0, |kept| self.rows(kept.from));
        self.relations.get(relation).is_some_and(|kept| kept.many.is_in_order() && kept.one.len() == rows)
    }

    /// The row that a row of a relation's many names.
    #[must_use]
    pub fn named(&self, relation: usize, row: usize) -> Option<usize> {
        let name = self.relations.get(relation)?.one.get(row)?;
        (*name != NOBODY).then_some(*name as usize)
    }

    /// The rows of a relation's many that name a row, ascending.
    pub fn named_by(&self, relation: usize, row: usize) -> impl Iterator<Item = usize> {
        self.relations.get(relation).into_iter().flat_map(move |kept| kept.many.list(row))
    }

    /// Replaces what is known of an audience.
    pub fn put_audience(&mut self, id: &str, members: Bits) {
        self.audiences.insert(id.to_owned(), members);
    }

    /// Nothing is known of an audience any more.
    pub fn drop_audience(&mut self, id: &str) {
        self.audiences.remove(id);
    }

    /// Memory, about: of columns, of adjacency.
    #[must_use]
    pub fn bytes(&self) -> (usize, usize) {
        let relations = self.relations.iter().map(|relation| relation.one.len() * 4 + relation.many.bytes());
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let paths: usize = paths.values().map(|adjacency| adjacency.bytes()).sum();
        (self.tables.iter().map(Table::bytes).sum(), relations.sum::<usize>() + paths)
    }

    pub(crate) fn table(&self, entity: usize) -> Option<&Table> {
        self.tables.get(entity)
    }

    pub(crate) fn members(&self, audience: &str) -> Option<&Bits> {
        self.audiences.get(audience)
    }

    /// The entity a step leads to, of the one it starts from.
    pub(crate) fn leads_to(&self, step: Step) -> usize {
        let relation = |number: usize| &self.model.relations[number];
        match step {
            Step::One(number) => relation(number).to,
            Step::Many(number) => relation(number).from,
            Step::Ancestors(number) | Step::Descendants(number) => relation(number).to,
        }
    }

    pub(crate) fn starts_at(&self, step: Step) -> usize {
        let relation = |number: usize| &self.model.relations[number];
        match step {
            Step::One(number) => relation(number).from,
            Step::Many(number) | Step::Ancestors(number) | Step::Descendants(number) => relation(number).to,
        }
    }

    /// For each row of the many, the row it names; rows beyond its end name nobody.
    pub(crate) fn one(&self, relation: usize) -> &[u32] {
        &self.relations[relation].one
    }

    /// Whether going a path from every row looks at no more than so many records. Closures count with what they are most.
    pub(crate) fn affords(&self, steps: &[Step], looks_max: u64) -> bool {
        // One step of a relation is there already, and as long as the relation.
        if looks_max == u64::MAX || matches!(steps, [Step::One(_) | Step::Many(_)]) {
            return true;
        }
        if self.paths.lock().unwrap_or_else(PoisonError::into_inner).contains_key(steps) {
            return true;
        }
        // How many records each row leads to by the rest of the path, from its end.
        let mut reach: Option<Vec<u64>> = None;
        for step in steps.iter().rev() {
            let of = |row: u32| reach.as_ref().map_or(1, |reach| reach.get(row as usize).copied().unwrap_or(0));
            let sum = |rows: &[u32]| rows.iter().fold(0_u64, |sum, row| sum.saturating_add(of(*row).saturating_add(1)));
            let mut found = Vec::new();
            let mut total = 0_u64;
            let mut here = Vec::with_capacity(self.rows(self.starts_at(*step)));
            for row in 0..self.rows(self.starts_at(*step)) {
                found.clear();
                self.follow(*step, row, &mut found);
                here.push(sum(&found));
                total = total.saturating_add(found.len() as u64);
                if total > looks_max {
                    return false;
                }
            }
            reach = Some(here);
        }
        reach.is_none_or(|reach| reach.iter().fold(0_u64, |sum, own| sum.saturating_add(*own)) <= looks_max)
    }

    /// What a path leads to from each row, each once.
    pub(crate) fn path(&self, steps: &[Step]) -> Arc<Adjacency> {
        if let [Step::Many(relation)] = steps {
            return Arc::clone(&self.relations[*relation].many);
        }
        let known = |paths: &HashMap<Vec<Step>, Arc<Adjacency>>| paths.get(steps).cloned();
        let lock = || self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = known(&lock()) {
            return path;
        }
        // Made without the lock, so that others are not held up; who was first, wins.
        let made = Arc::new(self.make_path(steps));
        Arc::clone(lock().entry(steps.to_vec()).or_insert(made))
    }

    fn make_path(&self, steps: &[Step]) -> Adjacency {
        let Some(first) = steps.first() else { return Adjacency::default() };
        let mut seen = vec![NOBODY; self.rows(self.leads_to(*steps.last().unwrap_or(first)))];
        let mut at = Vec::new();
        Adjacency::of(self.rows(self.starts_at(*first)), |row, list| {
            let start = u32::try_from(row).unwrap_or(NOBODY);
            at.clear();
            at.push(start);
            for step in steps {
                list.clear();
                for from in &at {
                    self.follow(*step, *from as usize, list);
                }
                std::mem::swap(&mut at, list);
            }
            list.clear();
            // Each once: a row is marked by whose list it is in.
            list.extend(at.iter().copied().filter(|item| std::mem::replace(&mut seen[*item as usize], start) != start));
            list.sort_unstable();
        })
    }

    fn follow(&self, step: Step, from: usize, found: &mut Vec<u32>) {
        let number = |row: usize| u32::try_from(row).unwrap_or(NOBODY);
        match step {
            Step::One(relation) => found.extend(self.relations[relation].one.get(from).filter(|to| **to != NOBODY)),
            Step::Many(relation) => found.extend(self.relations[relation].many.list(from).map(number)),
            Step::Ancestors(relation) => {
                let one = &self.relations[relation].one;
                let mut own = Vec::new();
                closure(from, &mut own, |at, visit| {
                    if let Some(to) = one.get(at).filter(|to| **to != NOBODY) {
                        visit(*to as usize);
                    }
                });
                found.append(&mut own);
            }
            Step::Descendants(relation) => {
                let many = &self.relations[relation].many;
                let mut own = Vec::new();
                closure(from, &mut own, |at, visit| many.list(at).for_each(&mut *visit));
                found.append(&mut own);
            }
        }
    }
}

/// For single evaluations: what columns cannot say in one go, they say row by row.
impl Graph for Dataset {
    fn row(&self, entity: usize, id: Id) -> Cow<'_, [Value]> {
        let Some(table) = self.tables.get(entity) else { return Cow::Borrowed(&[]) };
        let row = usize::try_from(id).unwrap_or(usize::MAX);
        let value = |column: &Option<Arc<super::Column>>| {
            column.as_ref().filter(|_| row < table.rows).and_then(|column| column.value(row)).unwrap_or(Value::Null)
        };
        Cow::Owned(table.columns.iter().map(value).collect())
    }

    fn step(&self, step: Step, id: Id) -> Cow<'_, [Id]> {
        let mut found = Vec::new();
        if let Ok(row) = usize::try_from(id) {
            self.follow(step, row, &mut found);
        }
        Cow::Owned(found.into_iter().map(Id::from).collect())
    }

    fn is_member(&self, audience: &str, id: Id) -> Option<bool> {
        let members = self.audiences.get(audience)?;
        Some(usize::try_from(id).is_ok_and(|row| members.get(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_nobody_takes_no_memory_and_leads_nowhere() {
        let entity = |name: &str| attiva_expr::Entity { name: name.into(), fields: Vec::new(), links: Vec::new() };
        let relation = |name: &str| attiva_expr::Relation { name: name.into(), from: 0, to: 1 };
        let model =
            Model { entities: ["event", "person"].map(entity).into(), relations: ["a", "b", "c"].map(relation).into() };
        let mut builder = DatasetBuilder::new(Arc::new(model));
        builder.table(0, Table::new(1_000, 0));
        builder.table(1, Table::new(3, 0));
        builder.relation(1, vec![2, NOBODY, 7]);
        builder.relation(2, vec![NOBODY; 1_000]);
        let data = builder.finish();
        assert_eq!([0, 1, 2].map(|relation| data.one(relation).len()), [0, 1, 0]);
        assert_eq!(data.bytes().1, 4 + 3 * (4 * 4), "a name, and three lists of offsets");
        for relation in 0..3 {
            let lists: Vec<Vec<usize>> = (0..3).map(|row| data.relations[relation].many.list(row).collect()).collect();
            let expected: Vec<usize> = if relation == 1 { vec![0] } else { vec![] };
            assert_eq!(lists, [vec![], vec![], expected]);
            let there = super::super::reduce::reaches(&data, &[Step::One(relation)], &Bits::all(3));
            assert_eq!(there.rows().collect::<Vec<_>>(), if relation == 1 { vec![0] } else { vec![] });
            let here = super::super::reduce::reaches(&data, &[Step::Many(relation)], &Bits::all(1_000));
            assert_eq!(here.rows().collect::<Vec<_>>(), if relation == 1 { vec![2] } else { vec![] });
        }
    }
}
