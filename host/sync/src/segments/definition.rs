//! What a segment's text means in a sandbox: checked against its model and its audiences, planned and classified.

use attiva_core::config::{AudienceEntity, EvaluationMethod, Segment};
use attiva_core::id::SegmentId;
use attiva_core::model::Schema;
use attiva_core::model::custom::Custom;
use attiva_core::{Fault, FaultKind};
use attiva_expr::{Audience, Model, Position, Problem, Scope};
use attiva_segments::{Classification, Needs, Plan, StreamingRefused, classify, plan, segment_model, segment_scope};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What somebody wants a segment to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentWish<'a> {
    pub expression: &'a str,
    pub entity: AudienceEntity,
    /// `None`: in streaming where the rule allows.
    pub evaluation: Option<EvaluationMethod>,
}

impl<'a> SegmentWish<'a> {
    /// A rule over persons, however it is evaluated.
    #[must_use]
    pub fn of_persons(expression: &'a str) -> Self {
        Self { expression, entity: AudienceEntity::Person, evaluation: None }
    }
}

/// A text that can be a segment.
#[derive(Debug, Clone)]
pub struct Definition {
    pub plan: Plan,
    pub entity: AudienceEntity,
    /// What the rule allows, and the condition that decided.
    pub classification: Classification,
    /// How it is evaluated.
    pub method: EvaluationMethod,
    /// Segments whose audiences it asks for.
    pub asks_for: BTreeSet<SegmentId>,
    pub needs: Needs,
    /// Fields that it reads, by name.
    pub reads: Vec<String>,
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
    /// Every problem with its place and, where there is one, a suggestion.
    pub(crate) fn check(&self, wish: &SegmentWish<'_>) -> Result<Definition, Vec<Problem>> {
        let scope = self.scope(wish.entity);
        let checked = attiva_expr::check(wish.expression, &scope)?;
        let plan = plan(&checked).map_err(|problem| vec![problem])?;
        let classification = classify(&plan, Some(&self.model));
        let method = match (wish.evaluation, &classification) {
            (Some(EvaluationMethod::Streaming), Classification::Batch(reason)) => {
                let at = Position { line: reason.line, column: reason.column };
                let said = StreamingRefused(reason.clone()).to_string();
                let message = said.split_once(": ").map_or(said.as_str(), |(_, rest)| rest);
                return Err(vec![Problem::new(NOT_STREAMING, at, message)]);
            }
            (Some(EvaluationMethod::Batch), _) | (None, Classification::Batch(_)) => EvaluationMethod::Batch,
            (_, Classification::Streaming) => EvaluationMethod::Streaming,
        };
        let needs = Needs::of([&plan], &self.model);
        let asks_for = plan.audiences().iter().filter_map(|id| SegmentId::parse(id)).collect();
        let reads = needs.names(&self.model);
        Ok(Definition { plan, entity: wish.entity, classification, method, asks_for, needs, reads })
    }

    fn scope(&self, entity: AudienceEntity) -> Scope {
        let scope = segment_scope(&self.model, entity.kind()).unwrap_or_default();
        scope.with_audiences(self.audiences.clone())
    }
}

/// All problems as one fault.
pub(crate) fn refused(problems: &[Problem]) -> Fault {
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Fault::new(FaultKind::Config, "segment.expression", said.join("; ")).field("expression")
}
