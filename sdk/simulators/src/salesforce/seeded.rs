//! The org's first records: the world's people and companies as a CRM has them, and what only a CRM has of them.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::org::Org;
use super::schema::Object;
use crate::marketo::clock::{self, DAY, Seconds};
use crate::marketo::schema::Field;
use crate::world::{Kind, World, record_id};

const STAGES: [(&str, u64, bool, bool, &str); 6] = [
    ("Prospecting", 10, false, false, "Pipeline"),
    ("Proposal/Price Quote", 50, false, false, "Pipeline"),
    ("Negotiation/Review", 75, false, false, "BestCase"),
    ("Closed Won", 100, true, true, "Closed"),
    ("Closed Won", 100, true, true, "Closed"),
    ("Closed Lost", 0, true, false, "Omitted"),
];
const ROLES: [&str; 4] = ["Decision Maker", "Economic Buyer", "Evaluator", "Business User"];
const CAMPAIGNS: u64 = 12;
const PURPOSE_DEAL: u64 = 1;
const PURPOSE_ROLE: u64 = 2;
const PURPOSE_MEMBER: u64 = 3;
const PURPOSE_SECOND: u64 = 4;
const PURPOSE_ACCOUNT: u64 = 5;

/// Fills an org. Records are put in the order of ids; their times are those of the people they are about.
pub(crate) fn fill(org: &mut Org, world: &World, now: Seconds) {
    let mut fill = Fill { org, world, now, companies: BTreeSet::new() };
    for person in world.people() {
        match world.kind(person) {
            Some(Kind::Contact) => fill.contact(person),
            Some(Kind::Lead) => fill.lead(person, false),
            Some(Kind::Converted) => {
                fill.contact(person);
                fill.lead(person, true);
            }
            None => {}
        }
    }
    fill.campaigns();
    fill.accounts();
}

struct Fill<'a> {
    org: &'a mut Org,
    world: &'a World,
    now: Seconds,
    companies: BTreeSet<u64>,
}

impl Fill<'_> {
    fn put(&mut self, object: &str, id: &str, values: Json, created: Seconds, stamp: Seconds) {
        if let Some(object) = Object::named(object) {
            self.org.put(object, id, values, created, stamp);
        }
    }

    fn fact(&self, person: u64, field: Field) -> Json {
        self.world.fact(person, field)
    }

    /// Both names in one; Salesforce wants a last name.
    fn names(&self, person: u64) -> (Json, Json, Json) {
        let (first, last) = (self.fact(person, Field::FirstName), self.fact(person, Field::LastName));
        let text = |name: &Json| name.as_str().unwrap_or_default().to_owned();
        let whole = format!("{} {}", text(&first), text(&last));
        (first, last, json!(whole.trim()))
    }

    fn contact(&mut self, person: u64) {
        let company = self.world.company_of(person);
        self.companies.insert(company);
        let (first, last, name) = self.names(person);
        let (contact, account) = (record_id("003", person), record_id("001", company));
        let address = json!({"city": self.fact(person, Field::City), "country": self.fact(person, Field::Country),
            "geocodeAccuracy": null, "latitude": null, "longitude": null, "postalCode": self.fact(person, Field::PostalCode),
            "state": self.fact(person, Field::State), "street": self.fact(person, Field::Address)});
        let values = json!({
            "AccountId": account, "FirstName": first, "LastName": last, "Name": name,
            "Email": self.fact(person, Field::Email), "Title": self.fact(person, Field::Title),
            "Department": self.fact(person, Field::Department), "Phone": self.fact(person, Field::Phone),
            "MobilePhone": self.fact(person, Field::MobilePhone), "LeadSource": self.fact(person, Field::LeadSource),
            "HasOptedOutOfEmail": self.fact(person, Field::Unsubscribed), "MailingStreet": self.fact(person, Field::Address),
            "MailingCity": self.fact(person, Field::City), "MailingState": self.fact(person, Field::State),
            "MailingPostalCode": self.fact(person, Field::PostalCode), "MailingCountry": self.fact(person, Field::Country),
            "MailingAddress": address,
        });
        let (created, stamp) = (self.world.created_at(person), self.world.changed_at(person));
        self.put("Contact", &contact, values, created, stamp);
        // A term of office.
        let ends = self.now.div_euclid(DAY) + 365;
        let relation = |account: &str, direct: bool, roles: Option<&str>| {
            json!({"AccountId": account, "ContactId": contact, "Roles": roles, "IsDirect": direct, "IsActive": true,
                   "StartDate": clock::date(created.div_euclid(DAY)), "EndDate": roles.map(|_| clock::date(ends))})
        };
        self.put("AccountContactRelation", &record_id("07k", person), relation(&account, true, None), created, stamp);
        let mut dice = self.world.dice(person, PURPOSE_SECOND);
        if dice.one_in(12) && company > 0 {
            let second = record_id("001", company - 1);
            self.companies.insert(company - 1);
            let roles = relation(&second, false, Some("Advisor;Board Member"));
            self.put("AccountContactRelation", &record_id("07k", person + 500_000_000), roles, created, stamp);
        }
        let mut dice = self.world.dice(person, PURPOSE_MEMBER);
        if dice.one_in(3) {
            self.member(person, &contact, "ContactId", dice.below(CAMPAIGNS), dice.one_in(3), created);
        }
    }

    fn lead(&mut self, person: u64, converted: bool) {
        let (first, last, name) = self.names(person);
        let company = self.world.company_of(person);
        let (created, stamp) = (self.world.created_at(person), self.world.changed_at(person));
        let lead = record_id("00Q", person);
        let mut values = json!({
            "FirstName": first, "LastName": last, "Name": name, "Email": self.fact(person, Field::Email),
            "Title": self.fact(person, Field::Title), "Company": self.fact(person, Field::Company),
            "Website": self.fact(person, Field::Website), "Industry": self.fact(person, Field::Industry),
            "AnnualRevenue": self.fact(person, Field::AnnualRevenue), "NumberOfEmployees": self.fact(person, Field::NumberOfEmployees),
            "Phone": self.fact(person, Field::Phone), "MobilePhone": self.fact(person, Field::MobilePhone),
            "Status": self.fact(person, Field::LeadStatus), "LeadSource": self.fact(person, Field::LeadSource),
            "HasOptedOutOfEmail": self.fact(person, Field::Unsubscribed), "Street": self.fact(person, Field::Address),
            "City": self.fact(person, Field::City), "State": self.fact(person, Field::State),
            "PostalCode": self.fact(person, Field::PostalCode), "Country": self.fact(person, Field::Country),
            "IsConverted": converted,
        });
        if converted {
            values["ConvertedDate"] = json!(clock::date(stamp.div_euclid(DAY)));
            values["ConvertedContactId"] = json!(record_id("003", person));
            values["ConvertedAccountId"] = json!(record_id("001", company));
        } else {
            let mut dice = self.world.dice(person, PURPOSE_MEMBER);
            if dice.one_in(4) {
                self.member(person, &lead, "LeadId", dice.below(CAMPAIGNS), dice.one_in(4), created);
            }
        }
        self.put("Lead", &lead, values, created, stamp);
    }

    fn member(&mut self, person: u64, who: &str, kind: &str, campaign: u64, responded: bool, at: Seconds) {
        let date = responded.then(|| clock::date(at.div_euclid(DAY)));
        let values = json!({"CampaignId": record_id("701", campaign + 1), kind: who, "LeadOrContactId": who,
            "Status": if responded { "Responded" } else { "Sent" }, "HasResponded": responded, "FirstRespondedDate": date});
        self.put("CampaignMember", &record_id("00v", person), values, at, at);
    }

    fn campaigns(&mut self) {
        let start = self.now - 90 * DAY;
        for number in 1..=CAMPAIGNS {
            let begins = start + i64::try_from(number).unwrap_or(0) * 5 * DAY;
            let values = json!({"Name": format!("Campaign {number}"), "Type": if number % 2 == 0 { "Webinar" } else { "Email" },
                "Status": "In Progress", "IsActive": number % 3 != 0, "StartDate": clock::date(begins.div_euclid(DAY)),
                "EndDate": clock::date((begins + 30 * DAY).div_euclid(DAY)), "BudgetedCost": number * 1_000, "ActualCost": number * 900,
                "ExpectedRevenue": number * 10_000, "Description": format!("What campaign {number} is about"), "ParentId": (number > 1).then(|| record_id("701", 1))});
            self.put("Campaign", &record_id("701", number), values, start, start);
        }
    }

    /// The companies somebody works at, with their deals.
    fn accounts(&mut self) {
        for company in std::mem::take(&mut self.companies) {
            let mut dice = self.world.dice(company, PURPOSE_ACCOUNT);
            let created = self.now - 60 * DAY + dice.between(0, 30 * DAY);
            let fact = |field| self.world.company_fact(company, field);
            let account = record_id("001", company);
            let values = json!({"Name": fact(Field::Company), "Type": "Prospect", "Industry": fact(Field::Industry),
                "AnnualRevenue": fact(Field::AnnualRevenue), "NumberOfEmployees": fact(Field::NumberOfEmployees),
                "Website": fact(Field::Website), "Phone": fact(Field::MainPhone), "BillingCity": fact(Field::City),
                "BillingState": fact(Field::State), "BillingCountry": fact(Field::Country)});
            self.put("Account", &account, values, created, created);
            let invoice =
                json!({"Name": format!("INV-{company:05}"), "Account__c": account, "Total__c": company * 100 + 50});
            self.put("Invoice__c", &record_id("a00", company), invoice, created, created);
            let mut dice = self.world.dice(company, PURPOSE_DEAL);
            for number in 0..dice.below(4) {
                self.deal(company, number, &account, created);
            }
        }
    }

    fn deal(&mut self, company: u64, number: u64, account: &str, from: Seconds) {
        let subject = company * 8 + number;
        let mut dice = self.world.dice(subject, PURPOSE_ROLE);
        let (stage, probability, closed, won, forecast) = dice.pick(&STAGES);
        let at = from + dice.between(0, (self.now - from).max(1));
        let amount = (dice.skewed(400) + 5) * 1_000;
        let close = clock::date((at + 20 * DAY).div_euclid(DAY));
        let id = record_id("006", subject);
        let values = json!({"AccountId": account, "Name": format!("Deal {company}-{number}"), "StageName": stage, "Amount": amount,
            "Probability": probability, "ExpectedRevenue": amount * probability / 100, "CloseDate": close, "IsClosed": closed, "IsWon": won,
            "Type": if number.is_multiple_of(2) { "New Business" } else { "Existing Business" }, "LeadSource": if company.is_multiple_of(2) { "Web" } else { "Partner" },
            "NextStep": (!closed).then_some("Call them"), "Description": format!("No. {number} of company {company}"),
            "ForecastCategory": forecast, "ForecastCategoryName": forecast, "FiscalYear": 2026, "FiscalQuarter": 1 + number % 4,
            "CampaignId": dice.one_in(3).then(|| record_id("701", 1 + number))});
        self.put("Opportunity", &id, values, at, at);
        let contacts: Vec<String> = self.contacts_of(account).into_iter().take(3).collect();
        for (place, contact) in contacts.iter().enumerate() {
            let role =
                json!({"OpportunityId": id, "ContactId": contact, "Role": dice.pick(&ROLES), "IsPrimary": place == 0});
            self.put("OpportunityContactRole", &record_id("00K", subject * 4 + place as u64), role, at, at);
        }
    }

    fn contacts_of(&self, account: &str) -> Vec<String> {
        let of = |record: &&super::org::Record| record.values.get("AccountId").and_then(Json::as_str) == Some(account);
        let id = |record: &super::org::Record| record.values.get("Id").and_then(Json::as_str).map(str::to_owned);
        self.org.of("Contact").filter(of).take(3).filter_map(id).collect()
    }
}
