//! The specification, and the schema of a target's options.

use attiva_connector::Spec;
use attiva_connector::spec::{CredentialMethod, Delivery, DeliveryClass, Origin};
use serde_json::{Value, json};

/// The one credential.
pub(crate) const CREDENTIAL: &str = "aws";
/// The one kind of target.
pub(crate) const OBJECT: &str = "file";

pub(crate) fn spec() -> Spec {
    Spec::new("destination-s3", env!("CARGO_PKG_VERSION"), "attiva", "Amazon S3")
        .description("Writes audiences as CSV files, each with a manifest. A file is never visible before it is whole.")
        .configuration(configuration())
        .credential(
            CREDENTIAL,
            CredentialMethod::AwsSigv4 {
                service: "s3".into(),
                region: "{region}".into(),
                access_key_id: "{access_key_id}".into(),
                secret_access_key: "{secret_access_key}".into(),
                session_token: Some("{session_token}".into()),
            },
        )
        .origin(origin("virtual", "https://{bucket}.s3.{region}.amazonaws.com"))
        .origin(origin("path", "https://s3.{region}.amazonaws.com"))
        .instance("S3", "{bucket}")
        .delivery(Delivery { class: DeliveryClass::EffectivelyOnce, batch_rows: 5000, request_timeout_ms: 60_000 })
}

/// Keys may begin with anything, so the rules cannot say more of a path than that it is one.
fn origin(name: &str, url: &str) -> Origin {
    Origin::new(name, url, &["amazonaws.com"]).reads(&["GET", "HEAD"], "/", Some(CREDENTIAL)).writes(
        &["PUT", "POST", "DELETE"],
        "/",
        Some(CREDENTIAL),
    )
}

fn configuration() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["bucket", "region", "access_key_id", "secret_access_key"],
        "properties": {
            "bucket": {
                "type": "string", "title": "Bucket", "pattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
            },
            "region": {
                "type": "string", "title": "Region", "pattern": "^[a-z0-9-]{1,63}$", "examples": ["eu-central-1"]
            },
            "prefix": {
                "type": "string", "title": "Prefix", "default": "",
                "description": "Stands before every key. A slash is put behind it if it has none."
            },
            "addressing": {
                "type": "string", "title": "Addressing", "enum": ["virtual", "path"], "default": "virtual",
                "description": "Where the bucket stands: in the host name, or in the path (needed for a bucket with dots in its name, and by most other stores)."
            },
            "access_key_id": {"type": "string", "title": "Access key ID", "minLength": 1},
            "secret_access_key": {"type": "string", "title": "Secret access key", "minLength": 1, "writeOnly": true},
            "session_token": {
                "type": "string", "title": "Session token", "default": "", "writeOnly": true,
                "description": "Only with temporary credentials."
            },
            "gzip": {"type": "boolean", "title": "Compress with gzip", "default": false},
            "csv": {
                "type": "object", "title": "CSV", "additionalProperties": false, "default": {},
                "properties": {
                    "delimiter": {"type": "string", "title": "Delimiter", "minLength": 1, "maxLength": 1, "default": ","},
                    "quote": {"type": "string", "title": "Quote", "minLength": 1, "maxLength": 1, "default": "\""},
                    "header": {"type": "boolean", "title": "First line names the columns", "default": true},
                    "null_text": {
                        "type": "string", "title": "Null", "default": "",
                        "description": "What stands for no value, never quoted. A text that reads the same is quoted."
                    },
                    "line_ending": {"type": "string", "title": "Line ending", "enum": ["lf", "crlf"], "default": "lf"}
                }
            },
            "part_size_mb": {
                "type": "integer", "title": "Part size in MiB", "minimum": 5, "maximum": 32, "default": 8,
                "description": "Files of more than this go up in parts of this size."
            }
        }
    })
}

pub(crate) fn options_schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "key": {
                "type": "string", "title": "Key", "minLength": 1, "default": crate::config::KEY_DEFAULT,
                "description": "The file's key behind the prefix. {target}, {run_id}, {date} (2026-11-23), {time} (141300), {year}, {month}, {day}, {hour} and {extension} (csv or csv.gz) are filled in; times are UTC and the run's start."
            },
            "operation_column": {
                "type": "string", "title": "Operation column", "minLength": 1,
                "description": "If set, a first column of this name says upsert or remove, and removed members are rows too. If not, the file holds who is in the audience and a removal is simply not in it."
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
