//! The specification: what the host and an operator know of this connector before it runs.

use attiva_connector::spec::{Cardinality, CredentialMethod, Origin, ParametersIn, Rate, Spec};
use serde_json::{Value, json};

/// The origin all requests go to.
pub(crate) const ORIGIN: &str = "api";
/// The credential all requests carry.
pub(crate) const CREDENTIAL: &str = "marketo";
/// The stream of persons.
pub(crate) const PERSONS: &str = "persons";

pub(crate) fn spec() -> Spec {
    Spec::new("source-marketo", env!("CARGO_PKG_VERSION"), "attiva", "Adobe Marketo Engage")
        .description("Persons of a Marketo instance: all of them once by bulk extract, then what changes.")
        .state_version(crate::cursor::VERSION)
        .configuration(configuration())
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
        .origin(origin())
        // Half of what Marketo allows an instance, as it advises for one integration.
        .rate(Rate::Window { calls: 50, seconds: 20 })
        .rate(Rate::Concurrent { calls: 5 })
        .instance("Marketo", "{munchkin_id}")
        // One instance feeds one organisation, in as many sandboxes as it likes; audiences may come back from any.
        .cardinality(Cardinality { source_organisations_per_instance: Some(1), ..Cardinality::default() })
        .mapping(PERSONS, "person", PERSON)
}

/// Everything here reads: an export is made to be read, and a POST to `leads.json` with `?_method=GET` is Marketo's way
/// to send a long query. The rule names that query, since the same path without it writes.
fn origin() -> Origin {
    let with = Some(CREDENTIAL);
    Origin::new(ORIGIN, "https://{munchkin_id}.mktorest.com", &["mktorest.com"])
        .reads(&["GET"], "/rest/v1/leads/describe.json", with)
        .reads(&["GET"], "/rest/v1/leads.json", with)
        .reads(&["POST"], "/rest/v1/leads.json?_method=GET", with)
        .reads(&["GET"], "/rest/v1/activities", with)
        .reads(&["GET"], "/rest/v1/stats/usage.json", with)
        .reads(&["GET", "POST"], "/bulk/v1/leads/export", with)
}

fn configuration() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "required": ["munchkin_id", "client_id", "client_secret"],
        "properties": {
            "munchkin_id": {
                "type": "string",
                "title": "Munchkin id",
                "description": "Three digits, three capitals, three digits: 123-ABC-456, shown in Marketo under Admin > Munchkin. Not the endpoint's URL: of https://123-ABC-456.mktorest.com/rest enter 123-ABC-456.",
                "pattern": "^[0-9]{3}-[A-Z]{3}-[0-9]{3}$",
                "examples": ["123-ABC-456"]
            },
            "client_id": {
                "type": "string",
                "title": "Client id",
                "description": "Of the custom service made for this connection, under Admin > LaunchPoint.",
                "minLength": 1
            },
            "client_secret": {
                "type": "string",
                "title": "Client secret",
                "description": "Of the same custom service.",
                "minLength": 1,
                "writeOnly": true
            },
            "start_date": {
                "type": "string",
                "title": "Start date",
                "description": "Persons created before this day are read only when they change. Every 30 days from here to now are one export, at least a minute each: a later day makes the first run shorter.",
                "format": "date",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                "default": "2006-01-01"
            },
            "fields": {
                "type": "array",
                "title": "Fields",
                "description": "Names of the person fields to read, as the REST interface has them; absent or empty: all. id, createdAt and updatedAt are always read.",
                "items": {"type": "string", "minLength": 1},
                "uniqueItems": true
            },
            "poll_seconds": {
                "type": "integer",
                "title": "Seconds between looks at an export",
                "description": "Marketo renews an export's status once a minute: less only costs calls.",
                "minimum": 1,
                "maximum": 3600,
                "default": 60
            }
        }
    })
}

/// Target field of a person <- expression over the native record.
const PERSON: &[(&str, &str)] = &[
    ("email", "record.email"),
    ("first_name", "record.firstName"),
    ("last_name", "record.lastName"),
    ("job_title", "record.title"),
    ("department", "record.department"),
    ("company_name", "record.company"),
    ("company_website", "record.website"),
    ("industry", "record.industry"),
    ("annual_revenue", "record.annualRevenue"),
    ("number_of_employees", "record.numberOfEmployees"),
    ("phone", "record.phone"),
    ("mobile_phone", "record.mobilePhone"),
    ("street", "record.address"),
    ("city", "record.city"),
    ("state", "record.state"),
    ("postal_code", "record.postalCode"),
    ("country", "record.country"),
    ("person_type", "record.sfdcType"),
    ("person_status", "record.leadStatus"),
    ("person_source", "record.leadSource"),
    ("person_score", "record.leadScore"),
    ("is_unsubscribed", "record.unsubscribed"),
    // The id that counts is the one of the kind of CRM record this person is now: a converted lead keeps its old one.
    ("crm_contact_key", r#"record.sfdcType == "Contact" ? record.sfdcContactId : null"#),
    ("crm_lead_key", r#"record.sfdcType == "Lead" ? record.sfdcLeadId : null"#),
    ("created_date", "record.createdAt"),
    ("last_updated_date", "record.updatedAt"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::spec::Spec as HostSpec;

    #[test]
    fn the_host_takes_it_and_hides_the_secret() {
        let spec = HostSpec::parse(&spec().to_json()).unwrap();
        assert_eq!(spec.secrets(), ["client_secret"]);
    }

    #[test]
    fn persons_map_to_fields_the_model_has() {
        for (target, _) in PERSON {
            assert!(attiva_core::model::person_slot(target).is_some(), "{target}");
        }
    }
}
