use super::*;
use crate::cursor::Job;
use crate::testing::{NOW, activity_page, config, granted, kept, read_stream, rejects, shown, token, warnings};
use attiva_connector::testing::FakeHost;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const TYPES: &str = "/rest/v1/activities/types.json";
/// History is read, and no changes are due.
const LATER: Beside = Beside { next: NOW + 100_000, busy: false };

fn types_are(fake: &FakeHost, ids: impl IntoIterator<Item = i64>) {
    let types: Vec<Value> = ids.into_iter().map(|id| json!({"id": id, "name": "x"})).collect();
    fake.on("GET", "api", TYPES).always().json(200, &granted(json!(types)));
}

fn go(fake: &FakeHost, cursor: Option<Cursor>) -> Result<Page> {
    read_stream(fake, &config(json!({})), "activities", cursor, &[])
}

fn state(page: &Page) -> ActivitiesState {
    kept(&page.next)
}

fn at(chains: &[(&[i64], &str)], at: usize, history: Option<History>) -> Option<Cursor> {
    let chain = |token: &str| Chain::at(token.into(), NOW - 7200);
    let chains = chains.iter().map(|(types, token)| TypeChain { types: types.to_vec(), chain: chain(token) }).collect();
    Some(Cursor::encode(VERSION, &ActivitiesState { chains, at, beside: LATER, history }).unwrap())
}

#[test]
fn ten_types_a_chain_and_none_that_the_instance_does_not_have() {
    let fake = FakeHost::new();
    types_are(&fake, [1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 24, 37, 104]);
    token(&fake, "T");
    let page = go(&fake, None).unwrap();
    let chains: Vec<Vec<i64>> = state(&page).chains.into_iter().map(|c| c.types).collect();
    assert_eq!(chains, [vec![1, 2, 3, 6, 7, 8, 9, 10, 11, 12], vec![24, 104]]);
    assert!(state(&page).history.is_some() && page.more);
    // One token for all chains.
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn chosen_types_are_read_and_unknown_ones_named() {
    let fake = FakeHost::new();
    types_are(&fake, [1, 13, 100_001, 37]);
    token(&fake, "T");
    let chosen = config(json!({"activity_types": [100_001, 13]}));
    let page = read_stream(&fake, &chosen, "activities", None, &[]).unwrap();
    assert_eq!(state(&page).chains[0].types, [100_001, 13]);
    for wrong in [2, 37] {
        let chosen = config(json!({"activity_types": [wrong]}));
        let fault = read_stream(&fake, &chosen, "activities", None, &[]).unwrap_err();
        assert_eq!(fault.code, "marketo.activity-type-unknown");
        assert_eq!(fault.field.as_deref(), Some("activity_types"));
    }
}

#[test]
fn chains_are_read_one_after_the_other_each_from_its_own_token() {
    let fake = FakeHost::new();
    activity_page(&fake, json!([]), "A2", true);
    activity_page(&fake, json!([]), "A3", false);
    activity_page(&fake, json!([]), "B2", false);
    let mut cursor = at(&[(&[1], "A1"), (&[24], "B1")], 0, None);
    for more in [true, true, false] {
        let page = go(&fake, cursor).unwrap();
        assert_eq!(page.more, more);
        cursor = Some(page.next);
    }
    let asked: Vec<String> = fake.requests().iter().map(|r| r.path.clone()).collect();
    assert!(asked[0].contains("activityTypeIds=1&") && asked[0].ends_with("nextPageToken=A1"), "{}", asked[0]);
    assert!(asked[1].ends_with("nextPageToken=A2") && asked[2].contains("activityTypeIds=24&"), "{asked:?}");
    let state: ActivitiesState = kept(&cursor.unwrap());
    let tokens: Vec<&str> = state.chains.iter().map(|c| c.chain.token.as_str()).collect();
    assert_eq!((tokens, state.at), (vec!["A3", "B2"], 0));
}

#[test]
fn an_activity_is_known_by_its_guid_and_what_its_attributes_say_are_columns() {
    let fake = FakeHost::new();
    let activities = json!([
        {"id": 1, "marketoGUID": "g1", "leadId": 7, "activityDate": "1970-01-01T00:00:05Z", "activityTypeId": 1,
         "primaryAttributeValueId": 3, "primaryAttributeValue": "/pricing",
         "attributes": [{"name": "Webpage URL", "value": "/pricing"}, {"name": "Referrer URL", "value": "https://x.example"}]},
        {"marketoGUID": 8, "leadId": 7, "activityDate": "1970-01-01T00:00:06Z", "activityTypeId": 24, "campaignId": 9,
         "primaryAttributeValueId": 12, "primaryAttributeValue": "Webinar"},
        {"marketoGUID": "g3", "leadId": 7, "activityDate": "x", "activityTypeId": 9999},
        {"id": 5, "leadId": 7, "activityTypeId": 1},
    ]);
    activity_page(&fake, activities, "A2", false);
    let page = go(&fake, at(&[(&[1, 24], "A1")], 0, None)).unwrap();
    assert_eq!(
        shown(&page),
        [
            "full g1 marketoGUID=g1 leadId=7 activityDate=5000 activityTypeId=1 primaryAttributeValueId=3 \
             primaryAttributeValue=/pricing attributes={\"Referrer URL\":\"https://x.example\",\"Webpage URL\":\"/pricing\"} \
             eventType=web.webpagedetails.pageViews pageUrl=/pricing referrerUrl=https://x.example",
            "full 8 marketoGUID=8 leadId=7 activityDate=6000 activityTypeId=24 campaignId=9 primaryAttributeValueId=12 \
             primaryAttributeValue=Webinar attributes={} eventType=listOperation.addToList",
            "full g3 marketoGUID=g3 leadId=7 activityTypeId=9999 attributes={} eventType=marketo.activity9999",
        ]
    );
    assert_eq!(rejects(&page), ["key-missing - marketoGUID"]);
    assert_eq!(page.source_times, [5000, 6000, 0]);
}

/// The ids of what a person is moved to are attributes; so are the values of an opportunity that changed, as JSON in a text.
#[test]
fn where_somebody_was_moved_to_and_what_changed_are_columns() {
    let fake = FakeHost::new();
    let activity = |kind: i64, name: &str, value: Value| {
        json!({"marketoGUID": format!("g{kind}"), "leadId": 7, "activityTypeId": kind, "primaryAttributeValueId": 40,
               "attributes": [{"name": name, "value": value}]})
    };
    let activities = json!([
        activity(113, "Track ID", json!(5)),
        activity(114, "New Track ID", json!("6")),
        activity(101, "New Stage ID", json!(3)),
        activity(36, "Data Value Changes", json!("{\"stage\":{\"new\":\"Won\"}}")),
        activity(36, "Data Value Changes", json!("no JSON")),
    ]);
    activity_page(&fake, activities, "A2", false);
    let page = go(&fake, at(&[(&[36, 101, 113, 114], "A1")], 0, None)).unwrap();
    let made: Vec<String> =
        shown(&page).iter().filter_map(|row| Some(row.split_once("eventType=")?.1.into())).collect();
    assert_eq!(
        made,
        [
            "leadOperation.addToCampaign streamId=5",
            "leadOperation.changeCampaignStream streamId=6",
            "leadOperation.revenueStageChanged newStageId=3",
            "opportunityEvent.opportunityUpdated dataValueChanges={\"stage\":{\"new\":\"Won\"}}",
            "opportunityEvent.opportunityUpdated dataValueChanges=\"no JSON\"",
        ]
    );
}

#[test]
fn a_token_that_is_no_longer_known_begins_anew_a_little_earlier() {
    let fake = FakeHost::new();
    let refused = json!({"success": false, "errors": [{"code": "1003", "message": "Invalid nextPageToken"}]});
    fake.on("GET", "api", "/rest/v1/activities.json").json(200, &refused);
    token(&fake, "NEW");
    activity_page(&fake, json!([]), "A2", false);
    let page = go(&fake, at(&[(&[1], "OLD")], 0, None)).unwrap();
    assert_eq!(warnings(&page), ["marketo.token-renewed"]);
    assert_eq!(state(&page).chains[0].chain.token, "A2");
}

#[test]
fn history_is_an_export_of_the_chosen_types_with_the_same_columns() {
    let fake = FakeHost::new();
    let job = granted(json!([{"exportId": "e1", "status": "Created"}]));
    fake.on("POST", "api", "/bulk/v1/activities/export/create.json").json(200, &job);
    let past = History::new(NOW - 86_400, NOW);
    let page = go(&fake, at(&[(&[1, 2], "A"), (&[104], "B")], 0, Some(past.clone()))).unwrap();
    let body: Value = serde_json::from_slice(fake.requests()[0].body.as_deref().unwrap()).unwrap();
    assert_eq!(body["filter"]["activityTypeIds"], json!([1, 2, 104]));
    assert_eq!(body["filter"]["createdAt"]["endAt"], "2026-01-01T00:00:00Z");
    assert!(page.more && state(&page).history.unwrap().job.is_some());

    let file = "marketoGUID,leadId,activityDate,activityTypeId,campaignId,primaryAttributeValueId,primaryAttributeValue,attributes\n\
                783957693,54,1970-01-01T00:00:05Z,104,8497,1670,Test1,\"{\"\"New Status\"\":\"\"On List\"\",\"\"Success\"\":false}\"\n\
                null,54,1970-01-01T00:00:05Z,1,null,null,null,null\n\
                g2,54,1970-01-01T00:00:06Z,1,null,5,/a,broken\n";
    let sum = format!("sha256:{}", hex::encode(Sha256::digest(file)));
    let done = json!([{"exportId": "e1", "status": "Completed", "numberOfRecords": 3, "fileChecksum": sum}]);
    fake.on("GET", "api", "/bulk/v1/activities/export/e1/status.json").json(200, &granted(done));
    fake.on("GET", "api", "/bulk/v1/activities/export/e1/file.json").body(200, file);
    let stage = crate::cursor::Stage::Enqueued;
    let past = History { job: Some(Job { stage, ..Job::created("e1".into()) }), ..past };
    let page = go(&fake, at(&[(&[1, 104], "A")], 0, Some(past))).unwrap();
    assert_eq!(
        shown(&page),
        [
            "full 783957693 marketoGUID=783957693 leadId=54 activityDate=5000 activityTypeId=104 campaignId=8497 \
             primaryAttributeValueId=1670 primaryAttributeValue=Test1 \
             attributes={\"New Status\":\"On List\",\"Success\":false} \
             eventType=leadOperation.statusInCampaignProgressionChanged newStatus=On List",
            "full g2 marketoGUID=g2 leadId=54 activityDate=6000 activityTypeId=1 primaryAttributeValueId=5 \
             primaryAttributeValue=/a attributes=\"broken\" eventType=web.webpagedetails.pageViews",
        ]
    );
    assert_eq!(rejects(&page), ["key-missing - marketoGUID"]);
    assert_eq!(page.source_times, [5000, 6000]);
    // The only window was read: chains are next.
    assert_eq!(state(&page).history, None);
}
