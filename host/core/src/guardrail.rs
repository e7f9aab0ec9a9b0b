//! Limits as data: what there may be how much of, what happens beyond, and what an operator made of it. The API publishes
//! them; what enforces one asks here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Guardrail {
    /// Stable: `person.identities`.
    pub id: &'static str,
    pub title: &'static str,
    pub unit: Unit,
    /// From here on it is warned of; 0: not. A limit of which nobody warns has none by default, and can be given none.
    pub warn_at: u64,
    /// Most there may be; 0: no bound.
    pub max: u64,
    /// What happens to what is over `max`.
    pub beyond: Beyond,
    /// The same limit of the reference product, for comparison; empty: it has none that is published.
    pub reference: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "GuardrailUnit")]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    Count,
    Bytes,
    Characters,
}

/// What happens to what is over a limit. Never: nothing, and nobody hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "GuardrailBeyond")]
#[serde(rename_all = "kebab-case")]
pub enum Beyond {
    /// It is not taken, and whoever sent it is told.
    Refused,
    /// The rest is left out, and the record or profile says so.
    Trimmed,
    /// The profile works with less, is marked and listed.
    Degraded,
    /// It is taken, and somebody is told.
    Warned,
    /// Nothing more is read until there is room again; then reading goes on by itself.
    Paused,
    /// The run ends. Its cursors are kept, and the next run goes on from them.
    Stopped,
}

macro_rules! guardrails {
    ($($id:literal $unit:ident warn $warn:literal max $max:literal $beyond:ident, $title:literal, $reference:literal;)*) => {
        /// All limits, by what they limit.
        pub const GUARDRAILS: &[Guardrail] = &[$(Guardrail {
            id: $id, title: $title, unit: Unit::$unit, warn_at: $warn, max: $max, beyond: Beyond::$beyond,
            reference: $reference,
        }),*];
    };
}

guardrails! {
    "record.bytes" Bytes warn 0 max 1_048_576 Refused,
        "Size of a record", "100 KB, dropped above";
    "record.identities" Count warn 0 max 20 Trimmed,
        "Identities of a record", "20";
    "event.bytes" Bytes warn 0 max 102_400 Refused,
        "Size of an event", "10 KB, dropped above";
    "event.list_items" Count warn 0 max 500 Refused,
        "Items of a list in an event", "10, soft";
    "person.identities" Count warn 0 max 200 Degraded,
        "Identities of a person", "50, beyond it left out of segments, exports and look-ups";
    "person.connected_records" Count warn 0 max 1_000 Degraded,
        "Records that hang together as one person or could", "";
    "person.records_sharing_email" Count warn 0 max 10 Degraded,
        "Records that share an e-mail address", "";
    "person.list_items" Count warn 0 max 500 Trimmed,
        "Items of a list in a person", "500, soft";
    "person.events_in_rules" Count warn 5_000 max 0 Warned,
        "Events of a person that rules look at", "5,000, above it the person is not considered";
    "account.identities" Count warn 0 max 200 Degraded,
        "Identities of an account", "50, soft";
    "account.depth" Count warn 0 max 100 Degraded,
        "Parents above an account", "";
    "account.family" Count warn 0 max 100_000 Degraded,
        "Accounts of a family that are rolled up", "";
    "account.sharing_key" Count warn 0 max 100 Degraded,
        "Accounts that have a domain or a name in common, and are still found by it", "";
    "opportunity.stages_seen" Count warn 0 max 500 Trimmed,
        "Sightings of an opportunity's stage that are kept", "";
    "identity.value" Characters warn 0 max 1_024 Refused,
        "Length of an identity's value", "1,024";
    "sandbox.custom_entities" Count warn 0 max 100 Refused,
        "Custom entities", "";
    "sandbox.custom_attributes" Count warn 0 max 1_000 Refused,
        "Custom attributes of one entity", "";
    "sandbox.segments" Count warn 4_000 max 0 Warned,
        "Segments of persons", "4,000, soft; 400 in a B2B sandbox";
    "sandbox.account_segments" Count warn 1_000 max 0 Warned,
        "Segments of accounts", "50, creation then disabled";
    "segment.nested_relations" Count warn 3 max 10 Refused,
        "Relations of a rule, one inside the other", "3";
    "destination.mapped_attributes" Count warn 50 max 500 Refused,
        "Attributes mapped to a destination that has no limit of its own", "50";
    "destination.activations" Count warn 250 max 0 Warned,
        "Audiences of a destination", "250";
    "sandbox.destinations" Count warn 100 max 0 Warned,
        "Destinations", "100";
    "run.pages" Count warn 0 max 1_000_000 Stopped,
        "Pages of a run", "";
    "run.empty_pages" Count warn 0 max 10_000 Stopped,
        "Pages in a row that bring nothing and wait for nothing", "";
    "sandbox.disk_bytes" Bytes warn 85_899_345_920 max 107_374_182_400 Paused,
        "Disk use of a sandbox", "";
}

/// What holds today, and is published. The others wait for the part that they limit.
const HOLDS: [&str; 23] = [
    "record.bytes",
    "record.identities",
    "event.bytes",
    "event.list_items",
    "person.list_items",
    "person.identities",
    "person.connected_records",
    "person.records_sharing_email",
    "account.identities",
    "account.depth",
    "account.family",
    "account.sharing_key",
    "opportunity.stages_seen",
    "identity.value",
    "sandbox.custom_entities",
    "sandbox.custom_attributes",
    "sandbox.segments",
    "destination.mapped_attributes",
    "destination.activations",
    "sandbox.destinations",
    "run.pages",
    "run.empty_pages",
    "sandbox.disk_bytes",
];

/// Of these, what nobody can change: the form of what is stored, or the bound of a step, hangs on it.
const FIXED: [&str; 4] = ["record.identities", "identity.value", "account.depth", "opportunity.stages_seen"];

impl Guardrail {
    /// Whether something holds to it. One that does not is not published.
    #[must_use]
    pub fn is_published(&self) -> bool {
        HOLDS.contains(&self.id)
    }

    #[must_use]
    pub fn is_adjustable(&self) -> bool {
        self.is_published() && !FIXED.contains(&self.id)
    }

    /// Whether profiles are made by it, so that a change has records looked at again.
    #[must_use]
    pub fn decides_profiles(&self) -> bool {
        [
            "person.identities",
            "person.connected_records",
            "person.records_sharing_email",
            "person.list_items",
            "account.identities",
        ]
        .contains(&self.id)
    }
}

/// What an operator changed, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "GuardrailOverrides")]
#[serde(transparent)]
pub struct Overrides(pub BTreeMap<String, Override>);

/// 0 takes a bound away; absent leaves it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "GuardrailOverride")]
#[serde(deny_unknown_fields)]
pub struct Override {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// Why an override cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideProblem {
    #[error("there is no limit `{0}`")]
    Unknown(String),
    #[error("{id}: warned at {warn_at}, which is over the most there may be, {max}")]
    WarnsTooLate { id: String, warn_at: u64, max: u64 },
    #[error("{0}: nothing holds to this limit yet")]
    Unpublished(String),
    #[error("{0}: what is stored hangs on this limit, so it cannot be changed")]
    Fixed(String),
    #[error("{0}: this limit keeps steps bounded and cannot be taken away; give a number")]
    Needed(String),
    #[error("{0}: nobody is warned of this limit; leave `warn_at` out")]
    NotWarned(String),
    #[error("{id}: at least {least}, or no two records could ever be one")]
    TooSmall { id: String, least: u64 },
}

/// Limits without which a single record could take all memory.
const NEEDED: [&str; 5] =
    ["record.bytes", "event.bytes", "person.connected_records", "account.family", "account.sharing_key"];

/// Smaller ones would make rules of identity that nobody could publish.
const LEAST: [(&str, u64); 3] = [("person.identities", 2), ("person.connected_records", 2), ("account.identities", 2)];

impl OverrideProblem {
    /// The limit at fault.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Unknown(id) | Self::Unpublished(id) | Self::Fixed(id) | Self::Needed(id) | Self::NotWarned(id) => id,
            Self::WarnsTooLate { id, .. } | Self::TooSmall { id, .. } => id,
        }
    }
}

/// The limits as they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guardrails {
    limits: BTreeMap<&'static str, Guardrail>,
}

/// What a measured figure means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Within,
    /// Somebody should know.
    Warn(String),
    /// Over the limit: this happens, for this reason.
    Over(Beyond, String),
}

impl Default for Guardrails {
    fn default() -> Self {
        Self { limits: GUARDRAILS.iter().map(|g| (g.id, *g)).collect() }
    }
}

impl Guardrails {
    /// # Errors
    /// The first override that cannot be.
    pub fn new(overrides: &Overrides) -> Result<Self, OverrideProblem> {
        let mut guardrails = Self::default();
        for (id, change) in &overrides.0 {
            let limit = guardrails.limits.get_mut(id.as_str()).ok_or_else(|| OverrideProblem::Unknown(id.clone()))?;
            if !limit.is_published() {
                return Err(OverrideProblem::Unpublished(id.clone()));
            }
            if !limit.is_adjustable() {
                return Err(OverrideProblem::Fixed(id.clone()));
            }
            if limit.warn_at == 0 && change.warn_at.is_some_and(|at| at > 0) {
                return Err(OverrideProblem::NotWarned(id.clone()));
            }
            limit.warn_at = change.warn_at.unwrap_or(limit.warn_at);
            limit.max = change.max.unwrap_or(limit.max);
            if limit.max == 0 && NEEDED.contains(&limit.id) {
                return Err(OverrideProblem::Needed(id.clone()));
            }
            if let Some((_, least)) = LEAST.iter().find(|(of, least)| of == id && (1..*least).contains(&limit.max)) {
                return Err(OverrideProblem::TooSmall { id: id.clone(), least: *least });
            }
            if limit.max > 0 && limit.warn_at > limit.max {
                // Who lowers a limit need not know of the warning.
                if change.warn_at.is_some() {
                    let (warn_at, max) = (limit.warn_at, limit.max);
                    return Err(OverrideProblem::WarnsTooLate { id: id.clone(), warn_at, max });
                }
                limit.warn_at = 0;
            }
        }
        Ok(guardrails)
    }

    /// The limits, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Guardrail> {
        self.limits.values()
    }

    /// The most there may be; `None` for no bound, and for an id that is none.
    #[must_use]
    pub fn max(&self, id: &str) -> Option<u64> {
        self.limits.get(id).map(|limit| limit.max).filter(|max| *max > 0)
    }

    /// What a figure means. An id that is none limits nothing.
    #[must_use]
    pub fn check(&self, id: &str, measured: u64) -> Verdict {
        let Some(limit) = self.limits.get(id) else { return Verdict::Within };
        let Guardrail { title, warn_at, max, beyond, .. } = *limit;
        if max > 0 && measured > max {
            return Verdict::Over(beyond, format!("{title}: {measured}, at most {max} ({id})"));
        }
        if warn_at > 0 && measured > warn_at {
            return Verdict::Warn(format!("{title}: {measured}, advised are {warn_at} ({id})"));
        }
        Verdict::Within
    }

    /// Rules as they hold: what somebody published may be narrower than these limits, never wider.
    #[must_use]
    pub fn bound(&self, mut rules: crate::identity::Rules) -> crate::identity::Rules {
        let most = self.person_rules();
        rules.identities_max = rules.identities_max.min(most.identities_max);
        rules.connected_records_max = rules.connected_records_max.min(most.connected_records_max);
        for (name, namespace) in &mut rules.namespaces {
            let shared = most.namespaces.get(name).filter(|_| name == crate::identity::Identity::EMAIL);
            let records_max = shared.map_or(u32::MAX, |most| most.records_max).min(rules.connected_records_max);
            namespace.records_max = namespace.records_max.min(records_max);
        }
        rules
    }

    /// Rules of identity of accounts, as they hold: never wider than these limits.
    #[must_use]
    pub fn bound_account(&self, mut rules: crate::identity::Rules) -> crate::identity::Rules {
        let most = self.max("account.identities").map_or(u32::MAX, |max| u32::try_from(max).unwrap_or(u32::MAX));
        rules.identities_max = rules.identities_max.min(most);
        rules
    }

    /// Rules of identity for persons, within these limits.
    #[must_use]
    pub fn person_rules(&self) -> crate::identity::Rules {
        let mut rules = crate::identity::Rules::person();
        let bound = |id: &str, default: u32| self.max(id).map_or(default, |max| u32::try_from(max).unwrap_or(u32::MAX));
        rules.identities_max = bound("person.identities", u32::MAX);
        rules.connected_records_max = bound("person.connected_records", rules.connected_records_max);
        if let Some(email) = rules.namespaces.get_mut(crate::identity::Identity::EMAIL) {
            email.records_max = bound("person.records_sharing_email", u32::MAX);
        }
        // No value joins more records than may hang together.
        for namespace in rules.namespaces.values_mut() {
            namespace.records_max = namespace.records_max.min(rules.connected_records_max);
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::hierarchy;
    use crate::identity::{CLAIMS_MAX, Rules};
    use crate::key::SourceKey;
    use crate::stages::StageHistory;

    #[test]
    fn ids_are_unique_and_a_warning_comes_before_the_limit() {
        assert_eq!(Guardrails::default().iter().count(), GUARDRAILS.len());
        for Guardrail { id, warn_at, max, beyond, .. } in GUARDRAILS {
            assert!(*max == 0 || warn_at <= max, "{id}");
            assert_eq!(*max == 0, *beyond == Beyond::Warned, "{id}: what is only warned of has no bound");
        }
    }

    /// A limit that stands in code as well is the same there.
    #[test]
    fn what_is_published_is_what_holds() {
        let guardrails = Guardrails::default();
        for (id, value) in [
            ("record.identities", CLAIMS_MAX),
            ("account.depth", hierarchy::DEPTH_MAX),
            ("opportunity.stages_seen", StageHistory::SEEN_MAX),
            ("identity.value", SourceKey::BYTES_MAX),
            ("account.identities", Rules::keyed().identities_max as usize),
        ] {
            assert_eq!(guardrails.max(id), Some(value as u64), "{id}");
        }
        assert_eq!(guardrails.person_rules(), Rules::person());
    }

    #[test]
    fn a_figure_is_within_warned_of_or_over() {
        let guardrails = Guardrails::default();
        let mapped = |count| guardrails.check("destination.mapped_attributes", count);
        assert_eq!(mapped(50), Verdict::Within);
        assert!(matches!(mapped(51), Verdict::Warn(m) if m.contains("51, advised are 50")));
        assert!(matches!(mapped(500), Verdict::Warn(_)));
        let over = mapped(501);
        assert!(matches!(over, Verdict::Over(Beyond::Refused, m) if m.contains("(destination.mapped_attributes)")));
        assert_eq!(guardrails.check("person.identities", 200), Verdict::Within);
        assert!(matches!(guardrails.check("person.identities", 201), Verdict::Over(Beyond::Degraded, _)));
        assert!(matches!(guardrails.check("person.events_in_rules", 1 << 40), Verdict::Warn(_)));
        assert_eq!(guardrails.check("nothing", 1 << 40), Verdict::Within);
    }

    #[test]
    fn what_is_published_is_among_the_limits() {
        let known = |id: &str| GUARDRAILS.iter().any(|limit| limit.id == id);
        assert!(HOLDS.iter().all(|id| known(id)) && FIXED.iter().all(|id| HOLDS.contains(id)));
    }

    #[test]
    fn published_rules_may_be_narrower_than_the_limits_and_not_wider() {
        let set = |json: &str| Guardrails::new(&serde_json::from_str(json).unwrap()).unwrap();
        let mut rules = Rules::person();
        assert_eq!(Guardrails::default().bound(rules.clone()), rules);
        let few = set(r#"{"person.identities": {"max": 9}, "person.records_sharing_email": {"max": 3}}"#);
        let bound = few.bound(rules.clone());
        assert_eq!((bound.identities_max, bound.namespaces["email"].records_max), (9, 3));
        rules.identities_max = 5;
        assert_eq!(few.bound(rules.clone()).identities_max, 5);
        // A wider limit does not widen what somebody narrowed.
        assert_eq!(set(r#"{"person.identities": {"max": 900}}"#).bound(rules.clone()).identities_max, 5);
        let tight = set(r#"{"person.connected_records": {"max": 4}}"#).bound(rules);
        assert_eq!((tight.connected_records_max, tight.check()), (4, Ok(())));
    }

    #[test]
    fn operators_change_limits_but_not_those_that_keep_steps_bounded() {
        let set = |json: &str| Guardrails::new(&serde_json::from_str(json).unwrap());
        let lower = set(r#"{"person.identities": {"max": 20}}"#).unwrap();
        assert!(matches!(lower.check("person.identities", 21), Verdict::Over(..)));
        assert_eq!(lower.check("person.identities", 20), Verdict::Within);
        assert_eq!(lower.person_rules().identities_max, 20);
        let few = set(r#"{"person.connected_records": {"max": 9}}"#).unwrap().person_rules();
        assert_eq!((few.connected_records_max, few.check()), (9, Ok(())));
        assert_eq!(set(r#"{"person.identities": {"max": 0}}"#).unwrap().person_rules().identities_max, u32::MAX);
        assert_eq!(set(r#"{"x": {}}"#), Err(OverrideProblem::Unknown("x".into())));
        let waits = "segment.nested_relations";
        assert_eq!(set(&format!(r#"{{"{waits}": {{}}}}"#)), Err(OverrideProblem::Unpublished(waits.into())));
        assert_eq!(set(r#"{"account.depth": {"max": 9}}"#), Err(OverrideProblem::Fixed("account.depth".into())));
        let narrow = set(r#"{"account.identities": {"max": 9}}"#).unwrap();
        assert_eq!(narrow.bound_account(Rules::keyed()).identities_max, 9);
        assert_eq!(set(r#"{"identity.value": {"max": 9}}"#), Err(OverrideProblem::Fixed("identity.value".into())));
        assert_eq!(set(r#"{"record.bytes": {"max": 0}}"#), Err(OverrideProblem::Needed("record.bytes".into())));
        let late = set(r#"{"destination.mapped_attributes": {"warn_at": 600}}"#);
        assert!(matches!(late, Err(OverrideProblem::WarnsTooLate { .. })));
        assert_eq!(set(r#"{"record.bytes": {"warn_at": 9}}"#), Err(OverrideProblem::NotWarned("record.bytes".into())));
        assert!(set(r#"{"record.bytes": {"warn_at": 0}}"#).is_ok());
        for id in ["person.identities", "person.connected_records"] {
            let problem = set(&format!(r#"{{"{id}": {{"max": 1}}}}"#));
            assert_eq!(problem, Err(OverrideProblem::TooSmall { id: id.into(), least: 2 }));
            let rules = set(&format!(r#"{{"{id}": {{"max": 2}}}}"#)).unwrap().person_rules();
            assert_eq!(rules.check(), Ok(()), "what holds can be published");
        }
        assert!(serde_json::from_str::<Overrides>(r#"{"person.identities": {"most": 1}}"#).is_err());
    }
}
