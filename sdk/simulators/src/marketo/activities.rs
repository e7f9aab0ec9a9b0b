//! The activity log: what the seeded leads did, overlaid by what has happened since, in order of activity date.
//!
//! A paging token is a place in that order. What arrives late, with a date before the place, is therefore never seen by a reader that
//! only follows its token: the reader has to look at a trailing window again, as with the vendor.

use std::collections::BTreeMap;

use super::activity::{Activity, Deed};
use super::clock::Seconds;
use super::leads::{Change, Lead, Leads};
use super::lists::program_name;
use super::schema::Field;
use super::seeded::Seeded;
use super::value::Value;

/// A page looks at no more activities than this, so that one which wants only a rare type may well be empty though more follow.
const SCAN: usize = 1_000;

/// A place in the log: the next activity to read is the first at or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) at: Seconds,
    pub(crate) number: u64,
}

/// Which activities a page is to hold.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) types: Vec<u32>,
    /// Of these leads only.
    pub(crate) leads: Option<Vec<u64>>,
    /// Changes of these fields only.
    pub(crate) fields: Option<Vec<Field>>,
    pub(crate) at_most: usize,
}

impl Wanted {
    fn matches(&self, activity: &Activity) -> bool {
        let field_matches = match (&self.fields, &activity.deed) {
            (Some(fields), Deed::ChangeDataValue { field, .. }) => fields.contains(field),
            _ => true,
        };
        field_matches
            && self.types.contains(&activity.deed.type_id())
            && self.leads.as_ref().is_none_or(|leads| leads.contains(&activity.lead))
    }

    /// No seeded lead was merged or deleted; a reader of deletions need not walk through all the rest.
    fn may_be_seeded(&self) -> bool {
        const SEEDED: [u32; 6] = [
            1,
            Deed::NEW_LEAD,
            Deed::CHANGE_DATA_VALUE,
            Deed::ADD_TO_LIST,
            Deed::ADD_TO_OPPORTUNITY,
            Deed::CHANGE_STATUS,
        ];
        self.types.iter().any(|id| SEEDED.contains(id))
    }
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) activities: Vec<Activity>,
    pub(crate) next: Place,
    pub(crate) more: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Activities {
    /// What the seeded leads did, in order; made when first asked for, since it costs time with a million leads.
    seeded: Option<Vec<SeededDeed>>,
    since: BTreeMap<Place, Activity>,
    appended: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SeededDeed {
    at: Seconds,
    lead: u64,
    kind: SeededKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SeededKind {
    Created,
    Visited(u8),
    ScoreChanged,
    InterestChanged,
    Listed(u64),
    InProgram(u64),
    InOpportunity(u64),
}

impl Activities {
    /// Adds what just happened, or what happened earlier and is only known now.
    pub(crate) fn append(&mut self, at: Seconds, lead: u64, deed: Deed) {
        self.appended += 1;
        // Above every number a seeded activity can have.
        let number = (1 << 40) + self.appended;
        self.since.insert(Place { at, number }, Activity { number, at, lead, deed });
    }

    pub(crate) fn append_changes(&mut self, at: Seconds, lead: u64, changes: &[Change], source: &'static str) {
        for change in changes {
            self.append(at, lead, Deed::changed(change, source));
        }
    }

    /// Every activity of these types in a window, both ends included.
    pub(crate) fn between(&mut self, from: Seconds, to: Seconds, types: &[u32], leads: &Leads) -> Vec<Activity> {
        let wanted = Wanted { types: types.to_vec(), leads: None, fields: None, at_most: SCAN };
        let (mut place, mut all) = (Place { at: from, number: 0 }, Vec::new());
        loop {
            let page = self.page(place, &wanted, leads);
            let before = all.len();
            let read = page.activities.len();
            all.extend(page.activities.into_iter().take_while(|activity| activity.at <= to));
            place = page.next;
            if !page.more || all.len() < before + read || place.at > to {
                return all;
            }
        }
    }

    pub(crate) fn page(&mut self, from: Place, wanted: &Wanted, leads: &Leads) -> Page {
        if wanted.may_be_seeded() && self.seeded.is_none() {
            self.seeded = Some(seeded_log(leads.seeded()));
        }
        let seeded_log = self.seeded.as_deref().filter(|_| wanted.may_be_seeded()).unwrap_or_default();
        // A seeded activity's number is its place in the log, from 1.
        let place_of = |index: usize, deed: &SeededDeed| Place { at: deed.at, number: index as u64 + 1 };
        let mut index = seeded_log.partition_point(|deed| deed.at < from.at);
        while seeded_log.get(index).is_some_and(|deed| place_of(index, deed) < from) {
            index += 1;
        }
        let mut page = Page { activities: Vec::new(), next: from, more: false };
        let mut since = self.since.range(from..).peekable();
        for scanned in 0.. {
            let seeded = seeded_log.get(index);
            let seeded_first = match (seeded, since.peek()) {
                (Some(deed), Some((place, _))) => place_of(index, deed) < **place,
                (seeded, None) => seeded.is_some(),
                (None, Some(_)) => false,
            };
            let activity = if seeded_first {
                seeded.map(|deed| deed.activity(index as u64 + 1, leads.seeded()))
            } else {
                since.peek().map(|(_, activity)| (*activity).clone())
            };
            let Some(activity) = activity else { break };
            if page.activities.len() == wanted.at_most || scanned == SCAN {
                page.more = true;
                break;
            }
            if seeded_first {
                index += 1
            } else {
                since.next();
            }
            page.next = Place { at: activity.at, number: activity.number + 1 };
            if wanted.matches(&activity) {
                page.activities.push(activity);
            }
        }
        page
    }
}

fn seeded_log(seeded: &Seeded) -> Vec<SeededDeed> {
    let mut log = Vec::with_capacity(usize::try_from(seeded.leads() * 3).unwrap_or(0));
    for lead in 1..=seeded.leads() {
        let created = seeded.created_at(lead);
        log.push(SeededDeed { at: created, lead, kind: SeededKind::Created });
        let visits = (0..u8::MAX).map_while(|visit| Some((visit, seeded.visited_at(lead, visit.into())?)));
        log.extend(visits.map(|(visit, at)| SeededDeed { at, lead, kind: SeededKind::Visited(visit) }));
        let updated = seeded.updated_at(lead);
        if updated > created {
            log.push(SeededDeed { at: updated, lead, kind: SeededKind::ScoreChanged });
        }
        let changed = seeded.changed_at(lead);
        if changed > updated {
            log.push(SeededDeed { at: changed, lead, kind: SeededKind::InterestChanged });
        }
    }
    log.extend(seeded_groups(seeded));
    log.sort_unstable();
    log
}

/// How leads came on lists, into programs and into opportunities.
fn seeded_groups(seeded: &Seeded) -> impl Iterator<Item = SeededDeed> {
    let listed = (1..=seeded.lists()).flat_map(move |list| {
        seeded.listed(list, 0).map(move |lead| SeededDeed {
            at: seeded.joined_at(list, lead),
            lead,
            kind: SeededKind::Listed(list),
        })
    });
    let programs = seeded.programs().flat_map(move |program| {
        seeded.in_program(program, 0).map(move |lead| SeededDeed {
            at: seeded.joined_at(program, lead),
            lead,
            kind: SeededKind::InProgram(program),
        })
    });
    let opportunities = (1..=seeded.opportunities()).flat_map(move |opportunity| {
        let at = seeded.opportunity_at(opportunity);
        let deed = move |lead| SeededDeed { at, lead, kind: SeededKind::InOpportunity(opportunity) };
        seeded.contacts(opportunity).into_iter().map(move |contact| deed(contact.lead))
    });
    listed.chain(programs).chain(opportunities)
}

impl SeededDeed {
    fn activity(&self, number: u64, seeded: &Seeded) -> Activity {
        let changed = |field: Field, old: Value<'static>| {
            let change = Change { field, old, new: seeded.value(self.lead, field) };
            Deed::changed(&change, "Flow action")
        };
        let deed = match self.kind {
            SeededKind::Created => Deed::created(Lead::Seeded(seeded, self.lead)),
            SeededKind::Visited(visit) => Deed::VisitWebpage { page: seeded.page(self.lead, visit.into()).to_owned() },
            SeededKind::ScoreChanged => changed(Field::LeadScore, seeded.score_before(self.lead)),
            SeededKind::InterestChanged => changed(Field::ProductInterest, Value::Null),
            SeededKind::Listed(list) => Deed::AddToList { list, name: format!("{} {list}", seeded.product(list)) },
            SeededKind::InProgram(program) => Deed::ChangeStatus {
                program,
                name: program_name(seeded, program),
                old: "Not in Program".to_owned(),
                new: seeded.progression(program, self.lead).to_owned(),
            },
            SeededKind::InOpportunity(opportunity) => {
                let contact = seeded.contacts(opportunity).into_iter().find(|contact| contact.lead == self.lead);
                Deed::AddToOpportunity {
                    opportunity,
                    name: seeded.opportunity_name(opportunity),
                    role: contact.as_ref().map_or("", |contact| contact.role),
                    primary: contact.is_some_and(|contact| contact.primary),
                }
            }
        };
        Activity { number, at: self.at, lead: self.lead, deed }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::MarketoConfig;
    use super::*;

    fn leads() -> Leads {
        let config = MarketoConfig { leads: 400, ..MarketoConfig::default() };
        Leads::new(Seeded::new(&config, 1_795_000_000))
    }

    fn wanted(types: &[u32], at_most: usize) -> Wanted {
        Wanted { types: types.to_vec(), leads: None, fields: None, at_most }
    }

    fn read_all(log: &mut Activities, leads: &Leads, wanted: &Wanted) -> Vec<Activity> {
        let mut place = Place { at: 0, number: 0 };
        let mut all = Vec::new();
        loop {
            let page = log.page(place, wanted, leads);
            all.extend(page.activities);
            place = page.next;
            if !page.more {
                return all;
            }
        }
    }

    #[test]
    fn paging_by_any_size_gives_every_activity_once_and_in_order() {
        let (leads, mut log) = (leads(), Activities::default());
        log.append(1_794_000_000, 5, Deed::VisitWebpage { page: "/late".to_owned() });
        log.append(1_795_000_001, 6, Deed::DeleteLead { name: "X".to_owned() });
        let all = read_all(&mut log, &leads, &wanted(&[1, 12, 13, 32, 37], 300));
        assert!(all.is_sorted_by_key(|activity| (activity.at, activity.number)));
        assert_eq!(all.iter().filter(|activity| activity.deed.type_id() == 12).count(), 400);
        assert_eq!(read_all(&mut log, &leads, &wanted(&[1, 12, 13, 32, 37], 7)), all);
        let mut numbers: Vec<u64> = all.iter().map(|activity| activity.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all.len());
    }

    #[test]
    fn an_activity_that_arrives_late_is_behind_a_reader_that_follows_its_token() {
        let (leads, mut log) = (leads(), Activities::default());
        let end = log.page(Place { at: 1_794_990_000, number: 0 }, &wanted(&[1, 12, 13], 300), &leads).next;
        log.append(end.at - 60, 5, Deed::VisitWebpage { page: "/late".to_owned() });
        assert!(log.page(end, &wanted(&[1], 300), &leads).activities.is_empty());
        let again = log.page(Place { at: end.at - 60, number: 0 }, &wanted(&[1], 300), &leads);
        assert_eq!(again.activities.iter().filter(|activity| activity.lead == 5).count(), 1);
    }

    #[test]
    fn a_rare_type_makes_empty_pages_with_more_to_come() {
        let config = MarketoConfig { leads: 5_000, ..MarketoConfig::default() };
        let (leads, mut log) = (Leads::new(Seeded::new(&config, 1_795_000_000)), Activities::default());
        let only_one = Wanted { leads: Some(vec![4_999]), ..wanted(&[12], 300) };
        let page = log.page(Place { at: 0, number: 0 }, &only_one, &leads);
        assert!(page.activities.is_empty() && page.more);
        assert_eq!(read_all(&mut log, &leads, &only_one).len(), 1);
    }
}
