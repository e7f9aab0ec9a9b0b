//! Which audiences there are: records with answers that are known by hand, and where each goes. Every scenario has people and
//! companies of its own, told apart by its number.

use super::sinks::Sink;
use super::{Expected, Scenario, Stage};
use anyhow::Result;
use attiva_core::time::format_timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};

type System = (&'static str, &'static str);

const WEB: System = ("Web", "w");
const CRM: System = ("Salesforce", "00D1");
/// The Marketo that is read and written; what it knows is read by its connector.
const OURS: System = ("Marketo", "123-ABC-456");
/// Two others, without connections.
const NORTH: System = ("Marketo", "111-AAA-111");
const SOUTH: System = ("Marketo", "222-BBB-222");

const DECIDES: &str = "Decision Maker";

struct Connections {
    marketo: String,
    linkedin: String,
    files: String,
}

pub(super) fn all(stage: &mut Stage<'_>) -> Result<Vec<Scenario>> {
    let to = connections(stage)?;
    let mut all = vec![decision_makers(stage, &to)?, streaming_on_batch(stage, &to)?, win_back(stage, &to)?];
    all.extend(bodea(stage, &to)?);
    all.push(buying_group(stage, &to)?);
    all.push(cross_sell(stage, &to)?);
    all.extend(high_scores(stage, &to)?);
    Ok(all)
}

fn connections(stage: &mut Stage<'_>) -> Result<Connections> {
    let Stage { vendors, host, journey, .. } = stage;
    let config = vendors.marketo.config();
    let configuration =
        json!({ "munchkin_id": OURS.1, "client_id": config.client_id, "client_secret": config.client_secret });
    let marketo = journey.connect(host, "destination-marketo", &configuration, "api", &vendors.marketo.base_url())?;
    let (linkedin, url) = (&vendors.linkedin, vendors.linkedin.base_url());
    let config = linkedin.config();
    let body = json!({ "name": "ads", "plugin": "destination-linkedin", "grants": { "api": url, "login": url },
        "configuration": { "account_id": config.account.to_string(), "source_platform": config.source_platform,
            "client_id": config.client_id, "client_secret": config.client_secret,
            "refresh_token": linkedin.refresh_token() } });
    let linkedin = journey.made(host, "connections", &body)?;
    let files = journey.connect_s3(host, &json!({ "gzip": true }))?;
    Ok(Connections { marketo, linkedin, files })
}

/// 1. Whoever decides on an opportunity: known by an address, by the lead alone, or not at all.
fn decision_makers(stage: &mut Stage<'_>, to: &Connections) -> Result<Scenario> {
    let by_address = lead(stage, &json!({ "email": "one@one.example" }))?;
    let by_lead = lead(stage, &json!({ "lastName": "Two" }))?;
    send(
        stage,
        CRM,
        "person",
        &json!([
        { "id": "003", "fields": { "email": "unknown@one.example" } }, { "id": "004", "fields": { "email": "left@one.example" } }]),
    )?;
    send(stage, CRM, "opportunity", &json!([{ "id": "006", "fields": { "name": "One" } }]))?;
    let (opportunity, ours) = (key("006", CRM), |id: u64| key(&id.to_string(), OURS));
    let role = |id: &str, person: &str, role: &str| {
        json!({ "id": id, "fields": {
        "opportunity_key": opportunity, "person_key": person, "person_role": role } })
    };
    send(
        stage,
        CRM,
        "opportunity_person",
        &json!([
            role("1", &ours(by_address), DECIDES),
            role("2", &ours(by_lead), DECIDES),
            role("3", &key("003", CRM), DECIDES),
            role("4", &key("004", CRM), DECIDES)
        ]),
    )?;
    send(stage, CRM, "opportunity_person", &json!([{ "id": "4", "kind": "deleted", "at": "2100-01-01T00:00:00Z" }]))?;
    let rule = format!(
        "person.opportunity_relations.exists(r, r.person_role == \"{DECIDES}\" && r.opportunity.name == \"One\")"
    );
    let segment = segment(stage, "one", "person", &rule)?;
    let mapping = json!([{ "field": "email", "expression": "person.email" },
                         { "field": "id", "expression": "person.source_keys" }]);
    Ok(Scenario {
        name: "decision-makers",
        sends: sends(&segment, &to.marketo, "static-list", &mapping, &json!({ "mode": "match" })),
        sink: Sink::Marketo,
        holds: listed(&["one@one.example", &format!("lead {by_lead}")]),
        books: Expected { received: 3, activated: 2, excluded: 0, unmatched: 1 },
        warns: "",
    })
}

/// 4. An audience in streaming over one in batch: the one of its members who has just looked at prices.
fn streaming_on_batch(stage: &mut Stage<'_>, to: &Connections) -> Result<Scenario> {
    for name in ["maker", "cold", "other"] {
        lead(stage, &json!({ "email": format!("{name}@four.example") }))?;
    }
    let person =
        |name: &str| json!({ "id": format!("4-{name}"), "fields": { "email": format!("{name}@four.example") } });
    send(stage, WEB, "person", &json!([person("maker"), person("cold"), person("other")]))?;
    send(stage, WEB, "account", &json!([{ "id": "4", "fields": { "name": "Four", "industry": "Finance four" } }]))?;
    send(
        stage,
        WEB,
        "opportunity",
        &json!([{ "id": "4", "fields": { "name": "Four", "account_key": key("4", WEB) } }]),
    )?;
    let role = |id: &str, name: &str, role: &str| {
        json!({ "id": id, "fields": { "opportunity_key": key("4", WEB),
        "person_key": key(&format!("4-{name}"), WEB), "person_role": role } })
    };
    send(
        stage,
        WEB,
        "opportunity_person",
        &json!([role("4-1", "maker", DECIDES), role("4-2", "cold", DECIDES), role("4-3", "other", "User")]),
    )?;
    let view = |name: &str| {
        json!({ "id": format!("4-{name}"), "fields": { "type": "web.webpagedetails.pageViews",
        "email": format!("{name}@four.example"), "page": "/pricing", "time": ago(0) } })
    };
    send(stage, WEB, "activity", &json!([view("maker"), view("other")]))?;
    let rule = format!(
        "person.opportunity_relations.exists(r, r.person_role == \"{DECIDES}\" && r.opportunity.account.industry == \"Finance four\")"
    );
    segment(stage, "makers four", "person", &rule)?;
    let rule =
        "inAudience(\"makers four\") && events.exists(e, e.page == \"/pricing\" && e.time.within(last(days(1))))";
    let hot = segment(stage, "four", "person", rule)?;
    let email = json!([{ "field": "email", "expression": "person.email", "required": true }]);
    Ok(Scenario {
        name: "streaming-on-batch",
        sends: sends(&hot, &to.marketo, "static-list", &email, &json!({ "mode": "match" })),
        sink: Sink::Marketo,
        holds: listed(&["maker@four.example"]),
        books: Expected { received: 1, activated: 1, excluded: 0, unmatched: 0 },
        warns: "",
    })
}

/// 6. Who decided on a deal that was lost and looks at prices again: made where missing, and left out without consent.
fn win_back(stage: &mut Stage<'_>, to: &Connections) -> Result<Scenario> {
    let names = ["won-back", "refused", "quiet", "open"];
    let email = |name: &str| format!("{name}@six.example");
    let person =
        |name: &&str| json!({ "id": format!("6-{name}"), "fields": { "email": email(name), "last_name": name } });
    send(stage, WEB, "person", &names.iter().map(person).collect())?;
    send(
        stage,
        WEB,
        "opportunity",
        &json!([
        { "id": "6-lost", "fields": { "name": "Six", "is_closed": true, "is_won": false, "actual_close_date": day(60) } },
        { "id": "6-open", "fields": { "name": "Six", "is_closed": false } }]),
    )?;
    let role = |id: &str, name: &str, deal: &str| {
        json!({ "id": id, "fields": { "person_role": DECIDES,
        "person_key": key(&format!("6-{name}"), WEB), "opportunity_key": key(deal, WEB) } })
    };
    send(
        stage,
        WEB,
        "opportunity_person",
        &json!([
            role("6-1", "won-back", "6-lost"),
            role("6-2", "refused", "6-lost"),
            role("6-3", "quiet", "6-lost"),
            role("6-4", "open", "6-lost"),
            role("6-5", "open", "6-open")
        ]),
    )?;
    let view = |name: &str| {
        json!({ "id": format!("6-{name}"), "fields": { "type": "web.webpagedetails.pageViews",
        "email": email(name), "page": "/pricing", "time": ago(1) } })
    };
    send(stage, WEB, "activity", &json!([view("won-back"), view("refused"), view("open")]))?;
    let said = |name: &str, given: bool| {
        json!({ "identity": { "namespace": "email", "value": email(name) },
        "channel": "email", "purpose": "win-back", "given": given, "source": "form", "at": ago(9) })
    };
    stage.post("consents", &json!({ "consents": [said("won-back", true), said("refused", false)] }))?;
    let rule = format!(
        "person.opportunity_relations.exists(r, r.person_role == \"{DECIDES}\" && r.opportunity.name == \"Six\"
        && r.opportunity.is_closed && !r.opportunity.is_won && r.opportunity.actual_close_date.within(last(months(12))))
        && events.exists(e, e.page == \"/pricing\" && e.time.within(last(days(3))))
        && person.opportunities_by_role.none(o, !o.is_closed)"
    );
    let segment = segment(stage, "six", "person", &rule)?;
    let mapping = json!([{ "field": "email", "expression": "person.email", "required": true },
                         { "field": "lastName", "expression": "person.last_name" }]);
    let mut sends = sends(&segment, &to.marketo, "static-list", &mapping, &json!({ "mode": "create" }));
    sends["consent"] = json!({ "channel": "email", "purpose": "win-back" });
    Ok(Scenario {
        name: "win-back",
        sends,
        sink: Sink::Marketo,
        holds: listed(&["won-back@six.example"]),
        books: Expected { received: 2, activated: 1, excluded: 1, unmatched: 0 },
        warns: "",
    })
}

/// 9. Sales at a company with an open deal, told by two Marketo instances with equal ids and by the CRM: one person.
fn bodea(stage: &mut Stage<'_>, to: &Connections) -> Result<Vec<Scenario>> {
    lead(stage, &json!({ "email": "seven@nine.example" }))?;
    for (instance, is_closed) in [(NORTH, false), (SOUTH, true)] {
        let own = |id: &str| key(id, instance);
        let crm = |id: &str| if instance == NORTH { json!(key(id, CRM)) } else { Value::Null };
        let host = if instance == NORTH { "nine" } else { "south" };
        send(
            stage,
            instance,
            "opportunity",
            &json!([{ "id": "9", "fields": { "name": "Nine", "is_closed": is_closed,
            "account_key": own("9.mkto_org"), "external_key": crm("906") } }]),
        )?;
        send(
            stage,
            instance,
            "person",
            &json!([{ "id": "9", "fields": { "email": format!("seven@{host}.example"),
            "department": "Sales nine", "account_key": own("9.mkto_org"), "external_key": crm("903") } }]),
        )?;
        send(
            stage,
            instance,
            "account",
            &json!([{ "id": "9.mkto_org", "fields": { "name": format!("Nine {host}"),
            "external_key": crm("901") } }]),
        )?;
    }
    send(
        stage,
        CRM,
        "person",
        &json!([{ "id": "903", "fields": { "email": "seven@nine.example", "job_title": "CMO",
        "department": "Sales nine", "account_key": key("901", CRM) } }]),
    )?;
    send(stage, CRM, "account", &json!([{ "id": "901", "fields": { "name": "Bodea" } }]))?;
    send(
        stage,
        CRM,
        "opportunity",
        &json!([{ "id": "906", "fields": { "name": "Nine", "is_closed": false, "account_key": key("901", CRM) } }]),
    )?;
    let rule =
        "person.department == \"Sales nine\" && person.accounts.exists(a, a.opportunities.exists(o, !o.is_closed))";
    let segment = segment(stage, "nine", "person", rule)?;
    let email = json!([{ "field": "email", "expression": "person.email", "required": true }]);
    let books = Expected { received: 1, activated: 1, excluded: 0, unmatched: 0 };
    Ok(vec![
        Scenario {
            name: "bodea",
            sends: sends(&segment, &to.marketo, "static-list", &email, &json!({ "mode": "match" })),
            sink: Sink::Marketo,
            holds: listed(&["seven@nine.example"]),
            books,
            warns: "",
        },
        Scenario {
            name: "bodea-ads",
            sends: sends(&segment, &to.linkedin, "people", &email, &json!({})),
            sink: Sink::LinkedIn,
            holds: vec![hashed("seven@nine.example")],
            books,
            warns: "300 matched members",
        },
    ])
}

/// 10. Large companies in technology without a CMO or CIO; one of them has nobody at all.
fn buying_group(stage: &mut Stage<'_>, to: &Connections) -> Result<Scenario> {
    let company = |name: &str, employees: u32| {
        json!({ "id": format!("10-{name}"), "fields": { "name": name,
        "domain": format!("{name}.example"), "industry": "Technology ten", "number_of_employees": employees } })
    };
    send(
        stage,
        WEB,
        "account",
        &json!([company("empty", 900), company("covered", 900), company("open", 500), company("small", 20)]),
    )?;
    let person = |id: &str, title: &str, at: &str| {
        json!({ "id": id, "fields": { "email": format!("{id}@ten.example"),
        "job_title": title, "account_key": key(&format!("10-{at}"), WEB) } })
    };
    send(
        stage,
        WEB,
        "person",
        &json!([
            person("10-a", "CIO", "covered"),
            person("10-b", "Developer", "covered"),
            person("10-c", "Developer", "open")
        ]),
    )?;
    let rule = "account.number_of_employees >= 500 && account.industry == \"Technology ten\"
        && !account.people.exists(p, p.job_title in [\"CMO\", \"CIO\"])";
    let segment = segment(stage, "ten", "account", rule)?;
    let mapping = json!([{ "field": "name", "expression": "account.name", "required": true },
                         { "field": "domain", "expression": "account.domain" }]);
    let company =
        |name: &str| json!({ "companyName": name, "companyWebsiteDomain": format!("{name}.example") }).to_string();
    Ok(Scenario {
        name: "buying-group",
        sends: sends(&segment, &to.linkedin, "companies", &mapping, &json!({})),
        sink: Sink::LinkedIn,
        holds: vec![company("empty"), company("open")],
        books: Expected { received: 2, activated: 2, excluded: 0, unmatched: 0 },
        warns: "300 matched members",
    })
}

/// 11. Who bought the one and not the other, and is in no audience before: to files of what has changed.
fn cross_sell(stage: &mut Stage<'_>, to: &Connections) -> Result<Scenario> {
    let names = ["buyer", "second", "both", "early", "bargains", "key"];
    let company = |name: &&str| {
        json!({ "id": format!("11-{name}"), "fields": { "name": name, "industry": "Retail eleven",
        "rating": if *name == "key" { "Key eleven" } else { "" } } })
    };
    send(stage, WEB, "account", &names.iter().map(company).collect())?;
    let won = |id: &str, at: &str, kind: &str, days: i64| {
        json!({ "id": id, "fields": { "name": id, "is_closed": true, "is_won": true,
        "opportunity_type": kind, "account_key": key(&format!("11-{at}"), WEB), "actual_close_date": day(days) } })
    };
    send(
        stage,
        WEB,
        "opportunity",
        &json!([
        won("11-1", "buyer", "X", 150), won("11-2", "second", "X", 200),
        won("11-3", "both", "X", 150), won("11-4", "both", "Y", 20),
        won("11-5", "early", "X", 20), won("11-6", "key", "X", 150), won("11-7", "bargains", "X", 150),
        { "id": "11-8", "fields": { "name": "11-8", "stage": "Negotiation", "is_closed": false, "account_key": key("11-bargains", WEB) } }]),
    )?;
    segment(stage, "key eleven", "account", "account.rating == \"Key eleven\"")?;
    let rule = "account.opportunities.exists(o, o.is_won && o.opportunity_type == \"X\"
            && o.actual_close_date.between(date(now - months(9)), date(now - months(3))))
        && account.opportunities.none(o, o.is_won && o.opportunity_type == \"Y\")
        && account.opportunities.none(o, !o.is_closed && o.stage == \"Negotiation\")
        && !inAudience(\"key eleven\")";
    let second = segment(stage, "eleven", "account", rule)?;
    let rest = "account.industry == \"Retail eleven\" && !inAudience(\"key eleven\") && !inAudience(\"eleven\")";
    segment(stage, "rest eleven", "account", rest)?;
    let mapping = json!([{ "field": "name", "expression": "account.name", "required": true }]);
    Ok(Scenario {
        name: "cross-sell",
        sends: files(&second, &to.files, &mapping),
        sink: Sink::Files,
        holds: vec!["buyer".into(), "second".into()],
        books: Expected { received: 2, activated: 2, excluded: 0, unmatched: 0 },
        warns: "",
    })
}

/// 12. One audience in three places at once.
fn high_scores(stage: &mut Stage<'_>, to: &Connections) -> Result<Vec<Scenario>> {
    let person = |name: &str, score: u32| {
        json!({ "id": format!("12-{name}"), "fields": { "department": "Twelve",
        "email": format!("{name}@twelve.example"), "person_score": score } })
    };
    send(stage, WEB, "person", &json!([person("high", 81), person("higher", 99), person("low", 80)]))?;
    let rule = "person.person_score > 80 && person.department == \"Twelve\"";
    let segment = segment(stage, "twelve", "person", rule)?;
    let email = json!([{ "field": "email", "expression": "person.email", "required": true }]);
    let (books, both) = (
        Expected { received: 2, activated: 2, excluded: 0, unmatched: 0 },
        ["high@twelve.example", "higher@twelve.example"],
    );
    let mut hashes = both.map(hashed);
    hashes.sort();
    let scenario = |name, sends, sink, holds, warns| Scenario { name, sends, sink, holds, books, warns };
    let created = sends(&segment, &to.marketo, "static-list", &email, &json!({ "mode": "create" }));
    let shown = sends(&segment, &to.linkedin, "people", &email, &json!({}));
    Ok(vec![
        scenario("high-scores", created, Sink::Marketo, listed(&both), ""),
        scenario("high-scores-ads", shown, Sink::LinkedIn, hashes.to_vec(), "300 matched members"),
        scenario(
            "high-scores-files",
            files(&segment, &to.files, &email),
            Sink::Files,
            both.map(str::to_owned).to_vec(),
            "",
        ),
    ])
}

fn sends(segment: &str, connection: &str, object: &str, mapping: &Value, options: &Value) -> Value {
    json!({ "segment": segment, "connection": connection, "target": { "object": object, "options": options }, "mapping": mapping })
}

/// A file for each row, of what has changed.
fn files(segment: &str, connection: &str, mapping: &Value) -> Value {
    let mut sends =
        sends(segment, connection, "file", mapping, &json!({ "operation_column": "operation", "rows_per_file": 1 }));
    sends["export"] = "incremental".into();
    sends
}

/// What a list of Marketo shows: these, and the one whom others put there.
fn listed(who: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = who.iter().map(|it| (*it).to_owned()).chain(Sink::Marketo.others()).collect();
    all.sort();
    all
}

fn hashed(email: &str) -> String {
    json!([{ "idType": "SHA256_EMAIL", "idValue": hex::encode(Sha256::digest(email)) }]).to_string()
}

fn segment(stage: &mut Stage<'_>, name: &str, entity: &str, expression: &str) -> Result<String> {
    let body = json!({ "name": name, "entity": entity, "expression": expression });
    stage.journey.made(&mut stage.host, "segments", &body)
}

fn send(stage: &mut Stage<'_>, (system, id): System, entity: &str, records: &Value) -> Result<()> {
    let body = json!({ "source": { "system": system, "id": id }, "entity": entity, "records": records });
    stage.post("records", &body)?;
    stage.journey.caught_up(&mut stage.host)
}

fn lead(stage: &Stage<'_>, values: &Value) -> Result<u64> {
    stage.vendors.marketo.create_lead(values.clone()).map_err(|refused| anyhow::anyhow!("{refused:?}"))
}

fn key(id: &str, (system, instance): System) -> String {
    format!("{id}@{instance}.{system}")
}

fn ago(days: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format_timestamp(i64::try_from(now.as_millis()).unwrap_or_default() - days * 86_400_000)
}

fn day(days: i64) -> String {
    ago(days).chars().take(10).collect()
}
