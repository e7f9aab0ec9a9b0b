//! Columns that are there, brought up to what has changed since: only that is read.

use super::catalog::Audiences;
use super::columns::{Loaded, NOBODY, put_audiences};
use super::columns_changed_events::EventChanges;
use super::columns_components::ComponentChanges;
use super::columns_load::{Rows as Told, as_component, followed, wanted};
use super::columns_members::MemberChanges;
use super::columns_pairs::PairChanges;
use super::links::{Kept, Links};
use crate::engine::Inner;
use attiva_core::id::SegmentId;
use attiva_core::model::EntityKind;
use attiva_core::ports::store::{
    Carrier, ChangeSink, Changed, Cut, EventSeen, EventsWanted, KeysWanted, PersonsEvent, StoredRecord,
};
use attiva_core::{Fault, Value};
use attiva_segments::Needs;
use attiva_segments::column::{Refresh, Rows};
use std::collections::{BTreeMap, BTreeSet};

/// As it is now; `None`: it has to be loaded, since too much has changed, or such things as are not followed.
pub(super) fn refreshed(
    inner: &Inner,
    audiences: &Audiences,
    loaded: Loaded,
    members: &[SegmentId],
) -> Result<Option<Loaded>, Fault> {
    let members = &followed_members(audiences, &loaded, members);
    let wanted = wanted(inner, audiences, &loaded.needs, members);
    let mut refresher = Refresher::new(inner, audiences, &loaded, members, &wanted.events);
    inner.store.changed_since(loaded.cut, &wanted, &mut refresher)?;
    if let Some(fault) = refresher.fault {
        return Err(fault);
    }
    if !refresher.goes_on {
        return Ok(None);
    }
    let changes = refresher.changes;
    Ok(Some(changes.apply(audiences, loaded)))
}

/// Those that are asked for, and those that are known: it is less to follow them than to read them again.
fn followed_members(audiences: &Audiences, loaded: &Loaded, members: &[SegmentId]) -> Vec<SegmentId> {
    let known = loaded.members.keys().filter(|id| audiences.get(id).is_some());
    members.iter().chain(known).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether all that these need is followed as it changes. What events name beside their person and its record is not.
fn is_followed(links: &Links, loaded: &Loaded) -> bool {
    let Needs { fields, relations, .. } = &loaded.needs;
    let events = links.entity(EntityKind::Activity);
    if !fields.contains_key(&events) {
        return true;
    }
    let component = to_component(links, &loaded.needs);
    let mut of_events = relations.iter().filter(|relation| links.relations[**relation].from == events);
    loaded.event_numbers.is_some()
        && of_person(links).is_some_and(|relation| loaded.dataset.is_clustered(relation))
        && of_events.all(|relation| links.is_of_person(*relation) || Some(*relation) == component)
        && (component.is_none() || loaded.component_keys.is_some())
}

/// Whose events they are.
pub(super) fn of_person(links: &Links) -> Option<usize> {
    (0..links.relations.len()).find(|relation| links.is_of_person(*relation))
}

/// The relation of events to the record of the person, if it is needed.
pub(super) fn to_component(links: &Links, needs: &Needs) -> Option<usize> {
    let leads = |relation: &&usize| {
        let kept = &links.relations[**relation];
        links.kept(kept.from) == Kept::Event && links.kept(kept.to) == Kept::Component
    };
    needs.relations.iter().find(leads).copied()
}

struct Refresher<'a> {
    inner: &'a Inner,
    links: &'a Links,
    before: &'a Loaded,
    goes_on: bool,
    reads_attributes: bool,
    /// The place of persons among the entities that are wanted.
    persons: Option<usize>,
    fault: Option<Fault>,
    changes: Changes,
}

/// What has changed, by the numbers of profiles, records and events.
struct Changes {
    cut: Cut,
    /// By place among the entities that are wanted: the rows that are told, and which of those told are there.
    profiles: Vec<(Told, Vec<(i64, bool)>)>,
    followed: Vec<usize>,
    /// By relation between profiles, of each that is told anew whom it names.
    named: BTreeMap<usize, BTreeMap<i64, Option<i64>>>,
    between: Between,
    events: Option<EventChanges>,
    members: Vec<MemberChanges>,
}

/// What is between persons and accounts.
enum Between {
    Nothing,
    /// A way, and nothing else.
    Pairs(PairChanges),
    /// Records that something is asked of.
    Components(ComponentChanges),
}

impl<'a> Refresher<'a> {
    fn new(
        inner: &'a Inner,
        audiences: &'a Audiences,
        before: &'a Loaded,
        members: &[SegmentId],
        events: &EventsWanted,
    ) -> Self {
        let (links, needs) = (&audiences.links, &before.needs);
        let of_profiles = needs.fields.keys().filter(|entity| links.kept(**entity) == Kept::Profile);
        let profiles: Vec<_> = of_profiles.map(|entity| (Told::new(audiences, needs, *entity), Vec::new())).collect();
        let person = links.entity(EntityKind::Person);
        let has = |kind| needs.fields.contains_key(&links.entity(kind));
        let between = match (has(EntityKind::PersonComponent), &before.component_keys) {
            (false, _) => Between::Nothing,
            (true, None) => Between::Pairs(PairChanges::new(links)),
            (true, Some(_)) => Between::Components(ComponentChanges::new(links)),
        };
        let changes = Changes {
            cut: before.cut,
            followed: followed(links, needs),
            named: BTreeMap::new(),
            between,
            events: has(EntityKind::Activity).then(|| EventChanges::new(audiences, before)),
            members: MemberChanges::of(audiences, members),
            profiles,
        };
        Self {
            inner,
            links,
            before,
            goes_on: false,
            reads_attributes: matches!(events, EventsWanted::Attributes(_)),
            persons: changes.profiles.iter().position(|(told, _)| told.entity() == person),
            fault: None,
            changes,
        }
    }

    /// The row that a profile had.
    fn row(&self, entity: usize, profile: i64) -> Option<usize> {
        self.before.numbers[entity].binary_search(&profile).ok()
    }

    fn account(&self, profile: i64) -> Option<usize> {
        self.row(self.links.entity(EntityKind::Account), profile)
    }

    /// Of the relations that lead from persons to accounts by what is between: the one of matches comes first.
    fn is_of_matches(&self, relation: usize) -> bool {
        relation == self.changes.followed.len()
    }
}

impl ChangeSink for Refresher<'_> {
    fn begun(&mut self, cut: Cut, changed: Changed) -> bool {
        let pays = || Refresh::pays(changed.profiles, changed.events, self.before.rows);
        self.goes_on = cut.has_data_of(&self.before.cut) || is_followed(self.links, self.before) && pays();
        self.changes.cut = cut;
        self.goes_on
    }

    fn profile(&mut self, entity: usize, number: i64, attributes: Option<Vec<(String, Value)>>) {
        let Some((told, numbers)) = self.changes.profiles.get_mut(entity) else { return };
        numbers.push((number, attributes.is_some()));
        if let Some(attributes) = attributes {
            told.push(attributes);
        } else if self.persons == Some(entity) {
            match &mut self.changes.between {
                Between::Nothing => {}
                Between::Pairs(pairs) => pairs.forget(self.before, number),
                Between::Components(components) => components.forget(self.before, number),
            }
            if let Some(events) = &mut self.changes.events {
                events.person(self.before, number, Vec::new());
            }
        }
    }

    fn referrers(&mut self, relation: usize, to: i64) -> Vec<i64> {
        let Some(number) = self.changes.followed.get(relation) else {
            let row = self.account(to);
            return match (&self.changes.between, row) {
                (Between::Pairs(pairs), Some(row)) => pairs.persons_at(self.before, row, self.is_of_matches(relation)),
                (Between::Components(components), Some(row)) => components.matched_to(self.before, row),
                _ => Vec::new(),
            };
        };
        let kept = &self.links.relations[*number];
        let row = self.row(kept.to, to);
        let rows = row.into_iter().flat_map(|row| self.before.dataset.named_by(*number, row));
        rows.filter_map(|row| self.before.numbers[kept.from].get(row).copied()).collect()
    }

    fn refers(&mut self, relation: usize, from: i64) {
        let is_matched = self.is_of_matches(relation);
        match (self.changes.followed.get(relation), &mut self.changes.between) {
            (Some(number), _) => {
                self.changes.named.entry(*number).or_default().insert(from, None);
            }
            (None, Between::Pairs(pairs)) => pairs.tell_anew(self.before, from, is_matched),
            (None, Between::Components(components)) => components.is_matched(from, None),
            (None, Between::Nothing) => {}
        }
    }

    fn reference(&mut self, relation: usize, from: i64, key: &str, to: Carrier) {
        let is_matched = self.is_of_matches(relation);
        match (self.changes.followed.get(relation), &mut self.changes.between) {
            (Some(number), _) => {
                self.changes.named.entry(*number).or_default().insert(from, Some(to.profile));
            }
            (None, Between::Pairs(pairs)) => pairs.add(from, to.profile, is_matched),
            (None, Between::Components(components)) => components.is_matched(from, Some(key)),
            (None, Between::Nothing) => {}
        }
    }

    fn people_of(&mut self, account: i64) -> Vec<i64> {
        match (&self.changes.between, self.account(account)) {
            (Between::Components(components), Some(row)) => components.people_of(self.before, row),
            _ => Vec::new(),
        }
    }

    fn incomplete(&mut self) -> Vec<i64> {
        if let Between::Components(components) = &self.changes.between { components.incomplete() } else { Vec::new() }
    }

    fn components(&mut self, profile: i64, records: Vec<StoredRecord>) {
        let now = self.inner.clock.now();
        let mut told = Vec::with_capacity(records.len());
        for record in records {
            match as_component(self.inner, &record, now) {
                Ok(values) => told.push((record.number, values)),
                Err(fault) => {
                    self.fault.get_or_insert(fault);
                }
            }
        }
        if let Between::Components(components) = &mut self.changes.between {
            components.person(self.before, profile, told);
        }
    }

    fn person(&mut self, profile: i64, told: Vec<PersonsEvent>) {
        if let Some(events) = &mut self.changes.events {
            events.person(self.before, profile, told);
        }
    }

    fn strayed(&mut self) -> Vec<i64> {
        self.changes.events.as_ref().map(EventChanges::strayed).unwrap_or_default()
    }

    fn event(&mut self, number: i64, event: Option<EventSeen<'_>>) {
        if let Some(events) = &mut self.changes.events {
            events.event(number, event);
        }
    }

    fn unread(&mut self) -> Vec<i64> {
        let events = self.changes.events.as_ref().filter(|_| self.reads_attributes);
        events.map(EventChanges::unread).unwrap_or_default()
    }

    fn event_attributes(&mut self, number: i64, attributes: Vec<(String, Value)>) {
        if let Some(events) = &mut self.changes.events {
            events.attributes(number, attributes);
        }
    }

    fn keys(&mut self) -> Option<KeysWanted> {
        match &mut self.changes.between {
            Between::Components(components) => Some(components.keys()),
            Between::Nothing | Between::Pairs(_) => None,
        }
    }

    fn key(&mut self, key: usize, named: Option<Carrier>) {
        if let Between::Components(components) = &mut self.changes.between {
            components.key(key, named.map(|named| named.profile));
        }
    }

    fn records(&mut self) -> Option<KeysWanted> {
        self.changes.events.as_mut().and_then(EventChanges::keys)
    }

    fn record(&mut self, key: usize, own: Option<i64>) {
        if let Some(events) = &mut self.changes.events {
            events.key(key, own);
        }
    }

    fn knows_members(&mut self, audience: usize) -> bool {
        self.changes.members[audience].are_known(self.before)
    }

    fn moved(&mut self, audience: usize, moves: Vec<(i64, bool)>, members: u64) -> bool {
        self.changes.members[audience].moved(self.before, moves, members)
    }

    fn member(&mut self, audience: usize, profile: i64) {
        self.changes.members[audience].member(profile);
    }
}

impl Changes {
    fn apply(self, audiences: &Audiences, loaded: Loaded) -> Loaded {
        let links = &audiences.links;
        let Loaded { dataset, mut numbers, mut event_numbers, mut matched, mut component_keys, needs, model, .. } =
            loaded;
        let mut members_before = loaded.members;
        let mut refresh = Refresh::new(dataset);
        let mut refreshed = 0;
        for (told, which) in self.profiles.into_iter().filter(|(_, which)| !which.is_empty()) {
            refreshed += which.len() as u64;
            let fields = model.entities[told.entity()].fields.len();
            let (entity, table) = told.finish(fields);
            let (rows, now) = Rows::keyed(&numbers[entity], which);
            numbers[entity] = now;
            refresh.rows(entity, rows, table);
        }
        let row = |entity: usize, profile: i64| place(&numbers[entity], profile);
        for (number, named) in self.named {
            let kept = &links.relations[number];
            let names = named
                .into_iter()
                .map(|(from, to)| (row(kept.from, from), to.map_or(NOBODY, |to| row(kept.to, to))))
                .filter(|(from, _)| *from != NOBODY);
            refresh.names(number, names);
        }
        let person = |of: i64| row(links.entity(EntityKind::Person), of);
        let account = |of: i64| row(links.entity(EntityKind::Account), of);
        match self.between {
            Between::Nothing => {}
            Between::Pairs(pairs) => {
                refreshed += pairs.told();
                matched = pairs.apply(&mut refresh, matched, person, account);
            }
            Between::Components(components) => {
                refreshed += components.told();
                let slots = needs.fields.get(&links.entity(EntityKind::PersonComponent));
                let (none, before) = (BTreeSet::new(), component_keys.unwrap_or_default());
                component_keys = Some(components.apply(&mut refresh, slots.unwrap_or(&none), before, person, account));
            }
        }
        if let Some((events, numbers)) = self.events.zip(event_numbers.take()) {
            refreshed += events.told();
            let component = |record: i64| component_keys.as_ref().map_or(NOBODY, |keys| place(keys, record));
            event_numbers = events.apply(&mut refresh, numbers, person, component);
        }
        let moved = |entity: usize| refresh.rows_of(entity)?.moved(refresh.before().rows(entity));
        let of_members: BTreeSet<usize> = self.members.iter().map(|it| it.entity).collect();
        let moved: BTreeMap<_, _> = of_members.into_iter().map(|entity| (entity, moved(entity))).collect();
        let dataset = refresh.finish();
        let of_audience = |changes: MemberChanges| {
            let (known, entity) = (members_before.remove(changes.id()), changes.entity);
            changes.apply(known, moved.get(&entity).and_then(Option::as_deref), &numbers[entity])
        };
        let members = self.members.into_iter().map(of_audience).collect();
        let rows = needs.fields.keys().map(|entity| dataset.rows(*entity) as u64).sum();
        let mut loaded = Loaded {
            dataset,
            numbers,
            event_numbers,
            matched,
            component_keys,
            members,
            cut: self.cut,
            rows,
            refreshed: Some(refreshed),
            needs,
            model,
            used_at: loaded.used_at,
        };
        put_audiences(audiences, &mut loaded);
        loaded
    }
}

fn place(numbers: &[i64], number: i64) -> u32 {
    let found = numbers.binary_search(&number).ok();
    found.and_then(|row| u32::try_from(row).ok()).unwrap_or(NOBODY)
}
