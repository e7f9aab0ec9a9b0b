//! The values that a lead shares with its company and with the CRM.

use std::fmt::Write;

use super::super::schema::Field;
use super::super::value::Value;
use super::super::words::{self, Place};
use super::{Salt, Seeded, integer, phone, push_letters};

impl Seeded {
    /// A quarter of the leads is in the CRM as a lead, a third as a contact, and a converted one as both.
    pub(crate) fn crm_value(&self, id: u64, field: Field) -> Value<'static> {
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
    pub(crate) fn company_of(&self, id: u64) -> u64 {
        self.dice(id, Salt::Company).skewed(self.companies)
    }

    pub(super) fn place_of(&self, id: u64) -> &'static Place {
        self.company_place(self.company_of(id))
    }

    fn company_place(&self, company: u64) -> &'static Place {
        self.dice(company, Salt::Place).weighted_ref(words::PLACES)
    }

    pub(crate) fn company_value(&self, company: u64, field: Field) -> Value<'static> {
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
            // Where the CRM is native, a company is the CRM's account.
            Field::ExternalCompanyId if self.native_crm => Value::text(crm_id("001", company)),
            Field::ExternalCompanyId => dice.unless(2, |_| Value::text(format!("C-{company:06}"))),
            _ => Value::Null,
        }
    }

    fn company_words(&self, company: u64) -> (&'static str, &'static str) {
        let mut dice = self.dice(company, Salt::CompanyName);
        (dice.pick(words::COMPANY_FIRST), dice.pick(words::COMPANY_SECOND))
    }

    pub(super) fn push_domain(&self, out: &mut String, company: u64) {
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
}

/// An 18-character CRM id: 15 characters that differ by case, and 3 that tell which of them are capitals.
pub(crate) fn crm_id(prefix: &str, number: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
