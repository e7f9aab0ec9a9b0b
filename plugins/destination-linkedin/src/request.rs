//! The requests this connector makes. Pure: what goes in decides what comes out.

use crate::config::Config;
use crate::element::Kind;
use crate::spec::{CREDENTIAL, ORIGIN};
use attiva_connector::{Request, encode};
use serde_json::{Value, json};

const SEGMENTS: &str = "/rest/dmpSegments";

/// The account's segments with our id, of both types.
pub(crate) fn find(config: &Config, target_id: &str) -> Request {
    let query = encode::pairs(&[
        ("q", "account"),
        ("account", &config.account_urn()),
        ("sourcePlatform", &config.source_platform),
        ("sourceSegmentId", target_id),
    ]);
    request(config, "GET", format!("{SEGMENTS}?{query}"), "finder")
}

/// One of the account's segments: a harmless way to see whether they may be seen.
pub(crate) fn any_segment(config: &Config) -> Request {
    let query = encode::pairs(&[("q", "account"), ("account", &config.account_urn()), ("start", "0"), ("count", "1")]);
    request(config, "GET", format!("{SEGMENTS}?{query}"), "finder")
}

pub(crate) fn account(config: &Config) -> Request {
    request(config, "GET", format!("/rest/adAccounts/{}", config.account_id()), "get")
}

pub(crate) fn create(config: &Config, kind: Kind, target_id: &str, name: &str) -> Request {
    let body = json!({
        "name": name,
        "account": config.account_urn(),
        "type": kind.segment_type(),
        "sourcePlatform": config.source_platform,
        "sourceSegmentId": target_id,
        "accessPolicy": "PRIVATE",
        "destinations": [{"destination": "LINKEDIN"}],
    });
    with_body(request(config, "POST", SEGMENTS.into(), "create"), &body)
}

pub(crate) fn segment(config: &Config, id: u64) -> Request {
    request(config, "GET", format!("{SEGMENTS}/{id}"), "get")
}

pub(crate) fn rename(config: &Config, id: u64, name: &str) -> Request {
    let body = json!({"patch": {"$set": {"name": name}}});
    with_body(request(config, "POST", format!("{SEGMENTS}/{id}"), "PARTIAL_UPDATE"), &body)
}

pub(crate) fn delete(config: &Config, id: u64) -> Request {
    request(config, "DELETE", format!("{SEGMENTS}/{id}"), "delete")
}

/// Without the batch's header LinkedIn reads the body as one member.
pub(crate) fn members(config: &Config, kind: Kind, segment: u64, elements: &[&Value]) -> Request {
    let path = format!("{SEGMENTS}/{segment}/{}", kind.path());
    with_body(request(config, "POST", path, "BATCH_CREATE"), &json!({"elements": elements}))
}

fn with_body(mut request: Request, body: &Value) -> Request {
    request.headers.push(("content-type".into(), "application/json".into()));
    request.body = Some(body.to_string().into_bytes());
    request
}

fn request(config: &Config, method: &str, path: String, restli_method: &str) -> Request {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Request {
        origin: ORIGIN.into(),
        method: method.into(),
        path,
        headers: vec![
            header("linkedin-version", &config.api_version),
            header("x-restli-protocol-version", "2.0.0"),
            header("x-restli-method", restli_method),
        ],
        body: None,
        credential: Some(CREDENTIAL.into()),
        timeout_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::read;

    #[test]
    fn a_urn_stands_encoded_in_a_query_and_plain_in_a_body() {
        let config = read(json!({})).unwrap();
        let find = find(&config, "act_1");
        assert_eq!(
            find.path,
            "/rest/dmpSegments?q=account&account=urn%3Ali%3AsponsoredAccount%3A512345678&sourcePlatform=ATTIVA\
             &sourceSegmentId=act_1"
        );
        let create = create(&config, Kind::Companies, "act_1", "Finance");
        let body: Value = serde_json::from_slice(&create.body.unwrap()).unwrap();
        assert_eq!((&body["account"], &body["type"]), (&json!("urn:li:sponsoredAccount:512345678"), &json!("COMPANY")));
    }

    #[test]
    fn every_request_carries_the_version_and_is_one_the_specification_allows() {
        let config = read(json!({"api_version": "202610"})).unwrap();
        let rules = crate::spec::spec().origins.remove(0).rules;
        let requests = [
            (find(&config, "x"), "read"),
            (any_segment(&config), "read"),
            (account(&config), "read"),
            (segment(&config, 1), "read"),
            (create(&config, Kind::People, "x", "n"), "write"),
            (rename(&config, 1, "n"), "write"),
            (delete(&config, 1), "write"),
            (members(&config, Kind::People, 1, &[]), "write"),
        ];
        for (request, access) in requests {
            assert!(request.headers.contains(&("linkedin-version".into(), "202610".into())));
            let rule = rules.iter().find(|rule| {
                rule.methods.contains(&request.method)
                    && request.path.starts_with(&rule.path)
                    && rule.credential == request.credential
            });
            let found = rule.map(|rule| serde_json::to_value(rule.access).unwrap());
            assert_eq!(found, Some(json!(access)), "{} {}", request.method, request.path);
        }
    }
}
