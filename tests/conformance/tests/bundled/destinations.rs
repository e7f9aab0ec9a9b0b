use crate::{marketo_answers, options, proved, runtime};
use attiva_simulators::linkedin::{LinkedIn, LinkedInConfig};
use attiva_simulators::marketo::{Limits, Marketo, MarketoConfig};
use attiva_simulators::s3::{S3, S3Config};
use attiva_testkit::Time;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A file of each format.
fn file(format: &str) -> Value {
    json!({
        "object": "file", "name": format, "options": {"format": format},
        "columns": [{"name": "email", "type": "text"}, {"name": "score", "type": "integer"}],
        "row": {"email": "kit-{n}@example.com", "score": 7},
    })
}

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
        "targets": [file("csv"), file("json-lines"), file("parquet")],
    });
    proved(&runtime, options("destination-s3", &suite, &s3.endpoint(), &["virtual", "path"]));
}

/// A list whose members are made. A score that is no number is what Marketo refuses.
fn list(name: &str, options: &Value, is_job: bool) -> Value {
    json!({
        "object": "static-list", "name": name, "options": options, "is_job": is_job,
        "columns": [{"name": "email", "type": "text"}, {"name": "firstName", "type": "text"}, {"name": "leadScore", "type": "text"}],
        "row": {"email": "kit-{n}@example.com", "firstName": "Ada {n}", "leadScore": "{n}"},
        "poison": {"leadScore": "many"},
    })
}

#[test]
fn destination_marketo() {
    let runtime = runtime();
    let config = MarketoConfig {
        leads: 6,
        limits: Limits::OFF,
        // A file that is sent once more, since its answer was lost, finds its list no longer busy.
        status_interval: Duration::ZERO,
        ..MarketoConfig::default()
    };
    let marketo = runtime.block_on(Marketo::start(config)).unwrap();
    let (create, by_files) =
        (json!({"mode": "create", "import_from_rows": 0}), json!({"mode": "create", "import_from_rows": 1}));
    // After the others: they have made the people whom this one matches.
    let matched = json!({
        "object": "static-list", "name": "matched", "options": {"mode": "match"},
        "columns": [{"name": "email", "type": "text"}], "row": {"email": "kit-{n}@example.com"},
        "poison": {"email": "a,b@example.com"},
    });
    let answer = |body: Value| json!({"status": 200, "body": body});
    let failed = answer(
        json!({"requestId": "kit", "success": true, "result": [{"batchId": 1, "status": "Failed", "message": "out of disk"}]}),
    );
    let gone = answer(
        json!({"requestId": "kit", "success": false, "errors": [{"code": "1013", "message": "Batch not found"}]}),
    );
    let suite = json!({
        "configuration": {"munchkin_id": "123-ABC-456", "client_id": marketo.config().client_id,
            "client_secret": marketo.config().client_secret},
        "targets": [list("made by calls", &create, false), list("made by files", &by_files, true), matched],
        "answers": marketo_answers(),
        // The job that fills a list: failed, and not known any more.
        "jobs": [{"status_path": "/bulk/v1/leads/batch/", "failed": [failed, gone]}],
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
            "hashed": "email", "poison": {"email": "nobody"},
        }, {
            "object": "companies",
            "columns": [{"name": "name", "type": "text"}, {"name": "domain", "type": "text"}],
            "row": {"name": "Kit {n}", "domain": "kit{n}.example.com"}, "poison": {"name": "", "domain": "nowhere"},
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
