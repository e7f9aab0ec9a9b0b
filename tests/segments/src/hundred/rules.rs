//! A hundred segments of the kinds that marketing has: half go to accounts or opportunities, and all count events of a
//! kind, on a page or anywhere, in a window. 38 counters are shared by them.

use super::data::{COUNTRIES, DAY_MS, DEPARTMENTS, INDUSTRIES, NOW, PAGES, STAGES, TYPES, text};
use serde::Serialize;

/// Events of a kind in a window that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counter {
    pub kind: u64,
    pub page: Option<u64>,
    pub since: i64,
}

/// What one segment asks for; all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rule {
    pub counter: usize,
    pub at_least: u64,
    pub department: Option<u64>,
    pub country: Option<u64>,
    pub score_over: Option<i64>,
    /// An industry, and more employees than that, of one account.
    pub account: Option<(u64, i64)>,
    /// A stage, and a larger quantity than that, of one opportunity that is open.
    pub opportunity: Option<(u64, i64)>,
}

pub const COUNTERS: usize = 38;
const WINDOWS: [i64; 5] = [7, 30, 90, 180, 365];

/// Those that the segments share; all are different.
#[must_use]
pub fn counters() -> Vec<Counter> {
    let counter = |n: usize| {
        let n = n as u64;
        let page = (n % 3 == 2).then_some(n * 5 % (PAGES / 4));
        Counter { kind: n % TYPES, page, since: NOW - WINDOWS[(n / TYPES + n) as usize % WINDOWS.len()] * DAY_MS }
    };
    (0..COUNTERS).map(counter).collect()
}

/// The first `count` segments.
#[must_use]
pub fn rules(count: usize) -> Vec<Rule> {
    let rule = |n: usize| {
        let k = n as u64;
        // Of each ten two go to accounts, two to opportunities, one to both.
        let (accounts, opportunities) = match n % 10 {
            1 | 3 => (true, false),
            5 | 7 => (false, true),
            9 => (true, true),
            _ => (false, false),
        };
        let is_near = !accounts && !opportunities;
        Rule {
            counter: n * 7 % COUNTERS,
            at_least: 1 + k / 4 % 4,
            department: (is_near && n.is_multiple_of(4)).then_some(k % DEPARTMENTS),
            country: (is_near && n % 5 == 2).then_some(k * 3 % COUNTRIES),
            score_over: (n % 3 == 1).then_some(20 + (k * 11 % 60) as i64),
            account: accounts.then_some((k % INDUSTRIES, [50, 200, 1_000][n / 10 % 3])),
            opportunity: opportunities.then_some((k % (STAGES - 2), [10, 50, 100][n / 10 % 3])),
        }
    };
    (0..count).map(rule).collect()
}

impl Rule {
    /// As a person writes it.
    #[must_use]
    pub fn cel(&self, counters: &[Counter]) -> String {
        let counter = counters[self.counter];
        let page = counter.page.map(|page| format!(" && e.page == \"{}\"", text("page", page))).unwrap_or_default();
        let days = (NOW - counter.since) / DAY_MS;
        let mut all = vec![format!(
            "events.filter(e, e.type == \"{}\"{page} && e.time >= now - days({days})).size() >= {}",
            text("type", counter.kind),
            self.at_least
        )];
        let mut ask = |condition: Option<String>| all.extend(condition);
        ask(self.department.map(|code| format!("person.department == \"{}\"", text("department", code))));
        ask(self.country.map(|code| format!("person.country == \"{}\"", text("country", code))));
        ask(self.score_over.map(|score| format!("person.person_score > {score}")));
        ask(self.account.map(|(industry, more)| {
            format!(
                "person.account_relations.exists(r, r.account.industry == \"{}\" && r.account.number_of_employees > {more})",
                text("industry", industry)
            )
        }));
        ask(self.opportunity.map(|(stage, more)| {
            format!(
                "person.opportunities_by_role.exists(o, !o.is_closed && o.stage == \"{}\" && o.quantity > {more})",
                text("stage", stage)
            )
        }));
        all.join(" && ")
    }
}
