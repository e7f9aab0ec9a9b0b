//! The values that are a lead's own.

use std::fmt::Write;

use super::super::dice::Dice;
use super::super::schema::Field;
use super::super::value::Value;
use super::super::words;
use super::{Salt, Seeded, integer, phone, push_letters};

impl Seeded {
    pub(super) fn person_value(&self, id: u64, field: Field) -> Value<'static> {
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
    pub(super) fn email(&self, id: u64) -> Option<String> {
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
