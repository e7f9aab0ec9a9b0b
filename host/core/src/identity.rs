//! Which records are one thing: one person, one account. A deterministic graph over namespaces: records that share an
//! identity are joined, as far as the rules allow, and each group that remains is a profile. Order, batches and
//! repeats never matter, save for which profile id survives.
//!
//! The way of a page of changed records: [`ClaimReader`] reads what names each; [`reach`] loads the records they hang
//! together with, never more than the rules allow; [`resolve`] divides those into profiles, with the evidence of each
//! link and what was held back, and names them. What comes out for a record depends on the records, the rules and
//! the never-links alone.

mod claims;
mod connect;
mod divide;
mod name;
mod never;
pub mod overlap;
mod reach;
pub mod report;

mod rules;

pub use claims::{CLAIMS_MAX, Claim, ClaimProblem, ClaimReader};
pub use divide::{Held, Link, Refusal, Why};
pub use name::Retired;
pub use never::{NeverLink, NeverLinks, UnmergeProblem, unmerge};
pub use reach::{Ask, Changed, Graph, reach};
pub use rules::{NamespaceRules, Rules, RulesProblem, Standing};

use crate::Millis;
use crate::id::ThingId;
use connect::Disjoint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// A value that names a person within a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// `source_key`, `email`, `ecid`.
    pub namespace: String,
    pub value: String,
}

impl Identity {
    /// The namespace of source keys.
    pub const SOURCE_KEY: &'static str = "source_key";
    /// The namespace of e-mail addresses.
    pub const EMAIL: &'static str = "email";
    /// The namespace of device identities.
    pub const ECID: &'static str = "ecid";

    /// The namespaces a profile can be looked up by.
    pub const NAMESPACES: [&'static str; 3] = [Self::SOURCE_KEY, Self::EMAIL, Self::ECID];

    #[must_use]
    pub fn source_key(key: &str) -> Self {
        Self { namespace: Self::SOURCE_KEY.into(), value: key.into() }
    }

    /// The identity of an e-mail address: trimmed and in lower case. `None` for what is no address, and for the
    /// words that systems write where there is none.
    #[must_use]
    pub fn email(address: &str) -> Option<Self> {
        let value = address.trim().to_lowercase();
        let (local, domain) = value.rsplit_once('@')?;
        let whole = !local.is_empty() && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.');
        let plain = !value.contains(|c: char| c.is_whitespace() || c.is_control());
        (whole && plain && value.len() <= 1024).then(|| Self { namespace: Self::EMAIL.into(), value })
    }

    /// The identity of a device: 38 digits. `None` for anything else.
    #[must_use]
    pub fn ecid(text: &str) -> Option<Self> {
        let value = text.trim();
        let digits = value.len() == 38 && value.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| Self { namespace: Self::ECID.into(), value: value.to_owned() })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.namespace, self.value)
    }
}

/// A record, and what names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<I> {
    pub source_key: String,
    /// When the record came into being at its source, 0 where that is not known. Older links are made first. Not when
    /// it last changed: else every change could divide anew what the rules keep apart.
    pub at: Millis,
    pub claims: Vec<Claim>,
    /// The profile it belonged to until now.
    pub profile: Option<I>,
    /// The level it was joined at until now; [`Level::Full`] for a record that is new.
    pub level: Level,
}

/// Which namespaces join a record: fewer, where too many records hang together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    #[default]
    Full,
    /// Firm namespaces only: in all, more records hang together than the rules allow.
    Firm,
    /// None: even by firm namespaces, more do.
    Alone,
}

/// Records to be divided, whole: whatever could join any of them is among them.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbourhood<I> {
    pub nodes: Vec<Node<I>>,
    /// The level of each node from now on, by position.
    pub levels: Vec<Level>,
    /// Values that more records carry than may share one.
    pub shared: HashSet<Identity>,
    /// Profile ids of records that are gone.
    pub gone: Vec<I>,
}

impl<I> Neighbourhood<I> {
    /// All records there are: for a recomputation that fits into memory, and for tests. Source keys must be different.
    #[must_use]
    pub fn whole(nodes: Vec<Node<I>>, rules: &Rules) -> Self {
        let carriers = carriers(&nodes);
        let shared: HashSet<Identity> = carriers
            .iter()
            .filter(|(identity, nodes)| is_shared(identity, nodes.len(), rules))
            .map(|(identity, _)| (*identity).clone())
            .collect();
        let connected = |level: Level| {
            let mut sets = Disjoint::new(nodes.len());
            let joined = carriers.iter().filter(|(i, _)| rules.joins_at(i, level) && !shared.contains(*i));
            for (_, members) in joined {
                members.windows(2).for_each(|pair| sets.join(pair[0], pair[1]));
            }
            sets
        };
        let (mut full, mut firm) = (connected(Level::Full), connected(Level::Firm));
        let most = rules.connected_records_max as usize;
        let levels = (0..nodes.len()).map(|i| match () {
            () if full.size(i) <= most => Level::Full,
            () if firm.size(i) <= most => Level::Firm,
            () => Level::Alone,
        });
        Self { levels: levels.collect(), shared, gone: Vec::new(), nodes }
    }
}

/// Which nodes carry each identity.
fn carriers<I>(nodes: &[Node<I>]) -> HashMap<&Identity, Vec<usize>> {
    let mut carriers: HashMap<&Identity, Vec<usize>> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for claim in &node.claims {
            let members = carriers.entry(&claim.identity).or_default();
            if members.last() != Some(&i) {
                members.push(i);
            }
        }
    }
    carriers
}

fn is_shared(identity: &Identity, records: usize, rules: &Rules) -> bool {
    rules.of(&identity.namespace).is_some_and(|namespace| records > namespace.records_max as usize)
}

/// One profile: its records, and why they are together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component<I> {
    pub profile: I,
    /// Positions in the nodes given, in the order of source keys.
    pub nodes: Vec<usize>,
    /// The level its records are joined at.
    pub level: Level,
    /// The evidence. Enough to connect the records, and what confirms it.
    pub links: Vec<Link>,
    /// What was not joined, and why: to be shown, never dropped in silence.
    pub held: Vec<Held>,
}

impl<I> Component<I> {
    /// Whether a limit kept records out of this profile. A never-link or a blocked value is somebody's wish, and no
    /// degradation.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        let by_limit = |held: &Held| match held {
            Held::Shared(_) => true,
            Held::Refused(refusal) => !matches!(refusal.why, Why::NeverLink),
        };
        self.level != Level::Full || self.held.iter().any(by_limit)
    }
}

/// What became of a neighbourhood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution<I> {
    /// In the order of their first records.
    pub components: Vec<Component<I>>,
    /// Profile ids that are no more.
    pub retired: Vec<Retired<I>>,
}

/// Divides a neighbourhood into profiles and names each.
///
/// `founded`: the id that a source key gives to a profile it founds.
///
/// `taken`: whether a profile outside of the neighbourhood has this id. It is asked for new names only: a record that
/// left a profile named after it must not found a second one of the same name.
///
/// # Errors
/// Those of `taken`.
pub fn resolve<I: ThingId, E>(
    neighbourhood: &Neighbourhood<I>,
    rules: &Rules,
    never: &NeverLinks,
    founded: impl Fn(&str) -> I,
    taken: impl FnMut(&I) -> Result<bool, E>,
) -> Result<Resolution<I>, E> {
    let groups = divide::divide(neighbourhood, rules, never);
    let profiles = name::name(&neighbourhood.nodes, &groups, founded, taken)?;
    let retired = name::retired(neighbourhood, &groups, &profiles);
    let components = groups.into_iter().zip(profiles).map(|(group, profile)| Component {
        profile,
        level: group.nodes.first().and_then(|i| neighbourhood.levels.get(*i)).copied().unwrap_or_default(),
        nodes: group.nodes,
        links: group.links,
        held: group.held,
    });
    Ok(Resolution { components: components.collect(), retired })
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
