//! A person's consent: asked for with a key, given in a browser at the vendor, taken in at the callback.

use crate::harness::{Answer, Api, Harness};
use attiva_simulators::linkedin::{LinkedIn, LinkedInConfig};
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::Method;

fn linkedin(config: LinkedInConfig) -> LinkedIn {
    Harness::shared().runtime.block_on(LinkedIn::start(config)).unwrap()
}

/// A connection of which nobody has authorised anything.
fn connect(api: &Api, vendor: &LinkedIn) -> String {
    let config = vendor.config();
    let body = json!({"name": "Ads <of Acme>", "plugin": "destination-linkedin",
        "grants": {"api": vendor.base_url(), "login": vendor.base_url()},
        "configuration": {"account_id": config.account.to_string(), "source_platform": config.source_platform,
            "client_id": config.client_id, "client_secret": config.client_secret}});
    api.post("connections", &body).is(201).text("/id").to_owned()
}

fn place(connection: &str) -> String {
    format!("connections/{connection}/authorization")
}

fn ask(api: &Api, connection: &str) -> String {
    api.post(&place(connection), &json!({})).is(201).text("/url").to_owned()
}

/// A browser without a key, that goes where it is sent only when the test says so.
fn browse(url: &str) -> Answer {
    let (host, path) = url.split_at(url.find('/').and_then(|_| url[8..].find('/')).unwrap() + 8);
    let browser = Api { url: host.to_owned(), key: String::new(), sandbox: String::new() };
    browser.send(Method::GET, path, &[], Vec::new())
}

fn sent_back(url: &str) -> String {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None).build().into();
    let response = agent.get(url).call().unwrap();
    assert_eq!(response.status().as_u16(), 302);
    response.headers()["location"].to_str().unwrap().to_owned()
}

fn passes(api: &Api, connection: &str) -> Value {
    api.post(&format!("connections/{connection}/check"), &json!({})).is(200).body["passed"].clone()
}

#[test]
fn a_person_authorises_an_app_and_the_connection_works() {
    let (api, vendor) = (Harness::sandbox(), linkedin(LinkedInConfig::default()));
    let connection = connect(&api, &vendor);
    let before = api.post(&format!("connections/{connection}/check"), &json!({}));
    assert!(before.text.contains("auth.consent") && before.text.contains("attiva connection authorize"), "{before:?}");

    let url = ask(&api, &connection);
    assert!(url.starts_with(&format!("{}/oauth/v2/authorization?response_type=code&", vendor.base_url())), "{url}");
    assert!(url.contains("&scope=r_ads%20rw_dmp_segments") && !url.contains("code_challenge"), "{url}");
    assert!(!url.contains(&vendor.config().client_secret));
    let back = sent_back(&url);
    assert!(back.starts_with(&format!("{}/oauth/callback?code=", api.url)), "{back}");
    let done = browse(&back);
    assert!(done.is(200).text.contains("Ads &lt;of Acme&gt;"), "{done:?}");
    assert_eq!(done.header("cache-control"), "no-store");
    assert!(done.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(passes(&api, &connection), true);

    let standing = api.get(&place(&connection));
    assert!(
        standing.is(200).text("/given_at").ends_with('Z') && standing.text("/ends_at").ends_with('Z'),
        "{standing:?}"
    );
    assert_eq!(standing.body.get("warning"), None, "a year is left");
    // The token is nowhere to be read.
    let refresh = vendor.refresh_token();
    for path in [place(&connection), format!("connections/{connection}"), "/v1/audit?limit=500".to_owned()] {
        assert!(!api.get(&path).text.contains(&refresh), "{path}");
    }
    let audit = api.audit().text;
    assert!(audit.contains("connection.consent-asked") && audit.contains("connection.consent-given"));

    // An address is good once, and one that nobody handed out is good never.
    assert!(browse(&back).is(400).text.contains("nobody here is waiting"));
    let forged = format!("{}/oauth/callback?code=x&state=forged", api.url);
    assert!(browse(&forged).is(400).text.contains("nobody here is waiting"));
    assert_eq!(passes(&api, &connection), true);
}

#[test]
fn a_consent_is_for_whoever_asked_and_only_as_long_as_that_may() {
    let (api, vendor) = (Harness::sandbox(), linkedin(LinkedInConfig::default()));
    let connection = connect(&api, &vendor);
    let made = api.post("/v1/keys", &json!({"name": "for a while"}));
    let other = Api { key: made.is(201).text("/key").to_owned(), ..api.clone() };
    let back = sent_back(&ask(&other, &connection));
    api.send(Method::DELETE, &format!("/v1/keys/{}", made.text("/id")), &[], Vec::new());
    assert!(browse(&back).is(400).text.contains("revoked since"));
    assert_eq!(passes(&api, &connection), false);
    let stranger = Harness::shared().stranger();
    assert_eq!(stranger.post(&place(&connection), &json!({})).status, 404);

    // The state of one connection brings nothing to another.
    let beside = connect(&api, &vendor);
    let back = sent_back(&ask(&api, &connection));
    browse(&back).is(200);
    assert_eq!((passes(&api, &connection), passes(&api, &beside)), (json!(true), json!(false)));
}

#[test]
fn a_person_who_says_no_is_heard_and_an_end_is_warned_of() {
    let (api, refusing) =
        (Harness::sandbox(), linkedin(LinkedInConfig { consents: false, ..LinkedInConfig::default() }));
    let connection = connect(&api, &refusing);
    let refused = browse(&sent_back(&ask(&api, &connection)));
    assert!(refused.is(400).text.contains("user_cancelled_authorize"), "{refused:?}");
    assert_eq!(api.get(&place(&connection)).text("/refused/code"), "authorization.refused");

    let soon = Duration::from_secs(20 * 86_400 + 3_600);
    let vendor = linkedin(LinkedInConfig { refresh_life: soon, ..LinkedInConfig::default() });
    let connection = connect(&api, &vendor);
    browse(&sent_back(&ask(&api, &connection))).is(200);
    let warning = api.get(&place(&connection)).text("/warning").to_owned();
    assert!(warning.contains("ends in 20 days"), "{warning}");
    let doctor = std::process::Command::new(env!("CARGO_BIN_EXE_attiva"))
        .args(["doctor", "--url", &api.url, "--key", &api.key, "--sandbox", &api.sandbox])
        .output()
        .unwrap();
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains(&format!("WRONG  consent of {connection}")) && said.contains("ends in 20 days"), "{said}");
}
