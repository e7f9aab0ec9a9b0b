//! The specification: what the host and an operator know of this connector before it runs.

use crate::{dataset, mapping};
use attiva_connector::spec::{Cardinality, CredentialMethod, Origin, ParametersIn, Rate, Spec};
use marketo_api::{CREDENTIAL, ORIGIN, READING_PERCENT, within_budget};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) fn spec() -> Spec {
    let spec = Spec::new("source-marketo", env!("CARGO_PKG_VERSION"), "attiva", "Adobe Marketo Engage")
        .description(
            "Persons, companies, opportunities, programs, static lists and activities of a Marketo instance: \
             all of them once, then what changes.",
        )
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
        .instance("Marketo", "{munchkin_id}")
        .window("start_date", "end_date", &["persons", "activities"])
        // One instance feeds one organisation, in as many sandboxes as it likes; audiences may come back from any.
        .cardinality(Cardinality { source_organisations_per_instance: Some(1), ..Cardinality::default() });
    let spec = within_budget(spec).rate(Rate::Streams { percent: READING_PERCENT, shares: shares() });
    mapping::ALL.iter().fold(spec, |spec, (stream, entity, fields)| spec.mapping(stream, entity, fields))
}

/// What each dataset has of the calls for itself; what is left is for looking what there is.
fn shares() -> BTreeMap<String, u32> {
    dataset::ALL.map(|dataset| (dataset.name().to_owned(), dataset.share())).into()
}

/// Everything here reads: an export is made to be read, and a POST to `leads.json` with `?_method=GET` is Marketo's way
/// to send a long query. The rule names that query, since the same path without it writes.
fn origin() -> Origin {
    let with = Some(CREDENTIAL);
    Origin::new(ORIGIN, "https://{munchkin_id}.mktorest.com", &["mktorest.com"])
        .reads(&["GET"], "/rest/v1/leads/describe.json", with)
        .reads(&["GET"], "/rest/v1/leads.json", with)
        .reads(&["POST"], "/rest/v1/leads.json?_method=GET", with)
        .reads(&["GET"], "/rest/v1/companies", with)
        .reads(&["POST"], "/rest/v1/companies.json?_method=GET", with)
        .reads(&["GET"], "/rest/v1/opportunities", with)
        .reads(&["POST"], "/rest/v1/opportunities.json?_method=GET", with)
        .reads(&["POST"], "/rest/v1/opportunities/roles.json?_method=GET", with)
        .reads(&["GET"], "/rest/v1/namedaccounts", with)
        .reads(&["GET"], "/rest/v1/namedAccountList", with)
        .reads(&["GET"], "/rest/v1/programs", with)
        .reads(&["GET"], "/rest/asset/v1/programs.json", with)
        .reads(&["GET"], "/rest/v1/lists", with)
        .reads(&["GET"], "/rest/v1/activities", with)
        .reads(&["GET"], "/rest/v1/stats/usage.json", with)
        .reads(&["GET", "POST"], "/bulk/v1/leads/export", with)
        .reads(&["GET", "POST"], "/bulk/v1/activities/export", with)
        .reads(&["GET", "POST"], "/bulk/v1/program/members/export", with)
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
            "end_date": {
                "type": "string",
                "title": "End date",
                "description": "The last day that is read of persons, by their creation, and of activities; reading then follows no changes. Attiva sets it to read a span of days anew: leave it out.",
                "format": "date",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
            },
            "fields": {
                "type": "array",
                "title": "Fields",
                "description": "Names of the person fields to read, as the REST interface has them; absent or empty: all. id, createdAt and updatedAt are always read.",
                "items": {"type": "string", "minLength": 1},
                "uniqueItems": true
            },
            "activity_types": {
                "type": "array",
                "title": "Activity types",
                "description": "Numbers of the activity types to read; absent or empty: the published ones, which leave out Change Data Value (13). Each ten cost a call a run.",
                "items": {"type": "integer", "minimum": 1},
                "uniqueItems": true
            },
            "named_account_lists": {
                "type": "array",
                "title": "Lists of named accounts",
                "description": "Names of the lists whose named accounts are read: Marketo has no list of all named accounts.",
                "items": {"type": "string", "minLength": 1},
                "uniqueItems": true
            },
            "crm_system": {
                "type": "string",
                "title": "CRM",
                "description": "The CRM that Marketo is synced with, if one is. With its organisation below, records say which of the CRM's they are, and meet those that come from the CRM itself.",
                "enum": ["Salesforce", "Dynamics"]
            },
            "crm_instance_id": {
                "type": "string",
                "title": "CRM organisation",
                "description": "Id of the CRM's organisation, as the connection to the CRM has it: 00D5g000004ABCDEA2.",
                "minLength": 1
            },
            "refresh_minutes": {
                "type": "integer",
                "title": "Minutes between looks at what has no feed",
                "description": "How often static lists, programs and named accounts are read anew.",
                "minimum": 1,
                "maximum": 10080,
                "default": 60
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
    fn every_stream_has_a_share_of_half_a_day_and_looking_around_has_one_too() {
        let spec = HostSpec::parse(&spec().to_json()).unwrap();
        let divided = spec.rates.iter().find_map(|rate| match rate {
            attiva_core::spec::Rate::Streams { percent, shares } => Some((*percent, shares.clone())),
            _ => None,
        });
        let (percent, shares) = divided.unwrap();
        assert_eq!((percent, shares.len()), (50, dataset::ALL.len()));
        assert!(dataset::ALL.iter().all(|dataset| shares.get(dataset.name()).is_some_and(|share| *share > 0)));
        assert_eq!(shares.values().sum::<u32>(), 90);
    }

    #[test]
    fn every_stream_has_a_mapping() {
        let spec = spec();
        let streams: Vec<&str> = spec.mappings.iter().map(|m| m.stream.as_str()).collect();
        assert_eq!(streams, crate::dataset::ALL.map(|dataset| dataset.name()));
    }
}
