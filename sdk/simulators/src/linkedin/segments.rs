//! Segments and who is in them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::config::{Duplicates, LinkedInConfig};

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Company,
}

impl Kind {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "USER" => Some(Self::User),
            "COMPANY" => Some(Self::Company),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Company => "COMPANY",
        }
    }
}

/// What a segment is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewSegment {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) platform: String,
    pub(crate) source_id: String,
    pub(crate) policy: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) about: NewSegment,
    pub(crate) created_ms: u64,
    changed_ms: u64,
    /// Set by the control endpoint; nothing the API does leads here.
    pub(crate) forced: Option<String>,
    /// Identifying members of the elements, as JSON text.
    pub(crate) members: BTreeSet<String>,
    /// Elements that were answered 201 and are nowhere.
    pub(crate) lost: u64,
}

#[derive(Debug)]
pub(crate) struct Segments {
    account: String,
    settles_ms: u64,
    lookup_lag_ms: u64,
    builds_ms: u64,
    updates_ms: u64,
    matched_percent: u64,
    duplicates: Duplicates,
    next: u64,
    all: BTreeMap<u64, Segment>,
}

impl Segments {
    pub(crate) fn new(config: &LinkedInConfig) -> Self {
        let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            account: format!("urn:li:sponsoredAccount:{}", config.account),
            settles_ms: ms(config.settles),
            lookup_lag_ms: ms(config.lookup_lag),
            builds_ms: ms(config.builds),
            updates_ms: ms(config.updates),
            matched_percent: config.matched_percent,
            duplicates: config.duplicates,
            next: 9_821_736,
            all: BTreeMap::new(),
        }
    }

    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// Makes a segment and answers its id; `None` where there is one of this name already.
    pub(crate) fn create(&mut self, about: NewSegment, now_ms: u64) -> Option<u64> {
        let same = |other: &Segment| {
            let NewSegment { kind, platform, source_id, .. } = &other.about;
            (*kind, platform, source_id) == (about.kind, &about.platform, &about.source_id)
        };
        if self.duplicates == Duplicates::Refused && self.all.values().any(same) {
            return None;
        }
        let id = self.next;
        self.next += 1;
        let (forced, members) = (None, BTreeSet::new());
        self.all.insert(id, Segment { id, about, created_ms: now_ms, changed_ms: now_ms, forced, members, lost: 0 });
        Some(id)
    }

    /// Those the list of segments knows of by now.
    pub(crate) fn listed(&self, now_ms: u64) -> impl Iterator<Item = &Segment> {
        self.all.values().filter(move |segment| now_ms >= segment.created_ms + self.lookup_lag_ms)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Segment> {
        self.all.values()
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Segment> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Segment> {
        self.all.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        self.all.remove(&id).is_some()
    }

    /// Takes one element in. Too early, it is lost; nobody says so.
    pub(crate) fn put(&mut self, id: u64, member: &str, adds: bool, now_ms: u64) {
        let settles_ms = self.settles_ms;
        let Some(segment) = self.all.get_mut(&id) else { return };
        if now_ms < segment.created_ms + settles_ms {
            segment.lost += 1;
            return;
        }
        let changed = if adds { segment.members.insert(member.to_owned()) } else { segment.members.remove(member) };
        if changed {
            segment.changed_ms = now_ms;
        }
    }

    pub(crate) fn status(&self, segment: &Segment, now_ms: u64) -> String {
        let derived = if now_ms < segment.created_ms + self.builds_ms {
            "BUILDING"
        } else if now_ms < segment.changed_ms + self.updates_ms {
            "UPDATING"
        } else {
            "READY"
        };
        segment.forced.clone().unwrap_or_else(|| derived.to_owned())
    }

    /// As the API shows it. Status and counts stand with the destination; one that is still building has no counts.
    pub(crate) fn to_json(&self, segment: &Segment, now_ms: u64) -> Json {
        let status = self.status(segment, now_ms);
        let mut destination = json!({
            "destination": "LINKEDIN", "status": status, "created": segment.created_ms, "lastModified": segment.changed_ms,
            "destinationSegmentId": format!("urn:li:adSegment:{}", segment.id % 1_000_000 + 8_000_000),
        });
        let mut shown = json!({
            "id": segment.id, "name": segment.about.name, "type": segment.about.kind.name(), "account": self.account,
            "sourcePlatform": segment.about.platform, "sourceSegmentId": segment.about.source_id,
            "accessPolicy": segment.about.policy, "created": segment.created_ms, "lastModified": segment.changed_ms,
        });
        if status != "BUILDING" {
            let sent = segment.members.len() as u64;
            let matched = sent * self.matched_percent / 100;
            shown["inputCount"] = sent.into();
            destination["matchedCount"] = matched.into();
            // Small audiences are not told, for privacy.
            destination["audienceSize"] = if matched < 300 { 0 } else { matched }.into();
        }
        shown["destinations"] = json!([destination]);
        shown
    }
}
