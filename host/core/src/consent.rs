//! Whether somebody may be sent something: what they said by channel and purpose, and who is never sent anything. What
//! nothing covers is not sent.

mod rules;

pub use rules::{ConsentRules, ConsentRulesProblem, Needs, OptOut, Rule, Unnamed, Use};

use crate::Millis;
use crate::identity::Identity;
use serde::{Deserialize, Serialize};

/// What somebody said about a channel and a purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    pub identity: Identity,
    /// `email`, `ads`; [`ANY`]: all.
    pub channel: String,
    /// `newsletter`; [`ANY`]: all.
    pub purpose: String,
    /// False: withdrawn, or refused.
    pub given: bool,
    /// Who heard it: a form, a system.
    pub source: String,
    pub at: Millis,
}

/// Somebody who is not sent anything, whatever they said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    pub identity: Identity,
    /// [`ANY`]: all.
    pub channel: String,
    pub reason: String,
    pub source: String,
    pub at: Millis,
}

/// Every channel, or every purpose.
pub const ANY: &str = "*";

/// The channel that a source's opt-out is about.
pub const EMAIL: &str = "email";

/// The person's field that says so, which connectors of marketing systems and CRMs fill.
pub const OPT_OUT_FIELD: &str = "is_unsubscribed";

/// What is known of one person's will, by all their identities, in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard<'a> {
    pub consents: &'a [Consent],
    pub suppressions: &'a [Suppression],
    /// The person's profile says that they unsubscribed from e-mail. That is how they stand now, and not a word of some
    /// day: no consent from elsewhere outweighs it, and it ends where it was said.
    pub opted_out: bool,
}

/// Whether something may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Yes,
    No { reason: Refused },
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("suppressed: {reason}")]
    Suppressed { reason: String },
    #[error("unsubscribed from e-mail, as their profile says (`is_unsubscribed`)")]
    OptedOut,
    #[error("consent to {channel} for {purpose} was withdrawn or refused, as {source_name} says")]
    Withdrawn { channel: String, purpose: String, source_name: String },
    #[error("nobody consented to {channel} for {purpose}")]
    NotCovered { channel: String, purpose: String },
    #[error("no rule of the sandbox says what {channel} for {purpose} needs")]
    NoRule { channel: String, purpose: String },
    #[error("the activation names no channel and purpose, and the sandbox's rules refuse that")]
    Unnamed,
}

impl Refused {
    /// Stable and machine-readable.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Suppressed { .. } => "consent.suppressed",
            Self::OptedOut => "consent.opted-out",
            Self::Withdrawn { .. } => "consent.withdrawn",
            Self::NotCovered { .. } => "consent.not-covered",
            Self::NoRule { .. } => "consent.no-rule",
            Self::Unnamed => "consent.unnamed",
        }
    }
}

fn is_about(said: &str, asked: &str) -> bool {
    said == ANY || said == asked
}

/// Of what was said about the channel and purpose the newest counts, of two at the same time the one that refuses.
fn decide(channel: &str, purpose: &str, needs: Needs, heard: Heard<'_>) -> Decision {
    let Heard { consents, suppressions, opted_out } = heard;
    // The first by what it says, so that the answer does not hang on the order.
    let suppressed = suppressions.iter().filter(|s| is_about(&s.channel, channel)).map(|s| &s.reason).min();
    if let Some(reason) = suppressed {
        return Decision::No { reason: Refused::Suppressed { reason: reason.clone() } };
    }
    if opted_out && channel == EMAIL {
        return Decision::No { reason: Refused::OptedOut };
    }
    let (channel, purpose) = (channel.to_owned(), purpose.to_owned());
    let covering = consents.iter().filter(|c| is_about(&c.channel, &channel) && is_about(&c.purpose, &purpose));
    match covering.max_by(|a, b| (a.at, !a.given, &a.source).cmp(&(b.at, !b.given, &b.source))) {
        None if needs == Needs::NoRefusal => Decision::Yes,
        None => Decision::No { reason: Refused::NotCovered { channel, purpose } },
        Some(consent) if consent.given => Decision::Yes,
        Some(consent) => {
            let source_name = consent.source.clone();
            Decision::No { reason: Refused::Withdrawn { channel, purpose, source_name } }
        }
    }
}

/// What is wrong with the name of a channel or purpose.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if name == ANY || (plain && !name.is_empty() && name.len() <= 64) {
        return Ok(());
    }
    Err("must be 1 to 64 lower-case letters, digits, dashes or underscores, or `*` for all")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(channel: &str, purpose: &str, given: bool, at: Millis) -> Consent {
        let identity = Identity { namespace: "email".into(), value: "a@x.example".into() };
        Consent { identity, channel: channel.into(), purpose: purpose.into(), given, source: "form".into(), at }
    }

    fn suppressed(channel: &str) -> Suppression {
        let identity = Identity { namespace: "email".into(), value: "a@x.example".into() };
        Suppression { identity, channel: channel.into(), reason: "asked us".into(), source: "desk".into(), at: 0 }
    }

    fn code(decision: &Decision) -> &'static str {
        match decision {
            Decision::Yes => "yes",
            Decision::No { reason } => reason.code(),
        }
    }

    /// Where consent is needed.
    fn may_send(channel: &str, purpose: &str, consents: &[Consent], suppressions: &[Suppression]) -> Decision {
        decide(channel, purpose, Needs::Consent, Heard { consents, suppressions, opted_out: false })
    }

    #[test]
    fn whoever_unsubscribed_at_a_source_is_sent_no_mail_whatever_they_said_elsewhere() {
        let consents = [said("*", "*", true, 9)];
        let of = |channel, needs, opted_out| {
            code(&decide(channel, "news", needs, Heard { consents: &consents, suppressions: &[], opted_out }))
        };
        assert_eq!(
            (of("email", Needs::Consent, true), of("email", Needs::Consent, false)),
            ("consent.opted-out", "yes")
        );
        assert_eq!(of("email", Needs::NoRefusal, true), "consent.opted-out");
        // It says nothing of advertising, nor of a use that nobody named.
        assert_eq!((of("ads", Needs::Consent, true), of(ANY, Needs::NoRefusal, true)), ("yes", "yes"));
        let suppressed = [suppressed("email")];
        let both = Heard { consents: &consents, suppressions: &suppressed, opted_out: true };
        assert_eq!(code(&decide("email", "news", Needs::Consent, both)), "consent.suppressed");
    }

    /// The model has the field, and connectors fill it.
    #[test]
    fn the_field_of_an_opt_out_is_a_boolean_of_persons() {
        let slot = crate::model::person_slot(OPT_OUT_FIELD).unwrap();
        assert_eq!(crate::model::PERSON[slot].data_type, crate::value::DataType::Boolean);
    }

    #[test]
    fn the_newest_word_counts_and_silence_is_no() {
        let news = |consents: &[Consent]| code(&may_send("email", "news", consents, &[]));
        assert_eq!(news(&[]), "consent.not-covered");
        assert_eq!(news(&[said("email", "news", true, 1)]), "yes");
        assert_eq!(news(&[said("ads", "news", true, 1), said("email", "offers", true, 1)]), "consent.not-covered");
        assert_eq!(news(&[said("email", "news", true, 1), said("email", "news", false, 2)]), "consent.withdrawn");
        assert_eq!(news(&[said("email", "news", true, 3), said("email", "news", false, 2)]), "yes");
        assert_eq!(news(&[said("email", "news", true, 2), said("email", "news", false, 2)]), "consent.withdrawn");
        // A word about everything is a word about this.
        assert_eq!(news(&[said("email", "news", true, 1), said("*", "*", false, 2)]), "consent.withdrawn");
        assert_eq!(news(&[said("*", "news", true, 1)]), "yes");
    }

    #[test]
    fn who_is_suppressed_is_not_sent_anything_whatever_they_said() {
        let consents = [said("email", "news", true, 9)];
        let of = |channel| code(&may_send("email", "news", &consents, &[suppressed(channel)]));
        assert_eq!((of("*"), of("email"), of("ads")), ("consent.suppressed", "consent.suppressed", "yes"));
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(mut consents in prop::collection::vec(
            (prop::sample::select(vec!["email", "ads", "*"]), prop::sample::select(vec!["news", "*"]), any::<bool>(), 0i64..4),
            0..8,
        )) {
            let all = |of: &[(&str, &str, bool, i64)]| -> Vec<Consent> {
                of.iter().map(|(channel, purpose, given, at)| said(channel, purpose, *given, *at)).collect()
            };
            let decided = may_send("email", "news", &all(&consents), &[]);
            consents.reverse();
            prop_assert_eq!(&may_send("email", "news", &all(&consents), &[]), &decided);
            consents.sort_unstable();
            prop_assert_eq!(&may_send("email", "news", &all(&consents), &[]), &decided);
        }
    }
}
