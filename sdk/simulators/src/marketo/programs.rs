//! Programs and their members: the seeded ones, overlaid by what has happened since.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::clock::{self, DAY, Seconds};
use super::lists::program_name;
use super::seeded::Seeded;
use super::seeded::business::{PROGRAM_TYPES, SUCCESS};
use super::seeded::company::crm_id;

#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) id: u64,
    pub(crate) name: String,
    kind: &'static str,
    channel: &'static str,
    pub(crate) created_at: Seconds,
    pub(crate) updated_at: Seconds,
    cost: Option<u64>,
}

/// A lead's membership in a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) program: u64,
    pub(crate) program_name: String,
    pub(crate) lead: u64,
    pub(crate) status: String,
    joined_at: Seconds,
    pub(crate) updated_at: Seconds,
}

/// What became of a membership since; `None` for one that ended.
type Since = Option<(String, Seconds)>;

#[derive(Debug)]
pub(crate) struct Programs {
    seeded: Seeded,
    programs: BTreeMap<u64, Program>,
    since: BTreeMap<(u64, u64), Since>,
}

impl Programs {
    pub(crate) fn new(seeded: Seeded, now: Seconds) -> Self {
        let program = |id: u64| {
            let (kind, channel) = PROGRAM_TYPES[usize::try_from(id).unwrap_or(0) % PROGRAM_TYPES.len()];
            let age = i64::try_from(id % 97).unwrap_or(0);
            Program {
                id,
                name: program_name(&seeded, id),
                kind,
                channel,
                created_at: now - (200 + age) * DAY,
                updated_at: now - age * DAY,
                cost: id.is_multiple_of(3).then_some(id * 10),
            }
        };
        let programs = seeded.programs().map(|id| (id, program(id))).collect();
        Self { seeded, programs, since: BTreeMap::new() }
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Program> {
        self.programs.get(&id)
    }

    /// Makes a program behind all there are, and returns its id.
    pub(crate) fn create(&mut self, name: &str, now: Seconds) -> u64 {
        let id = self.programs.keys().next_back().map_or(1, |last| last + 1);
        let (kind, channel) = PROGRAM_TYPES[0];
        let name = name.to_owned();
        self.programs.insert(id, Program { id, name, kind, channel, created_at: now, updated_at: now, cost: None });
        id
    }

    /// Removes a program and its members; false if there is none.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        self.programs.remove(&id).is_some()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Program> {
        self.programs.values()
    }

    pub(crate) fn member(&self, program: u64, lead: u64) -> Option<Member> {
        let known = self.programs.get(&program)?;
        let joined_at = self.seeded.joined_at(program, lead);
        let (status, joined_at, updated_at) = match self.since.get(&(program, lead)) {
            Some(None) => return None,
            Some(Some((status, at))) if self.seeded.is_in_program(program, lead) => (status.clone(), joined_at, *at),
            Some(Some((status, at))) => (status.clone(), *at, *at),
            None if self.seeded.is_in_program(program, lead) => {
                (self.seeded.progression(program, lead).to_owned(), joined_at, joined_at)
            }
            None => return None,
        };
        Some(Member { program, program_name: known.name.clone(), lead, status, joined_at, updated_at })
    }

    /// At most so many members with lead ids from `from` on, in order. Leads that are gone are still among them.
    pub(crate) fn members(&self, program: u64, from: u64, at_most: usize) -> Vec<Member> {
        let seeded = self.seeded.in_program(program, from).take(at_most);
        let added = self.since.range((program, from)..(program + 1, 0)).map(|((_, lead), _)| *lead);
        // More than enough of both, brought together: those that ended fall out, so there may be fewer than asked for.
        let mut leads: Vec<u64> = seeded.chain(added).collect();
        leads.sort_unstable();
        leads.dedup();
        leads.into_iter().filter_map(|lead| self.member(program, lead)).take(at_most).collect()
    }

    /// Sets a status, or ends a membership. Returns the status there was.
    pub(crate) fn set(&mut self, program: u64, lead: u64, status: Option<&str>, now: Seconds) -> Option<String> {
        let before = self.member(program, lead).map(|member| member.status);
        self.since.insert((program, lead), status.map(|status| (status.to_owned(), now)));
        before
    }
}

impl Program {
    /// As the list of programs tells of it: without tags and costs.
    pub(crate) fn to_map(&self) -> Map<String, Json> {
        let mut program = json!({
            "id": self.id,
            "name": self.name,
            "description": "",
            "createdAt": clock::asset_datetime(self.created_at),
            "updatedAt": clock::asset_datetime(self.updated_at),
            "url": format!("https://app-sim.marketo.com/#PG{}A1", self.id),
            "type": self.kind,
            "channel": self.channel,
            "folder": {"type": "Folder", "value": 28, "folderName": "Campaigns"},
            "status": if self.kind == "Engagement" { "on" } else { "" },
            "workspace": "Default",
            "headStart": false,
        });
        // An e-mail program runs from day to day; an event is the CRM's campaign as well.
        match self.kind {
            "Email" => {
                program["startDate"] = json!(clock::asset_datetime(self.created_at + DAY));
                program["endDate"] = json!(clock::asset_datetime(self.created_at + 2 * DAY));
            }
            "Event" => {
                program["sfdcId"] = json!(crm_id("701", self.id));
                program["sfdcName"] = json!(self.name);
            }
            _ => {}
        }
        match program {
            Json::Object(program) => program,
            _ => Map::new(),
        }
    }

    /// As a question for one program tells of it.
    pub(crate) fn to_json(&self) -> Json {
        let mut program = self.to_map();
        let costs =
            self.cost.map(|cost| json!([{"startDate": clock::date(self.created_at.div_euclid(DAY)), "cost": cost}]));
        program.insert("tags".to_owned(), Json::Null);
        program.insert("costs".to_owned(), costs.unwrap_or(Json::Null));
        Json::Object(program)
    }
}

impl Member {
    pub(crate) const DEFAULT_FIELDS: [&str; 5] =
        ["acquiredBy", "leadId", "membershipDate", "programId", "reachedSuccess"];

    pub(crate) fn reached_success(&self) -> bool {
        self.status == SUCCESS
    }

    pub(crate) fn to_map(&self) -> Map<String, Json> {
        let (success, is_event) = (self.reached_success(), self.program % 4 == 1);
        let member = json!({
            "acquiredBy": (self.lead + self.program).is_multiple_of(7),
            "createdAt": clock::datetime(self.joined_at),
            "isExhausted": false,
            "leadId": self.lead,
            "membershipDate": clock::datetime(self.joined_at),
            "nurtureCadence": if self.program % 4 == 2 { json!("norm") } else { Json::Null },
            "program": self.program_name,
            "programId": self.program,
            "reachedSuccess": success,
            "reachedSuccessDate": if success { json!(clock::datetime(self.updated_at)) } else { Json::Null },
            "statusName": self.status,
            "statusReason": if self.lead.is_multiple_of(2) { json!("Said so at the booth") } else { Json::Null },
            "trackName": if self.program % 4 == 2 { json!("Getting started") } else { Json::Null },
            "updatedAt": clock::datetime(self.updated_at),
            "registrationCode": if is_event { json!(format!("{}-{}", self.program, self.lead)) } else { Json::Null },
            "webinarUrl": if is_event { json!(format!("https://webinar.example/{}", self.program)) } else { Json::Null },
        });
        match member {
            Json::Object(member) => member,
            _ => Map::new(),
        }
    }
}

/// Fields of a member, as described: name and type.
pub(crate) const MEMBER_FIELDS: &[(&str, &str)] = &[
    ("acquiredBy", "boolean"),
    ("createdAt", "datetime"),
    ("isExhausted", "boolean"),
    ("leadId", "integer"),
    ("membershipDate", "datetime"),
    ("nurtureCadence", "string"),
    ("program", "string"),
    ("programId", "integer"),
    ("reachedSuccess", "boolean"),
    ("reachedSuccessDate", "datetime"),
    ("statusName", "string"),
    ("statusReason", "string"),
    ("trackName", "string"),
    ("updatedAt", "datetime"),
    // Of who registered for an event.
    ("registrationCode", "string"),
    ("webinarUrl", "string"),
];

#[cfg(test)]
mod tests {
    use super::super::config::MarketoConfig;
    use super::*;

    #[test]
    fn members_come_go_and_move_on() {
        let seeded = Seeded::new(&MarketoConfig { leads: 400, ..MarketoConfig::default() }, 1_795_000_000);
        let mut programs = Programs::new(seeded.clone(), 1_795_000_000);
        let before = programs.members(1_000, 0, 1_000);
        assert_eq!(before.len(), seeded.in_program(1_000, 0).count());
        let outsider = (1..=400).find(|lead| !seeded.is_in_program(1_000, *lead)).unwrap();
        assert_eq!(programs.set(1_000, outsider, Some("Invited"), 5), None);
        assert_eq!(programs.set(1_000, before[0].lead, None, 6).as_ref(), Some(&before[0].status));
        assert_eq!(programs.set(1_000, before[1].lead, Some(SUCCESS), 7).as_ref(), Some(&before[1].status));
        let after = programs.members(1_000, 0, 1_000);
        assert_eq!(after.len(), before.len());
        assert!(after.iter().any(|m| m.lead == outsider && m.status == "Invited" && m.updated_at == 5));
        assert!(after.iter().all(|m| m.lead != before[0].lead));
        let moved = after.iter().find(|m| m.lead == before[1].lead).unwrap();
        assert!(moved.reached_success() && moved.joined_at == before[1].joined_at);
        assert_eq!(programs.members(7, 0, 9), vec![]);
    }
}
