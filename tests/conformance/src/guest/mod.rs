//! The connector: sound, unless its configuration or its specification's mark names a defect. Each defect is the mistake
//! that one check of the kit is there to find, and stands where the mistake would be made.

mod destination;
mod source;
mod spec;

use attiva_connector::{CheckResult, Fault, Host, Plugin, Response, Result, Spec};
use serde::Deserialize;

/// Where the name of a defect of the specification goes; the same in `build.rs`.
static MARK: [u8; 37] = *b"<<< a defect of the specification >>>";

/// The defect that stands in the specification.
pub(crate) fn mark() -> String {
    // The bytes are changed in the binary: the compiler must not know them.
    let mark: &[u8; 37] = std::hint::black_box(&MARK);
    String::from_utf8_lossy(mark).trim().to_owned()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(rename = "team")]
    _team: String,
    #[serde(rename = "client_id")]
    _client_id: String,
    #[serde(default)]
    pub(crate) region: Option<String>,
    #[serde(default, rename = "pin")]
    _pin: Option<String>,
    /// Of the defective versions alone, as the next one.
    #[serde(default, rename = "api_token")]
    _api_token: Option<String>,
    #[serde(default, rename = "workspace")]
    _workspace: Option<String>,
    #[serde(default)]
    defect: String,
}

impl Config {
    pub(crate) fn has(&self, defect: &str) -> bool {
        self.defect == defect
    }
}

pub(crate) struct Acme;

impl Plugin for Acme {
    type Config = Config;

    fn spec() -> Spec {
        spec::spec()
    }

    fn migrate_state(from_version: u32, state: Vec<u8>) -> Result<Vec<u8>> {
        if from_version == spec::STATE_VERSION || mark() == "state" {
            return Ok(state);
        }
        Err(Fault::unsupported("state.version", format!("no way from state version {from_version}"))
            .action("Read from the start."))
    }
}

attiva_connector::export_connector!(Acme);

/// The tests of a connection; the same for both of its sides.
pub(crate) fn check(host: &dyn Host, config: &Config) -> Vec<CheckResult> {
    if config.has("egress") {
        // A look at what was never declared, whatever comes of it.
        let _ = host.http().get("api", "/v2/everything").credential(spec::CREDENTIAL).send();
    }
    let reached = call(host, config, "GET", "/v1/me", None);
    if config.has("check") {
        return vec![CheckResult::passed("log-in", "Log in")];
    }
    vec![CheckResult::of("log-in", "Log in", reached)]
}

/// One call, with a token that is renewed once.
pub(crate) fn call(
    host: &dyn Host,
    config: &Config,
    method: &str,
    path: &str,
    body: Option<&serde_json::Value>,
) -> Result<Response> {
    let send = || {
        let request = host.http().request(method, "api", path).credential(spec::CREDENTIAL);
        match body {
            Some(body) => request.json(body).send(),
            None => request.send(),
        }
    };
    let mut response = send()?;
    if response.status == 401 && !config.has("token-expiry") {
        host.renew_credential(spec::CREDENTIAL)?;
        response = send()?;
    }
    if response.status == 429 && config.has("restraint") {
        for _ in 0..3 {
            response = send()?;
        }
    }
    if response.status == 503 && config.has("error-texts") {
        return Err(Fault::transient("acme.busy", "called `Result::unwrap()` on an `Err` value at src/call.rs:72"));
    }
    if response.is_success() {
        return Ok(response);
    }
    let fault = response.status_fault();
    let said = response.json::<Refusal>().map(|refusal| refusal.message).unwrap_or_default();
    let fault = Fault { message: format!("{}. {said}", fault.message), ..fault };
    // Acme takes or refuses a call as a whole.
    let is_final = matches!(response.status, 400 | 404 | 422);
    Err(if is_final && config.has("retryable") { Fault::transient("acme.refused", fault.message) } else { fault })
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
}
