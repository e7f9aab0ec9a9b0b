//! Whether somebody may be sent something: what they said by channel and purpose, and who is never sent anything. What
//! nothing covers is not sent.

mod opt_out;
mod rules;

pub use opt_out::{OptOutField, opt_outs};
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

/// What is known of one person's will, by all their identities, in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard<'a> {
    pub consents: &'a [Consent],
    pub suppressions: &'a [Suppression],
    /// What the person's profile says that they opted out of at a source. That is how they stand now, and not a word of
    /// some day: no consent from elsewhere outweighs it, and it ends where it was said.
    pub opted_out: &'a [OptOutField],
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
    #[error("opted out at a source, as their profile says (`{field}`)")]
    OptedOut { field: &'static str },
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
            Self::OptedOut { .. } => "consent.opted-out",
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
    let no = |reason| Decision::No { reason };
    if let Some(reason) = kept_from(heard, |about| is_about(about, channel)) {
        return no(reason);
    }
    let covering = heard.consents.iter().filter(|c| is_about(&c.channel, channel) && is_about(&c.purpose, purpose));
    match covering.max_by_key(|&c| newer(c)) {
        None if needs == Needs::NoRefusal => Decision::Yes,
        None => no(Refused::NotCovered { channel: channel.to_owned(), purpose: purpose.to_owned() }),
        Some(consent) if consent.given => Decision::Yes,
        Some(consent) => no(withdrawn(channel, purpose, consent)),
    }
}

/// Where nobody says what it is for, it may be for anything: whatever somebody refused and did not agree to since, in the
/// same words or in wider ones, is a refusal of this.
fn decide_unnamed(heard: Heard<'_>) -> Decision {
    let no = |reason| Decision::No { reason };
    if let Some(reason) = kept_from(heard, |_| true) {
        return no(reason);
    }
    let covers = |c: &Consent, of: &Consent| is_about(&c.channel, &of.channel) && is_about(&c.purpose, &of.purpose);
    let is_over = |refusal: &Consent| heard.consents.iter().any(|c| c.given && c.at > refusal.at && covers(c, refusal));
    let standing = heard.consents.iter().filter(|c| !c.given && !is_over(c));
    match standing.max_by_key(|&c| (newer(c), &c.channel, &c.purpose)) {
        None => Decision::Yes,
        Some(refusal) => no(withdrawn(&refusal.channel, &refusal.purpose, refusal)),
    }
}

/// What keeps somebody from being sent anything whatever they said: the first by what it says, so that the answer does not
/// hang on the order.
fn kept_from(heard: Heard<'_>, is_about: impl Fn(&str) -> bool) -> Option<Refused> {
    let suppressions = heard.suppressions.iter().filter(|s| is_about(&s.channel));
    if let Some(reason) = suppressions.map(|s| &s.reason).min() {
        return Some(Refused::Suppressed { reason: reason.clone() });
    }
    let opted_out = heard.opted_out.iter().filter(|o| is_about(o.channel)).map(|o| o.field).min();
    opted_out.map(|field| Refused::OptedOut { field })
}

/// What orders words by time.
fn newer(consent: &Consent) -> (Millis, bool, &str) {
    (consent.at, !consent.given, &consent.source)
}

fn withdrawn(channel: &str, purpose: &str, by: &Consent) -> Refused {
    let (channel, purpose) = (channel.to_owned(), purpose.to_owned());
    Refused::Withdrawn { channel, purpose, source_name: by.source.clone() }
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
        decide(channel, purpose, Needs::Consent, Heard { consents, suppressions, opted_out: &[] })
    }

    #[test]
    fn whoever_opted_out_at_a_source_is_sent_nothing_on_that_channel_whatever_they_said_elsewhere() {
        let consents = [said("*", "*", true, 9)];
        let of = |channel, needs, fields: &[&str]| {
            let opted_out = opt_outs(|field| fields.contains(&field));
            code(&decide(
                channel,
                "news",
                needs,
                Heard { consents: &consents, suppressions: &[], opted_out: &opted_out },
            ))
        };
        let mail: &[&str] = &["is_unsubscribed"];
        assert_eq!((of("email", Needs::Consent, mail), of("email", Needs::Consent, &[])), ("consent.opted-out", "yes"));
        assert_eq!(of("email", Needs::NoRefusal, mail), "consent.opted-out");
        assert_eq!(of("email", Needs::NoRefusal, &["email_opt_in_out"]), "consent.opted-out");
        // It says nothing of advertising, and a word about the telephone nothing of mail; one about everything does.
        assert_eq!(
            (of("ads", Needs::Consent, mail), of("email", Needs::Consent, &["phone_opt_in_out"])),
            ("yes", "yes")
        );
        assert_eq!(of("phone", Needs::Consent, &["phone_opt_in_out"]), "consent.opted-out");
        assert_eq!(of("ads", Needs::Consent, &["global_opt_out"]), "consent.opted-out");
        let (suppressed, opted_out) = ([suppressed("email")], opt_outs(|field| field == "is_unsubscribed"));
        let both = Heard { consents: &consents, suppressions: &suppressed, opted_out: &opted_out };
        assert_eq!(code(&decide("email", "news", Needs::Consent, both)), "consent.suppressed");
    }

    #[test]
    fn where_nobody_says_what_for_any_refusal_that_stands_is_one() {
        let asked = |consents: &[Consent]| code(&decide_unnamed(Heard { consents, ..Heard::default() }));
        assert_eq!(asked(&[]), "yes");
        assert_eq!(asked(&[said("email", "news", false, 1)]), "consent.withdrawn");
        assert_eq!(asked(&[said("email", "news", false, 1), said("email", "news", true, 2)]), "yes");
        assert_eq!(asked(&[said("email", "news", false, 1), said("email", "*", true, 2)]), "yes");
        // A yes to one thing is none to all of it, nor to another; nor is one of the same moment.
        assert_eq!(asked(&[said("email", "*", false, 1), said("email", "news", true, 2)]), "consent.withdrawn");
        assert_eq!(asked(&[said("ads", "news", false, 1), said("email", "news", true, 2)]), "consent.withdrawn");
        assert_eq!(asked(&[said("email", "news", false, 2), said("email", "news", true, 2)]), "consent.withdrawn");

        let suppressed = [suppressed("ads")];
        let heard = Heard { suppressions: &suppressed, ..Heard::default() };
        assert_eq!(code(&decide_unnamed(heard)), "consent.suppressed");
        let opted_out = opt_outs(|field| field == "fax_opt_in_out");
        let heard = Heard { consents: &[said("*", "*", true, 9)], opted_out: &opted_out, ..Heard::default() };
        assert_eq!(code(&decide_unnamed(heard)), "consent.opted-out");
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
        /// Whoever is sent what nobody named is sent every use that asks for no refusal.
        #[test]
        fn no_use_is_refused_that_an_unnamed_one_is_sent_to(consents in prop::collection::vec(
            (prop::sample::select(vec!["email", "ads", "*"]), prop::sample::select(vec!["news", "offers", "*"]), any::<bool>(), 0i64..4),
            0..8,
        )) {
            let consents: Vec<Consent> = consents.iter().map(|(c, p, given, at)| said(c, p, *given, *at)).collect();
            let heard = Heard { consents: &consents, ..Heard::default() };
            if decide_unnamed(heard) == Decision::Yes {
                for (channel, purpose) in [("email", "news"), ("email", "offers"), ("ads", "news"), ("ads", "offers"), ("post", "news")] {
                    prop_assert_eq!(&decide(channel, purpose, Needs::NoRefusal, heard), &Decision::Yes);
                }
            }
        }

        #[test]
        fn the_order_does_not_matter(mut consents in prop::collection::vec(
            (prop::sample::select(vec!["email", "ads", "*"]), prop::sample::select(vec!["news", "*"]), any::<bool>(), 0i64..4),
            0..8,
        )) {
            let all = |of: &[(&str, &str, bool, i64)]| -> Vec<Consent> {
                of.iter().map(|(channel, purpose, given, at)| said(channel, purpose, *given, *at)).collect()
            };
            let asked = |of: &[(&str, &str, bool, i64)]| {
                let consents = all(of);
                let unnamed = decide_unnamed(Heard { consents: &consents, ..Heard::default() });
                (may_send("email", "news", &consents, &[]), unnamed)
            };
            let decided = asked(&consents);
            consents.reverse();
            prop_assert_eq!(&asked(&consents), &decided);
            consents.sort_unstable();
            prop_assert_eq!(&asked(&consents), &decided);
        }
    }
}
