//! One activity: what a lead did or had done to it, and how the endpoints tell of it.

use serde_json::{Map, Value as Json, json};

use super::clock::{self, Seconds};
use super::leads::{Change, Lead};
use super::schema::Field;
use super::seeded::business::SUCCESS;
use super::words;

/// The e-mail that is clicked in, and the smart campaign that sends it.
const EMAIL: u64 = 501;
const SENDING: u64 = 5_011;

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
    VisitWebpage {
        page: String,
    },
    ClickEmail {
        link: String,
    },
    NewLead {
        source: String,
    },
    ChangeDataValue {
        field: Field,
        old: Option<String>,
        new: Option<String>,
        source: &'static str,
    },
    MergeLeads {
        name: String,
        losers: Vec<u64>,
    },
    DeleteLead {
        name: String,
    },
    AddToList {
        list: u64,
        name: String,
    },
    RemoveFromList {
        list: u64,
        name: String,
    },
    ChangeStatus {
        program: u64,
        name: String,
        old: String,
        new: String,
    },
    AddToOpportunity {
        opportunity: u64,
        name: String,
        role: &'static str,
        primary: bool,
    },
    RemoveFromOpportunity {
        opportunity: u64,
        name: String,
        role: &'static str,
    },
    UpdateOpportunity {
        opportunity: u64,
        name: String,
        attribute: String,
        changes: Json,
    },
    /// Into a track of a nurture program, from another if there was one.
    ChangeTrack {
        program: u64,
        name: String,
        track: u64,
        before: Option<u64>,
    },
    /// To a stage of the revenue model.
    ChangeStage {
        stage: u64,
    },
}

impl Deed {
    pub(crate) const CLICK_EMAIL: u32 = 11;
    pub(crate) const NEW_LEAD: u32 = 12;
    pub(crate) const CHANGE_DATA_VALUE: u32 = 13;
    pub(crate) const ADD_TO_LIST: u32 = 24;
    pub(crate) const REMOVE_FROM_LIST: u32 = 25;
    pub(crate) const MERGE_LEADS: u32 = 32;
    pub(crate) const ADD_TO_OPPORTUNITY: u32 = 34;
    pub(crate) const REMOVE_FROM_OPPORTUNITY: u32 = 35;
    pub(crate) const UPDATE_OPPORTUNITY: u32 = 36;
    pub(crate) const DELETE_LEAD: u32 = 37;
    pub(crate) const CHANGE_STAGE: u32 = 101;
    pub(crate) const CHANGE_STATUS: u32 = 104;
    pub(crate) const ADD_TO_NURTURE: u32 = 113;
    pub(crate) const CHANGE_TRACK: u32 = 114;

    pub(crate) fn type_id(&self) -> u32 {
        match self {
            Self::VisitWebpage { .. } => 1,
            Self::ClickEmail { .. } => Self::CLICK_EMAIL,
            Self::NewLead { .. } => Self::NEW_LEAD,
            Self::ChangeDataValue { .. } => Self::CHANGE_DATA_VALUE,
            Self::MergeLeads { .. } => Self::MERGE_LEADS,
            Self::DeleteLead { .. } => Self::DELETE_LEAD,
            Self::AddToList { .. } => Self::ADD_TO_LIST,
            Self::RemoveFromList { .. } => Self::REMOVE_FROM_LIST,
            Self::ChangeStatus { .. } => Self::CHANGE_STATUS,
            Self::AddToOpportunity { .. } => Self::ADD_TO_OPPORTUNITY,
            Self::RemoveFromOpportunity { .. } => Self::REMOVE_FROM_OPPORTUNITY,
            Self::UpdateOpportunity { .. } => Self::UPDATE_OPPORTUNITY,
            Self::ChangeStage { .. } => Self::CHANGE_STAGE,
            Self::ChangeTrack { before: None, .. } => Self::ADD_TO_NURTURE,
            Self::ChangeTrack { .. } => Self::CHANGE_TRACK,
        }
    }

    /// The smart campaign whose step it was.
    fn campaign(&self) -> Option<u64> {
        match self {
            Self::ClickEmail { .. } => Some(SENDING),
            Self::ChangeStatus { program, .. } => Some(program * 10 + 1),
            _ => None,
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

    /// As a row of a bulk extract: its attributes are one object.
    pub(crate) fn to_export(&self) -> Map<String, Json> {
        let (primary, attributes) = self.parts();
        let attributes: Map<String, Json> =
            attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut record = match self.head() {
            Json::Object(head) => head,
            _ => Map::new(),
        };
        if let Some((id, value)) = primary {
            record.insert("primaryAttributeValueId".to_owned(), id);
            record.insert("primaryAttributeValue".to_owned(), Json::from(value));
        }
        record.insert("attributes".to_owned(), Json::Object(attributes));
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
        let mut head = json!({
            "id": self.number,
            "marketoGUID": self.number.to_string(),
            "leadId": self.lead,
            "activityDate": clock::datetime(self.at),
            "activityTypeId": self.deed.type_id(),
        });
        if let Some(campaign) = self.deed.campaign() {
            head["campaignId"] = json!(campaign);
        }
        head
    }

    /// Primary attribute and the others; those without a value are left out.
    fn parts(&self) -> (Option<(Json, String)>, Vec<(&'static str, Json)>) {
        match &self.deed {
            Deed::VisitWebpage { page } => {
                let number = words::PAGES.iter().position(|known| known == page).map_or(0, |index| index + 1);
                let mut attributes = vec![
                    ("Webpage URL", json!(page)),
                    ("User Agent", json!("Mozilla/5.0")),
                    ("Client IP Address", json!("192.0.2.1")),
                ];
                // Who types an address comes from nowhere.
                if !self.lead.is_multiple_of(3) {
                    attributes.push(("Referrer URL", json!("https://search.example/")));
                }
                (Some((json!(number), page.clone())), attributes)
            }
            Deed::ClickEmail { link } => (
                Some((json!(EMAIL), "Newsletter".to_owned())),
                vec![("Link", json!(link)), ("Is Mobile Device", json!(false)), ("User Agent", json!("Mozilla/5.0"))],
            ),
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
            Deed::AddToList { list, name } | Deed::RemoveFromList { list, name } => {
                (Some((json!(list), name.clone())), vec![("Source", json!("Web service API"))])
            }
            Deed::ChangeStatus { program, name, old, new } => (
                Some((json!(program), name.clone())),
                vec![
                    ("New Status", json!(new)),
                    ("Old Status", json!(old)),
                    ("Success", json!(new == SUCCESS)),
                    ("Acquired By", json!(false)),
                ],
            ),
            // The number is the instance's own: no other call knows it.
            Deed::AddToOpportunity { opportunity, name, role, primary } => {
                (Some((json!(opportunity), name.clone())), vec![("Role", json!(role)), ("Is Primary", json!(primary))])
            }
            Deed::RemoveFromOpportunity { opportunity, name, role } => {
                (Some((json!(opportunity), name.clone())), vec![("Role", json!(role))])
            }
            Deed::UpdateOpportunity { opportunity, name, attribute, changes } => (
                Some((json!(opportunity), name.clone())),
                vec![("Attribute Name", json!(attribute)), ("Data Value Changes", json!(changes.to_string()))],
            ),
            Deed::ChangeTrack { program, name, track, before } => {
                let attributes = match before {
                    None => vec![("Track ID", json!(track))],
                    Some(before) => vec![("New Track ID", json!(track)), ("Previous Track ID", json!(before))],
                };
                (Some((json!(program), name.clone())), attributes)
            }
            Deed::ChangeStage { stage } => (
                Some((json!(1), "Revenue Model".to_owned())),
                vec![("New Stage ID", json!(stage)), ("Reason", json!("Flow step"))],
            ),
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
            &[
                ("Client IP Address", "string"),
                ("Referrer URL", "string"),
                ("User Agent", "string"),
                ("Webpage URL", "string")
            ]
        ),
        activity_type(
            Deed::CLICK_EMAIL,
            "Click Email",
            Some(&("Mailing ID", "integer")),
            &[("Is Mobile Device", "boolean"), ("Link", "string"), ("User Agent", "string")]
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
        activity_type(Deed::ADD_TO_LIST, "Add to List", Some(&("List ID", "integer")), &[("Source", "string")]),
        activity_type(
            Deed::CHANGE_STATUS,
            "Change Status in Progression",
            Some(&("Program ID", "integer")),
            &[("Acquired By", "boolean"), ("New Status", "string"), ("Old Status", "string"), ("Success", "boolean")],
        ),
        activity_type(
            Deed::ADD_TO_OPPORTUNITY,
            "Add to Opportunity",
            Some(&("Opportunity ID", "integer")),
            &[("Is Primary", "boolean"), ("Role", "string")],
        ),
        activity_type(
            Deed::REMOVE_FROM_OPPORTUNITY,
            "Remove from Opportunity",
            Some(&("Opportunity ID", "integer")),
            &[("Role", "string")],
        ),
        activity_type(
            Deed::UPDATE_OPPORTUNITY,
            "Update Opportunity",
            Some(&("Opportunity ID", "integer")),
            &[("Attribute Name", "string"), ("Data Value Changes", "string")],
        ),
        activity_type(
            Deed::CHANGE_STAGE,
            "Change Revenue Stage",
            Some(&("Model ID", "integer")),
            &[("New Stage ID", "integer"), ("Reason", "string")],
        ),
        activity_type(
            Deed::ADD_TO_NURTURE,
            "Add to Nurture",
            Some(&("Program ID", "integer")),
            &[("Track ID", "integer")],
        ),
        activity_type(
            Deed::CHANGE_TRACK,
            "Change Nurture Track",
            Some(&("Program ID", "integer")),
            &[("New Track ID", "integer"), ("Previous Track ID", "integer")],
        ),
        activity_type(
            Deed::REMOVE_FROM_LIST,
            "Remove from List",
            Some(&("List ID", "integer")),
            &[("Source", "string")]
        ),
    ])
}
