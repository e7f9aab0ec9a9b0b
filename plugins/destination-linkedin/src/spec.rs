//! The specification, and what can be filled.

use attiva_connector::spec::{Authorize, CredentialMethod, Delivery, DeliveryClass, Member, Origin, Rate};
use attiva_connector::{DataType, FieldSpec, Spec, TargetObject};

/// The one credential.
pub(crate) const CREDENTIAL: &str = "member";
/// The API's origin. The login's is the host's own business.
pub(crate) const ORIGIN: &str = "api";

/// What LinkedIn's "too many" becomes, of a minute and of a day.
const THROTTLED: [&str; 2] = ["linkedin.429", "linkedin.TOO_MANY_REQUESTS"];

const OPTIONS: &str = r#"{"type":"object","additionalProperties":false,"properties":{}}"#;

pub(crate) fn spec() -> Spec {
    const SEGMENTS: &str = "/rest/dmpSegments";
    Spec::new("destination-linkedin", env!("CARGO_PKG_VERSION"), "attiva", "LinkedIn Ads")
        .description(
            "Fills matched audiences of LinkedIn with people (by the hash of their e-mail address) and with companies.",
        )
        .configuration(serde_json::from_str(include_str!("configuration.json")).unwrap_or_default())
        .credential(
            CREDENTIAL,
            CredentialMethod::OAuth2RefreshToken {
                origin: "login".into(),
                path: "/oauth/v2/accessToken".into(),
                client_id: "{client_id}".into(),
                client_secret: "{client_secret}".into(),
                refresh_token: "{refresh_token}".into(),
                authorize: Some(Authorize {
                    origin: "login".into(),
                    path: "/oauth/v2/authorization".into(),
                    scopes: ["r_ads", "rw_dmp_segments"].map(str::to_owned).to_vec(),
                    // LinkedIn answers `invalid_client` to an app with a secret that sends a verifier.
                    pkce: false,
                    parameters: std::collections::BTreeMap::new(),
                }),
            },
        )
        .origin(
            Origin::new(ORIGIN, "https://api.linkedin.com", &["linkedin.com"])
                .reads(&["GET"], SEGMENTS, Some(CREDENTIAL))
                .reads(&["GET"], "/rest/adAccounts/", Some(CREDENTIAL))
                .writes(&["POST", "DELETE"], SEGMENTS, Some(CREDENTIAL)),
        )
        .origin(Origin::new("login", "https://www.linkedin.com", &["linkedin.com"]))
        // 600 calls a minute for people and 300 for companies, each for a member: the smaller holds for both.
        .rate_refused_by(Rate::Window { calls: 300, seconds: 60 }, &THROTTLED)
        // LinkedIn publishes no figure of a day; the developer portal shows the app's, and an operator can set it.
        .rate_refused_by(Rate::Day { calls: None, resets: "UTC0".into(), told_by: None }, &THROTTLED)
        .instance("LinkedIn", "{account_id}")
        .delivery(Delivery { class: DeliveryClass::AtLeastOnce, batch_rows: 5_000, request_timeout_ms: 60_000 })
        .members("companies", &[Member::Account])
        // LinkedIn tells how many were matched, and never who.
        .read_back(false)
}

pub(crate) fn objects() -> Vec<TargetObject> {
    let field = |name: &str, label: &str, matching_key: bool| FieldSpec {
        name: name.into(),
        data_type: DataType::Text,
        required: false,
        matching_key,
        read_only_because: None,
        label: label.into(),
    };
    let object = |name: &str, title: &str, fields: Vec<FieldSpec>| TargetObject {
        name: name.into(),
        title: title.into(),
        fields,
        open_fields: false,
        options_schema: OPTIONS.into(),
    };
    let people = vec![
        field("email", "E-mail address, or its SHA-256 in hex", true),
        field("first_name", "First name (with the last name it identifies who has no address)", false),
        field("last_name", "Last name", false),
        field("title", "Job title", false),
        field("company", "Employer's name", false),
        field("country", "Country, two letters (ISO 3166-1)", false),
    ];
    let companies = vec![
        field("name", "Company's name", true),
        field("domain", "Domain of its web site", true),
        field("email_domain", "Domain of its e-mail addresses", true),
        field("page_url", "Its LinkedIn page", true),
        field("organization_urn", "Its LinkedIn organisation: URN or number", true),
    ];
    vec![
        object("people", "Matched audience of people", people),
        object("companies", "Matched audience of companies", companies),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_host_takes_it() {
        let spec = attiva_core::spec::Spec::parse(&spec().to_json()).unwrap();
        assert_eq!(spec.secrets(), ["client_secret", "refresh_token"]);
    }

    /// What the schema calls the default is what the connector takes for it.
    #[test]
    fn the_schema_and_the_types_agree_on_defaults() {
        let required = json!({});
        let mut full = required.clone();
        for (name, property) in spec().configuration["properties"].as_object().unwrap() {
            if let Some(default) = property.get("default") {
                full[name] = default.clone();
            }
        }
        assert_eq!(full.as_object().map(serde_json::Map::len), Some(2));
        assert_eq!(crate::config::tests::read(full), crate::config::tests::read(required));
        assert!(serde_json::from_str::<Value>(OPTIONS).is_ok());
    }
}
