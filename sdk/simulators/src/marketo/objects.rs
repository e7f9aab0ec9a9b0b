//! Companies, named accounts, opportunities and roles: what the vendor calls objects of the lead database. None of them
//! has a list of everything, and none tells what changed.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::clock::{self, DAY, Seconds};
use super::schema::Field;
use super::seeded::Seeded;
use super::seeded::business::Contact;
use super::seeded::company::crm_id;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Company,
    NamedAccount,
    Opportunity,
    Role,
}

/// How the vendor describes a kind: its keys, what may be searched by, its fields with their types.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) name: &'static str,
    pub(crate) id_field: &'static str,
    pub(crate) dedupe_fields: &'static [&'static str],
    pub(crate) searchable: &'static [&'static str],
    pub(crate) fields: &'static [(&'static str, &'static str)],
    /// What is told where no fields are asked for.
    pub(crate) default_fields: &'static [&'static str],
}

static COMPANY: Described = Described {
    name: "Company",
    id_field: "id",
    dedupe_fields: &["externalCompanyId"],
    searchable: &["externalCompanyId", "id", "company"],
    fields: &[
        ("id", "integer"),
        ("externalCompanyId", "string"),
        ("company", "string"),
        ("industry", "string"),
        ("annualRevenue", "currency"),
        ("numberOfEmployees", "integer"),
        ("website", "url"),
        ("mainPhone", "phone"),
        ("billingCity", "string"),
        ("billingState", "string"),
        ("billingCountry", "string"),
        ("createdAt", "datetime"),
        ("updatedAt", "datetime"),
    ],
    default_fields: &["id", "externalCompanyId", "createdAt", "updatedAt"],
};

static NAMED_ACCOUNT: Described = Described {
    name: "Named Account",
    id_field: "marketoGUID",
    dedupe_fields: &["name"],
    searchable: &["marketoGUID", "name", "industry", "domainName", "city", "country", "state", "crmGuid"],
    fields: &[
        ("marketoGUID", "string"),
        ("name", "string"),
        ("domainName", "string"),
        ("industry", "string"),
        ("annualRevenue", "currency"),
        ("numberOfEmployees", "integer"),
        ("city", "string"),
        ("state", "string"),
        ("country", "string"),
        ("crmGuid", "string"),
        ("score1", "integer"),
        ("createdAt", "datetime"),
        ("updatedAt", "datetime"),
    ],
    default_fields: &["marketoGUID", "name", "createdAt", "updatedAt"],
};

static OPPORTUNITY: Described = Described {
    name: "opportunity",
    id_field: "marketoGUID",
    dedupe_fields: &["externalOpportunityId"],
    searchable: &["externalOpportunityId", "marketoGUID"],
    fields: &[
        ("marketoGUID", "string"),
        ("externalOpportunityId", "string"),
        ("name", "string"),
        ("description", "string"),
        ("type", "string"),
        ("stage", "string"),
        ("amount", "currency"),
        ("probability", "integer"),
        ("isClosed", "boolean"),
        ("isWon", "boolean"),
        ("closeDate", "date"),
        ("externalCompanyId", "string"),
        ("leadSource", "string"),
        ("createdAt", "datetime"),
        ("updatedAt", "datetime"),
    ],
    default_fields: &["marketoGUID", "externalOpportunityId", "createdAt", "updatedAt"],
};

static ROLE: Described = Described {
    name: "opportunityRole",
    id_field: "marketoGUID",
    dedupe_fields: &["externalOpportunityId", "leadId", "role"],
    searchable: &["marketoGUID", "leadId", "externalOpportunityId"],
    fields: &[
        ("marketoGUID", "string"),
        ("externalOpportunityId", "string"),
        ("leadId", "integer"),
        ("role", "string"),
        ("isPrimary", "boolean"),
        ("externalCreatedDate", "datetime"),
        ("createdAt", "datetime"),
        ("updatedAt", "datetime"),
    ],
    default_fields: &["marketoGUID", "externalOpportunityId", "leadId", "role", "createdAt", "updatedAt"],
};

impl Kind {
    /// By its place under `/rest/v1/`.
    pub(crate) fn named(path: &str) -> Option<Self> {
        Some(match path {
            "companies" => Self::Company,
            "namedaccounts" => Self::NamedAccount,
            "opportunities" => Self::Opportunity,
            "opportunities/roles" => Self::Role,
            _ => return None,
        })
    }

    pub(crate) fn described(self) -> &'static Described {
        match self {
            Self::Company => &COMPANY,
            Self::NamedAccount => &NAMED_ACCOUNT,
            Self::Opportunity => &OPPORTUNITY,
            Self::Role => &ROLE,
        }
    }

    /// Whether it is the CRM's where one is synced natively.
    pub(crate) fn is_the_crms(self) -> bool {
        self != Self::NamedAccount
    }
}

type Record = Map<String, Json>;

/// The objects as they are now.
#[derive(Debug)]
pub(crate) struct Objects {
    seeded: Seeded,
    now: Seconds,
    /// Fields of opportunities that were changed, by the opportunity's number.
    changed: BTreeMap<u64, Record>,
    /// Opportunity and lead of roles that are no more.
    removed_roles: BTreeMap<(u64, u64), ()>,
}

impl Objects {
    pub(crate) fn new(seeded: Seeded, now: Seconds) -> Self {
        Self { seeded, now, changed: BTreeMap::new(), removed_roles: BTreeMap::new() }
    }

    /// Every record of a kind.
    pub(crate) fn all(&self, kind: Kind) -> Vec<Record> {
        match kind {
            Kind::Company => (0..self.seeded.companies()).map(|number| self.company(number)).collect(),
            Kind::NamedAccount => (0..self.named_accounts()).map(|number| self.named_account(number)).collect(),
            Kind::Opportunity => (1..=self.seeded.opportunities()).map(|number| self.opportunity(number)).collect(),
            Kind::Role => (1..=self.seeded.opportunities()).flat_map(|number| self.roles(number)).collect(),
        }
    }

    /// The records that have one of the texts in a field, whatever the case of the letters.
    pub(crate) fn find(&self, kind: Kind, field: &str, wanted: &[&str]) -> Vec<Record> {
        let quick: Option<Vec<Record>> = match (kind, field) {
            (Kind::Company, "id") => {
                let numbers = wanted.iter().filter_map(|id| id.parse::<u64>().ok()?.checked_sub(1));
                Some(numbers.filter(|n| *n < self.seeded.companies()).map(|n| self.company(n)).collect())
            }
            (Kind::Role, "leadId") => {
                let leads = wanted.iter().filter_map(|id| id.parse().ok());
                let roles = leads.flat_map(|lead: u64| {
                    let of_lead = self.seeded.opportunities_of(lead).into_iter().flat_map(|o| self.roles(o));
                    of_lead.filter(move |role| role.get("leadId").and_then(Json::as_u64) == Some(lead))
                });
                Some(roles.collect())
            }
            (Kind::Opportunity, "externalOpportunityId") => {
                let numbers =
                    (1..=self.seeded.opportunities()).filter(|n| wanted.contains(&opportunity_id(*n).as_str()));
                Some(numbers.map(|number| self.opportunity(number)).collect())
            }
            _ => None,
        };
        let mut found = quick.unwrap_or_else(|| {
            let matches = |record: &Record| {
                let text = match record.get(field) {
                    Some(Json::String(text)) => text.clone(),
                    Some(Json::Null) | None => return false,
                    Some(other) => other.to_string(),
                };
                wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(&text))
            };
            self.all(kind).into_iter().filter(matches).collect()
        });
        let id = kind.described().id_field;
        found.dedup_by(|a, b| a.get(id) == b.get(id));
        found
    }

    /// The largest companies are watched as accounts.
    pub(crate) fn named_accounts(&self) -> u64 {
        (self.seeded.companies() / 10).max(1)
    }

    fn company(&self, number: u64) -> Record {
        let value = |field| self.seeded.company_field(number, field).to_json();
        let created = self.now - (300 + i64::try_from(number % 90).unwrap_or(0)) * DAY;
        record(json!({
            "id": number + 1,
            "externalCompanyId": value(Field::ExternalCompanyId),
            "company": value(Field::Company),
            "industry": value(Field::Industry),
            "annualRevenue": value(Field::AnnualRevenue),
            "numberOfEmployees": value(Field::NumberOfEmployees),
            "website": value(Field::Website),
            "mainPhone": value(Field::MainPhone),
            "billingCity": value(Field::City),
            "billingState": value(Field::State),
            "billingCountry": value(Field::Country),
            "createdAt": clock::datetime(created),
            "updatedAt": clock::datetime(created + 100 * DAY),
        }))
    }

    pub(crate) fn named_account(&self, number: u64) -> Record {
        let value = |field| self.seeded.company_field(number, field).to_json();
        record(json!({
            "marketoGUID": self.seeded.guid("account", number),
            "name": value(Field::Company),
            "domainName": self.seeded.domain(number),
            // Who is watched is known.
            "industry": Some(value(Field::Industry)).filter(|known| !known.is_null()).unwrap_or_else(|| json!("Other")),
            "annualRevenue": value(Field::AnnualRevenue),
            "numberOfEmployees": value(Field::NumberOfEmployees),
            "city": value(Field::City),
            "state": value(Field::State),
            "country": value(Field::Country),
            "crmGuid": crm_id("001", number),
            "score1": number % 100,
            "createdAt": clock::datetime(self.now - 250 * DAY),
            "updatedAt": clock::datetime(self.now - 20 * DAY),
        }))
    }

    pub(crate) fn opportunity(&self, number: u64) -> Record {
        let (seeded, company) = (&self.seeded, self.seeded.opportunity_company(number));
        let (stage, cents) = (seeded.stage(number), seeded.amount(number));
        let created = seeded.opportunity_at(number);
        let mut opportunity = record(json!({
            "marketoGUID": seeded.guid("opportunity", number),
            "externalOpportunityId": opportunity_id(number),
            "name": seeded.opportunity_name(number),
            "description": if number.is_multiple_of(2) { Json::Null } else { json!(format!("Asked for an offer, no. {number}")) },
            "type": if number.is_multiple_of(3) { "Existing Business" } else { "New Business" },
            "stage": stage,
            // An amount comes as a text.
            "amount": format!("{}.{:02}", cents / 100, cents % 100),
            "probability": if stage == "Closed Won" { 100 } else { (number % 10) * 10 },
            "isClosed": stage.starts_with("Closed"),
            "isWon": stage == "Closed Won",
            "closeDate": clock::date(seeded.closes_on(number)),
            "externalCompanyId": seeded.company_field(company, Field::ExternalCompanyId).to_json(),
            "leadSource": if number.is_multiple_of(4) { Json::Null } else { json!("Web") },
            "createdAt": clock::datetime(created),
            "updatedAt": clock::datetime(created),
        }));
        opportunity.extend(self.changed.get(&number).cloned().unwrap_or_default());
        opportunity
    }

    pub(crate) fn opportunity_name(&self, number: u64) -> String {
        self.seeded.opportunity_name(number)
    }

    pub(crate) fn contacts(&self, opportunity: u64) -> Vec<Contact> {
        let contacts = self.seeded.contacts(opportunity);
        contacts.into_iter().filter(|c| !self.removed_roles.contains_key(&(opportunity, c.lead))).collect()
    }

    fn roles(&self, opportunity: u64) -> Vec<Record> {
        let at = clock::datetime(self.seeded.opportunity_at(opportunity));
        let role = |contact: Contact| {
            record(json!({
                "marketoGUID": self.seeded.guid("role", opportunity << 24 ^ contact.lead),
                "externalOpportunityId": opportunity_id(opportunity),
                "leadId": contact.lead,
                "role": contact.role,
                "isPrimary": contact.primary,
                "externalCreatedDate": at,
                "createdAt": at,
                "updatedAt": at,
            }))
        };
        self.contacts(opportunity).into_iter().map(role).collect()
    }

    /// Writes fields of an opportunity; false if there is none.
    pub(crate) fn change_opportunity(&mut self, number: u64, values: Record, now: Seconds) -> bool {
        if !(1..=self.seeded.opportunities()).contains(&number) {
            return false;
        }
        let changed = self.changed.entry(number).or_default();
        changed.extend(values);
        changed.insert("updatedAt".to_owned(), json!(clock::datetime(now)));
        true
    }

    pub(crate) fn remove_role(&mut self, opportunity: u64, lead: u64) -> Option<Contact> {
        let contact = self.contacts(opportunity).into_iter().find(|contact| contact.lead == lead)?;
        self.removed_roles.insert((opportunity, lead), ());
        Some(contact)
    }
}

/// An opportunity's id in the CRM.
pub(crate) fn opportunity_id(number: u64) -> String {
    crm_id("006", number)
}

fn record(json: Json) -> Record {
    match json {
        Json::Object(record) => record,
        _ => Record::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::MarketoConfig;
    use super::*;

    #[test]
    fn what_is_found_quickly_is_what_is_found_slowly() {
        let seeded = Seeded::new(&MarketoConfig { leads: 600, ..MarketoConfig::default() }, 1_795_000_000);
        let objects = Objects::new(seeded, 1_795_000_000);
        for (kind, field) in
            [(Kind::Company, "id"), (Kind::Role, "leadId"), (Kind::Opportunity, "externalOpportunityId")]
        {
            for record in objects.all(kind) {
                let text = match &record[field] {
                    Json::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let found = objects.find(kind, field, &[&text]);
                assert!(found.contains(&record), "{kind:?} {text}");
                assert!(found.iter().all(|other| other[field] == record[field]));
            }
        }
        assert!(objects.find(Kind::Company, "id", &["0", "9999999", "x"]).is_empty());
    }

    #[test]
    fn described_fields_are_the_records_fields() {
        let seeded = Seeded::new(&MarketoConfig { leads: 200, ..MarketoConfig::default() }, 1_795_000_000);
        let objects = Objects::new(seeded, 1_795_000_000);
        for kind in [Kind::Company, Kind::NamedAccount, Kind::Opportunity, Kind::Role] {
            let described = kind.described();
            let mut names: Vec<&str> = described.fields.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            let mut has: Vec<String> = objects.all(kind)[0].keys().cloned().collect();
            has.sort_unstable();
            assert_eq!(names, has, "{kind:?}");
            let named = described.searchable.iter().chain(described.dedupe_fields).chain(described.default_fields);
            assert!(named.chain([&described.id_field]).all(|name| names.contains(name)), "{kind:?}");
        }
    }
}
