//! The specification.

use attiva_connector::Spec;
use attiva_connector::spec::{CredentialMethod, Delivery, DeliveryClass, Origin, ParametersIn};
use marketo_api::{BATCH_MAX, CREDENTIAL, ORIGIN, within_budget};
use serde_json::Value;

/// The one kind of target.
pub(crate) const OBJECT: &str = "static-list";

pub(crate) fn spec() -> Spec {
    let service = Some(CREDENTIAL);
    let spec = Spec::new("destination-marketo", env!("CARGO_PKG_VERSION"), "attiva", "Adobe Marketo Engage")
        .description(
            "Fills static lists of a Marketo with the members of an audience, and makes those it lacks if you say so.",
        )
        .configuration(schema(include_str!("configuration.json")))
        .credential(
            CREDENTIAL,
            CredentialMethod::OAuth2ClientCredentials {
                origin: ORIGIN.into(),
                path: "/identity/oauth/token".into(),
                client_id: "{client_id}".into(),
                client_secret: "{client_secret}".into(),
                parameters_in: ParametersIn::Query,
            },
        )
        .origin(
            Origin::new(ORIGIN, "https://{munchkin_id}.mktorest.com", &["mktorest.com"])
                .reads(&["GET"], "/rest/v1/", service)
                .reads(&["GET"], "/rest/asset/v1/", service)
                .reads(&["GET"], "/bulk/v1/leads/batch/", service)
                // A query too long for a URI.
                .reads(&["POST"], "/rest/v1/leads.json?_method=GET", service)
                .writes(&["POST"], "/rest/v1/leads.json", service)
                .writes(&["POST", "DELETE"], "/rest/v1/lists/", service)
                .writes(&["POST"], "/rest/asset/v1/staticList", service)
                .writes(&["POST"], "/bulk/v1/leads.json", service),
        )
        .instance("Marketo", "{munchkin_id}")
        // Marketo works on a call that syncs leads for up to 90 s after we have gone.
        .delivery(Delivery {
            class: DeliveryClass::AtLeastOnce,
            batch_rows: u32::try_from(BATCH_MAX).unwrap_or(u32::MAX),
            request_timeout_ms: 90_000,
        })
        .read_back(true)
        // Half of the ten calls that Marketo takes at once: others use the same instance.
        .at_once(5, &["id", "email"]);
    within_budget(spec)
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

    #[test]
    fn the_host_takes_it() {
        let spec = attiva_core::spec::Spec::parse(&spec().to_json()).unwrap();
        assert_eq!(spec.secrets(), ["client_secret"]);
        assert!(options_schema()["properties"]["mode"].is_object());
    }
}
