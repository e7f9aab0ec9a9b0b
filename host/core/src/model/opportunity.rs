//! Opportunities, and who takes part in them.

use super::{
    CREATED_BY, CREATED_DATE, EXTERNAL_KEY, Entity, EntityKind, Field, LAST_ACTIVITY_DATE, LAST_UPDATED_BY,
    LAST_UPDATED_DATE, Relation, Resolution, field, reference, text,
};
use crate::value::DataType;

/// An opportunity's fields. There is no flag for lost: that is closed and not won.
pub const OPPORTUNITY: &[Field] = &[
    text("name", "Name", "opportunityName"),
    text("opportunity_type", "Type", "opportunityType"),
    text("stage", "Stage", "opportunityStage"),
    text("description", "Description", "opportunityDescription"),
    reference("account_key", "Account", "accountKey.sourceKey"),
    reference("campaign_key", "Campaign", "campaignKey.sourceKey"),
    field("is_closed", DataType::Boolean, "Closed", "isClosed"),
    field("is_won", DataType::Boolean, "Won", "isWon"),
    field("probability", DataType::Decimal, "Probability, percent", "probabilityPercentage"),
    field("amount", DataType::Decimal, "Amount", "opportunityAmount.amount"),
    text("amount_currency", "Its currency (ISO 4217)", "opportunityAmount.currencyCode"),
    field("expected_revenue", DataType::Decimal, "Expected revenue", "expectedRevenue.amount"),
    text("expected_revenue_currency", "Its currency (ISO 4217)", "expectedRevenue.currencyCode"),
    field("quantity", DataType::Decimal, "Quantity", "opportunityQuantity"),
    field("expected_close_date", DataType::Date, "Expected to close", "expectedCloseDate"),
    field("actual_close_date", DataType::Date, "Closed on", "actualCloseDate"),
    text("forecast_category", "Forecast category", "forecastCategory"),
    text("forecast_category_name", "Name of the forecast category", "forecastCategoryName"),
    text("fiscal_year", "Fiscal year", "fiscalYear"),
    text("fiscal_quarter", "Fiscal quarter", "fiscalQuarter"),
    text("lead_source", "Lead source", "leadSource"),
    text("next_step", "Next step", "nextStep"),
    EXTERNAL_KEY,
    CREATED_BY,
    CREATED_DATE,
    LAST_UPDATED_BY,
    LAST_UPDATED_DATE,
    LAST_ACTIVITY_DATE,
];

/// A person's part in an opportunity.
pub const OPPORTUNITY_PERSON: &[Field] = &[
    reference("opportunity_key", "Opportunity", "opportunityKey.sourceKey"),
    reference("person_key", "Person", "personKey.sourceKey"),
    text("person_role", "Role", "personRole"),
    field("is_primary", DataType::Boolean, "First contact", "isPrimary"),
    EXTERNAL_KEY,
    CREATED_BY,
    CREATED_DATE,
    LAST_UPDATED_BY,
    LAST_UPDATED_DATE,
    LAST_ACTIVITY_DATE,
];

pub(super) const ENTITY: Entity = Entity {
    kind: EntityKind::Opportunity,
    name: "opportunity",
    title: "Opportunity",
    class: "Business Opportunity",
    fields: OPPORTUNITY,
    relations: &[
        Relation { field: "account_key", to: EntityKind::Account, name: "account", name_there: "opportunities" },
        Relation { field: "campaign_key", to: EntityKind::Campaign, name: "campaign", name_there: "opportunities" },
    ],
    resolution: Resolution::Graph,
};

pub(super) const PERSON_ENTITY: Entity = Entity {
    kind: EntityKind::OpportunityPerson,
    name: "opportunity_person",
    title: "Person in an opportunity",
    class: "Business Opportunity Person Relation",
    fields: OPPORTUNITY_PERSON,
    relations: &[
        Relation { field: "opportunity_key", to: EntityKind::Opportunity, name: "opportunity", name_there: "people" },
        Relation { field: "person_key", to: EntityKind::Person, name: "person", name_there: "opportunity_relations" },
    ],
    // The same role arrives through Marketo and from the CRM.
    resolution: Resolution::Graph,
};
