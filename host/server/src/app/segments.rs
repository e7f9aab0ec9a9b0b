//! Segments: rules that say who belongs.

use super::keys::Caller;
use super::name;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use super::stamp::Stamp;
use super::{connections, expressions};
use attiva_core::config::{Activation, AudienceEntity, EvaluationMethod, Segment};
use attiva_core::id::{EvaluationId, SegmentId};
use attiva_core::membership::{AudienceDay, MemberStatus, MembershipCounts, by_day, new_since};
use attiva_core::ports::store::{Expect, HistoryOf, Kind, Member, MembershipEvent};
use attiva_core::ranking::Ranking;
use attiva_core::time::DAY_MS;
use attiva_core::{Fault, FaultKind, Millis};
use attiva_sync::{Compared, Definition, MembershipExplanation, Preview, SegmentStatement, SegmentWish};
use std::sync::Arc;

/// What a segment is made of.
#[derive(Debug, Clone)]
pub struct NewSegment {
    pub name: String,
    pub expression: String,
    pub entity: AudienceEntity,
    /// `None`: everybody who meets the rule belongs.
    pub rank: Option<Ranking>,
    /// `None`: in streaming where the rule allows.
    pub evaluation: Option<EvaluationMethod>,
}

impl NewSegment {
    fn wish(&self) -> SegmentWish<'_> {
        let Self { expression, entity, rank, evaluation, .. } = self;
        SegmentWish { expression, entity: *entity, rank: rank.as_ref(), evaluation: *evaluation }
    }
}

/// How many are members of two audiences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    pub with: SegmentId,
    pub members: u64,
    pub common: u64,
}

/// How many belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudienceCounts {
    pub counts: MembershipCounts,
    pub days: Vec<AudienceDay>,
    /// The batch evaluation that the statuses are of.
    pub result_of: Option<EvaluationId>,
    pub as_of: Millis,
}

/// Most days that are counted.
const DAYS_MAX: u16 = 366;

/// Most audiences that one answer compares with.
const OVERLAPS_MAX: usize = 20;

impl Sandbox {
    /// Makes a segment; everybody is looked at soon after.
    ///
    /// # Errors
    /// `segment.expression` with each problem and its place; `segment.name-taken` where others ask for an audience by
    /// that name.
    pub async fn create_segment(&self, caller: &Caller, stamp: Stamp, new: &NewSegment) -> Result<Versioned<Segment>> {
        let id = stamp.id(SegmentId::new);
        let made = match self.find(Kind::Segment, id.as_str())? {
            Some(made) => made,
            None => self.make_segment(id, new).await?,
        };
        let Segment { id, expression, .. } = &made.value;
        let detail = serde_json::json!({ "expression": expression });
        self.tell_once(caller, "segment.created", id.as_str(), detail).await?;
        Ok(made)
    }

    async fn make_segment(&self, id: SegmentId, new: &NewSegment) -> Result<Versioned<Segment>> {
        let name = name::checked("/name", &new.name)?;
        let _alone = self.connections_change.lock().await;
        self.check_segment(Some(&id), &new.wish())?;
        self.name_is_free(name, &id)?;
        let segment = Segment {
            entity: new.entity,
            rank: new.rank.clone(),
            evaluation: new.evaluation,
            ..Segment::new(id.clone(), name, &new.expression, self.now())
        };
        let version = self.put(Kind::Segment, id.as_str(), &segment, Expect::Absent).await?;
        self.engine.segments_changed();
        Ok(Versioned { value: segment, version })
    }

    /// Gives a segment another rule or name. Members stay until everybody has been looked at by the new rule.
    ///
    /// # Errors
    /// As for a new one; `segment.entity-fixed`; `segment.in-use` for another name where others ask for the audience, and
    /// where it would be evaluated otherwise than the schedule of an activation follows;
    /// `store.version-mismatch`.
    pub async fn change_segment(
        &self,
        caller: &Caller,
        id: &str,
        new: &NewSegment,
        expect: Expect,
    ) -> Result<Versioned<Segment>> {
        let name = name::checked("/name", &new.name)?;
        let _alone = self.connections_change.lock().await;
        let Versioned { value: before, version } = self.segment(id)?;
        if let Expect::Version(seen) = expect {
            connections::same_version(seen, version)?;
        }
        is_of_no_waterfall(&before)?;
        if before.entity != new.entity {
            let message = format!("{id} is a segment of the entity {}, and stays one", before.entity.name());
            let fault = Fault::new(FaultKind::Config, "segment.entity-fixed", message).field("/entity");
            return Err(fault.action("Make another segment.").into());
        }
        let method = self.check_segment(Some(&before.id), &new.wish())?.method;
        self.schedules_still_fit(&before.id, method)?;
        if name != before.name {
            self.nobody_asks_for(&before.id, "renamed")?;
            self.name_is_free(name, &before.id)?;
        }
        let same_rule =
            before.expression == new.expression && before.rank == new.rank && before.evaluation == new.evaluation;
        let segment = Segment {
            name: name.to_owned(),
            expression: new.expression.clone(),
            rank: new.rank.clone(),
            evaluation: new.evaluation,
            ..revised(before, same_rule)
        };
        let version = self.put(Kind::Segment, id, &segment, Expect::Version(version)).await?;
        self.engine.segments_changed();
        let detail = serde_json::json!({ "expression": segment.expression, "version": segment.version });
        self.tell(caller, "segment.changed", id, detail).await?;
        Ok(Versioned { value: segment, version })
    }

    /// Removes a segment that nothing hangs on. Its history stays.
    ///
    /// # Errors
    /// `segment.in-use` with the segments and activations that use it.
    pub async fn remove_segment(&self, caller: &Caller, id: &str) -> Result<()> {
        let _alone = self.connections_change.lock().await;
        let segment = self.segment(id)?.value;
        is_of_no_waterfall(&segment)?;
        self.nothing_hangs_on(&segment.id)?;
        self.store.delete_document(Kind::Segment, id, Expect::Anything).await?;
        self.engine.segments_changed();
        self.tell(caller, "segment.removed", id, serde_json::json!({ "name": segment.name })).await
    }

    /// Checks what somebody wants a segment to be; `id`: of the one that is to become it.
    ///
    /// # Errors
    /// `segment.expression` with each problem and its place.
    pub fn check_segment(&self, id: Option<&SegmentId>, wish: &SegmentWish<'_>) -> Result<Definition> {
        self.engine.check_segment(id, wish)?.map_err(|unsound| expressions::refused(unsound.field, unsound.problems))
    }

    /// What a segment's rule means, as it stands; `None`: it no longer compiles.
    pub fn segment_definition(&self, segment: &SegmentId) -> Result<Option<Arc<Definition>>> {
        Ok(self.engine.segment_definition(segment)?)
    }

    /// That a segment may go.
    pub(super) fn nothing_hangs_on(&self, id: &SegmentId) -> Result<()> {
        self.nobody_asks_for(id, "removed")?;
        let activations = self.list(Kind::Activation, None, usize::MAX, |a: &Activation| a.segment == *id)?;
        if activations.is_empty() {
            return Ok(());
        }
        let used: Vec<String> = activations.iter().map(|a| format!("{} ({})", a.id, a.name)).collect();
        Err(in_use(id, "removed", &used))
    }

    pub(super) fn name_is_free(&self, name: &str, id: &SegmentId) -> Result<()> {
        let same = self.list(Kind::Segment, None, usize::MAX, |s: &Segment| s.name == name && s.id != *id)?;
        for other in same {
            if !self.engine.segments_that_ask_for(&other.id)?.is_empty() {
                let message = format!("{} has that name, and others ask for it by it", other.id);
                let fault = Fault::new(FaultKind::Config, "segment.name-taken", message).field("/name");
                return Err(fault.action("Choose another name.").into());
            }
        }
        Ok(())
    }

    pub(super) fn nobody_asks_for(&self, id: &SegmentId, what: &str) -> Result<()> {
        let who = self.engine.segments_that_ask_for(id)?;
        if who.is_empty() {
            return Ok(());
        }
        let named = |id: &SegmentId| match self.segment(id.as_str()) {
            Ok(found) => format!("{id} ({})", found.value.name),
            Err(_) => id.to_string(),
        };
        Err(in_use(id, what, &who.iter().map(named).collect::<Vec<_>>()))
    }

    pub fn segment(&self, id: &str) -> Result<Versioned<Segment>> {
        self.get(Kind::Segment, "segment", id)
    }

    /// In the order they were made, after `after`.
    pub fn segments(&self, after: Option<&str>, limit: usize) -> Result<Vec<Segment>> {
        self.list(Kind::Segment, after, limit, |_| true)
    }

    /// Members now, after the profile numbered `after`; each with its profile's number, and what it is to the latest result.
    pub fn members(&self, segment: &str, after: i64, limit: usize) -> Result<Vec<(i64, Member, MemberStatus)>> {
        let segment = self.segment(segment)?.value;
        let (members, now) = (self.store.members(&segment.id, after, limit)?, self.now());
        let with_status = |(number, member): (i64, Member)| {
            let status = MemberStatus::of(&segment, member.since, now);
            (number, member, status)
        };
        Ok(members.into_iter().map(with_status).collect())
    }

    /// How many are members now and by the latest result, and how many there were on each of so many days, the last of
    /// which is today.
    ///
    /// # Errors
    /// `request.invalid` for a number of days that nobody counts.
    pub fn count_by_status(&self, segment: &str, days: u16) -> Result<AudienceCounts> {
        if days == 0 || days > DAYS_MAX {
            let problem = format!("must be 1 to {DAYS_MAX}");
            return Err(Refusal::invalid("request.invalid", problem.clone(), vec![FieldProblem::new("days", problem)]));
        }
        let segment = self.segment(segment)?.value;
        let now = self.now();
        let today = now.div_euclid(DAY_MS);
        let first = (today + 1 - i64::from(days)).max(segment.created_at.div_euclid(DAY_MS)).min(today);
        let counts = self.store.membership_counts(&segment.id, new_since(&segment, now), first * DAY_MS)?;
        Ok(AudienceCounts { days: by_day(&counts, first, today), counts, result_of: segment.result_of, as_of: now })
    }

    pub fn count_members(&self, segment: &SegmentId) -> Result<u64> {
        Ok(self.store.count_members(segment)?)
    }

    /// Why a profile belongs to a segment, or does not.
    pub async fn explain_membership(&self, segment: &str, profile: &str) -> Result<MembershipExplanation> {
        let segment = self.segment(segment)?.value;
        let profile = self.profile(profile)?.profile;
        Ok(self.engine.explain_membership(&segment.id, profile).await?)
    }

    /// A segment as one statement over the open tables.
    ///
    /// # Errors
    /// `segment.no-sql`: what no portable SQL answers exactly.
    pub fn segment_statement(&self, segment: &str) -> Result<SegmentStatement> {
        let segment = self.segment(segment)?.value;
        Ok(self.engine.segment_statement(&segment.id)?)
    }

    /// Who would belong by a rule. Nothing is stored.
    pub async fn preview_segment(&self, wish: &SegmentWish<'_>, samples: usize) -> Result<Preview> {
        Ok(self.engine.preview(self.check_segment(None, wish)?, samples).await?)
    }

    /// Who would enter and leave if a segment had another rule.
    pub async fn compare_segment(
        &self,
        id: &str,
        expression: &str,
        rank: Option<&Ranking>,
        samples: usize,
    ) -> Result<Compared> {
        let segment = self.segment(id)?.value;
        let wish = |expression, rank| SegmentWish { expression, entity: segment.entity, rank, evaluation: None };
        let after = self.check_segment(Some(&segment.id), &wish(expression, rank))?;
        let before = self.check_segment(None, &wish(&segment.expression, segment.rank.as_ref()))?;
        Ok(self.engine.compare(before, after, samples).await?)
    }

    /// How many members a segment shares with others.
    pub fn overlaps(&self, id: &str, with: &[&str]) -> Result<(u64, Vec<Overlap>)> {
        let segment = self.segment(id)?.value;
        if with.is_empty() || with.len() > OVERLAPS_MAX {
            let problem = format!("must name 1 to {OVERLAPS_MAX} segments, with commas between them");
            return Err(Refusal::invalid("request.invalid", problem.clone(), vec![FieldProblem::new("with", problem)]));
        }
        let overlap = |other: &&str| {
            let other = self.segment(other)?.value;
            Ok(Overlap {
                members: self.count_members(&other.id)?,
                common: self.store.count_common_members(&segment.id, &other.id)?,
                with: other.id,
            })
        };
        Ok((self.count_members(&segment.id)?, with.iter().map(overlap).collect::<Result<_>>()?))
    }

    /// Who entered and left, newest first, before the number `before`.
    pub fn segment_history(&self, id: &str, before: Option<i64>, limit: usize) -> Result<Vec<MembershipEvent>> {
        let of = HistoryOf::Segment(self.segment(id)?.value.id);
        Ok(self.store.membership_history(&of, before, limit)?)
    }

    /// What a profile entered and left, newest first, before the number `before`.
    pub fn profile_history(&self, id: &str, before: Option<i64>, limit: usize) -> Result<Vec<MembershipEvent>> {
        let of = HistoryOf::Profile(self.profile(id)?.profile.number);
        Ok(self.store.membership_history(&of, before, limit)?)
    }
}

/// What a waterfall makes is changed with it.
/// A segment whose rule may be another by now: that is evaluated anew, and until then the result of the one before counts.
pub(super) fn revised(before: Segment, same_rule: bool) -> Segment {
    Segment {
        version: if same_rule { before.version } else { before.version.saturating_add(1) },
        evaluated: same_rule && before.evaluated,
        has_result: before.is_known(),
        ..before
    }
}

fn is_of_no_waterfall(segment: &Segment) -> Result<()> {
    let Some(waterfall) = &segment.waterfall else { return Ok(()) };
    let message = format!("{} is a step of {waterfall}, whose order makes its rule", segment.id);
    let fault = Fault::new(FaultKind::Config, "segment.of-waterfall", message);
    Err(fault.action("Change the waterfall, or make a segment of your own that asks for the audience.").into())
}

fn in_use(id: &SegmentId, what: &str, used: &[String]) -> Refusal {
    let message = format!("{id} cannot be {what}: used by {}", used.join(", "));
    Fault::new(FaultKind::Config, "segment.in-use", message).action("Change or remove those first.").into()
}
