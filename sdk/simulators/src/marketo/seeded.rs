//! The seeded leads: a pure function of seed, lead and field, so that a million of them cost nothing until they are asked for.
//!
//! Shares are skewed as in a real instance: few companies have most of the leads, most leads are nobody's decision makers, and about
//! one in three has been touched since it was created.

pub(super) mod business;
pub(crate) mod company;
mod person;

use super::clock::{DAY, Seconds};
use super::config::MarketoConfig;
use super::dice::{Dice, mix};
use super::schema::Field;
use super::value::Value;
use super::words::{self, Place};

/// Makes the leads with ids 1 to `leads`.
#[derive(Debug, Clone)]
pub(crate) struct Seeded {
    leads: u64,
    companies: u64,
    seed: u64,
    now: Seconds,
    span: Seconds,
    awkward: bool,
    shared_email_every: u64,
    missing_email_every: u64,
    native_crm: bool,
}

impl Seeded {
    pub(crate) fn new(config: &MarketoConfig, now: Seconds) -> Self {
        Self {
            leads: config.leads,
            companies: (config.leads / 6).max(1),
            seed: mix(config.seed ^ 0x5eed_0a77_1fa0_0001),
            now,
            span: i64::from(config.history_days.max(1)) * DAY,
            awkward: config.awkward,
            shared_email_every: config.shared_email_every,
            missing_email_every: config.missing_email_every,
            native_crm: config.native_crm,
        }
    }

    pub(crate) fn leads(&self) -> u64 {
        self.leads
    }

    /// The time a lead was created, which never falls as ids rise.
    pub(crate) fn created_at(&self, id: u64) -> Seconds {
        let span = i128::from(self.span);
        let jitter = i128::from(self.dice(id, Salt::Created).below(self.span.unsigned_abs()));
        let place = (i128::from(id.saturating_sub(1)) * span + jitter) / i128::from(self.leads.max(1));
        self.now - self.span + i64::try_from(place).unwrap_or(0)
    }

    /// The visible `updatedAt`.
    pub(crate) fn updated_at(&self, id: u64) -> Seconds {
        let created = self.created_at(id);
        let mut dice = self.dice(id, Salt::Updated);
        if dice.one_in(3) { created + self.some_of(dice, self.now - created) } else { created }
    }

    /// The time of the last change of any field: what the bulk filter `updatedAt` goes by. A change of a custom field comes later than
    /// the visible `updatedAt` tells, for one lead in ten.
    pub(crate) fn changed_at(&self, id: u64) -> Seconds {
        let updated = self.updated_at(id);
        let mut dice = self.dice(id, Salt::Changed);
        if dice.one_in(10) { updated + self.some_of(dice, self.now - updated) } else { updated }
    }

    fn some_of(&self, mut dice: Dice, length: Seconds) -> Seconds {
        i64::try_from(dice.below(length.max(1).unsigned_abs())).unwrap_or(0)
    }

    /// The ids created in `from..=to`, as a range.
    pub(crate) fn created_between(&self, from: Seconds, to: Seconds) -> std::ops::Range<u64> {
        let first_after = |time: Seconds| {
            let (mut low, mut high) = (1, self.leads + 1);
            while low < high {
                let middle = low + (high - low) / 2;
                if self.created_at(middle) < time { low = middle + 1 } else { high = middle }
            }
            low
        };
        let start = first_after(from);
        start..first_after(to.saturating_add(1)).max(start)
    }

    pub(crate) fn value(&self, id: u64, field: Field) -> Value<'static> {
        match field {
            Field::Id => integer(id),
            Field::CreatedAt => Value::Datetime(self.created_at(id)),
            Field::UpdatedAt => Value::Datetime(self.updated_at(id)),
            Field::Company
            | Field::Industry
            | Field::AnnualRevenue
            | Field::NumberOfEmployees
            | Field::Website
            | Field::MainPhone
            | Field::City
            | Field::State
            | Field::Country
            | Field::ExternalCompanyId => self.company_value(self.company_of(id), field),
            Field::ContactCompany => integer(self.company_id(id)),
            Field::SfdcType | Field::SfdcLeadId | Field::SfdcContactId | Field::SfdcAccountId => {
                self.crm_value(id, field)
            }
            _ => self.person_value(id, field),
        }
    }

    /// The page a lead visited, for its activities.
    pub(crate) fn page(&self, id: u64, visit: u64) -> &'static str {
        self.dice(id, Salt::Visit(visit)).pick(words::PAGES)
    }

    /// When a lead did something for the `n`-th time after it was created; `None` when it never did.
    pub(crate) fn visited_at(&self, id: u64, visit: u64) -> Option<Seconds> {
        let visits = self.dice(id, Salt::Visits).below(8).saturating_sub(4);
        let created = self.created_at(id);
        (visit < visits).then(|| created + self.some_of(self.dice(id, Salt::VisitTime(visit)), self.now - created))
    }

    /// The score a lead had before its last change.
    pub(crate) fn score_before(&self, id: u64) -> Value<'static> {
        integer(self.dice(id, Salt::ScoreBefore).skewed(100))
    }

    fn dice(&self, subject: u64, salt: Salt) -> Dice {
        Dice::new(mix(self.seed ^ mix(subject.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.number())))
    }
}

/// Keeps the throws for one purpose apart from those for another.
#[derive(Debug, Clone, Copy)]
enum Salt {
    Created,
    Updated,
    Changed,
    MissingEmail,
    SharedEmail,
    Department,
    Crm,
    Company,
    Place,
    CompanyName,
    Employees,
    Visits,
    ScoreBefore,
    Field(Field),
    OfCompany(Field),
    Joined,
    Progression,
    Opportunity,
    OpportunityTime,
    Stage,
    Amount,
    Closes,
    Product,
    Visit(u64),
    VisitTime(u64),
}

impl Salt {
    fn number(self) -> u64 {
        match self {
            Self::Created => 1,
            Self::Updated => 2,
            Self::Changed => 3,
            Self::MissingEmail => 4,
            Self::SharedEmail => 5,
            Self::Department => 6,
            Self::Crm => 7,
            Self::Company => 8,
            Self::Place => 9,
            Self::CompanyName => 10,
            Self::Employees => 11,
            Self::Visits => 12,
            Self::ScoreBefore => 13,
            Self::Joined => 14,
            Self::Progression => 15,
            Self::Opportunity => 16,
            Self::OpportunityTime => 17,
            Self::Stage => 18,
            Self::Amount => 19,
            Self::Closes => 20,
            Self::Product => 21,
            Self::Field(field) => 100 + field.index() as u64,
            Self::OfCompany(field) => 300 + field.index() as u64,
            Self::Visit(number) => 1_000 + number,
            Self::VisitTime(number) => 2_000 + number,
        }
    }
}

fn integer(value: u64) -> Value<'static> {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn phone(place: &Place, dice: &mut Dice) -> Value<'static> {
    Value::text(format!("{} 555 {:04}", place.phone_start, dice.below(10_000)))
}

/// Appends a word's ASCII letters in lower case; what an e-mail address or a domain can hold of it.
fn push_letters(out: &mut String, word: &str) {
    let before = out.len();
    out.extend(word.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()));
    if out.len() == before {
        out.push('x');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeded(leads: u64, seed: u64) -> Seeded {
        Seeded::new(&MarketoConfig { leads, seed, ..MarketoConfig::default() }, 1_795_000_000)
    }

    #[test]
    fn the_same_seed_gives_the_same_leads_and_another_gives_others() {
        let row = |seeded: &Seeded, id| Field::all().map(|field| seeded.value(id, field)).collect::<Vec<_>>();
        assert_eq!(row(&seeded(500, 7), 123), row(&seeded(500, 7), 123));
        assert_ne!(row(&seeded(500, 7), 123), row(&seeded(500, 8), 123));
    }

    #[test]
    fn times_are_in_order_and_inside_the_history() {
        let seeded = seeded(2_000, 1);
        let mut last = 0;
        for id in 1..=2_000 {
            let created = seeded.created_at(id);
            assert!(created >= last.max(1_795_000_000 - 60 * DAY));
            assert!(created <= seeded.updated_at(id));
            assert!(seeded.updated_at(id) <= seeded.changed_at(id));
            assert!(seeded.changed_at(id) < 1_795_000_000 + 1);
            last = created;
        }
    }

    #[test]
    fn a_window_of_creation_holds_exactly_its_leads() {
        let seeded = seeded(2_000, 1);
        let (from, to) = (seeded.created_at(100), seeded.created_at(900));
        let expected: Vec<u64> = (1..=2_000).filter(|id| (from..=to).contains(&seeded.created_at(*id))).collect();
        assert_eq!(seeded.created_between(from, to).collect::<Vec<_>>(), expected);
        assert!(seeded.created_between(0, 5).is_empty());
        assert_eq!(seeded.created_between(i64::MIN, i64::MAX), 1..2_001);
    }

    #[test]
    fn values_fit_their_types_and_every_awkward_kind_occurs() {
        let seeded = seeded(20_000, 1);
        let mut seen = [false; 6];
        for id in 1..=20_000 {
            for field in Field::all() {
                let value = seeded.value(id, field);
                let written = Value::from_json(&value.to_json(), field.spec().data_type);
                assert!(written.is_some(), "{} of lead {id}: {value:?}", field.name());
                if let Value::Text(text) = value {
                    for (seen, found) in seen.iter_mut().zip([
                        text.contains(','),
                        text.contains('"'),
                        text.contains('\n'),
                        !text.is_ascii(),
                        text == "null",
                        text.len() > 2_000,
                    ]) {
                        *seen |= found;
                    }
                }
            }
        }
        assert_eq!(seen, [true; 6]);
    }

    #[test]
    fn addresses_are_missing_shared_and_otherwise_one_each() {
        let seeded = seeded(20_000, 1);
        let mut emails: Vec<String> =
            (1..=20_000).filter_map(|id| seeded.email(id)).map(|email| email.to_lowercase()).collect();
        let missing = 20_000 - emails.len();
        emails.sort();
        let all = emails.len();
        emails.dedup();
        assert!((50..200).contains(&missing), "{missing}");
        assert!((15..80).contains(&(all - emails.len())), "{}", all - emails.len());
    }
}
