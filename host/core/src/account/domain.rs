//! The domain that stands for a company: of an e-mail address, of a website. Not every domain does: free mail providers
//! and shared sites stand for nobody.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Providers of mailboxes for everybody, one domain a line.
const FREE_MAIL: &str = include_str!("free_mail.txt");

/// Sites on which companies have pages. The hosts under them, too.
const SHARED_SITES: [&str; 14] = [
    "about.me",
    "bit.ly",
    "facebook.com",
    "github.com",
    "instagram.com",
    "linkedin.com",
    "linktr.ee",
    "medium.com",
    "sites.google.com",
    "tiktok.com",
    "twitter.com",
    "x.com",
    "xing.com",
    "youtube.com",
];

/// What an operator adds to the built-in lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainLists {
    /// Providers of mailboxes.
    #[serde(default)]
    pub free_mail: Vec<String>,
    /// Domains of many companies: resellers, incubators, hosting.
    #[serde(default)]
    pub shared: Vec<String>,
}

/// Why there is no domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum NoDomain {
    #[error("is no address of the internet")]
    Malformed,
    #[error("is not under a public suffix")]
    UnknownSuffix,
    #[error("is a free mail provider's")]
    FreeMail,
    #[error("is shared by many companies")]
    Shared,
}

/// Reads domains.
#[derive(Debug, Clone)]
pub struct Domains {
    free_mail: HashSet<String>,
    shared: Vec<String>,
}

impl Domains {
    #[must_use]
    pub fn new(lists: &DomainLists) -> Self {
        let clean = |text: &str| text.trim().trim_matches('.').to_lowercase();
        let built_in = FREE_MAIL.lines().map(clean).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let shared = SHARED_SITES.iter().map(|s| clean(s)).chain(lists.shared.iter().map(|s| clean(s)));
        Self { free_mail: built_in.chain(lists.free_mail.iter().map(|s| clean(s))).collect(), shared: shared.collect() }
    }

    /// The registrable domain of an e-mail address: `acme.co.uk` of `ann@mail.acme.co.uk`.
    pub fn of_email(&self, address: &str) -> Result<String, NoDomain> {
        let (_, host) = address.trim().rsplit_once('@').ok_or(NoDomain::Malformed)?;
        self.of_host(host)
    }

    /// The registrable domain of a website, as people write it: with or without scheme, path, `www`.
    pub fn of_website(&self, website: &str) -> Result<String, NoDomain> {
        // Of several, the first.
        let first = website.trim().split([' ', ',', ';', '\t', '\n']).next().unwrap_or_default();
        let rest = first.split_once("://").map_or(first, |(_, rest)| rest).trim_start_matches('/');
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        self.of_host(host.split(':').next().unwrap_or_default())
    }

    fn of_host(&self, host: &str) -> Result<String, NoDomain> {
        let host = host.trim().trim_end_matches('.').to_lowercase();
        let label = |label: &str| !label.is_empty() && label.len() <= 63 && !label.contains(|c: char| !allowed(c));
        if host.len() > 253 || !host.contains('.') || !host.split('.').all(label) {
            return Err(NoDomain::Malformed);
        }
        // Unknown suffixes are typing errors, internal names and addresses in numbers.
        if !psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.is_known()) {
            return Err(NoDomain::UnknownSuffix);
        }
        let domain = psl::domain_str(&host).ok_or(NoDomain::UnknownSuffix)?;
        let under = |of: &String| host == *of || host.strip_suffix(of.as_str()).is_some_and(|rest| rest.ends_with('.'));
        match () {
            () if self.free_mail.contains(domain) || self.free_mail.contains(&host) => Err(NoDomain::FreeMail),
            () if self.shared.iter().any(under) => Err(NoDomain::Shared),
            () => Ok(domain.to_owned()),
        }
    }
}

fn allowed(c: char) -> bool {
    c.is_alphanumeric() || c == '-' || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_company_is_known_by_its_registrable_domain() {
        let domains = Domains::new(&DomainLists {
            free_mail: vec!["Inbox.example.org".into()],
            shared: vec!["reseller.com".into()],
        });
        for (address, expected) in [
            ("ann@acme.com", Ok("acme.com")),
            ("ann@MAIL.Acme.co.uk ", Ok("acme.co.uk")),
            ("ann@acme.gov.au", Ok("acme.gov.au")),
            ("ann@gmail.com", Err(NoDomain::FreeMail)),
            ("ann@yahoo.co.uk", Err(NoDomain::FreeMail)),
            ("ann@inbox.example.org", Err(NoDomain::FreeMail)),
            ("ann@sales.reseller.com", Err(NoDomain::Shared)),
            ("ann@notreseller.com", Ok("notreseller.com")),
            ("ann@co.uk", Err(NoDomain::UnknownSuffix)),
            ("ann@acme.internal-name", Err(NoDomain::UnknownSuffix)),
            ("ann@10.0.0.1", Err(NoDomain::UnknownSuffix)),
            ("ann", Err(NoDomain::Malformed)),
            ("ann@acme..com", Err(NoDomain::Malformed)),
            ("ann@ac me.com", Err(NoDomain::Malformed)),
        ] {
            assert_eq!(domains.of_email(address).as_deref(), expected.as_deref(), "{address}");
        }
    }

    #[test]
    fn websites_are_read_as_people_write_them() {
        let domains = Domains::new(&DomainLists::default());
        for (website, expected) in [
            ("https://www.Acme.com/en?x=1", Ok("acme.com")),
            ("acme.com", Ok("acme.com")),
            ("http://user:pw@shop.acme.co.jp:8443#top", Ok("acme.co.jp")),
            ("//acme.com.", Ok("acme.com")),
            ("acme.com, acme.de", Ok("acme.com")),
            ("www.linkedin.com/company/acme", Err(NoDomain::Shared)),
            ("https://sites.google.com/acme", Err(NoDomain::Shared)),
            ("google.com", Ok("google.com")),
            ("acme.github.io", Ok("acme.github.io")),
            ("bücher.de", Ok("bücher.de")),
            ("n/a", Err(NoDomain::Malformed)),
            ("", Err(NoDomain::Malformed)),
            ("http://localhost", Err(NoDomain::Malformed)),
        ] {
            assert_eq!(domains.of_website(website).as_deref(), expected.as_deref(), "{website}");
        }
    }

    #[test]
    fn the_list_of_free_mail_is_domains_in_order() {
        let lines: Vec<&str> = FREE_MAIL.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.is_sorted(), "sorted, so that a double is seen");
        for pair in lines.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
        for line in lines {
            assert!(psl::domain_str(line).is_some_and(|domain| domain == line), "{line} is not registrable");
        }
    }
}
