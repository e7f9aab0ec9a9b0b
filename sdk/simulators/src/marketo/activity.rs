//! One activity: what a lead did or had done to it, and how the endpoints tell of it.

use serde_json::{Value as Json, json};

use super::clock::{self, Seconds};
use super::leads::{Change, Lead};
use super::schema::Field;
use super::words;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Activity {
    /// Unique and rising; the place among those of one second.
    pub(crate) number: u64,
    pub(crate) at: Seconds,
    pub(crate) lead: u64,
    pub(crate) deed: Deed,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Deed {
    VisitWebpage { page: String },
    NewLead { source: String },
    ChangeDataValue { field: Field, old: Option<String>, new: Option<String>, source: &'static str },
    MergeLeads { name: String, losers: Vec<u64> },
    DeleteLead { name: String },
}

impl Deed {
    pub(crate) const NEW_LEAD: u32 = 12;
    pub(crate) const CHANGE_DATA_VALUE: u32 = 13;
    pub(crate) const MERGE_LEADS: u32 = 32;
    pub(crate) const DELETE_LEAD: u32 = 37;

    pub(crate) fn type_id(&self) -> u32 {
        match self {
            Self::VisitWebpage { .. } => 1,
            Self::NewLead { .. } => Self::NEW_LEAD,
            Self::ChangeDataValue { .. } => Self::CHANGE_DATA_VALUE,
            Self::MergeLeads { .. } => Self::MERGE_LEADS,
            Self::DeleteLead { .. } => Self::DELETE_LEAD,
        }
    }

    pub(crate) fn changed(change: &Change, source: &'static str) -> Self {
        Self::ChangeDataValue { field: change.field, old: change.old.to_text(), new: change.new.to_text(), source }
    }

    pub(crate) fn created(lead: Lead<'_>) -> Self {
        Self::NewLead {
            source: lead.value(Field::LeadSource).to_text().unwrap_or_else(|| "Web service API".to_owned()),
        }
    }
}

impl Activity {
    pub(crate) fn to_json(&self) -> Json {
        let (primary, attributes) = self.parts();
        let mut record = self.head();
        if let Some((id, value)) = primary {
            record["primaryAttributeValueId"] = id;
            record["primaryAttributeValue"] = Json::from(value);
        }
        record["attributes"] = attributes_json(attributes);
        record
    }

    /// As `leadchanges.json` tells it: the field apart from the other attributes.
    pub(crate) fn to_change_json(&self) -> Json {
        let mut record = self.head();
        let (_, attributes) = self.parts();
        record["fields"] = match &self.deed {
            Deed::ChangeDataValue { field, old, new, .. } => {
                json!([{"id": field.id(), "name": field.name(), "newValue": new, "oldValue": old}])
            }
            _ => json!([]),
        };
        record["attributes"] = attributes_json(
            attributes.into_iter().filter(|(name, _)| !["New Value", "Old Value"].contains(name)).collect(),
        );
        record
    }

    fn head(&self) -> Json {
        json!({
            "id": self.number,
            "marketoGUID": self.number.to_string(),
            "leadId": self.lead,
            "activityDate": clock::datetime(self.at),
            "activityTypeId": self.deed.type_id(),
        })
    }

    /// Primary attribute and the others; those without a value are left out.
    fn parts(&self) -> (Option<(Json, String)>, Vec<(&'static str, Json)>) {
        match &self.deed {
            Deed::VisitWebpage { page } => {
                let number = words::PAGES.iter().position(|known| known == page).map_or(0, |index| index + 1);
                (
                    Some((json!(number), page.clone())),
                    vec![
                        ("Webpage URL", json!(page)),
                        ("User Agent", json!("Mozilla/5.0")),
                        ("Client IP Address", json!("192.0.2.1")),
                    ],
                )
            }
            Deed::NewLead { source } => (
                None,
                vec![
                    ("Created Date", json!(clock::date(self.at.div_euclid(clock::DAY)))),
                    ("Source Type", json!(source)),
                ],
            ),
            Deed::ChangeDataValue { field, old, new, source } => {
                let mut attributes = vec![("Source", json!(source))];
                attributes.extend(new.as_ref().map(|new| ("New Value", json!(new))));
                attributes.extend(old.as_ref().map(|old| ("Old Value", json!(old))));
                (Some((json!(field.id()), field.spec().display_name.to_owned())), attributes)
            }
            Deed::MergeLeads { name, losers } => {
                let losers: Vec<String> = losers.iter().map(u64::to_string).collect();
                let attributes = vec![
                    ("Master Updated", json!(true)),
                    ("Merge IDs", json!(format!("[{}]", losers.join(",")))),
                    ("Merge Source", json!("Web service API")),
                ];
                (Some((json!(self.lead), name.clone())), attributes)
            }
            Deed::DeleteLead { name } => (Some((json!(self.lead), name.clone())), vec![]),
        }
    }
}

fn attributes_json(attributes: Vec<(&'static str, Json)>) -> Json {
    attributes.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// `result` of `activities/types.json`.
pub(crate) fn types() -> Json {
    let attribute = |(name, data_type): &(&str, &str)| json!({"name": name, "dataType": data_type});
    let activity_type = |id: u32, name: &str, primary: Option<&(&str, &str)>, attributes: &[(&str, &str)]| {
        let attributes: Vec<Json> = attributes.iter().map(attribute).collect();
        let mut described =
            json!({"id": id, "name": name, "description": format!("{name} of a lead"), "attributes": attributes});
        if let Some(primary) = primary {
            described["primaryAttribute"] = attribute(primary);
        }
        described
    };
    json!([
        activity_type(
            1,
            "Visit Webpage",
            Some(&("Webpage ID", "integer")),
            &[("Client IP Address", "string"), ("User Agent", "string"), ("Webpage URL", "string")]
        ),
        activity_type(Deed::NEW_LEAD, "New Lead", None, &[("Created Date", "date"), ("Source Type", "string")]),
        activity_type(
            Deed::CHANGE_DATA_VALUE,
            "Change Data Value",
            Some(&("Attribute Name", "string")),
            &[("New Value", "string"), ("Old Value", "string"), ("Source", "string")]
        ),
        activity_type(
            Deed::MERGE_LEADS,
            "Merge Leads",
            Some(&("Lead ID", "integer")),
            &[("Master Updated", "boolean"), ("Merge IDs", "string"), ("Merge Source", "string")]
        ),
        activity_type(Deed::DELETE_LEAD, "Delete Lead", Some(&("Lead ID", "integer")), &[]),
    ])
}
