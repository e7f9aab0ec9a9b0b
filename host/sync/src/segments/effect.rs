//! What it would do to audiences if persons were grouped otherwise: every segment evaluated twice over one snapshot, on
//! the persons that there are and on those that there would be.

use super::batch::bits;
use super::catalog::{Audiences, Compiled};
use super::columns::Loaded;
use super::columns_load::Loader;
use super::meter::overrun;
use super::regrouped::Regrouped;
use crate::engine::Inner;
use crate::regrouping::Regrouping;
use attiva_core::Fault;
use attiva_core::config::{AudienceEntity, Segment};
use attiva_core::id::SegmentId;
use attiva_core::model::EntityKind;
use attiva_core::ports::store::{Cut, Feed};
use attiva_segments::Needs;
use attiva_segments::column::Bits;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Examples of each kind.
const EXAMPLES_MAX: usize = 10;
/// Records, and profiles, named in one example.
const SHOWN_MAX: usize = 10;

/// What other rules of identity would do to audiences. Both sides are evaluated at one instant, segments that are usually
/// evaluated in batch too: what differs is the rules' doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct AudienceChanges {
    /// Segments that were evaluated.
    pub evaluated: u64,
    /// Those whose audience would be another, in the order of ids.
    pub changed: Vec<AudienceChange>,
    /// Those that could not be evaluated.
    pub left_out: Vec<LeftOut>,
    /// False: records, events or profiles changed while this was worked out, so that some figures may be of a moment ago.
    pub steady: bool,
}

/// What would become of one audience: `members_after` is `members_before` - `leaving` + `entering` - `joined` + `divided`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AudienceChange {
    pub segment: SegmentId,
    pub name: String,
    pub entity: AudienceEntity,
    pub members_before: u64,
    pub members_after: u64,
    /// Members none of whose records are of a member today.
    pub entering: Moved,
    /// Members of today none of whose records would be of a member.
    pub leaving: Moved,
    /// Members that would be fewer since several become one: nobody leaves.
    pub joined: u64,
    /// Members that would be more since one becomes several: nobody enters.
    pub divided: u64,
}

/// Who enters an audience, or leaves it: how many, and some.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AudienceMoved")]
pub struct Moved {
    pub count: u64,
    pub examples: Vec<MovedExample>,
}

/// A person or account that would enter or leave.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AudienceMovedExample")]
pub struct MovedExample {
    /// Who enters: as it would be called. Who leaves: as it is called today.
    pub profile: String,
    /// Its first records; none of one that stays as it is, and is concerned by others.
    pub records: Vec<String>,
    /// Who enters: the profiles of today that it would be made of. Who leaves: those that its records would be of.
    pub counterparts: Vec<String>,
}

/// A segment that was not evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AudienceLeftOut")]
pub struct LeftOut {
    pub segment: SegmentId,
    pub name: String,
    pub why: String,
}

/// How far the store has come, save for members, told apart from a snapshot.
pub(crate) fn cut(inner: &Inner) -> Result<Cut, Fault> {
    let newest = |feed| inner.store.newest(feed);
    let (records, profiles, events) = (newest(Feed::Records)?, newest(Feed::Profiles)?, newest(Feed::Events)?);
    Ok(Cut { records, profiles, events, ..Cut::default() })
}

/// `began`: how far the store had come before the regrouping was worked out.
pub(crate) fn effect(inner: &Inner, regrouping: &Regrouping, began: Cut) -> Result<AudienceChanges, Fault> {
    inner.columns.alone(|| evaluate(inner, regrouping, began))
}

fn evaluate(inner: &Inner, regrouping: &Regrouping, began: Cut) -> Result<AudienceChanges, Fault> {
    let audiences = inner.segments.get(inner)?;
    let mut effect = AudienceChanges { steady: is_followed(inner, began)?, ..AudienceChanges::default() };
    for (segment, fault) in &audiences.broken {
        effect.left_out.push(left_out(segment, fault));
    }
    let segments: Vec<&Arc<Compiled>> = audiences.all.iter().collect();
    if regrouping.is_empty() || segments.is_empty() {
        effect.evaluated = segments.len() as u64;
        effect.steady &= cut(inner)?.has_data_of(&began);
        return Ok(effect);
    }
    let plans = segments.iter().flat_map(|it| it.definition.plans());
    let needs = Needs::of(plans, &audiences.language.model);
    // Audiences that are asked for and not evaluated are what they are.
    let asked = needs.audiences.iter().filter_map(|id| SegmentId::parse(id));
    let members: Vec<SegmentId> = asked.filter(|id| audiences.get(id).is_none()).collect();
    let loader = || Loader::new(inner, &audiences, &needs, &members);
    let (before, after) = (loader(), loader());
    let wanted = before.wanted(&members);
    let mut sink = Regrouped::new(&wanted, regrouping, before, after);
    inner.store.snapshot(&wanted, &mut sink)?;
    effect.steady &= sink.cut.has_data_of(&began);
    let (mut before, mut after) = sink.finish(&audiences, &members)?;
    let now = inner.clock.now();
    let (found_before, _) = bits(inner, &audiences, &segments, &mut before, now);
    let (found_after, _) = bits(inner, &audiences, &segments, &mut after, now);
    let sides = Sides::new(&audiences, regrouping, &before, &after);
    for compiled in segments {
        let id = &compiled.segment.id;
        let (Some(was), Some(would_be)) = (found_before.get(id), found_after.get(id)) else {
            effect.left_out.push(left_out(&compiled.segment, &overrun("the segment")));
            continue;
        };
        effect.evaluated += 1;
        effect.changed.extend(sides.compare(inner, compiled, was, would_be)?);
    }
    effect.changed.sort_by(|a, b| a.segment.cmp(&b.segment));
    Ok(effect)
}

/// Whether profiles have followed all that there was.
fn is_followed(inner: &Inner, began: Cut) -> Result<bool, Fault> {
    let upto = inner.store.projector_cursor(crate::projector::PROFILES)?;
    Ok(upto >= began.records && crate::accounts::is_caught_up(inner)?)
}

fn left_out(segment: &Segment, fault: &Fault) -> LeftOut {
    LeftOut { segment: segment.id.clone(), name: segment.name.clone(), why: fault.message.clone() }
}

/// Persons of today and persons that would be who have records in common, with their rows.
#[derive(Default)]
struct Cluster {
    today: Vec<(i64, usize)>,
    /// Places among those that would be.
    would_be: Vec<(usize, usize)>,
}

/// Who on the one side is whom on the other.
struct Sides<'a> {
    regrouping: &'a Regrouping,
    /// By row before; what has no row after would be no more as it is.
    persons: Vec<i64>,
    accounts: Vec<i64>,
    /// Persons that stay as they are have these rows before, and after that of their place here.
    staying: Vec<usize>,
    clusters: Vec<Cluster>,
    /// Who of today has records of which of those that would be.
    counterparts: BTreeMap<i64, BTreeSet<usize>>,
}

impl<'a> Sides<'a> {
    fn new(audiences: &Audiences, regrouping: &'a Regrouping, before: &Loaded, after: &Loaded) -> Self {
        let numbers = |loaded: &Loaded, kind| loaded.numbers[audiences.links.entity(kind)].clone();
        let persons = numbers(before, EntityKind::Person);
        // Persons that would be were told last, and in their order.
        let row_after: HashMap<i64, usize> =
            (0..).zip(numbers(after, EntityKind::Person)).map(|(row, number)| (number, row)).collect();
        let is_staying = |row: &usize| persons.get(*row).is_some_and(|number| !regrouping.today.contains_key(number));
        let staying = (0..persons.len()).filter(is_staying).collect();
        let row_before = |number: &i64| persons.binary_search(number).ok();
        let mut counterparts: BTreeMap<i64, BTreeSet<usize>> = BTreeMap::new();
        for (place, person) in regrouping.would_be.iter().enumerate() {
            for today in person.today() {
                counterparts.entry(today).or_default().insert(place);
            }
        }
        let clusters = clusters(regrouping, &counterparts).into_iter().map(|(today, would_be)| Cluster {
            today: today.iter().filter_map(|number| Some((*number, row_before(number)?))).collect(),
            would_be: would_be
                .iter()
                .filter_map(|place| Some((*place, *row_after.get(&regrouping.would_be.get(*place)?.number)?)))
                .collect(),
        });
        let clusters = clusters.collect();
        Self { regrouping, accounts: numbers(before, EntityKind::Account), persons, staying, clusters, counterparts }
    }

    /// `None`: the audience would be the same.
    fn compare(
        &self,
        inner: &Inner,
        compiled: &Compiled,
        was: &Bits,
        would_be: &Bits,
    ) -> Result<Option<AudienceChange>, Fault> {
        let entity = compiled.definition.entity;
        let mut change = AudienceChange {
            segment: compiled.segment.id.clone(),
            name: compiled.segment.name.clone(),
            entity,
            members_before: was.count() as u64,
            members_after: would_be.count() as u64,
            entering: Moved::default(),
            leaving: Moved::default(),
            joined: 0,
            divided: 0,
        };
        match entity {
            AudienceEntity::Account => {
                let rows = (0..self.accounts.len()).map(|row| (row, row));
                as_they_are(inner, &mut change, rows, &self.accounts, (was, would_be))?;
            }
            AudienceEntity::Person => {
                for cluster in &self.clusters {
                    self.regrouped(&mut change, cluster, was, would_be);
                }
                let rows = self.staying.iter().copied().zip(0..);
                as_they_are(inner, &mut change, rows, &self.persons, (was, would_be))?;
            }
        }
        let AudienceChange { entering, leaving, joined, divided, .. } = &change;
        let is_same = (entering.count, leaving.count, *joined, *divided) == (0, 0, 0, 0);
        Ok((!is_same).then_some(change))
    }

    fn regrouped(&self, change: &mut AudienceChange, cluster: &Cluster, was: &Bits, would_be: &Bits) {
        let members = |rows: &[(i64, usize)]| -> Vec<i64> {
            rows.iter().filter(|(_, row)| was.get(*row)).map(|(number, _)| *number).collect()
        };
        let today = members(&cluster.today);
        let then = cluster.would_be.iter().filter(|(_, row)| would_be.get(*row)).map(|(place, _)| *place);
        let then: Vec<usize> = then.collect();
        let of = |place: usize| self.regrouping.would_be.get(place);
        let mut leaving = 0;
        for number in &today {
            let places = self.counterparts.get(number).into_iter().flatten();
            if places.clone().any(|place| then.contains(place)) {
                continue;
            }
            leaving += 1;
            if change.leaving.examples.len() < EXAMPLES_MAX {
                let persons = places.filter_map(|place| of(*place)).take(SHOWN_MAX);
                let (mut records, mut counterparts) = (Vec::new(), Vec::new());
                for person in persons {
                    counterparts.push(person.id.to_string());
                    let own = person.records.iter().filter(|record| record.today == *number);
                    records.extend(own.map(|record| record.source_key.clone()));
                }
                records.truncate(SHOWN_MAX);
                let profile = self.regrouping.today.get(number).map(ToString::to_string).unwrap_or_default();
                change.leaving.examples.push(MovedExample { profile, records, counterparts });
            }
        }
        let mut entering = 0;
        for person in then.iter().filter_map(|place| of(*place)) {
            let made_of = person.today();
            if today.iter().any(|number| made_of.contains(number)) {
                continue;
            }
            entering += 1;
            if change.entering.examples.len() < EXAMPLES_MAX {
                let records = person.records.iter().take(SHOWN_MAX).map(|record| record.source_key.clone());
                let ids = made_of.iter().filter_map(|number| self.regrouping.today.get(number));
                change.entering.examples.push(MovedExample {
                    profile: person.id.to_string(),
                    records: records.collect(),
                    counterparts: ids.take(SHOWN_MAX).map(ToString::to_string).collect(),
                });
            }
        }
        change.leaving.count += leaving;
        change.entering.count += entering;
        let (stay, go_on) = (today.len() as u64 - leaving, then.len() as u64 - entering);
        change.joined += stay.saturating_sub(go_on);
        change.divided += go_on.saturating_sub(stay);
    }
}

/// Those that stay as they are and are concerned by others: their rows before and after.
fn as_they_are(
    inner: &Inner,
    change: &mut AudienceChange,
    rows: impl Iterator<Item = (usize, usize)>,
    numbers: &[i64],
    (was, would_be): (&Bits, &Bits),
) -> Result<(), Fault> {
    let (mut entering, mut leaving) = (Vec::new(), Vec::new());
    for (before, after) in rows {
        let (moved, to) = match (was.get(before), would_be.get(after)) {
            (true, false) => (&mut change.leaving, &mut leaving),
            (false, true) => (&mut change.entering, &mut entering),
            _ => continue,
        };
        moved.count += 1;
        if moved.examples.len() + to.len() < EXAMPLES_MAX {
            to.extend(numbers.get(before));
        }
    }
    for (moved, numbers) in [(&mut change.entering, entering), (&mut change.leaving, leaving)] {
        let profiles = inner.store.profiles_by_number(&numbers)?;
        moved.examples.extend(profiles.into_iter().map(|profile| MovedExample {
            profile: profile.id.to_string(),
            records: Vec::new(),
            counterparts: Vec::new(),
        }));
    }
    Ok(())
}

/// Groups of persons of today, and of those that would be, with records in common.
fn clusters(
    regrouping: &Regrouping,
    counterparts: &BTreeMap<i64, BTreeSet<usize>>,
) -> Vec<(BTreeSet<i64>, BTreeSet<usize>)> {
    let mut done: BTreeSet<i64> = BTreeSet::new();
    let mut all = Vec::new();
    for first in counterparts.keys() {
        if done.contains(first) {
            continue;
        }
        let (mut today, mut would_be) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![*first];
        while let Some(number) = open.pop() {
            if !today.insert(number) {
                continue;
            }
            for place in counterparts.get(&number).into_iter().flatten() {
                if would_be.insert(*place) {
                    open.extend(regrouping.would_be.get(*place).into_iter().flat_map(|person| person.today()));
                }
            }
        }
        done.extend(&today);
        all.push((today, would_be));
    }
    all
}
