//! The rules by which leads are matched to accounts, as data that an operator publishes.

use super::domain::DomainLists;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rules, as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchRules {
    pub version: u32,
    /// Points for each thing that agrees; a score is their sum, 100 at most.
    #[serde(default)]
    pub points: Points,
    /// The score from which an account matches.
    #[serde(default = "MatchRules::default_threshold")]
    pub threshold: u32,
    /// What the best must be ahead of the second.
    #[serde(default = "MatchRules::default_margin")]
    pub margin: u32,
    #[serde(default)]
    pub domains: DomainLists,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "MatchPoints")]
#[serde(deny_unknown_fields, default)]
pub struct Points {
    /// The domain of the lead's address is one of the account's.
    pub email_domain: u32,
    /// The domain of the website the lead named is.
    pub website_domain: u32,
    /// The names are the same, but for legal forms and punctuation.
    pub name: u32,
    /// At least half of the names' words are the same, and something else agrees.
    pub name_similar: u32,
    pub country: u32,
    /// Taken off where the countries differ.
    pub country_differs: u32,
}

impl Default for Points {
    fn default() -> Self {
        Self { email_domain: 60, website_domain: 60, name: 50, name_similar: 20, country: 10, country_differs: 10 }
    }
}

impl MatchRules {
    fn default_threshold() -> u32 {
        60
    }

    fn default_margin() -> u32 {
        10
    }
}

impl Default for MatchRules {
    fn default() -> Self {
        Self {
            version: 1,
            points: Points::default(),
            threshold: Self::default_threshold(),
            margin: Self::default_margin(),
            domains: DomainLists::default(),
        }
    }
}

/// Something wrong with rules; `path` is a JSON pointer into them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchProblem {
    pub path: String,
    pub problem: String,
}

/// Most domains that an operator adds to a list.
pub const DOMAINS_MAX: usize = 10_000;

impl MatchRules {
    /// Everything that is wrong, or nothing.
    ///
    /// # Errors
    /// Each problem with its place.
    pub fn check(&self) -> Result<(), Vec<MatchProblem>> {
        let mut problems = Vec::new();
        let mut wrong = |path: &str, problem: String| problems.push(MatchProblem { path: path.to_owned(), problem });
        let Points { email_domain, website_domain, name, name_similar, country, country_differs } = self.points;
        for (path, points) in [
            ("/points/email_domain", email_domain),
            ("/points/website_domain", website_domain),
            ("/points/name", name),
            ("/points/name_similar", name_similar),
            ("/points/country", country),
            ("/points/country_differs", country_differs),
            ("/margin", self.margin),
        ] {
            if points > SCORE_MAX {
                wrong(path, format!("must be 0 to {SCORE_MAX}"));
            }
        }
        // From 0 on, whatever shares a word would match.
        if !(1..=SCORE_MAX).contains(&self.threshold) {
            wrong("/threshold", format!("must be 1 to {SCORE_MAX}"));
        }
        for (list, domains) in [("free_mail", &self.domains.free_mail), ("shared", &self.domains.shared)] {
            if domains.len() > DOMAINS_MAX {
                wrong(&format!("/domains/{list}"), format!("must be at most {DOMAINS_MAX}"));
            }
            for (i, domain) in domains.iter().enumerate().take(DOMAINS_MAX) {
                if !is_domain(domain) {
                    wrong(&format!("/domains/{list}/{i}"), "must be a domain: example.com".to_owned());
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// The highest score there is.
pub const SCORE_MAX: u32 = 100;

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_cannot_be_are_refused_with_each_place() {
        assert_eq!(MatchRules::default().check(), Ok(()));
        let mut rules = MatchRules { threshold: 0, margin: 101, ..MatchRules::default() };
        rules.points.name = 200;
        rules.domains.shared = vec!["reseller.com".into(), "no domain".into(), "x..y".into()];
        let problems = rules.check().unwrap_err();
        let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(paths, ["/points/name", "/margin", "/threshold", "/domains/shared/1", "/domains/shared/2"]);
        assert!(serde_json::from_str::<MatchRules>(r#"{"version": 1, "treshold": 5}"#).is_err());
    }
}
