//! All segments of a sandbox, compiled when they are first asked for and again after each change.

use super::definition::{Definition, Language, SegmentWish, Unsound, refused};
use super::links::Links;
use crate::engine::{Inner, read};
use crate::policies;
use attiva_core::config::{EvaluationMethod, Segment};
use attiva_core::exchange::RatesTable;
use attiva_core::id::SegmentId;
use attiva_core::number::RateTable;
use attiva_core::ports::store::Kind;
use attiva_core::{Fault, FaultKind, Millis};
use attiva_expr::Problem;
use attiva_segments::{Concern, Dependencies, NoRates, Rates, RatesOn, RowEvaluator};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// A segment, ready to be asked.
pub(crate) struct Compiled {
    pub(crate) segment: Segment,
    /// Of the document.
    pub(crate) version: u64,
    pub(crate) definition: Arc<Definition>,
    pub(crate) evaluator: Arc<RowEvaluator>,
    /// Which events can move anybody; of one that is evaluated in streaming.
    pub(crate) concern: Arc<Concern>,
    pub(crate) depends_on_now: bool,
    /// Whether a segment that is evaluated in streaming asks for its audience.
    pub(crate) feeds_streaming: bool,
}

impl Compiled {
    pub(crate) fn is_streaming(&self) -> bool {
        self.definition.method == EvaluationMethod::Streaming
    }
}

/// All of them.
pub(crate) struct Audiences {
    pub(crate) language: Language,
    pub(crate) links: Links,
    /// Each after those that it asks for.
    pub(crate) all: Vec<Arc<Compiled>>,
    /// Those that no longer compile. They keep the members they have.
    pub(crate) broken: Vec<(Segment, Fault)>,
    pub(crate) dependencies: Dependencies,
    rates: Option<RateTable>,
}

/// Made again after each change of a segment, of the model or of rates.
#[derive(Default)]
pub(crate) struct SegmentCatalog {
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    audiences: Option<Arc<Audiences>>,
    /// What was there before the last change: what is not touched by it is taken over.
    before: Option<Arc<Audiences>>,
    /// How often it was forgotten.
    generation: u64,
}

impl SegmentCatalog {
    pub(crate) fn forget(&self) {
        let mut made = self.lock();
        made.before = made.audiences.take().or(made.before.take());
        made.generation += 1;
    }

    pub(crate) fn get(&self, inner: &Inner) -> Result<Arc<Audiences>, Fault> {
        let (generation, before) = {
            let made = self.lock();
            if let Some(known) = &made.audiences {
                return Ok(Arc::clone(known));
            }
            (made.generation, made.before.clone())
        };
        let audiences = Arc::new(Audiences::load(inner, before.as_deref())?);
        let mut made = self.lock();
        // What was loaded before a change is not kept after it.
        if made.generation == generation {
            made.audiences = Some(Arc::clone(&audiences));
            made.before = None;
        }
        Ok(audiences)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audiences {
    fn load(inner: &Inner, before: Option<&Self>) -> Result<Self, Fault> {
        let segments = segments(inner)?;
        let custom = policies::custom(inner.store.as_ref())?;
        let all: Vec<Segment> = segments.iter().map(|(segment, _)| segment.clone()).collect();
        let language = Language::new(custom, &all, before.map(|before| &before.language))?;
        // A text means the same as long as the model does: whose audience it asks for is an id by then.
        let before = before.filter(|before| Arc::ptr_eq(&before.language.model, &language.model));
        let unchanged = |segment: &Segment| {
            let known = before?.get(&segment.id)?;
            (wish(&known.segment) == wish(segment)).then(|| {
                (Arc::clone(&known.definition), Some((Arc::clone(&known.evaluator), Arc::clone(&known.concern))))
            })
        };
        let mut dependencies = Dependencies::default();
        let (mut compiled, mut broken) = (HashMap::new(), Vec::new());
        for (segment, version) in segments {
            let checked = match unchanged(&segment) {
                Some(known) => Ok(known),
                None => language.check(&wish(&segment)).map(|definition| (Arc::new(definition), None)),
            };
            match checked {
                Ok((definition, made)) => {
                    let asks_for = definition.asks_for.iter().map(ToString::to_string).collect();
                    dependencies.put(segment.id.as_str(), asks_for);
                    compiled.insert(segment.id.to_string(), (segment, version, definition, made));
                }
                Err(unsound) => {
                    let fault = refused(&unsound);
                    tracing::error!(segment = %segment.id, %fault, "a segment cannot be evaluated");
                    broken.push((segment, fault));
                }
            }
        }
        let order: Vec<String> = dependencies.layers().concat().into_iter().map(str::to_owned).collect();
        let mut ordered: Vec<Compiled> = Vec::with_capacity(order.len());
        for (segment, version, definition, made) in order.iter().filter_map(|id| compiled.remove(id)) {
            let (evaluator, concern) = made.unwrap_or_else(|| {
                (Arc::new(RowEvaluator::new(&definition.plan)), Arc::new(Concern::of(&definition.plan)))
            });
            let depends_on_now = definition.plan.depends_on_now();
            ordered.push(Compiled {
                segment,
                version,
                definition,
                evaluator,
                concern,
                depends_on_now,
                feeds_streaming: false,
            });
        }
        // Circles are refused when a segment is made; who is in one all the same is evaluated by nobody.
        for (segment, ..) in compiled.into_values() {
            let fault = Fault::new(FaultKind::Config, "segment.circle", "its audience hangs on itself");
            broken.push((segment, fault));
        }
        let fed: BTreeSet<SegmentId> = ordered
            .iter()
            .filter(|it| it.is_streaming())
            .flat_map(|it| it.definition.asks_for.iter().cloned())
            .collect();
        ordered.iter_mut().for_each(|it| it.feeds_streaming = fed.contains(&it.segment.id));
        let all = ordered.into_iter().map(Arc::new).collect();
        let links = Links::new(&language.schema, &language.model);
        Ok(Self { language, links, all, broken, dependencies, rates: rates(inner)? })
    }

    pub(crate) fn get(&self, id: &SegmentId) -> Option<&Arc<Compiled>> {
        self.all.iter().find(|it| it.segment.id == *id)
    }

    /// Whether there is a result that others may ask for.
    pub(crate) fn is_known(&self, id: &SegmentId) -> bool {
        match self.get(id) {
            Some(it) => it.segment.is_known(),
            None => self.broken.iter().any(|(segment, _)| segment.id == *id && segment.is_known()),
        }
    }

    pub(crate) fn name(&self, id: &str) -> String {
        let segments = self.all.iter().map(|it| &it.segment).chain(self.broken.iter().map(|(segment, _)| segment));
        segments.into_iter().find(|s| s.id.as_str() == id).map_or_else(|| id.to_owned(), |s| s.name.clone())
    }

    pub(crate) fn streaming(&self) -> impl Iterator<Item = &Arc<Compiled>> {
        self.all.iter().filter(|it| it.is_streaming())
    }

    pub(crate) fn batch(&self) -> impl Iterator<Item = &Arc<Compiled>> {
        self.all.iter().filter(|it| !it.is_streaming())
    }

    /// The rates of a day.
    pub(crate) fn rates(&self, now: Millis) -> DayRates<'_> {
        self.rates.as_ref().map_or(DayRates::None, |table| DayRates::Of(RatesOn::at(table, now)))
    }

    /// Checks what somebody wants a segment to be; `id`: of the segment that is to become it.
    ///
    /// # Errors
    /// Every problem; a circle of audiences is one, with the names on its way.
    pub(crate) fn check(&self, id: Option<&SegmentId>, wish: &SegmentWish<'_>) -> Result<Definition, Unsound> {
        let definition = self.language.check(wish)?;
        if let Some(id) = id {
            let mut dependencies = self.dependencies.clone();
            dependencies.put(id.as_str(), definition.asks_for.iter().map(ToString::to_string).collect());
            if let Some(circle) = dependencies.circle(id.as_str()) {
                let names: Vec<String> = circle.iter().map(|id| format!("{:?}", self.name(id))).collect();
                let message = format!("audiences ask for each other in a circle: {}", names.join(" asks for "));
                let problem = Problem::new("segment.circle", attiva_expr::Position::START, message);
                return Err(Unsound::rule(vec![problem]));
            }
        }
        Ok(definition)
    }
}

/// Rates that threads may share.
pub(crate) enum DayRates<'a> {
    Of(RatesOn<'a>),
    None,
}

impl DayRates<'_> {
    pub(crate) fn as_rates(&self) -> &(dyn Rates + Sync) {
        match self {
            Self::Of(rates) => rates,
            Self::None => &NoRates,
        }
    }
}

pub(crate) fn wish(segment: &Segment) -> SegmentWish<'_> {
    let Segment { expression, entity, rank, evaluation, .. } = segment;
    SegmentWish { expression, entity: *entity, rank: rank.as_ref(), evaluation: *evaluation }
}

fn segments(inner: &Inner) -> Result<Vec<(Segment, u64)>, Fault> {
    const PAGE: usize = 500;
    let mut all: Vec<(Segment, u64)> = Vec::new();
    loop {
        let after = all.last().map(|(segment, _)| segment.id.to_string());
        let page = inner.store.documents(Kind::Segment, after.as_deref(), PAGE)?;
        let is_last = page.len() < PAGE;
        for document in page {
            all.push((read(document.body)?, document.version));
        }
        if is_last {
            return Ok(all);
        }
    }
}

/// The table that amounts are compared by: of several the one whose base is first.
fn rates(inner: &Inner) -> Result<Option<RateTable>, Fault> {
    let Some(document) = inner.store.documents(Kind::ExchangeRates, None, 1)?.pop() else { return Ok(None) };
    let table: RatesTable = read(document.body)?;
    Ok(table.checked().ok())
}
