//! The specification, and its defects.

use super::mark;
use attiva_connector::Spec;
use attiva_connector::spec::{CredentialMethod, Delivery, DeliveryClass, Origin, ParametersIn, Rate};
use serde_json::{Value, json};

pub(crate) const CREDENTIAL: &str = "acme";
pub(crate) const STATE_VERSION: u32 = 1;

pub(crate) fn spec() -> Spec {
    let defect = mark();
    let credential = CredentialMethod::OAuth2ClientCredentials {
        origin: "api".into(),
        path: "/oauth/token".into(),
        client_id: "{client_id}".into(),
        client_secret: "{client_secret}".into(),
        parameters_in: ParametersIn::Body,
    };
    let with = Some(CREDENTIAL);
    let origin = Origin::new("api", "https://{team}.acme.example", &["acme.example"])
        .reads(&["GET"], "/v1/", with)
        .reads(&["POST"], "/v1/exports", with)
        .writes(&["POST", "DELETE"], "/v1/lists", with)
        .writes(&["DELETE"], "/v1/people/", with);
    let spec = Spec::new("connector-acme", "0.1.0", "acme", "Acme CRM")
        .description("Persons and companies of an Acme CRM, and its lists.")
        .state_version(STATE_VERSION)
        .configuration(configuration(&defect))
        .credential(CREDENTIAL, credential)
        .origin(origin)
        .rate(Rate::Window { calls: 100, seconds: 10 })
        .instance("Acme", "{team}");
    if defect == "world" {
        return spec;
    }
    let batch_rows = if defect == "batch-size" { 60 } else { 50 };
    spec.delivery(Delivery { class: DeliveryClass::AtLeastOnce, batch_rows, request_timeout_ms: 10_000 })
        .read_back(defect != "read-back")
}

fn configuration(defect: &str) -> Value {
    let text =
        |title: &str| json!({"type": "string", "title": title, "description": "As Acme shows it under Settings."});
    let secret = |title: &str| json!({"type": "string", "title": title, "description": "As Acme shows it once.", "writeOnly": true});
    let mut schema = json!({
        "type": "object", "additionalProperties": false,
        "required": ["team", "client_id", "client_secret"],
        "properties": {
            "team": text("Team"), "client_id": text("Client id"), "client_secret": secret("Client secret"),
            "region": text("Region"), "pin": text("Pin"), "defect": text("Defect"),
        }
    });
    let properties = &mut schema["properties"];
    match defect {
        "schema" => {
            properties["region"].as_object_mut().map(|region| region.remove("type"));
        }
        "secrets" => properties["api_token"] = text("Token"),
        "documents" => {
            properties["region"].as_object_mut().map(|region| region.remove("description"));
        }
        "config-compatibility" => {
            properties["workspace"] = text("Workspace");
            schema["required"] = json!(["team", "client_id", "client_secret", "workspace"]);
        }
        "required" => {
            schema["required"] = json!(["client_id", "client_secret"]);
            schema["anyOf"] = json!([{"required": ["team"]}]);
        }
        _ => {}
    }
    schema
}
