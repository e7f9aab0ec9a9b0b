//! People who go to several vendors at once.

use super::{
    CRM, Connections, Leaving, NORTH, SOUTH, System, WEB, files, hashed, key, lead, listed, segment, send, sends,
};
use crate::scenarios::sinks::Sink;
use crate::scenarios::{Expected, Scenario, Stage};
use anyhow::Result;
use serde_json::{Value, json};

/// 9. Sales at a company with an open deal, told by two Marketo instances with equal ids and by the CRM: one person.
pub(super) fn bodea(stage: &mut Stage<'_>, to: &Connections) -> Result<Vec<Scenario>> {
    lead(stage, &json!({ "email": "seven@nine.example" }))?;
    let deal = |told_by: System, is_closed: bool| match told_by {
        CRM => {
            json!({ "id": "906", "fields": { "name": "Nine", "is_closed": is_closed, "account_key": key("901", CRM) } })
        }
        // South has no CRM behind it: its ids mean something else.
        _ => json!({ "id": "9", "fields": { "name": "Nine", "is_closed": is_closed,
            "account_key": key("9.mkto_org", told_by),
            "external_key": if told_by == NORTH { json!(key("906", CRM)) } else { Value::Null } } }),
    };
    for (instance, is_closed) in [(NORTH, false), (SOUTH, true)] {
        let own = |id: &str| key(id, instance);
        let crm = |id: &str| if instance == NORTH { json!(key(id, CRM)) } else { Value::Null };
        let host = if instance == NORTH { "nine" } else { "south" };
        send(stage, instance, "opportunity", &json!([deal(instance, is_closed)]))?;
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
    send(stage, CRM, "opportunity", &json!([deal(CRM, false)]))?;
    let rule =
        "person.department == \"Sales nine\" && person.accounts.exists(a, a.opportunities.exists(o, !o.is_closed))";
    let segment = segment(stage, "nine", "person", rule)?;
    let email = json!([{ "field": "email", "expression": "person.email", "required": true }]);
    let books = Expected { received: 1, activated: 1, excluded: 0, unmatched: 0 };
    let closed =
        vec![(NORTH, "opportunity", json!([deal(NORTH, true)])), (CRM, "opportunity", json!([deal(CRM, true)]))];
    Ok(vec![
        Scenario {
            name: "bodea",
            sends: sends(&segment, &to.marketo, "static-list", &email, &json!({ "mode": "match" })),
            sink: Sink::Marketo,
            holds: listed(&["seven@nine.example"]),
            books,
            warns: "",
            leaves: Leaving::later(closed.clone(), &["seven@nine.example"]),
        },
        Scenario {
            name: "bodea-ads",
            sends: sends(&segment, &to.linkedin, "people", &email, &json!({})),
            sink: Sink::LinkedIn,
            holds: vec![hashed("seven@nine.example")],
            books,
            warns: "300 matched members",
            leaves: Leaving::later(closed, &[&hashed("seven@nine.example")]),
        },
    ])
}

/// 12. One audience in three places at once.
pub(super) fn high_scores(stage: &mut Stage<'_>, to: &Connections) -> Result<Vec<Scenario>> {
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
    let scenario = |name, sends, sink, holds, warns, leaver: &str| {
        let leaves = Leaving::at_once(vec![(WEB, "person", json!([person("high", 10)]))], &[leaver]);
        Scenario { name, sends, sink, holds, books, warns, leaves }
    };
    let created = sends(&segment, &to.marketo, "static-list", &email, &json!({ "mode": "create" }));
    let shown = sends(&segment, &to.linkedin, "people", &email, &json!({}));
    Ok(vec![
        scenario("high-scores", created, Sink::Marketo, listed(&both), "", both[0]),
        scenario("high-scores-ads", shown, Sink::LinkedIn, hashes.to_vec(), "300 matched members", &hashed(both[0])),
        scenario(
            "high-scores-files",
            files(&segment, &to.files, &email),
            Sink::Files,
            both.map(str::to_owned).to_vec(),
            "",
            both[0],
        ),
    ])
}
