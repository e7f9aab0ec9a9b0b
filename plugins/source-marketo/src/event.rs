//! Activities as rows: what they are called in the published model, and the columns that are made of their attributes,
//! which come as JSON and which no mapping could look into.

use crate::activity::Activity;
use crate::fields::{Field, MADE, MADE_JSON};
use attiva_connector::{PageBuilder, Reject, Row};
use serde_json::{Map, Value};

pub(crate) const TYPE: &str = "activityTypeId";
pub(crate) const ATTRIBUTES: &str = "attributes";

/// Marketo's standard types and their published names, the ones that are read where no others are chosen. Change Data
/// Value (13), the most frequent by far, is not among them: the changed person itself arrives.
pub(crate) const TYPES: &[(i64, &str)] = &[
    (1, "web.webpagedetails.pageViews"),
    (2, "web.formFilledOut"),
    (3, "web.webinteraction.linkClicks"),
    (6, "directMarketing.emailSent"),
    (7, "directMarketing.emailDelivered"),
    (8, "directMarketing.emailBounced"),
    (9, "directMarketing.emailUnsubscribed"),
    (10, "directMarketing.emailOpened"),
    (11, "directMarketing.emailClicked"),
    (12, "leadOperation.newLead"),
    (21, "leadOperation.convertLead"),
    (22, "leadOperation.scoreChanged"),
    (24, "listOperation.addToList"),
    (25, "listOperation.removeFromList"),
    (27, "directMarketing.emailBouncedSoft"),
    (32, "leadOperation.mergeLeads"),
    (34, "opportunityEvent.addToOpportunity"),
    (35, "opportunityEvent.removeFromOpportunity"),
    (36, "opportunityEvent.opportunityUpdated"),
    (46, "leadOperation.interestingMoment"),
    (101, "leadOperation.revenueStageChanged"),
    (104, "leadOperation.statusInCampaignProgressionChanged"),
    (110, "leadOperation.callWebhook"),
    (113, "leadOperation.addToCampaign"),
    (114, "leadOperation.changeCampaignStream"),
    (115, "leadOperation.changeEngagementCampaignCadence"),
];

/// Column that is made <- the attributes it may come from, the first that is there.
const MADE_OF: &[(&str, &[&str])] = &[
    ("pageUrl", &["Webpage URL"]),
    ("referrerUrl", &["Referrer URL"]),
    ("linkUrl", &["Link", "Link URL"]),
    ("opportunityRole", &["Role"]),
    ("newStatus", &["New Status"]),
    // Add to Nurture has the first, Change Nurture Track the second: nurture tracks are what is published as streams.
    ("streamId", &["Track ID", "New Track ID"]),
    ("newStageId", &["New Stage ID"]),
];
/// As [`MADE_OF`], of attributes that hold JSON.
const MADE_OF_JSON: &[(&str, &str)] = &[("dataValueChanges", "Data Value Changes")];
const EVENT_TYPE: &str = "eventType";

/// The columns of an activity.
pub(crate) fn fields() -> Vec<Field> {
    const NATIVE: &[(&str, &str)] = &[
        ("marketoGUID", "string"),
        ("leadId", "integer"),
        ("activityDate", "datetime"),
        (TYPE, "integer"),
        ("campaignId", "integer"),
        // A number for assets, but nobody says that it is one always.
        ("primaryAttributeValueId", "string"),
        ("primaryAttributeValue", "string"),
        (ATTRIBUTES, "array"),
    ];
    let native = NATIVE.iter().map(|(name, kind)| Field::new(name, kind, name));
    let made = MADE_OF.iter().map(|(name, _)| Field::new(name, MADE, name));
    let json = MADE_OF_JSON.iter().map(|(name, _)| Field::new(name, MADE_JSON, name));
    native.chain([Field::new(EVENT_TYPE, MADE, EVENT_TYPE)]).chain(made).chain(json).collect()
}

/// Names and values beside the main ones.
pub(crate) struct Attributes(Map<String, Value>);

impl Attributes {
    /// Of a bulk extract's cell, an object; of anything else: none.
    pub(crate) fn of_text(text: Option<&str>) -> Self {
        Self(text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default())
    }

    pub(crate) fn of(activity: &Activity) -> Self {
        Self(activity.attributes.iter().map(|a| (a.name.clone(), a.value.clone())).collect())
    }

    fn text(&self, names: &[&str]) -> Option<String> {
        let value = names.iter().find_map(|name| self.0.get(*name))?;
        match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// JSON comes as the text of it, or as it is. What is none is the text that it is.
    fn json(&self, name: &str) -> Option<Value> {
        match self.0.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())),
            other => Some(other.clone()),
        }
    }
}

/// Sets the columns that are made.
pub(crate) fn make(row: &mut Row<'_>, kind: i64, attributes: &Attributes) {
    match TYPES.iter().find(|(id, _)| *id == kind) {
        Some((_, name)) => row.text(EVENT_TYPE, name),
        None => row.text(EVENT_TYPE, &format!("marketo.activity{kind}")),
    };
    for (column, names) in MADE_OF {
        if let Some(text) = attributes.text(names) {
            row.text(*column, &text);
        }
    }
    for (column, name) in MADE_OF_JSON {
        if let Some(json) = attributes.json(name) {
            row.json(*column, &json.to_string());
        }
    }
}

/// Adds the row of an activity as the REST interface has it: the same as of an extract.
pub(crate) fn add_to(page: &mut PageBuilder, activity: &Activity) {
    let Some(key) = activity.guid.as_deref().filter(|guid| !guid.is_empty()) else {
        page.reject(Reject::new("key-missing", "the activity has no marketoGUID").field("marketoGUID"));
        return;
    };
    let attributes = Attributes::of(activity);
    let mut row = page.row(key).source_time(activity.time()).full();
    row.text("marketoGUID", key).integer(TYPE, activity.activity_type_id);
    if let Some(lead) = activity.lead_id {
        row.integer("leadId", lead);
    }
    if let Some(at) = activity.date() {
        row.timestamp("activityDate", at);
    }
    if let Some(campaign) = activity.campaign_id {
        row.integer("campaignId", campaign);
    }
    if let Some(id) = &activity.primary_id {
        row.text("primaryAttributeValueId", id);
    }
    if let Some(value) = &activity.primary {
        row.text("primaryAttributeValue", value);
    }
    row.json(ATTRIBUTES, &Value::Object(attributes.0.clone()).to_string());
    make(&mut row, activity.activity_type_id, &attributes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_the_models() {
        for (id, name) in TYPES {
            assert!(attiva_core::model::EVENT_TYPES.contains(name), "{id} {name}");
        }
        assert!(TYPES.is_sorted_by_key(|(id, _)| *id));
        assert_eq!(TYPES.len(), attiva_core::model::EVENT_TYPES.len());
    }
}
