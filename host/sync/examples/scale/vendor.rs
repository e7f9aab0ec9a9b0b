//! A vendor that makes up a company's customers: few large accounts and many small ones, people in both, leads of no
//! account, deals, and events of which a few people have most.

use arrow_array::StringArray;
use async_trait::async_trait;
use attiva_core::config::Connection;
use attiva_core::id::{DeliveryId, RunId};
use attiva_core::page::*;
use attiva_core::ports::connector::*;
use attiva_core::spec::{DeliverySpec, MappingSpec};
use attiva_core::{DataType, Fault, FaultKind, Value};
use attiva_sync::Connectors;
use std::sync::Arc;

#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub persons: u64,
    pub events_per_person: u64,
}

impl Size {
    pub fn accounts(self) -> u64 {
        (self.persons / 10).max(1)
    }

    /// Records of a stream. Every tenth person has two records.
    pub fn of(self, stream: &str) -> u64 {
        match stream {
            "account" => self.accounts(),
            "person" => self.persons + self.persons / 10,
            "opportunity" | "role" => self.accounts() * 3,
            _ => self.persons * self.events_per_person,
        }
    }

    /// All that make profiles.
    pub fn records(self) -> u64 {
        ["account", "person", "opportunity", "role"].into_iter().map(|stream| self.of(stream)).sum()
    }

    /// The account of the nth of many: a tenth of the accounts have half of them.
    pub fn account_of(self, n: u64) -> u64 {
        let (mixed, all) = (mixed(n), self.accounts());
        if mixed.is_multiple_of(2) { (mixed / 2) % (all / 10).max(1) } else { (mixed / 2) % all }
    }
}

pub fn mixed(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    n ^ (n >> 29)
}

pub fn email(person: u64, size: Size) -> String {
    match person % 10 {
        8 => format!("p{person}@gmail.com"),
        _ => format!("p{person}@{}", domain(size.account_of(person))),
    }
}

pub fn domain(account: u64) -> String {
    format!("company{account}.com")
}

pub struct Vendor {
    pub size: Size,
}

const PAGE: u64 = 1_000;
const DAY: i64 = 86_400_000;
const NOW: i64 = 1_790_000_000_000;

/// Values by column.
type Row = Vec<(&'static str, Value)>;

impl Vendor {
    fn row(&self, stream: &str, n: u64) -> (String, Row) {
        let text = |text: String| Value::Text(text);
        let size = self.size;
        match stream {
            "account" => {
                let parent = if n.is_multiple_of(10) || n < 10 { Value::Null } else { text(format!("{}", n / 10)) };
                let row = vec![
                    ("name", text(format!("Company {n} Inc."))),
                    ("site", text(format!("https://www.{}", domain(n)))),
                    ("industry", text(["Technology", "Finance", "Retail"][n as usize % 3].into())),
                    ("employees", Value::Integer((mixed(n) % 5_000) as i64)),
                    ("country", text(["Canada", "Germany", "Spain", "Japan"][n as usize % 4].into())),
                    ("parent", parent),
                ];
                (format!("{n}"), row)
            }
            "person" => {
                // The last tenth are second records of the first ones, from the CRM.
                let (who, is_second) = if n < size.persons { (n, false) } else { ((n - size.persons) * 10, true) };
                let is_lead = matches!(who % 10, 7 | 8);
                let account = if is_lead { Value::Null } else { text(format!("{}", size.account_of(who))) };
                let mut row = vec![
                    ("mail", text(email(who, size))),
                    ("first", text(format!("First{}", mixed(who) % 5_000))),
                    ("last", text(format!("Last{}", mixed(who + 1) % 50_000))),
                    ("title", text(["CMO", "Engineer", "Buyer", "CIO", "Clerk"][who as usize % 5].into())),
                    ("department", text(["HR", "Sales", "IT"][who as usize % 3].into())),
                    ("company", text(format!("Company {} Inc.", size.account_of(who)))),
                    ("phone", text(format!("+1 555 {who:07}"))),
                    ("city", text(format!("City {}", who % 500))),
                    ("country", text("Canada".into())),
                    ("score", Value::Integer((mixed(n) % 100) as i64)),
                    ("created", Value::Timestamp(NOW - (who % 900) as i64 * DAY)),
                    ("unsubscribed", Value::Boolean(who.is_multiple_of(9))),
                    ("account", account),
                    ("other", if is_second { text(format!("{who}")) } else { Value::Null }),
                ];
                // What the model has no place for is kept as well.
                row.push(("notes", text(format!("text of some length about {who}, as there is in every system"))));
                (if is_second { format!("c{who}") } else { format!("{who}") }, row)
            }
            "opportunity" => {
                let row = vec![
                    ("name", text(format!("Deal {n}"))),
                    ("stage", text(["Prospecting", "Negotiation", "Closed Won"][n as usize % 3].into())),
                    ("amount", Value::Decimal(format!("{}", mixed(n) % 2_000_000))),
                    ("account", text(format!("{}", size.account_of(n)))),
                ];
                (format!("{n}"), row)
            }
            "role" => {
                let person = mixed(n) % size.persons;
                let row = vec![
                    ("opportunity", text(format!("{n}"))),
                    ("person", text(format!("{person}"))),
                    ("role", text("Decision Maker".into())),
                ];
                (format!("{n}"), row)
            }
            _ => {
                // Half of the events are those of a hundredth of the persons.
                let mixed = mixed(n);
                let few = (size.persons / 100).max(1);
                let who = if mixed.is_multiple_of(2) { (mixed / 2) % few } else { (mixed / 2) % size.persons };
                let row = vec![
                    ("person", text(format!("{who}"))),
                    ("type", text("web.webpagedetails.pageViews".into())),
                    ("time", Value::Timestamp(NOW - (mixed % 90) as i64 * DAY - (n % 86_000) as i64 * 1_000)),
                    ("page", text(["/pricing", "/", "/docs", "/blog"][n as usize % 4].into())),
                ];
                (format!("e{n}"), row)
            }
        }
    }
}

fn types(stream: &str) -> Vec<(&'static str, DataType)> {
    let texts = |names: &[&'static str]| names.iter().map(|name| (*name, DataType::Text)).collect::<Vec<_>>();
    match stream {
        "account" => {
            [texts(&["name", "site", "industry", "country", "parent"]), vec![("employees", DataType::Integer)]].concat()
        }
        "person" => {
            let mut all = texts(&[
                "mail",
                "first",
                "last",
                "title",
                "department",
                "company",
                "phone",
                "city",
                "country",
                "account",
                "other",
                "notes",
            ]);
            all.extend([("score", DataType::Integer), ("created", DataType::Timestamp)]);
            all.push(("unsubscribed", DataType::Boolean));
            all
        }
        "opportunity" => [texts(&["name", "stage", "account"]), vec![("amount", DataType::Decimal)]].concat(),
        "role" => texts(&["opportunity", "person", "role"]),
        _ => [texts(&["person", "type", "page"]), vec![("time", DataType::Timestamp)]].concat(),
    }
}

const STREAMS: [&str; 5] = ["account", "person", "opportunity", "role", "activity"];

#[async_trait]
impl Source for Vendor {
    async fn check(&self) -> Result<Vec<CheckResult>, Fault> {
        Ok(vec![])
    }

    async fn discover(&self) -> Result<Vec<Stream>, Fault> {
        let stream = |name: &&str| Stream {
            name: (*name).into(),
            title: (*name).into(),
            columns: types(name)
                .into_iter()
                .map(|(name, data_type)| ColumnSpec {
                    name: name.into(),
                    data_type,
                    nullable: true,
                    label: String::new(),
                })
                .collect(),
            key: "id".into(),
            cursor_column: None,
            deletes: false,
            keyed_by: None,
            suggested: false,
        };
        Ok(STREAMS.iter().map(stream).collect())
    }

    async fn read(
        &self,
        stream: &str,
        _fields: &[String],
        cursor: Option<&Cursor>,
        _keys: &[String],
        _limits: PageLimits,
    ) -> Result<(Page, Usage), Fault> {
        let first = cursor.map_or(0, |c| String::from_utf8_lossy(&c.bytes).parse().unwrap_or(0));
        let until = (first + PAGE).min(self.size.of(stream));
        let rows: Vec<(String, Row)> = (first..until).map(|n| self.row(stream, n)).collect();
        let columns = types(stream).into_iter().map(|(name, data_type)| {
            let value = |row: &Row| row.iter().find(|(n, _)| *n == name).map_or(Value::Null, |(_, v)| v.clone());
            column(name, data_type, &rows.iter().map(|(_, row)| value(row)).collect::<Vec<_>>())
        });
        let page = Page {
            keys: rows.iter().map(|(key, _)| Some(key.as_str())).collect::<StringArray>(),
            kinds: vec![RowKind::Full; rows.len()],
            source_times: vec![10; rows.len()],
            rows: Rows { len: rows.len(), columns: columns.collect() },
            merges: vec![],
            rejects: vec![],
            next: Cursor { state_version: 1, bytes: until.to_string().into_bytes() },
            more: until < self.size.of(stream),
            wait_ms: None,
            estimate: None,
            warnings: vec![],
        };
        Ok((page, Usage::default()))
    }

    async fn clear_spool(&self, _stream: &str) -> Result<(), Fault> {
        Ok(())
    }
}

/// A sandbox's connectors: this one.
pub struct Wiring(pub Arc<Vendor>);

fn nowhere() -> Fault {
    Fault::new(FaultKind::Internal, "scale.nowhere", "nothing is delivered here")
}

#[async_trait]
impl Connectors for Wiring {
    async fn source(&self, _: &Connection, _: &str, _: &RunId) -> Result<Arc<dyn Source>, Fault> {
        Ok(Arc::clone(&self.0) as Arc<dyn Source>)
    }

    async fn destination(
        &self,
        _: &Connection,
        _: &str,
        _: &DeliveryId,
    ) -> Result<(Arc<dyn Destination>, DeliverySpec), Fault> {
        Err(nowhere())
    }

    fn delivery(&self, _: &str) -> Result<DeliverySpec, Fault> {
        Err(nowhere())
    }

    fn mappings(&self, _: &str) -> Result<Vec<MappingSpec>, Fault> {
        let mapping = |stream: &str, entity: &str, fields: &[(&str, &str)]| MappingSpec {
            stream: stream.into(),
            entity: entity.into(),
            fields: fields.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect(),
        };
        let key = |column: &str| format!("source_key(record.{column}, instance.id, instance.system)");
        let (account, person, opportunity, parent, other) =
            (key("account"), key("person"), key("opportunity"), key("parent"), key("other"));
        Ok(vec![
            mapping(
                "account",
                "account",
                &[
                    ("name", "record.name"),
                    ("website", "record.site"),
                    ("industry", "record.industry"),
                    ("number_of_employees", "record.employees"),
                    ("billing_country", "record.country"),
                    ("parent_key", &parent),
                ],
            ),
            mapping(
                "person",
                "person",
                &[
                    ("email", "record.mail"),
                    ("first_name", "record.first"),
                    ("last_name", "record.last"),
                    ("job_title", "record.title"),
                    ("department", "record.department"),
                    ("company_name", "record.company"),
                    ("phone", "record.phone"),
                    ("city", "record.city"),
                    ("country", "record.country"),
                    ("person_score", "record.score"),
                    ("created_date", "record.created"),
                    ("is_unsubscribed", "record.unsubscribed"),
                    ("account_key", &account),
                    ("external_key", &other),
                ],
            ),
            mapping(
                "opportunity",
                "opportunity",
                &[
                    ("name", "record.name"),
                    ("stage", "record.stage"),
                    ("amount", "record.amount"),
                    ("account_key", &account),
                ],
            ),
            mapping(
                "role",
                "opportunity_person",
                &[("opportunity_key", &opportunity), ("person_key", &person), ("person_role", "record.role")],
            ),
            mapping(
                "activity",
                "activity",
                &[("type", "record.type"), ("time", "record.time"), ("person_key", &person), ("page", "record.page")],
            ),
        ])
    }

    fn configuration_keys(&self, _: &str) -> Result<Vec<String>, Fault> {
        Ok(vec![])
    }
}
