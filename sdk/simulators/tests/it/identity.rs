use attiva_simulators::marketo::Fault;
use http::{Method, StatusCode};
use serde_json::json;

use crate::client::{assert_refused, config, start, token_path};

#[tokio::test]
async fn a_token_is_given_by_both_methods_and_again_while_it_lives() {
    let (marketo, client) = start(config(10)).await;
    let path = token_path(marketo.config());
    let first = client.get(&path).await.json();
    assert_eq!((&first["token_type"], &first["scope"]), (&json!("bearer"), &json!("api-user@attiva.example")));
    assert!((3_590..=3_600).contains(&first["expires_in"].as_u64().unwrap_or_default()), "{first}");
    let again = client.send(Method::POST, &path, &[], Vec::new()).await.json();
    assert_eq!(again["access_token"], first["access_token"]);
}

#[tokio::test]
async fn bad_credentials_are_refused_in_oauths_form_with_401() {
    let (marketo, client) = start(config(10)).await;
    for (replaced, error) in
        [(&marketo.config().client_secret, "unauthorized"), (&marketo.config().client_id, "invalid_client")]
    {
        let reply = client.get(&token_path(marketo.config()).replace(replaced, "wrong")).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert_eq!(reply.json()["error"], error);
        assert!(reply.json().get("errors").is_none());
    }
}

#[tokio::test]
async fn a_token_in_the_query_is_refused_and_only_the_header_works() {
    let (_marketo, mut client) = start(config(10)).await;
    let token = std::mem::take(&mut client.token);
    assert_refused(&client.get(&format!("/rest/v1/leads/describe.json?access_token={token}")).await, "600");
    client.token = token;
    client.ok("/rest/v1/leads/describe.json").await;
}

#[tokio::test]
async fn an_unknown_token_is_601_and_an_expired_one_602_until_a_new_one_is_fetched() {
    let (marketo, mut client) = start(config(10)).await;
    let good = client.token.clone();
    client.token = "0000-1111:int".to_owned();
    assert_refused(&client.get("/rest/v1/leads/describe.json").await, "601");
    client.token = good.clone();
    marketo.expire_tokens();
    assert_refused(&client.get("/rest/v1/leads/describe.json").await, "602");
    client.renew(marketo.config()).await;
    assert_ne!(client.token, good);
    client.ok("/rest/v1/leads/describe.json").await;
}

#[tokio::test]
async fn a_602_in_the_middle_can_meet_an_identity_service_that_gives_the_same_token_with_two_seconds_left() {
    let (marketo, mut client) = start(config(10)).await;
    let refused = client.token.clone();
    marketo.inject(Fault::TokenExpired);
    marketo.inject(Fault::TokenLife { seconds: 2 });
    assert_refused(&client.get("/rest/v1/leads/describe.json").await, "602");
    let answer = client.renew(marketo.config()).await;
    assert_eq!((client.token.as_str(), &answer["expires_in"]), (refused.as_str(), &json!(2)));
}

#[tokio::test]
async fn a_token_can_have_lapsed_when_it_is_handed_out() {
    let (marketo, mut client) = start(config(10)).await;
    marketo.inject(Fault::TokenLife { seconds: 0 });
    assert_eq!(client.renew(marketo.config()).await["expires_in"], 0);
    assert_refused(&client.get("/rest/v1/leads/describe.json").await, "602");
    assert_ne!(client.renew(marketo.config()).await["expires_in"], 0);
    client.ok("/rest/v1/leads/describe.json").await;
}
