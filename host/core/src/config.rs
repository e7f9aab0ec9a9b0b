//! What people configure: connections, segments, activations. Stored as documents, shown by the API as they are.

use crate::Millis;
use crate::activation::{ActivationSchedule, Export};
use crate::consent::Use;
use crate::drift::SchemaPolicy;
use crate::expansion::Expansion;
use crate::id::{ActivationId, ConnectionId, EvaluationId, SegmentId, WaterfallId};
use crate::key::Instance;
use crate::model::EntityKind;
use crate::ports::connector::Target;
use crate::ports::store::TargetKey;
use crate::ranking::Ranking;
use crate::readback::ReadbackSetting;
use crate::schedule::Schedule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A configured connector. Secrets are kept apart, sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub id: ConnectionId,
    pub name: String,
    /// The plugin's name and version: `source-marketo@0.1.0`.
    pub plugin: String,
    /// Without secrets.
    pub configuration: serde_json::Value,
    pub instance: Instance,
    /// Streams to read, for a source; empty: the suggested ones.
    #[serde(default)]
    pub streams: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What becomes of a stream whose columns are others than they were.
    #[serde(default, skip_serializing_if = "SchemaPolicy::is_default")]
    pub schema: SchemaPolicy,
    pub created_at: Millis,
}

/// A rule that says who belongs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub id: SegmentId,
    pub name: String,
    /// CEL over the model, from `person` or `account`.
    pub expression: String,
    /// What its members are.
    #[serde(default)]
    pub entity: AudienceEntity,
    /// Of those who meet the rule, only the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<Ranking>,
    /// How it is to be evaluated; `None`: in streaming where its rule allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<EvaluationMethod>,
    /// The waterfall that makes its rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waterfall: Option<WaterfallId>,
    /// Rises with every change of the rule.
    #[serde(default = "first")]
    pub version: u32,
    /// Whether everybody has been looked at since the rule was made.
    pub evaluated: bool,
    /// Whether everybody has been looked at by this rule or one before it: until then, who asks for the audience gets no
    /// answer.
    #[serde(default)]
    pub has_result: bool,
    /// The batch evaluation whose result its audience is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_of: Option<EvaluationId>,
    /// When that evaluation began: who entered since is new with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_began_at: Option<Millis>,
    pub created_at: Millis,
}

fn first() -> u32 {
    1
}

impl Segment {
    /// A segment of persons that nobody has evaluated yet.
    #[must_use]
    pub fn new(id: SegmentId, name: &str, expression: &str, now: Millis) -> Self {
        Self {
            id,
            name: name.to_owned(),
            expression: expression.to_owned(),
            entity: AudienceEntity::Person,
            rank: None,
            evaluation: None,
            waterfall: None,
            version: first(),
            evaluated: false,
            has_result: false,
            result_of: None,
            result_began_at: None,
            created_at: now,
        }
    }

    /// Whether there is an audience that others may ask for.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.has_result || self.evaluated
    }
}

/// What members of an audience are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AudienceEntity {
    #[default]
    Person,
    Account,
}

impl AudienceEntity {
    #[must_use]
    pub fn kind(self) -> EntityKind {
        match self {
            Self::Person => EntityKind::Person,
            Self::Account => EntityKind::Account,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        self.kind().name()
    }
}

/// When members are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EvaluationMethod {
    /// With every change, and when a window of time runs out.
    Streaming,
    /// All together, by a schedule and on demand.
    Batch,
}

impl EvaluationMethod {
    #[must_use]
    pub fn is_streaming(self) -> bool {
        self == Self::Streaming
    }
}

/// An audience joined to a destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    pub id: ActivationId,
    pub name: String,
    pub segment: SegmentId,
    /// Of an audience of accounts: which people of each are sent. Without it, the accounts are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expansion: Option<Expansion>,
    pub connection: ConnectionId,
    pub target: TargetSettings,
    pub mapping: Vec<ActivationField>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ActivationSchedule>,
    /// Of a target that makes a whole of each delivery: whether it holds everybody or what has changed.
    #[serde(default)]
    pub export: Export,
    /// It starts no delivery, and a delivery of it holds at its next batch.
    #[serde(default)]
    pub paused: bool,
    /// It wants nobody any more: what it alone wanted is removed by its next delivery.
    #[serde(default)]
    pub retired: bool,
    /// Share of the target's members, in percent, that one delivery may remove; more waits for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removals_max_percent: Option<u8>,
    /// What it sends for; the sandbox's consent rules say what that needs, and what becomes of one that names nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Use>,
    /// How its target is read back; without it, when it is asked for, and drift is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readback: Option<ReadbackSetting>,
    pub created_at: Millis,
}

impl Activation {
    /// What its rows are of; `audience`: what the members of its segment are.
    #[must_use]
    pub fn sends(&self, audience: AudienceEntity) -> AudienceEntity {
        if self.expansion.is_some() { AudienceEntity::Person } else { audience }
    }

    /// The target as the destination is told of it.
    #[must_use]
    pub fn target(&self) -> Target {
        let TargetSettings { object, name, options } = self.target.clone();
        Target { id: self.id.as_str().to_owned(), object, name, options }
    }

    /// Which target it is, for one that keeps its members: activations that name the same one share it. Of files that hold
    /// what has changed, each activation has its own.
    #[must_use]
    pub fn target_key(&self, instance: &Instance) -> TargetKey {
        let name = match self.export {
            Export::Full => &self.target.name,
            Export::Incremental => self.id.as_str(),
        };
        TargetKey {
            system: instance.system.clone(),
            instance: instance.id.clone(),
            object: self.target.object.clone(),
            name: name.to_owned(),
        }
    }
}

/// Which object of the destination an activation fills, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetSettings {
    /// The name of a kind of object the destination has: `file`.
    pub object: String,
    /// A name for people, unique within the connection.
    pub name: String,
    /// By the object's own schema.
    #[serde(default)]
    pub options: serde_json::Value,
}

/// One field of the destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationField {
    /// The destination's field, a file's column.
    pub field: String,
    /// CEL over `person`, or over `account` where accounts are sent.
    pub expression: String,
    /// A member without a value here is excluded, and counted.
    #[serde(default)]
    pub required: bool,
}

/// What an operator allows one connection beyond its plugin's own origins: another endpoint in an origin's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointGrant {
    /// The specification's name of the origin.
    pub origin: String,
    /// `http` or `https`.
    pub scheme: String,
    pub host: String,
    pub port: u16,
    /// The addresses approved when it was granted; no other is dialled.
    pub addresses: Vec<std::net::IpAddr>,
}

/// All grants of a connection, by origin.
pub type Grants = BTreeMap<String, EndpointGrant>;
