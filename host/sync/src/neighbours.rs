//! Records as the identity graph sees them: mapped, with what names each, loaded when they are first asked for.

use crate::ahead::Footprint;
use crate::field_errors::{FieldErrors, NAME, TRIMMED, VALUE};
use crate::mapping::StreamMapping;
use crate::policies::Policies;
use crate::profiles::Mappings;
use attiva_core::id::ProfileId;
use attiva_core::identity::{self, Ask, Changed, Claim, ClaimReader, Graph, Identity, Neighbourhood, Node, Rules};
use attiva_core::merge::MappedRecord;
use attiva_core::model::{EntityName, Layout};
use attiva_core::ports::store::{FieldError, SandboxStore, StoredRecord};
use attiva_core::record::Presence;
use attiva_core::{Fault, Millis, Value};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A record that was loaded.
pub(crate) struct Entry {
    pub(crate) stored: StoredRecord,
    pub(crate) mapped: MappedRecord,
    /// What names it now; empty if it is gone.
    pub(crate) claims: Vec<Claim>,
    /// It was said to have changed.
    asked_for: bool,
    /// It is decided about from what is noted of it: what it was named by, and who shared a profile with it.
    pub(crate) changed: bool,
}

impl Entry {
    /// `None`: the record is gone.
    fn node(&self, layout: &Layout) -> Option<Node<ProfileId>> {
        (!self.claims.is_empty()).then(|| Node {
            source_key: self.stored.source_key.clone(),
            at: created(layout, &self.mapped),
            claims: self.claims.clone(),
            profile: self.stored.profile.clone(),
            level: self.stored.level,
        })
    }
}

/// When the record came into being at its source, as far as that is known.
pub(crate) fn created(layout: &Layout, mapped: &MappedRecord) -> Millis {
    match layout.slot("created_date").and_then(|slot| mapped.row.get(slot)) {
        Some(Value::Timestamp(at)) => *at,
        _ => 0,
    }
}

/// The records of one entity in one step.
pub(crate) struct Records<'a> {
    layout: &'a Layout,
    store: &'a dyn SandboxStore,
    mappings: Mappings<'a>,
    reader: &'a ClaimReader,
    list_items_max: usize,
    now: Millis,
    entries: Vec<Entry>,
    by_number: HashMap<i64, usize>,
    by_key: HashMap<String, usize>,
    /// Those before this were changed, or were compared with what is noted of them.
    compared: usize,
    errors: FieldErrors,
    rests_on: Footprint,
    /// Names that records which changed carried until now, or carry from now on.
    renamed: Footprint,
}

impl<'a> Records<'a> {
    pub(crate) fn new(
        store: &'a dyn SandboxStore,
        mappings: Mappings<'a>,
        policies: &'a Policies,
        now: Millis,
    ) -> Self {
        Self {
            layout: &policies.layout,
            store,
            mappings,
            reader: &policies.reader,
            list_items_max: policies.list_items_max,
            now,
            entries: Vec::new(),
            by_number: HashMap::new(),
            by_key: HashMap::new(),
            compared: 0,
            errors: FieldErrors::default(),
            rests_on: Footprint::default(),
            renamed: Footprint::default(),
        }
    }

    /// What is to be divided anew because of the records that changed.
    ///
    /// # Errors
    /// The store's, and mappings' that cannot be had.
    pub(crate) fn reach(
        &mut self,
        stored: Vec<StoredRecord>,
        rules: &Rules,
    ) -> Result<Neighbourhood<ProfileId>, Fault> {
        self.take(stored, true)?;
        let mut starts = BTreeSet::from_iter(0..self.entries.len());
        loop {
            starts.extend(self.load_profiles()?);
            self.compared = self.entries.len();
            let changed = self.changes(&starts)?;
            self.note_names(&changed);
            let reached = identity::reach(self, changed, rules)?;
            let overtaken = self.overtaken()?;
            if overtaken.is_empty() {
                return Ok(reached);
            }
            starts.extend(overtaken);
        }
    }

    /// Each with what is noted of it.
    fn changes(&self, starts: &BTreeSet<usize>) -> Result<Vec<Changed<ProfileId>>, Fault> {
        let entries: Vec<&Entry> = starts.iter().filter_map(|i| self.entries.get(*i)).collect();
        let change = |(entry, before): (&&Entry, Vec<Identity>)| Changed {
            source_key: entry.stored.source_key.clone(),
            before,
            profile: entry.stored.profile.clone(),
            now: entry.node(self.layout),
        };
        Ok(entries.iter().zip(self.noted(&entries)?).map(change).collect())
    }

    fn note_names(&mut self, changed: &[Changed<ProfileId>]) {
        let entity = self.layout.entity();
        for change in changed {
            let now = change.now.iter().flat_map(|node| &node.claims).map(|claim| &claim.identity);
            now.chain(&change.before).for_each(|name| self.renamed.name(entity, name));
        }
    }

    /// What was decided of these records rests on, and the names that it changes.
    pub(crate) fn take_footprints(&mut self) -> (Footprint, Footprint) {
        for entry in &self.entries {
            self.rests_on.record(entry.stored.number);
            entry.stored.profile.iter().for_each(|profile| self.rests_on.profile(profile));
        }
        (std::mem::take(&mut self.rests_on), std::mem::take(&mut self.renamed))
    }

    /// A profile of this id was asked for.
    pub(crate) fn rests_on_profile(&mut self, id: &ProfileId) {
        self.rests_on.profile(id);
    }

    /// The names that are noted of each: none of one that belongs to no profile.
    fn noted(&self, entries: &[&Entry]) -> Result<Vec<Vec<Identity>>, Fault> {
        let linked = (0..).zip(entries).filter(|(_, entry)| entry.stored.profile.is_some());
        let (places, numbers): (Vec<usize>, Vec<i64>) = linked.map(|(i, entry)| (i, entry.stored.number)).unzip();
        let mut noted = vec![Vec::new(); entries.len()];
        for (i, names) in places.into_iter().zip(self.store.identities_of(&numbers)?) {
            if let Some(noted) = noted.get_mut(i) {
                *noted = names;
            }
        }
        Ok(noted)
    }

    /// Those that share a profile with one that changed: by other rules than before they may not share anything else, and
    /// a profile is decided about as a whole.
    fn load_profiles(&mut self) -> Result<Vec<usize>, Fault> {
        let shared = self.entries.iter().filter(|entry| entry.changed && entry.stored.profile_records > 1);
        let profiles: BTreeSet<ProfileId> = shared.filter_map(|entry| entry.stored.profile.clone()).collect();
        let mut others = Vec::new();
        for profile in profiles {
            others.extend(self.store.records_of(&profile)?);
        }
        let (known, new): (Vec<i64>, Vec<i64>) = others.into_iter().partition(|n| self.by_number.contains_key(n));
        self.load(&new)?;
        Ok(known.iter().chain(&new).filter_map(|number| self.by_number.get(number).copied()).collect())
    }

    /// Marks the neighbours that say something else by now than what is noted of them: their own change is still to come.
    /// What they hung together with until now would not be found then, so it is decided about now.
    fn overtaken(&mut self) -> Result<Vec<usize>, Fault> {
        let neighbours: Vec<&Entry> = self.entries.iter().skip(self.compared).collect();
        let mut overtaken = Vec::new();
        for ((i, entry), noted) in (self.compared..).zip(&neighbours).zip(self.noted(&neighbours)?) {
            let says: BTreeSet<&Identity> = entry.claims.iter().map(|claim| &claim.identity).collect();
            if says != noted.iter().collect() {
                overtaken.push(i);
            }
        }
        for i in &overtaken {
            if let Some(entry) = self.entries.get_mut(*i) {
                entry.changed = true;
            }
        }
        Ok(overtaken)
    }

    pub(crate) fn by_key(&self, source_key: &str) -> Option<&Entry> {
        self.by_key.get(source_key).and_then(|i| self.entries.get(*i))
    }

    /// Those of the changed that are gone.
    pub(crate) fn gone(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.changed && entry.claims.is_empty())
    }

    /// The records that were said to have changed.
    pub(crate) fn asked_for(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.asked_for)
    }

    /// What the mappings of the changed records could not make, counted.
    pub(crate) fn take_errors(&mut self) -> Vec<FieldError> {
        std::mem::take(&mut self.errors).finish(self.now)
    }

    /// What records of the entity are of.
    pub(crate) fn entity(&self) -> &EntityName {
        self.layout.entity()
    }

    fn load(&mut self, numbers: &[i64]) -> Result<(), Fault> {
        self.take(self.store.records_by_number(numbers)?, false)
    }

    fn take(&mut self, stored: Vec<StoredRecord>, changed: bool) -> Result<(), Fault> {
        for stored in stored {
            let entry = self.entry(stored, changed)?;
            let i = self.entries.len();
            self.by_number.insert(entry.stored.number, i);
            self.by_key.insert(entry.stored.source_key.clone(), i);
            self.entries.push(entry);
        }
        Ok(())
    }

    /// `None`: the record is gone, or makes no profile.
    pub(crate) fn mapping(&self, stored: &StoredRecord) -> Result<Option<Arc<StreamMapping>>, Fault> {
        let mapping = match stored.body.presence {
            Presence::Live => (self.mappings)(&stored.connection, &stored.stream)?,
            Presence::Deleted | Presence::MergedInto(_) => None,
        };
        // A stream that is mapped to another entity by now: its records become that one's with its next page.
        Ok(mapping.filter(|mapping| mapping.entity() == self.entity()))
    }

    /// Cuts lists that are too long, and says which.
    fn trim(&self, mapped: &mut MappedRecord) -> Vec<Cow<'static, str>> {
        let mut trimmed = Vec::new();
        for (value, field) in mapped.row.iter_mut().zip(self.layout.fields()) {
            if let Value::TextList(list) = value
                && list.len() > self.list_items_max
            {
                list.truncate(self.list_items_max);
                trimmed.push(field.name.clone());
            }
        }
        trimmed
    }

    fn entry(&mut self, stored: StoredRecord, changed: bool) -> Result<Entry, Fault> {
        let Some(mapping) = self.mapping(&stored)? else {
            let mapped = MappedRecord { source_key: stored.source_key.clone(), at: 0, row: Vec::new() };
            return Ok(Entry { stored, mapped, claims: Vec::new(), asked_for: changed, changed });
        };
        let (mut mapped, failed) = mapping.map(&stored, self.now);
        let trimmed = self.trim(&mut mapped);
        let (claims, problems) = self.reader.read(&stored.source_key, &mapped.row);
        if changed {
            let values = failed.iter().map(|field| (field, VALUE));
            let names = problems.iter().map(|problem| (&problem.field, NAME));
            let trimmed = trimmed.iter().map(|field| (field, TRIMMED));
            for (field, code) in values.chain(names).chain(trimmed) {
                self.errors.note(&stored.connection, &stored.stream, field, code, &stored.source_key);
            }
        }
        Ok(Entry { stored, mapped, claims, asked_for: changed, changed })
    }
}

impl Graph<ProfileId> for Records<'_> {
    type Error = Fault;

    fn carriers(&mut self, asks: &[Ask]) -> Result<Vec<Vec<Node<ProfileId>>>, Fault> {
        let entity = self.layout.entity();
        asks.iter().for_each(|ask| self.rests_on.name(entity, &ask.identity));
        let found = self.store.records_with(entity, asks)?;
        let mut seen = HashSet::new();
        let is_new = |n: &i64| !self.by_number.contains_key(n) && seen.insert(*n);
        let new: Vec<i64> = found.iter().flatten().copied().filter(is_new).collect();
        self.load(&new)?;
        let entry = |number: &i64| self.by_number.get(number).and_then(|i| self.entries.get(*i));
        let node = |number: &i64| entry(number).and_then(|entry| entry.node(self.layout));
        Ok(found.iter().map(|numbers| numbers.iter().filter_map(node).collect()).collect())
    }
}
