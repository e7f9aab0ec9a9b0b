//! Secrets at rest: another key in the place of the one they are sealed with, and what a lost one means.

use crate::connections::patch;
use crate::harness::{Api, Harness};
use crate::journey::{connect_marketo, vendors_of};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::json;

#[test]
fn a_new_key_takes_the_old_ones_place_and_a_lost_one_costs_the_secrets_alone() {
    let vendors = vendors_of(MarketoConfig { leads: 20, ..MarketoConfig::default() });
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    let connection = connect_marketo(&api, &vendors, &vendors.secret());
    let file = harness.data_dir().join("keys/seal.key");
    let passed =
        |api: &Api| api.post(&format!("connections/{connection}/check"), &json!({})).is(200).body["passed"].clone();
    let before = std::fs::read(&file).unwrap();
    assert_eq!(harness.stranger().post("/v1/secrets/rotation", &json!({})).status, 403);
    assert_eq!(api.post("/v1/secrets/rotation", &json!({})).is(200).body["sealed_again"], 1);
    let after = std::fs::read(&file).unwrap();
    assert!(before != after && after.len() == 32, "one key, and another one");
    assert_eq!(passed(&api), true);
    assert!(api.audit().text.contains("secrets.key-rotated"));

    let harness = harness.restarted(|| {});
    let api = Api { url: harness.host.url(), ..api };
    assert_eq!(passed(&api), true);

    let harness = harness.restarted(|| std::fs::remove_file(&file).unwrap());
    let api = Api { url: harness.host.url(), ..api };
    let checked = api.post(&format!("connections/{connection}/check"), &json!({}));
    assert!(checked.text.contains("secret.unreadable"), "{checked:?}");
    // What is entered anew is sealed with the new key; all else is as it was.
    let secret = json!({"configuration": {"client_secret": vendors.secret()}});
    patch(&api, &connection, &[], &secret).is(200);
    assert_eq!(passed(&api), true);
}
