//! Campaigns and marketing lists, and their members.

use super::{
    CREATED_BY, CREATED_DATE, EXTERNAL_KEY, EXTERNAL_KEY_TOLD, Entity, EntityKind, Field, LAST_ACTIVITY_DATE,
    LAST_UPDATED_BY, LAST_UPDATED_DATE, Relation, Resolution, field, reference, text,
};
use crate::value::DataType;

/// A campaign's fields: a Marketo program or a CRM campaign.
pub const CAMPAIGN: &[Field] = &[
    text("name", "Name", "campaignName"),
    text("campaign_type", "Type", "campaignType"),
    text("status", "Status", "campaignStatus"),
    text("channel_name", "Channel", "channelName"),
    text("description", "Description", "campaignDescription"),
    field("is_active", DataType::Boolean, "Active", "isActive"),
    field("start_date", DataType::Timestamp, "From", "campaignStartDate"),
    field("end_date", DataType::Timestamp, "Until", "campaignEndDate"),
    field("budgeted_cost", DataType::Decimal, "Budget", "budgetedCost.amount"),
    text("budgeted_cost_currency", "Its currency (ISO 4217)", "budgetedCost.currencyCode"),
    field("actual_cost", DataType::Decimal, "Cost", "actualCost.amount"),
    text("actual_cost_currency", "Its currency (ISO 4217)", "actualCost.currencyCode"),
    field("expected_revenue", DataType::Decimal, "Expected revenue", "expectedRevenue.amount"),
    text("expected_revenue_currency", "Its currency (ISO 4217)", "expectedRevenue.currencyCode"),
    reference("parent_campaign_key", "Parent campaign", "parentCampaignKey.sourceKey"),
    text("progression_name", "Progression", "campaignProgressionName"),
    text("integration_partner_name", "Partner of the integration", "integrationPartnerName"),
    text("expected_response", "Expected response", "expectedResponse"),
    text("time_zone", "Time zone", "timeZone"),
    text("webinar_session_name", "Webinar session", "webinarSessionName"),
    text("webinar_session_description", "Description of the webinar session", "webinarSessionDescription"),
    text("webinar_history_sync_status", "How the webinar's history was synchronised", "webinarHistorySyncStatus"),
    field(
        "webinar_history_sync_date",
        DataType::Timestamp,
        "When the webinar's history was synchronised",
        "webinarHistorySyncDate",
    ),
    EXTERNAL_KEY,
    CREATED_BY,
    CREATED_DATE,
    LAST_UPDATED_BY,
    LAST_UPDATED_DATE,
    LAST_ACTIVITY_DATE,
];

/// A person in a campaign.
pub const CAMPAIGN_MEMBER: &[Field] = &[
    reference("campaign_key", "Campaign", "campaignKey.sourceKey"),
    reference("person_key", "Person", "personKey.sourceKey"),
    text("member_status", "Status", "memberStatus"),
    text("member_status_reason", "Why it is that", "memberStatusReason"),
    text("last_status", "Status before", "lastStatus"),
    field("has_reached_success", DataType::Boolean, "Reached success", "hasReachedSuccess"),
    field("reached_success_date", DataType::Timestamp, "When success was reached", "reachedSuccessDate"),
    field("has_responded", DataType::Boolean, "Responded", "hasResponded"),
    field("first_responded_date", DataType::Timestamp, "First responded", "firstRespondedDate"),
    field("membership_date", DataType::Timestamp, "Member since", "membershipDate"),
    field("is_exhausted", DataType::Boolean, "Has seen all content", "isExhausted"),
    text("nurture_track_name", "Nurture track", "nurtureTrackName"),
    text("nurture_cadence", "Nurture cadence", "nurtureCadence"),
    reference("acquired_by_campaign_key", "Campaign that acquired the person", "acquiredByCampaignKey.sourceKey"),
    text("webinar_registration_id", "Registration for the webinar", "webinarRegistrationID"),
    text("webinar_confirmation_url", "Page that confirms the webinar", "webinarConfirmationUrl"),
    text("person_type", "Lead or Contact", "b2b.personType"),
    EXTERNAL_KEY,
    CREATED_BY,
    CREATED_DATE,
    LAST_UPDATED_BY,
    LAST_UPDATED_DATE,
    LAST_ACTIVITY_DATE,
];

/// A marketing list's fields: a Marketo static list. It never comes from the CRM, so no second key names it.
pub const MARKETING_LIST: &[Field] = &[
    text("name", "Name", "marketingListName"),
    text("description", "Description", "marketingListDescription"),
    EXTERNAL_KEY_TOLD,
    CREATED_BY,
    CREATED_DATE,
    LAST_UPDATED_BY,
    LAST_UPDATED_DATE,
    LAST_ACTIVITY_DATE,
];

/// A person on a marketing list.
pub const MARKETING_LIST_MEMBER: &[Field] = &[
    reference("marketing_list_key", "Marketing list", "marketingListKey.sourceKey"),
    reference("person_key", "Person", "personKey.sourceKey"),
    EXTERNAL_KEY_TOLD,
    CREATED_BY,
    CREATED_DATE,
    LAST_UPDATED_BY,
    LAST_UPDATED_DATE,
    LAST_ACTIVITY_DATE,
];

pub(super) const ENTITY: Entity = Entity {
    kind: EntityKind::Campaign,
    name: "campaign",
    title: "Campaign",
    class: "Business Campaign",
    fields: CAMPAIGN,
    relations: &[Relation {
        field: "parent_campaign_key",
        to: EntityKind::Campaign,
        name: "parent",
        name_there: "children",
    }],
    resolution: Resolution::Graph,
};

pub(super) const MEMBER_ENTITY: Entity = Entity {
    kind: EntityKind::CampaignMember,
    name: "campaign_member",
    title: "Person in a campaign",
    class: "Business Campaign Members",
    fields: CAMPAIGN_MEMBER,
    relations: &[
        Relation { field: "campaign_key", to: EntityKind::Campaign, name: "campaign", name_there: "members" },
        Relation { field: "person_key", to: EntityKind::Person, name: "person", name_there: "campaign_memberships" },
        Relation {
            field: "acquired_by_campaign_key",
            to: EntityKind::Campaign,
            name: "acquired_by_campaign",
            name_there: "acquired_members",
        },
    ],
    resolution: Resolution::Graph,
};

pub(super) const LIST_ENTITY: Entity = Entity {
    kind: EntityKind::MarketingList,
    name: "marketing_list",
    title: "Marketing list",
    class: "Business Marketing List",
    fields: MARKETING_LIST,
    relations: &[],
    resolution: Resolution::Key,
};

pub(super) const LIST_MEMBER_ENTITY: Entity = Entity {
    kind: EntityKind::MarketingListMember,
    name: "marketing_list_member",
    title: "Person on a marketing list",
    class: "Business Marketing List Members",
    fields: MARKETING_LIST_MEMBER,
    relations: &[
        Relation {
            field: "marketing_list_key",
            to: EntityKind::MarketingList,
            name: "marketing_list",
            name_there: "members",
        },
        Relation { field: "person_key", to: EntityKind::Person, name: "person", name_there: "list_memberships" },
    ],
    resolution: Resolution::Key,
};
