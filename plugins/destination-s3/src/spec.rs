//! The specification, and the schema of a target's options.

use attiva_connector::Spec;
use attiva_connector::spec::{AssumedRole, CredentialMethod, Delivery, DeliveryClass, Member, Mode, Origin};
use serde_json::Value;

/// The one credential.
pub(crate) const CREDENTIAL: &str = "aws";
/// The one kind of target.
pub(crate) const OBJECT: &str = "file";

pub(crate) fn spec() -> Spec {
    Spec::new("destination-s3", env!("CARGO_PKG_VERSION"), "attiva", "Amazon S3")
        .description("Writes audiences as CSV, JSON lines or Parquet files, each with a manifest. A file is never visible before it is whole.")
        .configuration(configuration())
        .credential(
            CREDENTIAL,
            CredentialMethod::AwsSigv4 {
                service: "s3".into(),
                region: "{region}".into(),
                access_key_id: "{access_key_id}".into(),
                secret_access_key: "{secret_access_key}".into(),
                session_token: Some("{session_token}".into()),
                role: Some(AssumedRole {
                    origin: "sts".into(),
                    arn: "{role_arn}".into(),
                    external_id: Some("{external_id}".into()),
                }),
            },
        )
        .origin(origin("virtual", "https://{bucket}.s3.{region}.amazonaws.com"))
        .origin(origin("path", "https://s3.{region}.amazonaws.com"))
        .origin(Origin::new("sts", "https://sts.{region}.amazonaws.com", &["amazonaws.com"]))
        .instance("S3", "{bucket}")
        .delivery(Delivery { class: DeliveryClass::EffectivelyOnce, batch_rows: 5000, request_timeout_ms: 60_000 })
        .mode(Mode::Snapshot)
        .members(OBJECT, &[Member::Person, Member::Account])
}

/// Keys may begin with anything, so the rules cannot say more of a path than that it is one.
fn origin(name: &str, url: &str) -> Origin {
    Origin::new(name, url, &["amazonaws.com"]).reads(&["GET", "HEAD"], "/", Some(CREDENTIAL)).writes(
        &["PUT", "POST", "DELETE"],
        "/",
        Some(CREDENTIAL),
    )
}

/// Read from text: building it in code would be a tenth of the component.
fn configuration() -> Value {
    schema(include_str!("configuration.json"))
}

pub(crate) fn options_schema() -> Value {
    schema(include_str!("options.json"))
}

/// The files are checked by a test.
fn schema(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_host_takes_it() {
        let spec = attiva_core::spec::Spec::parse(&spec().to_json()).unwrap();
        assert_eq!(spec.secrets(), ["secret_access_key", "session_token"]);
    }

    /// What the schema calls the default is what the connector takes for it.
    #[test]
    fn the_schema_and_the_types_agree_on_defaults() {
        let required = json!({"bucket": "b", "region": "r", "access_key_id": "k"});
        let mut full = required.clone();
        for (name, property) in configuration()["properties"].as_object().unwrap() {
            if let (Some(default), None) = (property.get("default"), property.get("writeOnly")) {
                full[name] = default.clone();
            }
        }
        for (name, property) in configuration()["properties"]["csv"]["properties"].as_object().unwrap() {
            full["csv"][name] = property["default"].clone();
        }
        let read = |value: Value| attiva_connector::parse_config::<crate::Config>(&value.to_string()).unwrap();
        assert_eq!(read(full), read(required));
        assert_eq!(options_schema()["properties"]["key"]["default"], crate::config::KEY_DEFAULT);
    }
}
