//! Whole runs: who is on the list afterwards, and what a kill leaves.

use crate::support::{ADD, Harness, Intervention, REMOVE, Store, shown};
use attiva_connector::{Destination, EraseStatus, OutcomeStatus};
use destination_marketo::Marketo;
use serde_json::json;

const LEADS: [(u64, &str); 4] = [(1, "a@x.example"), (2, "B@x.example"), (3, "c@x.example"), (4, "c@x.example")];

fn matching() -> Harness {
    let mut h = Harness::new(&["email", "id"], json!({}), Store::with(&LEADS));
    h.prepare();
    h
}

fn creating() -> Harness {
    let mut h = Harness::new(&["email", "id", "city"], json!({"mode": "create"}), Store::with(&LEADS));
    h.prepare();
    h
}

#[test]
fn whoever_marketo_has_is_put_on_the_list() {
    let mut h = matching();
    let outcomes = h.deliver(&[
        (ADD, "", &[("email", " A@X.example ")]),
        (ADD, "", &[("email", "b@x.example")]),
        (ADD, "", &[("email", "nobody@x.example")]),
        (ADD, "", &[("id", "3")]),
        (ADD, "", &[("id", "99")]),
        (ADD, "", &[]),
    ]);
    assert_eq!(
        shown(&outcomes),
        ["updated", "updated", "unmatched", "updated", "unmatched marketo.1004", "rejected no-identifier"]
    );
    assert_eq!(h.members(), [1, 2, 3]);
    assert_eq!(h.store.borrow().leads.len(), 4, "nobody was made");
    assert_eq!(outcomes[1].member_id.as_deref(), Some("2"));
}

/// ECIDs cannot be asked for; the graph knows the lead that came with one, by its source key.
#[test]
fn the_graphs_own_lead_is_taken_and_the_address_wins_over_it() {
    let mut h = matching();
    let outcomes = h.deliver(&[
        (ADD, "", &[("id", "1@123-ABC-456.Marketo")]),
        (ADD, "", &[("id", "4"), ("email", "c@x.example")]),
        (ADD, "", &[("id", "1"), ("email", "b@x.example")]),
        (ADD, "", &[("id", "3"), ("email", "unknown@x.example")]),
        (ADD, "", &[("id", "1@999-ABC-456.Marketo")]),
    ]);
    assert_eq!(
        shown(&outcomes),
        ["updated", "updated", "updated lead-id-conflict", "updated", "rejected no-identifier"]
    );
    assert!(outcomes[2].message.contains("lead 1") && outcomes[2].message.contains("lead 2"), "{:?}", outcomes[2]);
    assert_eq!(h.members(), [1, 2, 3, 4]);
}

#[test]
fn of_several_leads_with_one_address_the_oldest_is_taken() {
    let mut h = matching();
    assert_eq!(shown(&h.deliver(&[(ADD, "", &[("email", "c@x.example")])])), ["updated several-leads"]);
    assert_eq!(h.members(), [3]);
}

#[test]
fn who_is_missing_is_made_once_with_attributes() {
    let mut h = creating();
    let outcomes = h.deliver(&[
        (ADD, "", &[("email", "new@x.example"), ("city", "Oslo")]),
        (ADD, "", &[("email", "NEW@x.example"), ("city", "Bergen")]),
        (ADD, "", &[("email", "a@x.example"), ("city", "Bonn")]),
        (ADD, "", &[("email", "z@x.example"), ("city", "nowhere")]),
        (ADD, "", &[("email", "c@x.example"), ("city", "Ulm")]),
        (ADD, "", &[("id", "2"), ("city", "Rome")]),
        (ADD, "", &[("id", "99"), ("city", "Rome")]),
        (ADD, "", &[("id", "2"), ("email", "a@x.example")]),
    ]);
    assert_eq!(
        shown(&outcomes),
        [
            "created",
            "created",
            "updated",
            "rejected marketo.1003",
            "updated several-leads",
            "updated",
            "unmatched marketo.1004",
            "updated lead-id-conflict"
        ]
    );
    let store = h.store.borrow();
    assert_eq!(store.leads.len(), 5, "one new lead");
    let cities: Vec<_> = [5, 1, 2].map(|id| store.leads[&id]["city"].clone()).into();
    assert_eq!(cities, ["Bergen", "Bonn", "Rome"]);
    drop(store);
    assert_eq!(h.members(), [1, 2, 3, 5]);
}

#[test]
fn what_a_profile_does_not_have_is_left_as_it_is() {
    let mut h = creating();
    h.store.borrow_mut().leads.get_mut(&1).unwrap()["city"] = json!("Bonn");
    h.deliver(&[(ADD, "", &[("email", "a@x.example"), ("city", "")])]);
    assert_eq!(h.store.borrow().leads[&1]["city"], "Bonn");
}

#[test]
fn who_left_comes_off_by_the_id_under_which_they_were_put_on() {
    let mut h = matching();
    h.deliver(&[(ADD, "", &[("email", "a@x.example")]), (ADD, "", &[("id", "2")])]);
    // The address has changed at Marketo since.
    h.store.borrow_mut().leads.get_mut(&1).unwrap()["email"] = json!("other@x.example");
    let outcomes = h.deliver(&[
        (REMOVE, "1", &[("email", "a@x.example")]),
        (REMOVE, "", &[("email", "b@x.example")]),
        (REMOVE, "3", &[]),
        (REMOVE, "99", &[]),
        (REMOVE, "", &[("email", "gone@x.example")]),
    ]);
    assert_eq!(
        shown(&outcomes),
        ["removed", "removed", "unchanged marketo.1015", "unchanged marketo.1004", "unchanged not-at-marketo"]
    );
    assert!(h.members().is_empty());
}

/// A call that was not answered told nobody's id. The answer to the removal does, also to the second one.
#[test]
fn who_was_never_named_comes_off_as_whom_the_row_was_put_on() {
    let mut h = matching();
    let (of_both, of_id) = ([("id", "1"), ("email", "b@x.example")], [("id", "3"), ("email", "unknown@x.example")]);
    h.deliver(&[(ADD, "", &of_both), (ADD, "", &of_id)]);
    assert_eq!(h.members(), [2, 3]);
    for expected in ["removed", "unchanged marketo.1015"] {
        let outcomes = h.deliver(&[(REMOVE, "", &of_both), (REMOVE, "", &of_id)]);
        assert_eq!(shown(&outcomes), [expected, expected]);
        let names: Vec<_> = outcomes.iter().map(|outcome| outcome.member_id.as_deref()).collect();
        assert_eq!((names, h.members()), (vec![Some("2"), Some("3")], vec![]));
    }
}

#[test]
fn a_member_that_is_another_lead_now_leaves_the_old_one() {
    let mut h = matching();
    h.deliver(&[(ADD, "", &[("email", "a@x.example")])]);
    assert_eq!(shown(&h.deliver(&[(ADD, "1", &[("email", "b@x.example")])])), ["updated"]);
    assert_eq!(h.members(), [2]);
    // Whom somebody else in the batch wants stays.
    assert_eq!(
        shown(&h.deliver(&[(REMOVE, "2", &[]), (ADD, "", &[("email", "b@x.example")])])),
        ["unchanged lead-shared", "updated"]
    );
    assert_eq!(h.members(), [2]);
}

/// Every call twice, the first answer lost.
#[test]
fn a_batch_that_comes_again_makes_nobody_twice() {
    for lost in ["POST /rest/v1/leads.json", "POST /rest/v1/lists/100", "DELETE /rest/v1/lists/100"] {
        let mut h = creating();
        h.deliver(&[(ADD, "", &[("email", "a@x.example")])]);
        let rows: [(_, _, &[(&str, &str)]); 2] =
            [(ADD, "", &[("email", "new@x.example"), ("city", "Oslo")]), (REMOVE, "1", &[])];
        h.intervene(lost, Intervention::Lost);
        assert!(h.try_deliver(&rows).unwrap_err().passes(), "{lost}");
        let outcomes = h.deliver(&rows);
        assert!(matches!(outcomes[0].status, OutcomeStatus::Created | OutcomeStatus::Updated));
        assert_eq!((h.members(), h.store.borrow().leads.len()), (vec![5], 5), "{lost}");
    }
}

#[test]
fn a_list_is_found_and_one_that_was_made_by_hand_says_so() {
    let mut h = matching();
    assert!(h.prepare()[0].ends_with("is there."));
    h.store.borrow_mut().lists[0].description = "Ours".into();
    assert!(h.prepare()[0].contains("not made for this target"));
    Marketo::retire(&h.host, &h.config, &h.target).unwrap();
    assert_eq!(h.store.borrow().lists.len(), 1, "whoever made it keeps it");
    h.store.borrow_mut().lists[0].description = "target act_1".into();
    Marketo::retire(&h.host, &h.config, &h.target).unwrap();
    assert!(h.store.borrow().lists.is_empty());
    Marketo::retire(&h.host, &h.config, &h.target).unwrap();
}

#[test]
fn a_kill_after_the_list_was_made_makes_no_second_one() {
    let mut h = Harness::new(&["email"], json!({}), Store::with(&LEADS));
    h.intervene("POST /rest/asset/v1/staticLists", Intervention::Lost);
    assert!(h.try_prepare(false).is_err());
    // The look-up does not show it yet; the name is taken.
    h.intervene(
        "GET /rest/asset/v1/staticList/byName",
        Intervention::Instead(json!({"success": true, "warnings": ["No"]})),
    );
    h.prepare();
    assert_eq!(h.store.borrow().lists.len(), 1);
}

#[test]
fn a_dry_run_makes_nothing_and_reckons() {
    let mut h = Harness::new(&["email"], json!({}), Store::with(&LEADS));
    h.run.rows_expected = Some(3_000);
    let notes = h.try_prepare(true).unwrap().notes;
    assert_eq!(
        notes,
        [
            "There is no list VIPs; it would be made in the folder Group Lists.",
            "3000 members take 20 calls of 300 people, about a minute."
        ]
    );
    assert!(h.store.borrow().lists.is_empty());
    assert!(h.host.request_lines().iter().all(|line| line.starts_with("GET ")));
}

#[test]
fn the_members_can_be_read_back_and_one_erased() {
    let mut h = matching();
    h.deliver(&[(ADD, "", &[("email", "a@x.example")]), (ADD, "", &[("id", "2")])]);
    let page = Marketo::members(&h.host, &h.config, &h.target, None).unwrap();
    let shown: Vec<String> =
        page.members.iter().map(|m| m.identifiers.iter().map(|(n, v)| format!("{n}={v} ")).collect()).collect();
    assert_eq!(
        (shown, page.next),
        (vec!["id=1 email=a@x.example ".to_owned(), "id=2 email=B@x.example ".into()], None)
    );
    let erase = |h: &Harness, ids: &[(&str, &str)]| {
        let ids: Vec<(String, String)> = ids.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        Marketo::erase(&h.host, &h.config, &h.target, &ids).unwrap().status
    };
    assert_eq!(erase(&h, &[("email", "b@x.example"), ("id", "1@123-ABC-456.Marketo")]), EraseStatus::Removed);
    assert!(h.members().is_empty());
    assert_eq!(erase(&h, &[("email", "b@x.example")]), EraseStatus::NotFound);
    // By the id under which somebody was put on, whatever their address is by now.
    let known = h.deliver(&[(ADD, "", &[("email", "a@x.example")])])[0].member_id.clone().unwrap();
    assert_eq!(erase(&h, &[("email", "elsewhere@x.example")]), EraseStatus::NotFound);
    assert_eq!(erase(&h, &[("email", "elsewhere@x.example"), ("member-id", &known)]), EraseStatus::Removed);
    assert!(h.members().is_empty());
}
