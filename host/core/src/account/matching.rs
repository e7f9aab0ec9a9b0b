//! Which account a lead belongs to that names none: by the domain of its address and website, by the name of its company.
//! Every point of the score is shown; what is ambiguous is shown, too, and matches nobody.

use super::domain::Domains;
use super::rules::{MatchRules, Points};
use crate::Value;
use crate::model::{EntityKind, slot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a lead or an account says of its company, in the form that is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Company {
    pub email_domain: Option<String>,
    pub website_domains: BTreeSet<String>,
    pub name: Option<String>,
    pub country: Option<String>,
}

/// An account that could be it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub account: String,
    pub company: Company,
    /// Its ultimate parent, where it has one.
    pub ultimate: Option<String>,
}

/// A candidate and its score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ScoredAccount")]
pub struct Scored {
    pub account: String,
    /// 0 to 100.
    pub score: u32,
    pub evidence: Vec<Evidence>,
}

/// One thing that agrees, or differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "MatchEvidence")]
pub struct Evidence {
    /// A name of [`Points`].
    pub what: String,
    pub points: i32,
    pub lead: String,
    pub account: String,
}

/// What became of a lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "MatchedAccount")]
#[serde(rename_all = "kebab-case")]
pub enum Matched {
    /// It belongs there.
    To(Scored),
    /// Several are as good, best first: for somebody to decide.
    Ambiguous(Vec<Scored>),
    /// The best is not good enough.
    Below(Scored),
    Nothing,
}

/// Matches leads by rules.
#[derive(Debug, Clone)]
pub struct Matcher {
    rules: MatchRules,
    domains: Domains,
}

/// Most candidates shown.
const SHOWN_MAX: usize = 5;

impl Matcher {
    #[must_use]
    pub fn new(rules: MatchRules) -> Self {
        Self { domains: Domains::new(&rules.domains), rules }
    }

    /// What a person's row says of its company.
    #[must_use]
    pub fn lead(&self, row: &[Value]) -> Company {
        let text = |field: &str| text(EntityKind::Person, row, field);
        Company {
            email_domain: text("email").and_then(|address| self.domains.of_email(address).ok()),
            website_domains: text("company_website")
                .and_then(|site| self.domains.of_website(site).ok())
                .into_iter()
                .collect(),
            name: text("company_name").and_then(plain_name),
            country: text("country").map(plain),
        }
    }

    /// What an account's row says of it.
    #[must_use]
    pub fn account(&self, row: &[Value]) -> Company {
        let text = |field: &str| text(EntityKind::Account, row, field);
        let domains = ["domain", "primary_email_domain", "website"].into_iter().filter_map(text);
        Company {
            email_domain: None,
            website_domains: domains.filter_map(|site| self.domains.of_website(site).ok()).collect(),
            name: text("name").and_then(plain_name),
            country: text("billing_country").or_else(|| text("country")).map(plain),
        }
    }

    /// What candidates are looked up by: an account can only match a lead that has one of its keys.
    #[must_use]
    pub fn keys(company: &Company) -> BTreeSet<String> {
        let domains = company.email_domain.iter().chain(&company.website_domains).map(|d| format!("domain:{d}"));
        domains.chain(company.name.iter().map(|name| format!("name:{name}"))).collect()
    }

    /// The one account a lead belongs to, or why there is none. The order of the candidates does not matter.
    #[must_use]
    pub fn decide(&self, lead: &Company, candidates: &[Candidate]) -> Matched {
        let mut scored: Vec<(Scored, &Candidate)> = candidates
            .iter()
            .map(|candidate| (self.score(lead, candidate), candidate))
            .filter(|(scored, _)| scored.score > 0)
            .collect();
        scored.sort_by(|(a, _), (b, _)| b.score.cmp(&a.score).then(a.account.cmp(&b.account)));
        scored.dedup_by(|(a, _), (b, _)| a.account == b.account);
        let Some((best, _)) = scored.first() else { return Matched::Nothing };
        if best.score < self.rules.threshold {
            return Matched::Below(best.clone());
        }
        let near = best.score.saturating_sub(self.rules.margin);
        let rivals: Vec<&(Scored, &Candidate)> =
            scored.iter().filter(|(s, _)| s.score > near || s.score == best.score).collect();
        let chosen = if rivals.len() == 1 { rivals.first().copied() } else { head_of_family(&rivals) };
        match chosen {
            Some((scored, _)) => Matched::To(scored.clone()),
            None => Matched::Ambiguous(rivals.into_iter().take(SHOWN_MAX).map(|(s, _)| s.clone()).collect()),
        }
    }

    fn score(&self, lead: &Company, candidate: &Candidate) -> Scored {
        let Points { email_domain, website_domain, name, name_similar, country, country_differs } = self.rules.points;
        let account = &candidate.company;
        let mut evidence: Vec<Evidence> = Vec::new();
        let says = |what: &str, points: i32, lead: &str, account: &str| Evidence {
            what: what.into(),
            points,
            lead: lead.into(),
            account: account.into(),
        };
        let points = |points: u32| i32::try_from(points).unwrap_or(i32::MAX).min(100);
        if let Some(domain) = lead.email_domain.as_ref().filter(|d| account.website_domains.contains(*d)) {
            evidence.push(says("email_domain", points(email_domain), domain, domain));
        }
        if let Some(domain) = lead.website_domains.intersection(&account.website_domains).next() {
            evidence.push(says("website_domain", points(website_domain), domain, domain));
        }
        if let (Some(a), Some(b)) = (&lead.name, &account.name) {
            if a == b {
                evidence.push(says("name", points(name), a, b));
            } else if !evidence.is_empty() && similar(a, b) {
                evidence.push(says("name_similar", points(name_similar), a, b));
            }
        }
        // A country alone says nothing, as a similar name does.
        if !evidence.is_empty()
            && let (Some(a), Some(b)) = (&lead.country, &account.country)
        {
            let (what, points) =
                if a == b { ("country", points(country)) } else { ("country_differs", -points(country_differs)) };
            evidence.push(says(what, points, a, b));
        }
        let sum: i32 = evidence.iter().map(|e| e.points).sum();
        Scored { account: candidate.account.clone(), score: sum.clamp(0, 100).unsigned_abs(), evidence }
    }
}

/// Subsidiaries share a domain. If all that are as good are of one family and its head is among them, it is the head.
fn head_of_family<'a>(rivals: &[&'a (Scored, &'a Candidate)]) -> Option<&'a (Scored, &'a Candidate)> {
    let top = |c: &Candidate| c.ultimate.clone().unwrap_or_else(|| c.account.clone());
    let (_, first) = rivals.first()?;
    let head = top(first);
    let one_family = rivals.iter().all(|(_, candidate)| top(candidate) == head);
    rivals.iter().copied().find(|(_, candidate)| one_family && candidate.account == head)
}

fn text<'a>(kind: EntityKind, row: &'a [Value], field: &str) -> Option<&'a str> {
    row.get(slot(kind, field)?)?.as_text().filter(|text| !text.trim().is_empty())
}

fn plain(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A company's name without case, punctuation and legal form: `the acme company, inc.` is `acme`.
fn plain_name(name: &str) -> Option<String> {
    const LEGAL: [&str; 38] = [
        "ab",
        "ag",
        "aps",
        "as",
        "asa",
        "bv",
        "co",
        "company",
        "corp",
        "corporation",
        "gmbh",
        "inc",
        "incorporated",
        "kg",
        "kgaa",
        "kk",
        "limited",
        "llc",
        "llp",
        "lp",
        "ltd",
        "mbh",
        "nv",
        "oy",
        "oyj",
        "plc",
        "pte",
        "pty",
        "pvt",
        "sa",
        "sarl",
        "sas",
        "se",
        "sl",
        "spa",
        "srl",
        "the",
        "ug",
    ];
    let name = name.to_lowercase().replace(['.', '\'', '’'], "");
    let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let kept: Vec<&str> = words.iter().copied().filter(|word| !LEGAL.contains(word)).collect();
    // A company may be called like a legal form.
    let words = if kept.is_empty() { words } else { kept };
    (!words.is_empty()).then(|| words.join(" "))
}

/// At least half of all their words are in both.
fn similar(a: &str, b: &str) -> bool {
    let (a, b): (BTreeSet<&str>, BTreeSet<&str>) = (a.split(' ').collect(), b.split(' ').collect());
    2 * a.intersection(&b).count() >= a.union(&b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ACCOUNT, PERSON};
    use proptest::prelude::*;

    fn row(kind: EntityKind, len: usize, values: &[(&str, &str)]) -> Vec<Value> {
        let mut row = vec![Value::Null; len];
        for (name, value) in values {
            row[slot(kind, name).unwrap()] = Value::Text((*value).into());
        }
        row
    }

    fn matcher() -> Matcher {
        Matcher::new(MatchRules::default())
    }

    fn lead(values: &[(&str, &str)]) -> Company {
        matcher().lead(&row(EntityKind::Person, PERSON.len(), values))
    }

    fn candidate(account: &str, ultimate: Option<&str>, values: &[(&str, &str)]) -> Candidate {
        let company = matcher().account(&row(EntityKind::Account, ACCOUNT.len(), values));
        Candidate { account: account.into(), company, ultimate: ultimate.map(str::to_owned) }
    }

    fn account_of(matched: &Matched) -> Option<&str> {
        if let Matched::To(scored) = matched { Some(&scored.account) } else { None }
    }

    #[test]
    fn names_lose_what_says_nothing() {
        for (name, expected) in [
            ("The Acme Company, Inc.", Some("acme")),
            ("ACME GmbH & Co. KG", Some("acme")),
            ("Acme S.A.", Some("acme")),
            ("L'Oréal", Some("loréal")),
            ("Company", Some("company")),
            ("--", None),
        ] {
            assert_eq!(plain_name(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn an_address_at_the_companys_domain_matches_and_says_so() {
        let ann = lead(&[("email", "ann@eu.acme.com"), ("country", "France")]);
        let acme = candidate("1", None, &[("website", "https://www.acme.com"), ("billing_country", "france ")]);
        let other = candidate("2", None, &[("website", "other.com"), ("billing_country", "France")]);
        assert_eq!(Matcher::keys(&ann), BTreeSet::from(["domain:acme.com".to_owned()]));
        assert!(!Matcher::keys(&acme.company).is_disjoint(&Matcher::keys(&ann)));
        let Matched::To(scored) = matcher().decide(&ann, &[other, acme]) else { panic!("a match") };
        let said: Vec<(&str, i32)> = scored.evidence.iter().map(|e| (e.what.as_str(), e.points)).collect();
        assert_eq!((scored.account.as_str(), scored.score), ("1", 70));
        assert_eq!(said, [("email_domain", 60), ("country", 10)]);
    }

    #[test]
    fn free_mail_matches_nobody_and_a_name_needs_more() {
        let google = candidate("1", None, &[("website", "gmail.com"), ("name", "Acme Ltd"), ("country", "Chad")]);
        assert_eq!(
            matcher().decide(&lead(&[("email", "ann@gmail.com")]), std::slice::from_ref(&google)),
            Matched::Nothing
        );
        let named = matcher().decide(&lead(&[("company_name", "ACME")]), std::slice::from_ref(&google));
        assert!(matches!(&named, Matched::Below(scored) if scored.score == 50), "{named:?}");
        let here = lead(&[("company_name", "ACME"), ("country", "chad")]);
        assert_eq!(account_of(&matcher().decide(&here, std::slice::from_ref(&google))), Some("1"));
        let elsewhere = lead(&[("company_name", "ACME"), ("country", "Peru")]);
        assert!(matches!(matcher().decide(&elsewhere, &[google]), Matched::Below(scored) if scored.score == 40));
    }

    #[test]
    fn two_as_good_are_ambiguous_unless_one_is_head_of_the_family() {
        let ann = lead(&[("email", "ann@acme.com")]);
        let acme = |key: &str, ultimate| candidate(key, ultimate, &[("domain", "acme.com")]);
        let two = [acme("2", None), acme("1", None)];
        let Matched::Ambiguous(both) = matcher().decide(&ann, &two) else { panic!("nobody knows") };
        assert_eq!(both.iter().map(|s| s.account.as_str()).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(account_of(&matcher().decide(&ann, &[acme("2", None), acme("1", Some("2"))])), Some("2"));
        // The head is not among them.
        assert_eq!(account_of(&matcher().decide(&ann, &[acme("2", Some("3")), acme("1", Some("3"))])), None);
        // A name decides.
        let named = lead(&[("email", "ann@acme.com"), ("company_name", "Acme Chile")]);
        let chile = candidate("9", Some("2"), &[("domain", "acme.com"), ("name", "Acme Chile SA")]);
        assert_eq!(account_of(&matcher().decide(&named, &[acme("2", None), chile])), Some("9"));
    }

    #[test]
    fn rules_refuse_unknown_keys_and_have_defaults() {
        let rules: MatchRules = serde_json::from_str(r#"{"version": 2, "points": {"name": 60}}"#).unwrap();
        assert_eq!((rules.points.name, rules.points.email_domain, rules.threshold), (60, 60, 60));
        for bad in [r#"{"version": 2, "treshold": 1}"#, r#"{"version": 2, "points": {"names": 1}}"#] {
            assert!(serde_json::from_str::<MatchRules>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        /// Whoever scores shares a key with the lead or has a similar name, and the order of candidates says nothing.
        #[test]
        fn matches_can_be_looked_up_and_do_not_depend_on_order(
            accounts in proptest::collection::vec((0..3u8, 0..3u8, 0..2u8), 0..6),
            turn in 0..6usize,
        ) {
            let ann = lead(&[("email", "ann@d0.com"), ("company_name", "n0"), ("country", "c0")]);
            let mut candidates: Vec<Candidate> = accounts.iter().enumerate().map(|(i, (d, n, c))| {
                candidate(&i.to_string(), None, &[("domain", &format!("d{d}.com")), ("name", &format!("n{n}")), ("country", &format!("c{c}"))])
            }).collect();
            let first = matcher().decide(&ann, &candidates);
            let len = candidates.len().max(1);
            candidates.rotate_left(turn % len);
            prop_assert_eq!(&first, &matcher().decide(&ann, &candidates));
            let keys = Matcher::keys(&ann);
            candidates.retain(|c| !Matcher::keys(&c.company).is_disjoint(&keys));
            prop_assert_eq!(&first, &matcher().decide(&ann, &candidates));
        }
    }
}
