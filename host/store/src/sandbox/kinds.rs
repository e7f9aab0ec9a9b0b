//! How kinds of documents are stored. Never renamed.

use attiva_core::ports::store::Kind;

pub(super) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Connection => "connection",
        Kind::Catalog => "catalog",
        Kind::Segment => "segment",
        Kind::Activation => "activation",
        Kind::Run => "run",
        Kind::Delivery => "delivery",
        Kind::Readback => "readback",
        Kind::IdentityRules => "identity-rules",
        Kind::MergePolicy => "merge-policy",
        Kind::MatchRules => "match-rules",
        Kind::NeverLink => "never-link",
        Kind::Pin => "pin",
        Kind::Removal => "removal",
        Kind::CustomModel => "custom-model",
        Kind::Mapping => "mapping",
        Kind::Guardrails => "guardrails",
        Kind::ExchangeRates => "exchange-rates",
        Kind::ConsentRules => "consent-rules",
        Kind::UsagePolicy => "usage-policy",
        Kind::FreshnessTargets => "freshness-targets",
        Kind::Cancellation => "cancellation",
        Kind::Approval => "approval",
        Kind::Evaluation => "evaluation",
        Kind::EvaluationSchedule => "evaluation-schedule",
        Kind::SchemaDrift => "schema-drift",
    }
}
