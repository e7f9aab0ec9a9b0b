//! Audiences made of audiences.

use crate::audiences::{evaluate, make, members, send};
use crate::harness::Harness;
use crate::journey::caught_up;
use serde_json::json;

/// Each company is in the first of three audiences that fits, also when it moves from one to another.
#[test]
fn a_waterfall_has_everybody_in_the_first_that_fits() {
    let api = Harness::sandbox();
    let company = |id: &str, employees: u32, industry: &str| json!({"id": id, "fields": {"name": id, "number_of_employees": employees, "industry": industry}});
    send(
        &api,
        "account",
        &json!([
            company("a", 900, "Technology"),
            company("b", 600, "Technology"),
            company("c", 5, "Technology"),
            company("d", 5, "Retail")
        ]),
    );
    let deal = |id: &str, stage: &str| json!([{"id": "o", "fields": {"account_key": format!("{id}@shop.Web"), "stage": stage, "is_closed": false}}]);
    send(&api, "opportunity", &deal("a", "Negotiation"));
    let steps = [
        ("first", "account.opportunities.exists(o, !o.is_closed && o.stage == \"Negotiation\")"),
        ("second", "account.number_of_employees >= 500 && !inAudience(\"first\")"),
        ("third", "account.industry == \"Technology\" && !inAudience(\"first\") && !inAudience(\"second\")"),
    ];
    let ids = steps.map(|(name, rule)| make(&api, &json!({"name": name, "entity": "account", "expression": rule})));
    caught_up(&api);
    let all = || ids.iter().map(|id| members(&api, id).join(" ")).collect::<Vec<_>>();
    assert_eq!(all(), ["a", "b", "c"]);
    // The deal is another company's by now: both move, in one evaluation.
    send(
        &api,
        "opportunity",
        &json!([{"id": "o", "at": "2100-01-01T00:00:00Z", "fields": {"account_key": "c@shop.Web", "stage": "Negotiation", "is_closed": false}}]),
    );
    let run = evaluate(&api);
    assert_eq!(run["segments"].as_array().unwrap().len(), 3);
    assert_eq!(all(), ["c", "a b", ""]);
}
