//! Companies as companies: to LinkedIn, and to files.

use super::{Connections, Leaving, WEB, day, files, key, segment, send, sends};
use crate::scenarios::sinks::Sink;
use crate::scenarios::{Expected, Scenario, Stage};
use anyhow::Result;
use serde_json::json;

/// 10. Large companies in technology without a CMO or CIO; one of them has nobody at all.
pub(super) fn buying_group(stage: &mut Stage<'_>, to: &Connections) -> Result<Scenario> {
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
        leaves: Leaving::later(vec![(WEB, "person", json!([person("10-d", "CMO", "open")]))], &[&company("open")]),
    })
}

/// 11. Who bought the one and not the other, and is in no audience before: to files of what has changed.
pub(super) fn cross_sell(stage: &mut Stage<'_>, to: &Connections) -> Result<Scenario> {
    let names = ["buyer", "second", "both", "early", "bargains", "key"];
    let company = |name: &&str| {
        json!({ "id": format!("11-{name}"), "fields": { "name": name, "industry": "Retail eleven",
        "rating": if *name == "key" { "Key eleven" } else { "" } } })
    };
    send(stage, WEB, "account", &names.iter().map(company).collect())?;
    let bargains = |id: &str, at: &str| {
        json!({ "id": id, "fields": { "name": id, "stage": "Negotiation",
        "is_closed": false, "account_key": key(&format!("11-{at}"), WEB) } })
    };
    let won = |id: &str, at: &str, kind: &str, days: i64| {
        json!({ "id": id, "fields": { "name": id, "is_closed": true, "is_won": true,
        "opportunity_type": kind, "account_key": key(&format!("11-{at}"), WEB), "actual_close_date": day(days) } })
    };
    send(
        stage,
        WEB,
        "opportunity",
        &json!([
            won("11-1", "buyer", "X", 150),
            won("11-2", "second", "X", 200),
            won("11-3", "both", "X", 150),
            won("11-4", "both", "Y", 20),
            won("11-5", "early", "X", 20),
            won("11-6", "key", "X", 150),
            won("11-7", "bargains", "X", 150),
            bargains("11-8", "bargains")
        ]),
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
        leaves: Leaving::later(vec![(WEB, "opportunity", json!([bargains("11-9", "second")]))], &["second"]),
    })
}
