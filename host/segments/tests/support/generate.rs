//! Random segments over random worlds, made from bytes, so that what fails shrinks with them.

use super::scalar::generate::Dice;
use super::worlds::{AMOUNTS, CURRENCIES, TEXTS, TYPES};

/// What can be said of an entity: fields by what they are compared with, links to one, links to many.
struct Sayable {
    fields: &'static [(&'static str, Sort)],
    one: &'static [(&'static str, &'static str)],
    many: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Sort {
    Text,
    Number,
    Amount,
    Money,
    Flag,
    Instant,
    Date,
    Float,
    List,
}

fn sayable(entity: &str) -> Sayable {
    use Sort::{Amount, Date, Flag, Float, Instant, List, Money, Number, Text};
    match entity {
        "person" => Sayable {
            fields: &[
                ("job_title", Text),
                ("person_score", Number),
                ("annual_revenue", Amount),
                ("is_unsubscribed", Flag),
                ("created_date", Instant),
                ("birthday", Date),
                ("department", Text),
                ("departments", List),
                ("rating", Float),
            ],
            one: &[],
            many: &[
                ("accounts", "account"),
                ("events", "activity"),
                ("opportunity_relations", "opportunity_person"),
                ("opportunities_by_role", "opportunity"),
                ("opportunities_by_account", "opportunity"),
                ("account_relations", "account_person"),
                ("campaign_memberships", "campaign_member"),
                ("components", "person_component"),
            ],
        },
        "account" => Sayable {
            fields: &[("name", Text), ("industry", Text), ("number_of_employees", Number), ("annual_revenue", Money)],
            one: &[("parent", "account")],
            many: &[
                ("people", "person"),
                ("opportunities", "opportunity"),
                ("ancestors", "account"),
                ("descendants", "account"),
                ("children", "account"),
                ("events", "activity"),
                ("person_relations", "account_person"),
                ("related", "account_relation"),
                ("related_accounts", "account"),
                ("accounts_related_to_it", "account"),
                ("people_by_role", "person"),
                ("subscriptions", "subscription"),
            ],
        },
        "activity" => Sayable {
            fields: &[("type", Text), ("page", Text), ("time", Instant)],
            one: &[("person", "person"), ("component", "person_component")],
            many: &[],
        },
        "opportunity" => Sayable {
            fields: &[
                ("is_closed", Flag),
                ("is_won", Flag),
                ("amount", Money),
                ("quantity", Amount),
                ("stage", Text),
                ("actual_close_date", Date),
            ],
            one: &[("account", "account"), ("campaign", "campaign")],
            many: &[("people", "opportunity_person"), ("people_by_role", "person")],
        },
        "opportunity_person" => Sayable {
            fields: &[("person_role", Text), ("is_primary", Flag)],
            one: &[("person", "person"), ("opportunity", "opportunity")],
            many: &[],
        },
        "account_person" => Sayable {
            fields: &[("person_role", Text), ("is_active", Flag), ("relation_end_date", Date)],
            one: &[("person", "person"), ("account", "account")],
            many: &[],
        },
        "account_relation" => Sayable {
            fields: &[("relation_role", Text), ("is_active", Flag), ("relation_end_date", Date)],
            one: &[("account", "account"), ("related_account", "account")],
            many: &[],
        },
        "campaign_member" => Sayable {
            fields: &[("member_status", Text), ("has_responded", Flag)],
            one: &[("campaign", "campaign"), ("person", "person")],
            many: &[],
        },
        "campaign" => Sayable {
            fields: &[("name", Text), ("budgeted_cost", Money), ("actual_cost", Money)],
            one: &[],
            many: &[("members", "campaign_member"), ("opportunities", "opportunity")],
        },
        "person_component" => Sayable {
            fields: &[("person_score", Number)],
            one: &[("person", "person"), ("account", "account")],
            many: &[("events", "activity")],
        },
        "subscription" => Sayable {
            fields: &[("product", Text), ("seats", Number), ("fee", Money), ("ends", Date)],
            one: &[("account", "account")],
            many: &[],
        },
        other => panic!("nothing is said of {other}"),
    }
}

/// Writes conditions.
pub struct Writer<'d> {
    pub dice: Dice<'d>,
    /// Variables in sight, with their entities.
    vars: Vec<(String, &'static str)>,
}

impl<'d> Writer<'d> {
    pub fn new(dice: &'d [u8], root: &'static str) -> Self {
        Self { dice: Dice(dice), vars: vec![(root.to_owned(), root)] }
    }

    /// A condition about the innermost variable, mostly.
    pub fn condition(&mut self, depth: u8) -> String {
        if depth == 0 {
            return self.comparison();
        }
        let d = depth - 1;
        match self.dice.roll(16) {
            0..=2 => self.comparison(),
            3 | 4 => {
                let sign = *self.dice.pick(&[" && ", " || "]);
                format!("({}){sign}({})", self.condition(d), self.condition(d))
            }
            5 => format!("!({})", self.condition(d)),
            6..=9 => self.quantified(d),
            10 => {
                let op = self.operator();
                let n = self.dice.roll(4);
                format!("{}.size() {op} {n}", self.filtered(d).0)
            }
            11 | 12 => self.aggregate(d),
            13 => self.sequence(d),
            14 => self.audience(),
            _ => format!("({}) ? ({}) : ({})", self.comparison(), self.condition(d), self.comparison()),
        }
    }

    pub(super) fn operator(&mut self) -> &'static str {
        self.dice.pick::<&str>(&["==", "!=", "<", "<=", ">", ">="])
    }

    fn innermost(&self) -> (String, &'static str) {
        self.vars.last().cloned().expect("a root")
    }

    /// A record with something to say about it: mostly the innermost, sometimes one around it, sometimes a hop away.
    fn record(&mut self) -> (String, &'static str) {
        let (mut name, mut entity) = if self.dice.roll(8) == 7 {
            let at = usize::from(self.dice.roll(u8::try_from(self.vars.len()).expect("few")));
            self.vars[at].clone()
        } else {
            self.innermost()
        };
        while self.dice.roll(4) == 3 && !sayable(entity).one.is_empty() {
            let (hop, to) = *self.dice.pick(sayable(entity).one);
            name = format!("{name}.{hop}");
            entity = to;
        }
        (name, entity)
    }

    pub(super) fn field(&mut self) -> (String, Sort) {
        let (record, entity) = self.record();
        let (field, sort) = *self.dice.pick(sayable(entity).fields);
        (format!("{record}.{field}"), sort)
    }

    fn comparison(&mut self) -> String {
        let (field, sort) = self.field();
        if self.dice.roll(8) == 7 {
            return format!("{field} {} null", self.dice.pick(&["==", "!="]));
        }
        if sort == Sort::Float || self.dice.roll(4) == 3 {
            return self.made(&field, sort);
        }
        match sort {
            Sort::Flag | Sort::Float => field,
            Sort::Text => match self.dice.roll(5) {
                0 => format!("{field} in [{:?}, {:?}]", self.dice.pick(&TEXTS), self.dice.pick(&TYPES)),
                1 => format!(
                    "{field}.{}({:?})",
                    self.dice.pick(&["contains", "startsWith", "endsWith"]),
                    self.dice.pick(&["H", "S", "", "ic"])
                ),
                2 => format!("{field}.lowerAscii() == {:?}", self.dice.pick(&["hr", "cmo", "sales"])),
                _ => format!(
                    "{field} {} {:?}",
                    self.dice.pick(&["==", "!=", "<"]),
                    self.dice.pick(&["HR", "CMO", "view", "click", "/pricing", "/"])
                ),
            },
            Sort::Number => {
                let op = self.operator();
                match self.dice.roll(4) {
                    0 => format!("{field} + 1 {op} 51"),
                    1 => format!("100 / {field} {op} 2"),
                    _ => format!("{field} {op} {}", self.dice.pick(&["0", "50", "79", "500"])),
                }
            }
            Sort::Amount | Sort::Money => {
                let op = self.operator();
                match (self.dice.roll(6), sort) {
                    (0, Sort::Money) => format!(
                        "{field} {op} money({}, {:?})",
                        self.dice.pick(&AMOUNTS[..5]),
                        self.dice.pick(&CURRENCIES)
                    ),
                    (1, _) => {
                        let (other, of) = self.field();
                        if matches!(of, Sort::Amount | Sort::Money) {
                            format!("{field} {op} {other}")
                        } else {
                            format!("{field} {op} 100")
                        }
                    }
                    (2, _) => format!("decimal({field}) * 2 {op} 200.5"),
                    (3, _) => format!("decimal({field}) {op} 100"),
                    _ => format!("{field} {op} {}", self.dice.pick(&["0", "0.4999", "100", "999999.99", "125"])),
                }
            }
            Sort::Instant | Sort::Date => self.in_time(&field, sort),
            Sort::List => {
                let count = self.dice.roll(4);
                let texts: Vec<String> = (0..count).map(|_| format!("{:?}", self.dice.pick(&TEXTS))).collect();
                match self.dice.roll(5) {
                    0 => format!("{:?} in {field}", self.dice.pick(&TEXTS)),
                    1 => format!("{field}.size() {} 1", self.operator()),
                    n => {
                        let how = ["intersects", "supersetOf", "subsetOf"][usize::from(n) - 2];
                        format!("{field}.{how}([{}])", texts.join(", "))
                    }
                }
            }
        }
    }

    fn in_time(&mut self, field: &str, sort: Sort) -> String {
        let window = *self.dice.pick(&[
            "thisDay()",
            "lastDay()",
            "nextDay()",
            "thisWeek()",
            "thisMonth()",
            "lastMonth()",
            "thisQuarter()",
            "lastYear()",
            "thisYear()",
            "last(days(1))",
            "last(days(3))",
            "last(months(1))",
            "next(days(2))",
            "last(years(1))",
            "next(months(3))",
        ]);
        let op = self.operator();
        match (self.dice.roll(5), sort) {
            (0 | 1, _) => format!("{field}.within({window})"),
            (2, _) => format!("{field}.anniversaryWithin({window})"),
            (3, Sort::Date) => format!("{field} {op} date(now)"),
            (3, _) => format!(
                "{field} {op} {}",
                self.dice.pick(&["today", "now", "now - days(1)", "now - months(1)", "today - weeks(1)"])
            ),
            (_, Sort::Date) => format!("{field}.between(\"2026-01-01\", \"2026-11-23\")"),
            _ => format!("{field}.between(now - days(3), now)"),
        }
    }

    fn set(&mut self) -> Option<(String, &'static str)> {
        let (record, entity) = self.record();
        let many = sayable(entity).many;
        if many.is_empty() {
            return None;
        }
        let (link, to) = *self.dice.pick(many);
        Some((format!("{record}.{link}"), to))
    }

    /// A set, perhaps filtered; where the innermost has none, one of the root.
    fn filtered(&mut self, depth: u8) -> (String, &'static str) {
        let (set, entity) = self.set().unwrap_or_else(|| {
            let (root, entity) = self.vars[0].clone();
            let (link, to) = *self.dice.pick(sayable(entity).many);
            (format!("{root}.{link}"), to)
        });
        if self.dice.roll(3) == 0 {
            let (name, filter) = self.lambda(entity, depth);
            return (format!("{set}.filter({name}, {filter})"), entity);
        }
        (set, entity)
    }

    fn lambda(&mut self, entity: &'static str, depth: u8) -> (String, String) {
        let name = format!("x{}", self.vars.len());
        self.vars.push((name.clone(), entity));
        let body = self.condition(depth);
        self.vars.pop();
        (name, body)
    }

    fn quantified(&mut self, depth: u8) -> String {
        let (set, entity) = self.filtered(depth);
        let how = *self.dice.pick(&[
            "exists(",
            "exists(",
            "all(",
            "none(",
            "exists_one(",
            "atLeast(2, ",
            "shareOf(0.5, ",
            "shareOf(1, ",
        ]);
        let (name, body) = self.lambda(entity, depth);
        format!("{set}.{how}{name}, {body})")
    }

    fn aggregate(&mut self, depth: u8) -> String {
        let (set, entity) = self.filtered(depth);
        let numbers: Vec<_> = sayable(entity)
            .fields
            .iter()
            .filter(|(_, sort)| matches!(sort, Sort::Number | Sort::Amount | Sort::Money))
            .collect();
        let op = self.operator();
        let name = format!("x{}", self.vars.len());
        if numbers.is_empty() {
            let instants: Vec<_> = sayable(entity).fields.iter().filter(|(_, sort)| *sort == Sort::Instant).collect();
            let Some((field, _)) = instants.first() else { return format!("{set}.size() {op} 1") };
            let how = *self.dice.pick(&["min", "max"]);
            return format!("{set}.{how}({name}, {name}.{field}) {op} now - days(1)");
        }
        let (field, _) = **self.dice.pick(&numbers);
        let how = *self.dice.pick(&["sum", "min", "max", "average", "sum"]);
        let with = *self.dice.pick(&["0", "50", "100", "1000000", "33"]);
        let one = format!("{name}.{field}");
        match self.dice.roll(8) {
            0 => format!("{set}.{how}({name}, {one}) * 2 {op} {with}"),
            1 => format!("{set}.{how}({name}, {one} / 4) {op} {with}"),
            5 => format!("{set}.{how}({name}, decimal({one}) / 4) {op} {with}"),
            2 => format!("{set}.average({name}, {one}) + {set}.size() {op} {with}"),
            3 => format!("{set}.{how}({name}, 100 / {one}) {op} 2"),
            4 => format!("coalesce({set}.{how}({name}, {one}), 7) {op} 7"),
            _ => format!("{set}.{how}({name}, {one}) {op} {with}"),
        }
    }

    fn sequence(&mut self, depth: u8) -> String {
        let (record, entity) = self.vars[0].clone();
        if self.innermost().1 != entity {
            return self.comparison();
        }
        let mut text = format!("sequence({record}.events");
        let steps = 2 + self.dice.roll(2);
        for step in 0..steps {
            if step > 0 && self.dice.roll(2) == 0 {
                text += &format!(", within({})", self.dice.pick(&["days(1)", "hours(1)", "days(3)", "days(500)"]));
            }
            if step > 0 && self.dice.roll(3) == 0 {
                let (name, body) = self.lambda("activity", 0);
                text += &format!(", notBetween({name}, {body})");
            }
            let (name, body) = self.lambda("activity", depth.min(1));
            text += &format!(", step({name}, {body})");
        }
        text + ")"
    }

    fn audience(&mut self) -> String {
        let (record, entity) = self.record();
        match entity {
            "person" => format!("{record}.inAudience(\"persons\")"),
            "account" => format!("{record}.inAudience(\"{}\")", self.dice.pick(&["accounts", "nobody knows"])),
            _ => self.comparison(),
        }
    }
}
