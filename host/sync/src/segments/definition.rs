//! What a segment's text means in a sandbox: checked against its model and its audiences, planned and classified.

use attiva_core::config::{AudienceEntity, EvaluationMethod, Segment};
use attiva_core::id::SegmentId;
use attiva_core::model::Schema;
use attiva_core::model::custom::Custom;
use attiva_core::ranking::Ranking;
use attiva_core::{Fault, FaultKind};
use attiva_expr::{Audience, Model, Position, Problem, Scope};
use attiva_segments::{
    Classification, EdgeNeeds, EdgeReason, Needs, Plan, Rank, Reason, StreamingRefused, classify, edge, plan,
    segment_model, segment_scope,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What somebody wants a segment to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentWish<'a> {
    pub expression: &'a str,
    pub entity: AudienceEntity,
    /// `None`: everybody who meets the rule belongs.
    pub rank: Option<&'a Ranking>,
    /// `None`: in streaming where the rule allows.
    pub evaluation: Option<EvaluationMethod>,
}

impl<'a> SegmentWish<'a> {
    /// A rule over persons, however it is evaluated.
    #[must_use]
    pub fn of_persons(expression: &'a str) -> Self {
        Self { expression, entity: AudienceEntity::Person, rank: None, evaluation: None }
    }
}

/// A text that can be a segment.
#[derive(Debug, Clone)]
pub struct Definition {
    pub plan: Plan,
    /// Of those who meet the rule, only the first.
    pub rank: Option<Rank>,
    pub entity: AudienceEntity,
    /// What the rule allows, and the condition that decided.
    pub classification: Classification,
    /// Whether it can be answered at a request, and else the condition that keeps it from that.
    pub edge: Result<EdgeNeeds, EdgeReason>,
    /// How it is evaluated.
    pub method: EvaluationMethod,
    /// Segments whose audiences it asks for.
    pub asks_for: BTreeSet<SegmentId>,
    pub needs: Needs,
    /// Fields that it reads, by name.
    pub reads: Vec<String>,
}

/// What is wrong with what somebody wants a segment to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsound {
    /// Which text of the wish the places are in.
    pub field: &'static str,
    pub problems: Vec<Problem>,
}

impl Unsound {
    pub(crate) fn rule(problems: Vec<Problem>) -> Self {
        Self { field: "/expression", problems }
    }

    fn rank(problems: Vec<Problem>) -> Self {
        Self { field: "/rank/by", problems }
    }
}

impl Definition {
    /// All that it reads: the rule, and the value that members are ranked by.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &Plan> {
        std::iter::once(&self.plan).chain(self.rank.as_ref().map(Rank::plan))
    }
}

/// What may be named: the sandbox's entities, and its audiences.
#[derive(Debug, Clone)]
pub(crate) struct Language {
    pub(crate) custom: Custom,
    pub(crate) schema: Arc<Schema>,
    pub(crate) model: Arc<Model>,
    audiences: Vec<Audience>,
}

/// A text in which the first step out of streaming stands.
const NOT_STREAMING: &str = "segment.not-streaming";
/// Why a segment with a rank is not evaluated in streaming, and what to write instead.
const RANKED: &str = "who is among the first hangs on everybody, and streaming sees one person alone; evaluate it in batch, \
                      and have a streaming segment ask for it: inAudience(\"its name\")";

impl Language {
    /// `before`: what was there until something changed; of an unchanged model it is kept.
    pub(crate) fn new(custom: Custom, segments: &[Segment], before: Option<&Self>) -> Result<Self, Fault> {
        let (schema, model) = match before.filter(|before| before.custom == custom) {
            Some(before) => (Arc::clone(&before.schema), Arc::clone(&before.model)),
            None => {
                let unsound =
                    |_| Fault::new(FaultKind::Internal, "model.unsound", "the published model cannot be used");
                let schema = Schema::new(&custom).map_err(unsound)?;
                let model = Arc::new(segment_model(&schema));
                (Arc::new(schema), model)
            }
        };
        let audience = |segment: &Segment| {
            let entity = model.entity(segment.entity.name())?;
            Some(Audience { id: segment.id.to_string(), name: segment.name.clone(), entity })
        };
        let mut audiences: Vec<Audience> = segments.iter().filter_map(audience).collect();
        // Of two that have one name neither is named by it.
        let names: Vec<String> = audiences.iter().map(|audience| audience.name.clone()).collect();
        let is_shared = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
        audiences.iter_mut().filter(|it| is_shared(&it.name)).for_each(|it| it.name.clone_from(&it.id));
        Ok(Self { custom, schema, model, audiences })
    }

    /// # Errors
    /// Every problem of the first text that has any, with its place and, where there is one, a suggestion.
    pub(crate) fn check(&self, wish: &SegmentWish<'_>) -> Result<Definition, Unsound> {
        let scope = self.scope(wish.entity);
        let checked = attiva_expr::check(wish.expression, &scope).map_err(Unsound::rule)?;
        let plan = plan(&checked).map_err(|problem| Unsound::rule(vec![problem]))?;
        let rank = wish.rank.map(|ranking| rank(ranking, &scope)).transpose().map_err(Unsound::rank)?;
        let in_order = || wish.rank.filter(|_| rank.is_some()).map(|ranking| ranking.by.as_str());
        let classification = match (classify(&plan, Some(&self.model)), in_order()) {
            (Classification::Streaming, Some(by)) => Classification::Batch(of_everybody(by)),
            (classification, _) => classification,
        };
        let method = match (wish.evaluation, &classification) {
            (Some(EvaluationMethod::Streaming), _) if rank.is_some() => {
                return Err(Unsound::rank(vec![Problem::new(NOT_STREAMING, Position::START, RANKED)]));
            }
            (Some(EvaluationMethod::Streaming), Classification::Batch(reason)) => {
                let at = Position { line: reason.line, column: reason.column };
                let said = StreamingRefused(reason.clone()).to_string();
                let message = said.split_once(": ").map_or(said.as_str(), |(_, rest)| rest);
                return Err(Unsound::rule(vec![Problem::new(NOT_STREAMING, at, message)]));
            }
            (Some(EvaluationMethod::Batch), _) | (None, Classification::Batch(_)) => EvaluationMethod::Batch,
            (_, Classification::Streaming) => EvaluationMethod::Streaming,
        };
        let edge = match in_order() {
            Some(by) => Err(EdgeReason::of_everybody(by)),
            None => edge(&plan, Some(&self.model)),
        };
        let plans = || std::iter::once(&plan).chain(rank.as_ref().map(Rank::plan));
        let needs = Needs::of(plans(), &self.model);
        let asks_for = plans().flat_map(Plan::audiences).filter_map(|id| SegmentId::parse(&id)).collect();
        let reads = needs.names(&self.model);
        Ok(Definition { plan, rank, entity: wish.entity, classification, edge, method, asks_for, needs, reads })
    }

    fn scope(&self, entity: AudienceEntity) -> Scope {
        let scope = segment_scope(&self.model, entity.kind()).unwrap_or_default();
        scope.with_audiences(self.audiences.clone())
    }
}

fn rank(ranking: &Ranking, scope: &Scope) -> Result<Rank, Vec<Problem>> {
    let by = attiva_expr::check(&ranking.by, scope)?;
    let limit = usize::try_from(ranking.limit.get()).unwrap_or(usize::MAX);
    Rank::new(&by, ranking.order, limit).map_err(|problem| vec![problem])
}

/// Who is among the first hangs on all the others.
fn of_everybody(by: &str) -> Reason {
    let Position { line, column } = Position::START;
    Reason { hop: "everybody".to_owned(), clause: by.to_owned(), line, column }
}

/// All problems as one fault.
pub(crate) fn refused(unsound: &Unsound) -> Fault {
    let said: Vec<String> = unsound.problems.iter().map(ToString::to_string).collect();
    Fault::new(FaultKind::Config, "segment.expression", said.join("; ")).field(unsound.field.trim_start_matches('/'))
}
