use attiva_connector::testing::FakeHost;
use attiva_connector::{
    CheckResult, DataType, Destination, Finished, Operation, Outcome, OutcomeStatus, Plugin, Run, Target, parse_config,
};
use attiva_simulators::marketo::{Fault, Injection, Limits, Marketo as Simulator, MarketoConfig};
use attiva_vendors_tests::{NOW, Row, batch, host, token};
use destination_marketo::Marketo;
use serde_json::{Value, json};
use std::time::Duration;

struct Scene {
    runtime: tokio::runtime::Runtime,
    simulator: Simulator,
    host: FakeHost,
    config: <Marketo as Plugin>::Config,
    target: Target,
    run: Run,
    state: Vec<u8>,
}

fn scene(columns: &[&str], options: Value) -> Scene {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = MarketoConfig {
        leads: 400,
        now: NOW.parse().ok(),
        limits: Limits::OFF,
        shared_email_every: 0,
        missing_email_every: 0,
        status_interval: Duration::from_millis(1),
        ..MarketoConfig::default()
    };
    let simulator = runtime.block_on(Simulator::start(config)).expect("a free port");
    let client = simulator.config().clone();
    let host = host(simulator.base_url(), move |base| {
        let MarketoConfig { client_id, client_secret, .. } = &client;
        let query = format!("grant_type=client_credentials&client_id={client_id}&client_secret={client_secret}");
        token(&format!("{base}/identity/oauth/token?{query}"), None)
    });
    let columns = columns.iter().map(|name| ((*name).to_owned(), DataType::Text)).collect();
    Scene {
        runtime,
        simulator,
        host,
        config: parse_config(r#"{"munchkin_id":"123-ABC-456","client_id":"c"}"#).unwrap(),
        target: Target {
            id: "act_1".into(),
            object: "static-list".into(),
            name: "VIPs & friends".into(),
            options: options.to_string(),
        },
        run: Run { id: "run-1".into(), started_ms: 0, rows_expected: None, columns },
        state: Vec::new(),
    }
}

impl Scene {
    fn prepare(&mut self) {
        self.state = Marketo::prepare(&self.host, &self.config, &self.target, &self.run, false).unwrap().state;
    }

    fn deliver(&mut self, rows: &[Row<'_>]) -> Vec<Outcome> {
        let batch = batch(&self.run.columns, rows);
        let delivered =
            Marketo::deliver(&self.host, &self.config, &self.target, &self.run, self.state.clone(), &batch).unwrap();
        self.state = delivered.state;
        delivered.outcomes
    }

    fn finish(&mut self) -> (Finished, Vec<(String, Outcome)>) {
        let mut exceptions = Vec::new();
        for _ in 0..100 {
            let finished =
                Marketo::finish(&self.host, &self.config, &self.target, &self.run, self.state.clone()).unwrap();
            self.state.clone_from(&finished.state);
            exceptions.extend(finished.exceptions.clone());
            if finished.pending_become != OutcomeStatus::Pending {
                return (finished, exceptions);
            }
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
        }
        panic!("it never ends");
    }

    fn emails(&self) -> Vec<String> {
        self.simulator.leads().filter_map(|lead| Some(lead["email"].as_str()?.to_owned())).collect()
    }

    /// Everybody on the list, page by page.
    fn members(&self) -> usize {
        let (mut after, mut count) = (None, 0);
        loop {
            let page = Marketo::members(&self.host, &self.config, &self.target, after).unwrap();
            count += page.members.len();
            after = page.next;
            if after.is_none() {
                return count;
            }
        }
    }
}

fn rows<'a>(operation: Operation, emails: &[String]) -> Vec<Row<'a>> {
    emails.iter().map(|email| (operation, String::new(), vec![("email", email.clone())])).collect()
}

#[test]
fn people_are_matched_listed_read_back_and_taken_off() {
    let mut scene = scene(&["email"], json!({}));
    let checks = Marketo::check(&scene.host, &scene.config);
    assert!(checks.iter().all(|c: &CheckResult| c.fault.is_none() && c.skipped.is_none()), "{checks:?}");
    scene.prepare();
    let emails = scene.emails();
    let mut ids = Vec::new();
    for chunk in emails.chunks(300) {
        let outcomes = scene.deliver(&rows(Operation::Upsert, chunk));
        assert!(outcomes.iter().all(|o| o.status == OutcomeStatus::Updated), "{outcomes:?}");
        ids.extend(outcomes.into_iter().filter_map(|o| o.member_id));
    }
    assert_eq!((ids.len(), scene.members()), (400, 400));
    let unknown = scene.deliver(&rows(Operation::Upsert, &["nobody@nowhere.example".to_owned()]));
    assert_eq!(unknown[0].status, OutcomeStatus::Unmatched);
    // A token that lapses between two calls, a lead that is gone, one that never was on the list.
    scene.simulator.delete_lead(1).unwrap();
    scene.simulator.expire_tokens();
    let leavers: Vec<Row<'_>> =
        ["1", "2", "3"].iter().map(|id| (Operation::Remove, (*id).to_owned(), Vec::new())).collect();
    let statuses: Vec<_> = scene.deliver(&leavers).into_iter().map(|o| o.status).collect();
    assert_eq!(statuses, [OutcomeStatus::Unchanged, OutcomeStatus::Removed, OutcomeStatus::Removed]);
    assert_eq!(scene.members(), 397);
    // Found again by its name, with what no URL may hold.
    scene.prepare();
    Marketo::retire(&scene.host, &scene.config, &scene.target).unwrap();
    assert_eq!(scene.members(), 0);
}

#[test]
fn missing_people_are_made_and_changed() {
    let mut scene = scene(&["email", "firstName"], json!({"mode": "create"}));
    scene.prepare();
    let known = scene.emails().remove(0);
    let new = |name: &str| -> Vec<Row<'_>> {
        let cells = |email: &str| vec![("email", email.to_owned()), ("firstName", name.to_owned())];
        vec![
            (Operation::Upsert, String::new(), cells("new@nowhere.example")),
            (Operation::Upsert, String::new(), cells(&known)),
        ]
    };
    // A call in the middle is refused for now; the host sends the batch again.
    scene.simulator.inject(Injection::from(Fault::RateLimited).at("/rest/v1/lists"));
    let first = batch(&scene.run.columns, &new("Ada"));
    let fault = Marketo::deliver(&scene.host, &scene.config, &scene.target, &scene.run, scene.state.clone(), &first);
    assert_eq!(fault.unwrap_err().code, "marketo.606");
    let outcomes = scene.deliver(&new("Ada"));
    assert!(outcomes.iter().all(|o| o.status == OutcomeStatus::Updated), "made the first time: {outcomes:?}");
    let id: u64 = outcomes[0].member_id.as_ref().unwrap().parse().unwrap();
    assert_eq!(scene.simulator.lead(id).unwrap()["firstName"], "Ada");
    assert_eq!((scene.simulator.leads().count(), scene.members()), (401, 2));
}

#[test]
fn a_large_fill_goes_by_files_and_tells_whom_marketo_refused() {
    let mut scene = scene(&["email", "leadScore"], json!({"mode": "create", "import_from_rows": 500}));
    scene.run.rows_expected = Some(1_000);
    scene.prepare();
    let people: Vec<Row<'_>> = (0..1_000)
        .map(|i| {
            let score = if i == 7 { "many".to_owned() } else { i.to_string() };
            (Operation::Upsert, String::new(), vec![("email", format!("p{i}@x.example")), ("leadScore", score)])
        })
        .collect();
    for chunk in people.chunks(300) {
        assert!(scene.deliver(chunk).iter().all(|o| o.status == OutcomeStatus::Pending));
    }
    let (finished, exceptions) = scene.finish();
    assert_eq!(finished.pending_become, OutcomeStatus::Updated);
    let refused: Vec<_> = exceptions.iter().map(|(key, outcome)| (key.as_str(), outcome.status)).collect();
    assert_eq!(refused, [("key-7", OutcomeStatus::Rejected)]);
    assert_eq!((scene.members(), finished.artifacts[0].rows), (999, Some(999)));
    assert_eq!(scene.simulator.received().count("POST", "/bulk/v1/leads.json"), 1);
}

/// Two calls with one new address at once make two leads at Marketo: no third one is made, and one of them is listed.
#[test]
fn an_address_that_became_two_leads_is_put_on_once_and_never_made_again() {
    let mut scene = scene(&["email", "firstName"], json!({"mode": "create"}));
    scene.prepare();
    let row = || -> Vec<Row<'_>> {
        let cells = vec![("email", "twin@x.example".to_owned()), ("firstName", "Ada".to_owned())];
        vec![(Operation::Upsert, String::new(), cells)]
    };
    let first = scene.deliver(&row());
    assert_eq!(first[0].status, OutcomeStatus::Created);
    scene.simulator.inject(Fault::SyncRace);
    scene.deliver(&row());
    let before = scene.simulator.leads().count();
    let settled = scene.deliver(&row());
    assert_eq!((settled[0].status, settled[0].code.as_str()), (OutcomeStatus::Updated, "several-leads"));
    assert_eq!(settled[0].member_id, first[0].member_id, "the oldest");
    assert_eq!(scene.simulator.leads().count(), before);
}

/// What was made a moment ago is not found yet: nobody and no list is made a second time for it.
#[test]
fn what_a_look_up_does_not_show_yet_is_not_made_again() {
    let mut scene = scene(&["email"], json!({"mode": "create"}));
    scene.prepare();
    scene.simulator.inject(Injection::from(Fault::LookUpLags).at("/rest/asset/v1/staticList/"));
    scene.prepare();
    let new = ["fresh@x.example".to_owned()];
    assert_eq!(scene.deliver(&rows(Operation::Upsert, &new))[0].status, OutcomeStatus::Created);
    let people = scene.simulator.leads().count();
    scene.simulator.inject(Injection::from(Fault::LookUpLags).at("/rest/v1/leads.json"));
    assert_eq!(scene.deliver(&rows(Operation::Upsert, &new))[0].status, OutcomeStatus::Updated);
    assert_eq!((scene.simulator.leads().count(), scene.members()), (people, 1));
}

/// A company is a record of its own: who shows its fields does not write them, and the plan has said so.
#[test]
fn fields_of_a_company_are_told_of_and_refused_row_by_row() {
    let mut scene = scene(&["email", "company"], json!({"mode": "create"}));
    let told = Marketo::prepare(&scene.host, &scene.config, &scene.target, &scene.run, true).unwrap().notes;
    assert!(told.iter().any(|note| note.starts_with("company:") && note.contains("1021")), "{told:?}");
    scene.prepare();
    let known = scene.emails().remove(0);
    let id = scene.simulator.leads().next().unwrap()["id"].as_u64().unwrap();
    scene.simulator.change_lead(id, json!({"externalCompanyId": "C-1"})).unwrap();
    let row = |email: &str| -> Row<'_> {
        (Operation::Upsert, String::new(), vec![("email", email.to_owned()), ("company", "Acme".to_owned())])
    };
    let outcomes = scene.deliver(&[row(&known), row("new@x.example")]);
    let told: Vec<_> = outcomes.iter().map(|o| (o.status, o.code.as_str())).collect();
    assert_eq!(told, [(OutcomeStatus::Rejected, "marketo.1021"), (OutcomeStatus::Created, "")]);
}

#[test]
fn an_import_that_fails_at_marketo_is_told_and_nobody_is_taken_for_done() {
    let mut scene = scene(&["email"], json!({"mode": "create", "import_from_rows": 1}));
    scene.run.rows_expected = Some(1);
    scene.prepare();
    scene.simulator.inject(Fault::ImportFails { message: "no space left".into() });
    let outcomes = scene.deliver(&rows(Operation::Upsert, &["new@x.example".to_owned()]));
    assert_eq!(outcomes[0].status, OutcomeStatus::Pending);
    for _ in 0..1_000 {
        match Marketo::finish(&scene.host, &scene.config, &scene.target, &scene.run, scene.state.clone()) {
            Ok(finished) => {
                assert_eq!(finished.pending_become, OutcomeStatus::Pending);
                scene.state = finished.state;
                scene.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
            }
            Err(fault) => {
                assert_eq!((fault.code.as_str(), scene.members()), ("marketo.import-failed", 0));
                return assert!(fault.message.contains("no space left"), "{fault:?}");
            }
        }
    }
    panic!("it never fails");
}
