//! What may be asked of segments beside who belongs: why, who would belong by another rule, and what that would change.

use super::batch;
use super::catalog::{Audiences, Compiled};
use super::columns::{Loaded, Use};
use super::definition::{Definition, SegmentWish, Unsound};
use super::meter::{overrun, within};
use super::world::World;
use crate::engine::{Engine, Inner};
use crate::projector::blocking;
use attiva_core::config::AudienceEntity;
use attiva_core::evaluation::{Evaluation, Read};
use attiva_core::id::{EvaluationId, SegmentId};
use attiva_core::ports::store::{Feed, Kind, Profile};
use attiva_core::ranking::Ranking;
use attiva_core::{Fault, FaultKind, Millis, Value};
use attiva_segments::column::Bits;
use attiva_segments::{Explanation, Metered, Needs, Surroundings};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Why a profile belongs, or does not, by what is known now.
#[derive(Debug, Clone, PartialEq)]
pub struct MembershipExplanation {
    pub segment: SegmentId,
    pub explanation: Explanation,
    /// Of a segment with a rank: what the profile is put in the order by, now.
    pub ranked: Option<Ranked>,
    /// Whether it is a member as memberships stand: of a segment that is evaluated in batch, by the latest result.
    pub is_member: bool,
    /// The evaluation that this result is of.
    pub result_of: Option<EvaluationId>,
    /// The audiences that the rule asks for, in the order of their ids.
    pub asked: Vec<AskedAudience>,
    pub as_of: Millis,
}

/// An audience that a rule asks for, and what the answer is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedAudience {
    pub segment: SegmentId,
    pub name: String,
    /// The batch evaluation that its members are of; `None`: it is evaluated in streaming, or has no result.
    pub result_of: Option<EvaluationId>,
    /// The instant of that evaluation, as long as it is on record.
    pub result_as_of: Option<Millis>,
}

/// What a profile is put in an order by.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    pub ranking: Ranking,
    /// Null: none, or a fault, which count the same.
    pub value: Value,
}

/// Profiles of an audience: how many, and some.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counted {
    pub count: u64,
    pub samples: Vec<Profile>,
}

/// Who would belong.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub members: Counted,
    /// Of how many.
    pub of: u64,
    pub as_of: Millis,
    /// What it took.
    pub read: Read,
}

/// How many would belong by each of several rules over one entity, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedRules {
    pub counts: Vec<u64>,
    /// Of how many.
    pub of: u64,
    pub as_of: Millis,
}

/// What another rule would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    pub entering: Counted,
    pub leaving: Counted,
    pub staying: u64,
    pub as_of: Millis,
}

/// What a rule costs to evaluate for everybody, about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Records of all entities that it reads, each once.
    pub records: u64,
    /// Values of those.
    pub values: u64,
}

impl Engine {
    /// Checks what somebody wants a segment to be; `id`: of the segment that is to become it. The outer error is that of
    /// the store.
    pub fn check_segment(
        &self,
        id: Option<&SegmentId>,
        wish: &SegmentWish<'_>,
    ) -> Result<Result<Definition, Unsound>, Fault> {
        Ok(self.inner.segments.get(&self.inner)?.check(id, wish))
    }

    /// What a rule costs to evaluate for everybody, by what there is now.
    pub fn segment_cost(&self, definition: &Definition) -> Result<Cost, Fault> {
        let audiences = self.inner.segments.get(&self.inner)?;
        let mut cost = Cost { records: 0, values: 0 };
        for (entity, fields) in &definition.needs.fields {
            let records = match audiences.links.kept(*entity) {
                super::links::Kept::Profile => self.inner.store.count_profiles(audiences.links.name(*entity))?,
                // Not counted by the store; their changes are numbered along with all others.
                super::links::Kept::Event => self.inner.store.newest(Feed::Events)?,
                super::links::Kept::Component => self.inner.store.newest(Feed::Records)?,
            };
            cost.records += records;
            cost.values += records.saturating_mul(fields.len() as u64);
        }
        Ok(cost)
    }

    /// What a segment's rule means, as it stands; `None`: it no longer compiles.
    pub fn segment_definition(&self, segment: &SegmentId) -> Result<Option<Arc<Definition>>, Fault> {
        let audiences = self.inner.segments.get(&self.inner)?;
        Ok(audiences.get(segment).map(|it| Arc::clone(&it.definition)))
    }

    /// Segments that ask for one's audience.
    pub fn segments_that_ask_for(&self, segment: &SegmentId) -> Result<Vec<SegmentId>, Fault> {
        let audiences = self.inner.segments.get(&self.inner)?;
        Ok(audiences.dependencies.used_by(segment.as_str()).filter_map(SegmentId::parse).collect())
    }

    /// Why a profile belongs to a segment, or does not.
    ///
    /// # Errors
    /// `segment.entity`: it is a segment of something else; `segment.expression`: it no longer compiles.
    pub async fn explain_membership(
        &self,
        segment: &SegmentId,
        profile: Profile,
    ) -> Result<MembershipExplanation, Fault> {
        let (inner, segment) = (Arc::clone(&self.inner), segment.clone());
        blocking(move || explain(&inner, &segment, profile)).await
    }

    /// Who would belong by a rule. Nothing is stored.
    pub async fn preview(&self, definition: Definition, samples: usize) -> Result<Preview, Fault> {
        let inner = Arc::clone(&self.inner);
        blocking(move || preview(&inner, &definition, samples)).await
    }

    /// How many would belong by each of several rules over one entity. Nothing is stored.
    pub async fn count_each(&self, definitions: Vec<Definition>) -> Result<CountedRules, Fault> {
        let inner = Arc::clone(&self.inner);
        blocking(move || count_each(&inner, &definitions)).await
    }

    /// Who would enter and leave if a segment had another rule.
    pub async fn compare(&self, before: Definition, after: Definition, samples: usize) -> Result<Compared, Fault> {
        let inner = Arc::clone(&self.inner);
        blocking(move || compare(&inner, &before, &after, samples)).await
    }
}

fn explain(inner: &Inner, segment: &SegmentId, profile: Profile) -> Result<MembershipExplanation, Fault> {
    let audiences = inner.segments.get(inner)?;
    let compiled = compiled(&audiences, segment)?;
    let (wants, is) = (compiled.definition.entity.name(), profile.entity.as_str());
    if wants != is {
        let message = format!("{segment} is about the entity {wants}; {} is of {is}", profile.id);
        return Err(Fault::new(FaultKind::Config, "segment.entity", message).action("Ask about one of its own kind."));
    }
    let members_of: BTreeSet<SegmentId> = inner.store.memberships(&[profile.number])?.into_iter().flatten().collect();
    let is_member = members_of.contains(segment);
    let now = inner.clock.now();
    let world = World::new(inner, &audiences, profile, members_of, now);
    let rates = audiences.rates(now);
    let metered = Metered::new(&world, inner.options.budget.one);
    let around = Surroundings { graph: &metered, rates: rates.as_rates(), now };
    let explanation = compiled.evaluator.explain_in(world.id(), &around);
    let ranked = compiled
        .definition
        .rank
        .as_ref()
        .zip(compiled.segment.rank.clone())
        .map(|(rank, ranking)| Ranked { value: rank.value(world.id(), &around).unwrap_or(Value::Null), ranking });
    within(&metered, segment.as_str())?;
    world.checked()?;
    let result_of = compiled.segment.result_of.clone();
    let asked = compiled.definition.asks_for.iter().map(|id| asked(inner, &audiences, id)).collect::<Result<_, _>>()?;
    Ok(MembershipExplanation { segment: segment.clone(), explanation, ranked, is_member, result_of, asked, as_of: now })
}

fn asked(inner: &Inner, audiences: &Audiences, id: &SegmentId) -> Result<AskedAudience, Fault> {
    let of_batch = audiences.get(id).filter(|it| !it.is_streaming());
    let result_of = of_batch.and_then(|it| it.segment.result_of.clone());
    let evaluation: Option<Evaluation> = match &result_of {
        Some(evaluation) => inner.find(Kind::Evaluation, evaluation.as_str())?,
        None => None,
    };
    let result_as_of = evaluation.and_then(|it| it.as_of);
    Ok(AskedAudience { segment: id.clone(), name: audiences.name(id.as_str()), result_of, result_as_of })
}

pub(super) fn compiled<'a>(audiences: &'a Audiences, segment: &SegmentId) -> Result<&'a Arc<Compiled>, Fault> {
    audiences.get(segment).ok_or_else(|| {
        let broken = audiences.broken.iter().find(|(broken, _)| broken.id == *segment);
        let missing = || Fault::new(FaultKind::Config, "segment.missing", format!("there is no segment `{segment}`"));
        broken.map_or_else(missing, |(_, fault)| fault.clone())
    })
}

fn preview(inner: &Inner, definition: &Definition, samples: usize) -> Result<Preview, Fault> {
    let entity = definition.entity;
    with_members(inner, &[definition], |audiences, loaded, members, as_of| {
        let [Some(members)] = members else { return Err(overrun("this rule")) };
        let numbers = &loaded.numbers[audiences.links.entity(entity.kind())];
        let (count, of) = (members.count() as u64, numbers.len() as u64);
        Ok((count, of, some(numbers, members, samples), as_of, loaded.read()))
    })
    .and_then(|(count, of, numbers, as_of, read)| {
        let samples = inner.store.profiles_by_number(&numbers)?;
        Ok(Preview { members: Counted { count, samples }, of, as_of, read })
    })
}

fn count_each(inner: &Inner, definitions: &[Definition]) -> Result<CountedRules, Fault> {
    let all: Vec<&Definition> = definitions.iter().collect();
    with_members(inner, &all, |audiences, loaded, members, as_of| {
        let count = |members: &Option<Bits>| match members {
            Some(members) => Ok(members.count() as u64),
            None => Err(overrun("one of the rules")),
        };
        let entity = definitions.first().map(|it| audiences.links.entity(it.entity.kind()));
        let of = entity.map_or(0, |entity| loaded.numbers[entity].len() as u64);
        Ok(CountedRules { counts: members.iter().map(count).collect::<Result<_, _>>()?, of, as_of })
    })
}

/// Everybody who would belong by a rule, by number.
///
/// # Errors
/// `segment.expression`: it does not compile; `segment.budget`.
pub(crate) fn who(inner: &Inner, wish: &SegmentWish<'_>) -> Result<Vec<i64>, Fault> {
    let definition =
        inner.segments.get(inner)?.check(None, wish).map_err(|unsound| super::definition::refused(&unsound))?;
    with_members(inner, &[&definition], |audiences, loaded, members, _| {
        let [Some(members)] = members else { return Err(overrun("this rule")) };
        let numbers = &loaded.numbers[audiences.links.entity(definition.entity.kind())];
        Ok(some(numbers, members, usize::MAX))
    })
}

fn compare(inner: &Inner, before: &Definition, after: &Definition, samples: usize) -> Result<Compared, Fault> {
    let entity: AudienceEntity = after.entity;
    let (entering, leaving, staying, as_of) =
        with_members(inner, &[before, after], |audiences, loaded, members, as_of| {
            let [before, after] = members else { return Err(overrun("this rule")) };
            let (Some(before), Some(after)) = (before, after) else { return Err(overrun("one of the rules")) };
            let numbers = &loaded.numbers[audiences.links.entity(entity.kind())];
            let counted = |bits: &Bits| (bits.count() as u64, some(numbers, bits, samples));
            let (entering, leaving) = (after.difference(before), before.difference(after));
            let staying = (after.count() - entering.count()) as u64;
            Ok((counted(&entering), counted(&leaving), staying, as_of))
        })?;
    let counted = |(count, numbers): (u64, Vec<i64>)| {
        Ok::<_, Fault>(Counted { count, samples: inner.store.profiles_by_number(&numbers)? })
    };
    Ok(Compared { entering: counted(entering)?, leaving: counted(leaving)?, staying, as_of })
}

/// The first of them, in the order of their numbers.
fn some(numbers: &[i64], bits: &Bits, samples: usize) -> Vec<i64> {
    bits.rows().take(samples).filter_map(|row| numbers.get(row).copied()).collect()
}

fn with_members<T>(
    inner: &Inner,
    definitions: &[&Definition],
    look: impl FnOnce(&Audiences, &Loaded, &[Option<Bits>], Millis) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let audiences = inner.segments.get(inner)?;
    let needs = Needs::of(definitions.iter().flat_map(|definition| definition.plans()), &audiences.language.model);
    let asked: Vec<SegmentId> = needs.audiences.iter().filter_map(|id| SegmentId::parse(id)).collect();
    inner.columns.with(inner, &audiences, &needs, &asked, Use::Once, |loaded| {
        let now = inner.clock.now();
        let members = batch::members(inner, &audiences, definitions, loaded, now);
        look(&audiences, loaded, &members, now)
    })?
}
