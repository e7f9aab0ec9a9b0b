//! LinkedIn from outside: each refusal and each trap is shown.

use std::time::Duration;

use attiva_simulators::linkedin::{Duplicates, Fault, Injection, Limits, LinkedIn, LinkedInConfig, Role};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, NOW, Reply};

const HASH: &str = "52ac4b9ef8f745e007c19fac81ddb0a3f50b20029f6699ca1406225fc217f392";
const FIND: &str = "/rest/dmpSegments?q=account&account=urn%3Ali%3AsponsoredAccount%3A512345678";
const HEADERS: [(&str, &str); 3] =
    [("LinkedIn-Version", "202608"), ("X-Restli-Protocol-Version", "2.0.0"), ("Content-Type", "application/json")];

fn config() -> LinkedInConfig {
    LinkedInConfig { now: NOW.parse().ok(), ..LinkedInConfig::default() }
}

async fn start(config: LinkedInConfig) -> (LinkedIn, Client) {
    let linkedin = LinkedIn::start(config).await.expect("a free port");
    let mut client = Client { address: linkedin.address(), token: String::new() };
    let (status, answer) = login(&client, &linkedin, &linkedin.config().refresh_token.clone()).await;
    assert_eq!(status, 200, "{answer}");
    client.token = answer["access_token"].as_str().unwrap_or_default().to_owned();
    (linkedin, client)
}

async fn login(client: &Client, linkedin: &LinkedIn, refresh: &str) -> (u16, Value) {
    let config = linkedin.config();
    let form = format!(
        "grant_type=refresh_token&refresh_token={refresh}&client_id={}&client_secret={}",
        config.client_id, config.client_secret
    );
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let reply = client.send(Method::POST, "/oauth/v2/accessToken", &headers, form.into_bytes()).await;
    (reply.status.as_u16(), reply.json())
}

async fn call(client: &Client, method: Method, path: &str, more: &[(&str, &str)], body: &Value) -> Reply {
    let headers: Vec<(&str, &str)> = HEADERS.iter().chain(more).copied().collect();
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    client.send(method, path, &headers, body).await
}

async fn find(client: &Client) -> Value {
    call(client, Method::GET, FIND, &[], &Value::Null).await.json()
}

fn segment(kind: &str, source_id: &str) -> Value {
    json!({"name": "Finance", "account": "urn:li:sponsoredAccount:512345678", "type": kind, "sourcePlatform": "ATTIVA",
           "sourceSegmentId": source_id, "accessPolicy": "PRIVATE", "destinations": [{"destination": "LINKEDIN"}]})
}

async fn create(client: &Client, kind: &str, source_id: &str) -> String {
    let reply = call(client, Method::POST, "/rest/dmpSegments", &[], &segment(kind, source_id)).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (201, ""));
    reply.header("x-restli-id")
}

async fn batch(client: &Client, path: &str, elements: &[Value]) -> Reply {
    call(client, Method::POST, path, &[("X-RestLi-Method", "batch_create")], &json!({"elements": elements})).await
}

fn person(action: &str, hash: &str) -> Value {
    json!({"action": action, "userIds": [{"idType": "SHA256_EMAIL", "idValue": hash}]})
}

#[tokio::test]
async fn headers_decide_before_anything_else() {
    let (_linkedin, client) = start(config()).await;
    let bare = client.send(Method::GET, FIND, &[("X-Restli-Protocol-Version", "2.0.0")], Vec::new()).await;
    assert_eq!((bare.status.as_u16(), &bare.json()["code"]), (400, &json!("VERSION_MISSING")));
    for version in ["202511", "202712", "latest"] {
        let headers = [("LinkedIn-Version", version), ("X-Restli-Protocol-Version", "2.0.0")];
        let sunset = client.send(Method::GET, FIND, &headers, Vec::new()).await;
        assert_eq!((sunset.status.as_u16(), &sunset.json()["code"]), (426, &json!("NONEXISTENT_VERSION")), "{version}");
    }
    let raw = FIND.replace("%3A", ":");
    assert_eq!(call(&client, Method::GET, &raw, &[], &Value::Null).await.status, 400);
    let nobody = Client { token: String::new(), ..client.clone() };
    let reply = nobody.get(FIND).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["serviceErrorCode"]), (401, &json!(401)));
    assert_eq!(find(&client).await["elements"], json!([]));
}

#[tokio::test]
async fn tokens_lapse_and_refresh_tokens_may_rotate() {
    let (linkedin, client) = start(LinkedInConfig { rotates: true, ..config() }).await;
    assert_eq!(login(&client, &linkedin, &linkedin.config().refresh_token.clone()).await.0, 400);
    let (status, answer) = login(&client, &linkedin, &linkedin.refresh_token()).await;
    assert_eq!((status, &answer["refresh_token"]), (200, &json!(linkedin.refresh_token())));
    linkedin.skip(Duration::from_secs(61 * 86_400));
    let lapsed = call(&client, Method::GET, FIND, &[], &Value::Null).await;
    assert_eq!((lapsed.status.as_u16(), &lapsed.json()["serviceErrorCode"]), (401, &json!(65_602)));
    // Refreshing does not prolong the year.
    linkedin.skip(Duration::from_secs(305 * 86_400));
    let (status, answer) = login(&client, &linkedin, &linkedin.refresh_token()).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
}

#[tokio::test]
async fn a_segment_is_built_in_its_own_time() {
    let (linkedin, client) = start(config()).await;
    let id = create(&client, "USER", "act-1").await;
    let path = format!("/rest/dmpSegments/{id}/users");
    // Too early: 201, and nobody is there.
    assert_eq!(batch(&client, &path, &[person("ADD", HASH)]).await.json(), json!({"elements": [{"status": 201}]}));
    assert_eq!((linkedin.segments()[0].members.len(), linkedin.segments()[0].lost), (0, 1));
    linkedin.skip(Duration::from_secs(5));
    batch(&client, &path, &[person("ADD", HASH)]).await;
    assert_eq!(linkedin.segments()[0].members.len(), 1);
    let found = find(&client).await;
    let destination = &found["elements"][0]["destinations"][0];
    assert_eq!((&destination["status"], &destination["matchedCount"]), (&json!("BUILDING"), &Value::Null));
    linkedin.skip(Duration::from_secs(48 * 3_600));
    let found = find(&client).await;
    let destination = &found["elements"][0]["destinations"][0];
    assert_eq!((&destination["status"], &destination["audienceSize"]), (&json!("READY"), &json!(0)));
    batch(&client, &path, &[person("REMOVE", HASH), person("REMOVE", HASH)]).await;
    assert_eq!(find(&client).await["elements"][0]["destinations"][0]["status"], "UPDATING");
    assert!(linkedin.force_status(id.parse().unwrap(), Some("EXPIRED")));
    assert_eq!(batch(&client, &path, &[person("ADD", HASH)]).await.status, 400);
}

#[tokio::test]
async fn elements_are_judged_one_by_one_inside_a_200() {
    let (linkedin, client) = start(config()).await;
    let id = create(&client, "USER", "act-1").await;
    linkedin.skip(Duration::from_secs(5));
    let path = format!("/rest/dmpSegments/{id}/users");
    let reply = batch(&client, &path, &[person("ADD", "A@x"), person("ADD", HASH), json!({"action": "ADD"})]).await;
    let statuses = |reply: &Reply| -> Vec<u64> {
        reply.json()["elements"].as_array().into_iter().flatten().filter_map(|e| e["status"].as_u64()).collect()
    };
    assert_eq!((reply.status.as_u16(), statuses(&reply)), (200, vec![400, 201, 400]));
    linkedin.inject(Fault::ElementsRefused { from: 1, count: 1, status: 503 });
    let reply = batch(&client, &path, &[person("ADD", HASH), person("ADD", HASH), person("ADD", HASH)]).await;
    assert_eq!(statuses(&reply), [201, 503, 201]);
    linkedin.inject(Fault::ResultsShort);
    assert_eq!(statuses(&batch(&client, &path, &[person("ADD", HASH)]).await), Vec::<u64>::new());
    // Without the batch header the body is one element, and a batch is none.
    let one = call(&client, Method::POST, &path, &[], &person("ADD", HASH)).await;
    assert_eq!(one.status, 201);
    let list = call(&client, Method::POST, &path, &[], &json!({"elements": [person("ADD", HASH)]})).await;
    assert_eq!(list.status, 400);
    let companies = batch(&client, &format!("/rest/dmpSegments/{id}/companies"), &[]).await;
    assert_eq!(companies.status, 400, "people are no companies");
    assert_eq!(linkedin.received().elements, 7);
}

#[tokio::test]
async fn batches_have_their_size() {
    let limits = Limits { users_per_call: 2, companies_per_call: 1, ..Limits::VENDOR };
    let (linkedin, client) = start(LinkedInConfig { limits, ..config() }).await;
    let (people, companies) = (create(&client, "USER", "a").await, create(&client, "COMPANY", "a").await);
    linkedin.skip(Duration::from_secs(5));
    let three = vec![person("ADD", HASH); 3];
    assert_eq!(batch(&client, &format!("/rest/dmpSegments/{people}/users"), &three).await.status, 400);
    let acme = json!({"action": "ADD", "companyName": "Acme"});
    let path = format!("/rest/dmpSegments/{companies}/companies");
    assert_eq!(batch(&client, &path, &[acme.clone(), acme.clone()]).await.status, 400);
    assert_eq!(batch(&client, &path, &[acme]).await.status, 200);
    assert_eq!(linkedin.segments()[1].members, [r#"{"companyName":"Acme"}"#]);
}

#[tokio::test]
async fn minutes_and_days_are_limited_without_a_word_of_when() {
    let limits = Limits { users_per_minute: 1, daily: 10, ..Limits::VENDOR };
    let (linkedin, client) = start(LinkedInConfig { limits, ..config() }).await;
    let id = create(&client, "USER", "a").await;
    let path = format!("/rest/dmpSegments/{id}/users");
    assert_eq!(batch(&client, &path, &[]).await.status, 200);
    let limited = batch(&client, &path, &[]).await;
    assert_eq!((limited.status.as_u16(), limited.header("retry-after").as_str()), (429, ""));
    linkedin.skip(Duration::from_secs(60));
    assert_eq!(batch(&client, &path, &[]).await.status, 200);
    linkedin.spend_calls(100);
    assert!(call(&client, Method::GET, FIND, &[], &Value::Null).await.text().contains("DAY limit"));
    linkedin.skip(Duration::from_secs(86_400));
    assert_eq!(call(&client, Method::GET, FIND, &[], &Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_second_segment_of_one_name_is_refused_or_made_and_another_type_is_another() {
    for (duplicates, status) in [(Duplicates::Refused, 409), (Duplicates::Made, 201)] {
        let (_linkedin, client) = start(LinkedInConfig { duplicates, ..config() }).await;
        create(&client, "USER", "a").await;
        let again = call(&client, Method::POST, "/rest/dmpSegments", &[], &segment("USER", "a")).await;
        assert_eq!(again.status.as_u16(), status);
        create(&client, "COMPANY", "a").await;
    }
    let lag = Duration::from_secs(30);
    let (linkedin, client) = start(LinkedInConfig { lookup_lag: lag, ..config() }).await;
    create(&client, "USER", "a").await;
    assert_eq!(find(&client).await["elements"], json!([]));
    linkedin.skip(lag);
    assert_eq!(find(&client).await["elements"][0]["sourceSegmentId"], "a");
}

#[tokio::test]
async fn strangers_viewers_and_other_platforms_are_refused() {
    let (_linkedin, client) = start(config()).await;
    let status = |change: Value| {
        let mut about = segment("USER", "a");
        about.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let client = client.clone();
        async move { call(&client, Method::POST, "/rest/dmpSegments", &[], &about).await.status.as_u16() }
    };
    assert_eq!(status(json!({"account": "urn:li:sponsoredAccount:1"})).await, 403);
    assert_eq!(status(json!({"account": "512345678"})).await, 400);
    assert_eq!(status(json!({"sourcePlatform": "SEGMENT"})).await, 400);
    assert_eq!(status(json!({"type": "USER_STREAMING"})).await, 400);
    assert_eq!(status(json!({"destinations": []})).await, 400);
    let (_linkedin, client) = start(LinkedInConfig { role: Role::Viewer, ..config() }).await;
    assert_eq!(call(&client, Method::GET, FIND, &[], &Value::Null).await.status, 403);
    assert_eq!(call(&client, Method::GET, "/rest/adAccounts/512345678", &[], &Value::Null).await.status, 200);
    let (_linkedin, client) = start(LinkedInConfig { scopes: vec!["rw_dmp_segments".into()], ..config() }).await;
    assert_eq!(call(&client, Method::GET, "/rest/adAccounts/512345678", &[], &Value::Null).await.status, 403);
}

#[tokio::test]
async fn it_misbehaves_on_demand_and_segments_can_be_renamed_and_deleted() {
    let (linkedin, client) = start(config()).await;
    linkedin.inject(Injection::from(Fault::AnswerLost).at("/rest/dmpSegments"));
    let lost = call(&client, Method::POST, "/rest/dmpSegments", &[], &segment("USER", "a")).await;
    assert_eq!(lost.status, 504);
    let id = find(&client).await["elements"][0]["id"].as_u64().expect("it was made all the same");
    let path = format!("/rest/dmpSegments/{id}");
    for (fault, status) in [
        (Fault::Status { status: 503, message: "Down".into(), retry_after: Some(7) }, 503),
        (Fault::HtmlPage { status: 200 }, 200),
        (Fault::TokenExpired, 401),
        (Fault::SegmentNotFound, 404),
        (Fault::Cut, 200),
    ] {
        linkedin.inject(fault);
        assert_eq!(call(&client, Method::GET, &path, &[], &Value::Null).await.status.as_u16(), status);
    }
    let rename = json!({"patch": {"$set": {"name": "Banking"}}});
    assert_eq!(call(&client, Method::POST, &path, &[("X-RestLi-Method", "PARTIAL_UPDATE")], &rename).await.status, 204);
    assert_eq!(linkedin.segments()[0].name, "Banking");
    assert_eq!(call(&client, Method::DELETE, &path, &[], &Value::Null).await.status, 204);
    assert_eq!(call(&client, Method::DELETE, &path, &[], &Value::Null).await.status, 404);
    let control = client.get("/_control/segments").await.json();
    assert_eq!(control, json!([]));
}
