//! Every stream read from a simulated instance to its end, compared with what is there, changed, and read on.

use crate::testing::{NOW, config, read_stream, shown};
use attiva_connector::testing::FakeHost;
use attiva_connector::{Cursor, Request, Response, RowKind};
use attiva_simulators::marketo::{Limits, Marketo, MarketoConfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

mod moving;

const LEADS: u64 = 1_200;

struct World {
    marketo: Marketo,
    /// How often a page of history came by REST.
    by_pages: u32,
    /// Where the host's clock stands, in seconds.
    now: i64,
    /// Ends with the world, and the simulator with it.
    _runtime: tokio::runtime::Runtime,
    cursors: BTreeMap<&'static str, Cursor>,
    /// By stream: key and row.
    records: BTreeMap<&'static str, BTreeMap<String, String>>,
}

impl World {
    fn start(native_crm: bool) -> Self {
        Self::with(MarketoConfig { native_crm, ..MarketoConfig::default() })
    }

    fn with(config: MarketoConfig) -> Self {
        Self::of(LEADS, config)
    }

    fn of(leads: u64, config: MarketoConfig) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let marketo = runtime.block_on(Marketo::start(MarketoConfig {
            leads,
            now: "2026-01-01T00:00:00Z".parse().ok(),
            limits: Limits::OFF,
            status_interval: Duration::from_millis(2),
            ..config
        }));
        Self {
            marketo: marketo.unwrap(),
            by_pages: 0,
            now: NOW,
            _runtime: runtime,
            cursors: BTreeMap::new(),
            records: BTreeMap::new(),
        }
    }

    /// A host whose vendor is the simulator: it adds the credential and sends. Each stream of a run has one of its own.
    fn host(&self) -> FakeHost {
        let (address, service) = (self.marketo.address(), self.marketo.config().clone());
        let login = format!(
            "/identity/oauth/token?grant_type=client_credentials&client_id={}&client_secret={}",
            service.client_id, service.client_secret
        );
        let answer: Value = serde_json::from_slice(&send(address, "GET", &login, &[], &[]).body).unwrap();
        let token = format!("Bearer {}", answer["access_token"].as_str().unwrap());
        let host = FakeHost::with_vendor(move |request: &Request| {
            let mut headers = request.headers.clone();
            headers.push(("authorization".into(), token.clone()));
            Some(Ok(send(
                address,
                &request.method,
                &request.path,
                &headers,
                request.body.as_deref().unwrap_or_default(),
            )))
        });
        host.set_now_ms(u64::try_from(self.now).unwrap() * 1000);
        host
    }

    /// Reads a stream to its end, as the host does: with keys first, then without.
    fn read(&mut self, stream: &'static str, keys: &[String]) {
        let config = config(json!({"start_date": "2025-10-25", "named_account_lists": ["Target accounts"]}));
        let host = self.host();
        let batches = keys.chunks(300).chain([&[][..]]);
        for keys in batches {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            loop {
                let cursor = self.cursors.get(stream).cloned();
                let page = read_stream(&host, &config, stream, cursor, &keys).unwrap();
                let said = page.estimate.as_ref().map_or("", |estimate| estimate.phase.as_str());
                self.by_pages += u32::from(said.contains("page by page"));
                assert!(page.rejects.is_empty(), "{stream}: {:?}", page.rejects);
                let records = self.records.entry(stream).or_default();
                for (row, text) in shown(&page).into_iter().enumerate() {
                    let key = text.split(' ').nth(1).unwrap().to_owned();
                    match page.kinds[row] {
                        RowKind::Full => records.insert(key, text),
                        _ => records.remove(&key),
                    };
                }
                self.cursors.insert(stream, page.next);
                if page.wait_ms.is_some() {
                    std::thread::sleep(Duration::from_millis(3));
                }
                if !page.more {
                    break;
                }
            }
        }
    }

    fn keys(&self, stream: &str) -> Vec<String> {
        self.records.get(stream).map(|records| records.keys().cloned().collect()).unwrap_or_default()
    }

    /// The values of a column, each once.
    fn values(&self, stream: &str, column: &str) -> Vec<String> {
        let start = format!(" {column}=");
        let value = |row: &String| row.split_once(&start)?.1.split(' ').next().map(str::to_owned);
        let mut values: Vec<String> = self.records[stream].values().filter_map(value).collect();
        values.sort();
        values.dedup();
        values
    }

    /// What is there: a record's key out of these fields.
    fn expected(&self, of: &str, key: &[&str]) -> Vec<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let records = self.marketo.records(of);
        let mut keys: Vec<String> =
            records.iter().map(|r| key.iter().map(|name| text(&r[*name])).collect::<Vec<_>>().join("-")).collect();
        keys.sort();
        keys
    }

    fn listed(&self) -> Vec<String> {
        let on = |list: u64| self.marketo.listed(list).into_iter().map(move |lead| format!("{list}-{lead}"));
        let mut all: Vec<String> = (1..=20).flat_map(on).collect();
        all.sort();
        all
    }

    fn read_all(&mut self) {
        self.read("persons", &[]);
        let (persons, companies) = (self.keys("persons"), self.values("persons", "contactCompany"));
        self.read("companies", &companies);
        self.read("named_accounts", &[]);
        if !self.marketo.config().native_crm {
            self.read("opportunity_roles", &persons);
            let opportunities = self.values("opportunity_roles", "externalOpportunityId");
            self.read("opportunities", &opportunities);
        }
        for stream in ["programs", "program_memberships", "static_lists", "static_list_memberships", "activities"] {
            self.read(stream, &[]);
        }
    }
}

/// One call on a connection of its own.
fn send(address: SocketAddr, method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Response {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body = answer[end + 4..].to_vec();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    Response { status, headers, body: if chunked { unchunked(&body) } else { body } }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(line) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&body[line + 2..line + 2 + size]);
        body = &body[line + 2 + size + 2..];
    }
    whole
}

#[test]
fn all_ten_datasets_arrive_whole_and_what_changes_follows() {
    let mut world = World::start(false);
    world.read_all();
    assert_eq!(world.keys("persons").len() as u64, LEADS);
    let companies = world.values("persons", "contactCompany");
    let mut read: Vec<String> = world.keys("companies").iter().map(|key| key.replace(".mkto_org", "")).collect();
    read.sort();
    assert_eq!(read, companies, "the companies that persons have");
    let accounts: Vec<String> = world.keys("named_accounts").iter().map(|key| key.replace(".mkto_acct", "")).collect();
    assert_eq!(accounts, world.expected("namedaccounts", &["marketoGUID"]));
    assert_eq!(world.keys("opportunity_roles"), world.expected("opportunities/roles", &["marketoGUID"]));
    assert_eq!(world.keys("opportunities"), world.expected("opportunities", &["externalOpportunityId"]));
    assert_eq!(world.keys("programs"), world.expected("programs", &["id"]));
    assert_eq!(world.keys("program_memberships"), world.expected("programs/members", &["programId", "leadId"]));
    assert_eq!(world.keys("static_list_memberships"), world.listed());
    let activities = world.keys("activities").len();
    let joined = world.listed().len() + world.keys("program_memberships").len() + world.keys("opportunity_roles").len();
    assert!(activities > joined + LEADS as usize, "{activities} activities, {joined} of which say who joined");

    // A lead comes on a list and goes from another, moves in a program, leaves one, and its opportunity is won.
    let list = world.marketo.listed(2);
    let outsider = (1..=LEADS).find(|lead| !world.marketo.listed(1).contains(lead)).unwrap();
    world.marketo.set_listed(1, outsider, true).unwrap();
    world.marketo.set_listed(2, list[0], false).unwrap();
    let members = world.marketo.records("programs/members");
    let member = |n: usize| (members[n]["programId"].as_u64().unwrap(), members[n]["leadId"].as_u64().unwrap());
    let ((moved, mover), (left, leaver)) = (member(0), member(1));
    world.marketo.set_member(moved, mover, Some("Attended")).unwrap();
    world.marketo.set_member(left, leaver, None).unwrap();
    world.marketo.set_member(moved, outsider, Some("Invited")).unwrap();
    world.marketo.change_opportunity(3, json!({"stage": "Closed Won", "isWon": true})).unwrap();
    let added = world.marketo.add_leads(1)[0];
    world.read_all();
    assert_eq!(world.keys("persons").len() as u64, LEADS + 1);
    assert!(world.keys("persons").contains(&added.to_string()));
    assert_eq!(world.keys("static_list_memberships"), world.listed());
    assert_eq!(world.keys("program_memberships"), world.expected("programs/members", &["programId", "leadId"]));
    let row = &world.records["program_memberships"][&format!("{moved}-{mover}")];
    assert!(row.contains("statusName=Attended") && row.contains("reachedSuccess=true"), "{row}");
    let won = &world.marketo.records("opportunities")[2];
    let row = &world.records["opportunities"][won["externalOpportunityId"].as_str().unwrap()];
    assert!(row.contains("stage=Closed Won") && row.contains("isWon=true"), "{row}");
    assert!(world.keys("activities").len() > activities + 5);
}

#[test]
fn under_a_native_crm_sync_everything_but_roles_and_opportunities_arrives() {
    let mut world = World::start(true);
    world.read_all();
    assert_eq!(world.keys("program_memberships"), world.expected("programs/members", &["programId", "leadId"]));
    assert!(world.values("companies", "externalCompanyId").iter().all(|id| id.starts_with("001")));
    let refused = read_stream(&world.host(), &config(json!({})), "opportunity_roles", None, &["1"]).unwrap_err();
    assert_eq!(refused.code, "marketo.703");
    // Activities of opportunities come, and do not say which: that is told, and is no failure.
    let (host, config) = (world.host(), config(json!({})));
    let begun = read_stream(&host, &config, "opportunities", None, &[]).unwrap();
    world.marketo.change_opportunity(3, json!({"stage": "Closed Won"})).unwrap();
    let page = read_stream(&host, &config, "opportunities", Some(begun.next), &[]).unwrap();
    assert_eq!((page.rows, crate::testing::warnings(&page)), (0, vec!["marketo.opportunities-unnamed"]));
}

#[test]
fn activities_that_exports_have_no_bytes_for_come_by_pages_and_are_the_same() {
    let mut whole = World::start(false);
    whole.read("activities", &[]);
    // The first export spends the day; all that is left comes by pages, before there is another day.
    let mut pages = World::with(MarketoConfig { export_bytes_per_day: 1, ..MarketoConfig::default() });
    pages.read("activities", &[]);
    assert!(pages.by_pages > 10 && whole.by_pages == 0, "{} pages", pages.by_pages);
    assert_eq!(pages.keys("activities"), whole.keys("activities"));
}

/// Their dates lie before what was read last, so they are in no page that follows it.
#[test]
fn what_marketo_files_late_arrives_within_the_half_hour() {
    let mut world = World::start(false);
    world.marketo.visit(6, "/now", None).unwrap();
    world.marketo.change_lead(8, json!({"title": "Chief of the Present"})).unwrap();
    world.read_all();
    let dated = "2025-12-31T23:59:00Z".parse().unwrap();
    world.marketo.visit(5, "/late", Some(dated)).unwrap();
    world.marketo.change_lead_late(7, json!({"title": "Chief of Lateness"}), dated).unwrap();
    let late = |world: &World| {
        let has = |stream: &str, text: &str| world.records[stream].values().any(|row| row.contains(text));
        (has("activities", "/late"), has("persons", "Chief of Lateness"))
    };
    world.now += 29 * 60;
    world.read_all();
    assert_eq!(late(&world), (false, false), "not yet: a chain goes back twice an hour");
    world.now += 2 * 60;
    let rows = world.keys("activities").len();
    world.read_all();
    assert_eq!(late(&world), (true, true));
    assert!(world.keys("activities").len() > rows);
    // It goes back once: the next time, from here.
    let calls = |world: &mut World| {
        world.read("activities", &[]);
        world.marketo.received().count("GET", "/rest/v1/activities/pagingtoken.json")
    };
    let before = calls(&mut world);
    world.now += 60;
    assert_eq!(calls(&mut world), before);
    // Where our clock is hours ahead of Marketo's, what happens meanwhile is not passed by.
    for (hours, page) in [(1, "/one"), (2, "/two"), (3, "/three")] {
        world.now = NOW + hours * 3_600;
        world.marketo.visit(9, page, None).unwrap();
        world.read("activities", &[]);
        assert!(world.records["activities"].values().any(|row| row.contains(page)), "{page}");
    }
}

#[test]
fn a_span_of_days_is_read_to_its_end_and_no_further() {
    let world = World::start(false);
    let (host, config) = (world.host(), config(json!({"start_date": "2025-11-20", "end_date": "2025-11-29"})));
    for stream in ["persons", "activities"] {
        let (mut keys, mut cursor) = (Vec::new(), None);
        loop {
            let page = read_stream(&host, &config, stream, cursor, &[]).unwrap();
            keys.extend(shown(&page).iter().map(|text| text.split(' ').nth(1).unwrap().to_owned()));
            cursor = Some(page.next);
            if page.wait_ms.is_some() {
                std::thread::sleep(Duration::from_millis(3));
            }
            if !page.more {
                break;
            }
        }
        keys.sort();
        keys.dedup();
        assert!(!keys.is_empty(), "{stream}");
        if stream == "persons" {
            let is_within = |lead: &serde_json::Map<String, Value>| {
                ("2025-11-20".."2025-11-30").contains(&&lead["createdAt"].as_str().unwrap()[..10])
            };
            let mut there: Vec<String> =
                world.marketo.leads().filter(is_within).map(|lead| lead["id"].to_string()).collect();
            there.sort();
            assert_eq!(keys, there);
        }
        // What changes is nothing of these days'.
        world.marketo.add_leads(1);
        let again = read_stream(&host, &config, stream, cursor, &[]).unwrap();
        assert_eq!((again.rows, again.more), (0, false), "{stream}");
    }
}
