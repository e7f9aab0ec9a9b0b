//! What an activation sends to a target: the members of its audience, or the people of accounts. Checked when it is made.

use super::expressions;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::config::{AudienceEntity, Segment, TargetSettings};
use attiva_core::consent::Use;
use attiva_core::expansion::{Expansion, PeopleBy};
use attiva_core::model::EntityName;
use attiva_core::spec::DeliverySpec;
use attiva_core::{Fault, FaultKind};
use attiva_expr::Scope;
use attiva_sync::{SegmentWish, mapping_scope};

impl Sandbox {
    /// Checks which people of an audience of accounts are sent.
    ///
    /// # Errors
    /// `activation.expansion`.
    pub(super) fn check_expansion(&self, segment: &Segment, expansion: Option<&Expansion>) -> Result<()> {
        let Some(expansion) = expansion else { return Ok(()) };
        if segment.entity == AudienceEntity::Person {
            let message = format!("{} is an audience of persons, and they are sent", segment.id);
            let fault = Fault::new(FaultKind::Config, "activation.expansion", message).field("/expansion");
            return Err(fault.action("Leave `expansion` out.").into());
        }
        if let Err(problem) = expansion.check() {
            let fields = vec![FieldProblem::new("/expansion/by", problem)];
            return Err(Refusal::invalid("activation.expansion", "the expansion cannot be used", fields));
        }
        let check = |rule: &str| self.engine.check_segment(None, &SegmentWish::of_persons(rule));
        // Alone first, so that what is wrong is told by its place in what was sent.
        for rule in expansion.only.iter().chain([&expansion.rule(&segment.id)]) {
            check(rule)?.map_err(|unsound| expressions::refused("/expansion/where", unsound.problems))?;
        }
        Ok(())
    }

    /// What a mapping may name where this is sent.
    pub(super) fn mapping_scope(&self, sent: AudienceEntity) -> Result<Scope> {
        let entity = EntityName::Model(sent.kind());
        Ok(mapping_scope(attiva_sync::policies::layout(self.store.as_ref(), &entity)?.as_ref()))
    }

    /// Checks what an activation names that it sends for: consent is a person's.
    ///
    /// # Errors
    /// `activation.consent`.
    pub(super) fn check_use_of(&self, sent: AudienceEntity, of: Option<&Use>) -> Result<()> {
        match (sent, of) {
            (AudienceEntity::Person, of) => self.check_use(of),
            (AudienceEntity::Account, None) => Ok(()),
            (AudienceEntity::Account, Some(_)) => {
                let message = "accounts are sent, and consent is a person's: nobody would be asked";
                let fault = Fault::new(FaultKind::Config, "activation.consent", message).field("/consent");
                Err(fault.action("Leave `consent` out.").into())
            }
        }
    }
}

/// What whoever sends persons without saying what for should know.
pub(super) fn unnamed_use(sent: AudienceEntity, of: Option<&Use>) -> Option<String> {
    let told = "it names no channel and purpose (`consent`), so whoever refused or opted out of anything is left out; name \
                what it sends for, and what the sandbox's consent rules say of that counts";
    (sent == AudienceEntity::Person && of.is_none()).then(|| told.to_owned())
}

/// Whether a target takes what is sent.
///
/// # Errors
/// `activation.entity`, with the way there is.
pub(super) fn check_taken(
    plugin: &str,
    spec: &DeliverySpec,
    target: &TargetSettings,
    segment: &Segment,
    expansion: Option<&Expansion>,
) -> Result<()> {
    use AudienceEntity::{Account, Person};
    let takes = spec.takes(&target.object);
    let sent = if expansion.is_some() { Person } else { segment.entity };
    if takes.contains(&sent) {
        return Ok(());
    }
    let wanted: Vec<&str> = takes.iter().map(|entity| plural(*entity)).collect();
    let what = plural(sent);
    let message = format!("{what} would be sent, and `{}` of {plugin} takes {}", target.object, wanted.join(" and "));
    let (field, action) = match (segment.entity, expansion) {
        (Account, Some(_)) => ("/expansion", "Leave `expansion` out: then the accounts are sent.".to_owned()),
        (Account, None) => ("/expansion", expand(spec)),
        (Person, _) => (
            "/segment",
            format!(
                "Make a segment of accounts of it, and activate that one: `account.people.exists(p, p.inAudience({:?}))`.",
                segment.name
            ),
        ),
    };
    Err(Fault::new(FaultKind::Unsupported, "activation.entity", message).action(action).field(field).into())
}

/// How an audience of accounts gets to a target that takes persons.
fn expand(spec: &DeliverySpec) -> String {
    let ways: Vec<&str> = PeopleBy::ALL.into_iter().map(PeopleBy::name).collect();
    let instead: Vec<String> = spec
        .members
        .iter()
        .filter(|(_, takes)| takes.contains(&AudienceEntity::Account))
        .map(|(object, _)| format!("`{object}`"))
        .collect();
    let mut action = format!(
        "Say which people of each account are sent: `\"expansion\": {{\"by\": [..]}}` with some of {}.",
        ways.join(", ")
    );
    if !instead.is_empty() {
        action.push_str(&format!(" Or fill {}, which takes accounts.", instead.join(" or ")));
    }
    action
}

fn plural(entity: AudienceEntity) -> &'static str {
    match entity {
        AudienceEntity::Person => "persons",
        AudienceEntity::Account => "accounts",
    }
}
