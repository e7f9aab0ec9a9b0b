use super::*;
use crate::testing::{NOW, activity_page, config, describe_object, granted, kept, read_stream, refused, shown, token};
use attiva_connector::testing::FakeHost;
use serde_json::{Value, json};

const PROGRAMS: &str = "/rest/asset/v1/programs.json";
/// History is read, and no changes are due.
const LATER: Beside = Beside { next: NOW + 100_000, busy: false };

fn described(fake: &FakeHost) {
    let fields = [
        ("leadId", "integer"),
        ("programId", "integer"),
        ("statusName", "string"),
        ("reachedSuccess", "boolean"),
        ("updatedAt", "datetime"),
    ];
    describe_object(fake, OBJECT, &fields);
}

fn go(fake: &FakeHost, cursor: Option<Cursor>) -> Page {
    read_stream(fake, &config(json!({})), "program_memberships", cursor, &[]).unwrap()
}

fn state(page: &Page) -> MembersState {
    kept(&page.next)
}

fn cursor(history: Option<History>, work: Vec<(i64, i64, i64)>) -> Option<Cursor> {
    let chain = Chain::at("C1".into(), NOW - 7200);
    let programs = ProgramsPlace { offset: 10, taken: vec![1001], ordered: None };
    let state = MembersState { chain, beside: LATER, history, work, more: false, programs };
    Some(Cursor::encode(VERSION, &state).unwrap())
}

/// The asset API says that nothing was found in words, and gives no result.
fn no_programs(fake: &FakeHost) {
    let nothing = json!({"success": true, "errors": [], "requestId": "r",
                         "warnings": ["No assets found for the given search criteria."]});
    fake.on("GET", "api", PROGRAMS).json(200, &nothing);
}

#[test]
fn history_is_an_export_for_each_ten_programs_until_there_are_none() {
    let fake = FakeHost::new();
    described(&fake);
    token(&fake, "C1");
    let begun = go(&fake, None);
    assert!(state(&begun).history.is_some());

    fake.on("GET", "api", PROGRAMS).json(200, &granted(json!([{"id": 1001}, {"id": 1002}])));
    let job = granted(json!([{"exportId": "e1", "status": "Created"}]));
    fake.on("POST", "api", "/bulk/v1/program/members/export/create.json").json(200, &job);
    let page = go(&fake, Some(begun.next));
    let order: Value = serde_json::from_slice(fake.requests().last().unwrap().body.as_deref().unwrap()).unwrap();
    assert_eq!(order["filter"], json!({"programIds": [1001, 1002]}));
    // The program's id comes by itself, and may not be asked for as well.
    assert_eq!(order["fields"], json!(["leadId", "statusName", "reachedSuccess", "updatedAt"]));
    let history = state(&page).history.unwrap();
    assert!(history.job.is_some() && history.window == 0);

    let over = History { window: 10, ..History::new(0, i64::MAX) };
    fake.on("GET", "api", PROGRAMS).json(200, &granted(json!([{"id": 1001}])));
    no_programs(&fake);
    let page = go(&fake, cursor(Some(over), Vec::new()));
    assert!(page.more && state(&page).history.is_none());
    let asked: Vec<String> = fake.request_lines().into_iter().filter(|l| l.contains(PROGRAMS)).collect();
    assert!(asked[1].contains("offset=0&") && asked[2].contains("offset=1&"), "{asked:?}");
}

#[test]
fn a_member_in_a_file_is_known_by_program_and_person() {
    let fake = FakeHost::new();
    described(&fake);
    let file = "programId,leadId,statusName,reachedSuccess,updatedAt\n\
                1001,7,On List,false,1970-01-01T00:00:05Z\n1002,7,Attended,true,1970-01-01T00:00:06Z\n";
    let done = json!([{"exportId": "e1", "status": "Completed", "numberOfRecords": 2}]);
    fake.on("GET", "api", "/bulk/v1/program/members/export/e1/status.json").json(200, &granted(done));
    fake.on("GET", "api", "/bulk/v1/program/members/export/e1/file.json").body(200, file);
    let stage = crate::cursor::Stage::Enqueued;
    let job = Some(crate::cursor::Job { stage, ..crate::cursor::Job::created("e1".into()) });
    let page = go(&fake, cursor(Some(History { job, ..History::new(0, i64::MAX) }), Vec::new()));
    assert_eq!(
        shown(&page),
        [
            "full 1001-7 leadId=7 programId=1001 statusName=On List reachedSuccess=false updatedAt=5000",
            "full 1002-7 leadId=7 programId=1002 statusName=Attended reachedSuccess=true updatedAt=6000",
        ]
    );
    assert_eq!(state(&page).history.unwrap().window, 10, "the next ten programs");
}

#[test]
fn who_moved_on_is_read_again_by_program_and_who_is_not_answered_went() {
    let fake = FakeHost::new();
    described(&fake);
    let moved = |second: i64, program: i64, lead: i64| {
        json!({"marketoGUID": "g", "leadId": lead, "activityDate": format!("1970-01-01T00:00:{second:02}Z"),
               "activityTypeId": 104, "primaryAttributeValueId": program})
    };
    let activities = json!([moved(5, 1001, 7), moved(6, 1002, 7), moved(7, 1001, 8), moved(9, 1001, 7)]);
    activity_page(&fake, activities, "C2", false);
    let member = json!({"seq": 0, "leadId": 7, "programId": 1001, "statusName": "Attended",
                        "reachedSuccess": true, "updatedAt": "1970-01-01T00:00:09Z"});
    // This family says that there is no more, and may have a token all the same.
    let mut answer = granted(json!([member]));
    answer["moreResult"] = false.into();
    answer["nextPageToken"] = "X".into();
    fake.on("GET", "api", "/rest/v1/programs/1001/members.json").json(200, &answer);
    fake.on("GET", "api", "/rest/v1/programs/1002/members.json").json(200, &refused("1013", "Program not found"));
    let page = go(&fake, cursor(None, Vec::new()));
    assert_eq!(
        shown(&page),
        [
            "full 1001-7 leadId=7 programId=1001 statusName=Attended reachedSuccess=true updatedAt=9000",
            "tombstone 1001-8",
        ]
    );
    assert_eq!(page.source_times, [9000, 7000]);
    assert_eq!((page.more, state(&page).work), (true, vec![(1002, 7, 6000)]));
    let asked = fake.request_lines().pop().unwrap();
    assert!(asked.contains("filterType=leadId&filterValues=7%2C8"), "{asked}");

    let page = go(&fake, Some(page.next));
    assert_eq!((shown(&page), page.more), (vec!["tombstone 1002-7".to_owned()], false));
}
