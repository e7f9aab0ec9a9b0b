//! What has to be asked before something is sent: by what it is for, as a sandbox's rules say.

use super::{ANY, Decision, Heard, Refused, check_name, decide, decide_unnamed, is_about};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What something is sent for: what an activation names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConsentUse")]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// `email`, `ads`; one, not [`ANY`].
    pub channel: String,
    /// `newsletter`; one, not [`ANY`].
    pub purpose: String,
}

/// What must have been said. Suppressions count in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConsentNeeds")]
#[serde(rename_all = "kebab-case")]
pub enum Needs {
    /// The newest word is a yes.
    Consent,
    /// The newest word, if there is one, is no refusal.
    NoRefusal,
}

/// What becomes of whoever opted out of the channel at a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConsentOptOut")]
#[serde(rename_all = "kebab-case")]
pub enum OptOut {
    /// They are sent nothing on it.
    #[default]
    Refuses,
    /// What is sent is none of what they unsubscribed from: a receipt, a warning.
    Ignored,
}

impl OptOut {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What a use needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConsentRule")]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// [`ANY`]: all.
    pub channel: String,
    /// [`ANY`]: all.
    pub purpose: String,
    pub needs: Needs,
    #[serde(default, skip_serializing_if = "OptOut::is_usual")]
    pub opt_out: OptOut,
}

/// What becomes of an activation that names no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "UnnamedConsent")]
#[serde(rename_all = "kebab-case")]
pub enum Unnamed {
    /// It may be for anything, so it sends to whom refused nothing: who is on no suppression, opted out of no channel, and
    /// withdrew no consent that they did not give again.
    NoRefusal,
    /// It sends nothing.
    Refuse,
}

/// The rules of a sandbox, published as a whole. The first that fits a use counts; what none fits is not sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentRules {
    pub version: u32,
    pub rules: Vec<Rule>,
    pub unnamed: Unnamed,
}

/// Why rules cannot be taken: where, as a JSON pointer, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ConsentRulesProblem {
    pub place: String,
    pub problem: String,
}

const RULES_MAX: usize = 200;

impl Default for ConsentRules {
    /// Those that hold until some are published: every named use needs consent.
    fn default() -> Self {
        let all = Rule { channel: ANY.into(), purpose: ANY.into(), needs: Needs::Consent, opt_out: OptOut::Refuses };
        Self { version: 1, rules: vec![all], unnamed: Unnamed::NoRefusal }
    }
}

impl ConsentRules {
    /// Everything that is wrong, or nothing.
    pub fn check(&self) -> Result<(), Vec<ConsentRulesProblem>> {
        let mut problems = Vec::new();
        if self.rules.len() > RULES_MAX {
            problems
                .push(ConsentRulesProblem { place: "/rules".into(), problem: format!("must be {RULES_MAX} at most") });
        }
        for (i, rule) in self.rules.iter().enumerate() {
            for (field, name) in [("channel", &rule.channel), ("purpose", &rule.purpose)] {
                let place = format!("/rules/{i}/{field}");
                problems.extend(
                    check_name(name).err().map(|problem| ConsentRulesProblem { place, problem: problem.into() }),
                );
            }
            if let Some(first) = self.rules.iter().take(i).position(|earlier| earlier.hides(rule)) {
                let problem = format!("is never asked: rule {first} fits all that it fits");
                problems.push(ConsentRulesProblem { place: format!("/rules/{i}"), problem });
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// What a use needs; `None`: no rule fits it.
    #[must_use]
    pub fn needs(&self, of: &Use) -> Option<Needs> {
        self.rule(of).map(|rule| rule.needs)
    }

    /// The rule that counts for a use.
    #[must_use]
    pub fn rule(&self, of: &Use) -> Option<&Rule> {
        let fits = |rule: &&Rule| is_about(&rule.channel, &of.channel) && is_about(&rule.purpose, &of.purpose);
        self.rules.iter().find(fits)
    }

    /// Decides for one person. `None`: whoever sends names no use.
    #[must_use]
    pub fn may_send(&self, of: Option<&Use>, heard: Heard<'_>) -> Decision {
        let no = |reason| Decision::No { reason };
        match (of, self.unnamed) {
            (None, Unnamed::Refuse) => no(Refused::Unnamed),
            (None, Unnamed::NoRefusal) => decide_unnamed(heard),
            (Some(of), _) => match self.rule(of) {
                Some(rule) => {
                    let opted_out = if rule.opt_out == OptOut::Refuses { heard.opted_out } else { &[] };
                    decide(&of.channel, &of.purpose, rule.needs, Heard { opted_out, ..heard })
                }
                None => no(Refused::NoRule { channel: of.channel.clone(), purpose: of.purpose.clone() }),
            },
        }
    }

    /// Whether somebody of whom nothing was ever said is sent something: then nothing need be looked up for most.
    #[must_use]
    pub fn silence_is_yes(&self, of: Option<&Use>) -> bool {
        self.may_send(of, Heard::default()) == Decision::Yes
    }
}

impl Rule {
    /// Whether it fits all that another fits.
    fn hides(&self, other: &Self) -> bool {
        let covers = |a: &str, b: &str| a == ANY || a == b;
        covers(&self.channel, &other.channel) && covers(&self.purpose, &other.purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::{Consent, Suppression, opt_outs};
    use crate::identity::Identity;

    fn rule(channel: &str, purpose: &str, needs: Needs) -> Rule {
        Rule { channel: channel.into(), purpose: purpose.into(), needs, opt_out: OptOut::Refuses }
    }

    fn said(channel: &str, given: bool) -> Consent {
        let identity = Identity { namespace: "email".into(), value: "a@x.example".into() };
        Consent { identity, channel: channel.into(), purpose: ANY.into(), given, source: "form".into(), at: 1 }
    }

    fn of(channel: &str) -> Use {
        Use { channel: channel.into(), purpose: "news".into() }
    }

    fn code(decision: &Decision) -> &'static str {
        match decision {
            Decision::Yes => "yes",
            Decision::No { reason } => reason.code(),
        }
    }

    #[test]
    fn the_first_rule_that_fits_counts_and_what_none_fits_is_not_sent() {
        let rules = ConsentRules {
            version: 1,
            rules: vec![rule("email", "service", Needs::NoRefusal), rule("email", ANY, Needs::Consent)],
            unnamed: Unnamed::Refuse,
        };
        let service = Use { channel: "email".into(), purpose: "service".into() };
        let asked =
            |of: Option<&Use>, consents: &[Consent]| code(&rules.may_send(of, Heard { consents, ..Heard::default() }));
        assert_eq!(asked(Some(&service), &[]), "yes");
        assert_eq!(asked(Some(&service), &[said("email", false)]), "consent.withdrawn");
        assert_eq!(asked(Some(&of("email")), &[]), "consent.not-covered");
        assert_eq!(asked(Some(&of("ads")), &[said(ANY, true)]), "consent.no-rule");
        assert_eq!(asked(None, &[said(ANY, true)]), "consent.unnamed");
    }

    #[test]
    fn whoever_unsubscribed_is_sent_what_a_rule_says_is_none_of_it() {
        let service = Rule { opt_out: OptOut::Ignored, ..rule("email", "service", Needs::NoRefusal) };
        let rules = ConsentRules {
            version: 1,
            rules: vec![service, rule("*", ANY, Needs::NoRefusal)],
            unnamed: Unnamed::NoRefusal,
        };
        let opted_out = opt_outs(|field| field == "is_unsubscribed");
        let heard = Heard { opted_out: &opted_out, ..Heard::default() };
        let asked = |purpose: &str| {
            let of = Use { channel: "email".into(), purpose: purpose.into() };
            code(&rules.may_send(Some(&of), heard))
        };
        assert_eq!((asked("service"), asked("news")), ("yes", "consent.opted-out"));
        assert_eq!(
            (code(&rules.may_send(Some(&of("ads")), heard)), code(&rules.may_send(None, heard))),
            ("yes", "consent.opted-out")
        );
        // What is usual is not written out, and read where it is not.
        let written = serde_json::to_value(&rules).unwrap();
        assert_eq!((&written["rules"][0]["opt_out"], written["rules"][1].get("opt_out")), (&"ignored".into(), None));
        assert_eq!(serde_json::from_value::<ConsentRules>(written).unwrap(), rules);
    }

    /// What holds where nobody published anything: documented in `docs/tenancy.md`.
    #[test]
    fn by_default_a_named_use_needs_consent_and_an_unnamed_one_no_refusal_of_anything() {
        let rules = ConsentRules::default();
        rules.check().unwrap();
        assert!(!rules.silence_is_yes(Some(&of("email"))) && rules.silence_is_yes(None));
        let unnamed = |consents: &[Consent]| code(&rules.may_send(None, Heard { consents, ..Heard::default() }));
        assert_eq!((unnamed(&[said("email", true)]), unnamed(&[said("email", false)])), ("yes", "consent.withdrawn"));
        let of_ads = Suppression {
            identity: said(ANY, true).identity,
            channel: "ads".into(),
            reason: "asked us".into(),
            source: "desk".into(),
            at: 0,
        };
        let heard = Heard { suppressions: &[of_ads], ..Heard::default() };
        assert_eq!(code(&rules.may_send(None, heard)), "consent.suppressed");
    }

    #[test]
    fn what_is_wrong_with_rules_is_named() {
        let rules = ConsentRules {
            rules: vec![
                rule("E-Mail!", ANY, Needs::Consent),
                rule("ads", ANY, Needs::Consent),
                rule("ads", "news", Needs::NoRefusal),
            ],
            ..ConsentRules::default()
        };
        let places: Vec<String> = rules.check().unwrap_err().into_iter().map(|p| p.place).collect();
        assert_eq!(places, ["/rules/0/channel", "/rules/2"]);
    }
}
