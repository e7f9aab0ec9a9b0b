//! People whose part in deals, and what they do, puts them on a list of Marketo.

use super::{CRM, Connections, DECIDES, Leaving, OURS, WEB, ago, day, gone, key, lead, listed, segment, send, sends};
use crate::scenarios::sinks::Sink;
use crate::scenarios::{Expected, Scenario, Stage};
use anyhow::Result;
use serde_json::json;

/// 1. Whoever decides on an opportunity: known by an address, by the lead alone, or not at all.
pub(super) fn decision_makers(stage: &mut Stage<'_>, to: &Connections) -> Result<Scenario> {
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
    send(stage, CRM, "opportunity_person", &gone("4"))?;
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
        leaves: Leaving::later(vec![(CRM, "opportunity_person", gone("1"))], &["one@one.example"]),
    })
}

/// 4. An audience in streaming over one in batch: the one of its members who has just looked at prices.
pub(super) fn streaming_on_batch(stage: &mut Stage<'_>, to: &Connections) -> Result<Scenario> {
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
        // The deal is the batch audience's: the streaming one follows it.
        leaves: Leaving::later(vec![(WEB, "opportunity_person", gone("4-1"))], &["maker@four.example"]),
    })
}

/// 6. Who decided on a deal that was lost and looks at prices again: made where missing, and left out without consent.
pub(super) fn win_back(stage: &mut Stage<'_>, to: &Connections) -> Result<Scenario> {
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
    let again = role("6-6", "won-back", "6-open");
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
        leaves: Leaving::later(vec![(WEB, "opportunity_person", json!([again]))], &["won-back@six.example"]),
    })
}
