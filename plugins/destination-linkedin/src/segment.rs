//! The segment of a target: found or made, awaited, judged.

use crate::api::Api;
use crate::element::Kind;
use crate::request;
use crate::response::{self, Segment};
use crate::state::State;
use attiva_connector::{
    Artifact, Fault, FaultKind, Finished, OutcomeStatus, Prepared, Result, Run, Target, Warning, encode_state,
};

/// Says when a segment was about to be made, in decimal milliseconds: what made it may have been killed before it
/// could tell, and the list of segments may not show it yet.
const NOTE: &str = "segment";
/// Members that come sooner after the segment was made are lost without a word.
const SETTLES_MS: u64 = 5_000;
/// A new segment may be unknown to other calls for so long.
pub(crate) const YOUNG_MS: u64 = 120_000;
/// Pause before a segment that may have been made is looked for again: the host gives up after a few.
const UNLISTED_MS: u64 = 30_000;
/// Fewer matched members than this, and LinkedIn shows the audience no advertisement.
const MATCHED_MIN: u64 = 300;

/// What `prepare` does.
pub(crate) fn prepare(api: &Api<'_>, kind: Kind, target: &Target, run: &Run, dry_run: bool) -> Result<Prepared> {
    let now_ms = api.host.now_ms();
    let noted = noted(api)?;
    if let Some(segment) = find(api, kind, &target.id)? {
        return found(api, target, segment, noted.is_some(), dry_run);
    }
    let mut notes =
        vec![format!("There is no segment for this target; a new one of the name {} is made.", target.name)];
    if let Some(rows) = run.rows_expected.filter(|rows| *rows < MATCHED_MIN) {
        notes.push(format!(
            "Only {rows} members are expected: LinkedIn shows advertisements to audiences of {MATCHED_MIN} matched members and more."
        ));
    }
    if dry_run {
        return Ok(Prepared { state: Vec::new(), notes, wait_ms: None });
    }
    if let Some(age_ms) = noted.map(|at| now_ms.saturating_sub(at)).filter(|age| *age < YOUNG_MS) {
        let what = "a segment may have been made a moment ago, and LinkedIn does not list it yet";
        return Err(
            Fault::transient("linkedin.segment-unlisted", what).retry_after_ms((YOUNG_MS - age_ms).min(UNLISTED_MS))
        );
    }
    api.host.spool(NOTE).write(0, now_ms.to_string().as_bytes())?;
    let create = request::create(api.config, kind, &target.id, &target.name);
    let response = match api.send(&create, &[409], "make the segment") {
        Err(fault) if is_refusal(&fault) => {
            // Nothing was made, so a repeat has nothing to wait for.
            api.host.spool(NOTE).remove()?;
            return Err(fault);
        }
        answered => answered?,
    };
    if response.status == 409 {
        // Somebody was faster: our own call that was killed, or another host.
        let Some(segment) = find(api, kind, &target.id)? else {
            let what = "LinkedIn has a segment of this id and does not list it yet";
            return Err(Fault::transient("linkedin.segment-unlisted", what).retry_after_ms(10_000));
        };
        return found(api, target, segment, true, false);
    }
    let id = response::created_id(&response)?;
    let state = State { segment: id, created_ms: now_ms, is_new: true, added: 0, removed: 0 };
    Ok(Prepared { state: encode_state(&state)?, notes, wait_ms: Some(SETTLES_MS) })
}

/// Whether LinkedIn has surely not made what it was asked to make: it said no. A 5xx or a broken exchange says nothing.
fn is_refusal(fault: &Fault) -> bool {
    use FaultKind::{Auth, Config, Quota, RateLimited, Scope};
    matches!(fault.kind, Auth | Config | Quota | RateLimited | Scope)
}

/// The segment of a target. A user and a company segment may share an id; of several alike the oldest is ours.
pub(crate) fn find(api: &Api<'_>, kind: Kind, target_id: &str) -> Result<Option<Segment>> {
    Ok(find_all(api, kind, target_id)?.into_iter().min_by_key(|segment| (segment.created, segment.id)))
}

/// All segments that a target may have: two, where a second was made before the first was listed.
pub(crate) fn find_all(api: &Api<'_>, kind: Kind, target_id: &str) -> Result<Vec<Segment>> {
    let response = api.send(&request::find(api.config, target_id), &[], "list the segments")?;
    let mut segments = response::segments(&response)?;
    let account = api.config.account_urn();
    segments.retain(|segment| {
        segment.kind == kind.segment_type()
            && segment.source_id == target_id
            && segment.platform == api.config.source_platform
            && segment.account == account
    });
    Ok(segments)
}

fn found(api: &Api<'_>, target: &Target, segment: Segment, is_new: bool, dry_run: bool) -> Result<Prepared> {
    if segment.is_dead() {
        return Err(dead(&segment));
    }
    let mut notes = vec![format!("The segment {} ({}) is there: {}.", segment.id, segment.name, segment.status())];
    if segment.name != target.name {
        notes.push(format!("It is renamed to {}.", target.name));
        if !dry_run {
            api.send(&request::rename(api.config, segment.id, &target.name), &[], "rename the segment")?;
        }
    }
    let age_ms = api.host.now_ms().saturating_sub(segment.created);
    let wait_ms = SETTLES_MS.checked_sub(age_ms).filter(|wait| *wait > 0);
    let state = State { segment: segment.id, created_ms: segment.created, is_new, added: 0, removed: 0 };
    Ok(Prepared { state: encode_state(&state)?, notes, wait_ms })
}

/// The fault for a segment that takes nobody. To make another in its place is not for us: the host would send it only
/// what has changed.
pub(crate) fn dead(segment: &Segment) -> Fault {
    let what = format!("LinkedIn's segment {} is {}, and can be used for nothing", segment.id, segment.status());
    Fault::config("linkedin.segment-dead", what)
        .action("Make a new activation in place of this one: it makes a new segment and sends everybody.")
}

/// The fault for a segment that answers 404.
pub(crate) fn missing(api: &Api<'_>, state: &State) -> Fault {
    let age_ms = api.host.now_ms().saturating_sub(state.created_ms);
    if age_ms < YOUNG_MS {
        let what = format!("LinkedIn does not know its new segment {} everywhere yet", state.segment);
        return Fault::transient("linkedin.segment-young", what).retry_after_ms(10_000);
    }
    Fault::config("linkedin.segment-gone", format!("LinkedIn has no segment {} any more", state.segment))
        .action("Make a new activation in place of this one: it makes a new segment and sends everybody.")
}

/// What `finish` does: nothing is pending, but there is something to say of the segment.
pub(crate) fn finish(api: &Api<'_>, target: &Target, bytes: Vec<u8>) -> Result<Finished> {
    let state = State::read(&bytes)?;
    let response = api.send(&request::segment(api.config, state.segment), &[404], "look at the segment")?;
    if response.status == 404 {
        return Err(missing(api, &state));
    }
    let segment = response::segment(&response)?;
    let artifact = Artifact {
        name: format!("urn:li:dmpSegment:{} ({})", segment.id, target.name),
        rows: Some(state.added),
        bytes: None,
        sha256: None,
    };
    Ok(Finished {
        pending_become: OutcomeStatus::Updated,
        artifacts: vec![artifact],
        warnings: warnings(&segment, &state),
        ..Finished::unchanged(bytes)
    })
}

/// What a person should know. Counts cover seven days, and a small audience has none: only what is sure is said.
fn warnings(segment: &Segment, state: &State) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if segment.is_dead() {
        let what = format!("LinkedIn says {} of segment {}: no campaign can use it", segment.status(), segment.id);
        warnings.push(Warning::new("linkedin.segment-dead", what));
    }
    let at = segment.at_linkedin();
    let is_large = at.and_then(|d| d.size).is_some_and(|size| size >= MATCHED_MIN);
    let matched = at.and_then(|d| d.matched).filter(|matched| *matched < MATCHED_MIN);
    let few = match matched {
        _ if is_large => None,
        Some(matched) => Some(format!("LinkedIn has matched {matched} of the members sent in the last seven days")),
        None if state.is_new && state.added < MATCHED_MIN => Some(format!("{} members were sent", state.added)),
        None => None,
    };
    if let Some(few) = few {
        let what = format!("{few}; it shows advertisements to audiences of {MATCHED_MIN} matched members and more");
        warnings.push(Warning::new("linkedin.too-few", what));
    }
    warnings
}

fn noted(api: &Api<'_>) -> Result<Option<u64>> {
    let bytes = api.host.spool(NOTE).read(0, 20)?;
    Ok(String::from_utf8(bytes).ok().and_then(|text| text.parse().ok()))
}
