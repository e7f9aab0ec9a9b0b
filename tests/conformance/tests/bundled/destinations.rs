use crate::{options, proved, runtime};
use attiva_simulators::linkedin::{LinkedIn, LinkedInConfig};
use attiva_simulators::marketo::{Limits, Marketo, MarketoConfig};
use attiva_simulators::s3::{S3, S3Config};
use attiva_testkit::Time;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn destination_s3() {
    let runtime = runtime();
    let root = tempfile::tempdir().unwrap();
    let (access_key, secret_key) = ("AKIDCONFORMANCE".to_owned(), "conformance-secret-1".to_owned());
    let config = S3Config { port: 0, access_key, secret_key, bucket: "audiences".into(), root: root.path().into() };
    let s3 = runtime.block_on(S3::start(config)).unwrap();
    let suite = json!({
        "configuration": {"bucket": "audiences", "region": "us-east-1", "access_key_id": s3.config().access_key,
            "secret_access_key": s3.config().secret_key, "addressing": "path", "prefix": "kit"},
        "targets": [{
            "object": "file",
            "columns": [{"name": "email", "type": "text"}, {"name": "score", "type": "integer"}],
            "row": {"email": "kit-{n}@example.com", "score": 7},
        }],
    });
    proved(&runtime, options("destination-s3", &suite, &s3.endpoint(), &["virtual", "path"]));
}

#[test]
fn destination_marketo() {
    let runtime = runtime();
    let config = MarketoConfig {
        leads: 6,
        limits: Limits::OFF,
        status_interval: Duration::from_millis(1),
        ..MarketoConfig::default()
    };
    let marketo = runtime.block_on(Marketo::start(config)).unwrap();
    let suite = json!({
        "configuration": {"munchkin_id": "123-ABC-456", "client_id": marketo.config().client_id,
            "client_secret": marketo.config().client_secret},
        "targets": [{
            "object": "static-list",
            "options": {"mode": "create"},
            "columns": [{"name": "email", "type": "text"}, {"name": "firstName", "type": "text"}],
            "row": {"email": "kit-{n}@example.com", "firstName": "Ada {n}"},
        }],
    });
    proved(&runtime, options("destination-marketo", &suite, &marketo.base_url(), &["api"]));
}

#[test]
fn destination_linkedin() {
    let runtime = runtime();
    let linkedin = Arc::new(runtime.block_on(LinkedIn::start(LinkedInConfig::default())).unwrap());
    let config = linkedin.config().clone();
    let suite = json!({
        "configuration": {"account_id": config.account.to_string(), "source_platform": config.source_platform,
            "client_id": config.client_id, "client_secret": config.client_secret, "refresh_token": config.refresh_token},
        "targets": [{
            "object": "people",
            "columns": [{"name": "email", "type": "text"}, {"name": "first_name", "type": "text"}, {"name": "country", "type": "text"}],
            "row": {"email": "kit-{n}@example.com", "first_name": "Ada", "country": "de"},
            "hashed": "email",
        }],
    });
    let skipping = linkedin.clone();
    let mut options = options("destination-linkedin", &suite, &linkedin.base_url(), &["api", "login"]);
    let vendor = linkedin.clone();
    options.time = Some(Time::Vendor(Arc::new(move || vendor.now_ms())));
    options.wait = Some(Arc::new(move |ms| {
        skipping.skip(Duration::from_millis(ms));
        Box::pin(std::future::ready(()))
    }));
    proved(&runtime, options);
}
