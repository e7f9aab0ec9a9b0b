//! What a row becomes at LinkedIn: an element, and what identifies the member in it. Pure.

use attiva_connector::{BatchView, Cell, Outcome, RowView};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    People,
    Companies,
}

impl Kind {
    pub(crate) fn of(object: &str) -> Option<Self> {
        match object {
            "people" => Some(Self::People),
            "companies" => Some(Self::Companies),
            _ => None,
        }
    }

    /// The segment's type.
    pub(crate) fn segment_type(self) -> &'static str {
        match self {
            Self::People => "USER",
            Self::Companies => "COMPANY",
        }
    }

    /// The sub-resource that takes members.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::People => "users",
            Self::Companies => "companies",
        }
    }
}

/// What identifies a member: LinkedIn's own names, the hash under `sha256`. As JSON it is the member's id with the
/// host, so that who changes an address can still be taken out by the old one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Identity(BTreeMap<String, String>);

/// The host keeps ids of this size.
const MEMBER_ID_BYTES_MAX: usize = 256;

impl Identity {
    pub(crate) fn from_member_id(id: &str) -> Option<Self> {
        serde_json::from_str(id).ok()
    }

    /// `None` where it is too long to be kept.
    pub(crate) fn member_id(&self) -> Option<String> {
        serde_json::to_string(self).ok().filter(|text| text.len() <= MEMBER_ID_BYTES_MAX)
    }

    /// By the address where there is one, by both names where not.
    pub(crate) fn of_person(email: Option<&str>, first: Option<&str>, last: Option<&str>) -> Result<Self, Outcome> {
        let fields = match (email, first, last) {
            (Some(email), ..) => {
                let invalid = || {
                    Outcome::rejected("email-invalid", "neither an e-mail address nor a SHA-256 in hex").field("email")
                };
                vec![(SHA256, hash(email).ok_or_else(invalid)?)]
            }
            (None, Some(first), Some(last)) => vec![("firstName", first.to_owned()), ("lastName", last.to_owned())],
            _ => return Err(no_identifier("an e-mail address, or first and last name, is needed")),
        };
        Ok(Self(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }

    /// The element that takes the member out.
    pub(crate) fn removal(&self) -> Value {
        let mut element = self.fields();
        element["action"] = "REMOVE".into();
        element
    }

    fn fields(&self) -> Value {
        let mut element = json!({});
        for (name, value) in &self.0 {
            match name.as_str() {
                SHA256 => element["userIds"] = json!([{"idType": "SHA256_EMAIL", "idValue": value}]),
                _ => element[name] = value.as_str().into(),
            }
        }
        element
    }
}

const SHA256: &str = "sha256";

/// A row as LinkedIn takes it.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) identity: Identity,
    /// The element that puts the member in.
    pub(crate) addition: Value,
    /// What LinkedIn would not take and the member can do without: the element goes without it.
    pub(crate) left_out: Option<Outcome>,
}

/// The columns of a batch, by what they are for.
pub(crate) struct Columns {
    kind: Kind,
    /// Index in the batch by our field's name.
    by_name: BTreeMap<&'static str, usize>,
}

const PEOPLE: [&str; 6] = ["email", "first_name", "last_name", "title", "company", "country"];
const COMPANIES: [&str; 5] = ["name", "domain", "email_domain", "page_url", "organization_urn"];

impl Columns {
    pub(crate) fn of(kind: Kind, batch: BatchView<'_>) -> Self {
        let names: &[&'static str] = match kind {
            Kind::People => &PEOPLE,
            Kind::Companies => &COMPANIES,
        };
        Self { kind, by_name: names.iter().filter_map(|name| Some((*name, batch.column(name)?))).collect() }
    }

    /// Reads a row, or says why LinkedIn cannot be told of it.
    pub(crate) fn read(&self, row: RowView<'_>) -> Result<Entry, Outcome> {
        match self.kind {
            Kind::People => self.person(row),
            Kind::Companies => self.company(row),
        }
    }

    /// A value without the white space around it; empty is none.
    fn text(&self, row: RowView<'_>, name: &str) -> Result<Option<String>, Outcome> {
        let Some(column) = self.by_name.get(name) else { return Ok(None) };
        match row.cell(*column) {
            Cell::Absent | Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            _ => Err(Outcome::rejected("not-text", "LinkedIn takes only texts").field(name)),
        }
    }

    fn person(&self, row: RowView<'_>) -> Result<Entry, Outcome> {
        let (first, last) = (self.text(row, "first_name")?, self.text(row, "last_name")?);
        let identity = Identity::of_person(self.text(row, "email")?.as_deref(), first.as_deref(), last.as_deref())?;
        let mut addition = identity.fields();
        addition["action"] = "ADD".into();
        // It only helps to tell people apart.
        let (country, left_out) = match self.country(row) {
            Ok(country) => (country, None),
            Err(refused) => (None, Some(refused)),
        };
        let more = [
            ("firstName", first),
            ("lastName", last),
            ("title", self.text(row, "title")?),
            ("company", self.text(row, "company")?),
            ("country", country),
        ];
        for (name, value) in more.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            addition[name] = value.into();
        }
        Ok(Entry { identity, addition, left_out })
    }

    fn country(&self, row: RowView<'_>) -> Result<Option<String>, Outcome> {
        let Some(text) = self.text(row, "country")? else { return Ok(None) };
        if text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Ok(Some(text.to_ascii_uppercase()));
        }
        Err(Outcome::rejected("country-invalid", "LinkedIn takes a country's two letters: DE").field("country"))
    }

    fn company(&self, row: RowView<'_>) -> Result<Entry, Outcome> {
        let (mut identity, mut left_out) = (BTreeMap::new(), None);
        let identifiers = [
            ("companyName", self.text(row, "name")),
            ("companyWebsiteDomain", self.domain(row, "domain")),
            ("companyEmailDomain", self.domain(row, "email_domain")),
            ("companyPageUrl", self.page(row)),
            ("organizationUrn", self.organization(row)),
        ];
        // One is enough: what cannot be an identifier is left out as long as another can.
        for (name, value) in identifiers {
            match value {
                Ok(value) => identity.extend(value.map(|value| (name.to_owned(), value))),
                Err(refused) => left_out = left_out.or(Some(refused)),
            }
        }
        if identity.is_empty() {
            let nothing =
                || no_identifier("at least one of name, domain, e-mail domain, page and organisation is needed");
            return Err(left_out.unwrap_or_else(nothing));
        }
        let identity = Identity(identity);
        let mut addition = identity.fields();
        addition["action"] = "ADD".into();
        Ok(Entry { identity, addition, left_out })
    }

    /// A bare domain in lower case, also from a web address or an e-mail address.
    fn domain(&self, row: RowView<'_>, name: &str) -> Result<Option<String>, Outcome> {
        let Some(text) = self.text(row, name)? else { return Ok(None) };
        let text = text.to_lowercase();
        let text = text.rsplit_once("://").map_or(text.as_str(), |(_, rest)| rest);
        let text = text.split(['/', '?', '#']).next().unwrap_or_default();
        let text = text.rsplit_once('@').map_or(text, |(_, domain)| domain);
        let text = text.split(':').next().unwrap_or_default();
        let text = text.strip_prefix("www.").unwrap_or(text).trim_end_matches('.');
        if text.contains('.') && !text.contains(char::is_whitespace) && !text.starts_with('.') {
            return Ok(Some(text.to_owned()));
        }
        Err(Outcome::rejected("domain-invalid", "not a domain such as example.com").field(name))
    }

    fn page(&self, row: RowView<'_>) -> Result<Option<String>, Outcome> {
        let Some(text) = self.text(row, "page_url")? else { return Ok(None) };
        if text.to_lowercase().contains("linkedin.com/") && !text.contains(char::is_whitespace) {
            return Ok(Some(text));
        }
        Err(Outcome::rejected("page-invalid", "not the address of a page at linkedin.com").field("page_url"))
    }

    fn organization(&self, row: RowView<'_>) -> Result<Option<String>, Outcome> {
        const PREFIX: &str = "urn:li:organization:";
        let Some(text) = self.text(row, "organization_urn")? else { return Ok(None) };
        let number = text.strip_prefix(PREFIX).unwrap_or(&text);
        if number.bytes().all(|b| b.is_ascii_digit()) && !number.is_empty() {
            return Ok(Some(format!("{PREFIX}{number}")));
        }
        let problem = "not an organisation such as urn:li:organization:1035";
        Err(Outcome::rejected("organization-invalid", problem).field("organization_urn"))
    }
}

fn no_identifier(problem: &str) -> Outcome {
    Outcome::rejected("no-identifier", problem)
}

/// SHA-256 in lower-case hex of the address without the white space around it, in lower case. What is 64 hex digits
/// already is taken for the hash: no address looks like that, since none lacks an `@`. `None`: it is neither.
fn hash(email: &str) -> Option<String> {
    let email = email.trim().to_lowercase();
    if email.len() == 64 && email.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some(email).filter(|hash| *hash != hex_of(""));
    }
    let (local, domain) = email.rsplit_once('@')?;
    let plain = !local.is_empty() && !domain.is_empty() && !email.contains(char::is_whitespace);
    plain.then(|| hex_of(&email))
}

fn hex_of(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "52ac4b9ef8f745e007c19fac81ddb0a3f50b20029f6699ca1406225fc217f392";

    #[test]
    fn an_address_is_hashed_once() {
        let cases = [
            ("random@rudderstack.com", Some(KNOWN)),
            ("  Random@RudderStack.com\t", Some(KNOWN)),
            (KNOWN, Some(KNOWN)),
            (&KNOWN.to_uppercase(), Some(KNOWN)),
            ("", None),
            ("   ", None),
            ("nobody", None),
            ("@x.example", None),
            ("a@", None),
            ("a b@x.example", None),
            ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", None),
        ];
        for (email, expected) in cases {
            assert_eq!(hash(email).as_deref(), expected, "{email:?}");
        }
    }

    #[test]
    fn an_identity_survives_as_a_members_id_unless_it_is_long() {
        let identity = Identity(BTreeMap::from([(SHA256.to_owned(), KNOWN.to_owned())]));
        let id = identity.member_id().unwrap();
        assert!(id.len() < 100);
        assert_eq!(Identity::from_member_id(&id), Some(identity.clone()));
        assert_eq!(
            identity.removal(),
            json!({"action": "REMOVE", "userIds": [{"idType": "SHA256_EMAIL", "idValue": KNOWN}]})
        );
        let long = Identity(BTreeMap::from([("companyName".to_owned(), "n".repeat(300))]));
        assert_eq!(long.member_id(), None);
        assert_eq!(Identity::from_member_id("17"), None);
    }
}
