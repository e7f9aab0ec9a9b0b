//! The bundled connectors, against the simulators, with no exemption.

mod destinations;
mod sources;

use attiva_testkit::suite::Suite;
use attiva_testkit::wire::stand::Upstream;
use attiva_testkit::{Documents, Options, Proof, prove};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The options for a bundled connector, whose vendor is at one address for all its origins.
fn options(name: &str, suite: &Value, url: &str, origins: &[&str]) -> Options {
    let bundled = attiva_plugins::bundled().iter().find(|bundled| bundled.name == name).unwrap();
    let suite = Suite::parse(&suite.to_string()).unwrap();
    let at: BTreeMap<String, String> = origins.iter().map(|origin| ((*origin).to_owned(), url.to_owned())).collect();
    let readme = std::fs::read_to_string(format!("{}/../../plugins/{name}/README.md", env!("CARGO_MANIFEST_DIR")));
    Options {
        documents: Documents { readme: Some(readme.unwrap()), changelog: None },
        // A simulator's time runs faster than its vendor's: a wait that is asked for is nearly none.
        wait: Some(Arc::new(|ms| Box::pin(tokio::time::sleep(Duration::from_millis(ms.min(2)))))),
        ..Options::new(bundled.component.to_vec(), suite, Upstream::At(at))
    }
}

/// All 53, told; nothing may fail.
fn proved(runtime: &tokio::runtime::Runtime, options: Options) {
    let only: Vec<u8> =
        std::env::var("KIT_ONLY").unwrap_or_default().split(',').filter_map(|n| n.parse().ok()).collect();
    let Proof { report, .. } = runtime.block_on(prove(options, &only)).unwrap();
    println!("{}", report.to_text());
    assert_eq!(report.failures(), Vec::<u8>::new(), "{}", report.to_text());
    assert_eq!(report.passed + report.not_applicable, if only.is_empty() { 53 } else { only.len() });
}
