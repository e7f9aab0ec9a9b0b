use super::*;
use crate::testing::{
    NOW, activity_page, config, describe_object, granted, read_stream, refused, shown, token, warnings,
};
use attiva_connector::testing::FakeHost;
use serde_json::json;

const COMPANIES: &str = "/rest/v1/companies.json";
const OPPORTUNITIES: &str = "/rest/v1/opportunities.json";
const ROLES: &str = "/rest/v1/opportunities/roles.json";

fn fake() -> FakeHost {
    let fake = FakeHost::new();
    describe_object(&fake, "companies", &[("id", "integer"), ("company", "string"), ("updatedAt", "datetime")]);
    let opportunity =
        [("marketoGUID", "string"), (EXTERNAL_ID, "string"), ("amount", "currency"), ("isWon", "boolean")];
    describe_object(&fake, "opportunities", &opportunity);
    let role = [("marketoGUID", "string"), (EXTERNAL_ID, "string"), (LEAD_ID, "integer"), ("role", "string")];
    describe_object(&fake, "opportunities/roles", &role);
    fake
}

fn go(fake: &FakeHost, stream: &str, cursor: Option<Cursor>, keys: &[&str]) -> Result<Page> {
    read_stream(fake, &config(json!({})), stream, cursor, keys)
}

fn cursor() -> Option<Cursor> {
    let chain = Chain::at("C1".into(), NOW - 7200);
    Some(Cursor::encode(VERSION, &OpportunityState { chain }).unwrap())
}

fn happened(fake: &FakeHost, activities: serde_json::Value) {
    activity_page(fake, activities, "C2", false);
}

fn asked(fake: &FakeHost, path: &str) -> String {
    fake.request_lines().into_iter().rfind(|line| line.contains(path)).unwrap()
}

#[test]
fn companies_are_read_by_the_keys_given_and_by_no_others() {
    let fake = fake();
    // An answer holds less than was asked for: one is gone, a field that is null is left out.
    let found =
        json!([{"seq": 0, "id": 5, "company": "Acme", "updatedAt": "1970-01-01T00:00:02Z"}, {"seq": 1, "id": 6}]);
    fake.on("GET", "api", COMPANIES).json(200, &granted(found));
    let page = go(&fake, "companies", None, &["6", "5", "7", "5", "", "a,b"]).unwrap();
    assert_eq!(shown(&page), ["full 5.mkto_org id=5 company=Acme updatedAt=2000", "full 6.mkto_org id=6"]);
    // Each key once; one with a comma cannot be asked for.
    assert!(asked(&fake, COMPANIES).contains("filterType=id&filterValues=5%2C6%2C7&"));
    assert!(!page.more);
    let page = go(&fake, "companies", Some(page.next), &[]).unwrap();
    assert_eq!((page.rows, page.more, fake.requests().len()), (0, false, 2));
}

#[test]
fn keys_beyond_three_hundred_are_two_questions_and_long_ones_a_post() {
    let fake = fake();
    fake.on("GET", "api", COMPANIES).json(200, &granted(json!([])));
    let many: Vec<String> = (0..301).map(|n| format!("{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    fake.on("GET", "api", COMPANIES).json(200, &granted(json!([])));
    go(&fake, "companies", None, &many).unwrap();
    assert_eq!(fake.request_lines().iter().filter(|line| line.contains(COMPANIES)).count(), 2);
    fake.on("POST", "api", &format!("{OPPORTUNITIES}?_method=GET")).json(200, &granted(json!([])));
    let long: Vec<String> = (0..300).map(|n| format!("{n:036}")).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    go(&fake, "opportunities", cursor(), &long).unwrap();
    let body = String::from_utf8(fake.requests().pop().unwrap().body.unwrap()).unwrap();
    assert!(body.starts_with("filterType=externalOpportunityId&filterValues=0000"), "{body}");
}

#[test]
fn roles_are_read_by_person_over_all_pages_and_again_when_an_activity_names_one() {
    let fake = fake();
    token(&fake, "C1");
    let role =
        |guid: &str, lead: i64| json!({"marketoGUID": guid, EXTERNAL_ID: "006A", LEAD_ID: lead, "role": "Buyer"});
    let mut first = granted(json!([role("r1", 7)]));
    first["nextPageToken"] = "P2".into();
    fake.on("GET", "api", ROLES).json(200, &first);
    fake.on("GET", "api", ROLES).json(200, &granted(json!([role("r2", 8)])));
    let page = go(&fake, "opportunity_roles", None, &["7", "8"]).unwrap();
    assert_eq!(
        shown(&page),
        [7, 8].map(|lead| {
            let guid = lead - 6;
            format!("full r{guid} marketoGUID=r{guid} externalOpportunityId=006A leadId={lead} role=Buyer")
        })
    );
    // What happened since the chain began, which was before the first keys.
    happened(&fake, json!([{"leadId": 9, "activityTypeId": 34}, {"leadId": 9, "activityTypeId": 36}]));
    fake.on("GET", "api", ROLES).json(200, &granted(json!([role("r3", 9)])));
    let page = go(&fake, "opportunity_roles", Some(page.next), &[]).unwrap();
    assert_eq!((page.rows, page.more), (1, false));
    assert!(asked(&fake, ROLES).contains("filterType=leadId&filterValues=9&"));
    assert!(asked(&fake, "activities.json").contains("activityTypeIds=34%2C35%2C36"));
}

#[test]
fn an_opportunitys_activity_leads_to_it_by_the_roles_of_its_person() {
    let fake = fake();
    happened(&fake, json!([{"leadId": 7, "activityTypeId": 36, "primaryAttributeValueId": 12, "attributes": []}]));
    fake.on("GET", "api", ROLES)
        .json(200, &granted(json!([{EXTERNAL_ID: "006A"}, {EXTERNAL_ID: "006B"}, {EXTERNAL_ID: "006A"}])));
    let opportunity = json!({"marketoGUID": "o1", EXTERNAL_ID: "006A", "amount": "1604.47", "isWon": false});
    fake.on("GET", "api", OPPORTUNITIES).json(200, &granted(json!([opportunity])));
    let page = go(&fake, "opportunities", cursor(), &[]).unwrap();
    assert_eq!(shown(&page), ["full 006A marketoGUID=o1 externalOpportunityId=006A amount=1604.47 isWon=false"]);
    assert!(asked(&fake, OPPORTUNITIES).contains("filterType=externalOpportunityId&filterValues=006A%2C006B&"));
}

#[test]
fn where_the_crm_is_native_an_opportunity_must_be_named_and_it_is_said_if_it_is_not() {
    let fake = fake();
    fake.on("GET", "api", ROLES).always().json(200, &refused("703", "native CRM sync is on"));
    happened(
        &fake,
        json!([{"leadId": 7, "activityTypeId": 36, "attributes": [{"name": "SFDC Oppty Id", "value": "006C"}]}]),
    );
    fake.on("GET", "api", OPPORTUNITIES).json(200, &granted(json!([{"marketoGUID": "o", EXTERNAL_ID: "006C"}])));
    let page = go(&fake, "opportunities", cursor(), &[]).unwrap();
    assert_eq!((shown(&page).len(), warnings(&page).len()), (1, 0));
    happened(&fake, json!([{"leadId": 7, "activityTypeId": 36, "attributes": [{"name": "Role", "value": "x"}]}]));
    let page = go(&fake, "opportunities", cursor(), &[]).unwrap();
    assert_eq!((page.rows, warnings(&page)), (0, vec!["marketo.opportunities-unnamed"]));
    // Roles themselves are refused with the vendor's words.
    let fault = go(&fake, "opportunity_roles", cursor(), &["7"]).unwrap_err();
    assert_eq!(fault.code, "marketo.703");
}
