//! The static lists and who is on them: the seeded ones, overlaid by what has happened since.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::clock::{self, DAY, Seconds};
use super::envelope::Refusal;
use super::seeded::Seeded;

/// Ids of lists begin here, so that some are ids of leads too.
const LISTS_FROM: u64 = 1;
/// The folder `Group Lists`, in which lists are made where nothing else is said.
pub(crate) const GROUP_LISTS: u64 = 12;

/// A static list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) description: String,
    /// The program it belongs to, if it is a program's own.
    pub(crate) program: Option<String>,
    pub(crate) folder: u64,
    pub(crate) created_at: Seconds,
    pub(crate) updated_at: Seconds,
}

#[derive(Debug)]
pub(crate) struct Lists {
    seeded: Seeded,
    lists: BTreeMap<u64, List>,
    /// List and lead: whether the lead is on it, against what was seeded.
    since: BTreeMap<(u64, u64), bool>,
    next_id: u64,
}

impl Lists {
    pub(crate) fn new(seeded: Seeded, now: Seconds) -> Self {
        let list = |number: u64| List {
            id: LISTS_FROM - 1 + number,
            name: format!("{} {number}", seeded.product(number)),
            description: if number.is_multiple_of(3) {
                String::new()
            } else {
                format!("Those who asked, wave {number}")
            },
            // One in four is a program's own.
            program: (number % 4 == 3).then(|| program_name(&seeded, seeded.programs().start + number)),
            folder: GROUP_LISTS,
            created_at: now - 400 * DAY,
            updated_at: now - 30 * DAY,
        };
        let lists: BTreeMap<u64, List> = (1..=seeded.lists()).map(|number| (number, list(number))).collect();
        Self { next_id: seeded.lists() + 1, seeded, lists, since: BTreeMap::new() }
    }

    pub(crate) fn get(&self, id: u64) -> Option<&List> {
        self.lists.get(&id)
    }

    /// By its name, letter for letter.
    pub(crate) fn named(&self, name: &str) -> Option<&List> {
        self.lists.values().find(|list| list.name == name)
    }

    /// Every list, in order of id.
    pub(crate) fn all(&self) -> impl Iterator<Item = &List> {
        self.lists.values()
    }

    /// Makes a list; names are unique.
    pub(crate) fn create(
        &mut self,
        name: &str,
        description: &str,
        folder: u64,
        now: Seconds,
    ) -> Result<&List, Refusal> {
        if self.named(name).is_some() {
            return Err(Refusal::new("709", "Static list with the same name already exists"));
        }
        let id = self.next_id;
        self.next_id += 1;
        Ok(self.lists.entry(id).or_insert(List {
            id,
            name: name.to_owned(),
            description: description.to_owned(),
            program: None,
            folder,
            created_at: now,
            updated_at: now,
        }))
    }

    /// Removes a list and all its memberships; false if there is none.
    pub(crate) fn remove_list(&mut self, id: u64) -> bool {
        self.lists.remove(&id).is_some()
    }

    pub(crate) fn contains(&self, list: u64, lead: u64) -> bool {
        let since = self.since.get(&(list, lead)).copied();
        self.lists.contains_key(&list) && since.unwrap_or_else(|| self.seeded.is_listed(list, lead))
    }

    /// Puts a lead on a list; false if it is on it already, or there is no such list.
    pub(crate) fn add(&mut self, list: u64, lead: u64, now: Seconds) -> bool {
        self.set(list, lead, true, now)
    }

    /// Takes a lead off a list; false if it is not on it.
    pub(crate) fn remove(&mut self, list: u64, lead: u64, now: Seconds) -> bool {
        self.set(list, lead, false, now)
    }

    fn set(&mut self, list: u64, lead: u64, on: bool, now: Seconds) -> bool {
        if self.contains(list, lead) == on {
            return false;
        }
        let Some(known) = self.lists.get_mut(&list) else { return false };
        known.updated_at = now;
        self.since.insert((list, lead), on);
        true
    }

    /// At most so many members with ids from `from` on, in order. Leads that are gone are still among them.
    pub(crate) fn members(&self, list: u64, from: u64, at_most: usize) -> Vec<u64> {
        if !self.lists.contains_key(&list) {
            return Vec::new();
        }
        let mut seeded =
            self.seeded.listed(list, from).filter(|lead| self.since.get(&(list, *lead)) != Some(&false)).peekable();
        let added = self.since.range((list, from)..(list + 1, 0)).filter(|(_, on)| **on).map(|((_, lead), _)| *lead);
        let mut added = added.peekable();
        let mut members = Vec::new();
        while members.len() < at_most {
            let next = match (seeded.peek(), added.peek()) {
                (Some(a), Some(b)) if a <= b => seeded.next(),
                (_, Some(_)) => added.next(),
                (_, None) => seeded.next(),
            };
            match next {
                Some(lead) if members.last() != Some(&lead) => members.push(lead),
                Some(_) => {}
                None => break,
            }
        }
        members
    }
}

impl List {
    /// As the lead database tells of it.
    pub(crate) fn to_json(&self) -> Json {
        let mut list = json!({
            "id": self.id,
            "name": self.name,
            "workspaceName": "Default",
            "createdAt": clock::datetime(self.created_at),
            "updatedAt": clock::datetime(self.updated_at),
        });
        if !self.description.is_empty() {
            list["description"] = json!(self.description);
        }
        if let Some(program) = &self.program {
            list["programName"] = json!(program);
        }
        list
    }

    /// As the asset API tells of it, with its odd times.
    pub(crate) fn to_asset_json(&self) -> Json {
        json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "createdAt": clock::asset_datetime(self.created_at),
            "updatedAt": clock::asset_datetime(self.updated_at),
            "folder": {"id": self.folder, "type": "Folder"},
            "workspace": "Default",
            "computedUrl": format!("https://app-sim.marketo.com/#ST{}A1", self.id),
        })
    }
}

pub(crate) fn program_name(seeded: &Seeded, program: u64) -> String {
    format!("{} campaign {program}", seeded.product(program))
}

#[cfg(test)]
mod tests {
    use super::super::config::MarketoConfig;
    use super::*;

    fn lists() -> Lists {
        let seeded = Seeded::new(&MarketoConfig { leads: 400, ..MarketoConfig::default() }, 1_795_000_000);
        Lists::new(seeded, 1_795_000_000)
    }

    #[test]
    fn members_in_pages_are_the_seeded_ones_but_for_what_changed() {
        let mut lists = lists();
        let before = lists.members(1, 0, 1_000);
        assert_eq!(before, lists.seeded.listed(1, 0).collect::<Vec<_>>());
        let outsider = (1..=400).find(|lead| !before.contains(lead)).unwrap();
        assert!(lists.add(1, outsider, 5));
        assert!(!lists.add(1, outsider, 6), "a member already");
        assert!(lists.remove(1, before[3], 7));
        assert!(!lists.remove(1, before[3], 8), "no member any more");
        assert!(lists.add(1, 9_999, 9), "a lead added later");
        let mut expected: Vec<u64> = before.iter().copied().filter(|lead| *lead != before[3]).collect();
        expected.extend([outsider, 9_999]);
        expected.sort_unstable();
        assert_eq!(lists.members(1, 0, 1_000), expected);
        let mut paged = Vec::new();
        while let Some(page) = Some(lists.members(1, paged.last().map_or(0, |l| l + 1), 7)).filter(|p| !p.is_empty()) {
            paged.extend(page);
        }
        assert_eq!(paged, expected);
        assert_eq!(lists.get(1).map(|list| list.updated_at), Some(9));
    }

    #[test]
    fn names_are_unique_and_a_list_that_is_gone_has_nobody() {
        let mut lists = lists();
        let id = lists.create("Mine", "", GROUP_LISTS, 1).unwrap().id;
        assert_eq!(lists.create("Mine", "", GROUP_LISTS, 1).unwrap_err().code, "709");
        assert!(lists.add(id, 7, 2));
        assert!(lists.remove_list(id) && !lists.remove_list(id));
        assert_eq!((lists.contains(id, 7), lists.members(id, 0, 9)), (false, vec![]));
        assert!(!lists.add(id, 8, 3));
    }
}
