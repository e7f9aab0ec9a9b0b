//! Documents: what people configure and follow. Small, versioned, by kind and id.

use serde::{Deserialize, Serialize};

/// Kinds of documents of a sandbox. The text form is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Connection,
    /// A connection's streams as they were last discovered; the id is the connection's.
    Catalog,
    Segment,
    /// Segments in an order, each with a segment of those whom none before has.
    Waterfall,
    Activation,
    Run,
    Delivery,
    /// What a target was read back to hold.
    Readback,
    /// Rules of identity that were published; the id is the entity's name.
    IdentityRules,
    /// A merge policy that was published; the id is the entity's name.
    MergePolicy,
    /// Rules that match leads to accounts, once some were published; one for the sandbox.
    MatchRules,
    /// Two records that are never one.
    NeverLink,
    /// A choice that somebody made for a field of a record's profile.
    Pin,
    /// What a connection or a dataset brought, taken back.
    Removal,
    /// What the operator added to the model; the id is `model`.
    CustomModel,
    /// A mapping in the place of the one that the connector ships; the id is `<connection>:<stream>`.
    Mapping,
    /// What an operator made of the limits; one for the sandbox.
    Guardrails,
    /// Rates of exchange; the id is their base.
    ExchangeRates,
    /// What has to be asked before something is sent; one for the sandbox.
    ConsentRules,
    /// Labels of fields, and the uses of destinations.
    UsagePolicy,
    /// Where open tables go beside the host's disk; one for the sandbox.
    TablesBucket,
    /// How fresh streams and audiences should be; one for the sandbox.
    FreshnessTargets,
    /// Somebody wants a run or delivery to end; the id is its own. Gone when it has.
    Cancellation,
    /// Somebody allows the removals of a delivery that waits for that; the id is its own. Gone when it has ended.
    Approval,
    /// A batch evaluation of segments.
    Evaluation,
    /// When batch evaluations start by themselves; one for the sandbox.
    EvaluationSchedule,
    /// How a connection's streams have changed, and what waits for approval; the id is the connection's.
    SchemaDrift,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub id: String,
    pub body: serde_json::Value,
    /// Rises by one with every change.
    pub version: u64,
}

/// What a change expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Anything,
    Absent,
    Version(u64),
}

/// A document to write along with a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentWrite {
    pub kind: Kind,
    pub id: String,
    pub body: serde_json::Value,
}
