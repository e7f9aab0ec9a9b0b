//! The seeded leads: a pure function of seed, lead and field, so that a million of them cost nothing until they are asked for.
//!
//! Shares are skewed as in a real instance: few companies have most of the leads, most leads are nobody's decision makers, and about
//! one in three has been touched since it was created.

use std::fmt::Write;

use super::clock::{DAY, Seconds};
use super::config::MarketoConfig;
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
            Field::SfdcType | Field::SfdcLeadId | Field::SfdcContactId | Field::SfdcAccountId => {
                self.crm_value(id, field)
            }
            _ => self.person_value(id, field),
        }
    }

    fn person_value(&self, id: u64, field: Field) -> Value<'static> {
        let mut dice = self.dice(id, Salt::Field(field));
        match field {
            Field::Email => self.email(id).map_or(Value::Null, Value::text),
            Field::FirstName => Value::text(self.first_name(id)),
            Field::LastName => Value::text(self.last_name(id)),
            Field::Title => self.title(id),
            Field::Department => dice.unless(12, |_| Value::text(self.department(id))),
            Field::Phone | Field::MobilePhone => dice.unless(3, |dice| phone(self.place_of(id), dice)),
            Field::Address => dice.unless(2, |dice| self.address(dice)),
            Field::PostalCode => dice
                .unless(4, |dice| Value::text(format!("{}{:03}", self.place_of(id).postal_start, dice.below(1_000)))),
            Field::LeadScore => integer(dice.skewed(120)),
            Field::LeadStatus => Value::text(dice.weighted(words::STATUSES)),
            Field::LeadSource => dice.unless(15, |dice| Value::text(dice.weighted(words::SOURCES))),
            Field::Rating => dice.unless(2, |dice| Value::text(dice.weighted(words::RATINGS))),
            Field::Unsubscribed => Value::Boolean(self.is_unsubscribed(id)),
            Field::UnsubscribedReason => {
                if self.is_unsubscribed(id) && dice.one_in(2) {
                    Value::text("Too many e-mails, and \"not relevant\"")
                } else {
                    Value::Null
                }
            }
            Field::EmailInvalid => Value::Boolean(dice.one_in(40)),
            Field::DoNotCall => Value::Boolean(dice.one_in(25)),
            Field::DateOfBirth => {
                if dice.one_in(8) {
                    Value::Date(dice.between(-10_000, 12_000))
                } else {
                    Value::Null
                }
            }
            Field::LeadPartitionId => Value::text("1"),
            Field::ExternalSalesPersonId => dice.unless(3, |dice| Value::text(format!("rep-{:03}", dice.below(80)))),
            Field::Ecids => {
                if dice.below(10) < 4 {
                    ecids(&mut dice)
                } else {
                    Value::Null
                }
            }
            Field::OriginalSourceInfo => dice
                .unless(3, |dice| Value::text(format!("Landing page: /{}", dice.pick(words::PAGES).trim_matches('/')))),
            Field::ProductInterest => dice.unless(2, |dice| Value::text(dice.weighted(words::PRODUCTS))),
            Field::Engagement => self.engagement(&mut dice),
            Field::FitIndex => dice.unless(3, |dice| Value::Float(dice.between(-9_999, 10_000) as f64 / 1_000.0)),
            Field::Preferences => {
                if dice.one_in(6) {
                    preferences(&mut dice)
                } else {
                    Value::Null
                }
            }
            Field::Comments => self.comments(&mut dice),
            _ => Value::Null,
        }
    }

    /// Several leads may share one address, and some have none.
    fn email(&self, id: u64) -> Option<String> {
        if self.dice(id, Salt::MissingEmail).one_in(self.missing_email_every) {
            return None;
        }
        let shares = id > 1 && self.dice(id, Salt::SharedEmail).one_in(self.shared_email_every);
        Some(self.own_email(if shares { id - 1 } else { id }))
    }

    fn own_email(&self, id: u64) -> String {
        let mut dice = self.dice(id, Salt::Field(Field::Email));
        let mut email = String::with_capacity(48);
        push_letters(&mut email, self.first_name(id));
        email.push('.');
        push_letters(&mut email, self.last_name(id));
        let _ = write!(email, ".{id:x}");
        if dice.one_in(90) {
            email.push_str("+events");
        }
        email.push('@');
        if dice.one_in(20) {
            email.push_str("freemail.example")
        } else {
            self.push_domain(&mut email, self.company_of(id))
        }
        if dice.one_in(40) { email.to_uppercase() } else { email }
    }

    fn first_name(&self, id: u64) -> &'static str {
        let mut dice = self.dice(id, Salt::Field(Field::FirstName));
        let elsewhere = self.awkward && dice.one_in(16);
        dice.pick(if elsewhere { words::FIRST_NAMES_ELSEWHERE } else { words::FIRST_NAMES })
    }

    fn last_name(&self, id: u64) -> &'static str {
        let mut dice = self.dice(id, Salt::Field(Field::LastName));
        let elsewhere = self.awkward && dice.one_in(16);
        dice.pick(if elsewhere { words::LAST_NAMES_ELSEWHERE } else { words::LAST_NAMES })
    }

    fn department(&self, id: u64) -> &'static str {
        self.dice(id, Salt::Department).weighted(words::DEPARTMENTS)
    }

    fn title(&self, id: u64) -> Value<'static> {
        let mut dice = self.dice(id, Salt::Field(Field::Title));
        let department = self.department(id);
        match dice.below(100) {
            0..6 => Value::Null,
            6 if self.awkward => Value::text(format!("VP, {department}")),
            7 if self.awkward => Value::text(format!("{department} \"Rockstar\", EMEA")),
            8..11 => Value::text(["CEO", "CFO", "CMO"][usize::try_from(dice.below(3)).unwrap_or(0)]),
            _ => {
                let seniority = dice.weighted(words::SENIORITY);
                let ending = match seniority {
                    "" | "Senior " | "Junior " => " Specialist",
                    "Chief " => " Officer",
                    _ => "",
                };
                Value::text(format!("{seniority}{department}{ending}"))
            }
        }
    }

    fn address(&self, dice: &mut Dice) -> Value<'static> {
        let street = dice.pick(words::STREETS);
        let number = dice.below(400) + 1;
        match dice.below(25) {
            0 if self.awkward => Value::text(format!("{number} {street}\nFloor {}", dice.below(30) + 1)),
            1 if self.awkward => Value::text(format!("{number} {street},\r\nBuilding \"{}\"", dice.below(9) + 1)),
            _ => Value::text(format!("{number} {street}")),
        }
    }

    fn is_unsubscribed(&self, id: u64) -> bool {
        self.dice(id, Salt::Field(Field::Unsubscribed)).one_in(15)
    }

    /// Whole per cents as the type promises, and decimals as some accounts return them.
    fn engagement(&self, dice: &mut Dice) -> Value<'static> {
        let share = dice.below(101);
        match dice.below(10) {
            0..4 => Value::Null,
            4 if self.awkward => Value::Float(share as f64 + 0.5),
            _ => integer(share),
        }
    }

    fn comments(&self, dice: &mut Dice) -> Value<'static> {
        if !self.awkward {
            return Value::Null;
        }
        match dice.below(4_000) {
            0..10 => Value::text("null"),
            10..30 => Value::text("He said \"call me\",\nthen hung up.\n\n– noted by sales"),
            30..50 => Value::text("  spaces kept  "),
            50..60 => Value::text("漢字, кириллица, 🚀 & <b>markup</b>"),
            60..68 => Value::text("Long talk. ".repeat(200)),
            68 => Value::text("é".repeat(15_000)),
            _ => Value::Null,
        }
    }

    /// A quarter of the leads is in the CRM as a lead, a third as a contact, and a converted one as both.
    fn crm_value(&self, id: u64, field: Field) -> Value<'static> {
        let mut dice = self.dice(id, Salt::Crm);
        let (lead, contact) = match dice.below(100) {
            0..25 => (true, false),
            25..55 => (false, true),
            55..60 => (true, true),
            _ => (false, false),
        };
        match field {
            Field::SfdcType if contact => Value::text("Contact"),
            Field::SfdcType if lead => Value::text("Lead"),
            Field::SfdcLeadId if lead => Value::text(crm_id("00Q", id)),
            Field::SfdcContactId if contact => Value::text(crm_id("003", id)),
            Field::SfdcAccountId if contact => Value::text(crm_id("001", self.company_of(id))),
            _ => Value::Null,
        }
    }

    /// Few companies have most of the leads.
    fn company_of(&self, id: u64) -> u64 {
        self.dice(id, Salt::Company).skewed(self.companies)
    }

    fn place_of(&self, id: u64) -> &'static Place {
        self.company_place(self.company_of(id))
    }

    fn company_place(&self, company: u64) -> &'static Place {
        self.dice(company, Salt::Place).weighted_ref(words::PLACES)
    }

    fn company_value(&self, company: u64, field: Field) -> Value<'static> {
        let mut dice = self.dice(company, Salt::OfCompany(field));
        match field {
            Field::Company => {
                let (first, second) = self.company_words(company);
                let form = if self.awkward { dice.weighted(words::COMPANY_FORMS) } else { " Inc." };
                Value::text(format!("{first} {second} {company}{form}"))
            }
            Field::Industry => dice.unless(10, |dice| Value::text(dice.weighted(words::INDUSTRIES))),
            Field::AnnualRevenue => dice.unless(4, |dice| {
                let thousands = (self.employees(company) + 1) * (80 + dice.below(300));
                Value::Float(thousands as f64 * 1_000.0 + dice.below(4) as f64 * 0.25)
            }),
            Field::NumberOfEmployees => dice.unless(6, |_| integer(self.employees(company))),
            Field::Website => dice.unless(5, |_| {
                let mut website = "https://www.".to_owned();
                self.push_domain(&mut website, company);
                Value::text(website)
            }),
            Field::MainPhone => dice.unless(3, |dice| phone(self.company_place(company), dice)),
            Field::City => Value::text(self.company_place(company).city),
            Field::State => self.company_place(company).state.map_or(Value::Null, Value::text),
            Field::Country => Value::text(self.company_place(company).country),
            Field::ExternalCompanyId => dice.unless(2, |_| Value::text(format!("C-{company:06}"))),
            _ => Value::Null,
        }
    }

    fn company_words(&self, company: u64) -> (&'static str, &'static str) {
        let mut dice = self.dice(company, Salt::CompanyName);
        (dice.pick(words::COMPANY_FIRST), dice.pick(words::COMPANY_SECOND))
    }

    fn push_domain(&self, out: &mut String, company: u64) {
        let (first, second) = self.company_words(company);
        push_letters(out, first);
        out.push('-');
        push_letters(out, second);
        let _ = write!(out, "-{company}.example");
    }

    fn employees(&self, company: u64) -> u64 {
        let mut dice = self.dice(company, Salt::Employees);
        5 + dice.skewed(400) * (1 + dice.below(60))
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
        Dice(mix(self.seed ^ mix(subject.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.number())))
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
            Self::Field(field) => 100 + field.index() as u64,
            Self::OfCompany(field) => 300 + field.index() as u64,
            Self::Visit(number) => 1_000 + number,
            Self::VisitTime(number) => 2_000 + number,
        }
    }
}

/// A small generator (splitmix64): the same throws in every build, which no generator of a library promises.
#[derive(Debug, Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `0..bound`.
    fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.throw()) * u128::from(bound.max(1));
        u64::try_from(product >> 64).unwrap_or(0)
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below((high - low).unsigned_abs())).unwrap_or(0)
    }

    /// A number in `0..bound`, small ones far likelier.
    fn skewed(&mut self, bound: u64) -> u64 {
        let unit = self.below(1 << 20);
        u64::try_from((u128::from(unit * unit) * u128::from(bound)) >> 40).unwrap_or(0)
    }

    /// True once in `every` throws or so; never for 0.
    fn one_in(&mut self, every: u64) -> bool {
        every != 0 && self.below(every) == 0
    }

    /// The value, or null once in `every`.
    fn unless(&mut self, every: u64, value: impl FnOnce(&mut Self) -> Value<'static>) -> Value<'static> {
        if self.one_in(every) { Value::Null } else { value(self) }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap_or(0)]
    }

    fn weighted<T: Copy>(&mut self, from: &'static [(T, u64)]) -> T {
        *self.weighted_ref(from)
    }

    fn weighted_ref<T>(&mut self, from: &'static [(T, u64)]) -> &'static T {
        let mut left = self.below(from.iter().map(|(_, weight)| weight).sum());
        for (word, weight) in from {
            if left < *weight {
                return word;
            }
            left -= weight;
        }
        &from[0].0
    }
}

pub(crate) fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn integer(value: u64) -> Value<'static> {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn phone(place: &Place, dice: &mut Dice) -> Value<'static> {
    Value::text(format!("{} 555 {:04}", place.phone_start, dice.below(10_000)))
}

/// One to three device ids of 38 digits, in one text.
fn ecids(dice: &mut Dice) -> Value<'static> {
    let mut text = String::with_capacity(120);
    for device in 0..=dice.below(3) {
        let comma = if device == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{:019}{:019}", dice.throw() >> 1, dice.throw() >> 1);
    }
    Value::text(text)
}

fn preferences(dice: &mut Dice) -> Value<'static> {
    Value::text(format!(
        "{{\"topics\":[\"{}\",\"abm\"],\"frequency\":{}}}",
        dice.weighted(words::PRODUCTS),
        dice.below(8)
    ))
}

/// An 18-character CRM id: 15 characters that differ by case, and 3 that tell which of them are capitals.
fn crm_id(prefix: &str, number: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let mut id = format!("{prefix}5g000");
    let mut place = 62_u64.pow(6);
    let mut left = number.wrapping_mul(2_654_435_761) % (place * 62);
    while place > 0 {
        id.push(char::from(DIGITS[usize::try_from(left / place).unwrap_or(0) % 62]));
        left %= place;
        place /= 62;
    }
    let capitals: Vec<usize> = id
        .as_bytes()
        .chunks(5)
        .map(|chunk| {
            chunk.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase()).map(|(bit, _)| 1 << bit).sum()
        })
        .collect();
    id.extend(capitals.into_iter().map(|bits: usize| char::from(CHECK[bits % 32])));
    id
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

    #[test]
    fn crm_ids_carry_their_check() {
        assert_eq!(crm_id("003", 1).len(), 18);
        assert_ne!(crm_id("003", 1), crm_id("003", 2));
        // 003D000000QV9n2 is written 003D000000QV9n2IAD.
        let check: Vec<usize> = b"003D000000QV9n2"
            .chunks(5)
            .map(|chunk| {
                chunk.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase()).map(|(bit, _)| 1 << bit).sum()
            })
            .collect();
        assert_eq!(check, [8, 0, 3]);
    }
}
