//! The specification: what the host and an operator know of this connector before it runs.

use crate::config::{API_VERSION, API_VERSIONS};
use crate::mapping;
use attiva_connector::spec::{Credential, CredentialMethod, Learnt, Origin, ParametersIn, Rate, Spec, ToldBy};
use serde_json::{Value, json};

/// The origin all requests go to: what the token's reply names.
pub(crate) const ORIGIN: &str = "api";
/// Where tokens are had; only the host calls it.
const LOGIN: &str = "login";
/// The credential all requests carry.
pub(crate) const CREDENTIAL: &str = "salesforce";

const TOKEN_PATH: &str = "/services/oauth2/token";
/// A session lives for two hours from its last use unless the org says otherwise; its reply does not tell. One that ends
/// sooner is renewed when it is refused.
const SESSION_SECONDS: u32 = 7_200;

pub(crate) fn spec() -> Spec {
    let spec = Spec::new("source-salesforce", env!("CARGO_PKG_VERSION"), "attiva", "Salesforce")
        .description("Accounts, contacts, leads, opportunities, campaigns and their relations of a Salesforce org, and any other object.")
        .state_version(crate::cursor::VERSION)
        .configuration(configuration())
        .credential_of(Credential::new(CREDENTIAL, client_credentials()).when("auth", "client-credentials").token_seconds(SESSION_SECONDS))
        .credential_of(Credential::new(CREDENTIAL, jwt_bearer()).when("auth", "jwt-bearer").token_seconds(SESSION_SECONDS))
        .origin(Origin::new(LOGIN, "https://{my_domain}.my.salesforce.com", &["my.salesforce.com"]).several_labels("my_domain"))
        .origin(origin())
        // Of the 25 requests that an org lets take longer than 20 seconds at once.
        .rate_refused_by(Rate::Concurrent { calls: 5 }, &[LIMIT_EXCEEDED])
        // Each org has a limit of its own, and every answer tells it.
        .rate_refused_by(Rate::Day { calls: None, resets: "rolling".into(), told_by: Some(told_by()) }, &[LIMIT_EXCEEDED])
        .learnt_instance("Salesforce", Learnt::segment(CREDENTIAL, "/id", 1));
    let spec = spec.window("start_date", "end_date", &[]);
    mapping::ALL.iter().fold(spec, |spec, (stream, entity, fields)| spec.mapping(stream, entity, fields))
}

/// One code for calls at once and for those of a day.
const LIMIT_EXCEEDED: &str = "salesforce.REQUEST_LIMIT_EXCEEDED";

fn told_by() -> ToldBy {
    ToldBy { header: "sforce-limit-info".into(), key: "api-usage".into() }
}

fn client_credentials() -> CredentialMethod {
    CredentialMethod::OAuth2ClientCredentials {
        origin: LOGIN.into(),
        path: TOKEN_PATH.into(),
        client_id: "{client_id}".into(),
        client_secret: "{client_secret}".into(),
        parameters_in: ParametersIn::Body,
    }
}

fn jwt_bearer() -> CredentialMethod {
    CredentialMethod::OAuth2JwtBearer {
        origin: LOGIN.into(),
        path: TOKEN_PATH.into(),
        issuer: "{client_id}".into(),
        subject: "{username}".into(),
        audience: "{audience}".into(),
        private_key: "{private_key}".into(),
    }
}

/// Everything here reads: a query job is made to be read, and ended or deleted after it. The rules name the jobs of each
/// version, since a POST below another path would write.
fn origin() -> Origin {
    let learnt = Learnt::text(CREDENTIAL, "/instance_url");
    let origin =
        Origin::learnt(ORIGIN, learnt, &["salesforce.com"]).reads(&["GET"], "/services/data/", Some(CREDENTIAL));
    API_VERSIONS.fold(origin, |origin, version| {
        let jobs = format!("/services/data/v{version}.0/jobs/query");
        origin.reads(&["POST", "PATCH", "DELETE"], &jobs, Some(CREDENTIAL))
    })
}

fn configuration() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "required": ["my_domain", "client_id"],
        "properties": {
            "my_domain": {
                "type": "string",
                "title": "My Domain",
                "description": "The part of the org's address before .my.salesforce.com: acme, or acme--uat.sandbox for a sandbox. Shown in Salesforce under Setup > My Domain.",
                "pattern": "^[A-Za-z0-9][A-Za-z0-9-]*([.][A-Za-z0-9][A-Za-z0-9-]*)?$",
                "examples": ["acme", "acme--uat.sandbox"]
            },
            "auth": {
                "type": "string",
                "title": "Way to log in",
                "description": "client-credentials: client id and secret of an app with a run-as user. jwt-bearer: the app's private key and a user that an administrator has approved for it.",
                "enum": ["client-credentials", "jwt-bearer"],
                "default": "client-credentials"
            },
            "client_id": {
                "type": "string",
                "title": "Consumer key",
                "description": "Of the connected app or external client app made for this connection.",
                "minLength": 1
            },
            "client_secret": {
                "type": "string",
                "title": "Consumer secret",
                "description": "Of the same app; for client-credentials.",
                "minLength": 1,
                "writeOnly": true
            },
            "username": {
                "type": "string",
                "title": "User name",
                "description": "Of the integration user, in the form of an address; for jwt-bearer.",
                "minLength": 1
            },
            "private_key": {
                "type": "string",
                "title": "Private key",
                "description": "RSA, in PEM, whose certificate the app has; for jwt-bearer.",
                "minLength": 1,
                "writeOnly": true
            },
            "audience": {
                "type": "string",
                "title": "Audience",
                "description": "Whom the assertion is for: the login address of production, or of sandboxes; for jwt-bearer.",
                "enum": ["https://login.salesforce.com", "https://test.salesforce.com"],
                "default": "https://login.salesforce.com"
            },
            "api_version": {
                "type": "string",
                "title": "API version",
                "description": "All calls use it. Salesforce keeps a version for at least three years.",
                "pattern": "^[0-9]{2}[.]0$",
                "default": API_VERSION
            },
            "objects": {
                "type": "array",
                "title": "Further objects",
                "description": "API names of objects to offer beside the usual ones, custom or not.",
                "items": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$"},
                "uniqueItems": true,
                "examples": [["Invoice__c"]]
            },
            "fields": {
                "type": "object",
                "title": "Fields",
                "description": "For each object the API names of the fields to read; an object that is not named here is read with all fields that the user may see. What identifies and dates a record is always read.",
                "additionalProperties": {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": true},
                "examples": [{"Contact": ["Email", "FirstName", "LastName", "AccountId"]}]
            },
            "daily_share": {
                "type": "integer",
                "title": "Share of the day's calls, per cent",
                "description": "When all users of the org together have spent so much of its daily calls, reading stops until some are free again.",
                "minimum": 1,
                "maximum": 100,
                "default": 80
            },
            "bulk_from": {
                "type": "integer",
                "title": "Records from which on to read in bulk",
                "description": "Fewer changed records are read by queries of 2,000 a call, more by a bulk job.",
                "minimum": 1,
                "default": 10000
            },
            "start_date": {
                "type": "string",
                "title": "Start date",
                "description": "Records that did not change since this day are read only when they do. Leave it out to read all of them.",
                "format": "date",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
            },
            "end_date": {
                "type": "string",
                "title": "End date",
                "description": "The last day whose changes are read; reading then ends. Attiva sets it to read a span of days anew: leave it out.",
                "format": "date",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
            },
            "overlap_seconds": {
                "type": "integer",
                "title": "Overlap in seconds",
                "description": "How far back behind the last run each run looks again: records become visible some time after the time they carry.",
                "minimum": 0,
                "maximum": 86400,
                "default": 600
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::spec::Spec as HostSpec;

    #[test]
    fn the_host_takes_it_and_hides_the_secrets() {
        let spec = HostSpec::parse(&spec().to_json()).unwrap();
        let mut secrets = spec.secrets();
        secrets.sort_unstable();
        assert_eq!(secrets, ["client_secret", "private_key"]);
        let methods = |auth: Value| {
            let chosen = spec.credential(CREDENTIAL, &auth).unwrap();
            serde_json::to_value(&chosen.method).unwrap()["method"].as_str().unwrap().to_owned()
        };
        assert_eq!(methods(json!({})), "oauth2-client-credentials");
        assert_eq!(methods(json!({"auth": "jwt-bearer"})), "oauth2-jwt-bearer");
    }

    #[test]
    fn the_instance_is_the_organisation_that_the_token_is_for() {
        let spec = HostSpec::parse(&spec().to_json()).unwrap();
        let reply = json!({"id": "https://login.salesforce.com/id/00D50000000IZ3ZEAW/00550000001fg5OAAQ",
                           "instance_url": "https://acme.my.salesforce.com"});
        assert_eq!(spec.instance.learnt.unwrap().read(&reply).as_deref(), Some("00D50000000IZ3ZEAW"));
        let api = spec.origins.iter().find(|origin| origin.name == ORIGIN).unwrap();
        assert_eq!(api.learnt.as_ref().unwrap().read(&reply).as_deref(), Some("https://acme.my.salesforce.com"));
    }
}
