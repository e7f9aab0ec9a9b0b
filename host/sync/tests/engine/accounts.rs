//! Which account a person belongs to that names none, and what families of accounts come to: as things arrive in any
//! order, change and go, judged by a naive reading of all profiles at once.

use crate::support::tables::{Office, Row, Tables, Vendors, deleted, row};
use crate::support::{PERSON, attribute, document};
use attiva_core::account::matching::{Candidate, Matched, Matcher};
use attiva_core::account::roll_up::{How, RollUp};
use attiva_core::account::rules::MatchRules;
use attiva_core::model::custom::Custom;
use attiva_core::model::{EntityKind, EntityName, Layout};
use attiva_core::ports::store::{Expect, Kind, Profile, Reconsider};
use attiva_core::{Value, exchange};
use attiva_sync::policies::MODEL;
use attiva_sync::{AtTop, MATCH_RULES};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

const ACCOUNT: EntityName = EntityName::ACCOUNT;

fn vendors() -> Vendors {
    let key = |column: &str| format!("source_key(record.{column}, instance.id, instance.system)");
    let (parent, account, person, other): (&'static str, &'static str, &'static str, &'static str) =
        (key("parent").leak(), key("account").leak(), key("person").leak(), key("other").leak());
    let crm = Tables::default()
        .table(
            "account",
            "account",
            &[
                ("name", "record.name"),
                ("website", "record.site"),
                ("number_of_employees", "int(record.employees)"),
                ("annual_revenue", "decimal(record.revenue)"),
                ("annual_revenue_currency", "record.currency"),
                ("parent_key", parent),
                ("external_key", other),
            ],
        )
        .table(
            "lead",
            "person",
            &[("email", "record.mail"), ("company_name", "record.company"), ("account_key", account)],
        )
        .table("place", "account_person", &[("account_key", account), ("person_key", person)]);
    Vendors::from([("s1", Arc::new(crm))])
}

fn rolled_up() -> Custom {
    let roll_up = |name: &str, field: &str, how| RollUp {
        name: name.into(),
        field: field.into(),
        how,
        currency_field: None,
        currency: None,
    };
    let roll_ups = vec![
        roll_up("family_employees", "number_of_employees", How::Sum),
        roll_up("largest", "number_of_employees", How::Max),
    ];
    Custom { version: 1, roll_ups, ..Custom::default() }
}

async fn declared(dir: &Path, vendors: &Vendors, step: usize) -> Office {
    let office = Office::start(dir, vendors, step).await;
    let write = document(Kind::CustomModel, MODEL, &rolled_up());
    office.engine.reconsider(write, vec![], Reconsider::Records(PERSON, vec![])).await.unwrap();
    office
}

fn matched(office: &Office, lead: &str) -> Option<String> {
    attribute(&office.by_key(&PERSON, &format!("{lead}@s1.S")).unwrap().attributes, "matched_account_key")
}

fn number(profile: &Profile, name: &str) -> Option<i64> {
    match profile.attributes.iter().find(|(n, _)| n == name)?.1 {
        Value::Integer(number) => Some(number),
        _ => None,
    }
}

#[tokio::test]
async fn a_lead_belongs_to_the_account_of_its_domain_whoever_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let crm = &vendors["s1"];
    crm.tell("lead", vec![row("L1", 10, &[("mail", "ann@mail.acme.com")]), row("L2", 10, &[("mail", "bo@gmail.com")])]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    office.read_all().await;
    assert_eq!(matched(&office, "L1"), None);

    crm.tell("account", vec![row("A1", 20, &[("name", "Acme Inc."), ("site", "https://www.acme.com")])]);
    office.read_all().await;
    assert_eq!(matched(&office, "L1").as_deref(), Some("A1@s1.S"), "an account that comes later picks up its leads");
    assert_eq!(matched(&office, "L2"), None, "a free mail provider is nobody's");
    let lead = office.by_key(&PERSON, "L1@s1.S").unwrap();
    assert_eq!(number(&lead, "matched_account_score"), Some(60));
    let account = office.by_key(&ACCOUNT, "A1@s1.S").unwrap();
    assert_eq!(office.referrers(&account, &PERSON, "matched_account_key"), ["L1@s1.S"]);
    assert!(office.referrers(&account, &PERSON, "account_key").is_empty(), "it is never taken for a source's word");
    let why = serde_json::to_value(office.engine.match_of(lead.clone()).await.unwrap()).unwrap();
    assert_eq!((&why["outcome"], &why["best"]["evidence"][0]["what"]), (&"matched".into(), &"email_domain".into()));
    assert_eq!(why["account"], account.id.as_str());

    // A source's word ends it, whichever way it is said; and where that is taken back, the match is there again.
    crm.tell("account", vec![row("A2", 20, &[("name", "Other")])]);
    crm.tell("lead", vec![row("L1", 30, &[("mail", "ann@mail.acme.com"), ("account", "A2")])]);
    office.read_all().await;
    assert_eq!(matched(&office, "L1"), None);
    assert!(office.referrers(&account, &PERSON, "matched_account_key").is_empty());
    crm.tell("lead", vec![row("L1", 40, &[("mail", "ann@mail.acme.com")])]);
    office.read_all().await;
    assert_eq!(matched(&office, "L1").as_deref(), Some("A1@s1.S"));
    crm.tell("place", vec![row("P1", 40, &[("account", "A2"), ("person", "L1")])]);
    office.read_all().await;
    assert_eq!(matched(&office, "L1"), None);
    let placed = office.by_key(&PERSON, "L1@s1.S").unwrap();
    let why = serde_json::to_value(office.engine.match_of(placed).await.unwrap()).unwrap();
    assert_eq!((&why["outcome"], &why["why"]), (&"unmatched".into(), &"placed".into()));
    crm.tell("place", vec![deleted("P1", 50)]);
    office.read_all().await;
    assert_eq!(matched(&office, "L1").as_deref(), Some("A1@s1.S"));

    crm.tell("account", vec![row("A1", 60, &[("name", "Acme Inc."), ("site", "acme.org")])]);
    office.read_all().await;
    assert_eq!(matched(&office, "L1"), None, "the account moved to another domain");
    crm.tell("account", vec![row("A3", 60, &[("name", "New"), ("site", "acme.com")])]);
    office.read_all().await;
    assert_eq!(matched(&office, "L1").as_deref(), Some("A3@s1.S"));
    crm.tell("account", vec![deleted("A3", 70)]);
    office.read_all().await;
    assert_eq!(matched(&office, "L1"), None);
    office.stop().await;
}

#[tokio::test]
async fn rules_that_are_published_hold_for_everybody_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    vendors["s1"].tell("account", vec![row("A1", 10, &[("name", "Acme Inc."), ("site", "acme.com")])]);
    vendors["s1"].tell("lead", vec![row("L1", 10, &[("mail", "ann@gmail.com"), ("company", "ACME, Ltd.")])]);
    vendors["s1"].tell("lead", vec![row("L2", 10, &[("mail", "bo@acme.com")])]);
    let office = Office::start(dir.path(), &vendors, 1).await;
    office.read_all().await;
    let both = |office: &Office| [matched(office, "L1"), matched(office, "L2")].map(|key| key.is_some());
    assert_eq!(both(&office), [false, true], "a name alone is not enough");
    let lead = office.by_key(&PERSON, "L1@s1.S").unwrap();
    let why = serde_json::to_value(office.engine.match_of(lead).await.unwrap()).unwrap();
    assert_eq!((&why["why"], &why["best"][0]["score"]), (&"below".into(), &50.into()));

    let mut rules = MatchRules { version: 2, threshold: 50, ..MatchRules::default() };
    rules.domains.shared = vec!["acme.com".into()];
    for (write, expect) in document(Kind::MatchRules, MATCH_RULES, &rules) {
        office.store.put_document(write, expect).await.unwrap();
    }
    office.engine.accounts_changed();
    office.settled().await;
    assert_eq!(both(&office), [true, false]);
    office.stop().await;
    let office = Office::start(dir.path(), &vendors, 1).await;
    office.settled().await;
    assert_eq!(both(&office), [true, false]);
    office.store.delete_document(Kind::MatchRules, MATCH_RULES, Expect::Anything).await.unwrap();
    office.stop().await;
    // What was changed while nobody worked is seen at the next start.
    let office = Office::start(dir.path(), &vendors, 1).await;
    office.settled().await;
    assert_eq!(both(&office), [false, true]);
    office.stop().await;
}

#[tokio::test]
async fn what_a_family_comes_to_stands_at_its_top_and_follows_every_change() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let crm = &vendors["s1"];
    // Children first: their parents come later.
    crm.tell("account", vec![row("C", 10, &[("name", "C"), ("employees", "5"), ("parent", "B")])]);
    crm.tell("account", vec![row("B", 10, &[("name", "B"), ("employees", "20"), ("parent", "A")])]);
    let office = declared(dir.path(), &vendors, 1).await;
    office.read_all().await;
    let account = |key: &str| office.by_key(&ACCOUNT, &format!("{key}@s1.S")).unwrap();
    let of = |key: &str| (number(&account(key), "family_employees"), number(&account(key), "largest"));
    assert_eq!((of("B"), of("C")), ((Some(25), Some(20)), (None, None)));
    crm.tell("account", vec![row("A", 20, &[("name", "A"), ("employees", "1")])]);
    office.read_all().await;
    assert_eq!((of("A"), of("B"), of("C")), ((Some(26), Some(20)), (None, None), (None, None)));
    crm.tell("account", vec![row("C", 30, &[("name", "C"), ("employees", "50"), ("parent", "B")])]);
    office.read_all().await;
    assert_eq!(of("A"), (Some(71), Some(50)));
    let shown = office.engine.hierarchy(account("C")).await.unwrap().unwrap();
    assert_eq!((shown.path, shown.end, shown.accounts), (vec![account("B").id, account("A").id], AtTop::Top, 3));
    assert_eq!((shown.ultimate, shown.roll_ups[0].value.clone()), (Some(account("A").id), serde_json::json!(71)));

    // B leaves with what is under it.
    crm.tell("account", vec![row("B", 40, &[("name", "B"), ("employees", "20")])]);
    office.read_all().await;
    assert_eq!((of("A"), of("B")), ((Some(1), Some(1)), (Some(70), Some(50))));
    // A circle has a top, too, and is named: it is degraded, and each says so.
    crm.tell("account", vec![row("A", 50, &[("name", "A"), ("employees", "1"), ("parent", "C")])]);
    crm.tell("account", vec![row("B", 50, &[("name", "B"), ("employees", "20"), ("parent", "A")])]);
    office.read_all().await;
    assert_eq!((of("A"), of("B")), ((Some(71), Some(50)), (None, None)));
    let circle = office.engine.hierarchy(account("B")).await.unwrap().unwrap();
    assert_eq!((circle.end, circle.path.len(), circle.ultimate), (AtTop::Cycle, 2, Some(account("A").id)));
    let degraded = |office: &Office| office.store.degraded_profiles(&ACCOUNT, 0, 10).unwrap();
    assert_eq!(degraded(&office).iter().map(|p| p.id.clone()).collect::<Vec<_>>(), [account("A").id]);
    assert!(account("A").degraded);
    // It is broken by taking one out.
    crm.tell("account", vec![deleted("C", 60)]);
    office.read_all().await;
    assert_eq!((of("A"), of("B")), ((Some(21), Some(20)), (None, None)));
    assert!(degraded(&office).is_empty());
    office.stop().await;
}

#[tokio::test]
async fn amounts_of_a_family_are_in_one_currency_or_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let money = |key: &str, parent: &str, amount: &str, currency: &str| {
        row(key, 10, &[("name", key), ("parent", parent), ("revenue", amount), ("currency", currency)])
    };
    let rows = vec![money("A", "", "10", "EUR"), money("B", "A", "100", "USD"), money("C", "A", "7", "GBP")];
    vendors["s1"].tell("account", rows);
    let office = Office::start(dir.path(), &vendors, 100).await;
    let revenue = RollUp {
        name: "family_revenue".into(),
        field: "annual_revenue".into(),
        how: How::Sum,
        currency_field: Some("annual_revenue_currency".into()),
        currency: Some("EUR".into()),
    };
    let custom = Custom { version: 1, roll_ups: vec![revenue], ..Custom::default() };
    let write = document(Kind::CustomModel, MODEL, &custom);
    office.engine.reconsider(write, vec![], Reconsider::Records(PERSON, vec![])).await.unwrap();
    office.read_all().await;
    let top = || office.by_key(&ACCOUNT, "A@s1.S").unwrap();
    let of = |name: &str| top().attributes.into_iter().find(|(n, _)| n == name).map(|(_, value)| value);
    let decimal = |text: &str| Some(Value::Decimal(text.into()));
    assert_eq!(of("family_revenue"), decimal("10"), "without a rate no amount is taken for another");
    let rates = exchange::RatesTable {
        base: "EUR".into(),
        rates: vec![
            exchange::DatedRate { currency: "USD".into(), from: "2026-01-01".into(), rate: "0.8".into() },
            exchange::DatedRate { currency: "USD".into(), from: "2026-11-01".into(), rate: "0.9".into() },
        ],
    };
    for (write, expect) in document(Kind::ExchangeRates, "EUR", &rates) {
        office.store.put_document(write, expect).await.unwrap();
    }
    office.engine.accounts_changed();
    office.settled().await;
    assert_eq!(
        (of("family_revenue"), of("family_revenue_currency")),
        (decimal("100"), Some(Value::Text("EUR".into())))
    );
    let shown = office.engine.hierarchy(top()).await.unwrap().unwrap();
    assert_eq!((shown.roll_ups[0].accounts, shown.roll_ups[0].left_out.len()), (2, 1));
    assert!(shown.roll_ups[0].left_out[0].contains("GBP"), "{:?}", shown.roll_ups[0].left_out);
    office.stop().await;
}

/// Something that happens to a table.
#[derive(Debug, Clone)]
struct Told {
    table: &'static str,
    row: Row,
}

fn any_told() -> impl Strategy<Value = Told> {
    let table = prop::sample::select(vec!["account", "account", "account", "lead", "lead", "place"]);
    let cell = || 0..4_u8;
    (table, 0..4_u8, (cell(), cell(), cell(), cell()), prop::bool::weighted(0.2)).prop_map(
        |(table, key, (a, b, c, d), gone)| {
            let domain = |n: u8| format!("d{}.com", n % 3);
            let cells = match table {
                "account" => vec![
                    ("name", format!("N{}", a % 2)),
                    ("site", domain(b)),
                    ("parent", format!("{c}")),
                    ("employees", format!("{}", 10 * d + key)),
                    ("other", if d == 3 { format!("{}", (key + 1) % 4) } else { String::new() }),
                ],
                "lead" => vec![
                    ("mail", format!("p{key}@{}", domain(a))),
                    ("company", format!("N{} GmbH", b % 3)),
                    ("account", if c == 0 { format!("{d}") } else { String::new() }),
                ],
                _ => vec![("account", format!("{a}")), ("person", format!("{b}"))],
            };
            let cells = cells.into_iter().filter(|(_, text)| !text.is_empty()).collect();
            Told { table, row: Row { key: format!("{key}"), at: 0, deleted: gone, cells } }
        },
    )
}

/// What there is, by the first record of each: what was worked out of it.
type Outcome = BTreeMap<String, (Option<String>, Option<i64>, Option<i64>, Option<i64>, bool)>;

fn outcome(office: &Office) -> Outcome {
    let of = |profile: &Profile| {
        (
            attribute(&profile.attributes, "matched_account_key"),
            number(profile, "matched_account_score"),
            number(profile, "family_employees"),
            number(profile, "largest"),
            profile.degraded && profile.entity == ACCOUNT,
        )
    };
    let named = |profile: &Profile| format!("{} {}", profile.entity, office.records_of(profile)[0]);
    [ACCOUNT, PERSON].iter().flat_map(|e| office.all(e)).map(|p| (named(&p), of(&p))).collect()
}

/// The same, read off all profiles at once, with no regard to what it costs.
fn naive(office: &Office) -> Outcome {
    let accounts = office.all(&ACCOUNT);
    let key = |profile: &Profile| office.records_of(profile)[0].clone();
    let parent = |of: &Profile| office.by_key(&ACCOUNT, &attribute(&of.attributes, "parent_key")?);
    // Whoever is met twice on the way up is in a circle.
    let top = |of: &Profile| {
        let (mut at, mut seen) = (of.clone(), vec![key(of)]);
        while let Some(next) = parent(&at) {
            let name = key(&next);
            if let Some(from) = seen.iter().position(|known| *known == name) {
                return (seen[from..].iter().min().unwrap().clone(), true);
            }
            seen.push(name);
            at = next;
        }
        (key(&at), false)
    };
    let tops: Vec<(String, bool)> = accounts.iter().map(top).collect();
    let mut outcome = Outcome::new();
    for account in &accounts {
        let family = || accounts.iter().zip(&tops).filter(|(_, (top, _))| *top == key(account)).map(|(a, _)| a);
        let employees: Vec<i64> = family().filter_map(|a| number(a, "number_of_employees")).collect();
        let sum = (!employees.is_empty()).then(|| employees.iter().sum());
        let circle = tops.iter().any(|(top, circle)| *circle && *top == key(account));
        outcome.insert(format!("account {}", key(account)), (None, None, sum, employees.iter().max().copied(), circle));
    }
    let matcher = Matcher::new(MatchRules::default());
    let places = office.all(&EntityName::Model(EntityKind::AccountPerson));
    for person in office.all(&PERSON) {
        let names = |place: &Profile| {
            let named = attribute(&place.attributes, "person_key").and_then(|key| office.by_key(&PERSON, &key));
            named.is_some_and(|named| named.id == person.id)
        };
        let placed = attribute(&person.attributes, "account_key").is_some() || places.iter().any(names);
        let candidates: Vec<Candidate> = accounts
            .iter()
            .zip(&tops)
            .map(|(account, (top, _))| Candidate {
                account: key(account),
                company: matcher.account(&Layout::of(EntityKind::Account).row(&account.attributes)),
                ultimate: Some(top.clone()),
            })
            .collect();
        let lead = matcher.lead(&Layout::of(EntityKind::Person).row(&person.attributes));
        let found = match matcher.decide(&lead, &candidates) {
            Matched::To(scored) if !placed => (Some(scored.account), Some(i64::from(scored.score))),
            _ => (None, None),
        };
        outcome.insert(format!("person {}", key(&person)), (found.0, found.1, None, None, false));
    }
    outcome
}

async fn worked_out(told: &[Told], lengths: &[usize], step: usize, runs: usize) -> (Outcome, Outcome) {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let mut lengths = lengths.iter().cycle();
    for chunk in told.chunks(told.len().div_ceil(runs).max(1)) {
        for it in chunk.chunks(*lengths.next().unwrap()) {
            for Told { table, row } in it {
                vendors["s1"].tell(table, vec![row.clone()]);
            }
        }
        let office = declared(dir.path(), &vendors, step).await;
        office.read_all().await;
        office.stop().await;
    }
    let office = Office::start(dir.path(), &vendors, step).await;
    office.read_all().await;
    let both = (outcome(&office), naive(&office));
    office.stop().await;
    both
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn neither_order_nor_steps_nor_restarts_change_what_is_worked_out(
        told in vec(any_told(), 1..24),
        lengths in vec(1..5_usize, 1..3),
        turn in 0..24_usize,
        step in 1..4_usize,
        runs in 1..4_usize,
    ) {
        let told: Vec<Told> = (10..).zip(told).map(|(at, mut it)| { it.row.at = at; it }).collect();
        let mut turned = told.clone();
        turned.rotate_left(turn % told.len());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ((plain, expected), (other, again)) = runtime.block_on(async {
            (worked_out(&told, &[100], 100, 1).await, worked_out(&turned, &lengths, step, runs).await)
        });
        prop_assert_eq!(&plain, &expected);
        prop_assert_eq!(&other, &again);
        prop_assert_eq!(plain, other);
    }
}

#[tokio::test]
async fn a_record_that_says_nothing_new_can_give_an_account_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let crm = &vendors["s1"];
    crm.tell("lead", vec![row("L1", 10, &[("mail", "ann@acme.com"), ("company", "Acme")])]);
    crm.tell("account", vec![row("B", 20, &[("name", "Acme"), ("site", "acme.com"), ("other", "A")])]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    office.read_all().await;
    assert_eq!(matched(&office, "L1").as_deref(), Some("B@s1.S"));
    // It is older, so that of what the two say nothing changes; a match names the first record of an account.
    crm.tell("account", vec![row("A", 10, &[("name", "Acme"), ("site", "acme.com")])]);
    office.read_all().await;
    assert_eq!(office.all(&ACCOUNT).len(), 1);
    assert_eq!(matched(&office, "L1").as_deref(), Some("A@s1.S"));
    office.stop().await;
}

#[tokio::test]
async fn a_record_that_is_told_again_unchanged_is_the_newest_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let crm = &vendors["s1"];
    let first = |at| vec![row("A", at, &[("name", "Acme"), ("employees", "10"), ("other", "B")])];
    crm.tell("account", first(10));
    crm.tell("account", vec![row("B", 20, &[("name", "Acme Inc"), ("employees", "20")])]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    office.read_all().await;
    let said = || office.all(&ACCOUNT).iter().map(|a| number(a, "number_of_employees")).collect::<Vec<_>>();
    assert_eq!(said(), [Some(20)]);
    crm.tell("account", first(30));
    office.run("s1").await;
    office.settled().await;
    assert_eq!(said(), [Some(10)]);
    office.stop().await;
}

#[tokio::test]
async fn a_record_that_goes_over_to_others_before_its_turn_leaves_what_it_was_with_behind() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let crm = &vendors["s1"];
    let pair = |first: &str, second: &str| vec![row(first, 10, &[]), row(second, 10, &[("other", first)])];
    crm.tell("account", [pair("A", "B"), pair("C", "D")].concat());
    let office = Office::start(dir.path(), &vendors, 1).await;
    office.read_all().await;
    let together = || office.all(&ACCOUNT).iter().map(|account| office.records_of(account)).collect::<BTreeSet<_>>();
    let named = |groups: &[&[&str]]| -> BTreeSet<Vec<String>> {
        groups.iter().map(|group| group.iter().map(|key| format!("{key}@s1.S")).collect()).collect()
    };
    assert_eq!(together(), named(&[&["A", "B"], &["C", "D"]]));
    // Both are stored at once. C is projected first, finds B, and B says by then that it does not belong to A any more.
    crm.tell("account", vec![row("C", 20, &[("other", "B")]), row("B", 20, &[])]);
    office.read_all().await;
    assert_eq!(together(), named(&[&["A"], &["B", "C", "D"]]));
    office.stop().await;
}

#[tokio::test]
async fn of_subsidiaries_with_one_domain_the_head_of_the_family_is_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let crm = &vendors["s1"];
    crm.tell("lead", vec![row("L1", 10, &[("mail", "ann@acme.com")])]);
    crm.tell("account", vec![row("A", 10, &[("name", "Acme"), ("site", "acme.com")])]);
    crm.tell("account", vec![row("B", 10, &[("name", "Acme Iberia"), ("site", "acme.com")])]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    office.read_all().await;
    assert_eq!(matched(&office, "L1"), None, "two are as good");
    crm.tell("account", vec![row("B", 20, &[("name", "Acme Iberia"), ("site", "acme.com"), ("parent", "A")])]);
    office.read_all().await;
    assert_eq!(matched(&office, "L1").as_deref(), Some("A@s1.S"));
    let known: BTreeSet<String> = office.all(&ACCOUNT).iter().map(|a| office.records_of(a)[0].clone()).collect();
    assert_eq!(known.len(), 2);
    office.stop().await;
}
