//! Which objects are streams.

use crate::api::Api;
use crate::config::Config;
use crate::{fields, request, response};
use attiva_connector::{Host, Result, Stream};
use serde::Deserialize;

/// The usual ones, in the order in which they are best read: what others refer to comes first.
pub(crate) const USUAL: [&str; 8] = [
    "Account",
    "Contact",
    "Lead",
    "Opportunity",
    "OpportunityContactRole",
    "Campaign",
    "CampaignMember",
    "AccountContactRelation",
];

/// The usual objects and those of the configuration, each once.
pub(crate) fn wanted(config: &Config) -> impl Iterator<Item = &str> {
    let further = config.objects.iter().map(String::as_str).filter(|name| !USUAL.contains(name));
    USUAL.into_iter().chain(further)
}

/// The names of the objects that the user may query.
pub(crate) fn queryable(api: &Api, config: &Config) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Global {
        #[serde(default)]
        sobjects: Vec<Object>,
    }
    #[derive(Deserialize)]
    struct Object {
        name: String,
        #[serde(default)]
        queryable: bool,
    }

    let response = api.send(&request::objects(&config.api_version))?;
    let global: Global = response::read(&response)?;
    Ok(global.sobjects.into_iter().filter(|object| object.queryable).map(|object| object.name).collect())
}

/// A stream for each wanted object that is there. One that is not, or that the user may not see, is no stream and no
/// fault: `check` names it.
pub(crate) fn discover(host: &dyn Host, config: &Config) -> Result<Vec<Stream>> {
    let api = Api::new(host);
    let there = queryable(&api, config)?;
    let mut streams = Vec::new();
    for name in wanted(config).filter(|name| there.iter().any(|there| there == name)) {
        let Some(object) = fields::describe(&api, config, name)? else { continue };
        let fields = object.selected(config, &[]);
        streams.push(Stream {
            name: name.to_owned(),
            title: object.label.clone(),
            columns: fields.iter().map(|field| field.column()).collect(),
            key: fields::ID.into(),
            cursor_column: Some(object.stamp.clone()),
            deletes: object.deletes,
            keyed_by: None,
            suggested: true,
        });
    }
    Ok(streams)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{config, describe_path, described};
    use attiva_connector::testing::FakeHost;
    use serde_json::json;

    #[test]
    fn an_object_that_is_not_there_is_no_stream() {
        let fake = FakeHost::new();
        let object = |name: &str, queryable: bool| json!({"name": name, "queryable": queryable});
        let global = json!({"sobjects": [object("Contact", true), object("Lead", false), object("Other", true), object("Invoice__c", true), object("Account", true)]});
        fake.on("GET", "api", "/services/data/v68.0/sobjects/").json(200, &global);
        described(&fake, "Contact");
        described(&fake, "Invoice__c");
        // Seen in the list, and gone when it is described.
        fake.on("GET", "api", &describe_path("Account"))
            .json(404, &json!([{"errorCode": "NOT_FOUND", "message": "m"}]));
        let streams = discover(&fake, &config(json!({"objects": ["Invoice__c", "Contact"]}))).unwrap();
        let names: Vec<&str> = streams.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["Contact", "Invoice__c"]);
        assert_eq!((streams[0].key.as_str(), streams[0].cursor_column.as_deref()), ("Id", Some("SystemModstamp")));
        assert!(streams[0].deletes);
    }
}
