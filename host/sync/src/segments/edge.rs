//! Answers while somebody waits: which audiences a person is in now, by what is kept of the person, what the request
//! says, and the latest results of what is not answered at a request. Nothing is written.

use super::catalog::{Audiences, Compiled};
use super::meter::within;
use crate::engine::{Engine, Inner};
use crate::projector::blocking;
use attiva_core::config::{AudienceEntity, Segment};
use attiva_core::event::Event;
use attiva_core::id::{EvaluationId, ProfileId, SegmentId};
use attiva_core::identity::Identity;
use attiva_core::model::{EntityKind, EntityName};
use attiva_core::ports::store::{EventPlace, Order, Profile, StoredEvent};
use attiva_core::{Fault, FaultKind, Millis, Value};
use attiva_expr::Step;
use attiva_segments::{EDGE_WINDOW_MS, Graph, Id, Metered, Rates, Surroundings, Truth};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Most events of the last day that are read for a request.
const EVENTS_MAX: usize = 5_000;
/// The number of the request's own event. No event of the store has it.
const OF_REQUEST: Id = 1 << 62;

/// What is asked at a request.
#[derive(Debug, Clone, Default)]
pub struct EdgeQuestion {
    /// Who it is, the firmest first: the first that names anybody does.
    pub identities: Vec<Identity>,
    /// Of the person, in the place of what is kept.
    pub attributes: Vec<(String, Value)>,
    pub event: Option<EdgeEvent>,
    /// Audiences of persons; empty: all.
    pub segments: Vec<SegmentId>,
}

/// What happens while it is asked.
#[derive(Debug, Clone)]
pub struct EdgeEvent {
    /// An event of the store that has this key is this one.
    pub source_key: Option<String>,
    pub event: Event,
}

/// What an answer about an audience goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeBasis {
    /// Decided now, with what the request says.
    Request,
    /// As streaming left it: what the request says is not in it.
    Streaming,
    /// As the latest batch evaluation left it.
    Batch,
}

/// Whether the person is in an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeAudience {
    pub segment: SegmentId,
    pub name: String,
    pub is_member: bool,
    pub by: EdgeBasis,
    /// The batch evaluation whose result it is.
    pub result_of: Option<EvaluationId>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeAnswer {
    /// Who it is; `None`: nobody known, and the answer is of the request alone.
    pub profile: Option<ProfileId>,
    /// Every audience that was asked for, each after those that it asks for.
    pub audiences: Vec<EdgeAudience>,
    /// Audiences that could not be answered.
    pub unanswered: Vec<(SegmentId, Fault)>,
    pub as_of: Millis,
}

impl Engine {
    /// Which audiences a person is in now.
    ///
    /// # Errors
    /// Those of the store. What one audience fails with stands in the answer.
    pub async fn ask_edge(&self, question: EdgeQuestion) -> Result<EdgeAnswer, Fault> {
        let inner = Arc::clone(&self.inner);
        blocking(move || ask(&inner, &question)).await
    }
}

fn ask(inner: &Inner, question: &EdgeQuestion) -> Result<EdgeAnswer, Fault> {
    let audiences = inner.segments.get(inner)?;
    let now = inner.clock.now();
    let profile = known(inner, &question.identities)?;
    let members_of: BTreeSet<SegmentId> = match &profile {
        Some(profile) => inner.store.memberships(&[profile.number])?.into_iter().flatten().collect(),
        None => BTreeSet::new(),
    };
    let is_asked = |segment: &Segment| {
        segment.entity == AudienceEntity::Person
            && (question.segments.is_empty() || question.segments.contains(&segment.id))
    };
    let decided = to_decide(&audiences, &is_asked);
    let reads_events = decided.iter().any(|it| it.definition.edge.as_ref().is_ok_and(|needs| needs.events));
    let events = if reads_events { events(inner, question, profile.as_ref(), now)? } else { Some(Vec::new()) };
    let is_cut = events.is_none();
    let world = World::new(&audiences, question, profile.as_ref(), events.unwrap_or_default(), members_of);
    let rates = audiences.rates(now);
    let mut answer = EdgeAnswer { profile: None, audiences: Vec::new(), unanswered: Vec::new(), as_of: now };
    for compiled in decided {
        let id = &compiled.segment.id;
        let needs_events = compiled.definition.edge.as_ref().is_ok_and(|needs| needs.events);
        let decision = if is_cut && needs_events {
            Err(too_many_events())
        } else {
            decide(inner, compiled, &world, rates.as_rates(), now)
        };
        match decision {
            Ok(is_member) => world.put(id, Some(is_member)),
            Err(fault) => {
                // Who asks for it is answered as if it had no result.
                world.put(id, None);
                if is_asked(&compiled.segment) {
                    answer.unanswered.push((id.clone(), fault));
                }
            }
        }
    }
    let broken = audiences.broken.iter().map(|(segment, _)| segment);
    for segment in audiences.all.iter().map(|it| &it.segment).chain(broken).filter(|segment| is_asked(segment)) {
        answer.audiences.extend(world.told(segment));
    }
    answer.profile = profile.map(|profile| profile.id);
    Ok(answer)
}

fn known(inner: &Inner, identities: &[Identity]) -> Result<Option<Profile>, Fault> {
    for identity in identities {
        if let Some(profile) = inner.store.profile_by_identity(&EntityName::PERSON, identity)? {
            return Ok(Some(profile));
        }
    }
    Ok(None)
}

/// What is decided now: audiences that are asked for and can be, and those that they ask for; each after those. Who wants a
/// segment in batch wants its results.
fn to_decide<'a>(audiences: &'a Audiences, is_asked: &impl Fn(&Segment) -> bool) -> Vec<&'a Arc<Compiled>> {
    let mut below: BTreeSet<&SegmentId> = BTreeSet::new();
    let mut decided = Vec::new();
    for compiled in audiences.all.iter().rev() {
        let qualifies = compiled.is_streaming() && compiled.definition.edge.is_ok();
        if qualifies && (is_asked(&compiled.segment) || below.contains(&compiled.segment.id)) {
            below.extend(&compiled.definition.asks_for);
            decided.push(compiled);
        }
    }
    decided.reverse();
    decided
}

/// Of the last day, and the request's own; `None`: more than are read.
fn events(
    inner: &Inner,
    question: &EdgeQuestion,
    profile: Option<&Profile>,
    now: Millis,
) -> Result<Option<Vec<StoredEvent>>, Fault> {
    let Some(profile) = profile else { return Ok(Some(Vec::new())) };
    let before = EventPlace { time: now.saturating_sub(EDGE_WINDOW_MS + 1), number: i64::MAX };
    let found = inner.store.events_of(profile.number, Some(before), Order::OldestFirst, EVENTS_MAX + 1)?;
    if found.len() > EVENTS_MAX {
        return Ok(None);
    }
    // Told again with the request, it is still one event.
    let same = question.event.as_ref().and_then(|event| event.source_key.as_deref());
    Ok(Some(found.into_iter().filter(|event| Some(event.source_key.as_str()) != same).collect()))
}

fn too_many_events() -> Fault {
    let message = format!("the person has more than {EVENTS_MAX} events of the last day, more than a request reads");
    Fault::new(FaultKind::Quota, "segment.budget", message)
        .action("Ask for the audience as streaming has it: members of the segment.")
}

fn decide(
    inner: &Inner,
    compiled: &Compiled,
    world: &World<'_>,
    rates: &dyn Rates,
    now: Millis,
) -> Result<bool, Fault> {
    let metered = Metered::new(world, inner.options.budget.one);
    let around = Surroundings { graph: &metered, rates, now };
    let answer = compiled.evaluator.evaluate_in(world.id, &around);
    within(&metered, compiled.segment.id.as_str())?;
    Ok(answer? == Truth::True)
}

/// The person as the request has it, with what happened of late. Nothing else can be reached.
struct World<'a> {
    audiences: &'a Audiences,
    person: usize,
    id: Id,
    row: Vec<Value>,
    events: Vec<Id>,
    rows: HashMap<Id, Vec<Value>>,
    /// As memberships stand.
    members_of: BTreeSet<SegmentId>,
    /// Answered with the request; `None`: it could not be.
    decided: RefCell<HashMap<SegmentId, Option<bool>>>,
}

impl<'a> World<'a> {
    fn new(
        audiences: &'a Audiences,
        question: &EdgeQuestion,
        profile: Option<&Profile>,
        stored: Vec<StoredEvent>,
        members_of: BTreeSet<SegmentId>,
    ) -> Self {
        let links = &audiences.links;
        let person = links.entity(EntityKind::Person);
        let kept = profile.map_or_else(|| of_identities(&question.identities), |profile| profile.attributes.clone());
        let attributes: Vec<(String, Value)> = kept.into_iter().chain(question.attributes.iter().cloned()).collect();
        let mut rows: Vec<(Id, Vec<Value>)> =
            stored.into_iter().map(|event| (number(event.number), links.stored_event_row(event))).collect();
        if let Some(EdgeEvent { event, .. }) = &question.event {
            rows.push((OF_REQUEST, links.event_row(event.time, event.event_type.clone(), event.attributes.clone())));
        }
        Self {
            audiences,
            person,
            id: profile.map_or(0, |profile| number(profile.number)),
            row: links.row(person, &attributes),
            events: rows.iter().map(|(id, _)| *id).collect(),
            rows: rows.into_iter().collect(),
            members_of,
            decided: RefCell::default(),
        }
    }

    fn put(&self, segment: &SegmentId, is_member: Option<bool>) {
        self.decided.borrow_mut().insert(segment.clone(), is_member);
    }

    /// `None`: it could not be answered, and the answer says why.
    fn told(&self, segment: &Segment) -> Option<EdgeAudience> {
        let Segment { id, name, result_of, .. } = segment;
        let (is_member, by, result_of) = match self.decided.borrow().get(id) {
            Some(decided) => ((*decided)?, EdgeBasis::Request, None),
            None => {
                let is_streaming = self.audiences.get(id).map_or(result_of.is_none(), |it| it.is_streaming());
                let by = if is_streaming { EdgeBasis::Streaming } else { EdgeBasis::Batch };
                (self.members_of.contains(id), by, result_of.clone().filter(|_| !is_streaming))
            }
        };
        Some(EdgeAudience { segment: id.clone(), name: name.clone(), is_member, by, result_of })
    }
}

/// Of somebody whom nobody knows, the request says at least by what it was asked.
fn of_identities(identities: &[Identity]) -> Vec<(String, Value)> {
    let of = |namespace: &str| -> Vec<String> {
        identities.iter().filter(|it| it.namespace == namespace).map(|it| it.value.clone()).collect()
    };
    let email = of(Identity::EMAIL).into_iter().next().map(|email| ("email".to_owned(), Value::Text(email)));
    let ecids = Some(of(Identity::ECID)).filter(|ecids| !ecids.is_empty());
    email.into_iter().chain(ecids.map(|ecids| ("ecids".to_owned(), Value::TextList(ecids)))).collect()
}

/// The store's numbers are over 0.
fn number(number: i64) -> Id {
    Id::try_from(number).unwrap_or_default()
}

impl Graph for World<'_> {
    fn row(&self, entity: usize, id: Id) -> Cow<'_, [Value]> {
        if entity == self.person {
            return Cow::Borrowed(&self.row);
        }
        Cow::Borrowed(self.rows.get(&id).map_or(&[], Vec::as_slice))
    }

    fn step(&self, step: Step, _: Id) -> Cow<'_, [Id]> {
        match step {
            Step::Many(relation) if self.audiences.links.is_of_person(relation) => Cow::Borrowed(&self.events),
            _ => Cow::Borrowed(&[]),
        }
    }

    fn is_member(&self, audience: &str, _: Id) -> Option<bool> {
        let segment = SegmentId::parse(audience)?;
        if let Some(decided) = self.decided.borrow().get(&segment) {
            return *decided;
        }
        self.audiences.is_known(&segment).then(|| self.members_of.contains(&segment))
    }
}
