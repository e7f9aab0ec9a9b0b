//! The named tests of a connection.

use crate::support::{Harness, Intervention, error};
use attiva_connector::Destination;
use destination_s3::S3;
use serde_json::json;

#[test]
fn a_check_names_each_test_and_leaves_nothing() {
    let check = |h: &Harness| {
        let results = S3::check(&h.host, &h.config);
        assert!(h.store.borrow().uploads.is_empty() && h.store.borrow().objects.is_empty());
        let shown = |fault: attiva_connector::Fault| fault.code;
        results
            .into_iter()
            .map(|r| (r.name, r.fault.map(shown).or(r.skipped.map(|_| "skipped".into())).unwrap_or_default()))
            .map(|(name, what)| format!("{name} {what}").trim().to_owned())
            .collect::<Vec<_>>()
    };
    let h = Harness::new(json!({}), json!({}));
    assert_eq!(check(&h), ["reach-bucket", "write", "list-uploads", "take-back"]);
    // HEAD and listing are not allowed, writing is.
    h.intervene("HEAD", Intervention::Instead(403, String::new()));
    h.intervene("GET", Intervention::Instead(403, error("AccessDenied")));
    assert_eq!(check(&h), ["reach-bucket skipped", "write", "list-uploads skipped", "take-back"]);
    h.intervene("POST", Intervention::Instead(403, error("InvalidAccessKeyId")));
    assert_eq!(check(&h), ["reach-bucket", "write s3.InvalidAccessKeyId", "list-uploads skipped", "take-back skipped"]);
    h.intervene("HEAD", Intervention::Instead(404, String::new()));
    assert_eq!(check(&h)[0], "reach-bucket s3.NoSuchBucket");
    let dotted = Harness::new(json!({"bucket": "a.b.c"}), json!({}));
    assert_eq!(check(&dotted), ["configuration config.invalid"]);
}

/// The host has found out, and asks there; somebody may still want to know.
#[test]
fn a_bucket_that_is_in_another_region_is_reached_and_that_is_told() {
    let h = Harness::new(json!({}), json!({}));
    for (region, title) in [
        (None, "Find the bucket"),
        (Some("eu-central-1"), "Find the bucket"),
        (Some("eu-west-1"), "Find the bucket. It is in eu-west-1: set the region to that"),
    ] {
        h.store.borrow_mut().region = region.map(str::to_owned);
        let results = S3::check(&h.host, &h.config);
        assert_eq!((results[0].title.as_str(), results[0].fault.is_none()), (title, true), "{region:?}");
    }
}
