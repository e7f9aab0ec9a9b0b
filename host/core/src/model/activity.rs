//! What happened, and when.

use super::{Entity, EntityKind, Field, Relation, Resolution, Role, field, key, reference, text};
use crate::value::DataType;

/// The types of activities that are published for B2B; a source may send others, so they bind nobody.
pub const EVENT_TYPES: &[&str] = &[
    "web.webpagedetails.pageViews",
    "web.webinteraction.linkClicks",
    "web.formFilledOut",
    "listOperation.addToList",
    "listOperation.removeFromList",
    "leadOperation.newLead",
    "leadOperation.convertLead",
    "leadOperation.scoreChanged",
    "leadOperation.statusInCampaignProgressionChanged",
    "leadOperation.interestingMoment",
    "leadOperation.callWebhook",
    "leadOperation.changeEngagementCampaignCadence",
    "leadOperation.addToCampaign",
    "leadOperation.changeCampaignStream",
    "leadOperation.revenueStageChanged",
    "leadOperation.mergeLeads",
    "opportunityEvent.addToOpportunity",
    "opportunityEvent.removeFromOpportunity",
    "opportunityEvent.opportunityUpdated",
    "directMarketing.emailSent",
    "directMarketing.emailDelivered",
    "directMarketing.emailOpened",
    "directMarketing.emailClicked",
    "directMarketing.emailBounced",
    "directMarketing.emailBouncedSoft",
    "directMarketing.emailUnsubscribed",
];

/// An activity's fields. What is peculiar to a type stays in `data`.
pub const ACTIVITY: &[Field] = &[
    text("id", "Id at the source", "_id"),
    text("type", "Type", "eventType"),
    field("time", DataType::Timestamp, "When", "timestamp"),
    reference("person_key", "Person", "personKey.sourceKey"),
    // What names who did it where the event knows no record: a visitor's device, an address in a form.
    field("ecids", DataType::TextList, "Devices (ECID)", "identityMap.ECID").role(Role::Ecid),
    text("email", "E-mail", "identityMap.Email").role(Role::Email),
    text("page", "Page", "web.webPageDetails.URL"),
    text("page_name", "Name of the page", "web.webPageDetails.name"),
    text("referrer", "Came from", "web.webReferrer.URL"),
    text("link", "Link", "web.webInteraction.URL"),
    text("form_name", "Form", "web.fillOutForm.webFormName"),
    reference("marketing_list_key", "Marketing list", "listOperations.listKey.sourceKey"),
    reference("campaign_key", "Campaign", "leadOperation.campaignKey.sourceKey"),
    reference("opportunity_key", "Opportunity", "opportunityEvent.opportunityKey.sourceKey"),
    text("mailing_name", "Mailing", "directMarketing.mailingName"),
    key("mailing_key", "Mailing, by its key", "directMarketing.mailingKey.sourceKey"),
    key("stream_key", "Stream it is in from now on", "leadOperation.changeCampaignStream.newStreamKey.sourceKey"),
    key("webhook_key", "Webhook", "leadOperation.callWebhook.webhookKey.sourceKey"),
    key("revenue_stage_key", "Stage of the revenue model", "leadOperation.revenueStageChanged.newStageKey.sourceKey"),
    field("data_value_changes", DataType::Json, "Values that changed", "opportunityEvent.dataValueChanges"),
    field("data", DataType::Json, "What else the source said", ""),
];

pub(super) const ENTITY: Entity = Entity {
    kind: EntityKind::Activity,
    name: "activity",
    title: "Activity",
    class: "XDM ExperienceEvent",
    fields: ACTIVITY,
    relations: &[
        Relation { field: "person_key", to: EntityKind::Person, name: "person", name_there: "events" },
        Relation {
            field: "marketing_list_key",
            to: EntityKind::MarketingList,
            name: "marketing_list",
            name_there: "events",
        },
        Relation { field: "campaign_key", to: EntityKind::Campaign, name: "campaign", name_there: "events" },
        Relation { field: "opportunity_key", to: EntityKind::Opportunity, name: "opportunity", name_there: "events" },
    ],
    resolution: Resolution::Key,
};
