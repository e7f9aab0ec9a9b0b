use attiva_connector::{
    CheckResult, DataType, Destination, FaultKind, Operation, OutcomeStatus, Plugin, Run, Target, parse_config,
};
use attiva_simulators::linkedin::{Fault, LinkedIn as Simulator, LinkedInConfig};
use attiva_vendors_tests::{NOW, Row, batch, host, token};
use destination_linkedin::LinkedIn;
use serde_json::json;
use std::time::Duration;

fn simulator(runtime: &tokio::runtime::Runtime) -> Simulator {
    let config = LinkedInConfig { now: NOW.parse().ok(), ..LinkedInConfig::default() };
    runtime.block_on(Simulator::start(config)).expect("a free port")
}

fn connected(simulator: &Simulator) -> (attiva_connector::testing::FakeHost, <LinkedIn as Plugin>::Config) {
    let config = simulator.config().clone();
    let host = host(simulator.base_url(), move |base| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", config.refresh_token.as_str()),
            ("client_id", config.client_id.as_str()),
            ("client_secret", config.client_secret.as_str()),
        ];
        token(&format!("{base}/oauth/v2/accessToken"), Some(&form))
    });
    let config = json!({"account_id": "512345678", "source_platform": "ATTIVA", "client_id": "c"});
    (host, parse_config(&config.to_string()).unwrap())
}

fn target(object: &str) -> Target {
    Target { id: "act_1".into(), object: object.into(), name: "Finance".into(), options: "{}".into() }
}

fn run(columns: &[&str]) -> Run {
    let columns = columns.iter().map(|name| ((*name).to_owned(), DataType::Text)).collect();
    Run { id: "run-1".into(), started_ms: 0, rows_expected: None, columns }
}

#[test]
fn people_go_in_and_out() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let simulator = simulator(&runtime);
    let (host, config) = connected(&simulator);
    let checks = LinkedIn::check(&host, &config);
    assert!(checks.iter().all(|c: &CheckResult| c.fault.is_none() && c.skipped.is_none()), "{checks:?}");

    let (target, run) = (target("people"), run(&["email", "first_name", "last_name", "country"]));
    let prepared = LinkedIn::prepare(&host, &config, &target, &run, false).unwrap();
    simulator.skip(Duration::from_millis(prepared.wait_ms.unwrap()));
    let people: Vec<Row<'_>> = (0..6_000)
        .map(|i| {
            (Operation::Upsert, String::new(), vec![("email", format!("P{i}@x.example")), ("country", "de".into())])
        })
        .collect();
    let mut state = prepared.state;
    for rows in people.chunks(5_000) {
        let delivered = LinkedIn::deliver(&host, &config, &target, &run, state, &batch(&run.columns, rows)).unwrap();
        assert!(delivered.outcomes.iter().all(|o| o.status == OutcomeStatus::Updated));
        state = delivered.state;
    }
    assert_eq!((simulator.segments()[0].members.len(), simulator.segments()[0].lost), (6_000, 0));

    // A token that lapses in the middle, an element that is refused, and people who leave.
    simulator.inject(Fault::TokenExpired);
    simulator.inject(Fault::ElementsRefused { from: 1, count: 1, status: 400 });
    let leavers: Vec<Row<'_>> =
        people[..3].iter().map(|(_, id, cells)| (Operation::Remove, id.clone(), cells.clone())).collect();
    let delivered = LinkedIn::deliver(&host, &config, &target, &run, state, &batch(&run.columns, &leavers)).unwrap();
    let statuses: Vec<_> = delivered.outcomes.iter().map(|o| o.status).collect();
    assert_eq!(statuses, [OutcomeStatus::Removed, OutcomeStatus::Rejected, OutcomeStatus::Removed]);
    assert_eq!(simulator.segments()[0].members.len(), 5_998);

    // Two days later it is built, and large enough.
    simulator.skip(Duration::from_secs(3 * 86_400));
    let finished = LinkedIn::finish(&host, &config, &target, &run, delivered.state.clone()).unwrap();
    assert!(finished.warnings.is_empty(), "{:?}", finished.warnings);

    // Found again, not made again.
    host.set_now_ms(simulator.now_ms());
    assert!(LinkedIn::prepare(&host, &config, &target, &run, false).unwrap().wait_ms.is_none());
    assert_eq!(simulator.segments().len(), 1);
    simulator.force_status(simulator.segments()[0].id, Some("EXPIRED"));
    let dead = LinkedIn::deliver(&host, &config, &target, &run, delivered.state, &batch(&run.columns, &people[..1]));
    assert_eq!(dead.unwrap_err().code, "linkedin.segment-dead");
    LinkedIn::retire(&host, &config, &target).unwrap();
    assert!(simulator.segments().is_empty());
}

#[test]
fn companies_go_in_a_thousand_at_a_time_and_a_day_ends() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let simulator = simulator(&runtime);
    let (host, config) = connected(&simulator);
    let (target, run) = (target("companies"), run(&["name", "domain", "organization_urn"]));
    let prepared = LinkedIn::prepare(&host, &config, &target, &run, false).unwrap();
    simulator.skip(Duration::from_secs(5));
    let companies: Vec<Row<'_>> = (0..2_500)
        .map(|i| {
            (
                Operation::Upsert,
                String::new(),
                vec![("name", format!("Company {i}")), ("domain", format!("https://www.C{i}.example/"))],
            )
        })
        .collect();
    let sent = batch(&run.columns, &companies);
    let delivered = LinkedIn::deliver(&host, &config, &target, &run, prepared.state, &sent).unwrap();
    assert!(delivered.outcomes.iter().all(|o| o.status == OutcomeStatus::Updated));
    assert_eq!(
        (simulator.segments()[0].members.len(), simulator.received().count("POST", "/rest/dmpSegments/")),
        (2_500, 3)
    );
    simulator.spend_calls(200_000);
    let spent = LinkedIn::deliver(&host, &config, &target, &run, delivered.state, &sent).unwrap_err();
    assert_eq!(spent.kind, FaultKind::Quota);
}
