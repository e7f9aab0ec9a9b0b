//! What hangs together around the seeded leads: companies by number, static lists, programs, opportunities and the
//! parts leads have in them. All of it is arithmetic over lead and number, so that any size costs nothing.

use std::ops::Range;

use super::super::clock::{DAY, Seconds};
use super::super::dice::{Dice, mix};
use super::super::schema::Field;
use super::super::value::Value;
use super::super::words;
use super::{Salt, Seeded};

/// Leads between two opportunities' first contacts, and how far behind its first contact the others are looked for.
const LEADS_PER_OPPORTUNITY: u64 = 20;
const CONTACTS_WITHIN: u64 = 60;
const CONTACTS_AT_MOST: usize = 4;

/// Ids of programs begin here: a program and a lead of one id are different things, and some ids are both.
const PROGRAMS_FROM: u64 = 1_000;

pub(crate) const PROGRAM_TYPES: &[(&str, &str)] =
    &[("Default", "Online Advertising"), ("Event", "Tradeshow"), ("Engagement", "Nurture"), ("Email", "Email Send")];
/// A member's way through a program, and which of it is a success.
pub(crate) const PROGRESSION: &[(&str, u64)] =
    &[("On List", 50), ("Invited", 25), ("Registered", 15), ("Attended", 10)];
pub(crate) const SUCCESS: &str = "Attended";
const ROLES: &[&str] = &["Decision Maker", "Technical Buyer", "Economic Buyer", "Influencer"];
const STAGES: &[(&str, u64)] = &[
    ("Prospecting", 30),
    ("Qualification", 25),
    ("Proposal/Price Quote", 20),
    ("Closed Won", 15),
    ("Closed Lost", 10),
];

/// A lead's part in an opportunity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) lead: u64,
    pub(crate) role: &'static str,
    pub(crate) primary: bool,
}

impl Seeded {
    /// Companies are numbered from 0, ids are one more. Those with small numbers have most of the leads.
    pub(crate) fn companies(&self) -> u64 {
        self.companies
    }

    pub(crate) fn company_id(&self, lead: u64) -> u64 {
        self.company_of(lead) + 1
    }

    /// A field of a company, by its number.
    pub(crate) fn company_field(&self, company: u64, field: Field) -> Value<'static> {
        self.company_value(company, field)
    }

    pub(crate) fn domain(&self, company: u64) -> String {
        let mut domain = String::new();
        self.push_domain(&mut domain, company);
        domain
    }

    /// Static lists have the numbers 1 to this.
    pub(crate) fn lists(&self) -> u64 {
        (self.leads / 400).clamp(3, 60)
    }

    /// Every how many leads one is on the list: few lists are large.
    fn list_stride(list: u64) -> u64 {
        2 + list * list * 2
    }

    pub(crate) fn is_listed(&self, list: u64, lead: u64) -> bool {
        let stride = Self::list_stride(list);
        (1..=self.lists()).contains(&list) && (1..=self.leads).contains(&lead) && lead % stride == list % stride
    }

    /// The seeded members of a list with ids from `from` on, in order.
    pub(crate) fn listed(&self, list: u64, from: u64) -> impl Iterator<Item = u64> + use<> {
        let last = if (1..=self.lists()).contains(&list) { self.leads } else { 0 };
        in_steps(list, Self::list_stride(list), from, last)
    }

    /// Ids of the seeded programs.
    pub(crate) fn programs(&self) -> Range<u64> {
        PROGRAMS_FROM..PROGRAMS_FROM + (self.leads / 250).clamp(4, 240)
    }

    fn program_stride(program: u64) -> u64 {
        let size = program % 40;
        12 + size * size * 3
    }

    pub(crate) fn is_in_program(&self, program: u64, lead: u64) -> bool {
        let stride = Self::program_stride(program);
        self.programs().contains(&program) && (1..=self.leads).contains(&lead) && lead % stride == program % stride
    }

    pub(crate) fn in_program(&self, program: u64, from: u64) -> impl Iterator<Item = u64> + use<> {
        let last = if self.programs().contains(&program) { self.leads } else { 0 };
        in_steps(program, Self::program_stride(program), from, last)
    }

    /// A member's status in a program.
    pub(crate) fn progression(&self, program: u64, lead: u64) -> &'static str {
        self.pair_dice(Salt::Progression, program, lead).weighted(PROGRESSION)
    }

    /// When a lead came on a list, or into a program: after it was created.
    pub(crate) fn joined_at(&self, group: u64, lead: u64) -> Seconds {
        let created = self.created_at(lead);
        created + self.some_of(self.pair_dice(Salt::Joined, group, lead), self.now - created)
    }

    /// Opportunities have the numbers 1 to this.
    pub(crate) fn opportunities(&self) -> u64 {
        self.leads / LEADS_PER_OPPORTUNITY
    }

    fn first_contact(&self, opportunity: u64) -> u64 {
        let from = (opportunity - 1) * LEADS_PER_OPPORTUNITY;
        from + 1 + self.dice(opportunity, Salt::Opportunity).below(LEADS_PER_OPPORTUNITY)
    }

    /// The company of an opportunity, which is that of its first contact.
    pub(crate) fn opportunity_company(&self, opportunity: u64) -> u64 {
        self.company_of(self.first_contact(opportunity))
    }

    /// Who takes part: leads of one company.
    pub(crate) fn contacts(&self, opportunity: u64) -> Vec<Contact> {
        if !(1..=self.opportunities()).contains(&opportunity) {
            return Vec::new();
        }
        let first = self.first_contact(opportunity);
        let company = self.company_of(first);
        let colleagues =
            (first + 1..=self.leads.min(first + CONTACTS_WITHIN)).filter(|l| self.company_of(*l) == company);
        std::iter::once(first)
            .chain(colleagues)
            .take(CONTACTS_AT_MOST)
            .zip(ROLES)
            .map(|(lead, role)| Contact { lead, role, primary: lead == first })
            .collect()
    }

    /// The opportunities a lead takes part in.
    pub(crate) fn opportunities_of(&self, lead: u64) -> Vec<u64> {
        let number = |lead: u64| lead.saturating_sub(1) / LEADS_PER_OPPORTUNITY + 1;
        let near = number(lead.saturating_sub(CONTACTS_WITHIN).max(1))..=number(lead).min(self.opportunities());
        near.filter(|opportunity| self.contacts(*opportunity).iter().any(|c| c.lead == lead)).collect()
    }

    pub(crate) fn opportunity_name(&self, opportunity: u64) -> String {
        format!("{} for company {}", self.product(opportunity), self.opportunity_company(opportunity) + 1)
    }

    pub(crate) fn opportunity_at(&self, opportunity: u64) -> Seconds {
        let created = self.created_at(self.first_contact(opportunity));
        created + self.some_of(self.dice(opportunity, Salt::OpportunityTime), self.now - created)
    }

    pub(crate) fn stage(&self, opportunity: u64) -> &'static str {
        self.dice(opportunity, Salt::Stage).weighted(STAGES)
    }

    /// In cents.
    pub(crate) fn amount(&self, opportunity: u64) -> u64 {
        let mut dice = self.dice(opportunity, Salt::Amount);
        100_000 + dice.skewed(9_000_000) * 10 + dice.below(100)
    }

    pub(crate) fn closes_on(&self, opportunity: u64) -> i64 {
        let days = self.dice(opportunity, Salt::Closes).below(180);
        self.opportunity_at(opportunity).div_euclid(DAY) + i64::try_from(days).unwrap_or(0)
    }

    pub(crate) fn product(&self, number: u64) -> &'static str {
        self.dice(number, Salt::Product).weighted(words::PRODUCTS)
    }

    /// An id as the service gives to what it keeps by GUID.
    pub(crate) fn guid(&self, kind: &str, number: u64) -> String {
        let kind = kind.bytes().fold(0, |sum, byte| mix(sum ^ u64::from(byte)));
        let (high, low) = (mix(self.seed ^ kind ^ number), mix(self.seed.wrapping_add(kind) ^ (number << 17)));
        let (part, rest) = (low >> 52, low & 0xffff_ffff_ffff);
        format!("{:08x}-{:04x}-4{:03x}-8{part:03x}-{rest:012x}", high >> 32, high >> 16 & 0xffff, high & 0xfff)
    }

    fn pair_dice(&self, salt: Salt, group: u64, lead: u64) -> Dice {
        self.dice(mix(group << 40 ^ lead), salt)
    }
}

/// Numbers of one remainder, from `from` to `last`.
fn in_steps(group: u64, stride: u64, from: u64, last: u64) -> impl Iterator<Item = u64> {
    let from = from.max(1);
    let first = from + (group % stride + stride - from % stride) % stride;
    (first..=last).step_by(usize::try_from(stride).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::super::config::MarketoConfig;
    use super::*;

    fn seeded() -> Seeded {
        Seeded::new(&MarketoConfig { leads: 5_000, ..MarketoConfig::default() }, 1_795_000_000)
    }

    #[test]
    fn members_are_those_who_are_asked_one_by_one() {
        let seeded = seeded();
        for list in 1..=seeded.lists() {
            let expected: Vec<u64> = (1..=5_000).filter(|lead| seeded.is_listed(list, *lead)).collect();
            assert_eq!(seeded.listed(list, 0).collect::<Vec<_>>(), expected, "{list}");
            assert_eq!(seeded.listed(list, 777).next(), expected.iter().copied().find(|lead| *lead >= 777));
        }
        let largest = seeded.listed(1, 0).count();
        assert!(largest > 10 * seeded.listed(seeded.lists(), 0).count(), "few lists are large");
        for program in seeded.programs() {
            assert!(seeded.in_program(program, 0).all(|lead| seeded.is_in_program(program, lead)));
        }
        assert_eq!(seeded.listed(seeded.lists() + 1, 0).count(), 0);
    }

    #[test]
    fn contacts_are_colleagues_and_find_their_way_back() {
        let seeded = seeded();
        let mut several = 0;
        for opportunity in 1..=seeded.opportunities() {
            let contacts = seeded.contacts(opportunity);
            several += usize::from(contacts.len() > 1);
            assert_eq!(contacts.iter().filter(|c| c.primary).count(), 1);
            for contact in contacts {
                assert_eq!(seeded.company_of(contact.lead), seeded.opportunity_company(opportunity));
                assert!(seeded.opportunities_of(contact.lead).contains(&opportunity));
            }
        }
        assert!(several > 20, "{several}");
    }
}
