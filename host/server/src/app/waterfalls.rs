//! Waterfalls: audiences in an order, of which everybody is in the first that fits.

use super::connections::same_version;
use super::documents::write;
use super::keys::Caller;
use super::name;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use super::segments::revised;
use super::stamp::Stamp;
use attiva_core::Millis;
use attiva_core::config::{AudienceEntity, Segment};
use attiva_core::id::{SegmentId, WaterfallId};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, MembershipCommit};
use attiva_core::waterfall::{Waterfall, WaterfallStep, rules};
use attiva_sync::SegmentWish;

/// What a waterfall is made of.
#[derive(Debug, Clone)]
pub struct NewWaterfall {
    pub name: String,
    /// Ids of segments, the first first.
    pub audiences: Vec<String>,
}

/// How many a step takes, and how many its audience has.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCounts {
    pub audience: Segment,
    pub takes: u64,
    pub alone: u64,
}

/// What an order would come to.
#[derive(Debug, Clone, PartialEq)]
pub struct WaterfallPreview {
    pub steps: Vec<StepCounts>,
    /// Of how many.
    pub of: u64,
    pub as_of: Millis,
}

/// Most audiences of one waterfall: the rule of the last names all of them.
const AUDIENCES_MAX: usize = 50;

impl Sandbox {
    /// Makes a waterfall, with a segment for each of its steps: all at once, or nothing.
    ///
    /// # Errors
    /// `request.invalid` for audiences that cannot be put in an order; `segment.missing`; `segment.expression` for a circle.
    pub async fn create_waterfall(
        &self,
        caller: &Caller,
        stamp: Stamp,
        new: &NewWaterfall,
    ) -> Result<Versioned<Waterfall>> {
        let id = stamp.id(WaterfallId::new);
        let made = match self.find(Kind::Waterfall, id.as_str())? {
            Some(made) => made,
            None => {
                let _alone = self.connections_change.lock().await;
                self.put_waterfall(stamp, Waterfall::new(id.clone(), self.now()), new, Expect::Absent).await?
            }
        };
        self.tell_once(caller, "waterfall.created", id.as_str(), told(&made.value)).await?;
        Ok(made)
    }

    /// Gives a waterfall another order, other audiences or another name. A step whose audience stays keeps its segment.
    ///
    /// # Errors
    /// As for a new one; `segment.in-use` where something hangs on the segment of a step that goes, or asks by name for one
    /// that would have another; `store.version-mismatch`.
    pub async fn change_waterfall(
        &self,
        caller: &Caller,
        stamp: Stamp,
        id: &str,
        new: &NewWaterfall,
        expect: Expect,
    ) -> Result<Versioned<Waterfall>> {
        let _alone = self.connections_change.lock().await;
        let Versioned { value: before, version } = self.waterfall(id)?;
        if let Expect::Version(seen) = expect {
            same_version(seen, version)?;
        }
        let changed = self.put_waterfall(stamp, before, new, Expect::Version(version)).await?;
        self.tell(caller, "waterfall.changed", id, told(&changed.value)).await?;
        Ok(changed)
    }

    /// Removes a waterfall and the segments of its steps; the audiences stay.
    ///
    /// # Errors
    /// `segment.in-use` where something hangs on the segment of a step.
    pub async fn remove_waterfall(&self, caller: &Caller, id: &str) -> Result<()> {
        let _alone = self.connections_change.lock().await;
        let waterfall = self.waterfall(id)?.value;
        for step in &waterfall.steps {
            self.nothing_hangs_on(&step.segment)?;
        }
        self.remove_steps(&waterfall.steps).await?;
        self.store.delete_document(Kind::Waterfall, id, Expect::Anything).await?;
        self.tell(caller, "waterfall.removed", id, serde_json::json!({ "name": waterfall.name })).await
    }

    pub fn waterfall(&self, id: &str) -> Result<Versioned<Waterfall>> {
        self.get(Kind::Waterfall, "waterfall", id)
    }

    /// In the order they were made, after `after`.
    pub fn waterfalls(&self, after: Option<&str>, limit: usize) -> Result<Vec<Waterfall>> {
        self.list(Kind::Waterfall, after, limit, |_| true)
    }

    /// What each step has, as memberships stand.
    pub fn waterfall_counts(&self, waterfall: &Waterfall) -> Result<Vec<StepCounts>> {
        let counts = |step: &WaterfallStep| {
            Ok(StepCounts {
                audience: self.segment(step.audience.as_str())?.value,
                takes: self.count_members(&step.segment)?,
                alone: self.count_members(&step.audience)?,
            })
        };
        waterfall.steps.iter().map(counts).collect()
    }

    /// What an order would come to, by the latest result of each audience. Nothing is stored.
    pub async fn preview_waterfall(&self, audiences: &[String]) -> Result<WaterfallPreview> {
        let (entity, audiences) = self.in_order(audiences)?;
        let ids: Vec<SegmentId> = audiences.iter().map(|audience| audience.id.clone()).collect();
        let mut definitions = Vec::new();
        for (id, rule) in ids.iter().zip(rules(&ids)) {
            for rule in [rule, rules(std::slice::from_ref(id)).concat()] {
                definitions.push(self.check_segment(None, &made_by(&rule, entity))?);
            }
        }
        let counted = self.engine.count_each(definitions).await?;
        let of_steps = counted.counts.chunks_exact(2).zip(audiences);
        let steps = of_steps.map(|(counts, audience)| StepCounts { audience, takes: counts[0], alone: counts[1] });
        Ok(WaterfallPreview { steps: steps.collect(), of: counted.of, as_of: counted.as_of })
    }

    async fn put_waterfall(
        &self,
        stamp: Stamp,
        before: Waterfall,
        new: &NewWaterfall,
        expect: Expect,
    ) -> Result<Versioned<Waterfall>> {
        let name = name::checked("/name", &new.name)?;
        let (entity, audiences) = self.in_order(&new.audiences)?;
        if let Some(own) = audiences.iter().find(|audience| audience.waterfall.as_ref() == Some(&before.id)) {
            return Err(invalid(format!(
                "{} is a step of this waterfall; name the audience that the step is of",
                own.id
            )));
        }
        let step = |(place, audience): (usize, &Segment)| {
            let known = before.steps.iter().find(|step| step.audience == audience.id);
            let segment = known.map_or_else(|| stamp.nth_id(place, SegmentId::new), |step| step.segment.clone());
            WaterfallStep { audience: audience.id.clone(), segment }
        };
        let steps: Vec<WaterfallStep> = audiences.iter().enumerate().map(step).collect();
        let gone: Vec<WaterfallStep> =
            before.steps.iter().filter(|step| steps.iter().all(|it| it.segment != step.segment)).cloned().collect();
        for step in &gone {
            self.nothing_hangs_on(&step.segment)?;
        }
        let ids: Vec<SegmentId> = audiences.iter().map(|audience| audience.id.clone()).collect();
        let mut documents = Vec::new();
        for ((step, audience), rule) in steps.iter().zip(&audiences).zip(rules(&ids)) {
            self.check_segment(Some(&step.segment), &made_by(&rule, entity))?;
            let step_name = format!("{name}: {}", audience.name);
            let step_name = name::checked("/name", &step_name)?;
            documents.extend(self.step_written(&before.id, &step.segment, entity, step_name, rule)?);
        }
        // First what goes: cut off after that, the others leave out its audience still, and nobody is in two.
        self.remove_steps(&gone).await?;
        let waterfall = Waterfall { name: name.to_owned(), steps, ..before };
        let id = waterfall.id.to_string();
        documents.push((DocumentWrite { kind: Kind::Waterfall, id: id.clone(), body: write(&waterfall)? }, expect));
        let commit =
            MembershipCommit { cause: "definition".into(), documents, now: self.now(), ..MembershipCommit::default() };
        self.store.commit_memberships(commit).await?;
        self.engine.segments_changed();
        self.waterfall(&id)
    }

    /// The segment of a step as it is to be; nothing where it is that.
    fn step_written(
        &self,
        waterfall: &WaterfallId,
        id: &SegmentId,
        entity: AudienceEntity,
        name: &str,
        rule: String,
    ) -> Result<Option<(DocumentWrite, Expect)>> {
        let (segment, expect) = match self.find::<Segment>(Kind::Segment, id.as_str())? {
            None => {
                let waterfall = Some(waterfall.clone());
                (Segment { entity, waterfall, ..Segment::new(id.clone(), name, &rule, self.now()) }, Expect::Absent)
            }
            Some(Versioned { value, .. }) if value.name == name && value.expression == rule => return Ok(None),
            Some(Versioned { value: before, version }) => {
                if before.name != name {
                    self.nobody_asks_for(id, "renamed")?;
                }
                let same_rule = before.expression == rule;
                let segment = Segment { name: name.to_owned(), expression: rule, ..revised(before, same_rule) };
                (segment, Expect::Version(version))
            }
        };
        self.name_is_free(name, id)?;
        Ok(Some((DocumentWrite { kind: Kind::Segment, id: id.to_string(), body: write(&segment)? }, expect)))
    }

    /// Those that a kill removed before are gone.
    async fn remove_steps(&self, steps: &[WaterfallStep]) -> Result<()> {
        for step in steps {
            if self.store.document(Kind::Segment, step.segment.as_str())?.is_some() {
                self.store.delete_document(Kind::Segment, step.segment.as_str(), Expect::Anything).await?;
            }
        }
        self.engine.segments_changed();
        Ok(())
    }

    /// Audiences of one kind, each once.
    fn in_order(&self, audiences: &[String]) -> Result<(AudienceEntity, Vec<Segment>)> {
        if audiences.len() < 2 || audiences.len() > AUDIENCES_MAX {
            return Err(invalid(format!("must be 2 to {AUDIENCES_MAX} segments")));
        }
        let mut found: Vec<Segment> = Vec::new();
        for id in audiences {
            let segment = self.segment(id)?.value;
            if found.iter().any(|other| other.id == segment.id) {
                return Err(invalid(format!("{id} stands in it twice")));
            }
            if let Some(first) = found.first().filter(|first| first.entity != segment.entity) {
                let (one, other) = (first.entity.name(), segment.entity.name());
                return Err(invalid(format!("{} is a segment of the entity {one}, and {id} of {other}", first.id)));
            }
            found.push(segment);
        }
        Ok((found[0].entity, found))
    }
}

fn made_by(expression: &str, entity: AudienceEntity) -> SegmentWish<'_> {
    SegmentWish { expression, entity, rank: None, evaluation: None }
}

fn told(waterfall: &Waterfall) -> serde_json::Value {
    let audiences: Vec<&str> = waterfall.steps.iter().map(|step| step.audience.as_str()).collect();
    serde_json::json!({ "name": waterfall.name, "audiences": audiences })
}

fn invalid(problem: String) -> Refusal {
    let message = format!("`audiences`: {problem}");
    Refusal::invalid("request.invalid", message, vec![FieldProblem::new("/audiences", problem)])
}
