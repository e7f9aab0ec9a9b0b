//! Where plugins may go at all, whatever each of them declares.

use super::layer::{ConfigError, wrong};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EgressLayer {
    domains: Option<String>,
}

impl EgressLayer {
    pub(super) fn or(self, other: Self) -> Self {
        Self { domains: self.domains.or(other.domains) }
    }

    /// `None`: nobody says, and what was approved of each plugin is the bound. An empty list: nowhere.
    pub(super) fn finish(self) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(said) = self.domains else { return Ok(None) };
        let domains =
            said.split(',').map(|domain| domain.trim().to_ascii_lowercase()).filter(|domain| !domain.is_empty());
        let domains: Vec<String> = domains.collect();
        match domains.iter().find(|domain| !is_domain(domain)) {
            Some(bad) => Err(wrong(
                "egress.domains",
                format!("`{bad}` is no domain, such as mktorest.com; commas divide several"),
            )),
            None => Ok(Some(domains)),
        }
    }
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Flags};

    #[test]
    fn domains_are_a_list_or_what_was_approved() {
        let domains = |set: &[&str]| {
            let flags = Flags { set: set.iter().map(|s| (*s).to_owned()).collect(), ..Flags::default() };
            Config::resolve(&flags, [], None).map(|config| config.egress_domains).map_err(|error| error.to_string())
        };
        let list = |all: &[&str]| Ok(Some(all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()));
        assert_eq!(domains(&[]), Ok(None));
        assert_eq!(
            domains(&["egress.domains=mktorest.com, Salesforce.com"]),
            list(&["mktorest.com", "salesforce.com"])
        );
        assert_eq!(domains(&["egress.domains="]), list(&[]));
        for bad in ["*.mktorest.com", "https://mktorest.com", "com", "a..b", "-a.com", "a.com;b.com"] {
            let error = domains(&[&format!("egress.domains={bad}")]).unwrap_err();
            assert!(error.contains("egress.domains") && error.contains("mktorest.com"), "{error}");
        }
    }
}
